"""Callbacks: what happens between epochs; frozen values, their state is handed through the loop.

A callback is either a function of an `Epoch` (return True to stop), or a value with

    start(monitored)        -> state           before the first epoch
    after(state, epoch)     -> (state, stop?)  after each epoch
    finish(state, restore)  -> None            after the last; restore(parameters) puts arrays back
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from os import PathLike
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import TrainingError
from symbackprop.training.signatures import accepts

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "Epoch", "Log"]

Parameters = Mapping[str, NDArray[Any]]
Restore = Callable[[Parameters], None]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a callback sees: the epoch's number (from 1), its values, the parameters after it.

    values: e.g. {"loss": 0.31, "val_loss": 0.35}, the last entries of the history.
    parameters: the model's own arrays, which the next epoch overwrites; copy what you keep.
    states: the same of what is carried from step to step, e.g. running means.
    """

    number: int
    values: Mapping[str, float]
    parameters: Parameters
    states: Parameters = field(default_factory=dict)


class Saves(Protocol):
    """Anything that writes itself to a file, as a Model does."""

    def save(self, path: str | PathLike[str]) -> object:
        """Write the file."""


class Callback(Protocol):
    """The three moments of a callback with state."""

    def start(self, monitored: Sequence[str]) -> Any:
        """The state before the first epoch; monitored: the names in the history."""

    def after(self, state: Any, epoch: Epoch) -> tuple[Any, bool]:
        """The state after an epoch, and whether training is to stop."""

    def finish(self, state: Any, restore: Restore) -> None:
        """After the last epoch."""


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop when the monitored value has not improved by min_delta for `patience` epochs.

    patience: epochs without improvement, at least 1; min_delta ≥ 0; monitor: a name in the
    history, by default val_loss where there is validation data, else loss.  maximised: whether
    more of it is better; None: accuracies and r2 are maximised, all else is minimised; NaN is
    never an improvement.  With restore_best_weights the parameters of the best
    epoch are put back at the end.  Raises TrainingError for other arguments.

    >>> EarlyStopping(patience=3).start(["loss", "val_loss"]).monitor
    'val_loss'
    """

    patience: int = 3
    min_delta: float = 0.0
    monitor: str | None = None
    restore_best_weights: bool = True
    maximised: bool | None = None

    def __post_init__(self) -> None:
        check_maximised("EarlyStopping", self.maximised)
        if not isinstance(self.patience, Integral) or isinstance(self.patience, bool) \
                or self.patience < 1:
            raise TrainingError("EarlyStopping: patience must be a whole number of epochs, at "
                                f"least 1, found {self.patience!r}")
        if not isinstance(self.min_delta, Real) or not 0 <= self.min_delta < math.inf:
            raise TrainingError("EarlyStopping: min_delta must be a number, at least 0, "
                                f"found {self.min_delta!r}")

    def start(self, monitored: Sequence[str]) -> Progress:
        """Nothing has been seen; raises TrainingError where the history lacks the name."""
        return _begun("EarlyStopping", self, monitored)

    def after(self, state: Progress, epoch: Epoch) -> tuple[Progress, bool]:
        """The best so far, and whether patience is at its end."""
        score = state.score(epoch)
        if score > state.best + self.min_delta:  # never so for NaN
            kept = {name: np.array(array) for group in (epoch.parameters, epoch.states)
                    for name, array in group.items()} if self.restore_best_weights else {}
            return replace(state, best=score, epoch=epoch.number, waited=0, kept=kept), False
        waited = state.waited + 1
        return replace(state, waited=waited), waited >= self.patience

    def finish(self, state: Progress, restore: Restore) -> None:
        """The parameters of the best epoch come back, if wished for."""
        if state.kept:
            restore(state.kept)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Save the model to a file after each epoch in which the monitored value is the best so far.

    model: the one that is trained; path: as for its `save`; the others: as for EarlyStopping.
    A file of every epoch needs no class: `lambda epoch: model.save(f"{epoch.number}.safetensors")`.
    """

    model: Saves
    path: str | PathLike[str]
    monitor: str | None = None
    maximised: bool | None = None

    def __post_init__(self) -> None:
        check_maximised("Checkpoint", self.maximised)
        if not callable(getattr(self.model, "save", None)):
            raise TrainingError("Checkpoint: the model comes first, then the path: "
                                f"Checkpoint(model, 'best.safetensors'); found {self.model!r}")

    def start(self, monitored: Sequence[str]) -> Progress:
        """Nothing has been seen; raises TrainingError where the history lacks the name."""
        return _begun("Checkpoint", self, monitored)

    def after(self, state: Progress, epoch: Epoch) -> tuple[Progress, bool]:
        """The file is written where this epoch is the best."""
        score = state.score(epoch)
        if not score > state.best:
            return state, False
        self.model.save(self.path)
        return replace(state, best=score, epoch=epoch.number), False

    def finish(self, state: Progress, restore: Restore) -> None:
        """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Log:
    """A file of comma-separated values: a line for each epoch as soon as it has ended."""

    path: str | PathLike[str]

    def start(self, monitored: Sequence[str]) -> tuple[str, ...]:
        """The file with its header, in place of one that was there; raises TrainingError where it
        cannot be written."""
        self._write("w", ("epoch", *monitored))
        return tuple(monitored)

    def after(self, state: tuple[str, ...], epoch: Epoch) -> tuple[tuple[str, ...], bool]:
        """One more line."""
        self._write("a", (epoch.number, *(epoch.values[name] for name in state)))
        return state, False

    def finish(self, state: tuple[str, ...], restore: Restore) -> None:
        """Nothing is left to do."""

    def _write(self, mode: str, cells: Sequence[object]) -> None:
        try:
            with open(self.path, mode, encoding="utf-8") as file:
                file.write(",".join(map(str, cells)) + "\n")
        except (OSError, TypeError) as error:
            raise TrainingError(f"Log: {self.path!r} cannot be written: {error}") from error


@dataclass(frozen=True, slots=True)
class Progress:
    """What EarlyStopping and Checkpoint know: best score, its epoch, epochs since, what is kept."""

    monitor: str
    maximised: bool
    best: float = -math.inf
    epoch: int = 0
    waited: int = 0
    kept: Parameters = field(default_factory=dict)

    def score(self, epoch: Epoch) -> float:
        """What is monitored, so that more is better."""
        value = epoch.values[self.monitor]
        return value if self.maximised else -value


@dataclass(frozen=True, slots=True)
class Call:
    """A plain function of an Epoch as a callback without state."""

    function: Callable[[Epoch], Any]

    def start(self, monitored: Sequence[str]) -> None:
        """There is no state."""

    def after(self, state: None, epoch: Epoch) -> tuple[None, bool]:
        """Stop where the function returns True."""
        return None, self.function(epoch) is True

    def finish(self, state: None, restore: Restore) -> None:
        """Nothing is left to do."""


def as_callbacks(given: object) -> tuple[Callback, ...]:
    """The callbacks that were handed to fit, or a TrainingError that says what one is."""
    if given is None:
        return ()
    several = given if isinstance(given, (list, tuple)) else [given]
    found: list[Callback] = []
    for callback in several:
        if isinstance(callback, type):
            raise TrainingError(f"callbacks: {callback.__name__} is a class; "
                                f"write {callback.__name__}()")
        if all(hasattr(callback, moment) for moment in ("start", "after", "finish")):
            found.append(cast(Callback, callback))
        elif callable(callback) and not accepts(callback, 1):
            name = getattr(callback, "__name__", type(callback).__name__)
            raise TrainingError(f"callbacks: {name} does not take one argument; a callback is a "
                                "function of an Epoch: its number, values and parameters")
        elif callable(callback):
            found.append(Call(callback))
        else:
            raise TrainingError(f"callbacks: {callback!r} is neither a callback such as "
                                "sb.callbacks.EarlyStopping(patience=3) nor a function of an Epoch")
    return tuple(found)


def is_maximised(name: str, said: bool | None = None) -> bool:
    """Whether more of this entry of the history is better, as said or by its name."""
    return name.endswith(("accuracy", "r2")) if said is None else said


def check_maximised(who: str, given: object) -> None:
    """Raises TrainingError for what is neither True, False nor None."""
    if given is not None and not isinstance(given, bool):
        raise TrainingError(f"{who}: maximised must be True, False or None, found {given!r}")


def _begun(who: str, asked: EarlyStopping | Checkpoint, monitored: Sequence[str]) -> Progress:
    """What is known before the first epoch."""
    monitor = _monitor(who, asked.monitor, monitored)
    return Progress(monitor, is_maximised(monitor, asked.maximised))


def _monitor(who: str, asked: str | None, monitored: Sequence[str]) -> str:
    """The name in the history that is watched."""
    monitor = asked or ("val_loss" if "val_loss" in monitored else "loss")
    if monitor not in monitored:
        hint = "give fit validation_data or metrics, or " if "_" in str(monitor) else ""
        raise TrainingError(f"{who} monitors {monitor!r}, but the history will hold "
                            f"{', '.join(monitored)}; {hint}name one of these")
    return monitor
