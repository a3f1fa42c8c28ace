# ruff: noqa: E501 - tables of names
"""Every name of NumPy and SciPy, with the expressions that test how it is recorded.

In an expression `{}` is the name, and `x` a matrix (3, 4) that everything depends on.
"""

import numpy as np
import scipy.linalg
import scipy.special

MODULES = {
    "numpy": np,
    "ndarray": np.ndarray,
    "numpy.linalg": np.linalg,
    "numpy.fft": np.fft,
    "numpy.lib.stride_tricks": np.lib.stride_tricks,
    "numpy.random": np.random,
    "scipy.special": scipy.special,
    "scipy.linalg": scipy.linalg,
}

# What else an expression may use.
VARIABLES = {
    "p": "0.5 + 0.3 * np.tanh(x)",  # between 0.2 and 0.8
    "q": "1.5 + 0.4 * np.sin(x[:1])",  # between 1.1 and 1.9, in one row
    "r": "np.roll(x, 1) if x.ndim else 2 * x",  # in the shape of x
    "u": "1.5 + 0.4 * np.sin(x)",  # between 1.1 and 1.9, in the shape of x
    "v": "0.5 * np.sum(x, axis=0)",  # a vector of 4
    "w": "x[:2].T * np.sin(x[:1]).T",  # (4, 2)
    "s": "x @ x.T + 3 * np.eye(len(x), dtype=x.dtype)",  # symmetric, positive definite
    "z": "x + np.sin(x) * 1j",
    "i": "np.arange(12).reshape(3, 4) % 5",
    "b": "np.arange(12).reshape(3, 4) % 5 > 1",
}

