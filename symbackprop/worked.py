"""Worked numbers as a graph of items: what is shown of a tape, each item with its name.

For scalars every operation is an item.  For a network the entries of its tensors are: between two
of them stands one derivative, that of the whole body in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import sympy as sp

from symbackprop.operations import OUTPUT, Number, Operation, derivative_rules, place
from symbackprop.printing.text import function_name, text
from symbackprop.tape import Cell, Tape, times

__all__ = ["Factor", "Item", "Slope", "chain", "entry_name", "held_fixed", "items_of_cells",
           "items_of_operations", "weight_paths"]


LONGEST = 60  # characters of a local derivative that is written out


@dataclass(frozen=True, slots=True)
class Slope:
    """∂item/∂operand: the number of the operand among the items, its value and its formula."""

    operand: int
    value: Number
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One value of the graph; `name` is empty for a constant; `cell` is set where it is an entry.

    label: what is written in its node; formula: what it is computed by, in names of others;
    places: what its label calls each operand, where it matters which is which.
    """

    name: str
    label: str
    formula: str
    value: Number
    adjoint: Number
    slopes: tuple[Slope, ...] = ()
    cell: Cell | None = None
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    """∂above/∂below; terms: (next, ∂above/∂next, ∂next/∂below) where several paths lead up."""

    above: int
    below: int
    value: Number
    terms: tuple[tuple[int, Number, Number], ...] = ()


def entry_name(name: str, entry: Sequence[int]) -> str:
    """W[2,0]; the bare name at rank 0."""
    return f"{name}[{','.join(map(str, entry))}]" if entry else name


def items_of_operations(tape: Tape, names: Mapping[Any, str]) -> tuple[Item, ...]:
    """Every operation that the loss is computed by, and every input."""
    owner = {number: cell for cell, number in tape.cells.items()}
    shown = sorted({*tape.reached(), *owner})
    places = {number: at for at, number in enumerate(shown)}
    called, taken, count = {}, set(names.values()), 0
    for number in shown:
        vertex = tape.vertices[number]
        if number in owner:
            called[number] = entry_name(names[owner[number][0]], owner[number][1])
        elif vertex.operands:
            count += 1
            while f"t{count}" in taken:
                count += 1
            called[number] = f"t{count}"
        else:
            called[number] = ""
    items = []
    for number in shown:
        vertex = tape.vertices[number]
        inside = [called[o] or _constant(tape, o) for o in vertex.operands]
        merged: dict[int, Slope] = {}
        for k, operand in enumerate(vertex.operands):
            formula = slope_formula(vertex.made, k, inside, called[number])
            value = vertex.partials[k]
            if operand in merged:
                value = value + merged[operand].value
                formula = f"{merged[operand].formula} + {formula}"
            merged[operand] = Slope(places[operand], value, formula)
        label = node_label(vertex.made) if vertex.operands else (
            called[number] or _constant(tape, number))
        items.append(Item(called[number], label, formula_text(vertex.made, inside),
                          vertex.value, tape.adjoints[number], tuple(merged.values()),
                          owner.get(number), _places(vertex.made, len(merged))))
    return tuple(items)


def _places(made: Operation, count: int) -> tuple[str, ...]:
    several = made.kind == "body" and 1 < count == len(made.operands)
    return tuple(place(k).name for k in range(count)) if several else ()


def items_of_cells(tape: Tape, names: Mapping[Any, str]) -> tuple[Item, ...]:
    """Every entry of every tensor, with the derivatives between them."""
    owner = dict(sorted((number, cell) for cell, number in tape.cells.items()))
    stops, places = frozenset(owner), {number: at for at, number in enumerate(owner)}
    items = []
    for number, cell in owner.items():
        name = entry_name(names[cell[0]], cell[1])
        factors = _multipliers(tape, number, stops)
        slopes = tuple(
            Slope(places[o], value, entry_name(names[owner[factors[o]][0]], owner[factors[o]][1])
                  if o in factors else "")
            for o, value in tape.local(number, stops).items())
        items.append(Item(name, name, "", tape.vertices[number].value, tape.adjoints[number],
                          slopes, cell))
    return tuple(items)


def _multipliers(tape: Tape, number: int, stops: frozenset[int]) -> dict[int, int]:
    """The cell that multiplies each cell in a product of two, below one vertex: w of x in w·x."""
    found: dict[int, int] = {}
    waiting, seen = [number], {number}
    while waiting:
        vertex = tape.vertices[waiting.pop()]
        if vertex.made.kind == "product" and len(vertex.operands) == 2 and stops.issuperset(
                vertex.operands):
            one, other = vertex.operands
            found |= {one: other, other: one}
        fresh = [o for o in vertex.operands if o not in seen and o not in stops]
        seen.update(fresh)
        waiting += fresh
    return found


