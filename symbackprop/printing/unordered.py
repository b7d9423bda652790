"""Formulas that are equal but for the order of terms and factors, or for brackets of products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from symbackprop.printing.formula import Formula, postorder

_ONE = ("number", "1")


class _Product(NamedTuple):
    """Factors above and below a bar, each in one order."""

    above: tuple[object, ...]
    below: tuple[object, ...]


def same_signs(one: Formula, other: Formula) -> bool:
    """Whether two formulas are equal but for the order of terms and factors."""
    return _unordered(one) == _unordered(other)


def _unordered(formula: Formula) -> object:
    """The formula with the terms of every sum, and the factors of every product, in one order."""
    new: dict[int, object] = {}
    for node in postorder(formula):
        if node.kind == "row":
            new[id(node)] = ("row", _terms(node, new))
        else:
            new[id(node)] = (node.kind, node.text) if not node.parts else (
                node.kind, node.text[0] if node.kind == "bracket" else "",
                *(new[id(part)] for part in node.parts))
    return new[id(formula)]


def _terms(row: Formula, new: Mapping[int, object]) -> object:
    """Each term with its sign; of each term the factors, sorted, behind what stands in front."""
    terms: list[tuple[str, list[object]]] = [("+", [])]
    for part in row.parts:
        signed = part.kind == "sign" and part.text.strip() in ("+", "−")
        if signed and terms == [("+", [])]:
            terms = [(part.text.strip(), [])]
        elif signed:
            terms.append((part.text.strip(), []))
        elif part.text != "·":
            terms[-1][1].append(new[id(part)])
    return sorted(((sign, sorted(factors, key=repr)) for sign, factors in terms), key=repr)


def same_factors(one: Formula, other: Formula) -> bool:
    """Whether they are equal but for that order and for brackets around products: (a/b)·(c·d)
    and a·c·d/b."""
    return _multiplied(one) == _multiplied(other)


def _multiplied(formula: Formula) -> object:
    """The formula with the factors of the products in every product in one order."""
    new: dict[int, object] = {}
    for node in postorder(formula):
        parts = [new[id(part)] for part in node.parts]
        match node.kind:
            case "row":
                new[id(node)] = _sum(node, parts)
            case "bracket" if node.text.startswith("(") and isinstance(parts[0], _Product):
                new[id(node)] = parts[0]
            case "quotient":
                above, below = map(_factors, parts)
                new[id(node)] = _product([*above.above, *below.below],
                                         [*above.below, *below.above])
            case _:
                new[id(node)] = (node.kind, node.text) if not parts else (
                    node.kind, node.text[0] if node.kind == "bracket" else "", *parts)
    return new[id(formula)]


def _sum(row: Formula, parts: list[object]) -> object:
    """A product, or terms with their signs; what is neither is kept as it stands: Σ_n x."""
    terms: list[tuple[str, list[object], bool]] = []
    for part, value in zip(row.parts, parts, strict=True):
        text = part.text.strip() if part.kind == "sign" else ""
        if text in ("+", "−"):
            terms.append((text, [], True))
            continue
        sign, found, multiplied = terms.pop() if terms else ("+", [], True)
        multiplied &= text == "·" or part.kind not in ("sign", "word", "big")
        terms.append((sign, [*found, value], multiplied))
    shown = [(sign, _times(found) if multiplied else tuple(found))
             for sign, found, multiplied in terms]
    return shown[0][1] if len(shown) == 1 and shown[0][0] == "+" else (
        "sum", *sorted(shown, key=repr))


def _times(factors: Iterable[object]) -> _Product:
    found = [_factors(factor) for factor in factors if factor != ("sign", "·")]
    return _product([factor for one in found for factor in one.above],
                    [factor for one in found for factor in one.below])


def _factors(value: object) -> _Product:
    return value if isinstance(value, _Product) else _Product((value,), ())


def _product(above: Iterable[object], below: Iterable[object]) -> _Product:
    return _Product(tuple(sorted((f for f in above if f != _ONE), key=repr)),
                    tuple(sorted(below, key=repr)))
