"""A file that gives so many bytes and no more."""

from io import BufferedIOBase

__all__ = ["BoundedFile"]


class BoundedFile:
    """The next bytes of a file, up to a limit, after which it seems to end.

    Whoever parses an untrusted file reads through this, so that no length written in the file makes it read,
    or make room for, more than the limit.
    """

    def __init__(self, file: BufferedIOBase, limit: int) -> None:
        """Read from where the file is now, ``limit`` bytes at most."""
        self._file, self.left = file, limit

    def read(self, size: int = -1) -> bytes:
        """The next bytes, as many as there are and as are allowed."""
        data = self._file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data

    def readline(self) -> bytes:
        """The next line, or what is allowed of it."""
        data = self._file.readline(self.left)
        self.left -= len(data)
        return data
