"""What a recorded run leaves behind: what a plain run leaves, and nothing that records."""

import functools
import gc
import math
import sys
import traceback
import types
import warnings
from collections import deque

import numpy as np
import pytest

from autograd_ref.recording import NotCompared, NotRecorded, check_complete, record
from autograd_ref.recording.stand_ins.generators import GENERATORS
from autograd_ref.recording.stand_ins.modules import originals
from autograd_ref.recording.stand_ins.objects import RECORDED

W = np.array([0.5, -1.0, 2.0])


def everything_plain():
    """No recording object lives, and no module sees a stand-in."""
    gc.collect()
    alive = [each for each in gc.get_objects() if type(each) in RECORDED or type(each) in GENERATORS]
    assert not alive
    stand_ins = originals()
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and not module.__name__.startswith("autograd_ref"):
            found = [name for name, each in list(vars(module).items()) if id(each) in stand_ins]
            assert not found, (module, found)
    assert "float" not in globals()
    return True


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


def test_numpys_own_errors_and_warnings_come_through():
    def shapes(x):
        return x @ np.ones((2, 2))

    with pytest.raises(ValueError, match="matmul: Input operand 1 has a mismatch"):
        record(shapes, np.ones((3, 3)))

    def divides(x):
        return np.sum(x / np.zeros(3))

    with pytest.warns(RuntimeWarning, match="divide by zero"):
        record(divides, np.ones(3))

    def read_only(x):
        x[0] = 1.0

    frozen = np.ones(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        record(read_only, frozen)


def test_recorded_objects_pass_for_plain_ones():
    seen = {}

    def call(x):
        loss = np.sum(x)
        seen["types"] = (
            isinstance(loss, float), isinstance(loss, np.floating), isinstance(loss, np.ndarray),
            isinstance(x, np.ndarray), isinstance(float(loss), float), type(x.shape), x.flags.owndata,
            isinstance(loss > 0, (bool, np.bool_)), np.isscalar(loss), callable(np.zeros), isinstance(1, int),
            isinstance(2.0, (int, float)), np.float64 == x.dtype, x.dtype == float,
            np.issubdtype(x.dtype, np.floating),
        )  # fmt: skip
        seen["hash"] = hash(loss) == hash(float(loss))
        seen["text"] = f"{loss} {loss:.2f} {x} {loss!r} {x!r}"
        seen["dtypes"] = [np.zeros(1, float).dtype, x.astype(int).dtype, np.empty(2, dtype=np.float32).dtype]
        return loss

    plain_x = np.array([1.0, 2.5])
    call(plain_x)
    plain = dict(seen)
    record(call, plain_x)
    for name in plain:
        assert seen[name] == plain[name]


def test_aliases_stay_aliases():
    def call(flat):
        first, second = flat[:2], flat[2:].reshape(2, 1)
        first += 1
        second[...] = first.sum()
        return first, second, flat

    flat = np.arange(4.0)
    recording = record(call, flat)
    first, second, whole = recording.result
    assert whole is flat
    assert first.base is flat
    assert second.base is flat
    np.testing.assert_array_equal(flat, [1, 2, 3, 3])
    assert list(recording.written) == ["flat"]


def test_leaves_are_named_as_the_code_reaches_them():
    holder = Holder()
    holder.weights = np.ones(3)

    def call(params, rows, x=np.full(3, 2.0)):
        total = np.sum(params["W"] * rows[1] * x) + holder.weights.sum() + np.sum(W) + Holder.shared.sum()
        return total

    recording = record(call, {"W": np.ones(3), "unread": np.ones(2)}, [np.ones(3), np.ones(3)])
    assert {leaf.path for leaf in recording.leaves} == {
        "params['W']", "rows[1]", "x", "holder.weights", "W", "Holder.shared",
    }  # fmt: skip


def test_every_operation_has_its_place():
    def call(x):
        return np.sum(
            np.tanh(x) * np.exp(x),
        )

    recording = record(call, np.ones(2))
    first = call.__code__.co_firstlineno
    names = {
        value.operation.name: value.place
        for value in recording.tape.values
        if hasattr(value.operation, "name")
    }
    assert names["tanh"].file == __file__
    assert (names["tanh"].line, names["exp"].line) == (first + 2, first + 2)
    assert (names["sum"].line, names["sum"].end_line) == (first + 1, first + 3)
    assert names["tanh"].column == 12
    assert names["tanh"].end_column == 22
    assert names["tanh"].function.endswith("call")


def unknown_function(x):
    return np.unwrap(x) + np.histogram(x)[0]


def unknown_scalar(x):
    return math.gamma(2.0) * math.ulp(x[0])


def extended_values(x):
    return np.sum(x.astype(np.longdouble))


@pytest.mark.parametrize(
    ("function", "says"),
    [(extended_values, "longdouble|float128"), (unknown_function, "histogram"), (unknown_scalar, "math.ulp")],
)
def test_unknown_operation_is_one_error_with_its_place(function, says):
    with pytest.raises(NotRecorded, match=says) as caught:
        record(function, np.ones(4))
    assert caught.value.place.file == __file__
    assert caught.value.place.line == function.__code__.co_firstlineno + 1
    assert everything_plain()


def test_a_refusal_that_the_program_catches_is_raised_all_the_same():
    def call(x):
        try:
            return np.sum(np.histogram(x)[0])
        except Exception:
            return np.sum(x)

    with pytest.raises(NotRecorded, match="histogram"):
        record(call, np.ones(4))


BUFFER = bytearray(24)
PLAIN = np.frombuffer(BUFFER)
CACHE = {}


def into_plain_memory(w):
    memoryview(BUFFER)[:] = memoryview(np.tanh(w)).cast("B")
    return np.sum(np.frombuffer(BUFFER) * w)


def into_a_list(w):
    numbers = [each.hex() for each in w.tolist()]
    return sum(float.fromhex(each) for each in numbers) * w[0]


def into_a_cache(w):
    CACHE["key"] = str(float(w[0] ** 2))
    return np.sum(w) * float(CACHE["key"])


def through_c(w):
    import statistics
    import struct

    packed = struct.pack("d", np.sum(w * w))
    return np.sum(w) * struct.unpack("d", packed)[0] + 0 * statistics.mean([1.0])


@pytest.mark.parametrize("leaky", [into_plain_memory, into_a_list, into_a_cache, through_c])
def test_leak_is_found_with_its_line(leaky):
    with pytest.raises(NotRecorded, match="left the tape") as caught:
        check_complete(record(leaky, np.array([0.3, -0.4, 0.5])))
    first = leaky.__code__.co_firstlineno
    source_lines = max(line for _, _, line in leaky.__code__.co_lines() if line)
    assert caught.value.place.file == __file__
    assert first < caught.value.place.line <= source_lines
    assert everything_plain()


def default_buffer(w, buf=np.zeros(3)):
    buf[:] = np.tanh(w)
    return np.sum(buf * w)


def test_buffer_among_the_defaults_is_no_leak():
    from autograd_ref.recording import adjoints

    w = np.array([0.1, 0.2, 0.3])
    recording = record(default_buffer, w)
    assert check_complete(recording)
    (leaf,) = [each for each in recording.leaves if each.path == "w"]
    adjoint = adjoints(recording, recording.value(recording.result)).of[leaf.value].centre
    np.testing.assert_allclose(adjoint, np.tanh(w) + w * (1 - np.tanh(w) ** 2), rtol=1e-14)


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


def test_types_and_bases_are_those_of_a_plain_run():
    def call(x):
        class Loss(float):
            pass

        y = x * 2
        number = x[0]
        return [
            type(x) is np.ndarray, type(number) is np.float64, type(float(number)) is float, int is int,
            number.__class__ is np.float64, type(x).__name__, type(number).__name__,
            isinstance(Loss(1.0), Loss), isinstance(np.ndarray, type), y[:1].base is y, y.base is None,
        ]  # fmt: skip

    assert record(call, np.ones(2)).result == call(np.ones(2))


@pytest.mark.parametrize(
    "fails",
    [
        lambda x: x.absent, lambda x: x[0].absent, lambda x: x[0](), lambda x: len(x[0]),
        lambda x: iter(x[0]), lambda x: round(x), lambda x: abs("a"), lambda x: sum(x, y=1),
        lambda x: x[0] + None,
    ],
)  # fmt: skip
def test_error_text_is_that_of_a_plain_run(fails):
    texts = []
    for run in (fails, lambda x: record(fails, x)):
        with pytest.raises((TypeError, AttributeError)) as caught:
            run(np.ones(2))
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "number", [1.26, -2.5, np.float64(1.26), np.float32(-0.75), 7, np.int64(-7), True], ids=repr
)
def test_abs_and_round_need_no_shadow(number):
    def call(x):
        it = x[0] if isinstance(number, np.generic) else x[0].item()
        return [abs(it), round(it), round(it, 1), round(it, None), *map(abs, [it]), *map(round, [it])]

    array = np.array([number])
    recording = record(call, array)
    plain = call(array)
    assert [(type(each), each) for each in recording.result] == [(type(each), each) for each in plain]
    assert all(recording.value(each) is not None for each in recording.result)


