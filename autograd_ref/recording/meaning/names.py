"""The names of NumPy's and SciPy's operations that have the same meaning in JAX.

jax.numpy and jax.scipy have them under the same names, with the same arguments. Other files in `meaning` have
the functions that differ from their namesakes.
"""

from __future__ import annotations

__all__ = ["FUNCTIONS", "SCIPY", "SPECIAL_UFUNCS", "UFUNCS"]

UFUNCS = {
    "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "bitwise_and", "bitwise_count", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "conjugate", "copysign",
    "cos", "cosh", "deg2rad", "degrees", "divide", "equal", "exp", "exp2", "expm1", "fabs", "float_power",
    "floor", "floor_divide", "fmax", "fmin", "fmod", "gcd", "greater", "greater_equal", "heaviside",
    "hypot", "invert", "isfinite", "isinf", "isnan", "lcm", "ldexp", "left_shift", "less", "less_equal",
    "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "matmul", "matvec", "maximum", "minimum", "multiply", "negative",
    "not_equal", "positive", "power", "rad2deg", "radians", "reciprocal", "remainder", "right_shift",
    "rint", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "trunc",
    "vecdot", "vecmat", "modf", "divmod", "frexp",
}  # fmt: skip
# scipy.special's own, by their names in jax.scipy.special.
SPECIAL_UFUNCS = {
    "psi": "digamma",
    **{
        name: name
        for name in (
            "beta", "betainc", "betaln", "boxcox", "boxcox1p", "dawsn", "digamma", "entr", "erf",
            "erfc", "erfcx",
            "erfinv", "exp1", "expi", "expit", "expn", "gamma", "gammainc", "gammaincc", "gammaln",
            "i0e", "i1", "i1e", "kl_div",
            "log_ndtr",
            "logit", "ndtr", "ndtri", "owens_t", "poch", "rel_entr", "xlog1py", "xlogy",
        )
    },
}  # fmt: skip

FUNCTIONS = {
    "amax", "amin", "around",
    "average", "choose", "clip", "convolve", "corrcoef", "correlate",
    "cov", "cross", "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "diff",
    "dot", "ediff1d", "einsum", "gradient", "i0", "inner", "interp",
    "kron", "linspace", "max", "mean", "median", "min", "nan_to_num",
    "nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin",
    "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "outer",
    "percentile", "polyadd", "polyder", "polyint", "polymul", "polysub", "polyval", "prod", "ptp", "quantile",
    "round", "select", "sinc", "sort", "std", "sum", "tensordot", "trace", "trapezoid",
    "unwrap", "vander", "var", "vdot", "where",
    "linalg.cholesky", "linalg.cond", "linalg.cross", "linalg.det", "linalg.eigh", "linalg.eigvalsh",
    "linalg.inv", "linalg.lstsq", "linalg.matmul", "linalg.matrix_norm", "linalg.matrix_power",
    "linalg.matrix_rank", "linalg.multi_dot", "linalg.norm", "linalg.outer", "linalg.pinv", "linalg.qr",
    "linalg.slogdet", "linalg.solve", "linalg.svd", "linalg.svdvals", "linalg.tensordot", "linalg.tensorinv",
    "linalg.tensorsolve", "linalg.trace", "linalg.vecdot", "linalg.vector_norm",
    "angle", "geomspace", "logspace", "polyfit",
    "fft.fft", "fft.fft2", "fft.fftn", "fft.hfft", "fft.ifft", "fft.ifft2", "fft.ifftn", "fft.ihfft",
    "fft.irfft",
    "fft.irfft2", "fft.irfftn", "fft.rfft", "fft.rfft2", "fft.rfftn",
}  # fmt: skip
# SciPy's functions in jax.scipy that are not ufuncs.
SCIPY = {
    "special.log_softmax", "special.logsumexp", "special.multigammaln", "special.polygamma",
    "special.softmax",
    "linalg.cho_solve", "linalg.cholesky", "linalg.det", "linalg.lu_factor",
    "linalg.inv", "linalg.lu", "linalg.lu_solve", "linalg.qr", "linalg.solve",
    "linalg.solve_triangular", "linalg.svd",
}  # fmt: skip
