"""Blocks of lines that differ in their layer only are written once, for a layer ℓ.

    δ⟨ℓ⟩ = (δ⟨ℓ+1⟩ W⟨ℓ+1⟩ᵀ) ⊙ (1 − H⟨ℓ⟩ ⊙ H⟨ℓ⟩)        ℓ = 48, …, 2

Blocks are alike when their formulas are equal but for the letters of indices and the numbers at
the end of names, each of which grows from block to block by the same amount: by 0, and it stays
as it is (lam1), by that of ℓ, or by a multiple of it, δ⟨2ℓ+1⟩ beside H⟨ℓ⟩.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from symbackprop.printing.formula import Formula, mapped
from symbackprop.printing.lines import Line, blocks
from symbackprop.printing.naming import layers, relative

FEWEST = 3  # blocks that are worth folding,
SAVED = 3  # where at least so many lines are saved
LONGEST = 12  # lines, or groups of lines, of one block
_WORD = re.compile(r"[^\s,;]+")  # of a reason
_PLACE = re.compile(r"⟨ℓ([0-9]+)⟩")


class Unit(NamedTuple):
    """A left side with all that follows from it; its text without letters and layer numbers, and
    the names with such numbers in the order in which they stand in it."""

    lines: list[Line]
    skeleton: str
    names: tuple[str, ...]


class Run(NamedTuple):
    """Alike blocks: the layers ℓ of them, and for each name of the first its multiple of ℓ."""

    period: int
    reach: range
    times: Mapping[str, int]


def folded(lines: Sequence[Line]) -> list[Line]:
    """The lines with every run of alike blocks written as one block."""
    units = [_unit(block) for block in blocks(lines)]
    made: list[Line] = []
    place = 0
    while place < len(units):
        run = _run(units, place)
        if run is None:
            made += units[place].lines
            place += 1
            continue
        made += _written(units[place:place + run.period], run)
        place += run.period * len(run.reach)
    return made


def _unit(block: list[Line]) -> Unit:
    letters: dict[str, int] = {}
    places: dict[str, int] = {}

    def plain(leaf: Formula) -> Formula:
        if leaf.kind == "letter":
            return Formula("letter", f"⟨{letters.setdefault(leaf.text, len(letters))}⟩")
        if leaf.kind != "name" or not layers(leaf.text):
            return leaf
        place = places.setdefault(leaf.text, len(places))
        return Formula("name", f"{_skeleton(leaf.text)}⟨ℓ{place}⟩")

    sides = [side for line in block for side in (line.left, line.right) if side is not None]
    formulas = "\n".join(mapped(side, plain).text for side in sides)
    known = list(places)
    names = [known[int(place)] for place in _PLACE.findall(formulas)]
    words = [word for line in block for word in _WORD.findall(line.note) if layers(word)]
    notes = [_WORD.sub(lambda word: _skeleton(word[0]), line.note) for line in block]
    return Unit(block, "\n".join([_PLACE.sub("", formulas), *notes]), (*names, *words))


def _skeleton(shown: str) -> str:
    """A name without its layer number."""
    return relative(shown, layers(shown)[-1]) if layers(shown) else shown


def _run(units: Sequence[Unit], place: int) -> Run | None:
    """The longest run of alike blocks that begins here, None where none is worth folding."""
    best, most = None, 0
    for period in range(1, min(LONGEST, (len(units) - place) // FEWEST) + 1):
        first = units[place:place + period]
        steps = _steps(first, units[place + period:place + 2 * period])
        count = 1
        while steps and steps == _steps(units[place + (count - 1) * period:][:period],
                                        units[place + count * period:][:period]):
            count += 1
        saved = (count - 1) * sum(len(unit.lines) for unit in first)
        run = _counted(first, steps, count) if count * period > most else None
        if run is not None and count >= FEWEST and saved >= SAVED:
            best, most = run, count * period
    return best


def _steps(before: Sequence[Unit], after: Sequence[Unit]) -> tuple[int, ...]:
    """By how much each layer number of a block grows to that of the next; () if not alike."""
    if [(u.skeleton, len(u.names)) for u in before] != [
            (u.skeleton, len(u.names)) for u in after]:
        return ()
    return tuple(layers(b)[-1] - layers(a)[-1] for first, second in zip(before, after, strict=True)
                 for a, b in zip(first.names, second.names, strict=True))


def _counted(block: Sequence[Unit], steps: Sequence[int], count: int) -> Run | None:
    """The blocks counted by ℓ, the number that grows least; None where others do not follow it."""
    names = [name for unit in block for name in unit.names]
    growing = [pair for pair in zip(steps, names, strict=False) if pair[0]]
    if not growing:
        return None
    step, name = min(growing, key=lambda pair: abs(pair[0]))
    base = layers(name)[-1]
    times = {name: by // step for by, name in zip(steps, names, strict=True)}
    follows = all(by == step * times[name] and times[name] >= 0
                  for by, name in zip(steps, names, strict=True))
    return Run(len(block), range(base, base + count * step, step), times) if follows else None


def _written(block: Sequence[Unit], run: Run) -> Iterator[Line]:
    first, following, *others = map(str, run.reach)
    note = ", ".join([f"ℓ = {first}", following, *["…"][:len(others) - 1], *others[-1:]])

    def told(shown: str) -> str:
        times = run.times.get(shown, 0)
        return relative(shown, run.reach[0], times) if times else shown

    def leaf(part: Formula) -> Formula:
        return Formula("name", told(part.text)) if part.kind == "name" else part

    for unit in block:
        for place, line in enumerate(unit.lines):
            left = None if line.left is None else mapped(line.left, leaf)
            reasons = [_WORD.sub(lambda word: told(word[0]), line.note), note if place == 0 else ""]
            yield Line(left, mapped(line.right, leaf), "; ".join(filter(None, reasons)),
                       line.target)
