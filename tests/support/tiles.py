"""Tiles so short, and shared arrays so small, that steps of few rows are divided as large ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from symbackprop.codegen import training
from symbackprop.codegen.schedule import costs, regions, tiling


@contextmanager
def short_tiles(rows: int) -> Iterator[None]:
    """Tiles of so many rows in every step; arrays of more than 6 entries are shared in strips."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "SHARED", 0)
        for module in (tiling, regions):
            patch.setattr(module, "SMALL", 6)
        patch.setattr(tiling, "LARGEST_PART", 6)
        for module in (costs, training):
            patch.setattr(module, "height", lambda *_: rows)
        yield