RECORDED = {
    "numpy": {
        "np.{}(x)": (
            "abs absolute arcsinh asinh arctan atan cbrt ceil conj conjugate cos cosh deg2rad "
            "degrees exp exp2 expm1 fabs fix floor i0 imag negative positive rad2deg radians real "
            "reciprocal rint sign sin sinc sinh square tan tanh trunc modf frexp nan_to_num amax "
            "amin around average cumprod cumsum diff ediff1d gradient max mean median min "
            "nancumprod nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar "
            "prod ptp round sort std sum trace trapezoid unwrap var array asanyarray asarray "
            "asarray_chkfinite ascontiguousarray asfortranarray atleast_1d atleast_2d atleast_3d "
            "copy diag diagonal flip fliplr flipud matrix_transpose permute_dims ravel rot90 "
            "squeeze transpose tril triu diagflat require corrcoef cov unstack"
        ),
        "np.{}(z)": "angle",
        "np.{}(v)(0.5)": "poly1d",
        "np.{}(i % 2, [x, r])": "choose",
        "np.{}(q, u)": "geomspace",
        "np.{}(x, np.arange(-3.0, 3.0, 2.0), u[0, :3])": "interp",
        "np.{}(x, i)": "ldexp",
        "np.{}(i[0], v, minlength=6)": "bincount",
        "np.{}(x, x.dtype)": "astype",
        "np.{}(np.atleast_1d(z))": "real_if_close",
        "np.{}(q)": "arccosh acosh log log10 log1p log2 sqrt",
        "np.{}(p)": "arccos acos arcsin asin arctanh atanh",
        "np.{}(x, q)": (
            "add arctan2 atan2 copysign divide true_divide floor_divide fmax fmin fmod heaviside "
            "hypot logaddexp logaddexp2 maximum minimum mod multiply remainder subtract divmod "
            "vecdot append"
        ),
        "np.{}(q, x)": "float_power power pow",
        "np.{}(x, w)": "dot matmul kron",
        "np.{}(x, w, 1)": "tensordot",
        "np.{}(x, v)": "matvec inner",
        "np.{}(v, w)": "vecmat",
        "np.{}(x[0], v)": "convolve correlate outer polyadd polymul polysub vdot",
        "np.{}(v[:3], x[0, :3])": "cross",
        "np.{}(x, axis=1)": "cumulative_prod cumulative_sum",
        "np.{}(x, -0.3, 0.4)": "clip",
        "np.{}('ij,kj->ik', x, x)": "einsum",
        "np.{}(v[0], q[0, 0], 5)": "linspace logspace",
        "np.{}(x, 30, axis=1)": "nanpercentile percentile",
        "np.{}(x, 0.3, axis=1)": "nanquantile quantile",
        "np.{}(x, 2, axis=1)": "partition repeat roll array_split",
        "np.{}(v)": "polyder polyint vander",
        "np.{}(v, x)": "polyval",
        "np.{}(np.arange(4.0), v, 1)": "polyfit",
        "np.{}([b, x > 0], [x, q], 0.5)": "select",
        "np.{}(b, x, q)": "where",
        "np.{}([[x, q]])": "block",
        "np.{}(x, q[:1])": "broadcast_arrays",
        "np.{}(x, (2, 3, 4))": "broadcast_to",
        "np.{}([x, q])": "column_stack concat concatenate dstack hstack stack vstack",
        "np.{}(b[0], v)": "compress extract",
        "np.{}(x, 1, axis=1)": "delete",
        "np.{}(x, 2)": "hsplit",
        "np.{}(x[:2], 2)": "vsplit split",
        "np.{}(x.reshape(3, 2, 2), 2)": "dsplit",
        "np.{}(x, 0)": "expand_dims",
        "np.{}(x, 1, v[:3], axis=1)": "insert",
        "np.{}(v, x[0])": "meshgrid",
        "np.{}(x, 0, 1)": "moveaxis rollaxis swapaxes",
        "np.{}(x, ((1, 1), (0, 2)))": "pad",
        "np.{}(x, (4, 3))": "reshape resize",
        "np.{}(x, [0, 2, 2])": "take",
        "np.{}(x, i % 3, axis=0)": "take_along_axis",
        "np.{}(x, (2, 1))": "tile",
        "np.{}(np.append(0.0, u))": "trim_zeros",
        "np.{}(x, v[0])": "full_like",
        "np.{}((2, 2), v[0])": "full",
        "np.{}(lambda row: row * row[0], 1, x)": "apply_along_axis",
        "np.{}(np.sum, x, [0, 1])": "apply_over_axes",
        "np.{}(x, [b, ~b], [np.sin, 0.5])": "piecewise",
        "np.{}((each * each for each in v), float)": "fromiter",
        "np.{}(lambda a, c: a * x[0, 0] + c, (2, 2))": "fromfunction",
        "np.{}(lambda a, c: a * c if c < 9 else c)(x, v)": "vectorize",
        "[each * each for each in np.{}(np.atleast_1d(x))]": "nditer",
        "[n * each for (n, _), each in np.{}(x)]": "ndenumerate",
        "np.{}(v[0])": "float64 double",
        "np.{}[v, 1.0, x[0]]": "r_",
        "np.{}[v, x[0]]": "c_",
        "[a := x * 1, np.{}(a, q)][0]": "copyto",
        "[a := x * 1, np.{}(a, v[0])][0]": "fill_diagonal",
        "[a := x * 1, np.{}(a, b, v[:2])][0]": "place putmask",
        "[a := x * 1, np.{}(a, [0, 5], v[:2])][0]": "put",
        "[a := x * 1, np.{}(a, i % 3, v[None], 0)][0]": "put_along_axis",
    },
    "ndarray": {
        "x.{}": "T mT real imag",
        "list(x.{})": "flat",
        "x.{}()": (
            "conj conjugate copy cumprod cumsum diagonal flatten max mean min prod ravel round squeeze std sum "
            "tolist trace transpose var view"
        ),
        "x.{}(-0.3, 0.4)": "clip",
        "x.{}(b[0])": "compress",
        "x.{}(0)": "item take",
        "x.{}(1, 0)": "swapaxes",
        "x.{}(w)": "dot",
        "x.{}(2)": "repeat",
        "x.{}((4, 3))": "reshape",
        "x.{}(x.dtype)": "astype getfield",
        "(i % 2).{}([x, r])": "choose",
        "[a := x * 1, a.{}(v[0])][0]": "fill",
        "[a := x * 1, a.{}(1)][0]": "partition",
        "[a := x * 1, a.{}([0, 5], v[:2])][0]": "put",
        "[a := x * 1, a.{}()][0]": "sort",
        "[a := x * 1, a.{}(x.T.shape)][0]": "resize",
    },
    "numpy.linalg": {
        "np.linalg.{}(s)": (
            "cholesky cond det eigh eigvalsh inv norm pinv slogdet svdvals matrix_norm trace "
            "diagonal matrix_transpose"
        ),
        "np.linalg.{}(x[:, :3] + 2 * np.eye(3))": "qr",
        "np.linalg.{}(s, compute_uv=False)": "svd",
        "np.linalg.{}(s, x)": "matmul solve",
        "np.linalg.{}(x, w, axes=1)": "tensordot",
        "np.linalg.{}(s, v[:3])": "tensorsolve",
        "np.linalg.{}(s, x, rcond=None)[0]": "lstsq",
        "np.linalg.{}(s, 3)": "matrix_power",
        "np.linalg.{}([x, w, w.T])": "multi_dot",
        "np.linalg.{}(v[:3], x[0, :3])": "cross outer",
        "np.linalg.{}((x @ w).T @ (x @ w) + np.eye(2), ind=1)": "tensorinv",
        "np.linalg.{}(x, x * x)": "vecdot",
        "np.linalg.{}(x)": "vector_norm",
    },
    "numpy.fft": {
        "np.fft.{}(x)": "fft fft2 fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft rfft rfft2 rfftn",
        "np.fft.{}(z)": "irfft irfft2 irfftn",
    },
    "numpy.lib.stride_tricks": {
        "np.lib.stride_tricks.{}(x, x.shape, x.strides)": "as_strided",
        "np.lib.stride_tricks.{}(v, 2)": "sliding_window_view",
    },
    "numpy.random": {
        "[a := x * 1, np.random.seed(0), np.random.{}(a)][0]": "shuffle",
        "[np.random.seed(0), np.random.{}(x)]": "permutation",
    },
    "scipy.special": {
        "scipy.special.{}(x)": (
            "erf erfc erfcx expit expm1 cbrt exp10 exp2 exprel cosm1 cosdg sindg tandg dawsn i0 "
            "i0e i1 i1e log_expit log_ndtr ndtr softplus softmax log_softmax logsumexp sinc round"
        ),
        "scipy.special.{}(u, q)": "gammainc gammaincc",
        "scipy.special.{}(1, u)": "polygamma expn",
        "scipy.special.{}(q)": "erfi loggamma gamma gammaln digamma psi entr rgamma exp1 expi log1p spence cotdg",
        "scipy.special.{}(p)": "erfcinv erfinv logit ndtri",
        "scipy.special.{}(p, q)": (
            "kl_div rel_entr xlogy xlog1py beta betaln boxcox boxcox1p inv_boxcox inv_boxcox1p "
            "huber pseudo_huber powm1 poch owens_t"
        ),
        "scipy.special.{}(1.5, 2.5, p)": "betainc betaincc",
        "scipy.special.{}(x, 0.5, 0.5)": "radian",
        "scipy.special.{}(q + 2, 2)": "multigammaln",
    },
    "scipy.linalg": {
        "scipy.linalg.{}(s)": "cholesky det eigvalsh inv norm pinv svdvals",
        "scipy.linalg.{}(s / 8)": "expm",
        "scipy.linalg.{}(s)[0]": "lu_factor",
        "scipy.linalg.{}(scipy.linalg.lu_factor(s), x)": "lu_solve",
        "scipy.linalg.{}(x.T, v)[0]": "lstsq",
        "[each * each for each in scipy.linalg.{}(s)]": "eigh",
        "scipy.linalg.{}(x[:, :3] + 2 * np.eye(3))": "qr lu",
        "scipy.linalg.{}(x, compute_uv=False)": "svd",
        "scipy.linalg.{}(s, x)": "solve",
        "scipy.linalg.{}(np.tril(s), x, lower=True)": "solve_triangular",
        "scipy.linalg.{}(scipy.linalg.cho_factor(s), x)": "cho_solve",
        "np.triu(scipy.linalg.{}(s)[0])": "cho_factor",
        "scipy.linalg.{}(x, q)": "khatri_rao block_diag",
        "scipy.linalg.{}(v)": "circulant toeplitz hankel",
        "scipy.linalg.{}(v, 3)": "convolution_matrix",
    },
}

