"""Rules that come with JAX, optax and PyTorch: all are known, and none is wrong without a reason."""

import json

import pytest

from benchmarks.results import RESULTS

pytestmark = pytest.mark.slow


def test_every_rule_of_the_packages_has_a_call():
    pytest.importorskip("optax")
    from benchmarks.checkers.public_rules import JAX_RULES, known_rules

    assert known_rules() <= {each.rule for each in JAX_RULES}


def test_what_is_not_right_has_a_reason():
    found = json.loads((RESULTS / "rules.json").read_text())["rules"]
    assert len(found) >= 45
    page = (RESULTS / "rules.md").read_text(encoding="utf-8")
    for each in found:
        if each["verdict"] not in ("right", "linear in the cotangent"):
            assert each["why"]
            assert f"`{each['rule']}`" in page


@pytest.mark.parametrize("name", ["relu6", "logit", "_xlogx", "_projection_unit_simplex", "scale_gradient"])
def test_a_public_rule_gets_the_verdict_that_the_page_shows(name):
    pytest.importorskip("optax")
    from benchmarks.checkers.public_rules import JAX_RULES, judge

    found = json.loads((RESULTS / "rules.json").read_text())["rules"]
    verdict = next(each["verdict"] for each in found if each["rule"] == name)
    assert judge(next(each for each in JAX_RULES if each.rule == name), points=1).verdict == verdict


def test_a_fault_of_pytorch_is_found():
    pytest.importorskip("torch")
    from benchmarks.checkers.public_functions import pytorch_rules
    from benchmarks.checkers.public_rules import Public, judge

    rows = {row[0]: Public(*row) for row in pytorch_rules()}
    assert judge(rows["CrossMapLRN2d"]).verdict == "wrong"
    assert judge(rows["Resize"]).verdict == "right"
