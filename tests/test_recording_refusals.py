"""Operations that cannot be recorded are refused with their line; values that leave the tape are found."""

import cmath
import contextlib
import math
import statistics
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
from nothing_records import everything_plain

from autograd_ref.recording import NotCompared, NotRecorded, check_complete, check_operations, record


def unknown_function(x):
    return np.unwrap(x) + np.histogram(x)[0]


def unknown_scalar(x):
    return math.gamma(2.0) * math.ulp(x[0])


def complex_function(x):
    return abs(cmath.exp(x[0]))


def mean_of_numbers(x):
    return statistics.fmean(each * 2 for each in x) + statistics.mean([1.0, 2.0])


def sparse_product(x):
    return np.sum(scipy.sparse.eye(4).tocsr() @ x)


def matrix_made_sparse(x):
    return scipy.sparse.csr_matrix(np.outer(x, x)).sum()


def extended_values(x):
    return np.sum(x.astype(np.longdouble))


def padded_by_a_function(x):
    return np.sum(np.pad(x, 1, lambda row, width, *_: None))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (padded_by_a_function, "pad by a function"),
        (extended_values, "longdouble|float128"),
        (unknown_function, "histogram"),
        (unknown_scalar, "math.ulp"),
        (complex_function, "cmath.exp"),
        (mean_of_numbers, "statistics.fmean is not recorded: write np.mean"),
        (sparse_product, "write S.toarray"),
        (matrix_made_sparse, "write S.toarray"),
    ],
)
def test_unknown_operation_is_one_error_with_its_place(function, says):
    with pytest.raises(NotRecorded, match=says) as caught:
        record(function, np.ones(4))
    assert caught.value.place.file == __file__
    assert caught.value.place.line == function.__code__.co_firstlineno + 1
    assert everything_plain()


@pytest.mark.slow
def test_refusal_caught_by_the_program_is_raised_again():
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
    packed = struct.pack("d", np.sum(w * w))
    return np.sum(w) * struct.unpack("d", packed)[0]


def times_a_complex_literal(w):
    turn = 1j * np.sum(w * w)  # Python's own product of a complex number and a float, without a hook
    return np.sum(w) * turn.imag


@pytest.mark.parametrize(
    "leaky", [into_plain_memory, into_a_list, into_a_cache, through_c, times_a_complex_literal]
)
def test_leak_is_found_with_its_line(leaky):
    with pytest.raises(NotRecorded, match="left the tape") as caught:
        check_complete(record(leaky, np.array([0.3, -0.4, 0.5])))
    first = leaky.__code__.co_firstlineno
    source_lines = max(line for _, _, line in leaky.__code__.co_lines() if line)
    assert caught.value.place.file == __file__
    assert first < caught.value.place.line <= source_lines
    assert ("write np.multiply(1j, x)" in str(caught.value)) == (leaky is times_a_complex_literal)
    assert everything_plain()


def test_array_changed_by_an_unbound_method_is_refused():
    def call(x):
        h = np.tanh(x)
        np.ndarray.fill(h, 0.5)
        return np.sum(h * x)

    with pytest.raises(NotRecorded, match="is changed later by C code that was not recorded") as caught:
        check_operations(record(call, np.array([0.3, -0.4, 0.5])))
    assert caught.value.place.line == call.__code__.co_firstlineno + 1


def test_constants_may_be_sparse_and_complex_literals_may_be_recorded():
    def call(x):
        rows = scipy.sparse.csr_matrix((np.ones(4), (np.arange(4), [0, 2, 1, 2]))).toarray()
        turned = np.multiply(1j, np.sum(x * x)) + x[0] * 2j
        return np.sum(x @ rows) * turned.imag

    x = np.array([0.3, -0.4, 0.5, 0.1])
    recording = record(call, x)
    assert recording.result == call(x)
    assert check_complete(recording)


def default_buffer(w, buf=np.zeros(3)):
    buf[:] = np.tanh(w)
    return np.sum(buf * w)


def test_buffer_among_the_defaults_is_not_a_leak():
    from autograd_ref.recording import adjoints

    w = np.array([0.1, 0.2, 0.3])
    recording = record(default_buffer, w)
    assert check_complete(recording)
    (leaf,) = [each for each in recording.leaves if each.path == "w"]
    adjoint = adjoints(recording, recording.value(recording.result)).of[leaf.value].centre
    np.testing.assert_allclose(adjoint, np.tanh(w) + w * (1 - np.tanh(w) ** 2), rtol=1e-14)


def returned_number(w):
    return sum(v * v for v in memoryview(w))


def test_number_computed_off_the_tape_is_a_leak():
    with pytest.raises(NotRecorded, match="left the tape") as caught:
        check_complete(record(returned_number, np.array([0.3, -0.4])))
    assert caught.value.place.line == returned_number.__code__.co_firstlineno


def test_recording_that_cannot_be_compared_is_not_called_complete():
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


def computes_in_a_thread(x):
    def compute():
        with contextlib.suppress(NotRecorded):  # the refusal is raised at the end all the same
            np.sum(x * 2)

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    return np.sum(x)


def hands_numpy_to_a_thread(x):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(np.sum, x).result()


def maps_over_entries(x):
    with ThreadPoolExecutor(1) as pool:
        return sum(pool.map(lambda each: each * each, x))


def writes_in_a_thread(x):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: x.__setitem__(0, 5.0)).result()
    return np.sum(x)


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (computes_in_a_thread, 3),
        (hands_numpy_to_a_thread, 2),
        (maps_over_entries, 2),
        (writes_in_a_thread, 2),
    ],
)
def test_numpy_in_another_thread_is_refused(function, line):
    with pytest.raises(NotRecorded, match="NumPy in another thread") as caught:
        record(function, np.ones(3))
    assert caught.value.place.file == __file__
    assert caught.value.place.line == function.__code__.co_firstlineno + line


def test_thread_that_computes_nothing_is_ignored():
    def call(x):
        with ThreadPoolExecutor(1) as pool:
            rows = pool.submit(lambda: len(x)).result()
        return np.sum(x) / rows

    assert check_complete(record(call, np.ones(3)))
