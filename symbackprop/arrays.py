"""Tensors as arrays: x[n, i], x @ W + b, NumPy's rules, all shorthand for definitions."""

from __future__ import annotations

from typing import Any

from symbackprop.errors import DeclarationError
from symbackprop.notation import Element, Tensor

__all__ = ["Array"]


class Array(Tensor):
    """A tensor of rank 1 or more that the user can index and compute with."""

    __slots__ = ()
    _op_priority = 1000.0

    def __getitem__(self, indices: Any) -> Element:
        given = indices if isinstance(indices, tuple) else (indices,)
        if len(given) != self.rank:
            raise DeclarationError(f"{self.name or self.hint} has {self.rank} axes, not {len(given)}")
        return Element(self.symbol, *given)
