"""Rows that make a sum of products out of other sums; each takes the body under it, as `indices`.

A right side holds the sums that are left as `Sum`: the engine gives each a definition, where
that saves work, and the printers write it as it stands.
"""

from __future__ import annotations

from sympy import Add, Expr, Idx, Integer, Mul, Sum, Tuple

from symbackprop.indexing import bound_indices, canonical, free_indices
from symbackprop.normal import postorder, temporary
from symbackprop.notation import Element, elements_in, extent
from symbackprop.rewriting import Steps, noted
from symbackprop.rules.indices import IndexRule, Indices
from symbackprop.rules.numbers import number_in
from symbackprop.rules.totals import Totals


def total(body: Expr, over: Indices) -> Expr:
    """Σ body over the whole range of each index."""
    return Sum(body, *(Tuple(i, i.lower, i.upper) for i in over)) if over else body


def is_whole(node: Expr) -> bool:
    """Whether a node is a sum over the whole range of each of its indices."""
    return isinstance(node, Sum) and all(
        limit[1:] == (limit[0].lower, limit[0].upper) for limit in node.limits)


def hoisted(body: Expr, over: Indices) -> tuple[Expr, Expr]:
    """(f, g) with Σ f·g = f·Σ g: f has the factors without an index of the sum, and the number
    that all terms of a factor share: Σ_n (2·a[n] − 2·b[n]) = 2·Σ_n (a[n] − b[n])."""
    outside: list[Expr] = []
    inside: list[Expr] = []
    for factor in Mul.make_args(body):
        if not set(over) & {*free_indices(factor)}:
            outside.append(factor)
            continue
        number = _shared(factor) if isinstance(factor, Add) else Integer(1)
        outside.append(number)
        inside.append(factor if number == 1 else Add(*(t / number for t in factor.args)))
    return Mul(*outside), Mul(*inside)


def _shared(terms: Expr) -> Expr:
    """The number that all terms share; none of them gets a larger one in exchange."""
    numbers = [term.as_coeff_Mul()[0] for term in terms.args]
    return number_in(terms) if len({getattr(n, "q", None) for n in numbers}) == 1 else Integer(1)


def _hoisted(body: Expr, over: Indices, totals: Totals) -> tuple[Expr, Indices] | None:
    outside, inside = hoisted(body, over)
    return None if 1 in (outside, inside) else (outside * total(inside, over), ())


def _refolded(body: Expr, over: Indices, totals: Totals) -> tuple[Expr, Indices] | None:
    groups = _groups(body, over)
    bound = [letters for letters, _ in groups if letters]
    if len(bound) < 2 or sum(map(len, bound)) < len(over) or any(
            extent(i).atoms(Idx) for i in over):
        return None
    return Mul(*(total(Mul(*factors), tuple(i for i in over if i in letters))
                 for letters, factors in groups)), ()


def _groups(body: Expr, over: Indices) -> list[tuple[frozenset[Idx], list[Expr]]]:
    """The factors in groups that share no index of the sum, each with the indices that it reads."""
    groups: list[tuple[frozenset[Idx], list[Expr]]] = []
    for factor in Mul.make_args(body):
        read = frozenset(free_indices(factor)) & frozenset(over)
        met = [group for group in groups if group[0] & read]
        factors = [f for _, those in met for f in those]
        groups = [group for group in groups if group not in met]
        groups.append((read.union(*(letters for letters, _ in met)), [*factors, factor]))
    return groups


def _renamed(body: Expr, over: Indices, totals: Totals) -> tuple[Expr, Indices] | None:
    """Sums in the body that differ in the letters they bind only are written with the same ones."""
    first: dict[object, Expr] = {}
    replaced = {}
    for node in postorder(body):
        if is_whole(node):
            free = tuple(sorted(free_indices(node), key=str))
            key = canonical(temporary(node.function, free, bound_indices(node), "sum")), free
            if first.setdefault(key, node) != node:
                replaced[node] = first[key]
    return (body.xreplace(replaced), over) if replaced else None


HOISTED = IndexRule(
    "hoisted", "Σ_q f·g", "f·Σ_q g",
    "q not in f; in programs where f is no scalar: a kernel scales the whole product by one",
    "the distributive law; f is multiplied once", _hoisted)
REFOLDED = IndexRule(
    "products of sums refolded", "Σ_p Σ_q f(p)·g(q)", "(Σ_p f)·(Σ_q g)", "p not in g, q not in f",
    "the distributive law; P + Q terms and not P·Q", _refolded)
RENAMED = IndexRule(
    "renamed", "Σ_p f(p) + Σ_q f(q)", "2·Σ_p f(p)", "p and q have one extent",
    "names of bound indices do not matter; of whole definitions: same definition", _renamed)

#: Rows whose right sides are sums again.
SUMS: tuple[IndexRule, ...] = (REFOLDED, HOISTED, RENAMED)


def apart(body: Expr, over: Indices, steps: Steps) -> Expr | None:
    """Σ body by smaller sums, where a program that has these computes less; else None."""
    for row in (REFOLDED, HOISTED):
        found = row.apply(body, over, Totals())
        if found is not None and (row is REFOLDED or _scales_entries(found[0])):
            return noted(steps, row.name, total(body, over), found[0])
    return None


def _scales_entries(product: Expr) -> bool:
    return any(isinstance(e, Element) for f in Mul.make_args(product) if not isinstance(f, Sum)
               for e in elements_in(f))


def with_factors_outside(body: Expr, steps: Steps = None) -> Expr:
    """Σ_n 2·lam·a[n] → 2·lam·Σ_n a[n], in every sum of the body."""
    new: dict[Expr, Expr] = {}
    for node in postorder(body):
        args = tuple(new.get(arg, arg) for arg in node.args)
        current = node if args == node.args else node.func(*args)
        new[node] = _outside(current, steps) if is_whole(current) else current
    return new[body]


def _outside(node: Expr, steps: Steps) -> Expr:
    for row in (REFOLDED, HOISTED):
        found = row.apply(node.function, bound_indices(node), Totals())
        if found is not None:
            return noted(steps, row.name, node, found[0])
    return node


def with_like_letters(body: Expr, steps: Steps = None) -> Expr:
    """Σ_p f(p) + Σ_q f(q) → 2·Σ_p f(p)."""
    found = RENAMED.apply(body, (), Totals())
    return noted(steps, RENAMED.name, body, found[0]) if found else body
