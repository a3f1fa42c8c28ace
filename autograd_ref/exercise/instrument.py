"""Make a half-written backward pass run: leave out what cannot be computed yet, and note each step."""

import ast
import builtins
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from autograd_ref.crosscheck.reports.report import NotJudged
from autograd_ref.exercise.topic import Step, Topic

__all__ = ["LOSS", "NOTE_FORWARD", "NOTE_STEP", "Instrumented", "forward_part", "instrument"]

NOTE_FORWARD = "__note_forward__"
NOTE_STEP = "__note_step__"
LOSS = "loss"
_BLOCKS = ("body", "orelse", "finalbody")


@dataclass
class Instrumented:
    """A program that runs.

    Attributes:
        tree: the syntax tree of the whole file, with the lines of the source.
        begins: the last line of the forward part.
        todo: the steps that are not filled in.
        waiting: the steps that read a value that is not filled in, or that raised.
        lines: the line of the last statement of each step that is filled in.
        spans: the first and last line of every statement of a step.
        cut: the steps in loops of which only the first pass runs.
        blanks: the lines to fill in.
    """

    tree: ast.Module
    begins: int
    todo: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    lines: dict[int, int] = field(default_factory=dict)
    spans: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    blanks: list[int] = field(default_factory=list)


def instrument(source: str, file: str, topic: Topic, failed: Collection[int] = ()) -> Instrumented:
    """Make a student's file run as far as it is filled in.

    Args:
        source: text of the file.
        file: its path.
        topic: its topic.
        failed: lines of statements that raised, which are left out.

    Returns:
        The program: it calls ``__note_forward__(locals())`` after its loss, ``__note_step__(number, line,
        locals())`` after each statement of a step, and returns its loss alone.

    Raises:
        NotJudged: the function or its loss is gone.
        SyntaxError: the file is not Python.
    """
    tree = ast.parse(source, file)
    function = next(
        (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == topic.function),
        None,
    )
    if function is None:
        raise NotJudged(f"the function {topic.function} is gone")
    forward = forward_part(function)
    backward = function.body[len(forward) :]
    found = Instrumented(tree, forward[-1].end_lineno or 0)
    instructions = _Backward(function, topic.steps, found, failed)
    function.body = [
        *forward,
        _call(NOTE_FORWARD, (), forward[-1]),
        *instructions.block(backward),
        ast.copy_location(ast.Return(ast.Name(LOSS, ast.Load())), forward[-1]),
    ]
    ast.fix_missing_locations(tree)
    for step in topic.steps:
        if step.number not in found.lines and step.number not in found.waiting:
            found.todo.add(step.number)
    found.waiting -= found.todo
    return found


