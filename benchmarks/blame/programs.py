"""The programs in which mistakes are planted: the files in tests/programs/, and the project's own code."""

import runpy
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Program", "programs"]

_ROOT = Path(__file__).parents[2]
_ARRAYS = "*[0.7 * rng.standard_normal(s) for s in {}]"

_OF_LAYERS = """

def judged(X, y, W1, b1, W2, b2, reg):
    h = affine_forward(X, W1, b1)
    scores = affine_forward(h, W2, b2)
    loss, probs = softmax_cross_entropy_forward(scores, y)
    loss = loss + l2_penalty_forward(W2, reg)
    dscores = softmax_cross_entropy_backward(probs, y)
    dh, dW2, db2 = affine_backward(dscores, h, W2)
    dX, dW1, db1 = affine_backward(dh, X, W1)
    dW2 = dW2 + l2_penalty_backward(W2, reg)
    return loss, {"X": dX, "W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""
_OF_ACTIVATION = """

def judged(z, dh):
    return (dh * ACTIVATIONS["{0}"].forward(z)).sum(), {{"z": dh * ACTIVATIONS["{0}"].derivative(z)}}
"""


@dataclass(frozen=True)
class Program:
    """A program and its call.

    Attributes:
        name: the name in the tables.
        source: the text of its file, followed by the lines that were added for the call.
        last: the last line of the file itself.
        file: the name of the file.
        target: the name of the called object.
        call: the expression that calls it.
        loss: as for `handgrad check`.
        backward: as for `handgrad check`.
    """

    name: str
    source: str
    last: int
    file: str
    target: str
    call: str
    loss: str | None = None
    backward: str | None = None


def programs() -> list[Program]:
    """Return all programs."""
    calls = runpy.run_path(str(_ROOT / "tests" / "program_calls.py"))["CALLS"]
    found = []
    for name, called in calls.items():
        file, _, target = called.target.partition(":")
        source = (_ROOT / "tests" / "programs" / f"{file}.py").read_text()
        last = source.count("\n") + 1
        found.append(Program(name, source, last, file, target, called.call, called.loss, called.backward))
    return [*found, *_own()]


def _own() -> list[Program]:
    sources = {
        name: (_ROOT / "handgrad" / f"{name}.py").read_text()
        for name in ("layers", "activations", "two_layer_net")
    }
    lines = {name: text.count("\n") + 1 for name, text in sources.items()}
    net = (
        "TwoLayerNet(4, 5, 3, std=0.7, rng=rng).loss(rng.standard_normal((6, 4)), rng.integers(0, 3, 6), 0.1)"
    )
    given = _ARRAYS.format("((4, 5), (5,), (5, 3), (3,))")
    layers = f"judged(rng.standard_normal((6, 4)), rng.integers(0, 3, 6), {given}, 0.1)"
    return [
        Program("layers", sources["layers"] + _OF_LAYERS, lines["layers"], "layers", "judged", layers),
        *[
            Program(
                f"activation {name}",
                sources["activations"] + _OF_ACTIVATION.format(name),
                lines["activations"],
                "activations",
                "judged",
                f"judged({_ARRAYS.format('((4, 5), (4, 5))')})",
            )
            for name in (
                "relu",
                "leaky_relu",
                "sigmoid",
                "tanh",
                "elu",
                "gelu",
                "gelu_tanh",
                "silu",
                "softplus",
            )
        ],
        Program(
            "two_layer_net",
            sources["two_layer_net"],
            lines["two_layer_net"],
            "two_layer_net",
            "TwoLayerNet.loss",
            net,
        ),
    ]
