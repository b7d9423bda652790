"""What the signs of a formula mean, for those that a page has in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from symbackprop.printing.formula import Formula, postorder

_FIRST = re.compile(r"∂[0-9]+\w")


def _sign(shown: str) -> Callable[[Formula], bool]:
    return lambda node: node.kind == "sign" and node.text.strip() == shown


def _word(shown: str) -> Callable[[Formula], bool]:
    return lambda node: node.kind == "word" and node.text == shown


#: What is said of a sign, and where it stands.
MEANINGS: Mapping[str, Callable[[Formula], bool]] = {
    "⊙ multiplies entry by entry": _sign("⊙"),
    "⊘ divides entry by entry": _sign("⊘"),
    "1 is a column of ones": lambda node: node.kind == "ones",
    "I is the identity matrix": lambda node: node == Formula("name", "I"),
    "[c] is 1 where the condition c holds and 0 elsewhere":
        lambda node: node.kind == "bracket" and node.text.startswith("["),
    "diag(v) is the matrix with v on its diagonal, diag(A) the diagonal of A": _word("diag"),
    "tr(A) is the sum of the diagonal of A": _word("tr"),
    "softmax(Z) is exp of each entry over the sum of exp along its row": _word("softmax"),
    "A^∘p raises every entry to the power p": _sign("∘"),
    "f′ is the derivative of f":
        lambda node: node.kind == "word" and node.text.endswith("′"),
    "∂1f is the derivative of f by its first argument":
        lambda node: node.kind == "word" and _FIRST.match(node.text) is not None,
}


def met(formulas: Iterable[Formula]) -> list[str]:
    """The meanings of the signs in these formulas, in the order of the table."""
    waiting = dict(MEANINGS)
    found: set[str] = set()
    for formula in formulas:
        for node in postorder(formula):
            for said in [said for said, fits in waiting.items() if fits(node)]:
                found.add(said)
                del waiting[said]
    return [said for said in MEANINGS if said in found]
