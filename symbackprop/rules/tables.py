"""All tables of rules, module by module, and the reason for every step by the name of its row."""

from __future__ import annotations

from typing import Any, NamedTuple

from symbackprop.rules import (
    across,
    algebra,
    definitions,
    derivatives,
    exponentials,
    facts,
    forms,
    indices,
    masks,
    stability,
    sums,
    totals,
    zeros,
)

__all__ = ["BOOKKEEPING", "TABLES", "Rows", "reason"]

_MODULES = (zeros, across, algebra, definitions, derivatives, exponentials, facts, forms, indices,
            masks, stability, sums, totals)


class Rows(NamedTuple):
    """A table of rules with its name and what it is about; a row: name, left, right, why."""

    name: str
    about: str
    rows: tuple[Any, ...]


def _collected() -> tuple[Rows, ...]:
    """The tables of every module, each row in the first table that has it."""
    seen: set[int] = set()
    made = []
    for module in _MODULES:
        for name, value in vars(module).items():
            rows = name.isupper() and isinstance(value, tuple) and hasattr((*value, 0)[0], "why")
            new = tuple(row for row in value if id(row) not in seen) if rows else ()
            if new:
                seen.update(map(id, new))
                made.append(Rows(name, (module.__doc__ or "").partition("\n\n")[0], new))
    return tuple(made)


TABLES = _collected()

#: Rows that move formulas about and change none of them.
BOOKKEEPING = frozenset({"copy taken over", "folded", "read once", "same definition"})

_REASONS: dict[str, str] = {row.name: row.why for table in TABLES for row in table.rows}


def reason(rule: str) -> str:
    """Why a rule holds; nothing for what is no rule.

    >>> reason("exponentials combine")
    'e^t·e^a = e^(t + a)'
    """
    return _REASONS.get(rule, "")