def _constant(tape: Tape, number: int) -> str:
    vertex = tape.vertices[number]
    return vertex.made.label or str(vertex.value)


def node_label(made: Operation) -> str:
    """What is written in the node of an operation: +, ×−1, exp, 1/x, max(0, x)."""
    if made.label or made.body is None:
        return made.label
    body = made.body
    if isinstance(body, sp.Function) and len(body.args) == 1 and not isinstance(body, sp.Abs):
        return function_name(body)
    return text(body, {})


def formula_text(made: Operation, inside: Sequence[str]) -> str:
    """The operation written out with the names of its operands."""
    match made.kind:
        case "leaf":
            return ""
        case "sum":
            return " + ".join(inside)
        case "product":
            return "·".join(inside)
        case "body":
            return _with_names(made.body, inside, "")
    return f"{made.label}({', '.join(inside)})"


def slope_formula(made: Operation, k: int, inside: Sequence[str], own: str) -> str:
    """The local derivative by operand k in names, empty where its number says it all."""
    match made.kind:
        case "product":
            return "·".join(part for at, part in enumerate(inside) if at != k)
        case "body":
            rule = derivative_rules(made.body, len(inside))[k]
            written = "" if rule.is_Number else _with_names(rule, inside, own)
            return written if len(written) <= LONGEST else ""
    return ""


def _with_names(body: sp.Expr, inside: Sequence[str], own: str) -> str:
    named = {place(k): sp.Symbol(name, real=True) for k, name in enumerate(inside)}
    return text(body.xreplace(named | {OUTPUT: sp.Symbol(own, real=True)}), {})


def held_fixed(items: Sequence[Item], operands: Iterable[int]) -> dict[tuple[int, int], list[int]]:
    """(item, operand): the operands through which an item reads the operand besides directly.

    A local derivative holds these fixed, so that it is less than the whole one.
    """
    wanted = set(operands)
    readers: dict[int, list[int]] = {}
    for at, item in enumerate(items):
        for slope in item.slopes:
            if slope.operand in wanted:
                readers.setdefault(slope.operand, []).append(at)
    found: dict[tuple[int, int], list[int]] = {}
    for operand, reading in readers.items():
        if len(reading) == 1:
            continue
        through = {operand}
        for at in range(reading[0], reading[-1] + 1):
            met = [slope.operand for slope in items[at].slopes if slope.operand in through]
            if met:
                through.add(at)
            if operand in met and len(met) > 1:
                found[at, operand] = [other for other in met if other != operand]
    return found


def weight_paths(items: Sequence[Item], weight: int) -> dict[int, int]:
    """The items between a weight and the loss, and the number of paths of each to the loss."""
    up = {weight}
    for at in range(weight + 1, len(items)):
        if any(slope.operand in up for slope in items[at].slopes):
            up.add(at)
    count = dict.fromkeys(sorted(up), 0)
    if len(items) - 1 in count:
        count[len(items) - 1] = 1
    for at in sorted(up, reverse=True):
        for slope in items[at].slopes:
            if slope.operand in count:
                count[slope.operand] += count[at]
    return {at: number for at, number in count.items() if number}


def chain(items: Sequence[Item], weight: int) -> tuple[Factor, ...]:
    """∂loss/∂weight as a product, from the loss down, over the items that every path meets.

    An item is on every path where the paths to it times the paths from it are all of them.
    """
    onward = weight_paths(items, weight)
    arriving = dict.fromkeys(onward, 0)
    if not onward:
        return ()
    arriving[weight] = 1
    for at in onward:
        for slope in items[at].slopes:
            arriving[at] += arriving.get(slope.operand, 0)
    whole = onward[weight]
    met = [at for at in onward if arriving[at] * onward[at] == whole]
    return tuple(_factor(items, above, below, onward)
                 for below, above in reversed(list(pairwise(met))))


def _factor(items: Sequence[Item], above: int, below: int, onward: Mapping[int, int]) -> Factor:
    adjoints: dict[int, Number] = {above: Fraction(1)}
    between = [at for at in onward if below <= at <= above]
    for at in reversed(between):
        for slope in items[at].slopes:
            if at in adjoints and slope.operand in onward and slope.operand >= below:
                before = adjoints.get(slope.operand, Fraction(0))
                adjoints[slope.operand] = before + times(adjoints[at], slope.value)
    users = [(at, adjoints[at], slope.value) for at in between if at in adjoints
             for slope in items[at].slopes if slope.operand == below]
    direct = len(users) == 1 and users[0][0] == above
    return Factor(above, below, adjoints[below], () if direct else tuple(users))
