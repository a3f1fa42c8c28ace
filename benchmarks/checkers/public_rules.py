"""Judge the rules that come with JAX, optax and PyTorch, like any user's rules."""

import importlib
import json
import pkgutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np

from autograd_ref import NotJudged, check_rule
from benchmarks.checkers.public_functions import pytorch_rules
from benchmarks.results import Table, publish, write_json

__all__ = ["JAX_RULES", "Judged", "Public", "judge", "known_rules", "measure_rules"]

# The packages that are searched for rules; rules that are created while a function runs are not found.
PACKAGES = ("jax._src.nn", "jax._src.numpy", "jax._src.scipy", "jax._src.third_party", "optax")


class Public(NamedTuple):
    """A public rule, and a call that uses it.

    Attributes:
        rule: its name in the source.
        function: the function to call.
        args: makes the arguments with a random generator.
        surrogate: whether the rule is meant to differ from the derivative.
        why: the reason for a verdict other than right.
    """

    rule: str
    function: Callable[..., Any]
    args: Callable[[np.random.Generator], tuple[Any, ...]]
    surrogate: bool = False
    why: str = ""


class Judged(NamedTuple):
    """The verdict on a public rule."""

    rule: str
    verdict: str
    seconds: float
    why: str


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return a function that draws normal numbers."""
    return lambda rng: tuple(rng.standard_normal(shape) for shape in shapes)


def positive(
    *shapes: tuple[int, ...], above: float = 0.5
) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Return a function that draws numbers in an interval of length 1."""
    return lambda rng: tuple(above + rng.random(shape) for shape in shapes)


def _softmax(x: Any) -> Any:
    from jax._src.nn import functions

    return functions._softmax(x, -1, None, -jnp.inf)


def _slogdet(method: str) -> Callable[..., Any]:
    return lambda a: jnp.linalg.slogdet(a, method=method)


def _optax(name: str, *more: Any) -> Callable[..., Any]:
    def called(*args: Any) -> Any:
        import optax

        found: Any = optax
        for part in name.split("."):
            found = getattr(found, part)
        return found(*args, *more)

    return called


def _log_softmax(*args: Any) -> Any:
    from optax.losses import _classification

    return _classification.weighted_logsoftmax(*args)


def _hypergeometric(rng: np.random.Generator) -> tuple[Any, ...]:
    a, b, c = positive((2,), (2,), (2,))(rng)
    return a, b, c + 2, rng.random(2) / 3


JAX_RULES = [
    Public("relu", jax.nn.relu, normal((3, 4))),
    Public("relu6", jax.nn.relu6, lambda rng: (5 * rng.standard_normal((3, 4)),)),
    Public("_softmax", _softmax, normal((3, 4))),
    Public("log1mexp", jax.nn.log1mexp, positive((5,))),
    Public("_i0", jnp.i0, normal((5,))),
    Public("_frexp", jnp.frexp, normal((5,))),
    Public(
        "_sinc_maclaurin", jnp.sinc, normal((5,)),
        why="its function is the constant that sinc is at 0, where alone it is used; the rule gives the "
        "derivatives there, of every order",
    ),
    Public("_det", jnp.linalg.det, normal((4, 4))),
    Public("_pinv", jnp.linalg.pinv, normal((4, 3))),
    Public("_slogdet_small", jnp.linalg.slogdet, normal((2, 2))),
    Public("_slogdet_lu", _slogdet("lu"), normal((4, 4))),
    Public("_slogdet_qr", _slogdet("qr"), normal((4, 4))),
    Public("_dawsn", special.dawsn, normal((4,))),
    Public("_erfcx", special.erfcx, normal((4,))),
    Public("_owens_t_impl", special.owens_t, normal((3,), (3,))),
    Public("_wofz", special.wofz, lambda rng: (rng.standard_normal(4) + 1j * rng.standard_normal(4),)),
    Public("_xlogx", special.rel_entr, positive((4,), (4,))),
    Public(
        "expi", special.expi, positive((3,)),
        why="right itself; expn, which it calls, is not finite for what that is given in the other branch",
    ),
    Public("expn", lambda x: special.expn(2, x), positive((3,))),
    Public("hyp1f1", special.hyp1f1, positive((2,), (2,), (2,))),
    Public("hyp2f1", special.hyp2f1, _hypergeometric),
    Public("log_ndtr", special.log_ndtr, normal((4,))),
    Public("logit", special.logit, positive((4,), above=0.0)),
    Public("poch", special.poch, positive((3,), (3,))),
    Public("sici", special.sici, positive((4,))),
    Public("xlog1py", special.xlog1py, positive((4,), (4,))),
    Public("xlogy", special.xlogy, positive((4,), (4,))),
    Public("zeta", special.zeta, positive((3,), (3,), above=2.0)),
    Public("fresnel", special.fresnel, normal((3,))),
    Public("logaddexp", jnp.logaddexp, normal((4,), (4,))),
    Public("logaddexp2", jnp.logaddexp2, normal((4,), (4,))),
    Public("weighted_logsoftmax", _log_softmax, lambda rng: (*normal((3, 4))(rng), *positive((3, 4))(rng))),
    Public("_projection_unit_simplex", _optax("projections.projection_simplex"), normal((4,))),
    Public("scale_gradient", _optax("scale_gradient", 0.5), normal((3,)), surrogate=True),
]  # fmt: skip


