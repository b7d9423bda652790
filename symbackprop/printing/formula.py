"""Formulas as trees: what a line consists of before it is plain text, LaTeX or MathML.

    Formula ::= number | name | letter | word | sign     leaves: 3, W1, an index, tanh, ⊙
              | typed                                    a name that is shown as it is typed
              | ones                                     a column of ones, 1
              | row Formula …                            side by side
              | bracket Formula                          (x), [x], |x|
              | entry Formula, Formula …                 x[n,i]
              | quotient Formula, Formula                x/y
              | power Formula, Formula                   x², x^y
              | transpose Formula                        xᵀ
              | root Formula                             √(x)
              | big Formula, letter …                    Σ_n, max_k: a sign and what it runs over
              | cases (Formula, Formula) …               {x if c; y otherwise}

Where brackets stand is decided once, when the tree is made; a target that needs fewer, such as a
fraction with a bar, drops those of the parts with `bare`.  Every formula knows its plain text:
formulas are compared and weighed by it, and the text of a line costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Literal, NamedTuple, Protocol

from symbackprop.printing.naming import visible

Kind = Literal["number", "name", "typed", "ones", "letter", "word", "sign", "row", "bracket",
               "entry", "quotient", "power", "transpose", "root", "big", "cases"]

#: Words of ours between formulas, with their spaces.
WORDS = frozenset({" if ", " otherwise", " and ", " or ", "not "})
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True, slots=True)
class Formula:
    """A node of a formula: its kind, its parts, and its plain text."""

    kind: Kind
    text: str
    parts: tuple[Formula, ...] = ()

    def __str__(self) -> str:
        return self.text


class Piece(NamedTuple):
    """A formula, and how strongly its outermost operation binds."""

    formula: Formula
    strength: int

    @property
    def text(self) -> str:
        """The plain text."""
        return self.formula.text

    def within(self, strength: int) -> Formula:
        """The formula, in brackets unless it binds at least that strongly."""
        return self.formula if self.strength >= strength else bracket(self.formula)


def number(shown: str) -> Formula:
    """A number as Python writes it: −3, 0.5, 1e-5."""
    return Formula("number", f"−{shown[1:]}" if shown.startswith("-") else shown)


def name(shown: str) -> Formula:
    """The name of a tensor, or of a gradient: W1, δ2, ∂L/∂W1."""
    return Formula("name", visible(shown))


def ones() -> Formula:
    """1, a column of ones."""
    return Formula("ones", "1")


def letter(shown: str) -> Formula:
    """The letter of an index."""
    return Formula("letter", visible(shown))


def word(shown: str) -> Formula:
    """The name of a function, or a word such as `if`."""
    return Formula("word", shown if shown in WORDS else visible(shown))


def sign(shown: str) -> Formula:
    """A sign with the spaces that stand around it in text: " + ", "·", " ⊙ ", "ᵀ"."""
    return Formula("sign", shown)


def beside(*parts: Formula | str) -> Formula:
    """The parts side by side; a text among them is a sign."""
    made = tuple(sign(part) if isinstance(part, str) else part for part in parts)
    return made[0] if len(made) == 1 else Formula("row", "".join(p.text for p in made), made)


def joined(parts: Sequence[Formula], between: str) -> Formula:
    """The parts with a sign between any two."""
    spelled: list[Formula | str] = []
    for part in parts:
        spelled.extend([between, part] if spelled else [part])
    return beside(*spelled)


def bracket(inside: Formula, pair: str = "()") -> Formula:
    """(x), [x] or |x|."""
    return Formula("bracket", f"{pair[0]}{inside.text}{pair[1]}", (inside,))


def entry(tensor: Formula, indices: Sequence[Formula]) -> Formula:
    """x[n,i]."""
    inside = ",".join(index.text for index in indices)
    return Formula("entry", f"{tensor.text}[{inside}]", (tensor, *indices))


def quotient(above: Formula, below: Formula) -> Formula:
    """x/y."""
    return Formula("quotient", f"{above.text}/{below.text}", (above, below))


def power(base: Formula, exponent: Formula) -> Formula:
    """x² where the exponent is a positive integer, else x^y."""
    digits = exponent.text.isdecimal()
    raised = exponent.text.translate(_SUPERSCRIPTS) if digits else f"^{exponent.text}"
    return Formula("power", base.text + raised, (base, exponent))


def entrywise_power(base: Formula, exponent: Formula) -> Formula:
    """x^∘y: every entry is raised."""
    return power(base, beside("∘", exponent))


def transpose(base: Formula) -> Formula:
    """xᵀ."""
    return Formula("transpose", f"{base.text}ᵀ", (base,))


def root(inside: Formula) -> Formula:
    """√(x)."""
    return Formula("root", f"√({inside.text})", (inside,))


def big(shown: Formula, letters: Sequence[Formula]) -> Formula:
    """Σ_n or max_{n,k}: a sign and the indices that it runs over."""
    below = ",".join(index.text for index in letters)
    below = below if len(letters) == 1 and len(below) == 1 else f"{{{below}}}"
    return Formula("big", f"{shown.text}_{below}", (shown, *letters))


def call(function: str, *arguments: Formula) -> Formula:
    """f(x, y)."""
    return beside(word(function), bracket(joined(arguments, ", ")))


def cases(pairs: Sequence[tuple[Formula, Formula | None]]) -> Formula:
    """{x if c; y otherwise}; a case without a condition is the last one."""
    shown = [beside(value, word(" otherwise")) if condition is None
             else beside(value, word(" if "), condition) for value, condition in pairs]
    return Formula("cases", "{" + "; ".join(case.text for case in shown) + "}", tuple(
        part for value, condition in pairs for part in (value, condition or word("otherwise"))))


def bare(formula: Formula) -> Formula:
    """What stands in round brackets, where a target needs none: above and below a bar."""
    round_ = formula.kind == "bracket" and formula.text.startswith("(")
    return formula.parts[0] if round_ else formula


def runs_on(parts: Sequence[Formula], at: int) -> bool:
    """Whether a product needs its sign: it begins a line, or a number follows on a factor."""
    if at == 0 or parts[at - 1].kind in ("big", "word"):
        return at == 0
    after = parts[at + 1] if at + 1 < len(parts) else parts[at]
    while after.kind in ("row", "power", "transpose"):
        after = after.parts[0]
    return after.kind == "number"


def mapped(formula: Formula, change: Callable[[Formula], Formula],
           made: Callable[[Formula, tuple[Formula, ...]], Formula] | None = None) -> Formula:
    """The formula with every leaf changed; made: how a node is made of its new parts."""
    new: dict[int, Formula] = {}
    make = made or remade
    for node in postorder(formula):
        if node.parts:
            parts = tuple(new[id(part)] for part in node.parts)
            same = all(map(is_, parts, node.parts))
            new[id(node)] = node if same and made is None else make(node, parts)
        else:
            new[id(node)] = change(node)
    return new[id(formula)]


def remade(node: Formula, parts: tuple[Formula, ...]) -> Formula:
    """A node of the same kind, of other parts."""
    return MAKERS[node.kind](node, parts)


def postorder(formula: Formula) -> Iterator[Formula]:
    """Every node once, parts before what they are parts of."""
    return _postorder(formula, lambda node: node.parts)


MAKERS: Mapping[Kind, Callable[[Formula, tuple[Formula, ...]], Formula]] = {
    "row": lambda node, parts: beside(*parts),
    "bracket": lambda node, parts: bracket(parts[0], node.text[0] + node.text[-1]),
    "entry": lambda node, parts: entry(parts[0], parts[1:]),
    "quotient": lambda node, parts: quotient(*parts),
    "power": lambda node, parts: power(*parts),
    "transpose": lambda node, parts: transpose(*parts),
    "root": lambda node, parts: root(*parts),
    "big": lambda node, parts: big(parts[0], parts[1:]),
    "cases": lambda node, parts: cases([
        (value, None if condition.kind == "word" else condition)
        for value, condition in zip(parts[::2], parts[1::2], strict=True)]),
}


class Template(Protocol):
    """How a target writes a formula of one kind, given its parts as they were written."""

    def __call__(self, formula: Formula, parts: Sequence[str]) -> str: ...


def rendered(formula: Formula, templates: Mapping[Kind, Template]) -> str:
    """The formula in a target, bottom up without recursion; equal parts are written once."""
    written: dict[int, str] = {}
    for node in _postorder(formula, _shown_parts):
        parts = [written[id(part)] for part in _shown_parts(node)]
        written[id(node)] = templates[node.kind](node, parts)
    return written[id(formula)]


def _shown_parts(node: Formula) -> Sequence[Formula]:
    """The parts of a node, without the brackets that no bar, root or raised exponent needs."""
    match node.kind:
        case "quotient":
            return [bare(part) for part in node.parts]
        case "power":
            return [node.parts[0], bare(node.parts[1])]
    return node.parts


def _postorder(formula: Formula, below: Callable[[Formula], Sequence[Formula]]
               ) -> Iterator[Formula]:
    stack, seen = [(formula, False)], set()
    while stack:
        node, finished = stack.pop()
        if finished:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            parts = below(node)
            if parts:
                stack.append((node, True))
                stack += [(part, False) for part in reversed(parts)]
            else:
                yield node
