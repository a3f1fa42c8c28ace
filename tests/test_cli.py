"""`handgrad check` as its users call it."""

import json

import numpy as np
import pytest

from autograd_ref.two_layer_net import QUANTITIES
from handgrad import two_layer_net
from handgrad.activations import Activation, relu


@pytest.fixture
def cifar10(tmp_path):
    """A folder in the binary layout of CIFAR-10, with random pixels."""
    records = np.random.default_rng(0).integers(0, 256, (300, 3073), np.uint8)
    records[:, 0] %= 10
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    records.tofile(folder / "data_batch_1.bin")
    return folder


def test_check_agrees_on_the_toy_and_the_digits(handgrad):
    code, out, _ = handgrad("check")
    assert code == 0
    for title in ("CS231n toy, float64", "CS231n toy, float32", "digits, float64", "digits, float32"):
        assert title in out
    assert "All agree" in out
    assert "WRONG" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_internal_error_is_not_a_wrong_gradient(handgrad, monkeypatch):
    monkeypatch.setattr("handgrad.cli.check.Check.run", lambda self: 1 // 0)
    code, out, err = handgrad("check")
    assert (code, out) == (2, "")
    assert err.endswith("ZeroDivisionError: integer division or modulo by zero\n")


def test_check_json_is_one_object(handgrad):
    code, out, _ = handgrad("check", "--json")
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert code == 0
    assert found["ok"] is True
    assert len(found["problems"]) == 4
    for problem in found["problems"]:
        assert set(problem) == {"name", "dtype", "ok", "first_wrong", "quantities"}
        assert problem["ok"] is True
        assert problem["first_wrong"] is None
        assert [quantity["name"] for quantity in problem["quantities"]] == list(QUANTITIES)


def test_a_wrong_gradient_exits_with_1_and_is_named(handgrad, monkeypatch):
    mistaken = {"relu": Activation(relu, np.ones_like)}
    monkeypatch.setattr(two_layer_net, "ACTIVATIONS", mistaken)
    code, out, _ = handgrad("check")
    assert code == 1
    assert "dz1 is the first wrong quantity, on CS231n toy in float64" in out
    code, out, _ = handgrad("check", "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    assert {problem["first_wrong"] for problem in json.loads(out)["problems"]} == {"dz1"}


@pytest.mark.slow
@pytest.mark.parametrize("parent", [False, True])
def test_check_cifar10_from_its_folder_or_the_parent(handgrad, cifar10, parent):
    code, out, _ = handgrad("check", "--cifar10", cifar10.parent if parent else cifar10)
    assert code == 0
    assert "CIFAR-10, float32" in out
    assert "3072×150" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\0" * 3072, "records of 3073 bytes"), (b"\n" + b"\0" * 3072, "record 0 has label 10")],
)
def test_a_bad_file_is_named_and_exits_with_2(handgrad, cifar10, content, message):
    (cifar10 / "data_batch_1.bin").write_bytes(content)
    code, out, err = handgrad("check", "--cifar10", cifar10)
    assert (code, out) == (2, "")
    assert message in err
    assert "data_batch_1.bin" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("check", "--no-such-flag"), ("no-such-command",), ()])
def test_bad_usage_exits_with_2(handgrad, arguments):
    assert handgrad(*arguments)[0] == 2


def test_a_folder_without_the_data_exits_with_2(handgrad, tmp_path):
    code, _, err = handgrad("check", "--cifar10", tmp_path / "nowhere")
    assert code == 2
    assert "contains neither data_batch_1.bin" in err