def known_rules() -> set[str]:
    """Return the names of all rules in the modules of JAX and optax."""
    return {rule for module in _modules() for rule in _rules_in(module)}


def _modules() -> Iterator[Any]:
    yield importlib.import_module("jax._src.lax.other")
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(path, f"{package}."):
            if "test" not in found.name:
                yield importlib.import_module(found.name)


def _rules_in(module: Any) -> Iterator[str]:
    for value in vars(module).values():
        if isinstance(value, jax.custom_jvp | jax.custom_vjp) and value.__module__ == module.__name__:
            yield str(getattr(value, "__name__", ""))


def judge(public: Public, points: int = 2) -> Judged:
    """Return the verdict on one public rule."""
    start = time.perf_counter()
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        warnings.simplefilter("ignore")
        try:
            args = public.args(np.random.default_rng(0))
            report = check_rule(public.function, *args, points=points, surrogate=public.surrogate)
        except NotJudged as error:
            return Judged(public.rule, "not judged", time.perf_counter() - start, public.why or str(error))
    verdict = {True: "right", False: "wrong", None: "not judged"}[report.ok]
    if public.surrogate and report.ok:
        verdict = "linear in the cotangent"
    why = "" if report.ok else public.why or str(report).replace("\n", " ")
    return Judged(public.rule, verdict, time.perf_counter() - start, why)


def measure_rules(out: Path, only: str = "") -> None:
    """Judge every public rule; write JSON, publish a table.

    Args:
        out: the folder of the JSON.
        only: judge only rules with this in their name, and keep the other results in the folder.
    """
    known = {each["rule"]: each for each in _known(out)} if only else {}
    listed = [("JAX and optax", each) for each in JAX_RULES]
    listed += [("PyTorch", Public(*each)) for each in pytorch_rules()]
    found = [
        (package, Judged(**{key: known[each.rule][key] for key in Judged._fields}))
        if only not in each.rule and each.rule in known
        else (package, judge(each))
        for package, each in listed
    ]
    uncalled = sorted(known_rules() - {each.rule for each in JAX_RULES})
    found += [("JAX and optax", Judged(name, "not judged", 0.0, "no call is known")) for name in uncalled]
    environment = {name: importlib.import_module(name).__version__ for name in ("jax", "optax", "torch")}
    records = [{"package": package, **each._asdict()} for package, each in found]
    write_json(out / "rules.json", {"environment": environment, "rules": records})
    publish("rules", _parts(found, environment), out)


def _known(out: Path) -> list[dict[str, Any]]:
    file = out / "rules.json"
    known: list[dict[str, Any]] = json.loads(file.read_text())["rules"] if file.exists() else []
    return known


def _parts(found: list[tuple[str, Judged]], environment: dict[str, str]) -> list[Table | str]:
    verdicts = list(dict.fromkeys(each.verdict for _, each in found))
    packages = list(dict.fromkeys(package for package, _ in found))
    counts = [
        [
            package,
            *(
                str(sum(p == package and each.verdict == verdict for p, each in found))
                for verdict in verdicts
            ),
        ]
        for package in packages
    ]
    rest = [[f"`{each.rule}`", each.verdict, each.why] for _, each in found if each.why]
    return [
        Table("Public rules", ["", *verdicts], counts),
        Table("What is not right, or not judged", ["rule", "verdict", "why"], rest),
        ", ".join(f"{name} {version}" for name, version in environment.items()) + ".",
    ]
