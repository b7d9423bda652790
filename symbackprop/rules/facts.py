"""Rows about norms, entropies and declared facts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sympy import Add, Expr, Idx, Mul, Pow, Rational, S, Sum, default_sort_key, log

from symbackprop.functions import Iverson, log1p, root, xlogy
from symbackprop.normal import kinds, postorder
from symbackprop.notation import Element, Tensor, TensorSymbol
from symbackprop.rewriting import Hole, Rule, Steps, noted

t, a, b = Hole("t"), Hole("a"), Hole("b")


def _root(node: Expr) -> Expr | None:
    half = node.args[1] == Rational(1, 2)
    squares = half and isinstance(node.args[0], Add) and is_sum_of_squares(node.args[0])
    return root(node.args[0]) if squares else None


def is_sum_of_squares(expr: Expr, known: Collection[Tensor] = ()) -> bool:
    """Whether every term is a positive number times even powers, or sums of squares once more.

    It is 0 only where all terms are.  known: tensors that are sums of squares by definition.
    """
    return all(_is_square(term, known) for term in Add.make_args(expr))


def with_norms(body: Expr, squares: Collection[Tensor], steps: Steps = None) -> Expr:
    """The body with root(s) for √s, where s is one of these tensors, all sums of squares."""
    norms = [node for node in postorder(body) if isinstance(node, Pow)
             and node.args[1] == Rational(1, 2)
             and isinstance(node.args[0], (Element, TensorSymbol))
             and node.args[0].tensor in squares] if squares and Pow in kinds(body) else []
    return body.xreplace({node: noted(steps, "norm of a named sum", node, root(node.args[0]))
                          for node in norms}) if norms else body


def _is_square(term: Expr, known: Collection[Tensor]) -> bool:
    number, rest = term.as_coeff_Mul()
    return bool(number > 0) and rest != 1 and all(
        _is_even(factor, known) for factor in Mul.make_args(rest))


def _is_even(factor: Expr, known: Collection[Tensor]) -> bool:
    match factor:
        case Pow():
            return bool(factor.args[1].is_even and factor.args[1] > 0)
        case Sum():
            return is_sum_of_squares(factor.function, known)
        case Element() | TensorSymbol():
            return factor.tensor in known
    return False


def _log_in_bracket(product: Expr) -> Expr | None:
    """t·(log(a·t) + b) = xlogy(t, a·t) + t·b, and so for −log(a·t)."""
    for total in product.args:
        for term in total.args if isinstance(total, Add) else ():
            logs = [f for f in Mul.make_args(term) if isinstance(f, log) and len(f.args) == 1]
            inside = Mul.make_args(logs[0].args[0]) if len(logs) == 1 else ()
            shared = [f for f in product.args if f in inside and not f.is_number]
            if shared:
                outside, safe = without(product, total), xlogy(shared[0], logs[0].args[0])
                rest = without(product, total, shared[0]) * without(term, logs[0])
                return outside * (total - term) + rest * safe
    return None


def _idempotent(node: Expr) -> Expr | None:
    base, power = node.args
    bit = isinstance(base, Iverson) or (
        isinstance(base, Element) and base.tensor.has_fact("one_hot"))
    return base if bit and power.is_number and power.is_positive else None


def _vanishing(node: Expr) -> Expr | None:
    """f·log(t)^n = xlogy(… xlogy(f, t) …, t) for a factor f that is 0 where t is 0."""
    for factor in node.args:
        base, times = factor.as_base_exp()
        if not (isinstance(base, log) and times.is_Integer and times > 0):
            continue
        inside = base.args[0]
        for f in node.args if not (inside.is_number or inside.is_positive) else ():
            if _vanishes_with(f, inside):
                made = f
                for _ in range(int(times)):
                    made = xlogy(made, inside)
                return Mul(made, *(other for other in node.args if other not in (f, factor)))
    return None


def _one_power(product: Expr) -> Expr | None:
    """t^a/t^n as t^(a − n), and t^n·t^(a − m) as t^(a + n − m) for n ≤ m: SymPy leaves both."""
    numbers = {f.as_base_exp()[0]: f for f in product.args if f.as_base_exp()[1].is_number}
    for f in product.args:
        base, power = f.as_base_exp()
        if power.is_number or base not in numbers:
            continue
        other = numbers[base]
        number = other.as_base_exp()[1]
        if number.is_negative or power.as_coeff_Add()[0] + number <= 0:
            return Mul(base ** (power + number), without(product, f, other))
    return None


def _vanishing_in_bracket(product: Expr) -> Expr | None:
    """f·(a·log(t) + b) = a·xlogy(f, t) + f·b for a factor f that is 0 where t is 0."""
    for f in product.args:
        t = vanishing_with(f)
        if t is not None and not t.is_positive:
            a, b = by_logarithm(without(product, f), t)
            if a != 0 and b != 0:
                return a * xlogy(f, t) + f * b
    return None


def without(product: Expr, *factors: Expr) -> Expr:
    """A product without these factors; SymPy does not cancel t^(a − 1)/t^(a − 1)."""
    return Mul(*(f for f in Mul.make_args(product) if f not in factors))


def by_logarithm(expr: Expr, t: Expr) -> tuple[Expr, Expr]:
    """a and b in a·log(t) + b, by the distributive law."""
    if isinstance(expr, log) and expr.args == (t,):
        return expr * 0 + 1, expr * 0
    if isinstance(expr, Add):
        parts = [by_logarithm(term, t) for term in expr.args]
        return Add(*(a for a, _ in parts)), Add(*(b for _, b in parts))
    for factor in expr.args if isinstance(expr, Mul) else ():
        a, b = by_logarithm(factor, t)
        if a != 0:
            rest = Mul(*(f for f in expr.args if f is not factor))
            return a * rest, b * rest
    return S.Zero, expr


def vanishing_with(factor: Expr) -> Expr | None:
    """What a factor is 0 with: t of t^a for an a that may be positive, and of xlogy(x, t)."""
    if isinstance(factor, xlogy):
        return None if factor.args[0].is_number else factor.args[1]
    base, power = factor.as_base_exp()
    return base if not (power.is_nonpositive or base.is_number) else None


def _vanishes_with(factor: Expr, t: Expr) -> bool:
    """Whether a factor is t^a, where a may be positive, or has been found to vanish with t."""
    if isinstance(factor, xlogy):
        return bool(factor.args[1] == t)
    base, power = factor.as_base_exp()
    return bool(base == t) and not power.is_nonpositive


def ordered(element: Expr, letters: Sequence[Idx]) -> Expr:
    """A[i, j] and A[j, i] of a symmetric tensor as one access, in the order of these letters."""

    def place(index: Expr) -> tuple[int, Any]:
        known = index in letters
        return letters.index(index) if known else len(letters), default_sort_key(index)

    for fact in element.tensor.facts if isinstance(element, Element) else ():
        if fact.kind == "symmetric":
            first, second = (element.indices[axis] for axis in fact.axes)
            if place(first) > place(second):
                places = dict(zip(fact.axes, (second, first), strict=True))
                return element.tensor.at(*(places.get(axis, index) for axis, index
                                           in enumerate(element.indices)))
    return element


FACTS: tuple[Rule, ...] = (
    Rule("norm", (t**2 + a**2) ** Rational(1, 2), root(t**2 + a**2),
         "root(s) = √s by definition; the derivative of left at 0 is 0/0", by=_root,
         where="every term is a positive number times even powers"),
    Rule("x log x", t * log(t), xlogy(t, t), "lim t·log t = 0 at 0, where left is 0·(−∞)",
         when=lambda found: not found[t].is_number, domain=(0.1, 3.0),
         where="t is no number"),
    Rule("x log of a multiple of x", t * log(t * a), xlogy(t, t * a),
         "lim t·log(a·t) = 0 at 0, where left is 0·(−∞)",
         when=lambda found: not found[t].is_number, domain=(0.1, 3.0),
         where="t is no number"),
    Rule("x log x in a bracket", t * (log(t * a) + b), xlogy(t, t * a) + t * b,
         "t·(log u + b) = t·log u + t·b; lim t·log(a·t) = 0 at 0, where left is 0·(−∞)",
         domain=(0.1, 3.0), by=_log_in_bracket, where="t is no number"),
    Rule("x to a power log x", t**a * log(t), xlogy(t**a, t),
         "lim t^a·log t = 0 at 0 for a > 0, where left is 0·(−∞)", domain=(0.1, 3.0),
         by=_vanishing, needs=frozenset([log]), where="t^a is 0 at 0"),
    Rule("x to a power log x in a bracket", t**a * (b * log(t) + 1), b * xlogy(t**a, t) + t**a,
         "t^a·(b·log t + c) = b·t^a·log t + c·t^a; lim t^a·log t = 0 at 0 for a > 0",
         domain=(0.1, 3.0), by=_vanishing_in_bracket, needs=frozenset([log]),
         where="t^a is 0 at 0"),
    Rule("one power of a base", t**a / t, t ** (a - 1),
         "t^a = t·t^(a − 1); at 0 left is 0/0, and t·t^(a − 1) is 0·∞ for a < 1",
         domain=(0.1, 3.0), by=_one_power,
         where="a is no number; over a power of t, or times one that a number in a takes away"),
    Rule("complement's x log x", (1 + t) * log1p(t), xlogy(1 + t, 1 + t),
         "lim (1 + t)·log(1 + t) = 0 at −1, where left is 0·(−∞)",
         domain=(-0.9, 3.0)),
    Rule("powers of a bit", Iverson(t > a) ** 2, Iverson(t > a),
         "0^m = 0 and 1^m = 1: brackets, and entries that were declared one-hot",
         by=_idempotent, where="any positive power", needs=frozenset()),
)
