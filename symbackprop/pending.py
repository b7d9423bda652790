"""What a penalty or a constraint acts on is known where the loss is taken: weights, and names.

A penalty that names no tensors, or names them by text, is an atom `Pending` until
`resolve_penalties` meets it in the collected loss, with the definitions that read its tensors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sympy import Add, Expr, Float, Symbol

from symbackprop.arrays import Array, made
from symbackprop.broadcasting import finite_number, scalar_operand
from symbackprop.errors import DeclarationError, ProgramError, where
from symbackprop.laws import RANGES, Asks
from symbackprop.notation import Definition, Program, Tensor, tensors_in
from symbackprop.weighing import weights

__all__ = ["Pending", "Total", "hyper_of", "named", "resolve_definitions", "resolve_penalties",
           "weights"]

Total = Callable[[Tensor, Sequence[Definition]], Expr]
_serials = itertools.count()


class Pending(Symbol):  # type: ignore[misc]
    """Σ f(W) over tensors W that are known where the loss is taken; an atom until then.

    total: the expression f of one tensor, from the definitions that may read it; rank: of the
    smallest tensor that shows what it is.
    """

    __slots__ = ("place", "rank", "serial", "tensors", "total")

    def __new__(cls, total: Total, tensors: tuple[Any, ...], rank: int = 0) -> Pending:
        pending: Pending = Symbol.__xnew__(cls, "penalty", real=True)
        pending.total, pending.tensors, pending.rank = total, tensors, rank
        pending.place, pending.serial = where(), next(_serials)
        return pending

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*Symbol._hashable_content(self), self.serial)

    def __copy__(self) -> Pending:
        return self  # an atom: no other one means the same penalty

    def __deepcopy__(self, memo: object) -> Pending:
        return self

    def sort_key(self, order: Any = None) -> Any:
        """By serial: two penalties never stand in the order of a hash."""
        kind, (count, names), coefficient, exponent = super().sort_key(order)
        return kind, (count, (*names, self.serial)), coefficient, exponent


def resolve_penalties(expr: Expr, definitions: Sequence[Definition]) -> Expr:
    """The expression with every penalty written out over its tensors, or the weights found here.

    Raises ProgramError where a name is unknown, or no tensor is a weight.
    """
    pending = sorted(expr.atoms(Pending), key=lambda p: p.serial)
    if not pending:
        return expr
    readers = (*definitions, _own(expr))
    found = {p: Add(*(p.total(t, readers) for t in named(
        p.tensors, f"the penalty at {p.place}", expr, definitions))) for p in pending}
    return expr.xreplace(found)


def resolve_definitions(definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    """The definitions with the penalties in their bodies written out."""
    return tuple(
        replace(d, body=resolve_penalties(d.body, definitions)) if d.body.has(Pending) else d
        for d in definitions
    )


def named(given: Sequence[Any], spoken: str, expr: Expr, definitions: Sequence[Definition]
          ) -> list[Tensor]:
    """The tensors that are given, by themselves or by name; the weights of a loss for none.

    Raises ProgramError where a name is unknown, or no tensor is a weight; spoken: what asks.
    """
    if not given:
        found = list(weights((*definitions, _own(expr))))
        if not found:
            raise ProgramError(
                f"{spoken} names no tensors and this loss has no weights (parameters in a product "
                "inside a sum over one of their indices); name them, e.g. "
                'sb.penalties.l2(1e-4, "W1")')
        return found
    program = Program(tuple(definitions), tuple(tensors_in(expr)))
    known = {name: tensor for tensor, name in program.names.items()}
    for name in (t for t in given if isinstance(t, str) and t not in known):
        listed = ", ".join(name for name, t in known.items() if t.role == "parameter") or "none"
        raise ProgramError(f"{spoken} names {name!r}; the parameters of this loss are {listed}")
    return [known[t] if isinstance(t, str) else getattr(t, "tensor", t) for t in given]


def _own(expr: Expr) -> Definition:
    """The definition of a loss, which may itself hold Σ x·w."""
    definition: Definition = made((), expr).tensor.definition
    return definition


def hyper_of(given: Any, hint: str, spoken: str, remedy: str, kind: str = "real") -> Expr:
    """A strength, bound or other number as a scalar: a number becomes a hyper with that default,
    which stays in a row of `RANGES`.

    Raises DeclarationError for what is no finite real number and no scalar of hypers.
    """
    if isinstance(given, (Array, str)):
        raise DeclarationError(f"{spoken} comes first and is a number or a hyper, not {given!r}; "
                               f"write {remedy}")
    value = scalar_operand(given)
    if not value.is_number:
        return value
    number = finite_number(Float(value)) if value.is_real and value.is_finite else None
    if number is None or not RANGES[kind].fits(number):
        words = RANGES["real" if number is None else kind].words
        raise DeclarationError(f"{spoken} is {words}, not {given!r}")
    tensor = Array(None, (), (), "hyper", hint=hint, numbered=False, where=where())
    tensor.default = number
    tensor.law = None if kind == "real" else Asks(((tensor.symbol, kind),))
    return tensor.symbol
