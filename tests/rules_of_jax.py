"""Rules of JAX in every form, each right and wrong: what tests/test_rules.py judges.

Arguments are small, every function is tiny, and most shapes are the same: compilation takes the time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero


class Case(NamedTuple):
    """A form of rule, right and wrong.

    Attributes:
        name: of the form.
        make: gives the function with its rule, right for True.
        args: what it is called with, of a random generator.
        wrong: the quantity that is wrong in the wrong one.
        said: what the report on the wrong one says, besides.
    """

    name: str
    make: Callable[[bool], Callable[..., Any]]
    args: Callable[[Any], tuple]
    wrong: str = "dx"
    said: str = ""


def vjp(function, forward, backward, **options):
    made = jax.custom_vjp(function, **{k: v for k, v in options.items() if k == "nondiff_argnums"})
    made.defvjp(forward, backward, **{k: v for k, v in options.items() if k == "symbolic_zeros"})
    return made


def two_arguments(right):
    """One cotangent of two is wrong."""

    def scaled(x, scale):
        return jnp.sin(x) * scale

    def backward(kept, g):
        x, scale = kept
        return g * jnp.cos(x) * scale, jnp.sum(g * jnp.sin(x), axis=0) * (1 if right else 2)

    return vjp(scaled, lambda x, scale: (scaled(x, scale), (x, scale)), backward)


def tangents(right):
    @jax.custom_jvp
    def product(x, y):
        return x * x * y

    @product.defjvp
    def push(primals, given):
        (x, y), (dx, dy) = primals, given
        return product(x, y), 2 * x * y * dx + (x * x if right else x) * dy

    return product


def each_tangent(right):
    @jax.custom_jvp
    def product(x, y):
        return x * jnp.exp(y)

    product.defjvps(
        lambda dx, out, x, y: dx * jnp.exp(y), lambda dy, out, x, y: dy * out * (1.0 if right else -1.0)
    )
    return product


def gradient(right):
    @jax.custom_gradient
    def cube(x):
        return x**3, lambda g: g * 3 * (x**2 if right else x)

    return cube


def pytree(right):
    def dense(params, x):
        return {"out": x @ params["w"] + params["b"]}

    def backward(kept, g):
        params, x = kept
        g = g["out"]
        db = jnp.sum(g, axis=0) if right else jnp.mean(g, axis=0)
        return {"w": x.T @ g, "b": db}, g @ params["w"].T

    return vjp(dense, lambda params, x: (dense(params, x), (params, x)), backward)


def static(right):
    def power(n, x, mode):
        return x**n if mode == "power" else x

    def backward(n, mode, x, g):
        return (g * n * x ** (n - 1) if right else g * x ** (n - 1),)

    return vjp(power, lambda n, x, mode: (power(n, x, mode), x), backward, nondiff_argnums=(0, 2))


def closure(right):
    def outer(x, scale):
        held = jax.lax.stop_gradient(scale) * 2

        @jax.custom_vjp
        def inner(x):
            return x * x * held

        inner.defvjp(lambda x: (inner(x), x), lambda x, g: (g * 2 * x * (held if right else 1.0),))
        return inner(x)

    return outer


def integers(right):
    """Labels take no cotangent: None, or zeros of float0."""

    def picked(x, labels):
        return jnp.sum(jax.nn.log_softmax(x)[jnp.arange(len(labels)), labels])

    def backward(kept, g):
        x, labels = kept
        hot = jax.nn.one_hot(labels, x.shape[1], dtype=x.dtype)
        dx = g * (hot - jax.nn.softmax(x)) if right else g * (hot - jnp.exp(x))
        return dx, np.zeros(labels.shape, jax.dtypes.float0) if right else None

    return vjp(picked, lambda x, labels: (picked(x, labels), (x, labels)), backward)


def none(right):
    """None means a cotangent of 0: right for an unused argument, wrong for a used one."""

    def kept(x, unused):
        return x * jnp.tanh(x) if right else x * unused

    def backward(saved, g):
        x, unused = saved
        return g * (jnp.tanh(x) + x * (1 - jnp.tanh(x) ** 2)) if right else g * unused, None

    return vjp(kept, lambda x, unused: (kept(x, unused), (x, unused)), backward)


def symbolic(right):
    """Only one output is used, or one argument has a derivative: others are symbolic zeros."""

    def both(x, y):
        return x * y, jnp.sum(jnp.sin(x))

    def forward(x, y):
        return both(x.value, y.value), (x.value, y.value, y.perturbed)

    def backward(kept, g):
        x, y, perturbed = kept
        first = jnp.zeros_like(x) if isinstance(g[0], SymbolicZero) else g[0]
        second = 0.0 if isinstance(g[1], SymbolicZero) else g[1]
        if not right and isinstance(g[0], SymbolicZero):
            second = 2 * second
        return first * y + second * jnp.cos(x), first * x if perturbed else jnp.zeros_like(y)

    return vjp(both, forward, backward, symbolic_zeros=True)


def outputs(right):
    """Wrong only in the part from the second output."""

    def both(x):
        return jnp.sum(x, axis=0), jnp.exp(x)

    def backward(kept, g):
        return (g[0][None, :] + g[1] * (kept if right else jnp.log(kept)),)

    return vjp(both, lambda x: (both(x), jnp.exp(x)), backward)


def residuals(right):
    """Residuals of any kind: a string would not do, but an integer, a mask and a dict do."""

    def hinge(x):
        return jnp.maximum(x, 0.0) ** 2

    def forward(x):
        return hinge(x), {"mask": x > 0, "count": x.shape[0], "x": [x]}

    def backward(kept, g):
        factor = 2.0 if right else 2.0 * kept["count"]
        return (jnp.where(kept["mask"], factor * kept["x"][0] * g, 0.0),)

    return vjp(hinge, forward, backward)


def loop(right):
    """A loop that JAX cannot differentiate backwards."""

    def root(x):
        def step(state):
            y, count = state
            return (y + x / y) / 2, count + 1

        return jax.lax.while_loop(lambda state: state[1] < 25, step, (x, 0))[0]

    def backward(y, g):
        return (g / (2 * y) if right else g / y,)

    return vjp(root, lambda x: (root(x),) * 2, backward)


def implicit(right):
    """The derivative of custom_root is wrong if its solver of linear equations is."""

    def cubic(a):
        def solve(f, start):
            return jax.lax.fori_loop(0, 50, lambda _, x: x - f(x) / (3 * x * x + 1), start)

        def solve_linear(f, y):
            return y / (f(jnp.ones_like(y)) if right else 2 * f(jnp.ones_like(y)))

        return jax.lax.custom_root(lambda x: x**3 + x - a, jnp.zeros_like(a), solve, solve_linear)

    return cubic


def callback(right):
    """NumPy inside, which JAX cannot see into."""

    def cubed(x):
        return jax.pure_callback(
            lambda x: np.asarray(x) ** 3, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential"
        )

    return vjp(cubed, lambda x: (cubed(x), x), lambda x, g: (g * 3 * (x * x if right else x),))


def not_a_number(right):
    """The derivative of the primal is NaN at 0, for which the rule is there."""

    def smooth(x):
        return jnp.where(x == 0, 0.0, x * x / jnp.where(x == 0, 0.0, x) * x)

    return vjp(smooth, lambda x: (smooth(x), x), lambda x, g: (g * 2 * x if right else g * x,))


def stopped(right):
    def halted(x):
        return jax.lax.stop_gradient(x) ** 2

    return vjp(halted, lambda x: (halted(x), x), lambda x, g: (g * (2 if right else 3) * x,))


def in_jit_and_scan(right):
    """Found inside of jit and a loop, under another rule that is right."""
    inner = gradient(right)

    @jax.jit
    def chain(x):
        def body(carry, row):
            return carry + jnp.sum(inner(row)), jnp.sum(row)

        return jax.lax.scan(body, jnp.zeros((), x.dtype), x)

    return chain


def forward_differs(right):
    """The rule's forward pass returns another value than the function."""

    def scaled(x):
        return 3 * x

    return vjp(scaled, lambda x: (scaled(x) if right else 2 * x, None), lambda kept, g: (3 * g,))


