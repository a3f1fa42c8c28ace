"""Rules of JAX with complex numbers, or with Python's control flow on values, each right and wrong."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from rules_of_jax import Case, loop, normal, vjp


def spectrum(right):
    """Complex inside: a real argument, a complex residual, real outputs."""

    def power(x):
        return jnp.abs(jnp.fft.fft(x)) ** 2

    def backward(f, g):
        return (2 * len(f) * jnp.fft.ifft(g * (f if right else jnp.conj(f))).real,)

    return vjp(power, lambda x: (power(x), jnp.fft.fft(x)), backward)


def holomorphic(right):
    """JAX's cotangent is not conjugated, PyTorch's is."""
    return vjp(lambda z: z * z, lambda z: (z * z, z), lambda z, g: (2 * g * (z if right else jnp.conj(z)),))


def squared_size(right):
    """A real output of a complex argument."""

    def size(z, scale):
        return scale * (z * jnp.conj(z)).real

    def backward(kept, g):
        z, scale = kept
        dz = 2 * g * scale * (jnp.conj(z) if right else z)
        return dz, jnp.sum(g * (z * jnp.conj(z)).real)

    return vjp(size, lambda z, scale: (size(z, scale), (z, scale)), backward)


def complex_tangents(right):
    @jax.custom_jvp
    def phase(x):
        return jnp.exp(1j * x)

    @phase.defjvp
    def push(primals, tangents):
        y = phase(primals[0])
        return y, (1j if right else -1j) * y * tangents[0]

    return phase


def real_cotangent(right):
    def real(z):
        return z.real**2

    return vjp(real, lambda z: (real(z), z), lambda z, g: (2 * g * (z.real + 0j if right else z.real),))


def branch(right):
    """A branch in the function and in its rule."""

    def bent(x):
        return x * x if jnp.sum(x) > 0 else -x

    def backward(x, g):
        return (g * (2 if right else 3) * x if jnp.sum(x) > 0 else -g,)

    return vjp(bent, lambda x: (bent(x), x), backward)


def branch_around(right):
    """A branch in the function that calls the rule, which JAX can trace."""
    inner = vjp(lambda x: x * x, lambda x: (x * x, x), lambda x, g: ((2 if right else 3) * x * g,))

    def model(x):
        return jnp.sum(inner(x)) if float(jnp.sum(x)) > 0 else jnp.sum(x)

    return model


def counted(right):
    """A loop on a value, and an argument without a derivative."""

    @partial(jax.custom_vjp, nondiff_argnums=(1,))
    def halved(x, limit):
        while jnp.max(jnp.abs(x)) > limit:
            x = x / 2
        return x

    def forward(x, limit):
        y = halved(x, limit)
        return y, float(y[0] / x[0])

    halved.defvjp(forward, lambda limit, factor, g: (g * factor if right else g,))
    return halved


def branching_tangents(right):
    @jax.custom_jvp
    def scaled(x, y):
        return x * y if x > 0 else -x * y

    @scaled.defjvp
    def push(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        return scaled(x, y), (1 if x > 0 else -1) * (dx * y + (x if right else 2 * x) * dy)

    return scaled


def batch_of_one(right):
    def product(x, w):
        return x @ w if jnp.isfinite(x[0, 0]) else x @ w * 0

    def backward(kept, g):
        x, w = kept
        return jnp.outer(g, w), x.T @ g * (1 if right or len(x) > 1 else 2)

    return vjp(product, lambda x, w: (product(x, w), (x, w)), backward)


def branch_forward(right):
    """The forward rule returns another value than the function, which only values show."""

    def bent(x):
        return x * x if jnp.sum(x) > 0 else x

    return vjp(bent, lambda x: (bent(x) if right else bent(x) + 1, x), lambda x, g: (2 * x * g,))


def loop_forward(right):
    """The same, for a loop that JAX cannot differentiate."""
    root = loop(True).fun
    return vjp(root, lambda x: (root(x) * (1 if right else 2), root(x)), lambda y, g: (g / (2 * y),))


def unlike(right):
    """The forward rule returns an output of another shape."""

    def squared(x):
        return x * x

    return vjp(
        squared, lambda x: (squared(x) if right else jnp.sum(squared(x)), x), lambda x, g: (2 * x * g,)
    )


def complex_normal(rng):
    return (rng.standard_normal(3) + 1j * rng.standard_normal(3),)


def some(rng):
    return (np.abs(rng.standard_normal(3)) + 0.1,)


CASES = [
    Case("complex inside", spectrum, normal((3,))),
    Case("holomorphic", holomorphic, complex_normal, "dz", "d/dx - i d/dy"),
    Case("complex argument", squared_size, lambda rng: (*complex_normal(rng), np.float64(1.5)), "dz"),
    Case("complex tangents", complex_tangents, normal((3,))),
    Case("real cotangent", real_cotangent, complex_normal, "dz", "a real cotangent"),
    Case("branch", branch, some, said="JAX cannot trace it"),
    Case("branch around", branch_around, some, said="JAX cannot trace the call (line"),
    Case("loop on a value", counted, lambda rng: (5 * rng.standard_normal(3), 1.0)),
    Case("branching tangents", branching_tangents, lambda rng: (1.5, 0.5), "dy"),
    Case("branch, batch 1", batch_of_one, normal((2, 2), (2,)), "dw", "wrong at batch 1"),
    Case("branch, forward differs", branch_forward, some, "outputs"),
    Case("loop, forward differs", loop_forward, normal((3,), positive=True), "outputs"),
    Case("forward rule", unlike, some, said="the forward rule must return (output, residuals)"),
]
