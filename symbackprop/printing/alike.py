"""Blocks of lines that differ in their layer only are written once, for a layer ℓ.

    δ⟨ℓ⟩ = (δ⟨ℓ+1⟩ W⟨ℓ+1⟩ᵀ) ⊙ (1 − H⟨ℓ⟩ ⊙ H⟨ℓ⟩)        ℓ = 48, …, 2

Two blocks are alike when their formulas are equal but for the letters of indices, and every
number at the end of a name differs by the same amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from symbackprop.printing.formula import Formula, mapped
from symbackprop.printing.lines import Line, blocks
from symbackprop.printing.naming import layers, relative

FEWEST = 4  # blocks that are worth folding
LONGEST = 12  # lines, or groups of lines, of one block
_WORD = re.compile(r"[^\s,;]+")  # of a reason


class Unit(NamedTuple):
    """A left side with all that follows from it; its text without letters and layer numbers."""

    lines: list[Line]
    skeleton: str
    numbers: tuple[int, ...]


def folded(lines: Sequence[Line]) -> list[Line]:
    """The lines with every run of alike blocks written as one block."""
    units = [_unit(block) for block in blocks(lines)]
    made: list[Line] = []
    place = 0
    while place < len(units):
        period, count = _run(units, place)
        if count < FEWEST:
            made += units[place].lines
            place += 1
            continue
        made += _written(units[place:place + period], _range(units, place, period, count))
        place += period * count
    return made


def _unit(block: list[Line]) -> Unit:
    numbers: list[int] = []
    seen: dict[str, int] = {}

    def plain(leaf: Formula) -> Formula:
        if leaf.kind == "letter":
            return Formula("letter", f"⟨{seen.setdefault(leaf.text, len(seen))}⟩")
        if leaf.kind != "name":
            return leaf
        found = layers(leaf.text)
        numbers.extend(found)
        return Formula("name", relative(leaf.text, found[-1])) if found else leaf

    def told(word: re.Match[str]) -> str:
        found = layers(word[0])
        numbers.extend(found)
        return relative(word[0], found[-1]) if found else word[0]

    sides = [side for line in block for side in (line.left, line.right) if side is not None]
    parts = [mapped(side, plain).text for side in sides]
    parts += [_WORD.sub(told, line.note) for line in block]
    return Unit(block, "\n".join(parts), tuple(numbers))


def _run(units: Sequence[Unit], place: int) -> tuple[int, int]:
    """(period, how often) of the longest run of alike blocks that begins here."""
    best = (1, 1)
    for period in range(1, min(LONGEST, (len(units) - place) // FEWEST) + 1):
        first = units[place:place + period]
        step = _step(first, units[place + period:place + 2 * period])
        count = 1
        while step and step == _step(units[place + (count - 1) * period:][:period],
                                     units[place + count * period:][:period]):
            count += 1
        if count >= FEWEST and count * period > best[0] * best[1]:
            best = (period, count)
    return best


def _step(before: Sequence[Unit], after: Sequence[Unit]) -> int:
    """By how much every layer number of a block grows to that of the next; 0 if not alike."""
    if [u.skeleton for u in before] != [u.skeleton for u in after]:
        return 0
    steps = {b - a for first, second in zip(before, after, strict=True)
             for a, b in zip(first.numbers, second.numbers, strict=True)}
    return steps.pop() if len(steps) == 1 else 0


def _range(units: Sequence[Unit], place: int, period: int, count: int) -> tuple[int, ...]:
    """The layer of the first block, of the next and of the last, by the first number in them."""
    return tuple(next(n for u in units[at:at + period] for n in u.numbers)
                 for at in (place, place + period, place + (count - 1) * period))


def _written(block: Sequence[Unit], reach: tuple[int, ...]) -> Iterator[Line]:
    base, following, last = reach
    note = f"ℓ = {base}, {following}, …, {last}"
    for unit in block:
        for place, line in enumerate(unit.lines):
            left = None if line.left is None else _relative(line.left, base)
            reason = _WORD.sub(lambda word: relative(word[0], base), line.note)
            shown = f"{reason}; {note}" if reason and place == 0 else reason or (
                note if place == 0 else "")
            yield Line(left, _relative(line.right, base), shown, line.target)


def _relative(formula: Formula, base: int) -> Formula:
    """The formula with layer numbers counted from the layer ℓ."""
    return mapped(formula, lambda leaf: Formula("name", relative(leaf.text, base))
                  if leaf.kind == "name" else leaf)
