"""Lines of a derivation: left = right, and what follows from it line by line, with its reason.

    ∂L/∂z[n,k] = (∂L/∂p[n,k] − Σ_{k′} ∂L/∂p[n,k′]·p[n,k′])·p[n,k]     chain rule through p
               = (p[n,k] − y[n,k])/N                                  fact
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sympy import Expr

from symbackprop.notation import Tensor
from symbackprop.printing.formula import Formula

FARTHEST = 72  # where the reasons of a block begin, unless its lines are longer


class Line(NamedTuple):
    """left = right; without a left side it goes on from the line above.

    target: the tensor whose value, or whose adjoint, the line gives; value: what the right side
    means, over the letters of that tensor, where the line does not name parts of a chain only.
    """

    left: Formula | None
    right: Formula
    note: str = ""
    target: Tensor | None = None
    value: Expr | None = None


def blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines grouped: each left side with the lines that go on from it."""
    found: list[list[Line]] = []
    for line in lines:
        if line.left is not None or not found:
            found.append([])
        found[-1].append(line)
    return found


def lines_text(lines: Sequence[Line]) -> str:
    """The lines as plain text; a block of several lines stands apart, its reasons in a column."""
    shown = ""
    long = False
    for block in blocks(lines):
        apart = long or len(block) > 1
        shown += ("\n\n" if apart else "\n") * bool(shown) + _block_text(block)
        long = len(block) > 1
    return shown


def _block_text(block: Sequence[Line]) -> str:
    first = block[0].left
    width = len(first.text) if first is not None else 0
    shown = [f"{line.left.text if line.left is not None else ' ' * width} = {line.right.text}"
             for line in block]
    noted = [text for text, line in zip(shown, block, strict=True) if line.note]
    column = max((len(text) for text in noted if len(text) <= FARTHEST), default=0)
    return "\n".join(f"{text:{column}}    {line.note}" if line.note else text
                     for text, line in zip(shown, block, strict=True))
