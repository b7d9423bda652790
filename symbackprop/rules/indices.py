"""Rows about sums over indices; each takes a definition in normal form and returns a better one.

    name                 left                          right
    constant summand     Σ_q f                         Q·f                 q not in f, Q its extent
    bracket contracted   Σ_q [q = e]·f(q)              f(e)                0 ≤ e < Q for certain
    fact                 Σ_k y[n,k]·f                  f                   Σ_k y = 1 was declared
    split                Σ_q (f + g)                   Σ_q f + Σ_q g       where that decides a sum
    shifted exponents    lse_q (f + c)                 c + lse_q f         q not in c
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Add, Eq, Expr, Idx, Integer, Mul, expand_mul

from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.notation import Definition, Element, extent

SumRow = Callable[[Expr, Idx], Expr | None]


@dataclass(frozen=True, slots=True)
class IndexRule:
    """Σ_q f = g, where `apply(f, q)` gives g, free of q, or None where the row does not match."""

    name: str
    left: str
    right: str
    why: str
    apply: SumRow


def _constant(body: Expr, index: Idx) -> Expr | None:
    return None if body.has(index) else extent(index) * body


def _bracket(body: Expr, index: Idx) -> Expr | None:
    factors = Mul.make_args(body)
    for place, factor in enumerate(factors):
        if isinstance(factor, Iverson) and isinstance(factor.args[0], Eq):
            value = _solved(factor.args[0], index)
            if value is not None and surely_inside(value, index):
                rest = Mul(*factors[:place], *factors[place + 1 :])
                return rest.xreplace({index: value})
    return None


def _solved(condition: Eq, index: Idx) -> Expr | None:
    left, right = condition.args
    if left == index and not right.has(index):
        return right
    return left if right == index and not left.has(index) else None


def surely_inside(value: Expr, index: Idx) -> bool:
    """Whether 0 ≤ value < extent of the index for certain."""
    length = extent(index)
    if isinstance(value, Idx):
        return bool(extent(value) == length)
    if isinstance(value, Integer):
        return bool(value >= 0) and (length - 1 - value).is_nonnegative is True
    if isinstance(value, Element):
        return any(f.kind == "label" and f.extent == length for f in value.tensor.facts)
    return False


def _fact(body: Expr, index: Idx) -> Expr | None:
    factors = Mul.make_args(body)
    holding = [f for f in factors if f.has(index)]
    if len(holding) != 1 or not isinstance(holding[0], Element):
        return None
    element = holding[0]
    axes = [axis for axis, expr in enumerate(element.indices) if expr.has(index)]
    if len(axes) != 1 or element.indices[axes[0]] != index:
        return None
    whole = element.tensor.axes[axes[0]] == extent(index)
    sums_to_one = any(f.kind in ("one_hot", "simplex") and f.axes == (axes[0],)
                      for f in element.tensor.facts)
    if not (whole and sums_to_one):
        return None
    return Mul(*(f for f in factors if f is not element))


INDICES: tuple[IndexRule, ...] = (
    IndexRule("constant summand", "Σ_q f", "Q·f", "Q equal terms", _constant),
    IndexRule("bracket contracted", "Σ_q [q = e]·f(q)", "f(e)",
              "all terms but q = e vanish, and that one exists", _bracket),
    IndexRule("fact", "Σ_k y[n,k]·f", "f", "Σ_k y[n,k] = 1 was declared", _fact),
)


def summed(definition: Definition) -> Definition:
    """The definition with every index of its sum that a row can decide taken out."""
    body, left = _decided(definition.body, definition.over)
    if left and body.has(Add) and _decidable(body):
        terms = [_decided(term, left) for term in Add.make_args(expand_mul(body))]
        if all(not remaining for _, remaining in terms):
            body, left = Add(*(term for term, _ in terms)), ()
    if body == definition.body and left == definition.over:
        return definition
    return replace(definition, body=body, over=left, op="sum" if left else "map")


def _decidable(body: Expr) -> bool:
    """Whether some row but the first could fire on a part of the body."""
    kinds = ("one_hot", "simplex")
    return body.has(Iverson) or any(e.tensor.has_fact(k) for e in body.atoms(Element)
                                    for k in kinds)


def _decided(body: Expr, over: tuple[Idx, ...]) -> tuple[Expr, tuple[Idx, ...]]:
    left = list(over)
    progress = True
    while progress and left:
        progress = False
        for index in list(left):
            for rule in INDICES:
                after = rule.apply(body, index)
                if after is not None:
                    body, progress = after, True
                    left.remove(index)
                    break
    return body, tuple(left)


def unshifted(definition: Definition) -> tuple[Expr, Expr]:
    """lse_q (f + c) = c + lse_q f: the pair (c, f), c holding all that is free of the indices."""
    terms = Add.make_args(definition.body)
    constant = [t for t in terms if not any(i in free_indices(t) for i in definition.over)]
    rest = [t for t in terms if t not in constant]
    return Add(*constant), Add(*rest)
