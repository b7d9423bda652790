"""Gradient clipping: an optimizer in another one, which shortens the gradient that it sees.

    clip_value         g ← max(−limit, min(limit, g))
    clip_norm          norm ← √(total(g²))          scale ← min(1, limit/(norm + 1e-6))
                                                    g ← scale·g
    clip_global_norm   norm ← √(grand_total(g²))    the same

As torch's clip_grad_value_ and clip_grad_norm_ (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063);
`clip_norm` takes each parameter by itself.  The gradient is that of the whole loss, penalties
included, but around ProximalSGD that of the smooth part alone, without the penalties that its
operator takes; an optimizer's own weight decay comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sympy import Float, Max, Min, Symbol, sqrt

from symbackprop.errors import TrainingError
from symbackprop.training.letters import unused
from symbackprop.training.optimizer import (
    Number,
    Optimizer,
    number_or_schedule,
    values_of,
    with_schedules,
)
from symbackprop.training.rules import Assignment, Rule, g, grand_total, known_letter, total, w

__all__ = ["Clipped", "clip_global_norm", "clip_norm", "clip_value"]

_SMALL = Float("1e-6")


@dataclass(frozen=True, slots=True, repr=False)
class Clipped(Optimizer):
    """An optimizer that sees the gradient clipped; how: "value", "norm" or "global_norm"."""

    optimizer: Optimizer
    limit: Number
    how: str

    def __post_init__(self) -> None:
        owner = f"clip_{self.how}"
        if not isinstance(self.optimizer, Optimizer) or w not in self.optimizer.rule.targets:
            raise TrainingError(
                f"{owner}: the optimizer comes first, one that changes w; write "
                f"{owner}(sb.optimizers.SGD(0.1), 1.0); found {self.optimizer!r}")
        object.__setattr__(self, "limit", number_or_schedule(owner, "limit", self.limit))

    @property
    def full_batch(self) -> bool:  # type: ignore[override]
        """As the optimizer inside."""
        return self.optimizer.full_batch

    @property
    def rule(self) -> Rule:
        """The gradient is clipped, then the optimizer's own assignments."""
        inner = self.optimizer.rule
        clipped = Rule((*self._assignments(), *inner.assignments))
        return with_schedules(clipped, {self._letter: self.limit})

    @property
    def values(self) -> Mapping[str, float]:
        """The optimizer's own numbers, and the limit."""
        return {**self.optimizer.values, **values_of({self._letter: self.limit})}

    @property
    def choices(self) -> tuple[str, ...]:
        """The limit, and what the optimizer inside has; a limit of that is "optimizer.limit"."""
        return ("limit", *(f"optimizer.{name}" if name.endswith("limit") else name
                           for name in self.optimizer.choices))

    def changed(self, name: str, value: Any) -> Clipped:
        """With another limit, or around the same optimizer with another value."""
        if name == "limit":
            return replace(self, limit=value)
        inner = self.optimizer.changed(name.removeprefix("optimizer."), value)
        return replace(self, optimizer=inner)

    @property
    def _letter(self) -> str:
        return self._own("limit")

    def _own(self, stem: str) -> str:
        """A letter that neither the rule inside nor a schedule in it has."""
        rule = self.optimizer.rule
        names = {s.name for s in (*rule.targets, *rule.numbers)}
        return unused(stem, names | {name.split("_")[0] for name in names
                                     if name.startswith(stem)})

    def _assignments(self) -> tuple[Assignment, ...]:
        limit = known_letter(self._letter)
        if self.how == "value":
            return ((g, Max(-limit, Min(limit, g))),)
        norm, scale = (Symbol(self._own(stem), real=True) for stem in ("norm", "scale"))
        added = total(g**2) if self.how == "norm" else grand_total(g**2)
        return ((norm, sqrt(added)), (scale, Min(1, limit / (norm + _SMALL))), (g, scale * g))


def clip_value(optimizer: Optimizer, limit: Number) -> Clipped:
    """Each entry of the gradient between −limit and limit.

    Raises TrainingError for what is no optimizer with a rule, or a limit that is not above 0.

    >>> import symbackprop as sb
    >>> print(clip_value(sb.optimizers.SGD(0.1), 1).formula())
    g ← max(−c, min(c, g))
    w ← w − η·g
    where c = limit = 1, η = rate = 0.1
    """
    return Clipped(optimizer, limit, "value")


def clip_norm(optimizer: Optimizer, limit: Number) -> Clipped:
    """The gradient of each parameter no longer than the limit."""
    return Clipped(optimizer, limit, "norm")


def clip_global_norm(optimizer: Optimizer, limit: Number) -> Clipped:
    """The gradient of all parameters together no longer than the limit."""
    return Clipped(optimizer, limit, "global_norm")
