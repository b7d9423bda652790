"""What is made of a formula once is made of all that are alike but for the names of tensors.

The layers of a deep net have the same formulas with other tensors in them:

    δ3[n,l]·(1 − h3[n,l]²)        δ4[n,l]·(1 − h4[n,l]²)

`spelling(…)` is a key that such formulas share, `Likeness` a memory by that key: the first of them
is computed as it stands, and its result is handed on with the tensors of the others in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sympy import Basic, Expr, Idx

from symbackprop.notation import Tensor, TensorSymbol, tensors_in

__all__ = ["Likeness", "spelling"]

Made = TypeVar("Made")
Renaming = Mapping[Expr, Expr]  # symbols of tensors, in place of others


def spelling(*bodies: Expr) -> tuple[object, list[Tensor]]:
    """The key of some formulas, and their tensors in the order in which the key numbers them.

    Equal keys mean equal formulas once their tensors are exchanged by that order: these agree in
    all that a rule may ask for (shape, letters, role, facts) and in how SymPy sorts them.  Data
    are not exchanged, nor are letters.
    """
    tensors = list(dict.fromkeys(t for body in bodies for t in tensors_in(body)))
    places = {t: place for place, t in enumerate(tensors)}
    numbered: list[object] = []
    stack: list[Basic] = list(reversed(bodies))
    while stack:
        node = stack.pop()
        if isinstance(node, TensorSymbol):
            numbered.append(places[node.tensor])
        elif isinstance(node, Idx) or not node.args:
            numbered.append((type(node), node))
        else:
            numbered.append((node.func, len(node.args)))
            stack.extend(reversed(node.args))
    kinds = tuple(t if t.role == "data" else (t.axes, t.letters, t.role, t.facts)
                  for t in tensors)
    order = tuple(sorted(places.values(), key=lambda p: tensors[p].symbol.sort_key()))
    return (kinds, order, tuple(numbered)), tensors


def exchanged(old: list[Tensor], new: list[Tensor]) -> dict[Expr, Expr]:
    """The symbols of some tensors for those of others."""
    return {one.symbol: other.symbol for one, other in zip(old, new, strict=True)
            if one is not other}


@dataclass(slots=True)
class Likeness(Generic[Made]):
    """A function of formulas that remembers what it made, for all formulas that are alike.

    make: what is computed; renamed: its result with other tensors in it.
    """

    make: Callable[..., Made]
    renamed: Callable[[Made, Renaming], Made]
    known: dict[object, tuple[list[Tensor], Made]] = field(default_factory=dict)

    def __call__(self, *bodies: Expr) -> Made:
        key, tensors = spelling(*bodies)
        if key not in self.known:
            self.known[key] = tensors, self.make(*bodies)
        others, made = self.known[key]
        renaming = exchanged(others, tensors)
        return self.renamed(made, renaming) if renaming else made
