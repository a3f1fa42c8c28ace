"""Programs as more strangers write them: forces, masks, halves by other names, checks of their own."""

import numpy as np
import pytest

from autograd_ref import NotJudged, check_call
from autograd_ref.crosscheck.isolated.command import check_targets
from autograd_ref.crosscheck.isolated.process import Outcome
from autograd_ref.crosscheck.isolated.whole import makers_of_gradients, names_in
from autograd_ref.crosscheck.program.calling import loops
from autograd_ref.crosscheck.program.calling.forms import counterpart, forward_of
from autograd_ref.crosscheck.program.calling.target import Asked, check_round

A, B = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.25, -0.5])


def round_of(text, **space):
    """The report on one round of the only loop in a text."""
    (loop,) = loops.loops_of(text)
    names = {"np": np, **space}
    made = loops.round_of(loop, "program.py", names, names)
    return check_round(made, "program.py", Asked("program.py:1", None, 1, None, None, {}, 1, None, 0, 0.0))


TRIPLET = """
for _ in range(2):
    za, zn = a @ W, n @ W
    loss = np.sum(za * zn)
    da, dn = zn, {factor} * za
    dW = a.T @ da + n.T @ dn
    W = W - 0.1 * dW
"""


@pytest.mark.parametrize("width", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_adjoint_of_an_output_is_not_a_gradient_by_data_of_its_name(width):
    rng = np.random.default_rng(0)
    given = {"W": rng.normal(size=(3, width)), "a": rng.normal(size=(4, 3)), "n": rng.normal(size=(4, 3))}
    report = round_of(TRIPLET.format(factor=1), **given)
    assert report.ok
    assert [each.of for each in report.quantities] == ["W"]
    assert round_of(TRIPLET.format(factor=2), **given).ok is False


def with_own_check(x):
    """The loss, its gradient, and central differences of the loss."""
    found = np.zeros_like(x)
    for i in range(x.size):
        old = x[i]
        x[i] = old + 1e-3
        above = np.sum(x * x)
        x[i] = old - 1e-3
        found[i] = (above - np.sum(x * x)) / 2e-3
        x[i] = old
    return np.sum(x * x), 2 * x, np.abs(found - 2 * x).max()


def test_own_check_of_a_program_takes_no_exponential_time():
    assert check_call(with_own_check, np.linspace(0.5, 2, 24), points=1, of={"return[1]": "x"}).ok


def pulled(position, factor=1.0):
    distance = np.sqrt(np.sum(position * position))
    energy = 0.5 * (distance - 1) ** 2
    forces = -factor * (distance - 1) / distance * position
    return energy, forces


def test_forces_are_minus_the_gradient_of_the_energy():
    report = check_call(pulled, A, points=1)
    assert report.ok
    assert "minus the energy" in str(report)
    assert check_call(pulled, A, -1.0, points=1).ok is False


def masked(logits, mask, factor=1.0):
    left = mask * logits
    return np.sum(left * left), factor * 2 * mask * left


@pytest.mark.parametrize(("factor", "ok"), [(1.0, True), (1.5, False)])
def test_gradient_belongs_to_no_mask(factor, ok):
    report = check_call(masked, A, np.array([0.0, 1.0, 1.0]), factor, points=1)
    assert report.ok is ok
    assert [each.of for each in report.quantities] == ["logits"]


def recursive(rates, seen, factor=1.0):
    """A recursion of numbers, with its derivative carried along, like GARCH's."""
    level, by_level, loss, gradient = 1.0, np.zeros(2), 0.0, np.zeros(2)
    for each in seen:
        by_level = np.array([each, level]) * factor + rates[1] * by_level
        level = rates[0] * each + rates[1] * level
        loss = loss + level * level
        gradient = gradient + 2 * level * by_level
    return loss, gradient


@pytest.mark.slow
def test_long_recursion_of_numbers_is_explained_in_time():
    seen = np.random.default_rng(0).random(40)
    assert check_call(recursive, np.array([0.2, 0.7]), seen, points=3).ok
    assert check_call(recursive, np.array([0.2, 0.7]), seen, 1.1, points=3).blame


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        ("norm_fwd", "norm_bwd"), ("fprop", "bprop"), ("Layer.fprop", "Layer.bprop"),
        ("Layer.__call__", "Layer.backward"), ("norm", "norm_bwd"), ("norm_forward", "norm_backward"),
    ],
)  # fmt: skip
def test_halves_are_found_by_their_names(forward, backward):
    known = {forward, backward}
    assert counterpart(forward, lambda name: print if name in known else None) == ("backward", backward)
    assert forward_of(backward, known) == forward


def test_score_is_the_gradient_of_a_log_likelihood():
    assert counterpart("score", {"loglik": print}.get) == ("loss", "loglik")
    assert counterpart("nll_grad", {"nll": print}.get) == ("loss", "nll")


def test_backward_halves_are_not_listed_apart(tmp_path):
    file = tmp_path / "layers.py"
    file.write_text("def norm_fwd(x): ...\ndef norm_bwd(dout, cache): ...\ndef bwd(x): ...\n")
    assert list(names_in(str(file))) == ["norm_fwd", "bwd"]
    file.write_text("def forward(x): ...\ndef forward_backward(x): ...\ndef backward(d): ...\n")
    assert list(names_in(str(file))) == ["forward", "forward_backward"]


class Head:
    """A layer that stores the gradient by its argument, beside the one by its weights."""

    def __init__(self):
        self.W, self.dW, self.dx = B + 0, None, None

    def __call__(self, x, factor=1.0):
        self.dW, self.dx = A * 0 + x, factor * self.W
        return np.sum(self.W * x) + 0 * np.sum(FEATURES)


