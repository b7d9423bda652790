"""NumPy's rules on symbolic shapes, and the index letters that a result is written with.

Two extents agree if they are the same expression, or one of them is 1: whether sizes N and M
will be equal is not known before a call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

from sympy import Expr, Float, Idx, Integer, Rational, Symbol, SympifyError

from symbackprop.errors import DeclarationError
from symbackprop.notation import Tensor, extent


class NotScalarError(DeclarationError, SympifyError):  # type: ignore[misc]
    """A whole tensor was given where SymPy expects a scalar."""

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)

    def __str__(self) -> str:
        return str(self.args[0])


_ALPHABET = "ijklmpqrstuvacdefgh"


def common_shape(shapes: Sequence[tuple[Expr, ...]], spoken: str) -> tuple[Expr, ...]:
    """The shape that all broadcast to, aligned at the last axis; an error where they do not.

    >>> common_shape([(Integer(5), Integer(3)), (Integer(3),)], "x and b")
    (5, 3)
    """
    rank = max(map(len, shapes))
    result = []
    for place in range(-rank, 0):
        extents = [shape[place] for shape in shapes if len(shape) >= -place]
        longer = list(dict.fromkeys(e for e in extents if e != 1))
        if len(longer) > 1:
            raise DeclarationError(
                f"{spoken}: the shapes {' and '.join(map(str, shapes))} do not fit: axis {place} "
                f"has the extents {' and '.join(map(str, longer))}; extents must be the same "
                "expression, or 1"
            )
        result.append(longer[0] if longer else Integer(1))
    return tuple(result)


def letters_for(axes: Sequence[Expr], tensors: Sequence[Tensor]) -> tuple[Idx, ...]:
    """One index for each axis of a result that these tensors broadcast to, all of them distinct."""
    letters: list[Idx] = []
    widest = sorted(tensors, key=lambda t: -t.rank)
    for place, length in zip(range(-len(axes), 0), axes, strict=True):
        own = [t.letters[place] for t in widest if t.rank >= -place]
        letters.append(free_letter(length, own, letters))
    return tuple(letters)


def free_letter(length: Expr, wanted: Iterable[Idx], taken: Iterable[Idx]) -> Idx:
    """The first wanted index that has this extent and a letter not taken, else a fresh one."""
    names = {str(index) for index in taken}
    for index in wanted:
        if extent(index) == length and index.lower == 0 and str(index) not in names:
            return index
    known = {str(index) for index in wanted}
    own = [str(length).lower()] if isinstance(length, Symbol) else []
    tried = [*own, *_ALPHABET, *(f"{letter}{number}" for number in range(2, 99) for letter in "ij")]
    letter = next((c for c in tried if c not in names | known), None) or tried[-1]
    return Idx(Symbol(letter, integer=True), length)


def axes_of(axis: Any, rank: int, spoken: str) -> tuple[int, ...]:
    """axis=None, an int or a tuple of ints as positions 0 … rank − 1, in order.

    >>> axes_of(-1, 3, "x.sum"), axes_of(None, 2, "x.sum")
    ((2,), (0, 1))
    """
    given = tuple(range(rank)) if axis is None else axis
    places = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    for place in places:
        if not isinstance(place, int) or isinstance(place, bool):
            raise DeclarationError(f"{spoken}: axis must be an int, a tuple of ints or None, not "
                                   f"{axis!r}")
        if not -rank <= place < rank:
            raise DeclarationError(f"{spoken}: there is no axis {place}; the tensor has {rank} "
                                   f"axes, {-rank} … {rank - 1}")
    found = sorted(int(place) % rank for place in places)
    if len(set(found)) != len(found):
        raise DeclarationError(f"{spoken}: axis {axis!r} names an axis twice")
    return tuple(found)


def product_letters(
    a: Tensor, b: Tensor, spoken: str
) -> tuple[tuple[Idx, ...], tuple[Idx, ...], tuple[Idx, ...], Idx]:
    """The letters of a @ b: batch axes, the row (none if a is a vector), the column, the sum's."""
    axes = common_shape([a.axes[:-2], b.axes[:-2]], spoken)
    taken: list[Idx] = []
    for place, length in zip(range(-len(axes), 0), axes, strict=True):
        own = [t.letters[place - 2] for t in (a, b) if t.rank >= 2 - place]
        taken.append(free_letter(length, own, taken))
    batch = tuple(taken)
    rows = (free_letter(a.axes[-2], [a.letters[-2]], taken),) if a.rank > 1 else ()
    taken.extend(rows)
    columns = (free_letter(b.axes[-1], [b.letters[-1]], taken),) if b.rank > 1 else ()
    taken.extend(columns)
    own = [a.letters[-1], b.letters[max(b.rank - 2, 0)]]
    return batch, rows, columns, free_letter(a.axes[-1], own, taken)


def is_scalar(given: Any) -> bool:
    """Whether this is a SymPy scalar or a real number; text and truth values are not."""
    return isinstance(given, (Expr, Real)) and not isinstance(given, bool)


def finite_number(given: Any) -> float | None:
    """A real number as a float; None for NaN, infinity, 10⁴⁰⁰, True, and what is no number.

    >>> finite_number(3), finite_number(10**400)
    (3.0, None)
    """
    if isinstance(given, bool) or not isinstance(given, Real):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def scalar_operand(given: Any) -> Expr:
    """A number or SymPy scalar as an expression, or an error that says what to write."""
    if isinstance(given, Expr):
        return given
    if isinstance(given, Fraction):
        return Rational(given.numerator, given.denominator)
    if is_scalar(given):
        return Integer(int(given)) if isinstance(given, Integral) else Float(float(given))
    shown = f"an array of shape {given.shape}" if hasattr(given, "shape") else repr(given)
    raise DeclarationError(
        f"{shown} ({type(given).__name__}) stands in a formula; there are tensors, numbers and "
        "SymPy scalars: declare arrays with sb.data('name', …), and give their values in the call"
    )


def shown(given: Any) -> str:
    """A tensor with its shape and place, a scalar as such, anything else as it is.

    >>> shown(3), shown("x")
    ('the scalar 3', "'x'")
    """
    if isinstance(given, Tensor):
        spoken = given.name or f"the unnamed tensor {given.hint}"
        shape = ", ".join(map(str, given.axes))
        return f"{spoken} of shape ({shape}), declared at {given.where}"
    return f"the scalar {given}" if is_scalar(given) else repr(given)