def returned_number(w):
    return sum(v * v for v in memoryview(w))


def test_number_computed_off_the_tape_is_a_leak():
    with pytest.raises(NotRecorded, match="left the tape") as caught:
        check_complete(record(returned_number, np.array([0.3, -0.4])))
    assert caught.value.place.line == returned_number.__code__.co_firstlineno


def test_call_that_cannot_be_compared_is_not_called_complete():
    def drawn(w):
        return np.sum(w * np.random.default_rng().standard_normal(2))

    def elsewhere(w):
        return w[0] if w[0] == 0.3 else w[1]

    w = np.array([0.3, -0.4])
    with pytest.raises(NotCompared, match="other numbers each time"):
        check_complete(record(drawn, w))
    with pytest.raises(NotCompared, match="another branch"):
        check_complete(record(elsewhere, w))


@pytest.mark.parametrize(
    ("function", "says"),
    [(lambda x: x.view(np.matrix) * 2.0, "matrix"), (lambda x: np.array([(x[0], 1.0)], "f8,f8"), "dtype"),
     (lambda x: np.frompyfunc(lambda v: v * v, 1, 1)(x), "ufunc")],
)  # fmt: skip
def test_arrays_of_another_kind_are_refused(function, says):
    with pytest.raises(NotRecorded, match=says):
        record(function, np.ones(3))
