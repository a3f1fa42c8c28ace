"""What a recorded run leaves behind: what a plain run leaves, and nothing that records."""

import functools
import gc
import traceback
import types
import warnings
from collections import deque

import numpy as np
import pytest
from nothing_records import everything_plain

from autograd_ref.recording import NotRecorded, check_complete, record

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


def test_second_point_leaves_all_as_the_first_run_did():
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
