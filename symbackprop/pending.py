"""What a penalty or a constraint acts on is known where the loss is taken: weights, and names.

A penalty that names no tensors, or names them by text, is an atom `Pending` until
`resolve_penalties` meets it in the collected loss.  Weights are the parameters that stand in a
product inside a sum over one of their own indices; the others are biases and scales.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sympy import Add, Expr, Float, Idx, Mul, Sum, Symbol

from symbackprop.arrays import Array, made
from symbackprop.broadcasting import finite_number, scalar_operand
from symbackprop.errors import DeclarationError, ProgramError, where
from symbackprop.indexing import bound_indices, free_indices
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Reduction,
    Tensor,
    elements_in,
    tensors_in,
)
from symbackprop.randomness import without_noise

__all__ = ["Pending", "hyper_of", "named", "resolve_definitions", "resolve_penalties", "weights"]

_serials = itertools.count()


class Pending(Symbol):  # type: ignore[misc]
    """Σ f(W) over tensors W that are known where the loss is taken; an atom until then.

    total: the expression f of one tensor; rank: of the smallest tensor that shows what it is.
    """

    __slots__ = ("place", "rank", "serial", "tensors", "total")

    def __new__(cls, total: Callable[[Tensor], Expr], tensors: tuple[Any, ...], rank: int = 0
                ) -> Pending:
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
    found = {p: Add(*(p.total(t) for t in named(p.tensors, f"the penalty at {p.place}", expr,
                                                definitions))) for p in pending}
    return expr.xreplace(found)


def resolve_definitions(definitions: Sequence[Definition]) -> tuple[Definition, ...]:
    """The definitions with the penalties in their bodies written out."""
    return tuple(
        replace(d, body=resolve_penalties(d.body, definitions)) if d.body.has(Pending) else d
        for d in definitions
    )


def weights(definitions: Iterable[Definition]) -> tuple[Tensor, ...]:
    """The parameters that stand in a product inside a sum over one of their own indices.

    So does, with the one-hot rows of the labels, an embedding that is read by a gather.

    >>> import symbackprop as sb
    >>> x, W, b = sb.data("x", sb.size("N"), 64), sb.parameter("W", 64, 32), sb.parameter("b", 32)
    >>> weights(sb.program(sb.tanh(x @ W + b)))
    (<parameter W[i, j]>,)
    """
    found: dict[Tensor, None] = {}
    for definition in definitions:
        over = definition.over if definition.op == "sum" else ()
        body = without_noise(definition.body)  # with noise on it a weight is one still
        found.update(dict.fromkeys(_summed_factors(body, frozenset(over))))
        found.update(dict.fromkeys(e.tensor for e in elements_in(definition.body) if any(
            index.has(Element) for index in e.args[1:])))
    return tuple(sorted((t for t in found if t.role == "parameter"), key=lambda t: t.serial))


def _summed_factors(body: Expr, over: frozenset[Idx] = frozenset()) -> Iterator[Tensor]:
    """The tensors that stand in a product inside a sum over one of their indices."""
    stack, seen = [(body, over)], set()
    while stack:
        node, bound = stack.pop()
        if (node, bound) in seen:
            continue
        seen.add((node, bound))
        if isinstance(node, (Sum, Reduction)):
            inner = frozenset(bound_indices(node)) if isinstance(node, Sum) else frozenset()
            stack.append((node.args[0], bound | inner))
            continue
        if isinstance(node, Mul) and sum(bool(tensors_in(f)) for f in node.args) > 1:
            for element in (e for factor in node.args for e in _through_products(factor)):
                if bound.intersection(free_indices(element)):
                    yield element.tensor
        stack.extend((arg, bound) for arg in node.args)


def _through_products(factor: Expr) -> Iterator[Element]:
    """The element that a factor is; for an unnamed product such as W*mask, the elements in it."""
    if not isinstance(factor, Element):
        return
    yield factor
    definition = factor.tensor.definition
    if definition is None or factor.tensor.name is not None or definition.op != "map":
        return
    body = without_noise(definition.body)
    inside = body.args if isinstance(body, Mul) else (body,)
    mapping = dict(zip(definition.indices, factor.indices, strict=True))
    for part in inside:
        if isinstance(part, Element) and set(definition.indices) <= set(part.indices):
            yield part.xreplace(mapping)


def named(given: Sequence[Any], spoken: str, expr: Expr, definitions: Sequence[Definition]
          ) -> list[Tensor]:
    """The tensors that are given, by themselves or by name; the weights of a loss for none.

    Raises ProgramError where a name is unknown, or no tensor is a weight; spoken: what asks.
    """
    if not given:
        own = made((), expr).tensor.definition  # a loss may itself hold Σ x·w
        found = list(weights((*definitions, own)))
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


def hyper_of(given: Any, hint: str, spoken: str, remedy: str) -> Expr:
    """A strength, bound or other number as a scalar: a number becomes a hyper with that default.

    Raises DeclarationError for what is no finite real number and no scalar of hypers.
    """
    if isinstance(given, (Array, str)):
        raise DeclarationError(f"{spoken} comes first and is a number or a hyper, not {given!r}; "
                               f"write {remedy}")
    value = scalar_operand(given)
    if not value.is_number:
        return value
    number = finite_number(Float(value)) if value.is_real and value.is_finite else None
    if number is None:
        raise DeclarationError(f"{spoken} is a finite real number, not {given!r}")
    tensor = Array(None, (), (), "hyper", hint=hint, numbered=False, where=where())
    tensor.default = number
    return tensor.symbol
