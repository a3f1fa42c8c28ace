"""Notice the calls of rules that a program makes itself."""

import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from autograd_ref.crosscheck.program.calling.caught import Call
from autograd_ref.crosscheck.program.calling.foreign import has_foreign
from autograd_ref.crosscheck.program.calling.watch import Met
from autograd_ref.crosscheck.rules.find import noting_calls
from autograd_ref.crosscheck.rules.pytorch.functions import has_setup

__all__ = ["of_function", "watching_rules"]


@contextmanager
def watching_rules(
    file: str, names: Collection[str], nth: int, meet: Callable[[str, Met], None]
) -> Iterator[dict[str, list[int]]]:
    """Watch for calls of JAX rules while a program runs; arguments and result as for `watching`."""
    counts = {name: [0, 0] for name in names}

    def note(rule: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inner = inspect.unwrap(rule.fun)
        code, space = getattr(inner, "__code__", None), getattr(inner, "__globals__", {})
        if code is None or str(Path(code.co_filename).resolve()) != file:
            return
        for name in names:
            if name == inner.__qualname__ or space.get(name) is rule:
                counts[name][0] += 1
                counts[name][1] += has_foreign(args, kwargs)
                if counts[name][1] == nth and has_foreign(args, kwargs):
                    meet(name, Met(rule, Call(args, kwargs, {}), space))

    with noting_calls(note) if names else nullcontext():
        yield counts


def of_function(met: Met) -> Met:
    """Return the call of a Function's apply for the call of its forward."""
    owner = met.function.__qualname__.rpartition(".")[0]
    function, (args, kwargs, names) = met.space[owner], met.call
    return met._replace(
        function=function, call=Call(args if has_setup(function) else args[1:], kwargs, names)
    )
