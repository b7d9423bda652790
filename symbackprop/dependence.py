"""Who depends on what, found once for a program: an analysis then visits only what it concerns."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sympy import Expr

from symbackprop.notation import Program, Tensor, elements_in

__all__ = ["Dependence"]


@dataclass(slots=True)
class Dependence:
    """elements[p]: what definition p reads; readers[t]: the places of those that read t."""

    program: Program
    elements: list[list[Expr]] = field(default_factory=list)
    readers: dict[Tensor, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place, definition in enumerate(self.program):
            self.elements.append([*elements_in(definition.body)])
            for tensor in dict.fromkeys(e.tensor for e in self.elements[-1]):
                self.readers.setdefault(tensor, []).append(place)

    def downstream(self, tensors: Collection[Tensor], around: Tensor | None = None) -> list[int]:
        """The places of all definitions that depend on these tensors, in order.

        around: what is reached through this tensor alone is left out, and so is its definition.
        """
        found: set[int] = set()
        waiting = list(tensors)
        while waiting:
            for place in self.readers.get(waiting.pop(), ()):
                target = self.program.definitions[place].target
                if place not in found and target is not around:
                    found.add(place)
                    waiting.append(target)
        return sorted(found)
