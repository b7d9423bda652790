"""Rows about sums over indices; each takes the body under them, and gives a better one.

What a row cannot decide stays under the reduction: `apply(f, (q, r))` gives the new body and the
indices that are left of it, or None where the row does not match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Add, Eq, Expr, Idx, Integer, Mul, Sum, expand_mul

from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.normal import kinds
from symbackprop.notation import Definition, Element, TensorSymbol, elements_in, extent
from symbackprop.rewriting import Steps, noted
from symbackprop.rules.totals import Totals

Indices = tuple[Idx, ...]
SumRow = Callable[[Expr, Indices, Totals], tuple[Expr, Indices] | None]


@dataclass(frozen=True, slots=True)
class IndexRule:
    """left → right wherever `where` holds; `why` is a one-line proof or a source."""

    name: str
    left: str
    right: str
    where: str
    why: str
    apply: SumRow


def _for_one(row: Callable[[Expr, Idx], Expr | None]) -> SumRow:
    """A row about the sum over one index, tried on each index in turn."""

    def apply(body: Expr, over: Indices, totals: Totals) -> tuple[Expr, Indices] | None:
        for place, index in enumerate(over):
            after = row(body, index)
            if after is not None:
                return after, (*over[:place], *over[place + 1 :])
        return None

    return apply


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


def declared(body: Expr, index: Idx) -> tuple[Element, str] | None:
    """The factor that sums to one over the index, and the fact that says so."""
    holding = [f for f in Mul.make_args(body) if f.has(index)]
    if len(holding) != 1 or not isinstance(holding[0], Element):
        return None
    element = holding[0]
    axes = [axis for axis, expr in enumerate(element.indices) if expr.has(index)]
    if len(axes) != 1 or element.indices[axes[0]] != index:
        return None
    whole = element.tensor.axes[axes[0]] == extent(index)
    kinds = [f.kind for f in element.tensor.facts if f.axes == (axes[0],)
             and f.kind in ("one_hot", "simplex")]
    return (element, kinds[0]) if whole and kinds else None


def _fact(body: Expr, index: Idx) -> Expr | None:
    found = declared(body, index)
    return found and Mul(*(f for f in Mul.make_args(body) if f is not found[0]))


def _split(body: Expr, over: Indices, totals: Totals) -> tuple[Expr, Indices] | None:
    """Σ (f + g) = Σ f + Σ g, where other rows decide the sum of every term."""
    centred = _has_constant_term(body, over)
    if not (Add in kinds(body) and (centred or _decidable(body))):
        return None
    terms = [_decided(term, over, None, totals) for term in Add.make_args(expand_mul(body))]
    if all(not left for _, left in terms):
        return Add(*(term for term, _ in terms)), ()
    cancels = centred and any(_cancels(body, index, totals) for index in over)
    return (Integer(0), ()) if cancels else None


def _cancels(body: Expr, index: Idx, totals: Totals) -> bool:
    """Whether the sums of all terms over one index are known, and add up to nothing."""
    found = []
    for term in Add.make_args(expand_mul(body)):
        after, left = _decided(term, (index,), None, totals)
        total = totals.total(after, left) if left else after
        if total is None:
            return False
        found.append(total)
    return bool(Add(*found) == 0)


def _decidable(body: Expr) -> bool:
    """Whether a bracket or a fact could decide the sum of a part of the body."""
    return Iverson in kinds(body) or any(e.tensor.has_fact(fact) for e in elements_in(body)
                                         for fact in ("one_hot", "simplex"))


def _has_constant_term(body: Expr, over: Indices) -> bool:
    """(h[j] − m)·f: a factor with a term that is no number and lacks an index of the sum."""
    return any(isinstance(factor, Add) and any(
        term.has(Element, TensorSymbol) and not all(term.has(i) for i in over)
        for term in factor.args) for factor in Mul.make_args(body))


def _softmax(body: Expr, over: Indices, totals: Totals) -> tuple[Expr, Indices] | None:
    """Σ_k p·f = f where p = exp(z − lse_k z) by definition or written out, and k is not in f."""
    if not totals.lses:
        return None
    for place, index in enumerate(over):
        holding = [f for f in Mul.make_args(body) if f.has(index)]
        if len(holding) == 1 and totals.is_softmax(holding[0]) and totals.total(
                holding[0], (index,)) == 1:
            rest = Mul(*(f for f in Mul.make_args(body) if f is not holding[0]))
            return rest, (*over[:place], *over[place + 1 :])
    return None


FACT = IndexRule("fact", "Σ_k y[n,k]·f", "f",
                 "k not in f; y was declared one-hot or simplex along k",
                 "Σ_k y[n,k] = 1 was declared", _for_one(_fact))
DECIDED: tuple[IndexRule, ...] = (
    IndexRule("constant summand", "Σ_q f", "Q·f", "q not in f; Q is the extent of q",
              "Q equal terms", _for_one(_constant)),
    IndexRule("bracket contracted", "Σ_q [q = e]·f(q)", "f(e)",
              "q not in e, and 0 ≤ e < Q for certain",
              "all terms but q = e vanish, and that one exists", _for_one(_bracket)),
    FACT,
    IndexRule("softmax sums to one", "Σ_k exp(z[n,k] − lse_k z[n,k])·f", "f", "k not in f",
              "Σ_k e^z/Σ_k e^z = 1", _softmax),
)

#: Rows about sums, in the order in which they are tried.
INDICES: tuple[IndexRule, ...] = (
    *DECIDED,
    IndexRule("sum split", "Σ_q (f + g)", "Σ_q f + Σ_q g",
              "other rows decide the sums of all terms, or these cancel by definitions that "
              "stand before: m = (Σ_j h)/J gives Σ_j (h − m) = 0", "addition commutes", _split),
)


def summed(definition: Definition, steps: Steps = None, totals: Totals | None = None
           ) -> Definition:
    """The definition with every index of its sum that a row can decide taken out."""
    body, left = _decided(definition.body, definition.over, steps, totals or Totals(), INDICES)
    if body == definition.body and left == definition.over:
        return definition
    return replace(definition, body=body, over=left, op="sum" if left else "map")


def _decided(body: Expr, over: Indices, steps: Steps, totals: Totals,
             rules: tuple[IndexRule, ...] = DECIDED) -> tuple[Expr, Indices]:
    """Rows applied until none fires; each takes an index at least, so that this ends."""
    progress = True
    while progress and over:
        progress = False
        for rule in rules:
            found = rule.apply(body, over, totals)
            if found is not None:
                taken = [i for i in over if i not in found[1]]
                if steps is not None:
                    noted(steps, rule.name, Sum(body, *taken), found[0])
                (body, over), progress = found, True
                break
    return body, over


def unshifted(definition: Definition) -> tuple[Expr, Expr]:
    """lse_q (f + c) = c + lse_q f: the pair (c, f), c holding all that is free of the indices."""
    terms = Add.make_args(definition.body)
    constant = [t for t in terms if not any(i in free_indices(t) for i in definition.over)]
    rest = [t for t in terms if t not in constant]
    return Add(*constant), Add(*rest)
