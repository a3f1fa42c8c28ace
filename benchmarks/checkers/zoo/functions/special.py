"""Functions of one number, at points where textbook formulas overflow, cancel or lose their tails."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from benchmarks.checkers.zoo.entry import Entry


def _in_mpmath(name):
    """Return the sum of t·f(x) with mpmath's f."""

    def value(x, t):
        import mpmath

        return sum(weight * getattr(mpmath, name)(each) for weight, each in zip(t, x, strict=True))

    return value


def _precisely(function):
    """Return a hand of one array that is computed with mpmath's numbers, with results in longdouble."""

    def hand(x, t):
        import mpmath

        with mpmath.workdps(30):
            pairs = [function(mpmath.mpf(float(each))) for each in x]
        f, d = (
            np.array([np.longdouble(mpmath.nstr(p[i], 25)) for p in pairs]).astype(x.dtype) for i in (0, 1)
        )
        return (t * f).sum(), t * d

    return hand


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


SPREAD = np.array([-1000.0, -100.0, -20.0, -5.0, -0.5, 0.0, 1.0, 4.0, 30.0, 200.0, 1000.0])


def _softplus(x, t):
    return (t * (np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))).sum(), t * _sigmoid(x)


def _softplus_tanh(x, t):
    return np.dot(t, np.logaddexp(0, x)), t * (1 + np.tanh(x / 2)) / 2


SOFTPLUS = Entry(
    "softplus at ±1000",
    lambda x, t: jnp.sum(t * jax.nn.softplus(x)),
    lambda rng: (SPREAD.copy(), rng.normal(size=11)),
    (_softplus, _softplus_tanh),
)


def _binary(x, y):
    return (np.maximum(x, 0) - y * x + np.log1p(np.exp(-np.abs(x)))).mean(), (_sigmoid(x) - y) / x.size


def _binary_signed(x, y):
    m = np.where(y > 0, -x, x)
    return np.logaddexp(0, m).sum() / len(x), (1 - 2 * y) * (1 / (1 + np.exp(np.minimum(-m, 80)))) / len(x)


BINARY = Entry(
    "binary cross-entropy, logits at ±1000",
    lambda x, y: jnp.mean(jnp.logaddexp(0.0, x) - y * x),
    lambda rng: (SPREAD.copy(), np.array([0.0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0])),
    (_binary, _binary_signed),
)


def _small(rng):
    return np.concatenate(
        [10.0 ** np.arange(-12, 0), -(10.0 ** np.arange(-11, -1)), [3.0, 20.0]]
    ), rng.normal(size=24)


def _log1p(x, t):
    return (t * np.log1p(x) ** 2).sum(), 2 * t * np.log1p(x) / (1 + x)


def _log1p_atanh(x, t):
    log = 2 * np.arctanh(x / (2 + x))
    return np.dot(t * log, log), t * log * (2 - 2 * x / (1 + x))


LOG1P = Entry(
    "log1p from 1e-12 on",
    lambda x, t: jnp.sum(t * jnp.log1p(x) ** 2),
    _small,
    (_log1p, _log1p_atanh),
)


def _expm1(x, t):
    return (t * np.expm1(x) / 8).sum(), t * np.exp(x) / 8


def _expm1_sinh(x, t):
    return np.dot(t, 2 * np.exp(x / 2) * np.sinh(x / 2)) / 8, t * (np.expm1(x) + 1) / 8


EXPM1 = Entry(
    "expm1 from 1e-12 to 5",
    lambda x, t: jnp.sum(t * jnp.expm1(x)) / 8,
    lambda rng: (np.append(10.0 ** np.arange(-12, 0), [1.0, 5.0, -5.0, -0.1]), rng.normal(size=16)),
    (_expm1, _expm1_sinh),
)

TAILS = np.array([-12.0, -9.0, -6.0, -3.5, -2.0, -1.0, -0.1, 0.0, 0.4, 1.1, 2.5, 4.0, 7.0, 12.0])


def _gelu_parts(x):
    import mpmath

    phi, density = mpmath.ncdf(x), mpmath.npdf(x)
    return x * phi, phi + x * density


def _gelu(x, t):
    phi = scipy.special.ndtr(x)
    return (t * x * phi).sum(), t * (phi + x * np.exp(-x * x / 2) / x.dtype.type(np.sqrt(2 * np.pi)))


