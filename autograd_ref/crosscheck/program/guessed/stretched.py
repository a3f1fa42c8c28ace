"""Refuse made-up calls whose arrays fit only because they are broadcast."""

from autograd_ref.crosscheck.program.guessed.roles import role_of
from autograd_ref.crosscheck.program.paths import of_path
from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.recording import Recording
from autograd_ref.recording.tape import Compute

__all__ = ["refuse_stretched"]


def refuse_stretched(recording: Recording) -> None:
    """Refuse a made-up call that fits only because labels are broadcast, (N, 1) and (N,) to (N, N)."""
    for value in recording.tape.values:
        if isinstance(value.operation, Compute) and value.operation.name in ("add", "subtract", "multiply"):
            for each in value.inputs:
                path = getattr(each.operation, "path", None)
                is_stretched = bool(each.shape) and each.shape != value.shape
                if path and is_stretched and role_of(of_path(path).name) == "labels":
                    raise NotJudged(f"{path} of shape {each.shape} is stretched to {value.shape}")
        shapes = [each.shape for each in value.inputs if each.shape]
        if (
            isinstance(value.operation, Compute)
            and value.operation.kind == "ufunc"
            and value.operation.name != "matmul"
            and len(value.shape) == len(shapes) == 2
            and set.intersection(*(_stretched(shape, value.shape) for shape in shapes))
        ):
            raise NotJudged(f"{shapes[0]} and {shapes[1]} are stretched to {value.shape}")


def _stretched(shape: tuple[int, ...], into: tuple[int, ...]) -> set[int]:
    """Return the lengths of the axes along which an array is repeated to broadcast it into a shape."""
    whole = (1,) * (len(into) - len(shape)) + shape
    return {length for own, length in zip(whole, into, strict=True) if own != length}
