"""The benchmark of the commands' seconds: what it runs, counts and shows."""

import importlib
import json
import sys

import pytest
from jax._src import compiler, pjit
from jax._src.interpreters import partial_eval, pxla

import autograd_ref.recording.record  # noqa: F401 - its package has a function of that name
from benchmarks.processes import BenchmarkError
from benchmarks.seconds import measure
from benchmarks.seconds.startup import sitecustomize

# Spends its time in a function that has the name of a stage's, and ends as a check's own process does.
SPINS = """
import os, time
code = "def {name}():\\n while time.process_time() < 0.06: pass\\n{name}()"
exec(compile(code, "{file}", "exec"))
os._exit(0)
"""


def case(name="anything", file="anywhere.py", **options):
    return measure.Case(f"{name} in {file}", ["-c", SPINS.format(name=name, file=file)], **options)


def test_seconds_are_counted_by_stage_and_shown(tmp_path, capsys):
    recording = case("record", "recording/record.py", most=(0.5, 0.25))
    measure.measure_seconds(tmp_path, 1, [recording, case("record", twice=False)])
    found = json.loads((tmp_path / "seconds.json").read_text())
    first, second = found[recording.title]
    assert min(first["recording"], second["recording"]) > 0.03 > first["running"]
    (other,) = found[case("record").title]
    assert other["running"] > 0.03 > other["recording"]
    for times in (first, second, other):
        assert sum(times[stage] for stage in sitecustomize.STAGES) == pytest.approx(times["cpu"])
        assert times["wall"] > 0
    table = (tmp_path / "seconds.md").read_text()
    assert f"| {recording.title} | second | 0.25 | " in table
    assert "record in anywhere.py" in capsys.readouterr().out


def test_failing_command_is_an_error_that_quotes_it(tmp_path):
    broken = measure.Case("broken", ["-c", "raise SystemExit('no such thing')"])
    with pytest.raises(BenchmarkError, match="broken ended with 1: no such thing"):
        measure.run(broken, tmp_path / "cache", tmp_path)


def test_every_stage_has_functions_that_exist():
    assert {*sitecustomize.FUNCTIONS.values(), "running"} == set(sitecustomize.STAGES)
    recording = sys.modules["autograd_ref.recording.record"]
    modules = (importlib._bootstrap, recording, pjit, partial_eval, pxla, compiler)
    for name in sitecustomize.FUNCTIONS:
        (module,) = [each for each in modules if name in vars(each)]
        assert module is importlib._bootstrap or module.__file__.endswith(sitecustomize.FILES)