def _gelu_erfc(x, t):
    phi = scipy.special.erfc(-x / x.dtype.type(np.sqrt(2))) / 2
    return np.dot(t, x * phi), t * phi + t * x * np.exp(
        -((x / x.dtype.type(np.sqrt(2))) ** 2)
    ) * x.dtype.type(0.3989422804014327)


def _gelu_value(x, t):
    import mpmath

    return sum(weight * each * mpmath.ncdf(each) for weight, each in zip(t, x, strict=True))


GELU = Entry(
    "GELU and its tails",
    lambda x, t: jnp.sum(t * jax.nn.gelu(x, approximate=False)),
    lambda rng: (TAILS.copy(), rng.normal(size=14)),
    (_precisely(_gelu_parts), _gelu, _gelu_erfc),
    value=_gelu_value,
)


def _erf_parts(x):
    import mpmath

    return mpmath.erf(x), 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-x * x)


def _erf(x, t):
    return (t * scipy.special.erf(x)).sum(), t * x.dtype.type(1.1283791670955126) * np.exp(-x * x)


def _erf_density(x, t):
    e = np.exp(-x * x / 2)
    return np.dot(t, 1 - scipy.special.erfc(x)).astype(x.dtype), e * t * e / x.dtype.type(np.sqrt(np.pi) / 2)


ERF = Entry(
    "error function and its tails",
    lambda x, t: jnp.sum(t * jax.scipy.special.erf(x)),
    lambda rng: (TAILS / 2, rng.normal(size=14)),
    (_precisely(_erf_parts), _erf, _erf_density),
    value=_in_mpmath("erf"),
)


def _gamma_parts(x):
    import mpmath

    return mpmath.log(abs(mpmath.gamma(x))), mpmath.digamma(x)


def _gamma(x, t):
    return (t * scipy.special.gammaln(x)).sum(), t * scipy.special.digamma(x)


def _gamma_series(x, t):
    """Compute digamma by its recurrence up to 30 and its asymptotic series beyond."""
    y, shift = x.copy(), np.zeros_like(x)
    while (y < 30).any():
        low = y < 30
        shift = shift - np.where(low, 1 / y, 0)
        y = np.where(low, y + 1, y)
    q = 1 / (y * y)
    terms = q * (1 / x.dtype.type(12) - q * (1 / x.dtype.type(120) - q * (1 / x.dtype.type(252) - q / 240)))
    return np.dot(t, scipy.special.gammaln(x)), t * (shift + (np.log(y) - 1 / (2 * y) - terms))


GAMMALN = Entry(
    "log-gamma from 1e-3 to 1e5",
    lambda x, t: jnp.sum(t * jax.scipy.special.gammaln(x)),
    lambda rng: (10.0 ** np.linspace(-3, 5, 12), rng.normal(size=12)),
    (_precisely(_gamma_parts), _gamma, _gamma_series),
    value=_in_mpmath("loggamma"),
)


def _angle(p, t):
    x, y = p["x"], p["y"]
    s = x * x + y * y
    return (t * np.arctan2(y, x)).sum(), {"x": -t * y / s, "y": t * x / s}


def _angle_unit(p, t):
    r = np.hypot(p["x"], p["y"])
    c, s = p["x"] / r, p["y"] / r
    return np.dot(t, np.arctan2(s, c)), {"x": -t * s / r, "y": t * c / r}


def _angle_flipped(p, t):
    loss, g = _angle(p, t)
    return loss, {"x": -g["x"], "y": -g["y"]}


ATAN2 = Entry(
    "atan2 close to its cut and its axes",
    lambda p, t: jnp.sum(t * jnp.arctan2(p["y"], p["x"])),
    lambda rng: (
        {
            "x": np.array([-1.0, -2.0, 1e-6, 3.0, 0.5, -0.5, 1.0, -1e-3]),
            "y": np.array([1e-3, -1e-2, 1.0, 1e-7, -2.0, 0.5, 1.0, 1e-3]),
        },
        rng.normal(size=8),
    ),
    (_angle, _angle_unit),
    wrong={"both signs": _angle_flipped},
)


def _hypot(p, t):
    r = np.hypot(p["x"], p["y"])
    return (t * r).sum(), {"x": t * p["x"] / r, "y": t * p["y"] / r}


def _hypot_scaled(p, t):
    m = np.maximum(np.abs(p["x"]), np.abs(p["y"]))
    a, b = p["x"] / m, p["y"] / m
    s = np.sqrt(a * a + b * b)
    return np.dot(t, m * s), {"x": t * (a / s), "y": t * (b / s)}


