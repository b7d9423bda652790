"""Pieces of matrix notation, and where brackets stand.

    ADD    QUOTIENT  HADAMARD  MATMUL  POSTFIX  WHOLE        from weak to strong
    A + B  A ⊘ B     2 A ⊙ B   A B     Aᵀ       A

⊙ and the matrix product are always bracketed against each other; a scalar before or below a
chain of ⊙ is not, since it may be read in either place.
"""

from __future__ import annotations

import re
from typing import NamedTuple

ADD, QUOTIENT, HADAMARD, MATMUL, POSTFIX, WHOLE = range(6)


class Form(NamedTuple):
    """A text, and how strongly its outermost operation binds."""

    text: str
    strength: int = WHOLE

    def within(self, strength: int) -> str:
        """The text, bracketed unless it binds at least that strongly."""
        return self.text if self.strength >= strength else f"({self.text})"


def shortness(form: Form) -> tuple[int, int]:
    """The fewer ᵀ the better, those of the ones 1ᵀ not counted; then the shorter."""
    count = form.text.count("ᵀ") - len(re.findall(r"(?<!\w)1ᵀ", form.text))
    return count, len(form.text)


def entry_by_entry(above: list[Form], below: list[Form]) -> Form | None:
    """A ⊙ B ⊘ C, matrix products in brackets."""
    if len(above) == 1 and not below:
        return above[0]
    line = " ⊙ ".join(form.within(POSTFIX) for form in above) or "1"
    line += "".join(f" ⊘ {form.within(POSTFIX)}" for form in below)
    if not above and not below:
        return None
    return Form(line, QUOTIENT if below else HADAMARD)


def scaled(scalars: list[Form], core: Form | None, divisors: list[Form], negative: bool) -> Form:
    """−2 lam A/N; brackets keep the ones 1 apart from numbers."""
    before = " ".join(form.within(POSTFIX) for form in scalars)
    if core is not None and divisors and core.text.endswith(" 1"):
        core = Form(f"({core.text})")
    if core is None:
        made = Form(before or "1", HADAMARD if len(scalars) > 1 else WHOLE)
    elif before:
        clash = before[-1].isdigit() and core.text.startswith("1")
        inside = f"({core.text})" if clash else core.within(HADAMARD)
        made = Form(f"{before} {inside}", HADAMARD)
    else:
        made = core
    if divisors:
        over = made.within(HADAMARD)
        under = " ".join(form.within(POSTFIX) for form in divisors)
        made = Form(f"{over}/{under if len(divisors) == 1 else f'({under})'}", HADAMARD)
    return Form(f"−{made.within(QUOTIENT)}", ADD) if negative else made
