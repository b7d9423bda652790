"""Rows about definitions that are 0 where their base is: h = t^c beside log t, and over t."""

from __future__ import annotations

from sympy import Expr, Mul, Pow

from symbackprop.conditions import beside_ties_replaced
from symbackprop.functions import xlogy
from symbackprop.normal import kinds
from symbackprop.notation import elements_in
from symbackprop.rewriting import noted
from symbackprop.rules.facts import by_logarithm, vanishing_with, without
from symbackprop.rules.known import Known, Passage, at, factors, tensor_of


def _beside_logarithms(known: Known, body: Expr) -> Expr:
    """h·δ is a·xlogy(h, t) + h·b, where h = t^c and δ = a·log(t) + b."""
    if not known.zeros:
        return body
    return body.replace(lambda node: isinstance(node, Mul), lambda node: noted(
        known.steps, "logarithm beside a vanishing factor", node, _without_pole(known, node)))


def _without_pole(known: Known, product: Expr) -> Expr:
    for factor in product.args:
        t = zero_of(known, factor)
        if t is None or t.is_positive:
            continue
        rest = without(product, factor)
        inner = {e: at(e, *known.poles[e.tensor]) for e in factors(rest)
                 if tensor_of(e) in known.poles}
        a, b = by_logarithm(beside_ties_replaced(rest, inner), t)
        if a != 0:
            return a * xlogy(factor, t) + factor * b
    return product


def zero_of(known: Known, factor: Expr) -> Expr | None:
    """What a factor is 0 with, by itself or by its definition: w of h = w^b."""
    base, power = factor.as_base_exp()
    if tensor_of(base) in known.zeros and power.is_positive:
        return at(base, *known.zeros[base.tensor])
    return vanishing_with(factor) if tensor_of(factor) is None else None


def _over_bases(known: Known, body: Expr) -> Expr:
    """h/t is t^(c − 1), where h = t^c: left is 0/0 where t is 0."""
    if Pow not in kinds(body) or not any(e.tensor in known.zeros for e in elements_in(body)):
        return body
    return body.replace(lambda node: isinstance(node, Mul), lambda node: noted(
        known.steps, "named power over its base", node, _lowered(known, node)))


def _lowered(known: Known, product: Expr) -> Expr:
    """h^p/t^q as h^(p − m)·(t^(c − 1))^m/t^(q − m) for the smaller m of p and q."""
    below = {f.args[0]: -f.args[1] for f in product.args
             if isinstance(f, Pow) and f.args[1].is_Integer and f.args[1] < 0}
    for factor in product.args if below else ():
        base, power = factor.as_base_exp()
        if not (tensor_of(base) in known.zeros and power.is_Integer and power > 0):
            continue
        factors = Mul.make_args(_written_out(known, base))
        raised = next((f for f in factors if isinstance(f, Pow) and f.args[0] in below), None)
        if raised is not None:
            t, c = raised.args
            m = min(power, below[t])
            less = Mul(t**(c - 1), *(f for f in factors if f is not raised))
            rest = without(product, factor, t**-below[t])
            return rest * base**(power - m) * less**m * t**(m - below[t])
    return product


def _written_out(known: Known, element: Expr) -> Expr:
    """What an element that vanishes with a base stands for, down to that base."""
    definition, _ = known.zeros[element.tensor]
    return Mul(*(_written_out(known, f) if tensor_of(f) in known.zeros else f
                 for f in Mul.make_args(at(element, definition, definition.body))))


#: Rows about definitions that vanish with a base.
ZEROS: tuple[Passage, ...] = (
    Passage("named power over its base", "h/t", "t^(c − 1)",
            "h = t^c, or a product with such a factor",
            "t^c/t = t^(c − 1); left is 0/0 where t is 0", _over_bases),
    Passage("logarithm beside a vanishing factor", "h·δ", "a·xlogy(h, t) + h·b",
            "h = t^c, or a product with such a factor, and δ = a·log t + b has no name",
            "lim t^c·log t = 0 at 0 for c > 0; left is 0·(−∞)", _beside_logarithms),
)
