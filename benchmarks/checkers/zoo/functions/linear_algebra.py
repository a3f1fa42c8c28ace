"""Inverses, determinants, factorisations and the matrix exponential, some of them ill-conditioned."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from benchmarks.checkers.zoo.entry import Entry


def _inverse(A):
    """Invert by Gauss-Jordan elimination with the largest pivot, in any dtype."""
    n = len(A)
    M = np.concatenate([A, np.eye(n, dtype=A.dtype)], 1)
    for i in range(n):
        k = i + np.argmax(np.abs(M[i:, i]))
        M[[i, k]] = M[[k, i]]
        M[i] = M[i] / M[i, i]
        for j in range(n):
            if j != i:
                M[j] = M[j] - M[j, i] * M[i]
    return M[:, n:]


def _determinant(A):
    M, det = A.copy(), A.dtype.type(1)
    for i in range(len(A)):
        k = i + np.argmax(np.abs(M[i:, i]))
        if k != i:
            M[[i, k]], det = M[[k, i]], -det
        det = det * M[i, i]
        M[i + 1 :] -= np.outer(M[i + 1 :, i] / M[i, i], M[i])
    return det


def _conditioned(rng, n, condition):
    u, v = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return u * np.geomspace(1, 1 / condition, n) @ v


def _inv(A, T):
    V = np.linalg.inv(A)
    return (T * V).sum(), -(V.T @ T @ V.T)


def _inv_eliminated(A, T):
    V = _inverse(A)
    return np.einsum("ij,ij->", T, V), -np.einsum("ki,kl,jl->ij", V, T, V)


def _inv_solved(A, T):
    return (T * np.linalg.solve(A, np.eye(len(A), dtype=A.dtype))).sum(), -np.linalg.solve(
        A.T, np.linalg.solve(A, T.T).T
    )


def _inv_untransposed(A, T):
    V = np.linalg.inv(A)
    return (T * V).sum(), -(V @ T @ V)


def _inverse_at(condition):
    return Entry(
        f"inverse, condition {condition:.0e}".replace("e+0", "e"),
        lambda A, T: jnp.sum(T * jnp.linalg.inv(A)),
        lambda rng: (_conditioned(rng, 5, condition), rng.normal(size=(5, 5))),
        (_inv_eliminated, _inv, _inv_solved),
        wrong={"not transposed": _inv_untransposed},
    )


INVERSE_30 = _inverse_at(30)
INVERSE_1E6 = _inverse_at(1e6)


def _solve(p, t):
    x = np.linalg.solve(p["A"], p["b"])
    d = np.linalg.solve(p["A"].T, t)
    return t @ x, {"A": -np.outer(d, x), "b": d}


def _solve_eliminated(p, t):
    V = _inverse(p["A"])
    x, d = V @ p["b"], t @ V
    return np.dot(t, x), {"A": -d[:, None] * x, "b": d}


def _hilbert(rng):
    return {"A": scipy.linalg.hilbert(5), "b": rng.normal(size=5)}, rng.normal(size=5)


def _solve_loss(p, t):
    return t @ jnp.linalg.solve(p["A"], p["b"])


SOLVE = Entry(
    "solve, condition 100",
    _solve_loss,
    lambda rng: ({"A": _conditioned(rng, 6, 100), "b": rng.normal(size=6)}, rng.normal(size=6)),
    (_solve_eliminated, _solve),
)
HILBERT = Entry("solve with Hilbert's matrix of order 5", _solve_loss, _hilbert, (_solve_eliminated, _solve))


def _det(A, w):
    d = np.linalg.det(A)
    return w * d, w * d * np.linalg.inv(A).T


def _det_cofactors(A, w):
    n = len(A)
    g = np.empty_like(A)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(A, i, 0), j, 1)
            g[i, j] = (-1) ** (i + j) * _determinant(minor)
    return w * (A[0] @ g[0]), w * g


DETERMINANT = Entry(
    "determinant",
    lambda A, w: w * jnp.linalg.det(A),
    lambda rng: (rng.normal(size=(5, 5)), np.array(0.7)),
    (_det_cofactors, _det),
    wrong={"not transposed": lambda A, w: (_det(A, w)[0], _det(A, w)[1].T)},
)


def _det_minors(A, w):
    n = len(A)
    keep = [[j for j in range(n) if j != i] for i in range(n)]
    g = [[(-1) ** (i + j) * np.linalg.det(A[np.ix_(keep[i], keep[j])]) for j in range(n)] for i in range(n)]
    return w * np.linalg.det(A), w * np.array(g, A.dtype)


def _rank_three(rng):
    A = np.array(
        [[2.0, 1, 0, -1], [1, 3, -2, 0], [0, -1, 1, 4], [3, 4, -2, -1]]
    )  # the last is the first two's sum
    return A, np.array(0.5)


SINGULAR = Entry(
    "determinant of a singular matrix",
    lambda A, w: w * jnp.linalg.det(A),
    _rank_three,
    (_det_cofactors, _det_minors),
)


def _logdet(A):
    return np.linalg.slogdet(A)[1], np.linalg.inv(A).T


def _logdet_eliminated(A):
    return np.log(np.abs(_determinant(A))), _inverse(A.T)


SLOGDET = Entry(
    "log-determinant, condition 1e3",
    lambda A: jnp.linalg.slogdet(A)[1],
    lambda rng: (_conditioned(rng, 6, 1e3),),
    (_logdet_eliminated, _logdet),
    wrong={"not transposed": lambda A: (_logdet(A)[0], _logdet(A)[1].T)},
)


def _covariance(B):
    return B @ B.T + B.dtype.type(0.1) * np.eye(len(B), dtype=B.dtype)


def _gaussian_loss(B, x):
    S = B @ B.T + 0.1 * jnp.eye(B.shape[0])
    L = jnp.linalg.cholesky(S)
    z = jax.scipy.linalg.solve_triangular(L, x, lower=True)
    return jnp.sum(z**2) / 2 + jnp.sum(jnp.log(jnp.diag(L)))


def _gaussian(B, x):
    L = np.linalg.cholesky(_covariance(B))
    a = scipy.linalg.cho_solve((L, True), x)
    V = scipy.linalg.cho_solve((L, True), np.eye(len(x), dtype=x.dtype))
    return x @ a / 2 + np.log(np.diag(L)).sum(), (V - np.outer(a, a)) @ B


def _gaussian_eliminated(B, x):
    S = _covariance(B)
    V = _inverse(S)
    a = np.einsum("ij,j->i", V, x)
    return np.dot(x, a) / 2 + np.log(_determinant(S)) / 2, V @ B - np.multiply.outer(a, a @ B)


GAUSSIAN = Entry(
    "Gaussian likelihood through Cholesky",
    _gaussian_loss,
    lambda rng: (rng.normal(size=(5, 5)), rng.normal(size=5)),
    (_gaussian_eliminated, _gaussian),
    wrong={
        "log-determinant forgotten": lambda B, x: (
            _gaussian(B, x)[0],
            -np.outer(V := np.linalg.solve(_covariance(B), x), V) @ B,
        )
    },
)


def _symmetric(A):
    return 2 * np.log(np.diag(np.linalg.cholesky(A))).sum(), np.linalg.inv(A)


def _symmetric_eliminated(A):
    return np.log(_determinant(A)), _inverse(A)


def _spd(rng):
    B = rng.normal(size=(5, 5))
    return (B @ B.T + np.eye(5),)


SYMMETRIC = Entry(
    "log-determinant of a symmetric matrix, by Cholesky",
    lambda A: 2 * jnp.sum(jnp.log(jnp.diag(jnp.linalg.cholesky(A)))),
    _spd,
    (_symmetric_eliminated, _symmetric),
    options={"points": 1},
)


def _spectral_loss(B, t):
    return jnp.sum(t * jnp.linalg.eigvalsh((B + B.T) / 2))


def _spectral(B, t):
    values, V = np.linalg.eigh((B + B.T) / 2)
    return t @ values, V * t @ V.T


def _jacobi(B, t):
    """Compute eigenvalues by Jacobi rotations, in any dtype."""
    A, V, n = (B + B.T) / 2, np.eye(len(B), dtype=B.dtype), len(B)
    for _ in range(12):
        for p in range(n):
            for q in range(p + 1, n):
                if A[p, q] != 0:
                    theta = (A[q, q] - A[p, p]) / (2 * A[p, q])
                    s = np.where(theta >= 0, 1, -1) / (np.abs(theta) + np.hypot(theta, A.dtype.type(1)))
                    c = 1 / np.sqrt(s * s + 1)
                    R = np.eye(n, dtype=B.dtype)
                    R[p, p] = R[q, q] = c
                    R[p, q], R[q, p] = s * c, -s * c
                    A, V = R.T @ A @ R, V @ R
    order = np.argsort(np.diag(A))
    return np.dot(t, np.diag(A)[order]), np.einsum("ik,k,jk->ij", V[:, order], t, V[:, order])


def _close_values(rng):
    Q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return (Q * np.array([1.0, 1.05, 3.0, -2.0, 50.0])) @ Q.T, np.array([1.0, 2.0, -3.0, 0.5, 0.2])


EIGENVALUES = Entry("eigenvalues, two of them close", _spectral_loss, _close_values, (_jacobi, _spectral))


def _exponential_taylor(M):
    """Compute the exponential by squaring a Taylor series, in any dtype."""
    squarings = max(0, int(np.ceil(np.log2(float(np.abs(M).sum(1).max()) + 1e-300))) + 3)
    A = M / M.dtype.type(2**squarings)
    total = term = np.eye(len(M), dtype=M.dtype)
    for k in range(1, 20):
        term = term @ A / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total


def _block_exponential(exponential):
    def hand(M, T):
        n = len(M)
        block = np.block([[M.T, T], [np.zeros_like(M), M.T]])
        return (T * exponential(M)).sum(), exponential(block)[:n, n:]

    return hand


def _frechet(M, T):
    return np.einsum("ij,ij->", T, scipy.linalg.expm(M)), scipy.linalg.expm_frechet(
        M.T, T, compute_expm=False
    ).astype(M.dtype)


def _exponential_at(size):
    return Entry(
        f"matrix exponential, norm near {size * 3:g}",
        lambda M, T: jnp.sum(T * jax.scipy.linalg.expm(M)),
        lambda rng: (size * rng.normal(size=(4, 4)), rng.normal(size=(4, 4))),
        (_block_exponential(_exponential_taylor), _block_exponential(scipy.linalg.expm), _frechet),
        wrong={
            "−1000 everywhere": lambda M, T: (np.sum(T * scipy.linalg.expm(M)), np.full_like(M, -1000)),
            "as if it commuted": lambda M, T: (np.sum(T * scipy.linalg.expm(M)), T @ scipy.linalg.expm(M.T)),
        },
    )


EXPONENTIAL = _exponential_at(0.3)
EXPONENTIAL_LARGE = _exponential_at(1.5)


def _trace_power(A):
    P = A @ A
    P = P @ P
    return np.trace(P @ A), 5 * P.T


def _trace_power_terms(A):
    powers = [np.eye(len(A), dtype=A.dtype)]
    for _ in range(4):
        powers.append(np.einsum("ij,jk->ik", powers[-1], A))
    return np.einsum("ij,ji->", powers[4], A), sum((powers[4 - k] @ powers[k]).T for k in range(5))


TRACE_POWER = Entry(
    "trace of a fifth power",
    lambda A: jnp.trace(A @ A @ A @ A @ A),
    lambda rng: (rng.normal(size=(6, 6)),),
    (_trace_power, _trace_power_terms),
)


def _gram(X):
    G = X.T @ X
    return (G * G).sum(), 4 * X @ G


def _gram_rows(X):
    K = np.einsum("nd,md->nm", X, X)
    return np.einsum("nm,nm->", K, K), 4 * np.einsum("nm,md->nd", K, X)


GRAM = Entry(
    "Frobenius norm of a Gram matrix, columns from 1e-2 to 1e2",
    lambda X: jnp.sum((X.T @ X) ** 2),
    lambda rng: (rng.normal(size=(30, 5)) * 10.0 ** np.arange(-2, 3),),
    (_gram, _gram_rows),
)


def _rayleigh(v, A):
    Av = A @ v  # v has norm 1
    q = v @ Av
    return q, 2 * (Av - q * v)


def _rayleigh_projected(v, A):
    P = np.eye(len(v), dtype=v.dtype) - np.outer(v, v) / (v @ v)
    return np.einsum("i,ij,j->", v, A, v) / (v @ v), (P @ (A @ v) + P @ (A.T @ v)) / (v @ v)


def _unit_example(rng):
    v, B = rng.normal(size=6), rng.normal(size=(6, 6))
    return v / np.sqrt(v @ v), B + B.T


RAYLEIGH = Entry(
    "Rayleigh quotient of a unit vector, by a hand that relies on its norm",
    lambda v, A: v @ A @ v / (v @ v),
    _unit_example,
    (_rayleigh_projected, _rayleigh),
    wrong={"not projected": lambda v, A: (_rayleigh(v, A)[0], 2 * (A @ v))},
    options={"points": 1},
)
