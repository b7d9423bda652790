"""stabilise(program): log-sum-exp as the pair of a maximum and a sum, never rounded to one number.

    lse[n] = log Σ_k exp(z[n,k])    is    m[n] = max_k z[n,k]        d[n,k] = z[n,k] − m[n]
                                          s[n] = Σ_k exp(d[n,k])     lse[n] = m[n] + log s[n]

and who reads lse beside z reads the pair instead:

    exp(z[n,k] − lse[n]) = exp(d[n,k])/s[n]          z[n,y[n]] − lse[n] = d[n,y[n]] − log s[n]

At float32 logits of 1e4 the rounded sum m + log s errs by 5e-4, the pair by 2e-7.  A temperature
stands outside, d = (z − max z)/τ: the difference of the quotients z/τ errs by 1e-4 there.  The
subtraction z − m is a function of its own, `Minus`, since the kernel's arithmetic may reorder
sums and would compute z − (m + log s) again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sympy import Add, Basic, Expr, Function, Idx, Piecewise, exp, log

from symbackprop.normal import postorder, temporary
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol, elements_in
from symbackprop.printing.index import definition_text
from symbackprop.readers import pruned
from symbackprop.rules.sums import hoisted


class Minus(Function):  # type: ignore[misc]
    """Minus(a, b) = a − b, rounded by itself: no compiler may reorder it with its neighbours."""

    nargs = 2
    is_real = True


def formula(definition: Definition, names: Mapping[Tensor, str]) -> str:
    """The definition in index notation, a separate subtraction written like any other."""
    shown = definition.body.replace(Minus, lambda a, b: a - b)
    return definition_text(replace(definition, body=shown), names)


@dataclass(frozen=True, slots=True)
class _Pair:
    """What one log-sum-exp has become; `shifted` and `raised` carry its free and bound indices."""

    source: Definition
    shifted: Definition
    raised: Definition
    total: Definition
    logarithm: Definition


def stabilise(program: Program) -> Program:
    """The same outputs without op "lse"; differences from a log-sum-exp keep all their digits."""
    pairs: dict[Tensor, _Pair] = {}
    made: list[Definition] = []
    for definition in program:
        body = _rewritten(definition.body, pairs) if pairs else definition.body
        definition = replace(definition, body=body)
        if definition.op == "lse":
            made.extend(_split(definition, pairs))
        else:
            made.append(definition)
    return pruned(replace(program, definitions=tuple(made)))


def _split(definition: Definition, pairs: dict[Tensor, _Pair]) -> list[Definition]:
    free, over = definition.indices, definition.over
    first: list[Definition] = []
    scale, body = hoisted(definition.body, over)
    if not isinstance(body, (Element, TensorSymbol)):
        first = [temporary(body, (*free, *over), hint="z", where=definition.where)]
        body = first[0].element
    largest = _largest(scale, body, definition)
    top = largest[-1].element
    shifted = temporary(scale * Minus(body, top), (*free, *over), hint="d",
                        where=definition.where)
    raised = temporary(exp(shifted.element), (*free, *over), hint="e", where=definition.where)
    total = temporary(raised.element, free, over, "sum", "s", definition.where)
    logarithm = temporary(log(total.element), free, hint="log_s", where=definition.where)
    logarithm.target.numbered = False
    pairs[definition.target] = _Pair(definition, shifted, raised, total, logarithm)
    whole = replace(definition, body=scale * top + logarithm.element, over=(), op="map")
    return [*first, *largest, shifted, raised, total, logarithm, whole]


def _largest(scale: Expr, body: Expr, parent: Definition) -> list[Definition]:
    """The last one is the b of max (scale·b) = scale·b, for a scale of either sign."""
    maximum, minimum = (temporary(body, parent.indices, parent.over, op, "m", parent.where)
                        for op in ("max", "min"))
    if scale.is_positive or scale.is_negative:
        return [maximum if scale.is_positive else minimum]
    chosen = Piecewise((maximum.element, scale > 0), (minimum.element, True))
    return [maximum, minimum, temporary(chosen, parent.indices, hint="m", where=parent.where)]


def _rewritten(body: Expr, pairs: dict[Tensor, _Pair]) -> Expr:
    if not any(e.tensor in pairs for e in elements_in(body)):
        return body
    new: dict[Basic, Expr] = {}
    for node in postorder(body):
        found = _difference(node.args[0], pairs) if isinstance(node, exp) else None
        if found is not None and found.scale == 1:
            new[node] = (exp(_rewritten(found.rest, pairs)) * found.entry(found.pair.raised)
                         / found.entry(found.pair.total))
            continue
        found = _difference(node, pairs)
        if found is not None:
            log_ratio = found.entry(found.pair.shifted) - found.entry(found.pair.logarithm)
            new[node] = _rewritten(found.rest, pairs) + found.scale * log_ratio
            continue
        args = tuple(new.get(arg, arg) for arg in node.args)
        is_leaf = isinstance(node, (Element, TensorSymbol)) or not args
        new[node] = node if is_leaf or args == node.args else node.func(*args)
    return new[body]


@dataclass(frozen=True, slots=True)
class _Difference:
    """scale·(z[…] − lse[…]) + rest; `places` says which entry each index of the pair is."""

    scale: Expr
    rest: Expr
    pair: _Pair
    places: dict[Idx, Expr]

    def entry(self, definition: Definition) -> Expr:
        """The entry of one half of the pair."""
        return definition.target.at(*(self.places[i] for i in definition.indices))


def _difference(node: Basic, pairs: dict[Tensor, _Pair]) -> _Difference | None:
    """A sum read as scale·(z − lse) + rest, where z is what lse was taken of."""
    if not isinstance(node, Add):
        return None
    for term in node.args:
        for element in elements_in(term):
            pair = pairs.get(element.tensor)
            scale = -term / element
            if pair is None or element in elements_in(scale):
                continue
            given = element.indices if isinstance(element, Element) else ()
            known = dict(zip(pair.source.indices, given, strict=True))
            parts = [part.xreplace(known) for part in Add.make_args(pair.source.body)]
            for other in node.args:
                places = _places(parts, other / scale, pair.source.over)
                wanted = [scale * part.xreplace(places) for part in parts] if places else []
                if wanted and term not in wanted and all(part in node.args for part in wanted):
                    rest = Add(*(t for t in node.args if t != term and t not in wanted))
                    return _Difference(scale, rest, pair, {**known, **places})
    return None


def _places(parts: list[Expr], candidate: Expr, over: tuple[Idx, ...]) -> dict[Idx, Expr]:
    """What the bound indices must be for the part that carries them to be the candidate."""
    found: dict[Idx, Expr] = {}
    carrier = max(parts, key=lambda part: len(part.atoms(Idx) & set(over)))
    matches = _matched(carrier, candidate, over, found)
    return found if matches and len(found) == len(over) else {}


def _matched(pattern: Basic, candidate: Basic, over: tuple[Idx, ...], found: dict[Idx, Expr]
             ) -> bool:
    if pattern in over:
        return bool(found.setdefault(pattern, candidate) == candidate)
    if not pattern.has(*over):
        return bool(pattern == candidate)
    if not pattern.args or pattern.func != candidate.func or isinstance(pattern, TensorSymbol):
        return False
    return len(pattern.args) == len(candidate.args) and all(
        _matched(p, c, over, found) for p, c in zip(pattern.args, candidate.args, strict=True))
