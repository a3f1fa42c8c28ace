"""`handgrad check --device`: JAX's own gradients, with the precision of products lowered in software.

A CPU ignores the requested precision when it multiplies float32: here the factors are rounded beforehand.
"""

import json

import jax
import numpy as np
import pytest

from autograd_ref import two_layer_net
from autograd_ref.crosscheck import problems
from autograd_ref.crosscheck.problems import random_problem
from autograd_ref.devices.on_device import check_on_device, find_device
from autograd_ref.two_layer_net import matmul_precision, precision

pytestmark = pytest.mark.slow

PROBLEM = random_problem(np.random.default_rng(0), (9, 7, 10, 5), dtype="float32")
AFFINE = two_layer_net.affine


def rounding(when):
    """An affine layer whose factors have 10 bits of significand for the precisions that ``when`` accepts."""

    def affine(x, W, b):
        if x.dtype == np.float32 and when(matmul_precision()):
            x, W = jax.lax.reduce_precision(x, 8, 10), jax.lax.reduce_precision(W, 8, 10)
        return AFFINE(x, W, b)

    return affine


@pytest.fixture
def tensorfloat32(monkeypatch):
    """A device that rounds when it is allowed to, or always, compiled apart from what others use."""

    def plant(when):
        monkeypatch.setattr(two_layer_net, "affine", rounding(when))
        rounded = jax.value_and_grad(lambda *args, **options: two_layer_net.loss(*args, **options))
        monkeypatch.setattr(two_layer_net, "_value_and_grad", jax.jit(rounded))

    return plant


def test_reference_uses_the_highest_precision_by_default():
    with precision(np.float32):
        assert matmul_precision() == jax.config.jax_default_matmul_precision == "highest"
    with jax.default_matmul_precision("tensorfloat32"), precision(np.float32):
        assert matmul_precision() == jax.config.jax_default_matmul_precision == "tensorfloat32"


def test_the_highest_precision_is_what_reaches_the_products():
    with precision(np.float32):
        traced = jax.make_jaxpr(jax.grad(two_layer_net.loss))(
            PROBLEM.params, PROBLEM.X, PROBLEM.y, PROBLEM.objective
        )
    products = [equation for equation in traced.jaxpr.eqns if equation.primitive.name == "dot_general"]
    assert len(products) == 5
    assert {each.params["precision"] for each in products} == {(jax.lax.Precision.HIGHEST,) * 2}


def test_tensorfloat32_by_configuration_fails_and_is_named(tensorfloat32):
    tensorfloat32(lambda asked: asked != "highest")
    device = jax.devices()[0]
    assert check_on_device(PROBLEM, device).ok
    with jax.default_matmul_precision("tensorfloat32"):
        found = check_on_device(PROBLEM, device)
    assert not found.ok
    assert found.precision == "tensorfloat32"
    (reason,) = found.reasons
    assert "JAX is configured to multiply matrices in 'tensorfloat32'" in reason
    assert "In 'highest' every quantity is right" in reason


def test_device_that_rounds_despite_the_precision_is_noticed(tensorfloat32):
    tensorfloat32(lambda asked: True)
    found = check_on_device(PROBLEM, jax.devices()[0])
    assert not found.ok
    assert found.precision == "highest"
    (reason,) = found.reasons
    assert "although it is 'highest': in float64 every quantity is right" in reason


def test_a_wrong_gradient_is_not_blamed_on_the_precision(monkeypatch):
    wrong = {name: 2 * value for name, value in PROBLEM.params.items()}
    value_and_grad = two_layer_net.value_and_grad
    monkeypatch.setattr(
        "autograd_ref.devices.on_device.value_and_grad",
        lambda params, *rest: value_and_grad({**params, "W2": wrong["W2"].astype(params["W2"].dtype)}, *rest),
    )
    found = check_on_device(PROBLEM, jax.devices()[0])
    assert not found.ok
    assert found.reasons == ()


def test_the_command_says_where_and_in_which_precision(handgrad, monkeypatch, tensorfloat32):
    monkeypatch.setattr(problems, "digits_problem", problems.toy_problem)
    code, out, err = handgrad("check", "--device", "cpu", "--json")
    assert (code, err) == (0, "")
    there = json.loads(out)["on_device"]
    assert [(each["dtype"], each["ok"]) for each in there] == [("float64", True), ("float32", True)] * 2
    assert {(each["device"], each["precision"], *each["reasons"]) for each in there} == {("cpu", "highest")}
    tensorfloat32(lambda asked: asked != "highest")
    with jax.default_matmul_precision("tensorfloat32"):
        code, out, err = handgrad("check", "--device", "cpu")
    assert (code, err) == (1, "")
    assert "CS231n toy, float32: JAX on cpu, products 'tensorfloat32'" in out
    assert "The reason is the precision: JAX is configured" in out
    assert "is the first wrong quantity, on CS231n toy, by JAX on cpu in float32." in " ".join(out.split())


def test_no_gpu_is_one_line(handgrad, monkeypatch):
    def none(platform=None):
        if platform == "gpu":
            raise RuntimeError("Unknown backend")
        return CPUS

    CPUS = jax.devices("cpu")
    monkeypatch.setattr(jax, "devices", none)
    with pytest.raises(ValueError, match="JAX finds no gpu here"):
        find_device("gpu")
    for options in (("--device", "gpu"), ("--device", "gpu", "--shards", 2)):
        code, out, err = handgrad("check", *options)
        assert (code, out) == (2, "")
        assert err.startswith("handgrad: JAX finds no gpu here, only cpu;")
        assert len(err.splitlines()) == 1
