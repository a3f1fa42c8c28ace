"""The mistakes that `check_network` names, and its description of a mistake without a name."""

import pytest

from autograd_ref import check_network
from autograd_ref.crosscheck.network import diagnosis
from benchmarks.checkers import mistaken_networks as networks

BIAS_2 = networks.BIAS_2
RETURN = "return loss, grads"
NO_MEAN, TWICE = ("dscores /= N", "pass"), ("dscores /= N", "dscores /= N * N")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edits", "first_wrong", "id_"),
    [
        ([("N, D = X.shape", "X -= X.mean(axis=0); N, D = X.shape")], "X", "inputs-mutated"),
        ([("N, D = X.shape", "y[0] = 0 if y is None or y[0] else 1; N, D = X.shape")], "y", "inputs-mutated"),
        ([(RETURN, 'self.params["W1"] *= 0.9; return loss, grads')], "params", "inputs-mutated"),
        ([(RETURN, 'W2 -= 1e-3 * grads["W2"]; return loss, grads')], "params", "inputs-mutated"),
        (
            [("N, D = X.shape", "N, D = X.shape; X = X * (np.random.rand(*X.shape) < 0.5)")],
            "determinism", "not-deterministic",
        ),
        (
            [
                ("scores = h1.dot(W2) + b2",
                 'scores = self.__dict__.setdefault("buffer", h1.dot(W2)); scores[:] = h1.dot(W2) + b2'),
                ("shifted = scores -", "scores -= np.max(scores, axis=1, keepdims=True); shifted = scores -"),
            ],
            "scores", "scores-overwritten",
        ),
        (
            [("if y is None:", "scores -= np.max(scores, axis=1, keepdims=True)\n        if y is None:")],
            "scores", "scores-overwritten",
        ),
    ],
)  # fmt: skip
def test_callers_arrays_are_probed(edits, first_wrong, id_):
    report = check_network(networks.network(*edits))
    assert not report.ok
    assert report.first_wrong == first_wrong
    assert [each.id for each in report.diagnosis] == [id_]


def test_the_sentence_names_the_line_to_write():
    report = check_network(networks.network(*networks.MISTAKES["reg-halved [both]"][1]))
    assert report.diagnosis[0].text == (
        "dW2 and dW1: the loss has reg·‖W‖², whose gradient is 2·reg·W; yours has reg·W."
    )
    report = check_network(networks.network(*networks.MISTAKES["bias-mean"][1]))
    assert "write db1 = dz1.sum(axis=0)" in report.diagnosis[0].text
    assert report.diagnosis[0].equivalent == ("batch-mean-twice",)


def test_epsilon_in_the_logarithm_is_estimated():
    report = check_network(networks.network(*networks.MISTAKES["log-epsilon"][1]))
    assert "log(p + 1e-08)" in report.diagnosis[0].text