def normal(*shapes, positive=False):
    def draw(rng):
        made = [rng.standard_normal(shape) for shape in shapes]
        return tuple(np.abs(each) + 1 if positive else each for each in made)

    return draw


def overflowing(right):
    """The function overflows in float32; its rule returns the same outputs, and a finite derivative."""

    @jax.custom_jvp
    def softplus(x):
        return jnp.log1p(jnp.exp(x))

    @softplus.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return jnp.log1p(jnp.exp(x)), (1 - 1 / (1 + jnp.exp(x))) * t * (1 if right else x)

    return softplus


def linear(right):
    @jax.custom_jvp
    def sine(x):
        return jnp.sin(x)

    @sine.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return jnp.sin(x), jnp.cos(x) * (t if right else t * t)

    return sine


def linear_system(right):
    """The derivative of custom_linear_solve is wrong if a solver is."""

    def solved(A, b):
        def transposed(_, c):
            return jnp.linalg.solve(A.T if right else A, c)

        return jax.lax.custom_linear_solve(
            lambda x: A @ x, b, lambda _, b: jnp.linalg.solve(A, b), transposed
        )

    return solved


CASES = [
    Case("two arguments", two_arguments, normal((3, 3), (3,)), "dscale"),
    Case("tangents", tangents, normal((3,), (3,)), "dy"),
    Case("each tangent", each_tangent, normal((3,), (3,)), "dy"),
    Case("custom_gradient", gradient, normal((3,)), "dx"),
    Case("pytree", pytree, lambda rng: ({"w": rng.standard_normal((3, 3)), "b": np.ones(3)}, np.ones((3, 3))),
         "dparams['b']"),
    Case("static", static, lambda rng: (3, rng.standard_normal(3), "power")),
    Case("closure", closure, normal((3,), ())),
    Case("integers", integers, lambda rng: (rng.standard_normal((3, 3)), np.array([0, 2, 1]))),
    Case("none", none, normal((3,), (3,)), "dunused"),
    Case("symbolic zeros", symbolic, normal((3,), (3,)), "dx", "where only output 1 is used"),
    Case("outputs", outputs, normal((3, 3)), "dx", "from output 1 of 2"),
    Case("residuals", residuals, normal((3, 3))),
    Case("loop", loop, normal((3,), positive=True), "dx", "differences of the function's values alone"),
    Case("custom_root", implicit, normal(()), "da", "custom_root (in this call)"),
    Case("linear system", linear_system, normal((3, 3), (3,)), "db", "does not solve Aᵀ y = c"),
    Case("callback", callback, normal((3,)), "dx", "differences of the function's values alone"),
    Case("nan", not_a_number, lambda rng: (np.array([0.0, 1.5, -0.5]),)),
    Case("stopped", stopped, normal((3,))),
    Case("in jit and scan", in_jit_and_scan, normal((3, 3))),
    Case("overflow", overflowing, lambda rng: (np.array([100.0, 200.0, -1.0], np.float32),)),
    Case("linear", linear, normal((3,)), "dx", "must be linear in the tangents"),
    Case("forward differs", forward_differs, normal((3,)), "outputs"),
]  # fmt: skip


