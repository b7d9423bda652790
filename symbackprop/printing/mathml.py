"""Formulas in MathML Core, which browsers show by themselves.

Names are laid out as in LaTeX: W₁ for a tensor, W with (1) above and i,j below for an entry.
Every text is escaped; no element and no attribute is made of anything that a user wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache
from html import escape

from symbackprop.printing.formula import WORDS, Formula, Kind, Template, rendered, runs_on
from symbackprop.printing.naming import Partial, Parts, characters, partial
from symbackprop.printing.naming import parts as parts_of
from symbackprop.printing.setting import settled

_SIGNS = {"·": "\u2062", " ": "\u2062", "..": "…"}  # the invisible multiplication
_THIN = '<mspace width="0.17em"/>'
_WIDE = '<mspace width="0.3em"/>'
_TIMES = "<mo>\u2062</mo>"
_COMMA = '<mo lspace="0" rspace="0.1em">,</mo>'
_WORDS = WORDS | {"otherwise"}
_MARKS = {"hat": "^", "tilde": "~", "bar": "¯", "dot": "˙", "ddot": "¨", "acute": "´",
          "grave": "`", "check": "ˇ", "breve": "˘", "vec": "→"}
_TALL = ("<mfrac>", "<munder>", "<mtable>", 'stretchy="true"')


def mathml(formula: Formula) -> str:
    """A <math> element, as large as on a line of its own."""
    return math(settled(formula))


def math(formula: Formula) -> str:
    """The same, of a formula that is settled already."""
    return f'<math displaystyle="true">{rendered(formula, MATHML)}</math>'


@lru_cache(maxsize=4096)
def name(shown: str) -> str:
    """A name outside of any formula."""
    found = partial(shown)
    if found is not None:
        return _fraction(*_derivative(found, name))
    known = parts_of(shown)
    return _scripted(known, _number(known.layer) if known.layer else
                     known.rest and _upright(known.rest), "")


def indexed(shown: str, indices: Sequence[str]) -> str:
    """An entry of a tensor, its indices below."""
    found = partial(shown)
    if found is not None:
        return _fraction(*_derivative(found, name, lambda last: indexed(last, indices)))
    known = parts_of(shown)
    above = _number(known.layer) if known.layer else known.rest and _upright(known.rest)
    return _scripted(known, f"<mrow>{_COMMA.join(indices)}</mrow>",
                     above and f"{_tight('(')}{above}{_tight(')')}")


def in_line(shown: str, typed: Set[str]) -> str:
    """A name as it stands in a sentence, a derivative with a stroke; typed: as in `set_out`."""
    return f"<math>{_in_line(shown, typed)}</math>"


def _in_line(shown: str, typed: Set[str]) -> str:
    found = partial(shown)
    if found is None:
        return _typed(shown) if shown in typed else name(shown)
    above, below = _derivative(found, lambda one: _in_line(one, typed))
    return f"<mrow>{above}{_tight('/')}{below}</mrow>"


def _scripted(known: Parts, below: str, above: str) -> str:
    base = _stem(known.stem)
    if known.primes:  # beside the letter: a font's prime is high and small by itself
        base = f"<mrow>{base}{_tight('′') * known.primes}</mrow>"
    above = f"<mrow>{above}</mrow>" if above else ""
    match bool(below), bool(above):
        case True, True:
            return f"<msubsup>{base}{below}{above}</msubsup>"
        case True, False:
            return f"<msub>{base}{below}</msub>"
        case False, True:
            return f"<msup>{base}{above}</msup>"
    return base


def _stem(stem: str) -> str:
    """A single letter with its accents, or all letters upright."""
    letters = characters(stem)
    if len(letters) > 1 or not letters[0][1]:
        return f"<mi>{escape(stem)}</mi>"
    (char, accents), = letters
    made = f"<mi>{escape(char)}</mi>"
    for accent in accents:
        made = f'<mover accent="true">{made}<mo stretchy="false">{_MARKS[accent]}</mo></mover>'
    return made


def _tight(shown: str) -> str:
    return f'<mo lspace="0" rspace="0" stretchy="false">{shown}</mo>'


def _number(shown: str) -> str:
    return f"<mn>{escape(shown)}</mn>"


def _upright(shown: str) -> str:
    return f'<mi mathvariant="normal">{escape(shown)}</mi>'


def _derivative(found: Partial, written: Callable[[str], str],
                last: Callable[[str], str] | None = None) -> tuple[str, str]:
    """What stands above and below the bar of a derivative; last: how the last name is written."""
    shown = [written(by) for by, _ in found.by]
    if last is not None:
        shown[-1] = last(found.by[-1][0])
    below = "".join(_tight("∂") + _to_the(one, power)
                    for one, (_, power) in zip(shown, found.by, strict=True))
    return _to_the(_tight("∂"), found.order) + written(found.of), below


def _to_the(shown: str, power: int) -> str:
    return shown if power == 1 else f"<msup><mrow>{shown}</mrow>{_number(str(power))}</msup>"


def _fraction(above: str, below: str) -> str:
    return f"<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>"


def _typed(shown: str) -> str:
    """A name as it is typed; a derivative by such a name."""
    found = partial(shown)
    return _fraction(*_derivative(found, _typed)) if found else (
        f'<mi class="typed">{escape(shown)}</mi>')


def _entry(formula: Formula, parts: Sequence[str]) -> str:
    tensor = formula.parts[0]
    if tensor.kind == "typed":
        return f"<msub>{parts[0]}<mrow>{_COMMA.join(parts[1:])}</mrow></msub>"
    return indexed(tensor.text, parts[1:])


def _decimal(formula: Formula, parts: Sequence[str]) -> str:
    digits, _, exponent = formula.text.partition("e")
    if not exponent:
        return _number(digits)
    power = f"<msup><mn>10</mn>{_number(exponent.replace('-', '−'))}</msup>"
    if digits == "−1":
        return f"<mo form=\"prefix\" lspace=\"0\" rspace=\"0\">−</mo>{power}"
    return power if digits == "1" else f"{_number(digits)}<mo>·</mo>{power}"


def _word(formula: Formula, parts: Sequence[str]) -> str:
    if formula.text in _WORDS:
        return f"{_WIDE}<mtext>{formula.text.strip()}</mtext>{_WIDE}"
    return _upright(formula.text)


def _sign(formula: Formula, parts: Sequence[str]) -> str:
    shown = _SIGNS.get(formula.text, formula.text.strip())
    match formula.text:
        case "−":
            return '<mo form="prefix" lspace="0" rspace="0">−</mo>'
        case " + " | " − ":
            return f'<mo form="infix">{shown}</mo>'
        case "(" | ")":
            form = "prefix" if shown == "(" else "postfix"
            return (f'<mo form="{form}" stretchy="true" minsize="1.9em" maxsize="1.9em" '
                    f'lspace="0" rspace="0">{shown}</mo>')
        case "∂" | "∘" | "/":
            return _tight(shown)
        case ", ":
            return '<mo lspace="0" rspace="0.17em">,</mo>'
    return f"<mo>{escape(shown)}</mo>"


def _row(formula: Formula, parts: Sequence[str]) -> str:
    """The parts; factors side by side, with a sign only where numbers run into each other."""
    line = ""
    for place, (part, shown) in enumerate(zip(formula.parts, parts, strict=True)):
        if part.kind == "sign" and part.text in ("·", " "):
            line += "<mo>·</mo>" if runs_on(formula.parts, place) else _TIMES + _THIN
        else:
            line += shown
    return f"<mrow>{line}</mrow>"


def _bracket(formula: Formula, parts: Sequence[str]) -> str:
    return _fenced(parts[0], formula.text[0], formula.text[-1])


def _fenced(inside: str, left: str = "(", right: str = ")") -> str:
    """Brackets as high as what stands in them."""
    tall = str(any(mark in inside for mark in _TALL)).lower()
    how = f'stretchy="{tall}" lspace="0" rspace="0"'
    return (f'<mrow><mo form="prefix" {how}>{left}</mo>{inside}'
            f'<mo form="postfix" {how}>{right}</mo></mrow>')


def _raised(base: Formula, shown: str, exponent: str) -> str:
    """A power, its exponent above the indices of an entry; in brackets where that is taken."""
    if base.kind in ("name", "entry", "letter"):
        if shown.startswith("<msub>"):
            return f"<msubsup>{shown[6:-7]}{exponent}</msubsup>"
        if shown.startswith(("<msup>", "<msubsup>", "<mfrac>")):
            shown = _fenced(shown)
    return f"<msup>{shown}{exponent}</msup>"


def _cases(formula: Formula, parts: Sequence[str]) -> str:
    rows = ""
    for place, (value, condition) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        last = formula.parts[2 * place + 1].kind == "word"
        shown = condition if last else f"<mtext>if</mtext>{_WIDE}{condition}"
        rows += f"<mtr><mtd>{value}</mtd><mtd><mrow>{shown}</mrow></mtd></mtr>"
    return (f'<mrow><mo form="prefix" stretchy="true">{{</mo>'
            f'<mtable class="cases" displaystyle="true">{rows}</mtable></mrow>')


def _big(formula: Formula, parts: Sequence[str]) -> str:
    shown = parts[0].replace("<mo>Σ</mo>", '<mo lspace="0" rspace="0">∑</mo>')
    return f"<munder>{shown}<mrow>{_COMMA.join(parts[1:])}</mrow></munder>"


MATHML: Mapping[Kind, Template] = {
    "number": _decimal,
    "name": lambda formula, parts: name(formula.text),
    "typed": lambda formula, parts: _typed(formula.text),
    "ones": lambda formula, parts: "<mn>𝟏</mn>",
    "letter": lambda formula, parts: name(formula.text),
    "word": _word,
    "sign": _sign,
    "row": _row,
    "bracket": _bracket,
    "entry": _entry,
    "quotient": lambda formula, parts: _fraction(*parts),
    "power": lambda formula, parts: _raised(formula.parts[0], *parts),
    "transpose": lambda formula, parts: _raised(formula.parts[0], parts[0], "<mo>⊤</mo>"),
    "root": lambda formula, parts: f"<msqrt>{parts[0]}</msqrt>",
    "big": _big,
    "cases": _cases,
}
