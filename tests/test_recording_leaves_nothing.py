"""A recorded run leaves behind what a plain run leaves, and nothing that records."""

import dataclasses
import functools
import gc
import operator
import os
import queue
import sys
import threading
import traceback
import types
import warnings
from collections import deque

import numpy as np
import pytest
from nothing_records import everything_plain
from same_bits import assert_same

from autograd_ref.recording import NotRecorded, check_complete, record
from autograd_ref.recording.stand_ins.array import RecordedArray
from autograd_ref.recording.stand_ins.generators import recording_generator
from autograd_ref.recording.stand_ins.modules import stand_in_for
from autograd_ref.recording.stand_ins.objects import NUMBERS
from autograd_ref.recording.stand_ins.targets import shadowed

W = np.array([0.5, -1.0, 2.0])


class Holder:
    shared = np.ones(3)

    def __init__(self):
        self.weights = np.array([1.0, 2.0, 3.0])
        self.view = self.weights[1:]
        self.history = []
        self.rng = np.random.default_rng(0)


class Slotted:
    __slots__ = ("value",)


@functools.lru_cache
def cached(n):
    return np.sum(W * n)


def test_types_that_are_made_in_the_run_are_of_plain_types():
    kept = []

    def call(x):
        @dataclasses.dataclass
        class Loss:
            value: float

        kept.extend([list[float], {"deep": dict[str, tuple[float, int]]}, Loss])
        return Loss(float(np.sum(x * x))).value

    record(call, W)
    alias, deep, made = kept
    assert alias.__args__[0] is float
    assert deep["deep"].__args__[1].__args__[0] is float
    assert dataclasses.fields(made)[0].type is made.__annotations__["value"] is float


def test_everything_is_plain_afterwards():
    holder, slotted, kept = Holder(), Slotted(), {}
    queue, waiting = deque(), iter([1])
    closure = np.zeros(3)

    def call(x, scale=np.array([2.0, 2.0, 2.0]), *, more=np.array([1.0])):
        holder.loss = np.sum(x * holder.weights * scale)
        holder.history.append(float(holder.loss))
        holder.noise = holder.rng.standard_normal(3)
        holder.weights -= 0.1 * x
        Holder.shared = Holder.shared * x
        slotted.value = x[0]
        queue.append(np.tanh(x))
        kept[holder.loss] = {"tuple": (x, [np.exp(x)], np.float64(x[1]))}
        kept["set"] = {holder.loss}
        kept["partial"] = functools.partial(np.add, np.square(x))
        kept["later"] = lambda: x
        kept["np"] = np
        kept["zeros"] = np.zeros
        kept["object"] = types.SimpleNamespace(value=x * 2)
        closure[:] = x * 3
        cached(2)
        global W
        W = W * more
        return x, holder.loss

    x = np.array([1.0, 2.0, 3.0])
    weights, view = holder.weights, holder.view
    recording = record(call, x)
    assert everything_plain()
    assert recording.result[0] is x
    assert holder.weights is weights
    assert holder.view is view
    assert view.base is weights
    assert type(holder.loss) is np.float64
    assert type(holder.history[0]) is float
    assert type(holder.rng) is np.random.Generator
    assert kept["np"] is np
    assert kept["zeros"] is np.zeros
    assert kept["later"]() is x
    np.testing.assert_array_equal(closure, 3 * x)
    np.testing.assert_array_equal(holder.weights, [0.9, 1.8, 2.7])
    assert np.random.default_rng(0).standard_normal(4)[3] == holder.rng.standard_normal()
    assert next(waiting) == 1


@pytest.mark.slow
def test_everything_is_plain_after_an_exception():
    kept = []

    def call(x):
        kept.append(x * 2)
        raise ValueError("wanted", np.sum(x))

    with pytest.raises(ValueError, match="wanted") as caught:
        record(call, np.ones(3))
    assert type(kept[0]) is np.ndarray
    assert type(caught.value.args[1]) is np.float64
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "call"
    caught = None
    gc.collect()
    assert everything_plain()


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 20])
def test_unreachable_objects_are_as_after_a_plain_run(count):
    """Held by C code, a thread or a suspended generator; a few things are searched for in another way."""

    def left_by(how):
        hidden, waiting, local, given = [], queue.Queue(), threading.local(), []
        append, put, give = hidden.append, waiting.put, given.append

        def later(x):
            y = x * 2
            yield y
            yield y * x

        def call(x):
            for k in range(count):
                append(x * k)
                append((x - k, [x + k]))
                append({x[0] + k: (x / 2,)})
            put(np.exp(x))
            local.value = [x * 7]
            cycle = [x * 2]
            cycle.append(cycle)
            generator = later(x)
            next(generator)
            give((iter([x * 5]), generator))
            return np.sum(x)

        total = how(call, np.array([1.0, 2.0, 3.0]))
        iterator, generator = given.pop()
        return [total, hidden, list(waiting.queue), local.value, *iterator, *generator]

    recorded = left_by(lambda call, x: record(call, x).result)
    assert everything_plain()
    assert_same(recorded, left_by(lambda call, x: call(x)))


