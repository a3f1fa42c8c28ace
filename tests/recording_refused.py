# ruff: noqa: E501 - tables of names
"""The names that a recording refuses, by the expressions that show it; the letters as in recording_tables."""

# Without a derivative in JAX or by a short formula, or taking a value out: one error, with the line.
REFUSED = {
    "numpy": {
        "np.{}([[1.0, 2.0]])": "matrix asmatrix",
        "np.{}(x)": (
            "spacing histogram histogram_bin_edges histogramdd unique unique_all unique_counts "
            "unique_inverse unique_values from_dlpack sort_complex"
        ),
        "np.{}(v)": "poly roots",
        "np.{}(v, u[0, :2])": "polydiv",
        "np.{}([x, q])": "row_stack",
        "np.{}(v, x[0])": "histogram2d intersect1d union1d setdiff1d setxor1d",
        "np.{}(x, q)": "nextafter",
        "np.{}([[x, x]])": "bmat",
        "np.{}(io.BytesIO(), x)": "save savetxt savez savez_compressed",
        "np.{}(v[0], 3.0)": "arange",
        "np.{}(2, [('a', float)])": "zeros empty ones",
        "np.{}(lambda a: a, 1, 1)(x)": "frompyfunc",
        "np.{}(x, [[0], [1]])": "nested_iters",
    },
    "ndarray": {
        "x.{}()": "tobytes dumps",
        "x.{}": "data ctypes",
        "x.{}(io.BytesIO())": "tofile dump",
        "x.{}('cpu')": "to_device",
        "x.{}(1, np.int32)": "setfield",
        "(x * 1).{}()": "byteswap",
    },
    "numpy.linalg": {"np.linalg.{}(s)": "eig eigvals"},
    "numpy.random": {"np.random.{}(q)": "normal exponential"},
    "scipy.special": {
        "scipy.special.{}(u)": (
            "gammasgn j0 lambertw zetac airy airye bei beip ber berp ellipe ellipk ellipkm1 factorial fresnel "
            "it2i0k0 it2j0y0 it2struve0 itairy iti0k0 itj0y0 itmodstruve0 itstruve0 j1 k0 k0e k1 k1e kei keip "
            "kelvin ker kerp kolmogi kolmogorov modfresnelm modfresnelp ndtri_exp shichi sici wofz wrightomega "
            "y0 y1 zeta"
        ),
        "scipy.special.{}(u, u)": (
            "agm assoc_laguerre binom chdtr chdtrc chdtri chdtriv comb diric ellipeinc ellipj ellipkinc elliprc "
            "eval_chebyc eval_chebys eval_chebyt eval_chebyu eval_laguerre "
            "eval_legendre eval_sh_chebyt eval_sh_chebyu eval_sh_legendre gammainccinv gammaincinv h1vp h2vp "
            "hankel1 hankel1e hankel2 hankel2e hyp0f1 iv ive ivp jn jv jve jvp kn kv kve kvp mathieu_a "
            "mathieu_b modstruve pbdv pbvv pbwa pdtr pdtrc pdtri pdtrik perm smirnov smirnovi spherical_in "
            "spherical_jn spherical_kn spherical_yn stdtr stdtridf stdtrit struve tklmbda yn yv yve yvp"
        ),
        "scipy.special.{}(u, u, u)": (
            "bdtr bdtrc bdtri bdtrik bdtrin besselpoly betainccinv betaincinv btdtria btdtrib chndtr "
            "chndtridf chndtrinc chndtrix elliprd elliprf elliprg eval_gegenbauer eval_genlaguerre fdtr fdtrc "
            "fdtri fdtridfd gdtr gdtrc gdtria gdtrib gdtrix hyp1f1 hyperu log_wright_bessel lpmv mathieu_cem "
            "mathieu_modcem1 mathieu_modcem2 mathieu_modsem1 mathieu_modsem2 mathieu_sem nbdtr nbdtrc nbdtri "
            "nbdtrik nbdtrin nctdtr nctdtridf nctdtrinc nctdtrit nrdtrimn nrdtrisd obl_cv pro_cv "
            "voigt_profile wright_bessel"
        ),
        "scipy.special.{}(u, u, u, u)": (
            "elliprj eval_jacobi eval_sh_jacobi hyp2f1 ncfdtr ncfdtri ncfdtridfd ncfdtridfn ncfdtrinc "
            "obl_ang1 obl_rad1 obl_rad2 pro_ang1 pro_rad1 pro_rad2"
        ),
        "scipy.special.{}(u, u, u, u, u)": (
            "obl_ang1_cv obl_rad1_cv obl_rad2_cv pro_ang1_cv pro_rad1_cv pro_rad2_cv"
        ),
        "scipy.special.{}(2.0, 3.0, 1, 1, v[0])": "ellip_harm ellip_harm_2",
        "scipy.special.{}(2.0 + u[0, 0], 3.0 + u[0, 0], 1, 1)": "ellip_normal",
        "scipy.special.{}(2, u)": "eval_hermite eval_hermitenorm legendre_p legendre_p_all lqn",
        "scipy.special.{}(2, 3, u)": "assoc_legendre_p_all lqmn sph_legendre_p_all",
        "scipy.special.{}(2, 1, u)": "assoc_legendre_p sph_legendre_p",
        "scipy.special.{}(2, 1, u, u)": "sph_harm_y sph_harm_y_all",
        "scipy.special.{}(2, v[0] + 9)": "lmbda pbdn_seq pbdv_seq pbvv_seq riccati_jn riccati_yn",
        "scipy.special.{}(2, 3, v[0])": "obl_cv_seq pro_cv_seq",
    },
    "scipy.linalg": {
        "scipy.linalg.{}(s)": (
            "ishermitian issymmetric null_space schur hessenberg companion coshm cosm eig eig_banded eigvals eigvals_banded expm_cond fiedler "
            "fiedler_companion ldl logm matrix_balance orth pinvh rq signm sinhm sinm sqrtm "
            "polar tanhm tanm"
        ),
        "scipy.linalg.{}(v[:3], v[:2])": "eigh_tridiagonal eigvalsh_tridiagonal leslie",
        "scipy.linalg.{}(s, s, s)": "solve_sylvester",
        "scipy.linalg.{}(s, s, s, s)": "qr_update solve_continuous_are solve_discrete_are",
        "scipy.linalg.{}(s, s, 0)": "qr_delete",
        "scipy.linalg.{}(s, s, v[:3], 0)": "qr_insert",
        "scipy.linalg.{}(s, 0.5)": "fractional_matrix_power",
        "scipy.linalg.{}(s, np.exp)": "funm",
        "scipy.linalg.{}(s, 2, 1)": "cossin",
        "scipy.linalg.{}(v, 4, 4)": "diagsvd",
        "scipy.linalg.{}(s, 2)": "clarkson_woodruff_transform",
        "scipy.linalg.{}(np.stack([v, v + 99]))": "cholesky_banded",
        "scipy.linalg.{}((np.stack([v + 9, v]), True), v)": "cho_solve_banded",
        "scipy.linalg.{}((0, 0), v[None], v)": "solve_banded",
        "scipy.linalg.{}(np.stack([v + 9, v]), v, lower=True)": "solveh_banded",
        "scipy.linalg.{}('dot', (v,))": "get_blas_funcs",
        "scipy.linalg.{}('potrf', (s,))": "get_lapack_funcs",
        "scipy.linalg.{}(v[:3], s)": "cdf2rdf",
        "scipy.linalg.{}(s, s)": (
            "expm_frechet ordqz orthogonal_procrustes qr_multiply qz rsf2csf solve_circulant "
            "solve_continuous_lyapunov solve_discrete_lyapunov solve_lyapunov matmul_toeplitz solve_toeplitz "
            "subspace_angles"
        ),
    },
}
