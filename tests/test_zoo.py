"""The zoo: right gradients are right and wrong ones wrong, which is shown without the checker."""

import jax
import numpy as np
import pytest

from benchmarks.checkers.zoo.entry import Entry
from benchmarks.checkers.zoo.functions import ZOO
from benchmarks.checkers.zoo.mutations import mutations
from benchmarks.checkers.zoo.report import excused, faults, table
from benchmarks.checkers.zoo.run import APART, Asked, _some, choose, hands
from benchmarks.checkers.zoo.truth import PLANTED, Truth, cast, leaves

ENTRIES = [entry for entries in ZOO.values() for entry in entries]
SIZES = {
    entry.name: sum(a.size for a in leaves(entry.example(np.random.default_rng(0)))) for entry in ENTRIES
}
BIG, HUGE = 20_000, 1_000_000  # entries of the arguments together
LIGHT = [entry for entry in ENTRIES if SIZES[entry.name] <= BIG]
ODD = {entry.name for entry in LIGHT[::2]}
LOW = 0.1  # of its scale: what a reference in bfloat16 may lose
EXACT = {"float32": APART / 2, "float64": 1e-9}  # of an entry's scale


def named(entry):
    return entry.name


def lenient():
    """References are ordinary JAX code, without the tests' strict promotion."""
    return jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(True)


def check_reference(entry):
    """The reference computes the loss, and differentiates to the gradient, that the right hands have."""
    truth = Truth.at_example(entry, "float64")
    dtypes, ranks, x64 = lenient()
    with dtypes, ranks, x64:
        params, *args = cast(truth.point, "float64")
        compiled = jax.jit(
            jax.value_and_grad(lambda params: entry.loss(params, *args))
        )  # at once, not by parts
        loss, grads = compiled(params)
    with np.errstate(all="ignore"):
        by_hand = entry.right[entry.precise](*cast(truth.point, "float64"))[0]
    assert float(loss) == pytest.approx(float(np.asarray(by_hand).item()), rel=1e-2, abs=1e-6)
    off = truth.error(leaves(grads))
    if entry.misled:
        assert off > PLANTED
    else:
        assert off < (LOW if "inside" in entry.name else 1e-6)


def check_hands(entry, dtype):
    """Right ways agree with the high-precision gradient, and so do differences; wrong ones do not."""
    truth = Truth.at_example(entry, dtype)
    errors = [truth.error(each) for each in truth.ways]
    assert min(errors) < EXACT[dtype]
    assert truth.spread > APART or max(errors) < (1e-6 if "inside" in entry.name else EXACT[dtype])
    assert {each.dtype.name for way in truth.ways for each in way} == {dtype}
    for k, gradient in enumerate(truth.gradients):
        largest = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        assert truth.backed(k, tuple(map(int, largest)))
    shown = [name for name, _, where in hands(truth) if where is not None]
    assert len(shown) >= 10
    assert set(entry.wrong) <= set(shown)


def test_the_zoo_is_large_enough():
    assert len(ENTRIES) >= 66
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert all(len(set(entry.right)) >= 2 for entry in ENTRIES)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("entry", LIGHT[1::30], ids=named)
def test_right_hands_are_right_and_wrong_ones_wrong(entry, dtype):
    check_hands(entry, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES, ids=named)
def test_every_entry_of_the_zoo(entry):
    check_reference(entry)
    if SIZES[entry.name] < HUGE:  # the benchmark shows the others, and each in both dtypes
        check_hands(entry, "float64" if entry.name in ODD else "float32")


def square(x, t):
    return (t * x * x).sum(), 2 * t * x


def doubled(x, t):
    return np.dot(t * x, x), t * (x + x)


def planted_entry(**changes):
    """A sum of t·x², in which one of the right ways may be replaced."""
    given = {
        "name": "squares",
        "loss": lambda x, t: (t * x * x).sum(),
        "example": lambda rng: (rng.normal(size=9), rng.normal(size=9)),
        "right": (square, doubled),
    }
    return Entry(**(given | changes))


def test_wrong_derivative_of_the_reference_is_noticed():
    """A "right" gradient that the loss contradicts shows nothing, so no hand counts as wrong by it."""
    truth = Truth.at_example(
        planted_entry(right=(lambda x, t: (square(x, t)[0], 3 * t * x), doubled)), "float64"
    )
    assert not truth.backed(0, (4,))
    assert truth.shown_wrong([np.zeros(9)]) is None


