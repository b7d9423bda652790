"""The parameters of a layer: made on the way, or given, and then checked against its axes."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from sympy import Expr, Idx, Integer, Symbol

from symbackprop.arrays import Array
from symbackprop.broadcasting import free_letter, shown
from symbackprop.errors import DeclarationError, where
from symbackprop.notation import extent

__all__ = ["bias_of", "fresh", "input_array", "weight_of", "width_of"]


def input_array(what: str, given: Any, rank: int = 1, axes: str = "") -> Array:
    """The input of a layer: a tensor of at least this rank; axes: what they hold, in words."""
    if not isinstance(given, Array):
        raise DeclarationError(f"{what}: the input must be a tensor of rank {rank} or more, not "
                               f"{given!r}")
    if given.rank < rank:
        raise DeclarationError(f"{what}: the input {given._spoken} (declared at {given.where}) has "
                               f"the shape {given.axes}, but needs {rank} axes or more: {axes}")
    return given


def width_of(what: str, name: str, given: Any) -> Expr:
    """A number of units, classes, pieces: a positive int or a size."""
    if isinstance(given, Integral) and not isinstance(given, bool) and int(given) > 0:
        return Integer(int(given))
    if isinstance(given, Expr) and given.is_integer and given.is_positive:
        return given
    raise DeclarationError(f"{what}: the {name} must be a positive int or a size, not {given!r}")


def fresh(length: Expr, names: str, taken: tuple[Idx, ...]) -> Idx:
    """An index of this extent, called by the first of these letters that is not taken."""
    wanted = [Idx(Symbol(name, integer=True), length) for name in names]
    return free_letter(length, wanted, taken)


def weight_of(what: str, letters: tuple[Idx, ...], given: Any = None, hint: str = "W") -> Array:
    """A new parameter with these axes, or the tensor that was given, if it has them."""
    axes = tuple(map(extent, letters))
    if given is None:
        return Array(None, axes, letters, "parameter", hint=hint, where=where())
    if isinstance(given, Array) and given.axes == axes:
        return given
    raise DeclarationError(f"{what}: the weight must be a tensor of shape {axes}, not "
                           f"{shown(given)}; write e.g. weight=sb.parameter('W', *{axes})")


def samples_apart(what: str, x: Array, places: Iterable[int]) -> None:
    """Raises DeclarationError where a parameter would have an entry for each sample."""
    if x.rank > 1 and 0 in places and not x.axes[0].is_Integer:
        raise DeclarationError(
            f"{what}: axis 0 has {x.axes[0]} entries, known in a call only; the axes with "
            "parameters of their own have numbers; write e.g. axis=-1")


def bias_of(what: str, letters: tuple[Idx, ...], given: Any, beside: Array) -> Array | None:
    """A new parameter (True), none (False), or the tensor that was given, if it has these axes."""
    axes = tuple(map(extent, letters))
    if given is True:
        return Array(None, axes, letters, "parameter", hint="b", where=where(), beside=beside)
    if given is False or given is None:
        return None
    if isinstance(given, Array) and given.axes == axes:
        return given
    raise DeclarationError(f"{what}: the bias is True, False or a tensor of shape {axes}, not "
                           f"{shown(given)}")
