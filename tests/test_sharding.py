"""The gradient on eight devices equals the gradient on one; one process computes it for all tests."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sharded_program import PLANTED

from autograd_ref.crosscheck.problems import network_problems, random_problem
from autograd_ref.devices import check as sharded
from autograd_ref.two_layer_net import value_and_grad

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("sharded_program.py")
MESHES = [(3, 1), (2, 3), (1, 4)]


def problem(sizes, **options):
    return random_problem(np.random.default_rng(sum(sizes)), sizes, **options)


PROBLEMS = {
    "uneven": problem((13, 5, 6, 4)),
    "uneven, float32": problem((21, 5, 7, 4), dtype="float32"),
    "empty shards": replace(problem((5, 4, 3, 3)), activation="gelu"),
    "on the kink": network_problems("float64", seed=1)[1],
    "planted": problem((16, 5, 6, 4), reg=PLANTED),
}


@pytest.fixture(scope="module")
def computed():
    """The results of eight devices on every problem."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharded, "PROGRAM", (str(PROGRAM), "penalties"))
        found = sharded.check_sharded(list(PROBLEMS.values()), 8, 1, time_limit=600)
    return dict(zip(PROBLEMS, found, strict=True))


RIGHT = [name for name in PROBLEMS if name != "planted"]


@pytest.mark.parametrize("name", RIGHT)
def test_whole_by_hand_in_shards_and_by_jax_in_shards_agree(computed, name):
    found = computed[name]
    assert found.ok, found.what_is_wrong()
    assert list(found.sides) == ["whole", "by hand", "JAX 8×1", "JAX 4×2"]


@pytest.mark.parametrize("name", RIGHT)
def test_error_just_above_rounding_is_caught(computed, name):
    found = computed[name]
    for side in found.sides.values():
        for quantity in side.quantities:
            assert quantity.resolution < (1e-3 if found.problem.dtype == "float32" else 1e-11), quantity


def test_a_penalty_for_each_shard_is_caught_on_both_sides(computed):
    found = computed["planted"]
    assert not found.ok
    wrong = {side: [q.name for q in each.quantities if not q.ok] for side, each in found.sides.items()}
    penalised = ["loss", "dW2", "dW1"]
    assert wrong == {"whole": [], "by hand": penalised, "JAX 8×1": penalised, "JAX 4×2": penalised}
    assert found.what_is_wrong().startswith(
        "loss in 8 shards, by hand, is wrong, on random in float64: it is "
    )


def test_uneven_sizes_are_padded():
    """H = 5 does not divide, and the softplus of a unit that only fills up is not 0."""
    uneven = replace(problem((10, 4, 5, 3)), activation="softplus")
    right, right_grads = value_and_grad(uneven.params, uneven.X, uneven.y, uneven.objective)
    cases = [sharded.Case(uneven, *mesh) for mesh in MESHES]
    for sides in sharded.compute(cases, processes=1, time_limit=600):
        loss, grads = sides["jax"]
        np.testing.assert_allclose(loss, right, rtol=1e-12)
        for name, value in grads.items():
            np.testing.assert_allclose(value, right_grads[name], rtol=1e-12, atol=1e-15)


def test_table_has_the_numbers_of_shards_and_processes(computed):
    console = Console(file=StringIO(), width=80)
    for found in computed.values():
        console.print(sharded.sharded_table(found))
    printed = console.file.getvalue()
    assert "random, float64: 8 shards of 1 or 2 rows, 1 process" in printed
    assert "random, float64: 8 shards of 0 or 1 rows, 1 process" in printed
    assert "quantity  shape   whole  by hand  JAX 8×1  JAX 4×2" in printed
    assert printed.count("WRONG") == 3
    assert max(map(len, printed.splitlines())) <= 80


def test_layouts_also_shard_the_hidden_units():
    assert [sharded.layouts(shards) for shards in (1, 2, 7, 9)] == [
        [(1, 1)], [(2, 1), (1, 2)], [(7, 1), (1, 7)], [(9, 1), (3, 3)],
    ]  # fmt: skip
