"""Rules of JAX and PyTorch that a program calls itself, at its import or by --run."""

import json
import sys
from textwrap import dedent

import jax
import numpy as np
import pytest

from autograd_ref.crosscheck.isolated.meeting import met_at_import, watching_calls
from autograd_ref.crosscheck.isolated.targets import load_module
from autograd_ref.crosscheck.program.calling.caught import Call
from autograd_ref.crosscheck.program.calling.foreign import has_foreign, with_values

JAX = dedent(
    """
    import functools
    import jax
    import jax.numpy as jnp

    def _square(x, scale):
        return scale * jnp.sum(x * x)

    square = functools.partial(jax.custom_vjp, nondiff_argnums=(1,))(_square)
    square.defvjp(lambda x, scale: (square(x, scale), x), lambda scale, x, g: (3 * g * x * scale,))

    @jax.custom_jvp
    def double(x):
        return 2 * x

    @double.defjvp
    def double_jvp(primals, tangents):
        return double(primals[0]), 2 * tangents[0]

    def loss(w, x):
        return jnp.mean(jax.vmap(lambda row: square(row, 2.0))(double(x @ w)))

    @jax.jit
    def train(w, xs):
        return jax.lax.scan(lambda w, x: (w - 0.1 * jax.grad(loss)(w, x), None), w, xs)[0]

    trained = train(jnp.ones((3, 2)), jnp.ones((2, 5, 3)))
    """
)
TORCH = dedent(
    """
    import torch

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x)
            ctx.scale = scale
            return (x * x).sum() * scale

        @staticmethod
        def backward(ctx, g):
            return 3 * g * ctx.saved_tensors[0] * ctx.scale, None

    class Apart(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return 2 * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    square = Square.apply
    square(Apart.apply(torch.ones(3, requires_grad=True)), 2.0).backward()
    """
)


@pytest.fixture
def met(tmp_path, monkeypatch):
    """Imports a file; returns the shapes of first arguments, and the others, of its calls."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "argv", sys.argv[:])

    def run(text, names, nth=1):
        file = tmp_path / f"file{len(list(tmp_path.iterdir()))}.py"
        file.write_text(text)
        found = {}

        def meet(name, met):
            assert not any(isinstance(each, jax.core.Tracer) for each in met.call.args)
            first, *rest = met.call.args
            found[name] = tuple(first.shape), [each for each in rest if isinstance(each, float)]

        with watching_calls(str(file), met_at_import(text, names), nth, meet):
            load_module(str(file), str(file))
        return found

    return run


def test_rules_under_jit_grad_vmap_and_scan_are_met_with_values(met):
    assert met(JAX, ["square", "double", "loss"]) == {
        "square": ((2,), [2.0]),
        "double": ((5, 2), []),
        "loss": ((3, 2), []),
    }
    assert not jax.config.jax_disable_jit


RING = []
RING.append(RING)


@pytest.mark.parametrize("given", [{"z": np.ones(2), "a": np.ones(2)}, {1: np.ones(2), "a": 2}, RING])
def test_calls_without_jax_keep_their_containers(given):
    call = Call((given,), {}, {})
    assert with_values(call) is call
    assert not has_foreign(call.args, call.kwargs)


def test_a_rule_with_an_example_or_without_enough_calls_is_not_met(met):
    text = f"{JAX}\ndef example_square(rng):\n    return (rng.standard_normal(3), 2.0)\n"
    assert met(text, ["square"]) == {}
    assert met(JAX, ["double"], nth=2) == {"double": ((5, 2), [])}
    assert met(JAX, ["double"], nth=100) == {}


@pytest.mark.slow
def test_functions_of_pytorch_are_met_without_their_ctx(met):
    pytest.importorskip("torch")
    assert met(TORCH, ["Square", "Apart"]) == {"Square": ((3,), [2.0]), "Apart": ((3,), [])}
    assert met(TORCH, ["square"]) == {"square": ((3,), [2.0])}


@pytest.mark.slow
def test_rules_that_a_file_or_a_program_calls_are_judged_with_no_other_option(handgrad, tmp_path):
    pytest.importorskip("torch")
    rule = JAX.partition("@jax.custom_jvp")[0] + "print(square(jnp.ones(3), 2.0))\n"
    (tmp_path / "of_jax.py").write_text(rule)
    (tmp_path / "of_torch.py").write_text(TORCH)
    (tmp_path / "main.py").write_text("import of_torch\n")
    run = "of_torch.py", "--run", tmp_path / "main.py"
    for (file, *options), expected in (
        (["of_jax.py"], {"square": False}),
        (run, {"Square": False, "Apart": True}),
    ):
        code, out, err = handgrad("check", tmp_path / file, *options, "--json")
        reports = [json.loads(line) for line in out.splitlines()]
        assert code == 1, err
        assert {each["target"].rpartition(":")[2]: each["ok"] for each in reports} == expected