def forward_part(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements of a function up to the last that computes its loss.

    Raises:
        NotJudged: no statement computes the loss.
    """
    borders = [i for i, each in enumerate(function.body) if LOSS in _bound(each)]
    if not borders:
        raise NotJudged(f"the line in {function.name} that computes {LOSS} is gone")
    return function.body[: borders[-1] + 1]


class _Backward:
    """The statements after the loss."""

    def __init__(
        self, function: ast.FunctionDef, steps: Sequence[Step], found: Instrumented, failed: Collection[int]
    ):
        self.steps, self.found, self.failed = steps, found, failed
        # Variables that no statement sets are missing from the start.
        made = {name for each in function.body for name in _bound(each)}
        self.missing = {each.variable for each in steps} - made

    def block(self, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
        """Return the statements that can run, with a note after each statement of a step."""
        kept: list[ast.stmt] = []
        for each in statements:
            kept += self._compound(each) if _is_compound(each) else self._simple(each)
        return kept

    def _simple(self, statement: ast.stmt) -> list[ast.stmt]:
        if isinstance(statement, ast.Return):
            return []
        bound = _bound(statement)
        steps = [each for each in self.steps if _is_of(statement, each)]
        numbers = {each.number for each in steps}
        for number in numbers:
            span = statement.lineno, statement.end_lineno or statement.lineno
            self.found.spans.setdefault(number, []).append(span)
        if _is_open(statement, bool(numbers)):
            self.found.blanks.append(statement.lineno)
            self.found.todo |= numbers
            self.missing |= bound
            return []
        if _reads(statement) & self.missing or self._failed(statement, statement.end_lineno):
            self.found.waiting |= numbers
            self.missing |= bound
            return []
        if not _changes(statement):
            self.missing -= bound
        for number in numbers:
            self.found.lines[number] = statement.lineno
        notes = [_call(NOTE_STEP, (number, statement.lineno), statement) for number in sorted(numbers)]
        return [statement, *notes]

    def _compound(self, statement: ast.stmt) -> list[ast.stmt]:
        if _reads(statement) & self.missing or self._failed(statement, statement.lineno):
            bound = {name for each in _inner(statement) for name in _bound(each)}
            self.missing |= bound
            self.found.waiting |= {
                s.number for each in _inner(statement) for s in self.steps if _is_of(each, s)
            }
            return []
        before = set(self.missing)
        steps = {s.number for each in _inner(statement) for s in self.steps if _is_of(each, s)}
        for name in _BLOCKS:
            inner = getattr(statement, name, None)
            if inner:
                setattr(statement, name, self.block(inner) or [ast.copy_location(ast.Pass(), inner[0])])
        if isinstance(statement, (ast.For, ast.While)):
            read = {name for each in _inner(statement) for name in _reads(each)}
            if read & (self.missing - before):  # the next pass would read a missing value
                statement.body.append(ast.copy_location(ast.Break(), statement.body[-1]))
                self.found.cut |= steps
        return [statement]

    def _failed(self, statement: ast.stmt, end: int | None) -> bool:
        return any(statement.lineno <= line <= (end or statement.lineno) for line in self.failed)


def _is_of(statement: ast.stmt, step: Step) -> bool:
    """Whether a statement writes a step's variable, with the step's index if it has one."""
    if step.variable not in _bound(statement):
        return False
    if "[" not in step.name:
        return True
    wanted = ast.dump(ast.parse(step.name, mode="eval").body)
    return any(ast.dump(_as_read(each)) == wanted for each in _targets(statement))


def _as_read(target: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(target), mode="eval").body


def _is_open(statement: ast.stmt, is_step: bool) -> bool:
    if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
        return False
    value = statement.value
    constant = value.value if isinstance(value, ast.Constant) else 0
    return value is None or constant is ... or (constant is None and is_step)


def _is_compound(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.For, ast.While, ast.If, ast.With, ast.Try))


def _changes(statement: ast.stmt) -> bool:
    """Whether a statement changes an existing object instead of creating a new one."""
    return not isinstance(statement, (ast.Assign, ast.AnnAssign)) or any(
        not isinstance(each, ast.Name) for each in _targets(statement)
    )


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return [
            part
            for each in statement.targets
            for part in (each.elts if isinstance(each, ast.Tuple) else [each])
        ]
    if isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        return [statement.target]
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        # np.add.at(dx, ...), np.multiply(a, b, out=dx), dx.append(...), dx.sort()
        call = statement.value
        changed = [*call.args[:1], *[each.value for each in call.keywords if each.arg == "out"]]
        owner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        return [*changed, *owner]
    return []


def _bound(statement: ast.stmt) -> set[str]:
    """Return the variables that a statement sets or changes."""
    found = set()
    for target in _targets(statement):
        each = target
        while isinstance(each, (ast.Subscript, ast.Attribute, ast.Starred)):
            each = each.value
        if isinstance(each, ast.Name):
            found.add(each.id)
    if _is_compound(statement):
        found |= {name for each in _inner(statement) for name in _bound(each)}
    return found


def _reads(statement: ast.stmt) -> set[str]:
    """Return the variables that a statement reads; of a compound statement, only in its head."""
    parts = [part for name, part in ast.iter_fields(statement) if name not in (*_BLOCKS, "handlers")]
    flat = [each for part in parts for each in (part if isinstance(part, list) else [part])]
    names = {
        node.id
        for each in flat
        if isinstance(each, ast.AST)
        for node in ast.walk(each)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    if isinstance(statement, ast.AugAssign):
        names |= _bound(statement)
    return names - set(dir(builtins))


def _inner(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements in the blocks of a statement, at any depth."""
    for name in _BLOCKS:
        for each in getattr(statement, name, ()):
            if _is_compound(each):
                yield each
                yield from _inner(each)
            else:
                yield each
    for handler in getattr(statement, "handlers", ()):
        yield from handler.body


def _call(name: str, numbers: tuple[int, ...], like: ast.stmt) -> ast.stmt:
    """Return a call with some numbers and all variables of the function."""
    arguments = [ast.Constant(number) for number in numbers]
    names = ast.Call(ast.Name("locals", ast.Load()), [], [])
    call = ast.Call(ast.Name(name, ast.Load()), [*arguments, names], [])
    return ast.copy_location(ast.Expr(call), like)
