"""Whether a disagreement in floating point is a mistake, decided in 50 digits.

Two correct computations in float64 may differ by more than a tolerance where the program itself
loses digits, e.g. log(1 - sigmoid(t)) at t = 20.  Then neither is the truth, and both are
measured against exact values.  What was found must lie within the tolerance of them, or as near as
the reference's own formula comes in this precision: it is evaluated again several times with each
operation rounded up or down at random (Monte Carlo arithmetic, Parker 1997), so that neither
a lucky nor an unlucky rounding decides.  No loss of digits forgives a wrong formula.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import sympy as sp

from symbackprop.interpreter import Machine, evaluate
from symbackprop.notation import Program, Tensor
from tests.support import jaxpr_values

SMALLEST = 1e-3  # an array of smaller entries is compared with this
SMALLEST_SINGLE = 1e-2  # in float32, where a sum of ones that cancel leaves 6e-8
SAMPLES = 8
TIMES = 4  # how much worse than the reference's own rounding is as good
WRONG = 1e-10  # what 50 digits may differ by: constants of float64, through a program's condition

Arrays = Iterable[np.ndarray]


def error(found: Arrays, expected: Arrays) -> float:
    """The largest error, relative to the largest entry of each array."""
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape, f"shape {ours.shape} for {theirs.shape}"
        if theirs.size:
            gap = np.asarray(np.abs(ours - theirs), float).max()
            least = SMALLEST_SINGLE if ours.dtype == np.float32 else SMALLEST
            scale = max(np.asarray(np.abs(theirs), float).max(), least)
            worst = max(worst, gap/scale if np.isfinite(gap) else np.inf)
    return worst


@dataclass(frozen=True)
class Truth:
    """A reference: its values in 50 digits, and in floats that round at random."""

    exact: Callable[[], list[np.ndarray]]
    rounded: Callable[[np.random.Generator], list[np.ndarray]]

    def rounding(self, exact: list[np.ndarray]) -> float:
        """The largest error of the reference's own formula in floats."""
        found = (error(self.rounded(np.random.default_rng(k)), exact) for k in range(SAMPLES))
        return max((gap for gap in found if np.isfinite(gap)), default=0.0)


def verdict(found: Arrays, expected: Arrays, tolerance: float, truth: Truth,
            formulas: Callable[[], Arrays]) -> tuple[float, float]:
    """(error, what is allowed): against the reference, or if that is too large against the truth.

    formulas: what was found, computed in 50 digits: there it must agree in any case.
    """
    worst = error(found, expected)
    if worst <= tolerance:
        return worst, tolerance
    exact = truth.exact()
    wrong = error(formulas(), exact)
    if wrong > WRONG:
        return wrong, WRONG
    own = max(error(expected, exact), truth.rounding(exact))
    return error(found, exact), max(tolerance, TIMES*own)


def of_jax(function: Callable[[Any], Any], inputs: Any, dtype: type = float) -> Truth:
    """The truth of a JAX function that returns a list of arrays: traced by JAX, computed by us."""
    traced = functools.cache(lambda: jax.make_jaxpr(function)(inputs))

    def run(arithmetic: jaxpr_values.Arithmetic) -> list[np.ndarray]:
        return jaxpr_values.values(traced(), jax.tree.leaves(inputs), arithmetic)

    return Truth(lambda: run(jaxpr_values.EXACT),
                 lambda rng: run(jaxpr_values.rounded(dtype, rng)))


def of_program(program: Program, tensors: list[Tensor], values: dict[Any, Any]) -> Truth:
    """The truth of a program as it was declared, by the interpreter."""
    def exact() -> list[np.ndarray]:
        arrays = evaluate(program, values, jaxpr_values.DIGITS)
        return [arrays[tensor] for tensor in tensors]

    def rounded(rng: np.random.Generator) -> list[np.ndarray]:
        machine = Rounded(rng)
        with np.errstate(all="ignore"):
            machine.read(program, values)
            for definition in program:
                machine.define(definition)
        return [machine.arrays[tensor] for tensor in tensors]

    return Truth(exact, rounded)


class Rounded(Machine):
    """The interpreter in float64 with each operation rounded up or down at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(None)
        self.rng = rng

    def node(self, node: sp.Basic, arguments: list[Any], grids: Any, rank: int) -> Any:
        """A value of an operation, rounded at random."""
        if not isinstance(node, (sp.Add, sp.Mul, sp.Pow, sp.Function)) or not arguments:
            return super().node(node, arguments, grids, rank)
        return jaxpr_values.rounded_at_random(
            self.rng, lambda *wide: super(Rounded, self).node(node, list(wide), grids, rank),
            *arguments)
