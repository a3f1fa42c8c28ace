"""The cross-checker on other people's networks: every mistake found and named, nothing right flagged."""

import itertools

import pytest

from autograd_ref import check_network
from benchmarks.checkers import mistaken_networks as networks

DTYPES = ["float64", "float32"]


def bare(name):
    return name.split(" [")[0]


def ids(report):
    return {each.id for each in report.diagnosis}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("edits", [[], *networks.HARMLESS.values()], ids=["right", *networks.HARMLESS])
def test_right_networks_are_never_flagged(edits, dtype):
    report = check_network(networks.network(*edits), dtype=dtype)
    assert report.ok, str(report)
    assert report.first_wrong is None
    assert report.diagnosis == ()


def visible(names):
    """Each name in each dtype in which it is a mistake: some are below the rounding of float32."""
    tiny = ("float32-inside", "log-epsilon", "one entry of dW1 off by a billionth")
    return [
        (name, dtype) for name in names for dtype in DTYPES if dtype == "float64" or bare(name) not in tiny
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), visible(networks.MISTAKES))
def test_each_mistake_alone_is_found_and_named(name, dtype):
    tensors, edits = networks.MISTAKES[name]
    report = check_network(networks.network(*edits), dtype=dtype)
    assert not report.ok
    assert ids(report) == {bare(name)}, str(report)
    assert set(report.diagnosis[0].tensors) == tensors
    assert report.signature is None
    order = ("loss", "dW2", "db2", "dW1", "db1")
    assert report.first_wrong == next(name for name in order if name in tensors)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), visible(networks.UNKNOWN))
def test_a_mistake_outside_the_catalogue_is_flagged_but_not_misnamed(name, dtype):
    first_wrong, edits = networks.UNKNOWN[name]
    report = check_network(networks.network(*edits), dtype=dtype)
    another_loss = first_wrong == "loss"  # which is not judged by softmax cross-entropy
    assert report.ok is (None if another_loss else False)
    assert report.first_wrong == (None if another_loss else first_wrong)
    assert report.diagnosis == (), str(report)


def combinable():
    """Pairs of mistakes in different gradients whose edits fit into one source; of variants, the first."""
    seen = set()
    for one, other in itertools.combinations(networks.MISTAKES, 2):
        tensors, edits = networks.MISTAKES[one]
        other_tensors, other_edits = networks.MISTAKES[other]
        if bare(one) == bare(other) or tensors & other_tensors:
            continue
        # dscores sums to 0 over everything, so that no db2 at all is that sum: one mistake explains both.
        if {one, other} == {"bias-scalar", "bias-missing"}:
            continue
        edits = [*edits, *other_edits]
        if len({old for old, _ in edits}) == len(edits) and (bare(one), bare(other)) not in seen:
            seen.add((bare(one), bare(other)))
            yield one, other


@pytest.mark.slow
@pytest.mark.usefixtures("as_users_call")  # some hundred checks: the types were checked above
# A sum in the loss and in the gradient is the right gradient of another loss.
@pytest.mark.parametrize(
    ("one", "other"),
    [pair for pair in combinable() if set(map(bare, pair)) != {"batch-mean-missing", "loss-sum-not-mean"}],
)
def test_two_mistakes_in_different_gradients_are_both_named(one, other):
    edits = [*networks.MISTAKES[one][1], *networks.MISTAKES[other][1]]
    report = check_network(networks.network(*edits))
    assert ids(report) == {bare(one), bare(other)}, str(report)
