"""Numerical minimisers of ½‖v − w‖² + t·R(w), which know nothing of the derivation."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

Function = Callable[[Any], float]


def least_number(function: Function, v: float, t: float, low: float = -50.0, high: float = 50.0
                 ) -> float:
    """The minimiser on an interval, by ternary sections and by SciPy: the better one.

    For convex functions of one variable.
    """
    def total(w: float) -> float:
        return 0.5 * (w - v)**2 + t * function(w)

    left, right = low, high
    for _ in range(200):  # ternary sections need no derivative and stop at no kink
        one, other = left + (right - left) / 3, right - (right - left) / 3
        if total(one) <= total(other):
            right = other
        else:
            left = one
    best = minimize_scalar(total, bounds=(low, high), method="bounded",
                           options={"xatol": 1e-12}).x
    return min((left, right, (left + right) / 2, best), key=total)


def is_minimum(function: Function, w: np.ndarray, v: np.ndarray, t: float,
               random: np.random.Generator, allowed: Callable[[Any], bool] = lambda w: True
               ) -> bool:
    """Whether F(w′) ≥ F(w) + ½‖w′ − w‖² for many w′: true of the minimum of F and nothing else.

    F = ½‖v − w‖² + t·R is strongly convex.  Among the w′ are points near and far, the origin, v,
    points with zeros in them, and what SciPy's descent finds from w.
    """
    def total(point: Any) -> float:
        return 0.5 * float(((point - v)**2).sum()) + t * function(point)

    scales = 10.0**np.arange(-6, 2)
    others = [w + scale * random.normal(size=w.shape) for scale in scales for _ in range(40)]
    others += [w * (random.random(w.shape) < 0.5) for _ in range(20)]
    others += [w * random.random() for _ in range(20)] + [v, 0 * v]
    found = minimize(lambda x: total(x.reshape(w.shape)), w.ravel(), method="Powell",
                     options={"maxiter": 3, "xtol": 1e-10}).x.reshape(w.shape)
    least = total(w)
    slack = 1e-11 * (1 + abs(least))
    return all(total(other) >= least + 0.5 * ((other - w)**2).sum() - slack
               for other in [*others, found] if allowed(other))
