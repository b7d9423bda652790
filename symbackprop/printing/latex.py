"""Formulas in LaTeX, for amsmath and any engine: every character outside ASCII is a command.

An entry of a tensor whose name ends in a number has the number above and its indices below,
W^{(1)}_{i,j}; a whole tensor has it below, W_{1}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.printing.formula import Formula, Kind, Template, rendered
from symbackprop.printing.lines import Line
from symbackprop.printing.naming import GREEK, Parts, characters, partial
from symbackprop.printing.naming import parts as parts_of

_WORDS = frozenset("exp log tanh sinh cosh tan sin cos max min arg det sup inf lim".split())
_SIGNS = {"·": r" \, ", " ": r" \, ", " ⊙ ": r" \odot ", " ⊘ ": r" \oslash ", " + ": " + ",
          " − ": " - ", "−": "-", " = ": " = ", " ≠ ": r" \ne ", " ≤ ": r" \le ",
          " ≥ ": r" \ge ", " < ": " < ", " > ": " > ", ", ": ", ", "∘": r"\circ ",
          "Σ": r"\sum", "..": r" \ldots ", "=": "=", ",": ","}
_FENCES = {"(": (r"\left(", r"\right)"), "[": (r"\left[", r"\right]"),
           "|": (r"\left|", r"\right|")}
_SPECIAL = {"_": r"\_", "′": r"{\prime}", "'": r"{\prime}", " ": r"\ "}
_PROSE = {"−": r"\ensuremath{-}", "·": r"\ensuremath{\cdot}", "Σ": r"\ensuremath{\Sigma}",
          "…": r"\dots{}", "_": r"\_", "{": r"\{", "}": r"\}", "⟨": r"\ensuremath{\langle}",
          "⟩": r"\ensuremath{\rangle}"}
_ASCII = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")


def latex(formula: Formula) -> str:
    """The formula as it stands between dollar signs."""
    return rendered(formula, LATEX).strip()


def lines_latex(lines: Sequence[Line]) -> str:
    """Equations under each other, aligned at their signs of equality, reasons to the right."""
    rows = []
    for line in lines:
        left = latex(line.left) if line.left is not None else ""
        note = f" && {prose(line.note)}" if line.note else ""
        rows.append(f"{left} &= {latex(line.right)}{note}")
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"


def prose(shown: str) -> str:
    """Words beside a formula; what is not plain ASCII is set as in one."""
    return rf"\text{{{''.join(_PROSE.get(char) or _in_prose(char) for char in shown)}}}"


def _in_prose(char: str) -> str:
    plain = char in _ASCII or char in " ,.;:()[]/=+-*'"
    return char if plain else rf"\ensuremath{{{_character(char)}}}"


def name(shown: str) -> str:
    r"""A name outside of any formula: W_{1}, \hat{y}, \frac{\partial L}{\partial W_{1}}."""
    found = partial(shown)
    if found is not None:
        above, below = map(name, found)
        return rf"\frac{{\partial {above}}}{{\partial {below}}}"
    known = parts_of(shown)
    return _scripted(known, _sub(known.layer, known.rest), "")


def indexed(shown: str, indices: Sequence[str]) -> str:
    """An entry of a tensor: x_{n,i}, W^{(1)}_{i,j}, ∂L over ∂W^{(1)}_{i,j}."""
    found = partial(shown)
    if found is not None:
        return (rf"\frac{{\partial {name(found[0])}}}"
                rf"{{\partial {indexed(found[1], indices)}}}")
    known = parts_of(shown)
    below = ",".join([*([_text(known.rest)] if known.rest else []), *indices])
    return _scripted(known, f"_{{{below}}}", f"({known.layer})" if known.layer else "")


def _scripted(known: Parts, below: str, layer: str) -> str:
    above = r"\prime" * known.primes + layer
    return _stem(known.stem) + below + (f"^{{{above}}}" if above else "")


def _sub(layer: str, rest: str) -> str:
    return f"_{{{layer}}}" if layer else f"_{{{_text(rest)}}}" if rest else ""


def _stem(stem: str) -> str:
    letters = [_accented(char, accents) for char, accents in characters(stem)]
    return letters[0] if len(letters) == 1 else rf"\mathrm{{{''.join(letters)}}}"


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
    return _SPECIAL.get(char, rf"\langle\mathtt{{{ord(char):X}}}\rangle ")


def _text(shown: str) -> str:
    """Words in a formula, upright."""
    return rf"\mathrm{{{''.join(_accented(c, a) for c, a in characters(shown))}}}"


def _word(formula: Formula, parts: Sequence[str]) -> str:
    word = formula.text.strip()
    if word in ("and", "or", "not", "if", "otherwise"):
        return rf"\text{{{formula.text}}}"
    return rf"\{word} " if word in _WORDS else rf"\operatorname{{{_text(word)}}}"


def _number(formula: Formula, parts: Sequence[str]) -> str:
    digits, _, exponent = formula.text.replace("−", "-").partition("e")
    if not exponent:
        return digits
    power = f"10^{{{exponent}}}"
    return power if digits == "1" else rf"{digits} \cdot {power}"


def _row(formula: Formula, parts: Sequence[str]) -> str:
    """A sign of multiplication is seen only where numbers would run into each other."""
    line = ""
    for place, (part, shown) in enumerate(zip(formula.parts, parts, strict=True)):
        nearby = formula.parts[place + 1:place + 2]
        clash = part.text == "·" and nearby and nearby[0].text[:1].isdigit()
        line += r" \cdot " if clash else shown
    return line


def _power(formula: Formula, parts: Sequence[str]) -> str:
    base, exponent = parts
    inner = formula.parts[0]
    if "^" in base and inner.kind in ("name", "entry"):
        base = rf"\left({base}\right)"
    return f"{_grouped(inner, base)}^{{{exponent}}}"


def _grouped(base: Formula, shown: str) -> str:
    return shown if base.kind in ("name", "entry", "number", "ones") and "^" not in shown else (
        f"{{{shown}}}")


def _cases(formula: Formula, parts: Sequence[str]) -> str:
    rows = [rf"{value} & {condition}" if formula.parts[2 * k + 1].kind == "word"
            else rf"{value} & \text{{if }} {condition}"
            for k, (value, condition) in enumerate(zip(parts[::2], parts[1::2], strict=True))]
    return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


LATEX: Mapping[Kind, Template] = {
    "number": _number,
    "name": lambda formula, parts: name(formula.text),
    "ones": lambda formula, parts: r"\mathbf{1}",
    "letter": lambda formula, parts: name(formula.text),
    "word": _word,
    "sign": lambda formula, parts: _SIGNS[formula.text],
    "row": _row,
    "bracket": lambda formula, parts: parts[0].strip().join(_FENCES[formula.text[0]]),
    "entry": lambda formula, parts: indexed(formula.parts[0].text, parts[1:]),
    "quotient": lambda formula, parts: rf"\frac{{{parts[0].strip()}}}{{{parts[1].strip()}}}",
    "power": _power,
    "transpose": lambda formula, parts: rf"{_grouped(formula.parts[0], parts[0])}^{{\top}}",
    "root": lambda formula, parts: rf"\sqrt{{{parts[0].strip()}}}",
    "big": lambda formula, parts: f"{parts[0].strip()}_{{{','.join(parts[1:])}}}",
    "cases": _cases,
}
