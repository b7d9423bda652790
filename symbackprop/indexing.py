"""Indices of bodies: which are free, how they are replaced, and one canonical spelling of a body.

The free indices of Σ_k f(n, k) are those of f but k; replacing never captures: a bound index
that would clash with a new one is renamed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sympy import Basic, Expr, Idx, Sum, Symbol, Tuple

from symbackprop.notation import Definition, Element, Reduction, TensorSymbol, extent


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


def replace_indices(expr: Expr, mapping: Mapping[Idx, Expr]) -> Expr:
    """The expression with free indices replaced, bound ones untouched and never captured."""
    used = {i: e for i, e in mapping.items() if i != e}
    if not used or not (expr.has(Sum) or expr.has(Reduction)):
        return expr.xreplace(used) if used else expr
    return _replaced(expr, used)


def _replaced(expr: Expr, mapping: dict[Idx, Expr]) -> Expr:
    if isinstance(expr, (Sum, Reduction)):
        inner = {i: e for i, e in mapping.items() if i not in bound_indices(expr)}
        incoming = {j for e in inner.values() for j in free_indices(e)}
        renaming, limits = {}, []
        taken = {*incoming, *free_indices(expr), *bound_indices(expr)}
        for limit in expr.limits if isinstance(expr, Sum) else bound_indices(expr):
            index = limit[0] if isinstance(limit, Tuple) else limit
            if index in incoming:
                renaming[index] = fresh(index, taken)
                taken.add(renaming[index])
            new = renaming.get(index, index)
            limits.append(Tuple(new, *limit[1:]) if isinstance(limit, Tuple) else new)
        body = _replaced(replace_indices(expr.args[0], renaming), inner)
        return expr.func(body, *limits)
    if isinstance(expr, Idx):
        return mapping.get(expr, expr)
    if not expr.args or isinstance(expr, TensorSymbol):
        return expr
    return expr.func(*(_replaced(arg, mapping) for arg in expr.args))


def fresh(index: Idx, taken: Iterable[Idx]) -> Idx:
    """An index with the same extent whose letter is not taken: k, then k1, k2, …"""
    letters = {str(other) for other in taken}
    base, number = str(index).rstrip("0123456789"), 0
    letter = str(index)
    while letter in letters:
        number += 1
        letter = f"{base}{number}"
    return index if letter == str(index) else Idx(Symbol(letter, integer=True), extent(index))


def canonical(definition: Definition) -> tuple[object, ...]:
    """A key that two definitions share when they differ in the letters of their indices only."""
    return (
        definition.op,
        tuple(extent(i) for i in definition.indices),
        spelled(definition.body, definition.indices, definition.over),
    )


def spelled(body: Expr, free: Sequence[Idx], over: Sequence[Idx] = ()) -> Expr:
    """The body with free indices written _0, _1, … in the given order, bound ones by their use."""
    mapping = {i: _numbered("_", place, i) for place, i in enumerate(free)}
    for place, i in enumerate(sorted(over, key=lambda i: _use(body, i))):
        mapping[i] = _numbered("_o", place, i)
    return body.xreplace(mapping)


def fingerprint(part: Expr) -> tuple[Expr, tuple[Idx, ...]]:
    """A part of a body spelled without its letters, and its indices in the order of that spelling.

    Two parts that differ in letters only have equal spellings (unless symmetric uses of two
    indices hide it, which costs a missed match and never a wrong one).
    """
    order = tuple(sorted(free_indices(part), key=lambda i: _use(part, i)))
    return spelled(part, order), order


def _numbered(prefix: str, place: int, index: Idx) -> Idx:
    return Idx(Symbol(f"{prefix}{place}", integer=True), extent(index))


def _use(body: Expr, index: Idx) -> tuple[object, ...]:
    """Where an index stands: (tensor, axis) pairs, which no renaming changes."""
    places = []
    for node in _elements(body):
        for axis, expr in enumerate(node.indices):
            if expr.has(index):
                places.append((node.tensor.serial, axis, expr == index))
    return (sorted(places), str(extent(index)))


def _elements(body: Expr) -> list[Element]:
    return sorted(body.atoms(Element), key=lambda e: e.tensor.serial)
