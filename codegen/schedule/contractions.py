"""contract(program): sums of products become chains of products of two matrices.

    L[n] = Σ_{i,j} A[n,i]·B[i,j]·C[j]        s[n,j] = Σ_i A[n,i]·B[i,j],   L[n] = Σ_j s[n,j]·C[j]
    G[i,j] = Σ_n x[n,i]·(p[n,j] − y[n,j])    q[n,j] = p[n,j] − y[n,j],   G[i,j] = Σ_n x[n,i]·q[n,j]
    Σ_n (a[n,i]·b[n,j] + c[n,i]·d[n,j])       two sums, added

Factors are grouped by their indices.  Where one group carries all indices, the sum is a plain
loop and stays.  Else the pair of groups whose product has the fewest indices is multiplied
first (greedy elimination; by count and not by extent, so that the choice does not depend on the
width of a layer), and a bound index that only one group carries is summed away before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from sympy import Add, Expr, Idx, Mul

from symbackprop.codegen.lowering import nest
from symbackprop.functions import Iverson
from symbackprop.indexing import free_indices
from symbackprop.normal import temporary
from symbackprop.notation import Definition, Element, Program, elements_in, extent


@dataclass(frozen=True, slots=True)
class _Group:
    """A product of factors, and the indices of the loop nest that it carries, in order."""

    body: Expr
    indices: tuple[Idx, ...]


def contract(program: Program) -> Program:
    """The same values; every sum is a loop over one group of factors, or a product of two."""
    made = [new for definition in program for new in _contracted(definition)]
    return replace(program, definitions=tuple(made))


def _contracted(definition: Definition) -> Iterator[Definition]:
    if nest(definition).is_scatter:
        yield from _scattered(definition)
        return
    if definition.op != "sum" or nest(definition).op != "sum":
        yield definition
        return
    terms = _terms(definition)
    if len(terms) == 1:
        yield from _product(definition, terms[0])
        return
    parts = [temporary(term, definition.indices, definition.over, "sum", "s", definition.where)
             for term in terms]
    for part in parts:
        yield from _product(part, part.body)
    yield replace(definition, body=Add(*(part.element for part in parts)), over=(), op="map")


def _scattered(definition: Definition) -> Iterator[Definition]:
    """A scatter whose factors with fewer indices than its loops are computed once, and not again.

    Σ_{u,a} [h[2u + a] = m[u]]·d[u]/t[u]·[i = 2u + a]        q[u] = d[u]/t[u]
    """
    made: list[Definition] = []
    found = nest(definition)
    bodies: dict[tuple[Idx, ...], list[Expr]] = {}
    for factor in Mul.make_args(definition.body):
        bodies.setdefault(_carried(factor, _all(definition)), []).append(factor)
    kept = []
    for carried, factors in bodies.items():
        body = Mul(*factors)
        repeated = set(found.over) - set(carried)
        if carried and repeated and not body.has(Iverson) and isinstance(body, Mul):
            body = _named(_Group(body, carried), made, definition)
        kept.append(body)
    yield from made
    yield replace(definition, body=Mul(*kept)) if made else definition


def _all(definition: Definition) -> tuple[Idx, ...]:
    return (*definition.indices, *definition.over)


def _terms(definition: Definition) -> list[Expr]:
    """The terms of the body that are summed apart: products of several groups each by itself."""
    every = _all(definition)
    body = _multiplied_out(definition.body, every)
    apart: list[Expr] = []
    together: list[Expr] = []
    for term in Add.make_args(body):
        _, groups = _groups(term, every)
        (apart if len(groups) > 1 else together).append(term)
    if not apart:
        return [definition.body]
    return [*apart, *([Add(*together)] if together else [])]


def _multiplied_out(body: Expr, every: tuple[Idx, ...]) -> Expr:
    """a·(b + c) as a·b + a·c where a bracket mixes terms that carry fewer indices than it does."""
    for factor in Mul.make_args(body):
        if isinstance(factor, Add):
            carried = _carried(factor, every)
            if all(len(_carried(term, every)) < len(carried) for term in factor.args):
                rest = Mul(*(f for f in Mul.make_args(body) if f != factor))
                return Add(*(rest * term for term in factor.args))
    return body


def _carried(expr: Expr, every: Iterable[Idx]) -> tuple[Idx, ...]:
    found = set(free_indices(expr))
    return tuple(i for i in every if i in found)


def _groups(term: Expr, every: tuple[Idx, ...]) -> tuple[Expr, list[_Group]]:
    """The factor without indices, and the rest in groups; no group carries all of another's."""
    bodies: dict[tuple[Idx, ...], Expr] = {}
    for factor in Mul.make_args(term):
        carried = _carried(factor, every)
        bodies[carried] = bodies.get(carried, 1) * factor
    scale = bodies.pop((), Mul())
    for carried in sorted(bodies, key=len):
        hosts = [other for other in bodies if set(carried) < set(other)]
        if hosts:
            host = min(hosts, key=lambda other: (isinstance(bodies[other], Element), len(other)))
            bodies[host] = bodies[host] * bodies.pop(carried)
    return scale, [_Group(body, carried) for carried, body in bodies.items()]


