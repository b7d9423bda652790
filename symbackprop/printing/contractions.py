"""Which factor of a sum meets which: what the matrix form needs to know of indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from sympy import Add, Eq, Expr, Idx, Mul, Pow, Sum, Tuple, exp

from symbackprop.functions import Iverson
from symbackprop.indexing import bound_indices, free_indices, replace_indices
from symbackprop.notation import Element, Tensor, extent
from symbackprop.printing.formula import Formula, Piece, call
from symbackprop.printing.matrix_brackets import WHOLE
from symbackprop.printing.ordering import fraction
from symbackprop.reductions import LogSumExp

Axis: TypeAlias = Idx | None


class NoMatrixForm(Exception):
    """This body has none; the line stays in index form."""


class Sides(NamedTuple):
    """The factors that are summed over an index, by the other index that they carry."""

    left: list[Expr]
    alone: list[Expr]
    right: list[Expr]


def sides(factors: Sequence[Expr], index: Idx, row: Axis) -> Sides:
    """The factors of Σ_index, sorted; each carries the index and at most one other."""
    above, below = fraction(factors)
    found = Sides([], [], [])
    for factor in [*above, *(Pow(f, -1) for f in below)]:
        others = set(free_indices(factor)) - {index}
        if len(others) > 1:
            raise NoMatrixForm
        side = found.alone if not others else found.left if row in others else found.right
        side.append(factor)
    return found


def whole_axes(element: Element) -> tuple[Axis, ...]:
    """The indices of an access to a whole tensor, None for an axis that has one entry only."""
    axes: list[Axis] = []
    for index, length in zip(element.indices, element.tensor.axes, strict=True):
        whole = isinstance(index, Idx) and index.lower == 0 and extent(index) == length
        if not whole and (length != 1 or index != 0):
            raise NoMatrixForm
        axes.append(index if whole else None)
    return tuple(axes)


def whole_range(limit: Tuple) -> Idx:
    """The index of a limit of a Sum, which must run over the whole range from 0."""
    index, lower, upper = limit
    if (lower, upper) != (index.lower, index.upper) or lower != 0:
        raise NoMatrixForm
    return index


def parted(factors: Sequence[Expr], index: Idx) -> tuple[list[Expr], list[Expr]]:
    """The factors that carry an index, and the others."""
    carried = [index in free_indices(factor) for factor in factors]
    return ([f for f, inside in zip(factors, carried, strict=True) if inside],
            [f for f, inside in zip(factors, carried, strict=True) if not inside])


def neighbours(factors: Sequence[Expr], index: Idx) -> set[Idx]:
    """The other indices of the factors that carry an index."""
    inside, _ = parted(factors, index)
    return {i for factor in inside for i in free_indices(factor)} - {index}


def cyclic(factors: Sequence[Expr], over: Sequence[Idx]) -> tuple[Expr, Expr] | None:
    """Σ_{i,k} f·g of factors that all carry i and k, at least two: tr(F G) of these halves."""
    above, below = fraction(factors)
    if below or not above or any(set(free_indices(f)) != set(over) for f in above):
        return None
    first = above[0]
    if isinstance(first, Pow) and first.args[1] == 2 and isinstance(first.args[0], Element):
        return first.args[0], Mul(first.args[0], *above[1:])
    return (first, Mul(*above[1:])) if above[1:] else None


def is_delta(factor: Expr, row: Axis, column: Axis) -> bool:
    """[row = column], the entries of the identity matrix."""
    return isinstance(factor, Iverson) and isinstance(factor.args[0], Eq) and set(
        factor.args[0].args) == {row, column}


def is_symmetric(tensor: Tensor) -> bool:
    """Whether A = Aᵀ was declared, or is plain from the definition, as of Σ_n x[n,i]·x[n,j]."""
    made = tensor.definition
    if tensor.rank != 2 or tensor.axes[0] != tensor.axes[1]:
        return False
    if made is None or made.op not in ("map", "sum"):
        return tensor.has_fact("symmetric")
    row, column = made.indices
    return bool(made.body.xreplace({row: column, column: row}) == made.body)


def called(names: Mapping[Tensor, str], function: str, *arguments: Formula) -> Piece:
    """f(A, B); where a tensor is called f, a line that has both would have two meanings."""
    if function in names.values():
        raise NoMatrixForm
    return Piece(call(function, *arguments), WHOLE)


def softmax_of(expr: Expr, index: Axis) -> Expr | None:
    """The z of exp(z − log Σ exp(z)), where the sum runs over what is here the index."""
    if not isinstance(expr, exp) or index is None:
        return None
    for term in Add.make_args(expr.args[0]):
        if not isinstance(-term, LogSumExp):
            continue
        (over, *others), scores = bound_indices(-term), expr.args[0] - term
        if not others and extent(over) == extent(index) and over.lower == index.lower and (
                replace_indices((-term).args[0], {over: index}) == scores):
            return scores
    return None


def sum_over(factors: Sequence[Expr], index: Idx) -> Expr:
    """Σ_index of the product of the factors; of none, the number of terms."""
    if not factors:
        return extent(index)
    return Sum(Mul(*factors), (index, index.lower, index.upper))