# Types, numbers, names, settings: what depends on nothing that is recorded.
CONSTANT = {
    "numpy": {
        "np.{}": (
            "False_ ScalarType True_ bool bool_ busday_count busday_offset busdaycalendar byte bytes_ "
            "can_cast cdouble character clongdouble complex128 complex256 complex64 complexfloating "
            "csingle datetime64 datetime_as_string datetime_data dtype e errstate euler_gamma finfo flatiter "
            "flexible float128 float16 float32 floating fromfile fromregex fromstring generic genfromtxt "
            "get_include get_printoptions getbufsize geterr geterrcall half iinfo index_exp inexact info "
            "int16 int32 int64 int8 int_ intc integer intp is_busday isdtype isnat issubdtype little_endian "
            "load loadtxt long longdouble longlong mask_indices memmap mgrid mintypecode ndarray newaxis "
            "number object_ ogrid pi printoptions promote_types recarray record s_ sctypeDict "
            "set_printoptions setbufsize seterr seterrcall short show_config show_runtime signedinteger "
            "single str_ test timedelta64 typecodes typename ubyte ufunc uint uint16 uint32 uint64 uint8 "
            "uintc uintp ulong ulonglong unsignedinteger ushort void"
        ),
        "np.{}(x)": (
            "argmax argmin argsort argwhere array2string array_repr array_str flatnonzero "
            "isfinite isinf isnan isneginf isposinf iscomplex iscomplexobj isreal isrealobj "
            "isfortran isscalar iterable logical_not nanargmax nanargmin ndim nonzero shape "
            "signbit size all any count_nonzero common_type min_scalar_type ones_like "
            "zeros_like lexsort result_type"
        ),
        "np.{}(x).shape": "empty_like",
        "str(np.{})": "inf nan",
        "np.{}(x, r).shape": "broadcast",
        "np.{}(b'12345678')": "frombuffer",
        "np.{}(x[:, :3])": "diag_indices_from tril_indices_from triu_indices_from",
        "np.{}(x, r)": (
            "allclose array_equal array_equiv equal greater greater_equal isclose isin less less_equal "
            "logical_and logical_or logical_xor may_share_memory not_equal shares_memory"
        ),
        "np.{}(x, 2)": "argpartition",
        "np.{}(x[0], v[:1])": "digitize searchsorted",
        "np.{}('ij,kj', x, x)": "einsum_path",
        "np.{}(3)": "bartlett blackman hamming hanning identity",
        "np.{}(3, 3)": (
            "base_repr binary_repr broadcast_shapes diag_indices eye format_float_positional "
            "format_float_scientific kaiser tri tril_indices triu_indices"
        ),
        "list(np.{}(2, 3))": "ndindex",
        "np.{}((2, 3))": "indices",
        "np.{}(i, i)": (
            "bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor gcd lcm "
            "left_shift right_shift"
        ),
        "np.{}(i)": "bitwise_count bitwise_invert bitwise_not invert",
        "np.{}(i.astype(np.uint8))": "packbits unpackbits",
        "np.{}(i[0], (5, 5))": "unravel_index",
        "np.{}((i[0], i[1]), (5, 5))": "ravel_multi_index",
        "np.{}(i[0], i[1])": "ix_",
    },
    "ndarray": {
        "x.{}()": "all any argmax argmin argsort nonzero",
        "x.{}(2)": "argpartition",
        "v[:1].{}(x[0])": "searchsorted",
        "x.{}": "device dtype itemsize nbytes ndim shape size strides",
        "x.{}.c_contiguous": "flags",
        "x.{} is None": "base",
        "x.{}(write=True)": "setflags",
    },
    "numpy.linalg": {"np.linalg.{}": "LinAlgError test", "np.linalg.{}(s)": "matrix_rank"},
    "numpy.fft": {"np.fft.{}": "test", "np.fft.{}(5)": "fftfreq rfftfreq"},
    "numpy.random": {
        "np.random.{}": (
            "BitGenerator Generator MT19937 PCG64 PCG64DXSM Philox RandomState SFC64 SeedSequence default_rng "
            "get_bit_generator get_state seed set_bit_generator set_state test"
        ),
        "[np.random.seed(3), np.random.{}(3)][1]": (
            "bytes choice chisquare pareto poisson power rand randint randn random "
            "random_sample ranf rayleigh sample standard_cauchy standard_exponential standard_gamma "
            "standard_normal standard_t weibull zipf"
        ),
        "[np.random.seed(3), np.random.{}(3, 0.5)][1]": (
            "beta binomial f gamma gumbel laplace logistic lognormal negative_binomial "
            "noncentral_chisquare vonmises wald"
        ),
        "[np.random.seed(3), np.random.{}(0.5)][1]": "geometric logseries",
        "[np.random.seed(3), np.random.{}([1.0, 2.0])][1]": "dirichlet",
        "[np.random.seed(3), np.random.{}(3, 4)][1]": "random_integers uniform",
        "[np.random.seed(3), np.random.{}(3, 4, 5)][1]": "hypergeometric noncentral_f triangular",
        "[np.random.seed(3), np.random.{}(3, [0.5, 0.5])][1]": "multinomial",
        "[np.random.seed(3), np.random.{}([0.0, 1.0], np.eye(2))][1]": "multivariate_normal",
    },
    "scipy.special": {
        "scipy.special.{}": "SpecialFunctionError SpecialFunctionWarning errstate geterr seterr test",
        "scipy.special.{}(3)": (
            "factorial2 "
            "ai_zeros bei_zeros beip_zeros ber_zeros bernoulli berp_zeros bi_zeros erf_zeros euler fresnel_zeros "
            "fresnelc_zeros fresnels_zeros jnjnp_zeros kei_zeros keip_zeros kelvin_zeros ker_zeros kerp_zeros "
            "chebyc chebys chebyt chebyu hermite hermitenorm laguerre legendre sh_chebyt sh_chebyu sh_legendre "
            "c_roots h_roots he_roots l_roots p_roots ps_roots roots_chebyc roots_chebys roots_chebyt "
            "roots_chebyu roots_hermite roots_hermitenorm roots_laguerre roots_legendre roots_sh_chebyt "
            "roots_sh_chebyu roots_sh_legendre s_roots t_roots ts_roots u_roots us_roots y0_zeros y1_zeros "
            "y1p_zeros"
        ),
        "scipy.special.{}(3, 2)": (
            "factorialk gegenbauer genlaguerre jn_zeros jnp_zeros jnyn_zeros stirling2 yn_zeros ynp_zeros "
            "cg_roots la_roots mathieu_even_coef mathieu_odd_coef roots_gegenbauer roots_genlaguerre"
        ),
        "scipy.special.{}(3, 1, 1)": "j_roots jacobi js_roots roots_jacobi roots_sh_jacobi sh_jacobi",
    },
    "scipy.linalg": {
        "scipy.linalg.{}": "bandwidth LinAlgError LinAlgWarning find_best_blas_type test",
        "scipy.linalg.{}(4)": "dft hadamard helmert hilbert invhilbert invpascal pascal",
    },
}