HYPOT = Entry(
    "hypot from 1e-18 to 1e18",
    lambda p, t: jnp.sum(t * jnp.hypot(p["x"], p["y"])),
    lambda rng: (
        {k: rng.normal(size=13) * 10.0 ** np.arange(-18, 19, 3) for k in "xy"},
        rng.normal(size=13) / 10.0 ** np.arange(-18, 19, 3),
    ),
    (_hypot_scaled, _hypot),
)


def _log_cosh(x, t):
    a = np.abs(x)
    return (t * (a + np.log1p(np.exp(-2 * a)) - x.dtype.type(np.log(2)))).sum(), t * np.tanh(x)


def _log_cosh_exponentials(x, t):
    e = np.exp(-2 * np.abs(x))
    return np.dot(t, np.logaddexp(x, -x) - x.dtype.type(np.log(2))), t * np.sign(x) * (1 - e) / (1 + e)


LOG_COSH = Entry(
    "log cosh at ±1000",
    lambda x, t: jnp.sum(t * (jnp.logaddexp(x, -x) - np.log(2))),
    lambda rng: (SPREAD + 0.125, rng.normal(size=11)),
    (_log_cosh, _log_cosh_exponentials),
)


def _entropy(p, t):
    return -(t * p * np.log(p)).sum(), -t * (np.log(p) + 1)


def _entropy_base_two(p, t):
    ln2 = np.log(p.dtype.type(2))
    return -np.dot(t, p * np.log2(p)) * ln2, -t * np.log(p * np.exp(p.dtype.type(1)))


def _entropy_value(p, t):
    import mpmath

    return -sum(weight * each * mpmath.log(each) for weight, each in zip(t, p, strict=True))


ENTROPY = Entry(
    "p log p down to 1e-30",
    lambda p, t: -jnp.sum(t * p * jnp.log(p)),
    lambda rng: (10.0 ** np.linspace(-30, 0, 11), rng.normal(size=11)),
    (_entropy, _entropy_base_two),
    value=_entropy_value,
)


def _spectrum(x, t):
    f = np.fft.fft(x)
    return (t * np.abs(f) ** 2).sum(), (2 * len(x) * np.fft.ifft(t * f).real).astype(x.dtype)


def _spectrum_matrix(x, t):
    n = np.arange(len(x))
    turn = 2 * np.pi * ((n[:, None] * n) % len(x)) / len(x)
    c, s = np.cos(turn).astype(x.dtype), np.sin(turn).astype(x.dtype)
    a, b = c @ x, s @ x
    return t @ (a * a + b * b), 2 * (c.T @ (t * a) + s.T @ (t * b))


def _spectrum_unscaled(x, t):
    return _spectrum(x, t)[0], _spectrum(x, t)[1] / len(x)


POWER_SPECTRUM = Entry(
    "power spectrum by FFT",
    lambda x, t: jnp.sum(t * jnp.abs(jnp.fft.fft(x)) ** 2),
    lambda rng: (rng.normal(size=64) + 5, rng.random(64)),
    (_spectrum, _spectrum_matrix),
    wrong={"ifft's 1/n left in": _spectrum_unscaled},
)


def _von_mises_parts(x):
    import mpmath

    ratio = mpmath.besseli(1, x) / mpmath.besseli(0, x)
    return mpmath.log(mpmath.besseli(0, x)) - abs(x), ratio - mpmath.sign(x)


def _von_mises(x, t):
    i0 = scipy.special.i0e(x)
    return (t * np.log(i0)).sum(), t * (scipy.special.i1e(x) / i0 - np.sign(x))


def _von_mises_difference(x, t):
    i0, i1 = scipy.special.ive(0, x), scipy.special.ive(1, x)
    return np.dot(t, np.log(i0)), -t * np.sign(x) * (i0 - np.abs(i1)) / i0


def _von_mises_value(x, t):
    import mpmath

    return sum(
        weight * (mpmath.log(mpmath.besseli(0, each)) - each) for weight, each in zip(t, x, strict=True)
    )


VON_MISES = Entry(
    "von Mises normaliser up to 300",
    lambda x, t: jnp.sum(t * jnp.log(jax.scipy.special.i0e(x))),
    lambda rng: (np.array([1e-3, 0.1, 0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 100.0, 300.0]), rng.normal(size=10)),
    (_precisely(_von_mises_parts), _von_mises, _von_mises_difference),
    value=_von_mises_value,
)
