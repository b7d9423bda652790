"""Penalties λ·Σ f(w), plain sums over the named tensors, or over all weights and no biases.

    l1 = λ Σ|w|,   l2 = λ Σ w²,   elastic_net = λ1 Σ|w| + λ2 Σ w²

Which tensors are weights depends on the loss, so a penalty that names none, or names by text, is
a placeholder `Pending` until `resolve_penalties` meets it where the loss is taken.  A λ given as
a number becomes a hyper, which is changed at run time without compiling again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sympy import Abs, Add, Expr, Float, Idx, Mul, Sum, Symbol

from symbackprop.arrays import Array, made, read
from symbackprop.broadcasting import finite_number, is_scalar, letters_for, scalar_operand
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
from symbackprop.randomness import averaged

__all__ = ["elastic_net", "elementwise", "l1", "l2"]

_serials = itertools.count()


class Pending(Symbol):  # type: ignore[misc]
    """Σ f(w) over tensors that are known where the loss is taken; an atom until then."""

    __slots__ = ("function", "place", "serial", "tensors")

    def __new__(cls, function: Callable[[Expr], Expr], tensors: tuple[Any, ...]) -> Pending:
        pending: Pending = Symbol.__xnew__(cls, "penalty", real=True)
        pending.function, pending.tensors = function, tensors
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


def l1(strength: Any, *tensors: Any) -> Expr:
    """λ Σ|w|, with derivative 0 at 0; tensors or their names, none for all weights.

    >>> import symbackprop as sb
    >>> W = sb.parameter("W", 64, 32)
    >>> print(sb.program(sb.penalties.l1(1e-3, W)))
    L = lam·Σ_{i,j} |W[i,j]|
    """
    return elementwise(strength, Abs, *tensors)


def l2(strength: Any, *tensors: Any) -> Expr:
    """λ Σ w²; tensors or their names, none for all weights."""
    return elementwise(strength, _square, *tensors)


def elastic_net(strength1: Any, strength2: Any, *tensors: Any) -> Expr:
    """λ1 Σ|w| + λ2 Σ w²; tensors or their names, none for all weights."""
    first, second = _strength(strength1, "lam1"), _strength(strength2, "lam2")
    return elementwise(first, Abs, *tensors) + elementwise(second, _square, *tensors)


def elementwise(strength: Any, function: Callable[[Expr], Any], *tensors: Any) -> Expr:
    """λ Σ f(w) for any SymPy expression f; tensors or their names, none for all weights.

    Raises DeclarationError where λ is no scalar, a tensor is none, or f(w) is no scalar.

    >>> import symbackprop as sb
    >>> w = sb.parameter("w", 5)
    >>> print(sb.program(sb.penalties.elementwise(0.1, lambda t: t**4, w)))
    L = lam·Σ_i w[i]⁴
    """
    for tensor in tensors:
        if not isinstance(tensor, (Array, str)) and not hasattr(tensor, "tensor"):
            raise DeclarationError(
                f"a penalty takes a strength and then tensors or their names, not {tensor!r}; "
                'write e.g. sb.penalties.l2(1e-4, "W1", V)'
            )
    scale = _strength(strength)
    if not tensors or any(isinstance(tensor, str) for tensor in tensors):
        return scale * Pending(function, tensors)
    return scale * made((), _total(function, [getattr(t, "tensor", t) for t in tensors]), "R")


def resolve_penalties(expr: Expr, definitions: Sequence[Definition]) -> Expr:
    """The expression with every penalty written out over its tensors, or the weights found here.

    Raises ProgramError where a name is unknown, or no tensor is a weight.
    """
    pending = sorted(expr.atoms(Pending), key=lambda p: p.serial)
    if not pending:
        return expr
    found = {p: _total(p.function, _targets(p, expr, definitions)) for p in pending}
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
        body = averaged(definition.body)  # with noise on it a weight is one still
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
    body = averaged(definition.body)
    inside = body.args if isinstance(body, Mul) else (body,)
    mapping = dict(zip(definition.indices, factor.indices, strict=True))
    for part in inside:
        if isinstance(part, Element) and set(definition.indices) <= set(part.indices):
            yield part.xreplace(mapping)


def _targets(pending: Pending, expr: Expr, definitions: Sequence[Definition]) -> list[Tensor]:
    if not pending.tensors:
        own = made((), expr).tensor.definition  # a loss may itself hold Σ x·w
        found = list(weights((*definitions, own)))
        if not found:
            raise ProgramError(
                f"the penalty at {pending.place} names no tensors and this loss has no weights "
                "(parameters in a product inside a sum over one of their indices); name them, "
                'e.g. sb.penalties.l2(1e-4, "W1")'
            )
        return found
    program = Program(tuple(definitions), tuple(tensors_in(expr)))
    named = {name: tensor for tensor, name in program.names.items()}
    for name in (t for t in pending.tensors if isinstance(t, str) and t not in named):
        known = ", ".join(name for name, t in named.items() if t.role == "parameter") or "none"
        raise ProgramError(f"the penalty at {pending.place} names {name!r}; the parameters of this "
                           f"loss are {known}")
    return [named[t] if isinstance(t, str) else getattr(t, "tensor", t) for t in pending.tensors]


def _total(function: Callable[[Expr], Any], tensors: Sequence[Tensor]) -> Expr:
    return Add(*(_sum(function, tensor) for tensor in tensors))


def _sum(function: Callable[[Expr], Any], tensor: Tensor) -> Expr:
    letters = letters_for(tensor.axes, [tensor])
    value = function(read(tensor, letters))
    if not is_scalar(value):
        raise DeclarationError(f"a penalty's function must give a scalar, not {value!r}; write "
                               "e.g. lambda w: abs(w)**3")
    return Sum(scalar_operand(value), *letters) if letters else scalar_operand(value)


def _strength(given: Any, hint: str = "lam") -> Expr:
    """λ as a scalar: a number becomes a hyper with that default."""
    if isinstance(given, (Array, str)):
        raise DeclarationError(f"the strength of a penalty comes first and is a number or a "
                               f"hyper, not {given!r}; write sb.penalties.l2(1e-4, …)")
    value = scalar_operand(given)
    if not value.is_number:
        return value
    number = finite_number(Float(value)) if value.is_real and value.is_finite else None
    if number is None:
        raise DeclarationError(f"the strength of a penalty is a finite real number, not {given!r}")
    tensor = Array(None, (), (), "hyper", hint=hint, numbered=False, where=where())
    tensor.default = number
    return tensor.symbol


def _square(w: Expr) -> Expr:
    return w**2
