"""Sums of products as matrix products: A B, A diag(v) B, A v, uᵀ v, 1ᵀ v and tr(A B).

Of a sum over several indices one is summed at a time, the one that meets the fewest others first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sympy import Add, Expr, Idx, Mul, Pow

from symbackprop.notation import Element, Tensor
from symbackprop.printing.contractions import (
    Axis,
    called,
    cyclic,
    neighbours,
    parted,
    sides,
    softmax_of,
    sum_over,
)
from symbackprop.printing.formula import Formula, Piece, name, ones, transpose
from symbackprop.printing.matrix_brackets import MATMUL, POSTFIX, WHOLE, product, shortness
from symbackprop.printing.ordering import numbers_out


class Writing(Protocol):
    """What writes the parts: an expression, or a product of factors, over a row and a column."""

    @property
    def names(self) -> Mapping[Tensor, str]:
        """The names of tensors."""

    def form(self, expr: Expr, row: Axis, column: Axis) -> Piece:
        """The expression as a matrix, column, row or scalar."""

    def multiplied(self, factors: Sequence[Expr], row: Axis, column: Axis) -> Piece:
        """The product of the factors, entry by entry."""


def summed(writer: Writing, factors: Sequence[Expr], over: list[Idx], row: Axis, column: Axis
           ) -> Piece:
    """Σ of a product: one index after the other, each with the factors that carry it."""
    factors = numbers_out(factors)
    if len(over) == 2 and row is None and column is None:
        halves = cyclic(factors, over)
        if halves is not None:
            return _trace(writer, *halves, *over)
    if len(over) > 1:
        index = min(reversed(over), key=lambda i: len(neighbours(factors, i)))
        inside, outside = parted(factors, index)
        inner = sum_over(inside, index)
        return summed(writer, [*outside, inner], [i for i in over if i != index], row, column)
    (index,) = over
    inside, outside = parted(factors, index)
    if outside:
        return writer.multiplied([*outside, sum_over(inside, index)], row, column)
    return _contracted(writer, inside, index, row, column)


def _contracted(writer: Writing, factors: list[Expr], index: Idx, row: Axis, column: Axis) -> Piece:
    """A diag(v) B, A v, vᵀ B or uᵀ v."""
    left, alone, right = sides(factors, index, row)
    if row is None and column is None:
        return _inner(writer, alone, index)
    parts: list[Formula] = []
    if row is not None:
        parts.append(writer.form(Mul(*left), row, index).within(MATMUL))
    if row is not None and column is not None:
        if alone:
            diagonal = writer.form(Mul(*alone), index, None).formula
            parts.append(called(writer.names, "diag", diagonal).formula)
    elif not alone:
        parts.append(ones() if column is None else transpose(ones()))
    else:
        axes = (index, None) if column is None else (None, index)
        parts.append(writer.form(Mul(*alone), *axes).within(MATMUL))
    if column is not None:
        parts.append(writer.form(Mul(*right), index, column).within(MATMUL))
    return product(parts)


def _trace(writer: Writing, first: Expr, second: Expr, one: Idx, other: Idx) -> Piece:
    """tr(A B) of Σ A[i,k]·B[k,i], in the order and orientation with the fewest ᵀ."""
    tried = [product([writer.form(a, p, q).within(MATMUL), writer.form(b, q, p).within(MATMUL)])
             for a, b in ((first, second), (second, first))
             for p, q in ((other, one), (one, other))]
    return called(writer.names, "tr", min(tried, key=shortness).formula)


def _inner(writer: Writing, factors: list[Expr], index: Idx) -> Piece:
    """uᵀ v of two vectors or more, rᵀ r of a square, else 1ᵀ v."""
    if len(factors) == 1 and isinstance(factors[0], Element) and (
            factors[0].indices == (index, index)):
        return called(writer.names, "tr", name(writer.names[factors[0].tensor]))
    plain = sorted(factors, key=lambda f: not isinstance(f, (Element, Add)))
    first, rest = plain[0], plain[1:]
    if isinstance(first, Pow) and first.args[1] == 2 and isinstance(first.args[0], Element):
        first, rest = first.args[0], [first.args[0], *rest]
    if not rest:
        return product([transpose(ones()), writer.form(first, index, None).within(MATMUL)])
    left = writer.form(first, None, index).within(MATMUL)
    return product([left, writer.form(Mul(*rest), index, None).within(MATMUL)])


def softmax(writer: Writing, expr: Expr, row: Axis, column: Axis) -> Piece | None:
    """How exp(z − log Σ exp(z)) is written: a softmax along rows; None if it is none."""
    if row is None or column is None:
        return None
    for first, second in ((row, column), (column, row)):
        scores = softmax_of(expr, second)
        if scores is not None:
            found = called(writer.names, "softmax", writer.form(scores, first, second).formula)
            return found if first is row else Piece(transpose(found.within(WHOLE)), POSTFIX)
    return None