def _product(definition: Definition, term: Expr) -> Iterator[Definition]:
    """One sum of one product, cut into sums of products of two."""
    scale, groups = _groups(term, _all(definition))
    if len(groups) < 2:
        yield replace(definition, body=term)
        return
    bound = [i for i in definition.over if any(i in g.indices for g in groups)]
    unused = [i for i in definition.over if i not in bound]
    scale = scale * Mul(*(extent(i) for i in unused))
    made: list[Definition] = []
    groups = [_summed(g, [o for o in groups if o is not g], bound, made, definition)
              for g in groups]
    while len(groups) > 2:
        groups = _paired(groups, bound, made, definition)
    scale, groups = _without_scales(scale, groups)
    operands = [_named(group, made, definition) for group in groups]
    left = [i for i in bound if any(i in group.indices for group in groups)]
    yield from made
    yield replace(definition, body=scale * Mul(*operands), over=tuple(left),
                  op="sum" if left else "map")


def _without_scales(scale: Expr, groups: list[_Group]) -> tuple[Expr, list[_Group]]:
    """Numbers that stand in front of a group belong to the whole."""
    kept = []
    for group in groups:
        number, body = group.body.as_coeff_Mul()
        scale = scale * number
        kept.append(replace(group, body=body))
    return scale, kept


def _summed(group: _Group, others: list[_Group], bound: list[Idx], made: list[Definition],
            parent: Definition) -> _Group:
    """The group with those bound indices summed away that no other group carries."""
    own = [i for i in group.indices if i in bound and not any(i in o.indices for o in others)]
    if not own:
        return group
    kept = tuple(i for i in group.indices if i not in own)
    new = temporary(group.body, kept, tuple(own), "sum", "s", parent.where)
    made.append(new)
    return _Group(new.element, kept)


def _paired(groups: list[_Group], bound: list[Idx], made: list[Definition], parent: Definition
            ) -> list[_Group]:
    """The groups with one pair replaced by its product, summed over what only the pair carries."""

    def result(pair: tuple[_Group, _Group]) -> list[Idx]:
        others = [g for g in groups if g not in pair]
        return [i for i in _all(parent) if any(i in g.indices for g in pair)
                and (i not in bound or any(i in o.indices for o in others))]

    pair = min(combinations(groups, 2), key=lambda pair: len(result(pair)))
    kept = tuple(result(pair))
    over = tuple(i for i in bound if any(i in g.indices for g in pair) and i not in kept)
    body = Mul(*(_named(group, made, parent) for group in pair))
    new = temporary(body, kept, over, "sum" if over else "map", "s", parent.where)
    made.append(new)
    return [*(g for g in groups if g not in pair), _Group(new.element, kept)]


def _named(group: _Group, made: list[Definition], parent: Definition) -> Expr:
    """The group as one entry: it is given a tensor unless it is one."""
    if isinstance(group.body, Element):
        return group.body
    new = temporary(group.body, _layout(group), hint="q", where=parent.where)
    made.append(new)
    return new.element


def _layout(group: _Group) -> tuple[Idx, ...]:
    """The indices of a group in the order of the entry that carries most of them."""
    entries = [e for e in elements_in(group.body) if isinstance(e, Element)]
    longest = max(entries, key=lambda e: len(free_indices(e)), default=None)
    leading = [] if longest is None else [i for i in longest.indices if i in group.indices]
    return tuple(dict.fromkeys((*leading, *group.indices)))
