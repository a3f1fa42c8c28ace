"""The directory of a run, from which it can always be resumed, and the training that fills it."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from handgrad.data.datasets import Dataset, load_dataset
from handgrad.files import locked, make_directory, replace_file, replace_json, unused_directory
from handgrad.fused.blas import blas_threads
from handgrad.runs.checkpoint import load_checkpoint, save_checkpoint
from handgrad.runs.config import Config
from handgrad.runs.plots import plot_accuracy, plot_diagnostics, plot_loss, plot_weights
from handgrad.runs.progress import TrainingProgress
from handgrad.runs.trainer import DivergedError, Trainer

__all__ = [
    "InterruptedRunError",
    "holds_run",
    "load_run",
    "read_config",
    "read_settings",
    "resume_run",
    "start_run",
]

CONFIG, CHECKPOINT, HISTORY = "config.json", "checkpoint.npz", "history.csv"

# The shortest time between two checkpoints, and the largest share of the time that saving may take.
SAVE_SECONDS, SAVE_SHARE = 2.0, 0.01


class InterruptedRunError(Exception):
    """Ctrl-C was pressed; the run was saved and can be resumed."""


def start_run(config: Config, directory: Path | None) -> Path:
    """Train from the beginning, write everything to a new run directory, and return it.

    If ``directory`` is None, it is the first unused ``runs/<data>-<number>``.

    Raises:
        ValueError: the directory already contains a run, or the data is invalid.
        OSError: the data cannot be read or the directory cannot be written.
        DivergedError: the loss is no longer finite; the last good checkpoint is kept.
        InterruptedRunError: Ctrl-C was pressed; the run was saved.
    """
    # A second thread gains nothing on the digits' small products, and costs much on a busy machine.
    wanted = 1 if config.threads is None and config.data == "digits" else config.threads
    with blas_threads(wanted) as threads:
        data_dir = None if config.data_dir is None else config.data_dir.absolute()
        config = replace(config, threads=threads, data_dir=data_dir)
        data = load_dataset(config.data, config.data_dir)
        trainer = Trainer(config, data)
        directory = unused_directory("runs", config.data) if directory is None else directory
        if holds_run(directory):
            raise ValueError(
                f"{directory} already contains a run; to continue it: handgrad train --resume {directory}"
            )
        make_directory(directory)
        with locked(directory):
            replace_json(directory / CONFIG, config.to_json())
            _train(trainer, data, directory)
    return directory


def resume_run(directory: Path, config: Config) -> None:
    """Continue from the last checkpoint, bit for bit as if the run had never ended.

    The settings may differ from `read_config`'s in ``data_dir``, and ``iters`` may be larger: the result is
    then the same network as from a run with this number of steps.

    Raises:
        ValueError: other settings differ, or the checkpoint or the data set is not the run's.
        OSError, DivergedError, InterruptedRunError: as for `start_run`.
    """
    own = read_config(directory)
    mine, given = own.to_json(), config.to_json()
    longer = config.iters > own.iters
    if longer and config.schedule == "cosine":
        raise ValueError(
            f"the learning rate of {directory} falls to 0 over its {own.iters} steps: it cannot train longer"
        )
    for name, value in mine.items():
        if given[name] != value and name != "data_dir" and not (name == "iters" and longer):
            raise ValueError(
                f"{directory} is a run with --{name} {value}; it cannot continue with {given[name]}: "
                f"leave out --{name}{f', or give more than {value}' if name == 'iters' else ''}"
            )
    with blas_threads(config.threads), locked(directory):
        trainer, data = load_run(directory, config)
        if longer:
            replace_json(directory / CONFIG, mine | {"iters": config.iters})
        _train(trainer, data, directory)


def holds_run(directory: Path) -> bool:
    """Return whether a run was started in this directory."""
    return (directory / CONFIG).exists()


def read_config(directory: Path) -> Config:
    """Return the settings of the run in a directory; raise ValueError if they are missing or damaged."""
    path = directory / CONFIG
    if not path.is_file():
        raise ValueError(f"{directory} does not contain a run: there is no {CONFIG}")
    return read_settings(path)


def read_settings(path: Path) -> Config:
    """Return the settings in a run's config.json; raise OSError or ValueError if it cannot be read."""
    try:
        return Config.from_json(json.loads(path.read_text()))
    except OSError as error:
        raise OSError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not contain the settings of a run: {error}") from None


def load_run(directory: Path, config: Config) -> tuple[Trainer, Dataset]:
    """Return the run in a directory, at its last checkpoint, or at its start if there is none.

    Raises:
        ValueError: the checkpoint or the data is invalid.
        OSError: a file cannot be read.
    """
    data = load_dataset(config.data, config.data_dir)
    trainer = Trainer(config, data)
    path = directory / CHECKPOINT
    if path.exists():
        try:
            trainer.restore(load_checkpoint(path))
        except ValueError as error:
            raise ValueError(f"{path} {error}") from None
    return trainer, data


def _train(trainer: Trainer, data: Dataset, directory: Path) -> None:
    """Take the remaining steps; write checkpoints, the history and the pictures."""
    keeper = _Keeper(trainer, directory)
    keeper.save()  # before the first step, to notice at once if the directory cannot be written
    try:
        with _interruption() as interrupted, TrainingProgress(trainer) as progress:
            while not trainer.done:
                trainer.step()
                progress.update()
                if interrupted.is_set():
                    break
                keeper.save_in_time()
        keeper.save()
    except DivergedError as error:
        keeper.save_history()
        _draw(trainer, data, directory)
        kept = f"{directory} keeps the checkpoint of step {keeper.saved}"
        raise DivergedError(f"{error}; {kept}; try a smaller --lr") from None
    except OSError as error:
        command = f"handgrad train --resume {directory}"
        kept = f"the checkpoint of step {keeper.saved} is kept; to continue: {command}"
        raise OSError(f"{error}; {kept}") from None
    _draw(trainer, data, directory)
    if not trainer.done:
        raise InterruptedRunError(
            f"stopped after step {trainer.steps} of {trainer.config.iters}, and saved; "
            f"to continue: handgrad train --resume {directory}"
        )


class _Keeper:
    """Writes a trainer's checkpoint and history."""

    def __init__(self, trainer: Trainer, directory: Path) -> None:
        self._trainer, self._directory = trainer, directory
        self._due = 0.0
        self.saved = trainer.steps

    def save_in_time(self) -> None:
        if time.perf_counter() >= self._due:
            self.save()

    def save(self) -> None:
        started = time.perf_counter()
        self._trainer.check_finite()
        save_checkpoint(self._directory / CHECKPOINT, self._trainer.state())
        self.saved = self._trainer.steps
        self.save_history()
        now = time.perf_counter()
        self._due = now + max(SAVE_SECONDS, (now - started) / SAVE_SHARE)

    def save_history(self) -> None:
        text = self._trainer.history.to_csv(self._trainer.learning_rates)
        replace_file(self._directory / HISTORY, text.encode())


def _draw(trainer: Trainer, data: Dataset, directory: Path) -> None:
    replace_file(directory / "loss.png", plot_loss(trainer.history))
    replace_file(directory / "accuracy.png", plot_accuracy(trainer.history))
    picture = plot_diagnostics(trainer.history, trainer.config.hidden, trainer.config.activation)
    replace_file(directory / "diagnostics.png", picture)
    replace_file(directory / "weights.png", plot_weights(trainer.net.params["W1"], data.image_shape))


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets, so that the step is finished; a second one acts as usual."""
    interrupted = threading.Event()
    usual = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, usual)
