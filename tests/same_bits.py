"""Whether two results are the same to the bit."""

import numpy as np


def assert_same(a, b, path="result"):
    """Equal to the bit, in type, layout and dtype."""
    assert type(a) is type(b), (path, type(a), type(b))
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, path
        assert a.shape == b.shape, path
        assert a.strides == b.strides, path
        assert a.flags == b.flags, path
        assert a.tobytes() == b.tobytes(), (path, a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key], f"{path}[{key!r}]")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for i, (left, right) in enumerate(zip(a, b, strict=True)):
            assert_same(left, right, f"{path}[{i}]")
    else:
        assert a == b or (a != a and b != b), (path, a, b)
