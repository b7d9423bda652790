"""Constraints: conditions that hold for the parameters after every step of any optimizer.

    nonnegative   w ≥ 0
    box           lo ≤ w ≤ hi
    max_norm      ‖w_g‖ ≤ c                of every group g: of all that enters a unit
    norm          Σ w² ≤ B                 of all of them together (lecture 004)
    Custom        any condition in SymPy, for every value of its free indices

A constraint is its condition and nothing else: the projection onto what it allows is derived from
that, as the proximal operator of the function that is 0 where the condition holds and ∞ elsewhere.
It acts on the tensors that it names, or on all weights and no biases, and is given to a Model:

    sb.Model(inputs=x, targets=y, output=p, loss=L, constraints=[sb.constraints.max_norm(3)])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import And, Eq, Expr, Ge, Idx, Le, Piecewise, S, Sum, oo, sqrt
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from symbackprop.arrays import Array, read
from symbackprop.broadcasting import letters_for
from symbackprop.errors import DeclarationError, where
from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.notation import Definition, Tensor, tensors_in
from symbackprop.pending import hyper_of, named
from symbackprop.separation import inlined
from symbackprop.weighing import check_axis, group

__all__ = ["Constraint", "Custom", "box", "indicator", "max_norm", "nonnegative", "norm"]

Condition = tuple[tuple[Idx, ...], Boolean]


@dataclass(frozen=True, slots=True)
class Constraint:
    """Conditions on the tensors that it names, by themselves or by name; none for all weights."""

    name: str
    conditions: Callable[[Sequence[Tensor], Sequence[Definition]], Sequence[Condition]]
    tensors: tuple[Any, ...]
    rank: int
    place: str

    def definitions(self, loss: Tensor, known: Sequence[Definition]) -> list[Tensor]:
        """The conditions in the program of a loss: tensors that are 1 where they hold, else 0."""
        found = named(self.tensors, f"the constraint {self.name} at {self.place}", loss.symbol,
                      known)
        return [_defined(self.name, letters, condition, self.place)
                for letters, condition in self.conditions(found, known)]

    def __repr__(self) -> str:
        shown = ", ".join(repr(t) if isinstance(t, str) else t.name or t.hint
                          for t in (getattr(t, "tensor", t) for t in self.tensors))
        return f"<constraint {self.name} on {shown or 'all weights'}>"


def nonnegative(*tensors: Any) -> Constraint:
    """w ≥ 0, for every entry.

    >>> import symbackprop as sb
    >>> print(sb.proximal(sb.constraints.nonnegative("W1")))
    W1 ← v  if v > 0
         0  if v ≤ 0
    """
    return _entries("nonnegative", lambda w: Ge(w, 0, evaluate=False), tensors)


def box(lower: Any, upper: Any, *tensors: Any) -> Constraint:
    """lower ≤ w ≤ upper, for every entry; None for a side that is open.

    Numbers become hypers, which are changed at run time.  Raises DeclarationError where neither
    side has a bound, or a bound is no scalar.
    """
    spoken, remedy = "a bound of a box", 'sb.constraints.box(-1, 1, "W1")'
    low, high = (None if bound is None else hyper_of(bound, hint, spoken, remedy)
                 for bound, hint in ((lower, "lo"), (upper, "hi")))
    if low is None and high is None:
        raise DeclarationError(f"a box needs a bound on one side at least; write {remedy}")

    def inside(w: Expr) -> Boolean:
        return And(*(() if low is None else (Ge(w, low, evaluate=False),)),
                   *(() if high is None else (Le(w, high, evaluate=False),)))

    return _entries("box", inside, tensors)


def max_norm(bound: Any, *tensors: Any, axis: Any = "unit") -> Constraint:
    """‖w_g‖ ≤ bound, where a group g is all that enters a unit (Srivastava and others 2014).

    axis: "unit", so every column of W[inputs, outputs], and all of a kernel that enters one of its
    channels; "input", all that leaves an input; or along which axes a group lies, an int or a tuple
    of ints.  What enters a unit follows from how the loss reads a weight (`weighing.py`).  A number
    becomes a hyper.  Raises DeclarationError for a bound that is no scalar, or another axis.
    """
    most = hyper_of(bound, "c", "the bound of a norm", 'sb.constraints.max_norm(3, "W1")')
    check_axis(axis, "max_norm")

    def conditions(found: Sequence[Tensor], readers: Sequence[Definition]) -> list[Condition]:
        made = []
        for tensor in found:
            spoken = tensor.name or tensor.hint
            if not tensor.rank:
                raise DeclarationError(f"max_norm runs along an axis, and {spoken} is one number; "
                                       "write sb.constraints.box(-3, 3, …)")
            letters = letters_for(tensor.axes, [tensor])
            places = group(axis, tensor, readers, f"max_norm of {spoken}")
            total = Sum(read(tensor, letters)**2, *(letters[p] for p in places))
            outer = tuple(i for at, i in enumerate(letters) if at not in places)
            made.append((outer, Le(sqrt(total), most)))
        return made

    return Constraint("max_norm", conditions, _named(tensors), 2, where())


def norm(bound: Any, *tensors: Any) -> Constraint:
    """‖w‖² = Σ w² ≤ bound, over all entries of all the tensors together (lecture 004).

    A number becomes a hyper.  Raises DeclarationError for a bound that is no scalar.
    """
    most = hyper_of(bound, "B", "the bound of a squared norm", 'sb.constraints.norm(10, "W1")')

    def conditions(found: Sequence[Tensor], _readers: Sequence[Definition]) -> list[Condition]:
        total: Expr = S.Zero
        for tensor in found:
            letters = letters_for(tensor.axes, [tensor])
            square = read(tensor, letters)**2
            total += Sum(square, *letters) if letters else square
        return [((), Le(total, most))]

    return Constraint("norm", conditions, _named(tensors), 1, where())


def Custom(condition: Any) -> Constraint:
    """Any condition on parameters, e.g. Sum(W[i, j], i)**2 <= 1: for every j, its free index.

    Raises DeclarationError for what is no condition, or reads no parameter.

    >>> import symbackprop as sb
    >>> w = sb.parameter("w", 5)
    >>> (i,) = w.letters
    >>> print(sb.proximal(sb.constraints.Custom(abs(w[i]) <= 2)))
    w[i] ← 2     if v[i] > 2
           v[i]  if |v[i]| ≤ 2
           −2    if v[i] ≤ −2
    """
    if not isinstance(condition, Boolean):
        raise DeclarationError(f"{condition!r} is no condition; write e.g. "
                               "sb.constraints.Custom(W[i, j] >= 0)")
    other = [c for c in condition.atoms(Relational) if not isinstance(c, (Ge, Le))]
    if other:
        raise DeclarationError(f"{other[0]} is not closed, or has no inside: nothing could be "
                               "projected onto it; write conditions with <= and >=")
    sides = [side for comparison in condition.atoms(Relational) for side in comparison.args]
    read_ = dict.fromkeys(t for side in sides for t in tensors_in(inlined(side)))
    tensors = tuple(t for t in read_ if t.role == "parameter")
    if not tensors:
        raise DeclarationError(f"{condition} reads no parameter, so there is nothing to keep")
    letters = free_indices(condition)
    return Constraint("Custom", lambda found, readers: [(letters, condition)], tensors, 0, where())


def indicator(holds: Tensor) -> Expr:
    """0 where the conditions of this tensor hold everywhere, else ∞; its prox is the projection."""
    definition = holds.definition
    assert definition is not None
    body = definition.body
    condition = body.args[0] if isinstance(body, Iverson) else Eq(body, 1)
    outside = Piecewise((S.Zero, condition), (oo, True))
    return Sum(outside, *definition.indices) if definition.indices else outside


def _entries(name: str, condition: Callable[[Expr], Boolean], tensors: tuple[Any, ...]
             ) -> Constraint:
    def conditions(found: Sequence[Tensor], _readers: Sequence[Definition]) -> list[Condition]:
        letters = [letters_for(tensor.axes, [tensor]) for tensor in found]
        return [(i, condition(read(tensor, i))) for tensor, i in zip(found, letters, strict=True)]

    return Constraint(name, conditions, _named(tensors), 0, where())


def _named(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    for tensor in tensors:
        if not isinstance(tensor, (Array, str)) and not hasattr(tensor, "tensor"):
            raise DeclarationError(f"a constraint takes tensors or their names, not {tensor!r}; "
                                   'write e.g. sb.constraints.nonnegative("W1", V)')
    return tensors


def _defined(name: str, letters: tuple[Idx, ...], condition: Boolean, place: str) -> Tensor:
    axes = tuple(i.upper + 1 for i in letters)
    holds = Array(None, axes, letters, "intermediate", hint=name, where=place)
    holds.definition = Definition(holds, letters, Iverson(condition), where=place)
    return holds
