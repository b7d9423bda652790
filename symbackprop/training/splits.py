"""Rows divided at random: parts for training, validation and test, and folds for cross-validation.

Strata are the distinct values of a vector (or distinct rows, e.g. one-hot ones): each part or
fold then has its share of every stratum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.errors import InputError, TrainingError
from symbackprop.training.settings import known_seed

__all__ = ["Folds", "rows_of", "split"]

Rows = NDArray[np.int64]


def split(*arrays: Any, sizes: Any = (0.6, 0.2, 0.2), stratify: Any = None,
          seed: int | None = 0) -> tuple[tuple[Any, ...], ...]:
    """The rows of all arrays dealt out into disjoint parts; for each part a tuple of arrays.

    arrays: of one length, kept in their dtype.  sizes: for each part a share of the rows, or a
    number of rows; shares that sum to 1 and numbers that sum to all rows use every row.
    stratify: an array with a label for each row; every part has its share of each label, to one
    row.  seed: of the order.  Raises InputError for arrays, TrainingError for sizes, that do not
    fit.

    >>> import numpy as np
    >>> X, y = np.arange(20).reshape(10, 2), np.arange(10) % 2
    >>> (X1, y1), (X2, y2), (X3, y3) = split(X, y, sizes=(0.6, 0.2, 0.2), stratify=y)
    >>> len(X1), len(y2), y3.tolist().count(0)
    (6, 2, 1)
    """
    if not arrays:
        raise InputError("split: give the arrays to split, e.g. sb.split(X, Y)")
    found = [_table(array, f"array {place}") for place, array in enumerate(arrays, 1)]
    count = len(found[0])
    if any(len(array) != count for array in found):
        raise InputError("split: the arrays need equal numbers of rows; found "
                         f"{', '.join(str(len(array)) for array in found)}")
    counts = _counts(sizes, count)
    generator = np.random.default_rng(known_seed(seed))
    if stratify is None:
        order = generator.permutation(count)
        parts = np.split(order[:sum(counts)], np.cumsum(counts)[:-1])
    else:
        parts = _dealt(_strata(stratify, count), counts, generator)
    return tuple(tuple(array[rows] for array in found) for rows in parts)


@dataclass(frozen=True, slots=True)
class Folds:
    """Folds of nearly equal size, as scikit-learn's KFold and StratifiedKFold make them.

    count: at least 2.  Without a seed rows stay in their order, and the folds are those of
    scikit-learn; with one they are shuffled first.  stratified: by the labels given to `split`.

    >>> [test.tolist() for train, test in Folds(3).split(range(7))]
    [[0, 1, 2], [3, 4], [5, 6]]
    """

    count: int
    seed: int | None = None
    stratified: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.count, Integral) or isinstance(self.count, bool) or self.count < 2:
            raise TrainingError(f"folds must be a whole number, at least 2; found {self.count!r}")
        known_seed(self.seed)

    def split(self, X: Any, y: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """(rows to train on, rows held out), for each fold."""
        rows = len(X)
        if rows < self.count:
            raise TrainingError(f"{self.count} folds need as many rows; found {rows}")
        generator = None if self.seed is None else np.random.default_rng(self.seed)
        number = (self._stratified(_strata(y, rows), generator) if self.stratified
                  else self._plain(rows, generator))
        for fold in range(self.count):
            yield np.flatnonzero(number != fold), np.flatnonzero(number == fold)

    def _plain(self, rows: int, generator: np.random.Generator | None) -> Rows:
        """The fold of each row: blocks of rows, the first ones a row longer where need be."""
        sizes = np.full(self.count, rows // self.count)
        sizes[:rows % self.count] += 1
        number = np.repeat(np.arange(self.count), sizes)
        if generator is None:
            return number
        shuffled = np.empty(rows, np.int64)
        shuffled[generator.permutation(rows)] = number
        return shuffled

    def _stratified(self, strata: Rows, generator: np.random.Generator | None) -> Rows:
        """The same within each stratum; how many of each a fold has is dealt out as from a
        sorted pack, one row a fold in turn."""
        _, first, strata = np.unique(strata, return_index=True, return_inverse=True)
        strata = np.argsort(np.argsort(first))[strata]  # numbered in order of appearance
        largest = int(np.bincount(strata).max())
        if largest < self.count:
            raise TrainingError(f"{self.count} stratified folds need as many rows of a label; "
                                f"none has more than {largest}")
        pack = np.sort(strata)
        kinds = int(strata.max()) + 1
        dealt = np.array([np.bincount(pack[fold::self.count], minlength=kinds)
                          for fold in range(self.count)])
        number = np.empty(len(strata), np.int64)
        for kind in range(kinds):
            own = np.repeat(np.arange(self.count), dealt[:, kind])
            number[strata == kind] = own if generator is None else generator.permutation(own)
        return number


def rows_of(folds: Any, X: Any, y: Any, count: int) -> list[tuple[Rows, Rows]]:
    """The pairs (training rows, held-out rows) of a splitter with split(X, y), or given as such.

    Raises TrainingError for anything else, or for rows that there are not.
    """
    pairs = folds.split(X, y) if hasattr(folds, "split") and not isinstance(folds, str) else folds
    wanted = ("folds must be a whole number, an object with split(X, y) such as scikit-learn's "
              "KFold, or pairs (training rows, held-out rows)")
    try:
        found = [(np.asarray(train), np.asarray(test)) for train, test in pairs]
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{wanted}; found {folds!r}: {error}") from error
    for rows in (rows for pair in found for rows in pair):
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows) or (
                rows.min() < 0 or rows.max() >= count):
            raise TrainingError(f"{wanted}; rows are numbers from 0 to {count - 1}, at least one "
                                "on each side")
    if len(found) < 2:
        raise TrainingError(f"{wanted}; at least two")
    return [(train.astype(np.int64), test.astype(np.int64)) for train, test in found]


def _table(array: Any, what: str) -> NDArray[Any]:
    try:
        found = np.asarray(array)
    except ValueError as error:
        raise InputError(f"split: {what} is no array ({error})") from error
    if not found.ndim or not len(found):
        raise InputError(f"split: {what} has no rows; its shape is {found.shape}")
    return found


def _counts(sizes: Any, rows: int) -> list[int]:
    """How many rows each part has: shares are rounded so that their sums are."""
    several = list(sizes) if isinstance(sizes, Sequence) and not isinstance(sizes, str) else []
    whole = all(isinstance(size, Integral) and not isinstance(size, bool) for size in several)
    real = all(isinstance(size, Real) and not isinstance(size, bool) for size in several)
    if not several or not real or not all(0 < size < np.inf for size in several):
        raise TrainingError("sizes must be shares such as (0.6, 0.2, 0.2) or numbers of rows such "
                            f"as (600, 200, 200); found {sizes!r}")
    if whole:
        counts = [int(size) for size in several]
    else:
        if sum(several) > 1 + 1e-9:
            raise TrainingError(f"the shares {sizes!r} sum to more than 1; numbers of rows are "
                                "whole numbers, all of them")
        edges = np.floor(np.cumsum([0, *several]) * rows + 0.5 + 1e-9).astype(int)
        counts = [int(n) for n in np.diff(edges)]
    if sum(counts) > rows:
        raise TrainingError(f"the sizes {sizes!r} ask for {sum(counts)} rows; there are {rows}")
    if 0 in counts:
        raise TrainingError(f"with the sizes {sizes!r} a part of {rows} rows would be empty")
    return counts


def _strata(labels: Any, rows: int) -> Rows:
    """A number for each row: equal labels (or rows of labels) have equal numbers."""
    if labels is None:
        raise TrainingError("stratified folds need a label for each row")
    found = np.asarray(labels)
    if not found.ndim or len(found) != rows:
        raise InputError(f"stratify: expected a label for each of {rows} rows, found shape "
                         f"{found.shape}")
    flat = found.reshape(rows, -1)
    axis = None if flat.shape[1] == 1 else 0
    try:
        numbers = np.unique(flat[:, 0] if axis is None else flat, axis=axis,
                            return_inverse=True)[1]
    except TypeError as error:
        raise InputError("stratify: the labels must be numbers or text that can be put in order, "
                         f"found {found.dtype} entries: {error}") from error
    return numbers.reshape(rows)


def _dealt(strata: Rows, counts: list[int], generator: np.random.Generator) -> list[Rows]:
    """Parts of these sizes, each with its share of every stratum, to one row.

    Shares are rounded down; what is left of each stratum goes, a row each, to the parts that lack
    most (Ryser 1957: if there is a way, this is one).
    """
    totals = np.bincount(strata)
    spare = len(strata) - sum(counts)
    sizes = np.array([*counts, spare])
    table = sizes[:, np.newaxis] * totals // len(strata)
    lacking = sizes - table.sum(1)
    for kind, total in enumerate(totals):
        chosen = np.argsort(-lacking, kind="stable")[:total - table[:, kind].sum()]
        table[chosen, kind] += 1
        lacking[chosen] -= 1
    dealt = [np.split(generator.permutation(np.flatnonzero(strata == kind)),
                      np.cumsum(table[:, kind])[:-1]) for kind in range(len(totals))]
    return [generator.permutation(np.concatenate([own[part] for own in dealt]))
            for part in range(len(counts))]