def test_a_difference_below_three_percent_is_not_shown():
    truth = Truth.at_example(planted_entry(), "float64")
    assert truth.shown_wrong([1.02 * truth.gradients[0]]) is None
    assert truth.shown_wrong([1.03 * truth.gradients[0]]) is not None


def test_an_entry_on_which_right_ways_differ_shows_nothing():
    def coarse(x, t):
        loss, g = square(x, t)
        g[3] += 0.2 * np.abs(g).max()
        return loss, g

    truth = Truth.at_example(planted_entry(right=(square, coarse)), "float64")
    off = truth.gradients[0].copy()
    off[3] = -1
    assert not truth.seen[0][3]
    assert truth.shown_wrong([off]) is None
    assert truth.spread > APART


def test_ties_are_open_only_between_the_one_sided_derivatives():
    entry = next(each for each in ENTRIES if each.name == "jnp.maximum(x, 0) at 0")
    truth = Truth.at_example(entry, "float64")
    (x, t), right = truth.point, truth.gradients[0]
    for share, wrong in ((0.0, False), (0.5, False), (1.0, False), (1.5, True), (-0.5, True)):
        assert (truth.shown_wrong([np.where(x == 0, share * t, right)]) is not None) == wrong
    beside = np.where(x == 1, 1.2 * t, right)
    assert truth.shown_wrong([beside]) is not None


def test_shares_of_a_tie_must_sum_to_the_whole():
    entry = next(each for each in ENTRIES if each.name.startswith("maximum of each row"))
    truth = Truth.at_example(entry, "float64")
    x, t = truth.point
    tied = x == x.max(axis=1, keepdims=True)
    assert truth.shown_wrong([t[:, None] * tied]) is not None
    assert truth.shown_wrong([t[:, None] * tied / tied.sum(axis=1, keepdims=True)]) is None


def test_swapped_entries_differ_by_three_percent():
    truth = Truth.at_example(planted_entry(), "float64")
    swapped = dict(mutations(truth, square))["two entries swapped"]
    found, right = truth.answer(swapped)[0], truth.answer(square)[0]
    changed = np.flatnonzero(found != right)
    assert len(changed) == 2
    assert np.array_equal(found[changed], right[changed][::-1])


def test_views_keep_their_strides_in_another_precision():
    for make in (
        lambda a: a[::-1],
        lambda a: a[:, 2:5],
        lambda a: a.T,
        lambda a: np.broadcast_to(a[:1], (4, 6)),
    ):
        view = make(np.arange(24.0).reshape(4, 6))
        found = cast(cast((view,), np.float32), np.longdouble)[0]
        assert np.array_equal(found, view)
        assert [each // found.itemsize for each in found.strides] == [each // 8 for each in view.strides]


def verdict(truth, said, excuse=None):
    return Asked("kind", "f", "float32", "h", truth, None, said, "", excuse, 0.0)


def test_every_kind_of_fault_is_counted():
    asked = [
        verdict("right", "right"),
        verdict("right", "wrong"),
        verdict("wrong", "right"),
        verdict("wrong", "wrong"),
        verdict("wrong", "not judged"),
        verdict("right", "not judged", "nothing flows"),
        verdict("right", "right", "nothing flows"),
    ]
    assert [each.fault for each in asked if each.fault] == [
        "right called wrong", "wrong called right", "not judged without need",
        "called right though nothing flows",
    ]  # fmt: skip
    assert faults(asked)[0].startswith("wrong called right")
    assert excused(asked) == ["f, float32: nothing flows (1 hands)"]
    _, rows = table(asked)
    assert rows[-1] == ["all", "1", "4", "1", "1", "3", "1", "1", "1"]


def test_sample_of_hands_has_right_and_wrong_ones():
    some = _some(
        [("a", square, None), ("b", doubled, None), *[(str(n), square, "x") for n in range(9)]], True, 3
    )
    assert [each[2] for each in some] == [None, "x", "x", "x", "x"]


def test_unknown_name_is_reported():
    with pytest.raises(ValueError, match="no function has 'giraffe' in its name"):
        choose("giraffe")
