"""Formulas in MathML Core, which browsers show by themselves.

Names are laid out as in LaTeX: W₁ for a tensor, W with (1) above and i,j below for an entry.
Every text is escaped; no element and no attribute is made of anything that a user wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape

from symbackprop.printing.formula import Formula, Kind, Template, rendered
from symbackprop.printing.naming import Parts, partial
from symbackprop.printing.naming import parts as parts_of

_SIGNS = {"·": "\u2062", " ": "\u2062"}  # the invisible multiplication
_WIDE = "<mspace width=\"0.17em\"/>"


def mathml(formula: Formula) -> str:
    """A <math> element, as large as on a line of its own."""
    return f'<math displaystyle="true">{rendered(formula, MATHML)}</math>'


@lru_cache(maxsize=4096)
def name(shown: str) -> str:
    """A name outside of any formula."""
    found = partial(shown)
    if found is not None:
        above, below = map(name, found)
        return _fraction(f"<mo>∂</mo>{above}", f"<mo>∂</mo>{below}")
    known = parts_of(shown)
    below = _number(known.layer) if known.layer else _upright(known.rest) if known.rest else ""
    return _scripted(known, below, "")


def indexed(shown: str, indices: Sequence[str]) -> str:
    """An entry of a tensor, its indices below."""
    found = partial(shown)
    if found is not None:
        return _fraction(f"<mo>∂</mo>{name(found[0])}",
                         f"<mo>∂</mo>{indexed(found[1], indices)}")
    known = parts_of(shown)
    rest = [_upright(known.rest)] if known.rest else []
    below = "<mo separator=\"true\">,</mo>".join([*rest, *indices])
    layer = f"<mo>(</mo>{_number(known.layer)}<mo>)</mo>" if known.layer else ""
    return _scripted(known, f"<mrow>{below}</mrow>", layer)


def _scripted(known: Parts, below: str, above: str) -> str:
    above = ("<mo>′</mo>" * known.primes) + above
    stem = f"<mi>{escape(known.stem)}</mi>"
    match bool(below), bool(above):
        case True, True:
            return f"<msubsup>{stem}{below}<mrow>{above}</mrow></msubsup>"
        case True, False:
            return f"<msub>{stem}{below}</msub>"
        case False, True:
            return f"<msup>{stem}<mrow>{above}</mrow></msup>"
    return stem


def _number(shown: str) -> str:
    return f"<mn>{escape(shown)}</mn>"


def _upright(shown: str) -> str:
    return f"<mi mathvariant=\"normal\">{escape(shown)}</mi>"


def _fraction(above: str, below: str) -> str:
    return f"<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>"


def _decimal(formula: Formula, parts: Sequence[str]) -> str:
    digits, _, exponent = formula.text.partition("e")
    if not exponent:
        return _number(digits)
    power = f"<msup><mn>10</mn>{_number(exponent.replace('-', '−'))}</msup>"
    return power if digits == "1" else f"{_number(digits)}<mo>·</mo>{power}"


def _word(formula: Formula, parts: Sequence[str]) -> str:
    word = formula.text.strip()
    if word in ("and", "or", "not", "if", "otherwise"):
        return f"<mspace width=\"0.3em\"/><mtext>{word}</mtext><mspace width=\"0.3em\"/>"
    return _upright(word)


def _sign(formula: Formula, parts: Sequence[str]) -> str:
    shown = _SIGNS.get(formula.text, formula.text.strip())
    if formula.text == "−":
        return '<mo form="prefix">−</mo>'
    return f"<mo>{escape(shown)}</mo>" + (_WIDE if shown == "\u2062" else "")


def _row(formula: Formula, parts: Sequence[str]) -> str:
    """A sign of multiplication is seen only where numbers would run into each other."""
    line = ""
    for place, (part, shown) in enumerate(zip(formula.parts, parts, strict=True)):
        nearby = formula.parts[place + 1:place + 2]
        clash = part.text == "·" and nearby and nearby[0].text[:1].isdigit()
        line += "<mo>·</mo>" if clash else shown
    return f"<mrow>{line}</mrow>"


def _bracket(formula: Formula, parts: Sequence[str]) -> str:
    left, right = (f'<mo fence="true" form="{form}">{escape(formula.text[place])}</mo>'
                   for form, place in (("prefix", 0), ("postfix", -1)))
    return f"<mrow>{left}{parts[0]}{right}</mrow>"


def _power(formula: Formula, parts: Sequence[str]) -> str:
    base, exponent = parts
    if base.startswith(("<msup", "<msubsup")):
        base = f'<mrow><mo fence="true">(</mo>{base}<mo fence="true">)</mo></mrow>'
    return f"<msup>{base}{exponent}</msup>"


def _cases(formula: Formula, parts: Sequence[str]) -> str:
    rows = ""
    for place, (value, condition) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        last = formula.parts[2 * place + 1].kind == "word"
        shown = condition if last else f"<mtext>if</mtext><mspace width=\"0.3em\"/>{condition}"
        rows += f"<mtr><mtd>{value}</mtd><mtd><mrow>{shown}</mrow></mtd></mtr>"
    return f'<mrow><mo fence="true" form="prefix">{{</mo><mtable>{rows}</mtable></mrow>'


def _big(formula: Formula, parts: Sequence[str]) -> str:
    below = "<mo separator=\"true\">,</mo>".join(parts[1:])
    shown = parts[0].replace("<mo>Σ</mo>", "<mo>∑</mo>")
    return f"<munder>{shown}<mrow>{below}</mrow></munder>{_WIDE}"


MATHML: Mapping[Kind, Template] = {
    "number": _decimal,
    "name": lambda formula, parts: name(formula.text),
    "ones": lambda formula, parts: "<mn>𝟏</mn>",
    "letter": lambda formula, parts: name(formula.text),
    "word": _word,
    "sign": _sign,
    "row": _row,
    "bracket": _bracket,
    "entry": lambda formula, parts: indexed(formula.parts[0].text, parts[1:]),
    "quotient": lambda formula, parts: _fraction(*parts),
    "power": _power,
    "transpose": lambda formula, parts: f"<msup>{parts[0]}<mo>⊤</mo></msup>",
    "root": lambda formula, parts: f"<msqrt>{parts[0]}</msqrt>",
    "big": _big,
    "cases": _cases,
}
