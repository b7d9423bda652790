"""Pieces of matrix notation, and where brackets stand.

    ADD    QUOTIENT  HADAMARD  MATMUL  POSTFIX  WHOLE        from weak to strong
    A + B  A ⊘ B     2 A ⊙ B   A B     Aᵀ       A

⊙ and the matrix product are always bracketed against each other; a scalar before or below a
chain of ⊙ is not, since it may be read in either place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from symbackprop.printing.formula import Formula, Piece, beside, bracket, joined, number, quotient

ADD, QUOTIENT, HADAMARD, MATMUL, POSTFIX, WHOLE = range(6)


def shortness(piece: Piece) -> tuple[int, int]:
    """The fewer ᵀ the better, those of the ones 1ᵀ not counted; then the shorter."""
    count = piece.text.count("ᵀ") - len(re.findall(r"(?<!\w)1ᵀ", piece.text))
    return count, len(piece.text)


def product(parts: Sequence[Formula]) -> Piece:
    """A B C, the matrix product."""
    return Piece(joined(parts, " "), MATMUL)


def entry_by_entry(above: list[Piece], below: list[Piece]) -> Piece | None:
    """A ⊙ B ⊘ C, matrix products in brackets."""
    if len(above) == 1 and not below:
        return above[0]
    if not above and not below:
        return None
    line = joined([piece.within(POSTFIX) for piece in above] or [number("1")], " ⊙ ")
    for piece in below:
        line = beside(line, " ⊘ ", piece.within(POSTFIX))
    return Piece(line, QUOTIENT if below else HADAMARD)


def scaled(scalars: list[Piece], core: Piece | None, divisors: list[Piece], negative: bool
           ) -> Piece:
    """−2 lam A/N; brackets keep the ones 1 apart from numbers."""
    before = joined([piece.within(POSTFIX) for piece in scalars], " ") if scalars else None
    if core is not None and divisors and core.text.endswith(" 1"):
        core = Piece(bracket(core.formula), WHOLE)
    if core is None:
        made = Piece(before or number("1"), HADAMARD if len(scalars) > 1 else WHOLE)
    elif before is not None:
        clash = before.text[-1].isdigit() and core.text.startswith("1")
        inside = bracket(core.formula) if clash else core.within(HADAMARD)
        made = Piece(beside(before, " ", inside), HADAMARD)
    else:
        made = core
    if divisors:
        under = joined([piece.within(POSTFIX) for piece in divisors], " ")
        made = Piece(quotient(made.within(HADAMARD),
                              under if len(divisors) == 1 else bracket(under)), HADAMARD)
    return Piece(beside("−", made.within(QUOTIENT)), ADD) if negative else made
