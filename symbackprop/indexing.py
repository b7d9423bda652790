"""Indices of bodies: which are free, how they are replaced, and one canonical spelling of a body.

The free indices of Σ_k f(n, k) are those of f but k; replacing never captures: a bound index
that would clash with a new one is renamed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from sympy import Basic, Expr, Idx, Sum, Symbol, Tuple

from symbackprop.notation import Definition, Reduction, TensorSymbol, extent


@lru_cache(4096)
def free_indices(expr: Basic) -> tuple[Idx, ...]:
    """The indices that an expression reads and does not bind, in order of first appearance."""
    found: dict[Idx, None] = {}
    stack: list[tuple[Basic, frozenset[Idx]]] = [(expr, frozenset())]
    seen = set()
    while stack:
        node, bound = stack.pop()
        if (node, bound) in seen:
            continue
        seen.add((node, bound))
        match node:
            case Idx():
                if node not in bound:
                    found[node] = None
            case Sum() | Reduction():
                stack.append((node.args[0], bound | set(bound_indices(node))))
            case TensorSymbol():
                pass
            case _:
                stack.extend((arg, bound) for arg in reversed(node.args))
    return tuple(found)


def bound_indices(node: Expr) -> tuple[Idx, ...]:
    """The indices that a Sum, Maximum or Minimum runs over."""
    if isinstance(node, Sum):
        return tuple(limit[0] for limit in node.limits)
    return tuple(node.args[1])


def limits(node: Expr) -> list[tuple[Idx, Expr, Expr]]:
    """(index, first value, last value) of each index that a Sum, Maximum or Minimum runs over."""
    written = node.limits if isinstance(node, Sum) else [Tuple(i) for i in node.args[1]]
    return [tuple(limit) if len(limit) == 3 else (limit[0], limit[0].lower, limit[0].upper)
            for limit in written]


def replace_indices(expr: Expr, mapping: Mapping[Idx, Expr]) -> Expr:
    """The expression with free indices replaced, bound ones untouched and never captured."""
    used = {i: e for i, e in mapping.items() if i != e}
    if not used or not (expr.has(Sum) or expr.has(Reduction)):
        return expr.xreplace(used) if used else expr
    return _replaced(expr, tuple(used.items()))


@lru_cache(4096)
def _replaced(expr: Expr, mapping: tuple[tuple[Idx, Expr], ...]) -> Expr:
    if isinstance(expr, (Sum, Reduction)):
        inner = tuple((i, e) for i, e in mapping if i not in bound_indices(expr))
        incoming = {j for _, e in inner for j in free_indices(e)}
        clear = unshadowed(expr, incoming)
        return clear.func(_replaced(clear.args[0], inner), *clear.args[1:])
    if isinstance(expr, Idx):
        return dict(mapping).get(expr, expr)
    if not expr.args or isinstance(expr, TensorSymbol):
        return expr
    return expr.func(*(_replaced(arg, mapping) for arg in expr.args))


def unshadowed(expr: Expr, taken: Iterable[Idx]) -> Expr:
    """The expression with bound indices renamed whose letters are taken outside.

    The letter counts, not the extent: a window of 2 and one of 3 may both run over an a.
    """
    return _unshadowed(expr, frozenset(taken))


@lru_cache(4096)
def _unshadowed(expr: Expr, outside: frozenset[Idx]) -> Expr:
    letters = {str(index) for index in outside}
    if not outside or not any(str(index) in letters for node in _reductions(expr)
                              for index in bound_indices(node)):
        return expr
    if not isinstance(expr, (Sum, Reduction)):
        return expr.func(*(unshadowed(arg, outside) for arg in expr.args)) if expr.args else expr
    own = bound_indices(expr)
    names = {*outside, *free_indices(expr), *own}
    renaming: dict[Idx, Expr] = {}
    for index in own:
        if str(index) in letters:
            renaming[index] = fresh(index, names)
            names.add(renaming[index])
    body = unshadowed(replace_indices(expr.args[0], renaming),
                      outside | {renaming.get(i, i) for i in own})
    if isinstance(expr, Sum):
        return expr.func(body, *(Tuple(renaming.get(limit[0], limit[0]), *limit[1:])
                                 for limit in expr.limits))
    return expr.func(body, *(renaming.get(i, i) for i in own))


def _reductions(expr: Basic) -> list[Expr]:
    """The sums and other reductions within an expression."""
    found, stack, seen = [], [expr], set()
    while stack:
        node = stack.pop()
        if node in seen or isinstance(node, (TensorSymbol, Idx)):
            continue
        seen.add(node)
        if isinstance(node, (Sum, Reduction)):
            found.append(node)
            stack.append(node.args[0])
        else:
            stack.extend(node.args)
    return found


def fresh(index: Idx, taken: Iterable[Idx]) -> Idx:
    """An index with the same values whose letter is not taken: k, then k′, k′′, …"""
    letters = {str(other) for other in taken}
    letter = str(index)
    while letter in letters:
        letter += "′"
    return index if letter == str(index) else Idx(Symbol(letter, integer=True),
                                                  (index.lower, index.upper))


def canonical(definition: Definition) -> tuple[object, ...]:
    """A key that two definitions share when they differ in the letters of their indices only."""
    places = {index: place for place, index in enumerate(definition.indices)}
    spelling = _spelled(definition.body, places)
    return (definition.op, *(extent(i) for i in definition.indices), *spelling,
            *sorted(places[i] for i in definition.over if i in places),
            *(extent(i) for i in definition.over if i not in places))


def fingerprint(part: Expr) -> tuple[tuple[object, ...], tuple[Idx, ...]]:
    """A part of a body spelled without its letters, and its indices in order of appearance.

    Two parts that differ in letters only have equal spellings (unless SymPy sorts their terms
    by the letters, which costs a missed match and never a wrong one).
    """
    places: dict[Idx, int] = {}
    return _spelled(part, places), tuple(places)


def _spelled(body: Expr, places: dict[Idx, int]) -> tuple[object, ...]:
    """The nodes of a body in prefix order, each new index numbered, with its range."""
    spelling: list[object] = []
    stack: list[Basic] = [body]
    while stack:
        node = stack.pop()
        if isinstance(node, Idx):
            if node not in places:
                places[node] = len(places)
                spelling.extend((node.lower, extent(node)))
            spelling.append(places[node])
        elif node.args:
            spelling.append((node.func, len(node.args)))
            stack.extend(reversed(node.args))
        else:
            spelling.append((type(node), node))
    return tuple(spelling)
