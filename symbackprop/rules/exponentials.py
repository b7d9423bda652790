"""Rows about exponentials with any number of terms: quotients, logarithms and their mirror images.

One identity carries all of them: with positive terms u_i = e^{a_i},

    log Σ_i u_i = logaddexp(a_1, a_2, …)      u_1/Σ_i u_i = sigmoid(−logaddexp(a_2 − a_1, …)),

where each right side is safe for exponents of any size (Blanchard, Higham & Higham 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sympy import Abs, Add, Expr, Mul, Pow, exp, expand_mul, log, tanh

from symbackprop.functions import expm1, log1p, log_gumbel, logaddexp, relu, sigmoid, softplus
from symbackprop.rewriting import Hole, Rule

t, a, b = Hole("t"), Hole("a"), Hole("b")
c = Hole("c", positive=True)


def logarithm(expr: Expr) -> Expr | None:
    """log of a positive expression of exponentials without overflow; None if its sign is open."""
    match expr:
        case exp():
            return expr.args[0]
        case sigmoid():
            return -softplus(-expr.args[0])
        case Pow():
            inner = logarithm(expr.args[0])
            return None if inner is None else expr.args[1] * inner
        case Mul() | Add() if isinstance(expr, Mul) or grows(expr):
            parts = [part for arg in expr.args if (part := logarithm(arg)) is not None]
            if len(parts) < len(expr.args):
                return None
            return Add(*parts) if isinstance(expr, Mul) else logaddexp(*parts)
    return log(expr) if expr.is_positive else None


def grows(expr: Expr) -> bool:
    """Whether an exponential stands as a factor in a term of the expression."""
    for term in Add.make_args(expr):
        for factor in Mul.make_args(term):
            inner = factor.args[0] if isinstance(factor, Pow) else factor
            if isinstance(inner, exp) or (isinstance(inner, (Add, Mul)) and grows(inner)):
                return True
    return False


def leaves(expr: Expr) -> tuple[Expr, ...]:
    """What a log-sum-exp of scalars is taken of: (0, t) for softplus(t); t alone for t itself."""
    if isinstance(expr, softplus):
        return (expr.args[0] * 0, expr.args[0])
    return expr.args if isinstance(expr, logaddexp) else (expr,)


def _log(node: Expr) -> Expr | None:
    inside = node.args[0]
    if len(node.args) > 1 or not (grows(inside) or any(
            isinstance(f.as_base_exp()[0], sigmoid) for f in Mul.make_args(inside))):
        return None
    return logarithm(inside) or _log_of_factors(inside)


def _log_of_factors(product: Expr) -> Expr | None:
    """log(a·e^t) = log a + t for an a of any sign: either side exists only where a > 0."""
    known = {f: part for f in Mul.make_args(product) if (part := logarithm(f)) is not None}
    rest = Mul(*(f for f in Mul.make_args(product) if f not in known))
    if not known or rest == product:
        return None
    whole = -log(rest.args[0]) if isinstance(rest, Pow) and rest.args[1] == -1 else log(rest)
    return whole + Add(*known.values())


def _log_gumbel(node: Expr) -> Expr | None:
    """log(1 − e^−u) for a product u of exponentials and positive factors."""
    inside = -node.args[0]
    if len(node.args) > 1 or not isinstance(inside, expm1):
        return None
    below = -inside.args[0]
    exponent = logarithm(below) if grows(below) else None
    return None if exponent is None else log_gumbel(exponent)


def _log1p(node: Expr) -> Expr | None:
    inside = node.args[0]
    plain = len(node.args) == 1 and isinstance(inside, Add) and inside.args[0] == 1
    return log1p(inside - 1) if plain and not grows(inside) else None


def _power(node: Expr) -> Expr | None:
    """(u + v + …)^m = u^m·(1 + v/u + …)^m."""
    base, m = node.args
    if not (m.is_number and m.is_negative and isinstance(base, Add) and grows(base)):
        return None
    parts = [part for term in base.args if (part := logarithm(term)) is not None]
    if len(parts) < len(base.args):
        return _common_below(base, m)
    chosen = next(k for k in reversed(range(len(parts))) if grows(base.args[k]))
    others = (part - parts[chosen] for k, part in enumerate(parts) if k != chosen)
    return exp(m * parts[chosen]) * sigmoid(-logaddexp(*others)) ** (-m)


def _common_below(base: Expr, m: Expr) -> Expr | None:
    """(a·u + a·v)^m = a^m·(u + v)^m for a factor of any sign, m an integer."""
    shared = set.intersection(*({f for f in Mul.make_args(term) if not isinstance(f, exp)}
                                for term in base.args))
    factor = Mul(*sorted(shared, key=str))
    if not (m.is_Integer and shared):
        return None
    return factor**m * Add(*(term / factor for term in base.args)) ** m


def turned(node: Expr, fits: Callable[[Expr, Expr, Expr], bool]) -> Expr | None:
    """e^d·sigmoid(−logaddexp(u, …)) = e^(d − u)·sigmoid(−logaddexp(−u, … − u, …)), if that fits."""
    raised: Any = next((f for f in node.args if isinstance(f, exp)), None)
    for factor in node.args if raised is not None else ():
        base, power = factor.as_base_exp()
        if not (isinstance(base, sigmoid) and power.is_number and power >= 1):
            continue
        d, below = raised.args[0], leaves(-base.args[0])
        for place, leaf in enumerate(below):
            if leaf == 0 or not fits(d, leaf, power):
                continue
            others = [other - leaf for k, other in enumerate(below) if k != place]
            new = sigmoid(-logaddexp(-leaf, *others))
            times = power if d == power * leaf else 1
            kept = [f for f in node.args if f not in (raised, factor)]
            return Mul(*kept, exp(d - times * leaf), new**times, base ** (power - times))
    return None


def _quotient(node: Expr) -> Expr | None:
    def cancels(d: Expr, u: Expr, power: Expr) -> bool:
        terms, left = set(Add.make_args(d)), set(Add.make_args(d - u))
        shorter = len(left) < len(terms) and not all(  # z − lse is safe, and stays
            term.could_extract_minus_sign() for term in terms - left)
        return terms <= {*Add.make_args(u)} or shorter or d == power * u

    return turned(node, cancels)


def _power_less_one(node: Expr) -> Expr | None:
    """c·u^m − c = c·expm1(m·log u), where u is a sum of exponentials."""
    terms = set(node.args)
    for term in node.args:
        for factor in Mul.make_args(term):
            shared = term / factor
            if isinstance(factor, Pow) and -shared in terms and grows(factor.args[0]):
                whole = logarithm(factor)
                if whole is not None:
                    rest = (arg for arg in node.args if arg not in (term, -shared))
                    return Add(*rest, shared * expm1(whole))
    return None


def _into_bracket(node: Expr) -> Expr | None:
    """e^d·(e^−d·f + g) = f + e^d·g."""
    raised: Any = next((f for f in node.args if isinstance(f, exp)), None)
    for factor in node.args if raised is not None else ():
        if isinstance(factor, Add) and len(factor.args) == 2 and any(
                f == 1 / raised for term in factor.args for f in Mul.make_args(term)):
            inside = Add(*(term * raised for term in factor.args))
            return Mul(inside, *(f for f in node.args if f not in (raised, factor)))
    return None


def _log_to_exp(node: Expr) -> Expr | None:
    """exp(f − softplus(t)) = e^f·sigmoid(−t), and the same for logaddexp(0, …)."""
    for term in Add.make_args(node.args[0]):
        number, inner = term.as_coeff_Mul()
        below = leaves(inner)
        if number.is_Integer and number < 0 and len(below) > 1 and 0 in below:
            others = [leaf for leaf in below if leaf != 0]
            return exp(node.args[0] - term) * sigmoid(-logaddexp(*others)) ** (-number)
    return None


def _reflected(node: Expr) -> Expr | None:
    """c·logaddexp(u, v, …) − c·u = c·logaddexp(0, v − u, …); for softplus too."""
    terms = set(node.args)
    for term, factor, scale in _with_factor(node, (softplus, logaddexp)):
        for leaf in leaves(factor):
            wanted = {*Add.make_args(expand_mul(-scale * leaf))}
            if leaf != 0 and wanted <= terms - {term}:
                left = Add(*(other for other in node.args if other not in wanted | {term}))
                return left + scale * logaddexp(*(other - leaf for other in leaves(factor)))
    return None


def _relu_and_softplus(node: Expr) -> Expr | None:
    terms = set(node.args)
    for term, factor, scale in _with_factor(node, (relu,)):
        tail = scale * softplus(-Abs(factor.args[0]))
        if tail in terms:
            return node - term - tail + scale * softplus(factor.args[0])
    return None


def _mirrored(node: Expr, kind: type, sign: int, form: Callable[[Expr], Expr]) -> Expr | None:
    """c·kind(t) ± c·kind(−t) = c·form(t)."""
    terms = set(node.args)
    for term, factor, scale in _with_factor(node, (kind,)):
        other = sign * scale * kind(-factor.args[0])
        if other in terms - {term}:
            turn = sign < 0 and scale.could_extract_minus_sign()
            found = -scale * form(-factor.args[0]) if turn else scale * form(factor.args[0])
            return Add(*(arg for arg in node.args if arg not in (term, other)), found)
    return None


def _with_factor(total: Expr, kinds: tuple[type, ...]) -> Iterator[tuple[Expr, Expr, Expr]]:
    """The terms scale·f of a sum in which f is of one of these kinds: (term, f, scale)."""
    for term in total.args:
        found = [f for f in Mul.make_args(term) if isinstance(f, kinds)]
        if len(found) == 1:
            yield term, found[0], Mul(*(f for f in Mul.make_args(term) if f is not found[0]))


def _paired(node: Expr, kind: type, ratio: Expr, form: type, scale: Sequence[Expr]) -> Expr | None:
    """c·kind(t) + ratio·c = scale[0]·c·form(scale[1]·t), whatever the common factor c."""
    terms = set(node.args)
    for term, factor, shared in _with_factor(node, (kind,)):
        if ratio * shared in terms - {term}:
            new = scale[0] * shared * form(scale[1] * factor.args[0])
            return Add(*(arg for arg in node.args if arg not in (term, ratio * shared)), new)
    return None


def _pair(name: str, kind: type, ratio: Expr, form: type, scale: Sequence[Expr], why: str) -> Rule:
    return Rule(name, a * kind(t) + ratio * a, scale[0] * a * form(scale[1] * t), why,
                by=lambda node: _paired(node, kind, ratio, form, scale))


def _mirror(name: str, kind: type, sign: int, form: Callable[[Expr], Expr], why: str) -> Rule:
    return Rule(name, a * kind(t) + sign * a * kind(-t), a * form(t), why,
                by=lambda node: _mirrored(node, kind, sign, form))


ONE = t**0

#: Tried on sums, products, powers, exponentials and logarithms of any number of terms.
EXPONENTIALS: tuple[Rule, ...] = (
    Rule("log of exponentials", log(c * exp(t) + exp(a) + 1), logaddexp(0, a, t + log(c)),
         "log Σ e^{a_i} is logaddexp by definition; left overflows where an e^{a_i} does", by=_log,
         where="every factor is positive or an exponential, or left over: log(a·e^t) = log a + t",
         needs=frozenset([log])),
    Rule("log of a double exponential", log(-expm1(-c * exp(t))), log_gumbel(t + log(c)),
         "log(1 − exp(−e^t)) is log_gumbel by definition; left is −∞ where e^t underflows",
         by=_log_gumbel, where="every factor is positive or an exponential"),
    Rule("log of one plus", log(1 + t**2), log1p(t**2),
         "log1p(u) = log(1 + u) by definition; left is 0 where 1 + u rounds to 1", by=_log1p,
         where="u has no bare exponential"),
    Rule("power of exponentials", 1 / (exp(a) + exp(b) + exp(t)),
         exp(-t) * sigmoid(-logaddexp(a - t, b - t)),
         "1/(u + v) = u^−1/(1 + v/u); left has derivative ∞/∞", by=_power,
         where="any negative power; every term is positive"),
    Rule("quotient of exponentials", exp(a) * sigmoid(-logaddexp(a, t)),
         sigmoid(-logaddexp(-a, t - a)), "u/(1 + u + v) = 1/(1/u + 1 + v/u)", by=_quotient,
         where="the exponent gets shorter, and loses not only negative terms",
         needs=frozenset([exp, sigmoid])),
    Rule("exponential into a bracket", exp(t) * (exp(-t) + a), 1 + a * exp(t),
         "e^t·e^−t = 1", by=_into_bracket, where="a bracket of two terms"),
    Rule("exponential of a softplus", exp(a - softplus(t)), exp(a) * sigmoid(-t),
         "e^−log(1 + e^t) = 1/(1 + e^t)", by=_log_to_exp,
         where="a whole negative multiple of softplus, or of logaddexp(0, …)",
         needs=frozenset([exp])),
    Rule("reflected softplus", a * softplus(t) - a * t, a * softplus(-t),
         "log(1 + e^t) − t = log(e^−t + 1); left cancels for large t", by=_reflected,
         where="a·t stands as a whole; also a·logaddexp(t, …)",
         needs=frozenset()),
    Rule("split softplus", relu(t) + softplus(-Abs(t)), softplus(t),
         "log(1 + e^t) = max(t, 0) + log(1 + e^−|t|)", by=_relu_and_softplus),
    _pair("complement of a sigmoid", sigmoid, -ONE, sigmoid, (-ONE, -ONE),
          "1 − sigmoid(t) = sigmoid(−t); left is 0 where sigmoid rounds to 1"),
    _pair("exponential less one", exp, -ONE, expm1, (ONE, ONE),
          "expm1(t) = e^t − 1 by definition; left is 0 where e^t rounds to 1"),
    _pair("one and an exponential less one", expm1, ONE, exp, (ONE, ONE),
          "e^t − 1 + 1 = e^t; left is 0 where expm1 rounds to −1"),
    Rule("power less one", a * (1 + exp(t)) ** 2 - a, a * expm1(2 * softplus(t)),
         "u^m − 1 = e^(m·log u) − 1; left is 0 where u rounds to 1, and overflows",
         by=_power_less_one, where="any power; u is a sum of exponentials"),
    _pair("centred sigmoid", sigmoid, -ONE / 2, tanh, (ONE / 2, ONE / 2),
          "2·sigmoid(t) − 1 = tanh(t/2); left cancels at small t"),
    _pair("raised tanh", tanh, ONE, sigmoid, (2 * ONE, 2 * ONE),
          "1 + tanh(t) = 2·sigmoid(2t); left is 0 where tanh rounds to −1"),
    _pair("lowered tanh", tanh, -ONE, sigmoid, (-2 * ONE, -2 * ONE),
          "1 − tanh(t) = 2·sigmoid(−2t); left is 0 where tanh rounds to 1"),
    _mirror("difference of sigmoids", sigmoid, -1, lambda t: tanh(t / 2),
            "sigmoid(−t) = 1 − sigmoid(t); left cancels at small t"),
    _mirror("difference of softplus", softplus, -1, lambda t: t,
            "log(1 + e^t) = t + log(1 + e^−t); left cancels"),
    _mirror("sum of sigmoids", sigmoid, 1, lambda t: t**0, "sigmoid(−t) = 1 − sigmoid(t)"),
)
