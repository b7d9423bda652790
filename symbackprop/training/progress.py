"""The progress bar: one tick an epoch (or run), with the latest values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm.auto import tqdm

__all__ = ["Bar", "progress"]


class Bar(Protocol):
    """Something that is told how many epochs are done, and the latest values."""

    def __call__(self, done: int, values: Mapping[str, float]) -> None:
        """Note that so many more epochs are done."""


@contextmanager
def progress(total: int, verbose: bool, unit: str = "epoch") -> Iterator[Bar]:
    """A bar over the epochs (or whatever the unit is), or one that shows nothing."""
    bar: Any = tqdm(total=total, unit=unit, disable=not verbose, dynamic_ncols=True)

    def note(done: int, values: Mapping[str, float]) -> None:
        bar.set_postfix({name: f"{value:.4g}" for name, value in values.items()}, refresh=False)
        bar.update(done)

    with bar:
        yield note
