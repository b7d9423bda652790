"""lower(program): one loop nest for each definition of a normal form.

    s1[n,j] = Σ_i x[n,i]·W1[i,j]        for n: for j: total = 0; for i: total += …; s1[n,j] = total

A sum whose innermost loop runs over a free index adds into memory instead; a scatter, which is
written with a bracket [v = e], adds at the entry e and runs no loop over v.
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import And, Eq, Expr, Idx, Mul, S, Symbol

from symbackprop.codegen.ir import Accumulate, Assign, Blocks, Kernel, Stage, Statement
from symbackprop.codegen.ranges import inside
from symbackprop.codegen.summation import (
    ACCUMULATORS,
    CARRIED,
    GROUPS,
    ROWS,
    count,
    looped,
    rest_of,
    total,
)
from symbackprop.functions import Iverson
from symbackprop.notation import Definition, Op, Program, TensorSymbol, extent

_BEGINNINGS: dict[Op, Expr] = {"sum": S.Zero, "max": S.NegativeInfinity, "min": S.Infinity}


@dataclass(frozen=True, slots=True)
class Nest:
    """What a loop nest computes: target = op_over body for all other indices in it.

    target may be an entry at computed places, then `is_scatter`: it adds and needs zeros first.
    """

    target: Expr
    body: Expr
    free: tuple[Idx, ...]
    over: tuple[Idx, ...]
    op: Op
    is_scatter: bool


def lower(program: Program, batch: Symbol | None = None) -> Kernel:
    """One stage for each definition, its loops in the order of its indices; no buffers yet."""
    stages = tuple(Stage(d, loops(d, (*n.free, *n.over))) for d in program for n in [nest(d)])
    return Kernel(program, stages, sizes_in(program), batch=batch)


def sizes_in(program: Program) -> tuple[Symbol, ...]:
    """The symbolic extents and sizes that a program speaks of, by name."""
    found: set[Symbol] = set()
    for tensor in program.inputs:
        found.update(*(axis.free_symbols for axis in tensor.axes))
    for definition in program:
        found.update(*(axis.free_symbols for axis in definition.target.axes))
        found.update(*(extent(i).free_symbols for i in definition.over))
        found.update(definition.body.free_symbols)
    sizes = {s for s in found if isinstance(s, Symbol) and not isinstance(s, (Idx, TensorSymbol))
             and s.is_integer and s.is_positive and s not in (GROUPS, ROWS)}
    return tuple(sorted(sizes, key=str))


def nest(definition: Definition) -> Nest:
    """The loop nest of a definition, brackets [v = e] resolved into the place of the target."""
    body, free, over = definition.body, definition.indices, definition.over
    places: dict[Idx, Expr] = {}
    if definition.op in ("map", "sum"):
        body = _separated(body)
        for bracket in [f for f in Mul.make_args(body) if isinstance(f, Iverson)]:
            current = bracket.xreplace(places)
            solved = _solved(current, (*over, *free), places)
            if solved is not None:
                moved = dict([solved])
                body = (body / current).xreplace(moved)
                places = {i: e.xreplace(moved) for i, e in places.items()} | moved
    kept_over = tuple(i for i in over if i not in places)
    kept_free = tuple(i for i in free if i not in places)
    is_scatter = len(kept_free) < len(free)
    op: Op = definition.op if kept_over or is_scatter else "map"
    return Nest(definition.element.xreplace(places), body, kept_free, kept_over, op, is_scatter)


def _separated(body: Expr) -> Expr:
    """The body with a factor [a and b] written [a]·[b]."""
    factors = [[Iverson(c) for c in f.args[0].args] if isinstance(f, Iverson)
               and isinstance(f.args[0], And) else [f] for f in Mul.make_args(body)]
    return body if all(len(f) == 1 for f in factors) else Mul(*(g for f in factors for g in f))


def _solved(bracket: Expr, candidates: tuple[Idx, ...], places: dict[Idx, Expr]
            ) -> tuple[Idx, Expr] | None:
    """(v, e) of a bracket [v = e], where e is free of v and certain to be a value of v."""
    if not isinstance(bracket, Iverson) or not isinstance(bracket.args[0], Eq):
        return None
    for index in candidates:
        for side, place in (bracket.args[0].args, bracket.args[0].args[::-1]):
            if side == index and index not in places and index not in place.atoms(Idx):
                if index.lower == 0 and inside(place, extent(index)):
                    return index, place
    return None


def loops(definition: Definition, order: tuple[Idx, ...], found: Nest | None = None
          ) -> tuple[Statement, ...]:
    """The statements of a definition, or of its nest, with loops in this order, outermost first."""
    found = found or nest(definition)
    if found.is_scatter:
        return _in_memory(found, definition.element, definition.indices, order)
    if not found.over:
        return looped(order, (Assign(found.target, found.body),))
    outer = _leading(order, found.free)
    inner = order[len(outer):]
    if len(outer) < len(found.free):
        rest = tuple(i for i in inner if i in found.free)
        return looped(outer, _in_memory(found, found.target, rest, inner))
    register = ACCUMULATORS[found.op]
    if found.op == "sum":
        statements = total(inner, found.body, inside=bool(outer))
    else:
        statements = (Assign(register, _BEGINNINGS[found.op]),
                      *looped(inner, (Accumulate(found.op, register, found.body),)))
    return looped(outer, (*statements, Assign(found.target, register)))


def _in_memory(found: Nest, entry: Expr, filled: tuple[Idx, ...], order: tuple[Idx, ...]
               ) -> tuple[Statement, ...]:
    """The entries begin, and terms are added to them in this order of the loops."""
    op: Op = "sum" if found.is_scatter else found.op
    beginning: tuple[Statement, ...] = (Assign(entry, _BEGINNINGS[op]),)
    tensor = rest_of(entry.tensor, found.over, found.is_scatter) if op == "sum" else None
    if tensor is None:
        return (*looped(filled, beginning),
                *looped(order, (Accumulate(op, found.target, found.body),)))
    beginning = looped(filled, (*beginning, Assign(tensor.at(*entry.indices), S.Zero)))
    rest = tensor.at(*found.target.indices)
    if found.is_scatter:
        step = Accumulate(op, found.target, found.body, rest)
        return (*beginning, *looped(order, (step,)))
    return (*beginning, *_in_blocks(order, found, rest, filled))


def _in_blocks(order: tuple[Idx, ...], found: Nest, rest: Expr, filled: tuple[Idx, ...]
               ) -> tuple[Statement, ...]:
    """Terms are added to the rests, which are carried over into the totals after each block.

    A block has a few values of one bound index, and all of the bound ones inside of that.
    """
    bound = [i for i in order if i in found.over]
    place = next(p for p in range(len(bound)) if count(bound[p + 1:]) <= CARRIED)
    at = order.index(bound[place])
    carry = looped([i for i in filled if i in order[at:]],
                   (Accumulate("sum", found.target, S.Zero, rest),))
    terms = looped(order[at:], (Accumulate("sum", rest, found.body),))
    block = Blocks(bound[place], CARRIED, (*terms, *carry), tuple(bound[place + 1:]))
    return looped(order[:at], (block,))


def _leading(order: tuple[Idx, ...], free: tuple[Idx, ...]) -> tuple[Idx, ...]:
    """The free indices that stand before every bound one."""
    count = next((place for place, i in enumerate(order) if i not in free), len(order))
    return order[:count]

