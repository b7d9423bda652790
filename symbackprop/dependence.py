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

    def downstream(self, tensors: Collection[Tensor]) -> list[int]:
        """The places of all definitions that depend on these tensors, in order."""
        found: set[int] = set()
        waiting = list(tensors)
        while waiting:
            for place in self.readers.get(waiting.pop(), ()):
                if place not in found:
                    found.add(place)
                    waiting.append(self.program.definitions[place].target)
        return sorted(found)
