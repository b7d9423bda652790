"""Which declared fact a step has used, and how a reader is told."""

from __future__ import annotations

from symbackprop.notation import Tensor
from symbackprop.rewriting import Step
from symbackprop.rules.indices import FACT, declared

Used = tuple[Tensor, str]  # a tensor, and the kind of the fact


def used(step: Step) -> Used | None:
    """The fact that a step goes back to; None for any other rule."""
    if step.rule == FACT.name:
        found = declared(step.before.function, step.before.variables[0])
        return found and (found[0].tensor, found[1])
    return (step.before.tensor, "symmetric") if step.rule == "symmetric access" else None


def in_words(name: str, kind: str) -> str:
    """The fact about a tensor of this name.

    >>> in_words("y", "one_hot"), in_words("A", "symmetric")
    ('Σ y = 1: y is one-hot', 'A is symmetric')
    """
    known = f"{name} is {kind.replace('_', '-')}"
    return known if kind == "symmetric" else f"Σ {name} = 1: {known}"
