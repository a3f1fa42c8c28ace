"""The tape: every value of a run, with its operation and inputs."""

from __future__ import annotations

from threading import get_ident
from typing import Any, NamedTuple

import numpy as np

from autograd_ref.recording.place import Calls, Place, place_here, place_of, trail

__all__ = ["Compute", "Control", "Given", "Move", "NotRecorded", "Read", "Tape", "Value", "Write", "current"]


class NotRecorded(Exception):  # noqa: N818 - it says what happened, as StopIteration does
    """An operation of the program cannot be recorded; the message names it and its place."""

    def __init__(self, message: str, place: Place | None = None):
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place
        if current.tape is not None and current.tape.refusal is None:
            current.tape.refusal = self  # should the program catch it


class Layout(NamedTuple):
    """The positions of an array's entries in a piece of memory, counted in entries.

    Complex memory that is read as real numbers is counted in ``halves``: real parts and imaginary parts.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    halves: bool = False


class Given(NamedTuple):
    """A value that was not computed by an operation on the tape.

    Attributes:
        path: the program's path to a value from before the call; None for a value that the program created.
        is_number: whether it is a number written in the code, not an array.
    """

    path: str | None
    is_number: bool = False


class Read(NamedTuple):
    """The entries of a memory at some positions; ``root`` is the memory's own layout."""

    root: Layout
    at: Layout


class Write(NamedTuple):
    """A memory with the entries at some positions replaced: inputs are the memory and the new entries."""

    root: Layout
    at: Layout


class Move(NamedTuple):
    """Entries that are moved, repeated or left out, but not changed; NumPy's own function replays it.

    Attributes:
        name: name of the function in `moves.FUNCTIONS`.
        template: its arguments, with a `template.Slot` for every input.
        output: index among several results; None for the only one.
    """

    name: str
    template: Any
    output: int | None = None


class Compute(NamedTuple):
    """Any other operation; `meaning` has its function in jax.numpy.

    Attributes:
        kind: "ufunc" or "function".
        name: name of the ufunc or function.
        template: the hashable template of its call.
        output: index among several results; None for the only one.
    """

    kind: str
    name: str
    template: Any
    output: int | None = None


Operation = Given | Read | Write | Move | Compute


class Value:
    """One value on the tape.

    Attributes:
        number: its position in the order of the run.
        operation: the operation that made it.
        inputs: the inputs of the operation.
        array: NumPy's result; None for a memory between two writes that was not read as a whole.
        shape: shape of the value.
        dtype: dtype of the value.
        weak: the Python type of a Python number, which does not take part in NumPy's promotion.
    """

    __slots__ = (
        "_callers", "_code", "_position", "array", "dtype", "inputs", "number", "operation", "shape", "weak",
    )  # fmt: skip

    _callers: Calls
    _code: Any
    _position: int
    number: int
    operation: Operation
    inputs: tuple[Value, ...]
    array: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    weak: type | None

    @property
    def place(self) -> Place | None:
        """The expression that made it; None for a value from before the call."""
        return place_of(self._code, self._position) if self._code is not None else None

    @property
    def calls(self) -> list[Place]:
        """The calls within the program up to it, innermost first."""
        return [place_of(code, position) for code, position in self._callers]

    @property
    def is_floating(self) -> bool:
        """Whether it can have a derivative."""
        return self.dtype.kind in "fc"

    def __repr__(self) -> str:
        return (
            f"<{self.number}: {type(self.operation).__name__} {self.dtype}{list(self.shape)} at {self.place}>"
        )


class Control(NamedTuple):
    """A value that controlled the program: a branch, an index, a number that left the tape on purpose.

    Attributes:
        value: the value.
        kind: how it controlled the program.
        copy: what it held, if the value itself does not keep that.
    """

    value: Value
    kind: str
    copy: np.ndarray | None

    @property
    def array(self) -> np.ndarray | None:
        """The content; known after the run, because memory that is written to later is copied only then."""
        return self.value.array if self.copy is None else self.copy


# The dtypes that JAX has, too.
_DTYPES = {np.dtype(code) for code in "?bBhHiIlLqQefdFD"}


class Tape:
    """The values of one run, in order."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.controls: list[Control] = []
        self.refusal: NotRecorded | None = None
        self._numbers: dict[tuple[type, Any], Value] = {}
        self._thread = get_ident()
        self._calls: Calls = ()
        self._copies: dict[Value, np.ndarray] = {}

    def add(self, operation: Operation, inputs: tuple[Value, ...], array: Any, like: Any = None) -> Value:
        """Put one operation on the tape.

        Args:
            operation: the operation.
            inputs: its inputs.
            array: the result, or None if it is not kept.
            like: an object with the value's shape and dtype, if ``array`` is None.
        """
        value = Value()
        value.number = len(self.values)
        value.operation = operation
        value.inputs = inputs
        value.array = array
        shaped = array if like is None else like
        value.shape = shaped.shape
        value.dtype = shaped.dtype
        value.weak = None
        value._code, value._position, self._calls = trail(self._calls)
        value._callers = self._calls
        if get_ident() != self._thread:
            place = value.place or place_here(self._thread)
            raise NotRecorded("NumPy in another thread is not recorded", place)
        if value.dtype not in _DTYPES:
            raise NotRecorded(f"values of dtype {value.dtype} are not recorded", value.place)
        self.values.append(value)
        return value

    def number(self, number: Any) -> Value:
        """Return the value of a Python or NumPy number that does not depend on anything recorded."""
        key = (type(number), repr(number))
        value = self._numbers.get(key)
        if value is None:
            value = self._numbers[key] = self.add(Given(None, True), (), np.asarray(number))
            value.weak = type(number) if type(number) in (bool, int, float, complex) else None
        return value

    def depends(self, value: Value) -> bool:
        """Whether a value was computed from a floating array that existed before the call."""
        waiting, seen = [value], {value}
        while waiting:
            each = waiting.pop()
            if isinstance(each.operation, Given) and each.operation.path is not None and each.is_floating:
                return True
            new = [source for source in each.inputs if source not in seen]
            seen.update(new)
            waiting.extend(new)
        return False

    def control(self, value: Value, kind: str) -> None:
        """Note that a value decided the program's next step."""
        copy = None
        if value.array is not None and isinstance(value.operation, Write):  # whose array is not kept
            copy = self._copies.get(value)
            if copy is None:
                copy = self._copies[value] = value.array.copy()
        self.controls.append(Control(value, kind, copy))


class _Current:
    """The tape that is being written, if any, and its memories."""

    tape: Tape | None = None
    memories: Any = None


current = _Current()
