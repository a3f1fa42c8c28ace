"""`handgrad train` in processes of its own, to be killed, interrupted or denied disk space."""

import subprocess
import sys

PICTURES = {"loss.png", "accuracy.png", "diagnostics.png", "weights.png"}
FILES = {"config.json", "checkpoint.npz", "history.csv", *PICTURES}

# Everything that a step may carry to the next: velocity, the streams of minibatches, flips and dropout.
FLAGS = [
    "--lr",
    "2e-3",
    "--hidden",
    "6",
    "--iters",
    "30",
    "--batch",
    "100",
    "--momentum",
    "0.9",
    "--nesterov",
    "--dropout",
    "0.3",
    "--flip",
    "--schedule",
    "cosine",
    "--warmup",
    "4",
    "--seed",
    "3",
    "--threads",
    "1",
]

# The command line in a separate process, with a checkpoint after every step. At a given call of a function it
# kills itself with SIGKILL, without any clean-up.
DIES = """
import os, pathlib, signal, sys
from handgrad.cli.main import main
from handgrad.runs import directory as run
from handgrad.runs import trainer
run.SAVE_SECONDS, run.SAVE_SHARE = 0.0, float("inf")
where, left = sys.argv.pop(1), int(sys.argv.pop(1))
owner, name = {
    "step": (trainer.Trainer, "step"), "fsync": (os, "fsync"), "replace": (pathlib.Path, "replace")
}[where]
function = getattr(owner, name)
def dying(*arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments)
setattr(owner, name, dying)
main()
"""

# The command line in a process of its own, with frequent checkpoints and a limit on the size of files.
CHILD = """
import resource, sys
from handgrad.cli.main import main
from handgrad.runs import directory as run
run.SAVE_SECONDS, run.SAVE_SHARE = float(sys.argv.pop(1)), 1.0
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
main()
"""
UNLIMITED = -1


def child(program, *arguments):
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process):
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err
