"""All tables of rules, in order, and what else may be done to a program: a reason for every step.

What the passes over whole definitions do has no row: `PASSES` gives the reason for each, and
`BOOKKEEPING` says in words what moves formulas about without changing them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from symbackprop.rewriting import Rule
from symbackprop.rules import algebra, exponentials, facts, forms, indices, stability
from symbackprop.rules.indices import IndexRule

__all__ = ["BOOKKEEPING", "PASSES", "TABLES", "Rows", "reason"]


class Rows(NamedTuple):
    """A table of rules with its name and what it is about."""

    name: str
    about: str
    rows: tuple[Rule | IndexRule, ...]


def _table(name: str, module: str | None, rows: tuple[Rule | IndexRule, ...]) -> Rows:
    return Rows(name, (module or "").partition("\n\n")[0], rows)


TABLES: tuple[Rows, ...] = (
    _table("ALGEBRA", algebra.__doc__, algebra.ALGEBRA),
    _table("COMPLEMENT", algebra.__doc__, algebra.COMPLEMENT),
    _table("EXPONENTIALS", exponentials.__doc__, exponentials.EXPONENTIALS),
    _table("FACTS", facts.__doc__, facts.FACTS),
    _table("COLLECTED", forms.__doc__, forms.COLLECTED),
    _table("SHORTENING", forms.__doc__, forms.SHORTENING),
    _table("DECIDED", indices.__doc__, indices.DECIDED),
    _table("INDICES", indices.__doc__, indices.INDICES),
    _table("STABILITY", stability.__doc__, stability.STABILITY),
)

PASSES: Mapping[str, str] = {
    "branch or zero": "{a if c; 0 otherwise} = a·[c]",
    "exponentials written out": "a quotient by a sum of exponentials is recognised by its shape",
    "log of an exponential": "log e^t = t; left overflows",
    "mask in the exponent": "w·e^t = e^(t + log w) for w > 0, and both are 0 for w = 0",
    "masked branch": "a branch is written out, so that no other one is computed in it",
    "norm of a named sum": "root(s) = √s by definition; the derivative of left at 0 is 0/0",
    "quotient by a sum of exponentials": "e^t/(ε + e^s) = e^(t − s)/(1 + ε·e^−s); left overflows",
    "shift cancelled": "t − s + s = t",
    "shift of a log-sum-exp": "log Σ e^(t − s) + s = log Σ e^t for every s",
    "shifted exponents": "Σ e^(t + s) = e^s·Σ e^t where s does not depend on what is summed over",
    "symmetric access": "A[i,j] = A[j,i], as declared",
}

BOOKKEEPING: Mapping[str, str] = {
    "copy taken over": "a definition that only copies another one is left out",
    "folded": "a formula that has a name is written by it",
    "read once": "a definition that is read once stands where it is read",
    "same definition": "a formula is defined once",
}

_REASONS: Mapping[str, str] = {
    **PASSES, **{row.name: row.why for table in TABLES for row in table.rows}}


def reason(rule: str) -> str:
    """Why a rule holds; nothing for what is no rule.

    >>> reason("exponentials combine")
    'e^t·e^a = e^(t + a)'
    """
    return _REASONS.get(rule, "")