FEATURES = A + 1


def test_argument_keeps_its_name_if_it_is_a_global_array_too():
    report = check_call(Head.__call__, Head(), FEATURES, points=1)
    assert {each.of: each.source for each in report.quantities} == {"self.W": "self.dW", "x": "self.dx"}
    assert check_call(Head.__call__, Head(), FEATURES, 2.0, points=1).ok is False


CLIMB = """
for _ in range(3):
    p = 1 / (1 + np.exp(-(x @ w)))
    log_likelihood = np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))
    w = w {sign} 0.1 * x.T @ (y - p)
"""


def test_steps_up_a_likelihood():
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=(6, 3)), "w": A + 0, "y": np.array([0.0, 1, 1, 0, 0, 1])}
    assert round_of(CLIMB.format(sign="+"), **given).ok
    assert round_of(CLIMB.format(sign="-"), **given).ok is False


TWO = """
for _ in range(3):
    left = r - s @ v
    first_loss = np.mean(left * (s @ w))
    second_loss = 0.5 * np.mean(left * left)
    dw, dv = s.T @ left / len(r), -s.T @ left / len(r)
    w, v = w - 0.1 * dw, v - 0.1 * dv
"""


def test_two_losses_in_a_loop_are_named():
    rng = np.random.default_rng(0)
    given = {"s": rng.normal(size=(6, 3)), "r": rng.normal(size=6), "v": A + 0, "w": B + 0}
    with pytest.raises(NotJudged, match="several losses, first_loss, second_loss"):
        round_of(TWO, **given)
    unnamed = TWO.replace("first_loss", "one").replace("second_loss", "two")
    with pytest.raises(NotJudged, match="--loss NAME"):
        round_of(unnamed, **given)


@pytest.mark.parametrize(
    "step",
    [
        "w, b = w - lr * dw, b - lr * db", "p = [each - lr * g for each, g in zip(p, grads)]",
        "p = {k: p[k] - lr * g[k] for k in p}", "p = [each - 0.1 for each in p]",
    ],
)  # fmt: skip
def test_loop_that_rebuilds_its_parameters_trains(step):
    assert loops.lowers(loops.loops_of(f"for _ in range(3):\n    {step}")[0])
    assert not loops.loops_of("for _ in range(3):\n    p = [each * 2 for each in p]")


MAKERS = """
def softmax(z): return z
def step(w, x):
    dw = x * 2
    return w, dw
def inner(w): grads = {"w": w}; return grads
def outer(w): return 0, inner(w)
def numerical_grad(w): grad = w; return grad
def clip(grads): return grads
"""


def test_functions_that_return_gradients_are_told_from_others():
    assert makers_of_gradients(MAKERS) == {"step", "inner"}
    assert makers_of_gradients(MAKERS, ["outer"]) == {"step"}  # what a judged function calls is judged


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)

    def zero_grad(self):
        self.grad = np.zeros_like(self.data)


NEVER_ZERO = """
for _ in range(3):
    left = x @ w.data - y
    loss = np.sum(left * left)
    {zero}
    w.grad += 2 * x.T @ left
    w.data -= 0.01 * w.grad
    {late}
"""


def test_gradient_that_is_never_set_to_zero_is_wrong():
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=(6, 3)), "y": rng.normal(size=6), "w": Parameter(A + 0)}
    report = round_of(NEVER_ZERO.format(zero="pass", late="pass"), **given)
    assert report.ok is False
    assert "Set it to 0 in every round" in str(report)
    assert not given["w"].grad.any()
    assert round_of(NEVER_ZERO.format(zero="w.zero_grad()", late="pass"), **given).ok
    for late in ("w.grad[:] = 0", "w.zero_grad()", "w.grad = 0 * w.grad", "w.grad = None"):
        assert round_of(NEVER_ZERO.format(zero="pass", late=late), **given).ok


PARTS = """
import numpy as np
class Layer:
    def __init__(self): self.w = np.array([0.5, -1.0])
    def forward(self, x):
        self.x = x
        return x @ self.w
    def backward(self, dout): self.dw = self.x.T @ dout
x, y, net = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.2]]), np.array([1.0, 2.0, 0.5]), Layer()
for _ in range(3):
    left = net.forward(x) - y
    loss = np.sum(left * left)
    net.backward(3 * left)
    net.w -= 0.01 * net.dw
def other(a, c):
    da = c * 2
    return (a * c).sum(), da
"""


@pytest.mark.slow
def test_right_layers_in_a_wrong_loop_and_what_is_not_judged(tmp_path, capfd):
    file = tmp_path / "program.py"
    recorded = {"call": None, "run": None, "nth": 1, "loss": None, "backward": None, "of": {}, "points": 3}
    recorded |= {"explain": False, "repair": False}
    request = {"reference": None, "sizes": [4, 3, 5, 2], "reg": None, "dtype": None, "seed": 0}
    request |= {"tolerance": 0.0, "surrogate": False, "recorded": recorded}
    file.write_text(PARTS)
    outcome = check_targets([str(file)], request, as_json=False, strict=False, time_limit=60)
    assert outcome is Outcome.WRONG
    assert "program.py:10: dnet.w is wrong" in capfd.readouterr().out
    file.write_text(PARTS.replace("3 * left", "2 * left"))
    outcome = check_targets([str(file)], request, as_json=False, strict=False, time_limit=60)
    assert outcome is Outcome.NOT_JUDGED
    assert "2 right, 1 could not be judged." in capfd.readouterr().out
