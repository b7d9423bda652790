"""Long formulas in several lines: broken before + and −, else before a factor.

    a + b + c  →  a + b           A bracket that is itself too long is opened, and a fraction that
                  + c             is too long becomes a factor 1/N of what stands above its bar.

Widths are estimates in em, the width of a capital letter; no font is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from symbackprop.printing.formula import (
    Formula,
    bare,
    beside,
    number,
    postorder,
    quotient,
    sign,
)
from symbackprop.printing.naming import Parts, characters, partial
from symbackprop.printing.naming import parts as parts_of
from symbackprop.printing.setting import ADDED, TIMES

_SIGNS = {" + ": 1.25, " − ": 1.25, " ⊙ ": 1.25, " ⊘ ": 1.25, "·": 0.17, " ": 0.17, ", ": 0.45,
          "Σ": 1.45, "∂": 0.56, "−": 0.78, "∘": 0.5}
SCRIPT = 0.72
WHOLE = 12.0  # what is kept on one line even if a break inside of it is possible


class Unit(NamedTuple):
    """What stays on one line, and how much of a break it is to begin a new one with it."""

    parts: tuple[Formula, ...]
    depth: int

    @property
    def width(self) -> float:
        """The width of the parts beside each other."""
        return sum(map(width, self.parts))


def broken(formula: Formula, room: float) -> list[Formula]:
    """The formula in lines of at most that width, as far as it can be broken at all."""
    if width(formula) <= room:
        return [formula]
    units = list(_units(formula, room, 0))
    lines: list[list[Unit]] = [[]]
    for place, unit in enumerate(units):
        used = sum(u.width for u in lines[-1])
        if lines[-1] and used + _ahead(units, place) > room:
            lines.append([])
        lines[-1].append(unit)
    return [beside(*(part for unit in line for part in unit.parts)) for line in lines]


def _ahead(units: Sequence[Unit], place: int) -> float:
    """The width of a unit with those after it that hang on it more closely."""
    total = units[place].width
    for unit in units[place + 1:]:
        if unit.depth <= units[place].depth or total + unit.width > WHOLE:
            break
        total += unit.width
    return total


def _units(formula: Formula, room: float, depth: int) -> Iterator[Unit]:
    """The smallest pieces, in order, that need not be broken for a line of that width."""
    for term in _split(_flat(formula), ADDED):
        if sum(map(width, term)) <= room:
            yield Unit(term, depth)
            continue
        for at, factor in enumerate(_split(term, TIMES)):
            yield from _opened(factor, room, depth + bool(at))


def _opened(factor: tuple[Formula, ...], room: float, depth: int) -> Iterator[Unit]:
    """A factor after its signs; the bracket or fraction that it ends in is opened if too long."""
    before, last = factor[:-1], factor[-1]
    if sum(map(width, factor)) <= room:
        yield Unit(factor, depth)
    elif last.kind == "bracket" and last.text[0] == "(":
        inside = list(_units(last.parts[0], room, depth + 2))
        yield Unit((*before, sign("("), *inside[0].parts), depth)
        yield from inside[1:-1]
        yield Unit((*inside[-1].parts, sign(")")), inside[-1].depth) if len(inside) > 1 else Unit(
            (sign(")"),), depth + 9)
    elif last.kind == "quotient" and width(last.parts[1]) <= room / 2:
        above = bare(last.parts[0])
        yield Unit((*before, quotient(number("1"), last.parts[1])), depth)
        yield from _opened((sign(" "), Formula("bracket", f"({above.text})", (above,))), room,
                           depth + 1)
    else:
        yield Unit(factor, depth)


def _flat(formula: Formula) -> list[Formula]:
    """The parts of a row, and of the rows in it."""
    if formula.kind != "row":
        return [formula]
    return [inner for part in formula.parts for inner in _flat(part)]


def _split(parts: Sequence[Formula], before: frozenset[str]) -> Iterator[tuple[Formula, ...]]:
    """The parts in groups that begin with one of the signs; never split after a Σ or a word."""
    group: list[Formula] = []
    for part in parts:
        if group and part.text in before and group[-1].kind not in ("big", "word"):
            yield tuple(group)
            group = []
        group.append(part)
    yield tuple(group)


def width(formula: Formula) -> float:
    """About how wide a formula is when it is set, in em."""
    found: dict[int, float] = {}
    for node in postorder(formula):
        found[id(node)] = _width(node, [found[id(part)] for part in node.parts])
    return found[id(formula)]


def _width(node: Formula, inside: Sequence[float]) -> float:
    match node.kind:
        case "number" | "word" | "typed":
            return 0.5 * len(node.text)
        case "name" | "letter":
            return _name(node.text)
        case "sign":
            return _SIGNS.get(node.text, 0.5 * len(node.text))
        case "bracket":
            return inside[0] + 0.8
        case "entry":
            return _entry(node.parts[0].text, SCRIPT * (sum(inside[1:]) + 0.28 * len(inside)))
        case "quotient":
            return max(inside) + 0.3
        case "power":
            return inside[0] + SCRIPT * inside[1]
        case "transpose" | "root":
            return inside[0] + 0.7
        case "big":
            return max(inside[0], SCRIPT * (sum(inside[1:]) + 0.28 * (len(inside) - 2))) + 0.17
        case "cases":
            return max(inside[::2]) + max(inside[1::2]) + 3
    return sum(inside)


@lru_cache(maxsize=4096)
def _name(shown: str) -> float:
    found = partial(shown)
    if found is not None:
        return max(_name(found.of) + 0.85, sum(_name(by) + 0.85 for by, _ in found.by))
    known = parts_of(shown)
    return _stem(known) + SCRIPT * 0.5 * (len(known.layer) + len(known.rest))


@lru_cache(maxsize=4096)
def _entry(shown: str, below: float) -> float:
    """A name with indices below, its number above them."""
    found = partial(shown)
    if found is not None:
        *before, (last, _) = found.by
        under = sum(_name(by) + 0.85 for by, _ in before) + _entry(last, below) + 0.85
        return max(_name(found.of) + 0.85, under)
    known = parts_of(shown)
    above = len(known.layer) + len(known.rest)
    return _stem(known) + max(below, SCRIPT * 0.5 * (above + 1.5) if above else 0)


def _stem(known: Parts) -> float:
    letters = characters(known.stem)
    wide = sum(char.isupper() or char in "mw" for char, _ in letters)
    return 0.5 * len(letters) + 0.28 * wide + 0.28 * known.primes