@pytest.mark.slow
def test_part_of_what_is_wrong_is_named_where_the_rest_is_unknown():
    edits = [*networks.MISTAKES["bias-mean"][1], *networks.UNKNOWN["one column of dW2 zero"][1]]
    report = check_network(networks.network(*edits))
    assert [each.id for each in report.diagnosis] == ["bias-mean"]
    assert report.signature == "dW2 is wrong only in column 1."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("W1 gradient times 1.1", "dW1 is 1.1 times the right one."),
        ("one column of dW2 zero", "dW2 is wrong only in column 1."),
        ("sign of db1", "db1 has the wrong sign."),
        (
            "one entry of dW1 off by a billionth",
            "On the problem 'ordinary': dW1 is wrong in 1 of 70 entries, the first at [1, 2].",
        ),
        ("three times the penalty", "dW1 is off by reg·W1."),
    ],
)
def test_unknown_mistake_is_described(name, signature):
    report = check_network(networks.network(*networks.UNKNOWN[name][1]))
    assert report.diagnosis == ()
    assert report.signature == signature


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edits", "ids"),
    [
        ([NO_MEAN, (networks.PENALTY_2, "z1.T.dot(dscores) + 2 * reg * W2")],
         {"batch-mean-missing", "dW2-from-pre-activation"}),
        ([TWICE, (networks.PENALTY_2, "z1.T.dot(dscores) + 2 * reg * W2")],
         {"batch-mean-twice", "dW2-from-pre-activation"}),
        ([TWICE, (networks.BIAS_1, "dz1.sum(axis=1)")], {"batch-mean-twice", "bias-wrong-axis"}),
        ([NO_MEAN, (networks.PENALTY_1, "dz1.T.dot(X) + 2 * reg * W1")],
         {"batch-mean-missing", "dW-transposed"}),
        ([(networks.PENALTY_1, "dz1.T.dot(X) + reg * W1")], {"dW-transposed", "reg-halved"}),
        ([(networks.BIAS_1, "dz1.mean(axis=0) + 2 * reg * b1")], {"bias-mean", "reg-on-bias"}),
    ],
)  # fmt: skip
def test_two_mistakes_in_the_same_gradient_are_both_named(edits, ids):
    report = check_network(networks.network(*edits))
    assert {each.id for each in report.diagnosis} == ids, str(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edits", "first_wrong"),
    [
        ([("h1 = np.maximum(0, z1)", "h1 = np.clip(z1, 0, 6)")], None),
        ([("scores = h1.dot(W2) + b2", "scores = np.clip(h1.dot(W2) + b2, -10, 10)")], None),
        ([("N, D = X.shape", "N, D = X.shape; X = np.clip(X, -5, 5)")], None),
        ([("dscores /= N", "dscores = np.clip(dscores, -0.5, 0.5) / N")], "dW2"),
        ([(networks.BIAS_1, "np.clip(dz1.sum(axis=0), -1, 1)")], "db1"),
        ([(networks.MASK, "dz1 = dh1 * (z1 > 1e-3)")], "dW1"),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_clipping_shows_where_numbers_are_large(edits, first_wrong, dtype):
    report = check_network(networks.network(*edits), dtype=dtype)
    assert report.first_wrong == first_wrong
    assert report.ok is (None if first_wrong is None else False)  # a clipped loss is another loss
    assert report.diagnosis == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["relu-mask-replaces-upstream", "scores-used-as-dscores", "one-hot-missing"])
def test_names_of_mistakes_do_not_depend_on_the_draw(name, seed):
    wrong = networks.network(*networks.MISTAKES[name][1])
    for dtype, sizes in (("float32", None), ("float64", None), ("float32", (30, 5, 8, 4))):
        report = check_network(wrong, dtype=dtype, seed=seed, sizes=sizes)
        assert [each.id for each in report.diagnosis] == [name], str(report)


def test_a_bias_gradient_of_the_wrong_shape_is_not_taken_for_a_scalar():
    report = check_network(networks.network((BIAS_2, "dscores.sum(axis=1)")))
    assert [each.id for each in report.diagnosis] == ["bias-wrong-axis"]


@pytest.mark.parametrize(
    ("edits", "id_"),
    [
        ([("std=1e-4", "std")], None),
        ([("y=None, reg=0.0", "y=None, *, reg=0.0")], None),
        ([("dscores = probs.copy()", "dscores = scores.copy()"), (networks.ONE_HOT, "pass")],
         "scores-used-as-dscores"),
    ],
)  # fmt: skip
def test_other_ways_to_write_the_contract_and_the_mistakes(edits, id_):
    report = check_network(networks.network(*edits))
    assert report.ok is (id_ is None)
    assert [each.id for each in report.diagnosis] == ([] if id_ is None else [id_])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mask", "signature"),
    [
        ("dz1 = dh1 * np.where(h1 > 0, 1, 0.2)", "dz1 is wrong only in inactive units, where z1 <= 0."),
        ("dz1 = np.clip(dh1 * (h1 > 0), -0.05, 0.05)", "dz1 is wrong only where |dz1| is large."),
    ],
)
def test_the_signature_of_an_error_in_the_hidden_layer(mask, signature):
    report = check_network(networks.network((networks.MASK, mask)))
    assert report.diagnosis == ()
    assert report.signature.startswith(signature)


@pytest.mark.slow
def test_long_search_is_stopped(monkeypatch):
    """The verdict stays, and the error is described instead."""
    target = networks.network(NO_MEAN, (networks.BIAS_1, "dz1.mean(axis=0) + 2 * reg * b1"))
    assert len(check_network(target).diagnosis) == 2
    monkeypatch.setattr(diagnosis, "AFFORDABLE", 0.0)
    report = check_network(target)
    assert report.ok is False
    assert report.diagnosis == ()


@pytest.mark.slow
def test_an_unknown_gradient_of_another_shape_is_described():
    edits = [(networks.PENALTY_1, "1.1 * (X.T.dot(dz1) + 2 * reg * W1)"), (networks.BIAS_1, "1.1 * dz1")]
    report = check_network(networks.network(*edits))
    assert report.first_wrong == "dW1"
    assert "db1 has the shape (9, 10) instead of (10,)" in report.signature