# Right as they are called, and wrong otherwise.


def under_jit(right):
    """A trick that looks whether it is traced."""

    def doubled(x):
        return x * x

    def backward(x, g):
        traced = isinstance(x, jax.core.Tracer) and not right
        return (g * (3 * x if traced else 2 * x),)

    return vjp(doubled, lambda x: (doubled(x), x), backward)


def under_vmap(right):
    """A sum over everything there is, which a batch makes more of."""

    @jax.custom_batching.custom_vmap
    def pulled(x, g):
        return 2 * x * g

    @pulled.def_vmap
    def many(size, batched, x, g):
        return 2 * x * g if right else 2 * x * jnp.sum(g, axis=0, keepdims=True) + 0 * g, True

    return vjp(lambda x: x * x, lambda x: (x * x, x), lambda x, g: (pulled(x, g),))


def zero_cotangents(right):
    """A term without the cotangent, where a cotangent is 0."""

    def squared(x):
        return x * x

    def backward(x, g):
        return (jnp.where((g == 0) & (not right), 1.0, 2 * x * g),)

    return vjp(squared, lambda x: (squared(x), x), backward)


def at_batch_one(right):
    """`squeeze` takes the batch along where it is 1."""

    def total(x, w):
        return x @ w

    def backward(kept, g):
        x, w = kept
        rows = g if right or x.shape[0] > 1 else 2 * g
        return jnp.outer(g, w), rows @ x

    return vjp(total, lambda x, w: (total(x, w), (x, w)), backward)


def at_odd_sizes(right):
    """The last block is left out where it is incomplete."""

    def squared(x):
        return x * x

    def backward(x, g):
        full = x.shape[0] if right else x.shape[0] // 4 * 4
        return (jnp.where(jnp.arange(x.shape[0]) < full, 2 * x * g, 0.0),)

    return vjp(squared, lambda x: (squared(x), x), backward)


def twice(right):
    """The second derivative is lost because the first uses a stopped value."""

    def cubed(x):
        return x**3

    def backward(x, g):
        return (g * 3 * (x if right else jax.lax.stop_gradient(x)) ** 2,)

    return vjp(cubed, lambda x: (cubed(x), x), backward)


VARIED = [
    Case("jit", under_jit, normal((3,)), said="wrong under jit"),
    Case("vmap", under_vmap, normal((3,)), said="wrong under vmap"),
    Case("zeros", zero_cotangents, normal((3,)), said="wrong with cotangents that are 0"),
    Case("batch 1", at_batch_one, normal((4, 3), (3,)), "dw", "wrong at batch 1"),
    Case("odd", at_odd_sizes, normal((8,)), said="wrong at size 9"),
    Case("twice", twice, normal((3,)), said="differentiated twice"),
]


# Meant to differ from the derivative.


@partial(jax.custom_vjp)
def clipped(x, lo, hi):
    return x


clipped.defvjp(lambda x, lo, hi: (x, (lo, hi)), lambda kept, g: (jnp.clip(g, kept[0], kept[1]), None, None))
reversed_gradient = vjp(lambda x: x, lambda x: (x, None), lambda kept, g: (-g,))
straight_through = vjp(lambda x: jnp.round(x), lambda x: (jnp.round(x), None), lambda kept, g: (g,))
without_cotangent = vjp(lambda x: jnp.round(x), lambda x: (jnp.round(x), x), lambda x, g: (jnp.cos(x),))
