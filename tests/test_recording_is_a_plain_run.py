"""While it is recorded, a program sees what it sees in a plain run."""

import builtins
import enum
import inspect
import math
import types

import numpy as np
import pytest
from numpy import float32, float64, ndarray
from same_bits import assert_same

from autograd_ref.recording import adjoints, check_complete, check_operations, record

W = np.array([0.5, -1.0, 2.0])


class Holder:
    shared = np.ones(3)

    def __init__(self):
        self.weights = np.array([1.0, 2.0, 3.0])
        self.view = self.weights[1:]
        self.history = []
        self.rng = np.random.default_rng(0)


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


def test_types_and_bases_match_a_plain_run():
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


KINDS = {float64: "f8", float: "float", ndarray: "array"}


def matched(thing):
    match thing:
        case float64():
            return "f8"
        case float(number):
            return number
        case ndarray():
            return "array"


def test_types_are_the_same_by_every_name_and_from_every_source():
    def call(x):
        class Half(float):
            squash, add = math.tanh, sum

        class Colour(int, enum.Enum):
            RED = 1

        number, kind = x[0], x.dtype.type
        half = Half(0.5)
        return [
            kind is float64, kind is np.float64, kind == float64, kind in (float32, float64), kind is float32,
            type(number) is float64, type(number) is kind, type(float(number)) is float, type(x) is ndarray,
            isinstance(number, float64), issubclass(kind, float64), issubclass(float64, (np.floating, str)),
            np.dtype(float64) is x.dtype, np.dtype(float), np.issubdtype(kind, float64), np.zeros(1, float32),
            KINDS[kind], KINDS[type(number)], KINDS[float], KINDS[type(x)], KINDS.get(float32),
            float is builtins.float, float64.__mro__, float.__module__, list(map(matched, (x, number, 1.5))),
            isinstance(np.exp, np.ufunc), type(np.exp), type(sum), type(np), inspect.isbuiltin(sum),
            type(np.sum) is types.FunctionType, Half.__bases__, half.squash(number), half.add([1, number]),
            type(complex(number, 1.0).conjugate()), Colour.RED.value, hasattr(number, "__index__"),
            dir(number) == dir(np.float64(1)),
        ]  # fmt: skip

    x = np.array([0.3, -0.4])
    recording = record(call, x)
    assert_same(recording.result, call(x))
    assert x.dtype.type is np.float64


class Typed:
    kind = float64

    def __init__(self):
        self.dtype, self.kinds = np.float64, [float, float32]


TYPED = Typed()


def test_types_in_containers_match_the_names():
    def call(x, dtype=np.float64, *, cast=float):
        found = [
            TYPED.dtype is np.float64, TYPED.dtype is x.dtype.type, TYPED.kinds[0] is float,
            Typed.kind is float64, dtype is float64, cast is float, [each is float for each in KINDS],
            type(x[0]) is TYPED.dtype, vars(np)["float64"] is dtype, np.zeros(1, TYPED.dtype),
        ]  # fmt: skip
        return TYPED.dtype(x[0]) * cast(x[1]) + Typed.kind(x[1]) + TYPED.kinds[0](x[0]) + dtype(x[1]), found

    x = np.array([0.5, -2.0])
    recording = record(call, x)
    assert_same(recording.result, call(x))
    used = [value for value in recording.tape.values if recording.tape.depends(value)]
    assert sum(getattr(each.operation, "name", "") in ("astype", "float") for each in used) == 5
    assert (TYPED.dtype, TYPED.kinds, call.__defaults__) == (np.float64, [float, float32], (np.float64,))
    assert all(type(each) is type for each in (*KINDS, Typed.kind, *call.__kwdefaults__.values()))


class Dual:
    def __init__(self, value):
        self.value, self.seen = value, []

    def __rmul__(self, other):
        self.seen.append(type(other))
        return other * self.value

    def __lt__(self, other):
        self.seen.append(type(other))
        return self.value < other


class OwnUfuncs(Dual):
    __array_ufunc__ = None


class HighPriority(Dual):
    __array_priority__ = 1e3


class Held:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_objects_with_operators_or_arrays_of_their_own_stay_on_the_tape():
    def call(x):
        duals = [kind(x[1]) for kind in (Dual, OwnUfuncs, HighPriority)]
        total = sum([x[0] * each + x[0].item() * each + (x[0] > each) for each in duals])
        return total + np.sum(x * Held(x)) + np.dot(Held(x), x), [each.seen for each in duals]

    x = np.array([0.5, -2.0])
    recording = record(call, x)
    assert_same(recording.result, call(x))
    found = adjoints(recording, recording.value(recording.result[0]))
    np.testing.assert_array_equal(found.of[recording.leaves[0].value].centre, 6 * x[::-1] + 4 * x)


@pytest.mark.slow
def test_shape_set_in_place_is_not_a_leak():
    def call(x):
        part = x[1:]
        part.shape = (8,)
        part += 1
        x.shape = (2, 6)
        x.flat = x.ravel() * 2
        x.flat[3] = 1.0
        return x[1].sum() * part[0] + np.mean(x, where=x > 0)

    x = np.arange(12.0).reshape(3, 4)
    recording = record(call, x)
    assert recording.result == call(np.arange(12.0).reshape(3, 4))
    check_operations(recording)
    assert check_complete(recording)
    assert x.shape == (2, 6)


@pytest.mark.parametrize(
    "fails",
    [
        lambda x: x.absent, lambda x: x[0].absent, lambda x: x[0](), lambda x: len(x[0]),
        lambda x: iter(x[0]), lambda x: round(x), lambda x: abs("a"), lambda x: sum(x, y=1),
        lambda x: x[0] + None, lambda x: [1][x[0]], lambda x: x[0][1],
    ],
)  # fmt: skip
def test_error_text_matches_a_plain_run(fails):
    texts = []
    for run in (fails, lambda x: record(fails, x)):
        with pytest.raises((TypeError, AttributeError, IndexError)) as caught:
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


@pytest.mark.slow
def test_locked_arrays_stay_locked_and_numbers_are_joined():
    def call(x, w):
        locked, messages = w * 1.0, []
        locked.setflags(write=False)
        rows = np.broadcast_to(locked, (2, 3))
        for each in (locked, rows, x):
            try:
                each += 1
            except ValueError as error:
                messages.append(str(error))
        chosen = np.choose([0, 1, 0], [x, locked]) + (np.arange(3) % 2).choose([locked, 2 * x])
        loss = np.sum(chosen * np.r_[x[0], w[1:]]) + np.sum(np.c_[x, w] @ [1.0, 2.0]) + np.sum(rows * x)
        return loss, messages, [each.flags.writeable for each in (locked, rows, x, w, chosen)]

    x, w = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3])
    x.flags.writeable = False
    recording = record(call, x, w)
    assert_same(recording.result, call(x, w))
    check_operations(recording)
    assert check_complete(recording)
    assert not x.flags.writeable
    found = adjoints(recording, recording.value(recording.result[0]))
    of = {leaf.path: found.of[leaf.value].centre for leaf in recording.leaves}
    # chosen = (x0 + w0, w1 + 2 x1, x2 + w2), times (x0, w1, w2); then x + 2w, and 2w · x.
    np.testing.assert_allclose(of["x"], np.array([2.1, 0.4, 0.3]) + 1 + 2 * w, rtol=1e-15)
