"""CrossValidation: the errors of every choice on every fold, as numbers, a table and a plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbackprop.training.loop import History
from symbackprop.training.pictures import axes_of

__all__ = ["CrossValidation"]

Numbers = NDArray[np.float64]
WIDE = 20  # largest over smallest value: from there on an axis is logarithmic


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """points: the choices, name -> value; scores: [choice, fold]; metric: what was measured.

    maximised: whether more is better; history: of the refit, empty without one.
    """

    points: tuple[dict[str, Any], ...]
    scores: Numbers
    metric: str
    maximised: bool
    history: History

    @property
    def means(self) -> Numbers:
        """The mean over the folds, for each choice."""
        return np.asarray(self.scores.mean(1))

    @property
    def standard_errors(self) -> Numbers:
        """Of these means: s/√K, with s the standard deviation over the K folds."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.scores.std(1, ddof=1) / np.sqrt(self.scores.shape[1]))

    @property
    def chosen(self) -> int:
        """The number of the best choice; the first of equal ones, and never one that is NaN."""
        errors = -self.means if self.maximised else self.means
        return int(np.argmin(np.where(np.isnan(errors), np.inf, errors)))

    @property
    def best(self) -> dict[str, Any]:
        """The best choice."""
        return dict(self.points[self.chosen])

    @property
    def text(self) -> str:
        """A line for each choice with its mean and standard error, the best marked."""
        names = list(self.points[0])
        rows = [[*names, self.metric, "s.e."]]
        for point, mean, error in zip(self.points, self.means, self.standard_errors, strict=True):
            rows.append([*(_shown(point[name]) for name in names), f"{mean:.6g}", f"{error:.3g}"])
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
                 for row in rows]
        lines[self.chosen + 1] += "  best"
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text

    def plot(self, axes: Any = None) -> Any:
        """Mean and standard error over the first name, a line for each choice of the others."""
        axes = axes_of(axes)
        name, *others = list(self.points[0])
        lines: dict[str, list[int]] = {}
        for place, point in enumerate(self.points):
            label = ", ".join(f"{other} = {_shown(point[other])}" for other in others)
            lines.setdefault(label, []).append(place)
        for label, places in lines.items():
            axes.errorbar([_number(self.points[p][name], p) for p in places], self.means[places],
                          self.standard_errors[places], marker="o", markersize=4, capsize=3,
                          linewidth=1, label=label or None)
        best = _number(self.best[name], self.chosen)
        axes.axvline(best, color="0.4", linestyle="--",
                     label=f"chosen: {name} = {_shown(self.best[name], 3)}")
        values = [_number(point[name], place) for place, point in enumerate(self.points)]
        if min(values) > 0 and max(values) / min(values) >= WIDE:
            axes.set_xscale("log")
        axes.set_xlabel(name)
        axes.set_ylabel(f"{self.metric.replace('_', ' ')}, {self.scores.shape[1]} folds")
        axes.legend(facecolor="white", edgecolor="none", framealpha=1)
        return axes


def _shown(value: Any, digits: int = 6) -> str:
    return f"{value:.{digits}g}" if isinstance(value, (float, np.floating)) else str(value)


def _number(value: Any, place: int) -> float:
    """Where a value stands on the axis: itself, or its place where it is no number."""
    return float(value) if isinstance(value, (int, float, np.number)) else float(place)
