"""Proximal gradient steps: the smooth part by its gradient, penalties with kinks by their operator.

    w ← prox(w − rate·g, rate)               g: the gradient of the loss without those penalties

It is a rule like all others; what `prox` stands for is derived from the loss (`projecting.py`).
Momentum is added to w itself, inside of prox: with v ← momentum·v + g the rule would rest where
w = prox(w − rate/(1 − momentum)·g, rate), which is the minimum of another loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from symbackprop.training.optimizer import Number, Optimizer, number_fields
from symbackprop.training.projecting import prox
from symbackprop.training.rules import Rule, g, letters, rate, w

__all__ = ["ProximalSGD"]

d, q, momentum = letters("d q momentum")


@dataclass(frozen=True, slots=True)
class ProximalSGD(Optimizer):
    """w ← prox(w − rate·g, rate); with momentum w ← prox(w + momentum·d − rate·g, rate).

    d is the last change of w (heavy ball within prox: Ochs, Chen, Brox & Pock 2014, iPiano).
    rate > 0; 0 ≤ momentum < 1.  Penalties with kinks, such as l1 or group_lasso, give zeros that
    are exact; over all rows (batch_size=None), and with a rate below 2 over the greatest curvature
    of the smooth part, it ends at the minimum of a convex loss (Combettes & Wajs 2005).

    Raises TrainingError for anything else, and DerivationError, in fit, for a penalty that has
    kinks and no proximal operator.

    >>> print(ProximalSGD(0.1).formula())
    w ← prox(w − η·g, η)
    where η = rate = 0.1
    """

    rate: Number
    momentum: Number = 0.0

    def __post_init__(self) -> None:
        number_fields(self)

    @property
    def rule(self) -> Rule:
        """One assignment without momentum, three with it."""
        if self.momentum == 0:
            return self.scheduled(Rule(((w, prox(w - rate * g, rate)),)))
        return self.scheduled(Rule((
            (q, w), (w, prox(w + momentum * d - rate * g, rate)), (d, w - q))))
