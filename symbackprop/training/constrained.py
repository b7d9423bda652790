"""Constraints of a model: their terms, and what is said where they cannot be kept.

    the constraint box (declared at net.py:7), w ≥ lo and w ≤ hi, where lo = 1, hi = −1: …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from symbackprop.constraints import indicator
from symbackprop.errors import DerivationError
from symbackprop.functions import Iverson
from symbackprop.notation import Tensor, tensors_in
from symbackprop.printing.text import text
from symbackprop.proximity import operator
from symbackprop.separation import Term, inlined, separated

__all__ = ["refused", "terms_of"]

Known = Mapping[Tensor, float | None]
Names = Mapping[Tensor, str]
REMEDY = ("write one that some w keeps, and whose set is convex, e.g. "
          'sb.constraints.box(-1, 1, "W1")')


def terms_of(constraint: Tensor, names: Names) -> tuple[Term, ...]:
    """The terms of a constraint's indicator; raises DerivationError where it does not separate."""
    try:
        return separated(inlined(indicator(constraint)))
    except DerivationError as error:
        raise DerivationError(f"{_shown(constraint, names, {})}: {error}; {REMEDY}") from error


def refused(terms: Mapping[Tensor, Sequence[Term]], names: Names, hypers: Known
            ) -> DerivationError | None:
    """What is wrong with one constraint, or two of them together; None where nothing is."""
    for constraint, own in terms.items():
        if error := _error(own, hypers):
            shown, read = _shown(constraint, names, hypers), _hypers(constraint)
            change = " or ".join(f"model.hypers[{names[t]!r}]" for t in read)
            remedy = f"set {change} to what some w keeps" if hypers and read else REMEDY
            return DerivationError(f"{shown}: {error}; {remedy}")
    for one, other in combinations(terms, 2):
        if error := _error((*terms[one], *terms[other]), hypers):
            return DerivationError(
                f"{_shown(one, names, hypers)}, and {_shown(other, names, hypers)}, have no "
                f"projection together: {error}; keep one of them, or let them act on different "
                "parameters")
    return None


def _error(terms: Sequence[Term], hypers: Known) -> DerivationError | None:
    if not terms:
        return None
    try:
        operator(terms, hypers)
    except DerivationError as error:
        return error
    return None


def _shown(constraint: Tensor, names: Names, hypers: Known) -> str:
    definition = constraint.definition
    assert definition is not None
    body = definition.body
    condition = text(body.args[0] if isinstance(body, Iverson) else body, names)
    values = {t: hypers.get(t, t.default) for t in _hypers(constraint)}
    known = ", ".join(f"{names[t]} = {v:g}" for t, v in values.items() if v is not None)
    return (f"the constraint {constraint.hint} (declared at {constraint.where}), {condition}"
            + (f", where {known}" if known else ""))


def _hypers(constraint: Tensor) -> list[Tensor]:
    definition = constraint.definition
    assert definition is not None
    return sorted({t for t in tensors_in(inlined(definition.body)) if t.role == "hyper"},
                  key=lambda t: t.serial)
