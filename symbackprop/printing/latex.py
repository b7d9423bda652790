"""Formulas in LaTeX, for amsmath and any engine: every character outside ASCII is a command.

An entry of a tensor whose name ends in a number has the number above and its indices below,
W^{(1)}_{i,j}; a whole tensor has it below, W_{1}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import lru_cache

from symbackprop.printing.breaking import broken, width
from symbackprop.printing.formula import WORDS, Formula, Kind, Template, rendered, runs_on
from symbackprop.printing.lines import Line
from symbackprop.printing.naming import GREEK, Partial, Parts, characters, partial, words
from symbackprop.printing.naming import parts as parts_of
from symbackprop.printing.setting import set_out, settled

PAGE = 32.0  # em of a line on a page of the class article

_WORDS = frozenset("exp log tanh sinh cosh tan sin cos max min arg det sup inf lim".split())
_SIGNS = {"·": r" \, ", " ": r" \, ", " ⊙ ": r" \odot ", " ⊘ ": r" \oslash ", " + ": " + ",
          " − ": " - ", "−": "-", " = ": " = ", " ≠ ": r" \ne ", " ≤ ": r" \le ",
          " ≥ ": r" \ge ", " < ": " < ", " > ": " > ", ", ": ", ", "∘": r"\circ ",
          "Σ": r"\sum", "∂": r"\partial ", "..": r" \ldots ", "=": "=", ",": ",", "/": "/",
          "(": r"\Bigl(", ")": r"\Bigr)"}
_FENCES = {"(": ("(", ")"), "[": ("[", "]"), "|": ("|", "|")}
_BETWEEN = WORDS | {"otherwise"}
_TALL = re.compile(r"\\frac|\\sum|\\left|\\begin|\\Bigl|\\(?:max|min)_")
_SPECIAL = {"_": r"\_", "′": r"{\prime}"}
_BETWEEN_WORDS = {"−": "$-$", "…": r"$\ldots$", "·": r"$\cdot$", "×": r"$\times$"}
_ASCII = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def latex(formula: Formula) -> str:
    """The formula as it stands between dollar signs."""
    return _written(settled(formula))


def _written(formula: Formula) -> str:
    return rendered(formula, LATEX).strip()


def lines_latex(lines: Sequence[Line]) -> str:
    """Equations under each other, aligned at their signs of equality; a reason is a tag."""
    shown, typed = set_out(lines)
    rows = [row for line in shown for row in _rows(line, typed)]
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"


def _rows(line: Line, typed: Set[str]) -> Iterator[str]:
    """A line of the derivation; what is too long for a page goes on below."""
    left = _written(line.left) if line.left is not None else ""
    room = PAGE - (width(line.left) if line.left is not None else 3.0)
    first, *others = broken(line.right, room)
    note = rf" \tag*{{{prose(line.note, typed)}}}" if line.note else ""
    yield f"{left} &= {_written(first)}{note}"
    for other in others:
        yield rf" &\quad {{}} {_written(other)}"


def prose(shown: str, typed: Set[str] = frozenset()) -> str:
    """Words beside a formula; those that are names are set as in one, or as they are typed.

    >>> print(prose("chain rule through z1"))
    chain rule through $z_{1}$
    """
    return " ".join((f"${_in_line(named, typed)}$" if named else "") + _plain(rest)
                    for named, rest in words(shown))


def _plain(shown: str) -> str:
    return "".join(char if char in _ASCII or char in ",.;:()[]/=+-*'" else
                   _BETWEEN_WORDS.get(char, f"${_character(char)}$") for char in shown)


def _in_line(shown: str, typed: Set[str]) -> str:
    found = partial(shown)
    if found is None:
        return _typed(shown) if shown in typed else name(shown)
    above, below = _fraction(found, lambda one: _in_line(one, typed))
    return f"{above}/{below}"


@lru_cache(maxsize=4096)
def name(shown: str) -> str:
    r"""A name outside of any formula: W_{1}, \hat{y}, \frac{\partial L}{\partial W_{1}}."""
    found = partial(shown)
    if found is not None:
        above, below = _fraction(found, name)
        return rf"\frac{{{above}}}{{{below}}}"
    known = parts_of(shown)
    below = _layer(known.layer) if known.layer else known.rest and _text(known.rest)
    return _scripted(known, below, "")


def indexed(shown: str, indices: Sequence[str]) -> str:
    """An entry of a tensor: x_{n,i}, W^{(1)}_{i,j}, ∂L over ∂W^{(1)}_{i,j}."""
    found = partial(shown)
    if found is not None:
        above, below = _fraction(found, name, lambda last: indexed(last, indices))
        return rf"\frac{{{above}}}{{{below}}}"
    known = parts_of(shown)
    above = _layer(known.layer) if known.layer else known.rest and _text(known.rest)
    return _scripted(known, ",".join(indices), above and f"({above})")


def _fraction(found: Partial, written: Callable[[str], str],
              last: Callable[[str], str] | None = None) -> tuple[str, str]:
    """What stands above and below the bar of a derivative; last: how the last name is written."""
    shown = [written(by) for by, _ in found.by]
    if last is not None:
        shown[-1] = last(found.by[-1][0])
    below = " ".join(rf"\partial {_raised(one, power)}"
                     for one, (_, power) in zip(shown, found.by, strict=True))
    return rf"\partial{_raised('', found.order)} {written(found.of)}", below


def _raised(shown: str, power: int) -> str:
    if power == 1:
        return shown
    return f"{{{shown}}}^{{{power}}}" if "^" in shown else f"{shown}^{{{power}}}"


def _scripted(known: Parts, below: str, above: str) -> str:
    above = r"\prime" * known.primes + above
    return _stem(known.stem) + (f"_{{{below}}}" if below else "") + (
        f"^{{{above}}}" if above else "")


def _layer(layer: str) -> str:
    r"""12, \ell+1."""
    return layer.replace("ℓ", r"\ell ").replace("−", "-").strip()


def _stem(stem: str) -> str:
    letters = characters(stem)
    if len(letters) > 1:
        return _text(stem)
    (char, accents), = letters
    return rf"\{GREEK[char]}" if char in GREEK and not accents else _accented(char, accents)


def _accented(char: str, accents: Sequence[str]) -> str:
    made = _character(char)
    for accent in accents:
        made = rf"\{accent}{{{made}}}"
    return made


def _character(char: str) -> str:
    if char in _ASCII:
        return char
    if char in GREEK:
        return rf"{{\{GREEK[char]}}}"
    code = char[1:-1] if char.startswith("⟨") and len(char) > 1 else f"{ord(char):X}"
    return _SPECIAL.get(char, rf"\langle\mathtt{{{code}}}\rangle ")


def _text(shown: str) -> str:
    """Words in a formula, upright."""
    return rf"\mathrm{{{_letters(shown)}}}"


def _letters(shown: str) -> str:
    return "".join(_accented(char, accents) for char, accents in characters(shown))


def _typed(shown: str) -> str:
    r"""A name letter by letter as it is typed: \mathtt{W\_1}; a derivative by such a name."""
    found = partial(shown)
    if found is not None:
        above, below = _fraction(found, _typed)
        return rf"\frac{{{above}}}{{{below}}}"
    return rf"\mathtt{{{_letters(shown)}}}"


def _entry(formula: Formula, parts: Sequence[str]) -> str:
    tensor = formula.parts[0]
    if tensor.kind == "typed":
        return f"{parts[0]}_{{{','.join(parts[1:])}}}"
    return indexed(tensor.text, parts[1:])


def _word(formula: Formula, parts: Sequence[str]) -> str:
    word = formula.text
    if word in _BETWEEN:
        return rf"\text{{{word}}}"
    if word in _WORDS:
        return rf"\{word}"
    plain = word.rstrip("′")
    primes = r"\prime" * (len(word) - len(plain))
    return rf"\operatorname{{{_letters(plain)}}}" + (f"^{{{primes}}}" if primes else "")


def _number(formula: Formula, parts: Sequence[str]) -> str:
    digits, _, exponent = formula.text.replace("−", "-").partition("e")
    if not exponent:
        return digits
    power = f"10^{{{exponent}}}"
    return digits[:-1] + power if digits in ("1", "-1") else rf"{digits} \cdot {power}"


def _row(formula: Formula, parts: Sequence[str]) -> str:
    """The parts; factors side by side, with a sign only where numbers run into each other."""
    line = ""
    for at, part in enumerate(formula.parts):
        shown = parts[at]
        if part.text in ("·", " ") and part.kind == "sign":
            near = [*formula.parts[max(at - 1, 0):at], *formula.parts[at + 1:at + 2]]
            shown = r" \cdot " if runs_on(formula.parts, at) else (
                " " if any(map(_apart, near)) else shown)
        line += " " + shown if line[-1:].isalpha() and shown[:1].isalnum() else shown
    return line


def _apart(part: Formula) -> bool:
    """Whether what stands there leaves a space around itself: brackets, Σ, functions."""
    return part.kind in ("bracket", "big", "word") or part.text in ("(", ")")


def _bracket(formula: Formula, parts: Sequence[str]) -> str:
    """Brackets as high as what stands in them."""
    left, right = _FENCES[formula.text[0]]
    inside = parts[0].strip()
    if _TALL.search(inside):
        return rf"\left{left} {inside} \right{right}"
    return rf"\lvert {inside} \rvert" if left == "|" else f"{left}{inside}{right}"


def _power(formula: Formula, parts: Sequence[str]) -> str:
    base, exponent = parts
    inner = formula.parts[0]
    if "^" in base and inner.kind in ("name", "entry"):
        base = f"({base})"
    if inner.kind in ("name", "entry") and r"\frac" in base:
        base = rf"\left( {base} \right)"
    return f"{_grouped(inner, base)}^{{{exponent.strip()}}}"


def _grouped(base: Formula, shown: str) -> str:
    plain = base.kind in ("name", "typed", "entry", "number", "ones", "letter", "bracket")
    return shown if plain and ("^" not in shown or base.kind == "bracket"
                               or shown.startswith("(")) else f"{{{shown}}}"


def _cases(formula: Formula, parts: Sequence[str]) -> str:
    rows = [rf"{_displayed(value)} & {condition}" if formula.parts[2 * k + 1].kind == "word"
            else rf"{_displayed(value)} & \text{{if }} {condition.strip()}"
            for k, (value, condition) in enumerate(zip(parts[::2], parts[1::2], strict=True))]
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


def _displayed(value: str) -> str:
    return (r"\displaystyle " if _TALL.search(value) else "") + value.strip()


LATEX: Mapping[Kind, Template] = {
    "number": _number,
    "name": lambda formula, parts: name(formula.text),
    "typed": lambda formula, parts: _typed(formula.text),
    "ones": lambda formula, parts: r"\mathbf{1}",
    "letter": lambda formula, parts: name(formula.text),
    "word": _word,
    "sign": lambda formula, parts: _SIGNS[formula.text],
    "row": _row,
    "bracket": _bracket,
    "entry": _entry,
    "quotient": lambda formula, parts: rf"\frac{{{parts[0].strip()}}}{{{parts[1].strip()}}}",
    "power": _power,
    "transpose": lambda formula, parts: rf"{_grouped(formula.parts[0], parts[0])}^{{\top}}",
    "root": lambda formula, parts: rf"\sqrt{{{parts[0].strip()}}}",
    "big": lambda formula, parts: f"{parts[0].strip()}_{{{','.join(parts[1:])}}}",
    "cases": _cases,
}