def test_frames_of_an_exception_and_of_its_cause_are_plain():
    def fails(x):
        doubled = 2 * x
        raise KeyError(doubled.sum())

    def call(x):
        y = x + 1
        try:
            fails(y)
        except KeyError as error:
            raise ValueError("wanted", y) from error

    with pytest.raises(ValueError, match="wanted") as caught:
        record(call, np.ones(3))
    error = caught.value
    traces = [each.__traceback__ for each in (error, error.__cause__)]
    seen = [frame.f_locals for trace in traces for frame, _ in traceback.walk_tb(trace)]
    for name in ("doubled", "y"):
        assert {type(names[name]) for names in seen if name in names} == {np.ndarray}
    assert type(error.__cause__.args[0]) is np.float64


def test_functions_of_numpys_come_back_wherever_they_were():
    numpy, functions = np, {"relu": np.maximum, "zeros": np.zeros}
    holder = types.SimpleNamespace(squash=np.tanh, noise=np.random.default_rng)

    def call(x, square=np.square):
        buffer = functions["zeros"](3)
        buffer[:] = holder.squash(square(x))
        same = holder.squash is numpy.tanh
        return numpy.sum(functions["relu"](buffer, 0.1) * numpy.full(3, x[0])), same

    recording = record(call, np.array([0.3, -0.4, 0.5]))
    assert recording.result[1]
    assert check_complete(recording)
    assert numpy is np
    assert (functions["relu"], functions["zeros"], holder.squash) == (np.maximum, np.zeros, np.tanh)
    assert call.__defaults__ == (np.square,)
    assert type(functions["relu"]) is np.ufunc


def test_second_point_restores_the_state_after_the_first_run():
    holder = Holder()

    def call(x):
        holder.weights -= x * np.random.rand(3)
        holder.history.append(np.sum(holder.weights**2))
        return holder.history[-1], holder.weights

    np.random.seed(0)
    recording = record(call, np.ones(3))
    drawn, weights = np.random.get_state()[1].copy(), holder.weights.copy()
    assert check_complete(recording)
    assert len(holder.history) == 1
    np.testing.assert_array_equal(np.random.get_state()[1], drawn)
    np.testing.assert_array_equal(holder.weights, weights)
    assert recording.result[1] is holder.weights


def test_recording_inside_recording_is_refused():
    with pytest.raises(NotRecorded, match="inside record"):
        record(lambda x: record(np.sum, x), np.ones(2))


def test_no_warning_of_its_own():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record(lambda x: np.sum(x), np.ones(2))


@pytest.mark.slow
def test_what_a_call_made_is_not_kept_by_its_functions():
    def run():
        kept = []

        def call(x):
            kept.append(iter((x + 1, 0)))  # from which a recording array cannot be taken
            return np.sum(x)

        record(call, np.ones(3))

    run()
    assert everything_plain()


def test_names_of_an_installed_module_are_restored_and_looked_at_again(monkeypatch):
    library = types.ModuleType("some_library")
    library.__file__ = os.path.join("site-packages", "some_library.py")
    monkeypatch.setitem(sys.modules, library.__name__, library)
    for name, make, number in (
        ("f", np.ones, int),
        ("f", np.zeros, 3),
        ("g", np.zeros, 3),
        ("g", np.zeros, 4),
    ):
        vars(library).update({name: make, "number": number})
        bound = [stand_in_for(make), stand_in_for(int) if number is int else number, stand_in_for(sum)]
        with shadowed():  # this module's own names are bound to stand-ins, too
            found = [getattr(library, name), library.number, library.sum]
            library.kept, library.number = getattr(library, name), 5
        assert all(map(operator.is_, found, bound))
        left = [vars(library).pop(each) for each in (name, "kept", "number")]
        assert all(map(operator.is_, left, [make, make, 5]))
        assert not hasattr(library, "sum")


def test_every_object_that_records_is_counted_by_its_class():
    made = [
        lambda: np.zeros(1).view(RecordedArray),
        *(lambda kind=kind, own=own: own(kind(0), object()) for kind, own in NUMBERS.items()),
        lambda: recording_generator(np.random.default_rng(0)),
        lambda: recording_generator(np.random.RandomState(0)),
    ]
    held = []
    for make in made:
        kind = type(make())
        before = sys.getrefcount(kind)
        held += [make(), make(), make()]
        assert sys.getrefcount(kind) == before + 3, kind
