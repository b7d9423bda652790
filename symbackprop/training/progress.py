"""The progress bar: one tick an epoch (or run), with the latest values."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = ["Bar", "progress"]


class Bar(Protocol):
    """Something that is told how many epochs are done, and the latest values."""

    def __call__(self, done: int, values: Mapping[str, float]) -> None:
        """Note that so many more epochs are done."""


@contextmanager
def progress(total: int, verbose: bool, unit: str = "epoch") -> Iterator[Bar]:
    """A bar over the epochs (or whatever the unit is), or one that shows nothing."""
    if not verbose:
        yield _silent
        return
    bar: Any = _tqdm()(total=total, unit=unit, dynamic_ncols=True)

    def note(done: int, values: Mapping[str, float]) -> None:
        bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)
        bar.update(done)

    with bar:
        yield note


def _silent(done: int, values: Mapping[str, float]) -> None:
    """Shows nothing."""


def _tqdm() -> Any:
    """The class of bars; imported for those who look at one, since it takes asyncio with it."""
    return importlib.import_module("tqdm.auto").tqdm
