"""Formulas as they are set on a page, where a bar and a raised exponent are at hand.

    (Σ_n x)/N      →  1/N Σ_n x         a sum stands beside a fraction, not on top of it
    (a/b)·c        →  a/b c             a fraction needs no brackets among factors
    x^(3/2)        →  x^3/2             nor does a raised one
    Σ_n (x)        →  Σ_n x

`told_apart` shows names as they are typed where two of them would look alike: W1 and W_1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from symbackprop.printing.formula import (
    WORDS,
    Formula,
    bare,
    beside,
    mapped,
    number,
    postorder,
    quotient,
    remade,
)
from symbackprop.printing.lines import Line
from symbackprop.printing.naming import alike, partial

TIMES = frozenset({"·", " ", " ⊙ ", " ⊘ "})
ADDED = frozenset({" + ", " − "})


def set_out(lines: Sequence[Line]) -> tuple[list[Line], Set[str]]:
    """The lines as they are set, no two names in them alike; the names that are typed for that."""
    apart, typed = told_apart(lines)
    return [line._replace(left=None if line.left is None else settled(line.left),
                          right=settled(line.right)) for line in apart], typed


def settled(formula: Formula) -> Formula:
    """The formula with its sums beside fractions, and without brackets that no fraction needs."""
    return _beside_bar(mapped(formula, lambda leaf: leaf, _settled))


def _settled(node: Formula, parts: tuple[Formula, ...]) -> Formula:
    match node.kind:
        case "row":
            return beside(*(p for at in range(len(parts)) for p in _part(parts, at)))
        case "power":
            return remade(node, (parts[0], _raised(parts[1])))
        case "quotient":
            return remade(node, parts)
    return remade(node, tuple(map(_beside_bar, parts)))


def _part(parts: Sequence[Formula], at: int) -> Iterable[Formula]:
    """A part of a row: a fraction with a sum above is opened where no factor follows."""
    part = parts[at]
    before, after = (parts[place].text if 0 <= place < len(parts) else "" for place in
                     (at - 1, at + 1))
    if part.kind == "bracket" and bare(part).kind == "quotient" and (
            before in TIMES or (not before and after in TIMES)):
        part = bare(part)
    if part.kind == "quotient" and after not in TIMES:
        opened = _beside_bar(part)
        return opened.parts if opened is not part else [part]
    return [part]


def _beside_bar(formula: Formula) -> Formula:
    """(2·Σ_n x)/N → 2/N Σ_n x; any other formula as it is."""
    if formula.kind != "quotient":
        return formula
    above, below = formula.parts
    above = bare(above)
    if above.kind != "row":
        return formula
    if _is_sum(above):
        return beside(quotient(number("1"), below), " ", *above.parts)
    last = bare(above.parts[-1])
    if last is not above.parts[-1] and _is_sum(last) and above.parts[-2].text == "·":
        return beside(quotient(beside(*above.parts[:-2]), below), " ", *last.parts)
    return formula


def _is_sum(formula: Formula) -> bool:
    """Σ … as one term: nothing is added to it."""
    return (formula.kind == "row" and formula.parts[0].kind == "big"
            and not any(part.text in ADDED for part in formula.parts))


def _raised(exponent: Formula) -> Formula:
    """3/2 on one line where it stands as an exponent, alone or after ∘."""
    if exponent.kind == "row" and exponent.parts[0].text == "∘":
        return beside("∘", *map(_raised, exponent.parts[1:]))
    inside = bare(exponent)
    if inside.kind == "quotient" and all(part.kind in ("number", "name", "letter")
                                         for part in inside.parts):
        return beside(inside.parts[0], "/", inside.parts[1])
    return exponent


def told_apart(lines: Sequence[Line]) -> tuple[list[Line], Set[str]]:
    """The lines with such names as would look alike shown as they are typed, and those names."""
    sides = [side for line in lines for side in (line.left, line.right) if side is not None]
    typed = clashing(sides)
    if not typed:
        return list(lines), typed

    def shown(leaf: Formula) -> Formula:
        names = leaf.kind in ("name", "letter") and typed.intersection(_names(leaf.text))
        return Formula("typed", leaf.text) if names else leaf

    return [line._replace(left=None if line.left is None else mapped(line.left, shown),
                          right=mapped(line.right, shown)) for line in lines], typed


def clashing(formulas: Iterable[Formula]) -> set[str]:
    """Those names and letters that look like another one, or like a function, when they are set."""
    seen: dict[tuple[object, ...], set[str]] = {}
    met: set[str] = set()
    for node in (node for formula in formulas for node in postorder(formula)):
        if node.kind == "word" and node.text not in WORDS:
            seen.setdefault(alike(node.text), set()).add(f"{node.text}(")
        elif node.kind in ("name", "letter") and node.text not in met:
            met.add(node.text)
            for name in _names(node.text):
                seen.setdefault(alike(name), set()).add(name)
        elif node.kind == "entry" and len(node.parts) == 2 and node.parts[1].kind == "number":
            for name in _names(node.parts[0].text)[-1:]:  # w[1] looks like w1
                seen.setdefault(alike(name + node.parts[1].text), set()).add(name)
    return {name for names in seen.values() if len(names) > 1 for name in names}


def _names(name: str) -> list[str]:
    """The names in a name: L and W1 in ∂L/∂W1."""
    found = partial(name)
    return [name] if found is None else [part for one in found.names for part in _names(one)]
