"""The interpreter with sums of products done as matrix products: the same values, much sooner.

    Σ_i x[n,i]·W[i,j]      60,000·784·128 terms, never held at once
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Basic, Expr, Idx, Mul

from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.interpreter import Grids, Machine
from symbackprop.notation import Definition, Element, extent

__all__ = ["ContractingMachine"]


class ContractingMachine(Machine):
    """A machine that evaluates each factor of a sum on its own indices, then contracts them.

    Factors with a bracket are left to the plain machine, which takes [false]·a to be 0 for any a.
    """

    def __init__(self) -> None:
        super().__init__(None)

    def define(self, definition: Definition) -> None:
        """target[indices] = Σ_over of a product of factors."""
        factors = Mul.make_args(definition.body)
        every = (*definition.indices, *definition.over)
        if definition.op != "sum" or definition.body.has(Iverson) or any(
                index.lower != 0 for index in every):
            super().define(definition)
            return
        numbers = {index: place for place, index in enumerate(every)}
        operands: list[object] = []
        covered: set[Idx] = set()
        for factor in factors:
            letters = free_indices(factor)
            operands += [self._on_its_own(factor, letters), [numbers[i] for i in letters]]
            covered.update(letters)
        for index in every:
            if index not in covered:
                operands += [np.ones(self.length(extent(index))), [numbers[index]]]
        kept = [numbers[i] for i in definition.indices]
        found = np.einsum(*operands, kept, optimize=True)  # type: ignore[call-overload]
        self.arrays[definition.target] = np.asarray(found)

    def node(self, node: Basic, arguments: list[Any], grids: Grids, rank: int) -> Any:
        """A whole tensor read by plain indices is a view of its array, nothing is gathered."""
        if isinstance(node, Element) and all(i in grids for i in node.indices) and len(
                set(node.indices)) == len(node.indices):
            array = self.arrays[node.tensor]
            places = [rank - grids[index].ndim for index in node.indices]
            if array.shape == tuple(len(grids[index]) for index in node.indices) and all(
                    index.lower == 0 for index in node.indices):
                shape = [1] * rank
                for place, length in zip(places, array.shape, strict=True):
                    shape[place] = length
                return array.transpose(np.argsort(places)).reshape(shape)
        return super().node(node, arguments, grids, rank)

    def _on_its_own(self, factor: Expr, letters: tuple[Idx, ...]) -> np.ndarray:
        """A factor as an array with one axis for each of its indices."""
        lengths = [self.length(extent(index)) for index in letters]
        grids = {index: self.along(range(length), len(letters) - place - 1)
                 for place, (index, length) in enumerate(zip(letters, lengths, strict=True))}
        return np.broadcast_to(self.value(factor, grids, len(letters)), lengths)
