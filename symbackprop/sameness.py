"""same_function(f, g): whether two formulas agree whatever the values of all that they read.

Every tensor in them counts as an input, whether it has a definition or not: p·(1 − [k=y]/p[y])
and p − [k=y] are one function of p and y, while Σ_j (h[j] − m) and 0 are not one function of h
and m, though they agree where m is the mean of h.  Two functions of this kind that agree at
random points are equal but for a set of measure zero (Schwartz 1980).  `values_together` gives
points at which the definitions of a program hold, for the weaker question: do they agree there?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from sympy import Expr, Idx, Integer
from sympy.core.function import AppliedUndef

from symbackprop.drawing import inputs_drawn
from symbackprop.interpreter import evaluate
from symbackprop.notation import Definition, Program, Tensor, extent

__all__ = ["same_function", "values_together"]

SPREADS = ("below one", "around zero", "around zero")  # where the points lie
MOST_WORK = 200_000  # terms of one evaluation; larger formulas are not compared
ROWS = 4  # what a size counts as, to estimate the work


def same_function(one: Expr, other: Expr, letters: tuple[Idx, ...],
                  points: Sequence[Mapping[Tensor, Any]] | None = None) -> bool:
    """Whether they agree at random points; False where an undefined function has no value there,
    or where that would take too long to find out.

    points: values that belong together, where the formulas need to agree at such values only.
    """
    if one == other:
        return True
    if work(letters, (one, other)) > MOST_WORK or one.has(AppliedUndef) or other.has(AppliedUndef):
        return False
    axes = tuple(extent(i) for i in letters)
    targets = [Tensor(name, axes, letters, "intermediate") for name in ("one", "other")]
    program = Program(tuple(Definition(target, letters, body) for target, body in zip(
        targets, (one, other), strict=True)), tuple(targets))
    rng = np.random.default_rng(0)
    compared = 0
    for known, spread in zip(points or [{}]*len(SPREADS), SPREADS, strict=False):
        given = {t: known[t] for t in program.inputs if t in known}
        if not all(np.isfinite(array).all() for array in given.values()):
            continue  # a definition has no value at this point
        with np.errstate(all="ignore"):
            found = evaluate(program, inputs_drawn(program, given, rng, (spread,)))
        first, second = (found[target] for target in targets)
        if np.isnan(first).all() and np.isnan(second).all():
            continue  # e.g. a root of what is negative at this point
        compared += 1
        if not np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True):
            return False
    return compared > 0


def values_together(program: Program) -> list[Mapping[Tensor, Any]]:
    """The values of all tensors of a program at two random points; none for a large program, or
    one with undefined functions."""
    if any(d.body.has(AppliedUndef) for d in program) or sum(
            work(d.indices, (d.body,)) for d in program) > MOST_WORK:
        return []
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        given = [inputs_drawn(program, {}, rng, (spread,)) for spread in SPREADS[:2]]
        return [inputs | evaluate(program, inputs) for inputs in given]


def work(letters: tuple[Idx, ...], bodies: tuple[Expr, ...]) -> int:
    """How many terms the bodies have over these letters, a size counted as a few rows."""
    indices = set(letters).union(*(body.atoms(Idx) for body in bodies))
    return prod(_length(index) for index in indices)


def _length(index: Idx) -> int:
    length = extent(index)
    return int(length.xreplace({size: Integer(ROWS) for size in length.free_symbols}))
