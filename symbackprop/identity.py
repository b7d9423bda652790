"""same_function(f, g): whether two formulas agree whatever the values of all that they read.

Every tensor in them counts as an input, whether it has a definition or not: p·(1 − [k=y]/p[y])
and p − [k=y] are one function of p and y, while Σ_j (h[j] − m) and 0 are not one function of h
and m, though they agree where m is the mean of h.  Two functions of this kind that agree at
random points are equal but for a set of measure zero (Schwartz 1980).
"""

from __future__ import annotations

from math import prod

import numpy as np
from sympy import Expr, Idx, Integer

from symbackprop.drawing import inputs_drawn
from symbackprop.interpreter import evaluate
from symbackprop.notation import Definition, Program, Tensor, extent

__all__ = ["same_function"]

SPREADS = ("below one", "around zero", "around zero")  # where the points lie
MOST_WORK = 200_000  # terms of one evaluation; larger formulas are not compared
ROWS = 4  # what a size counts as, to estimate the work


def same_function(one: Expr, other: Expr, letters: tuple[Idx, ...]) -> bool:
    """Whether they agree at random points; False where that would take too long to find out."""
    if one == other:
        return True
    indices = one.atoms(Idx) | other.atoms(Idx) | set(letters)
    if prod(_length(index) for index in indices) > MOST_WORK:
        return False
    axes = tuple(extent(i) for i in letters)
    targets = [Tensor(name, axes, letters, "intermediate") for name in ("one", "other")]
    program = Program(tuple(Definition(target, letters, body) for target, body in zip(
        targets, (one, other), strict=True)), tuple(targets))
    rng = np.random.default_rng(0)
    for spread in SPREADS:
        with np.errstate(all="ignore"):
            found = evaluate(program, inputs_drawn(program, {}, rng, (spread,)))
            pair = [found[target] for target in targets]
        undefined = np.isnan(pair[0]).all()  # e.g. a root of what is negative at this point
        if not undefined and not np.allclose(*pair, rtol=1e-9, atol=1e-12, equal_nan=True):
            return False
        if undefined and spread == SPREADS[0]:
            return False
    return True


def _length(index: Idx) -> int:
    length = extent(index)
    return int(length.xreplace({size: Integer(ROWS) for size in length.free_symbols}))
