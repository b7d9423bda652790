"""Optimizers: each is a short list of SymPy assignments, compiled with the network it trains.

    w ← w − rate·g                           gradient descent, SGD
    v ← momentum·v + g,  w ← w − rate·v      momentum                       (torch's convention)

`print(optimizer.formula())` shows what one does.  In a rule w is one entry of a parameter and g the
gradient there; what is read before it is assigned is state, which starts at zero; the other letters
are fields of the optimizer: run-time numbers, so that another rate or momentum never recompiles.
A field may also be a schedule.  `Custom` takes rules like those below from a user.

Weight decay is that of the weights, not of biases and scales (like a penalty's), unless
`decay_biases`: torch decays all.  It is added to the gradient, or, `decoupled`, taken from w itself
at the rate of the step (Loshchilov & Hutter 2019, arXiv:1711.05101).
"""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Abs, Expr, Float, Max, Symbol, log, sqrt

from symbackprop.errors import TrainingError
from symbackprop.functions import expm1
from symbackprop.training.clipping import clip_global_norm, clip_norm, clip_value
from symbackprop.training.custom import Custom
from symbackprop.training.optimizer import Number, Optimizer, number_fields
from symbackprop.training.projecting import prox
from symbackprop.training.proximal import ProximalSGD
from symbackprop.training.quasinewton import LBFGS
from symbackprop.training.rules import (
    Assignment,
    Rule,
    epoch,
    g,
    grand_total,
    is_weight,
    letters,
    rate,
    t,
    total,
    w,
)

__all__ = ["LBFGS", "SGD", "AdaGrad", "Adam", "AdamW", "Adamax", "Custom", "GradientDescent",
           "NAdam", "Optimizer", "ProximalSGD", "RMSProp", "Rule", "clip_global_norm", "clip_norm",
           "clip_value", "epoch", "g", "grand_total", "is_weight", "prox", "t", "total", "w"]

Assignments = tuple[Assignment, ...]

m, v, s, q, first, second, now, after, ahead = letters("m v s q first second now after ahead")
momentum, beta1, beta2, epsilon, alpha = letters("momentum beta1 beta2 epsilon alpha")
momentum_decay, weight_decay = letters("momentum_decay weight_decay")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Decaying(Optimizer):
    """An optimizer with weight decay in front of its own assignments.

    weight_decay ≥ 0; decoupled: from w at the rate of the step, not through the gradient;
    decay_biases: of all parameters, as in torch, not of the weights alone.
    """

    weight_decay: Number = 0.0
    decoupled: bool = False
    decay_biases: bool = False

    def __post_init__(self) -> None:
        number_fields(self)

    @property
    def assignments(self) -> Assignments:
        """The optimizer's own assignments, decay and schedules apart."""
        raise TrainingError(f"{type(self).__name__} has no assignments")

    @property
    def rule(self) -> Rule:
        """The assignments of one step."""
        return self.scheduled(Rule((*self._decay(), *self.assignments)))

    def _decay(self) -> Assignments:
        if self.weight_decay == 0:
            return ()
        pull = weight_decay * w if self.decay_biases else weight_decay * is_weight * w
        return ((w, w - rate * pull),) if self.decoupled else ((g, g + pull),)


@dataclass(frozen=True, slots=True, repr=False)
class SGD(_Decaying):
    """w ← w − rate·g; with momentum v ← momentum·v + g, w ← w − rate·v, or Nesterov's.

    rate > 0; 0 ≤ momentum < 1; nesterov: w ← w − rate·(g + momentum·v), as in torch (after
    Sutskever et al. 2013).  Raises TrainingError for anything else.

    >>> print(SGD(0.1, momentum=0.9).formula())
    v ← μ·v + g
    w ← w − η·v
    where μ = momentum = 0.9, η = rate = 0.1
    """

    rate: Number
    momentum: Number = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        number_fields(self)
        if self.nesterov and self.momentum == 0:
            raise TrainingError("SGD: nesterov needs momentum; write "
                                "SGD(0.1, momentum=0.9, nesterov=True)")

    @property
    def assignments(self) -> Assignments:
        """One assignment without momentum, two with it."""
        if self.momentum == 0:
            return ((w, w - rate * g),)
        ahead = g + momentum * v if self.nesterov else v
        return ((v, momentum * v + g), (w, w - rate * ahead))


@dataclass(frozen=True, slots=True, repr=False)
class GradientDescent(_Decaying):
    """w ← w − rate·g with the gradient of the whole loss: one step an epoch, over all rows.

    >>> print(GradientDescent(0.1).formula())
    w ← w − η·g
    where η = rate = 0.1
    """

    rate: Number
    full_batch = True

    @property
    def assignments(self) -> Assignments:
        """The one assignment."""
        return ((w, w - rate * g),)


@dataclass(frozen=True, slots=True, repr=False)
class AdaGrad(_Decaying):
    """Each entry's own rate, by the sum of its squared gradients (Duchi, Hazan & Singer 2011).

    rate > 0; epsilon > 0.  torch's lr_decay is a schedule: AdaGrad(sb.schedules.inverse(…)).
    """

    rate: Number = 1e-2
    epsilon: Number = 1e-10

    @property
    def assignments(self) -> Assignments:
        """The sum of squares, and the step."""
        return ((s, s + g**2), (w, w - rate * g / (sqrt(s) + epsilon)))


@dataclass(frozen=True, slots=True, repr=False)
class RMSProp(_Decaying):
    """The gradient over the root of its mean square (Hinton, lecture 6 of his Coursera course).

    alpha: how much of the mean is kept; centred: over its standard deviation, as in Graves 2013,
    arXiv:1308.0850; with momentum the quotients are gathered as in torch.
    """

    rate: Number = 1e-2
    alpha: Number = 0.99
    epsilon: Number = 1e-8
    momentum: Number = 0.0
    centred: bool = False

    @property
    def assignments(self) -> Assignments:
        """Mean square, mean if it is centred, quotient, and the step."""
        spread = sqrt(Max(0, s - m**2)) if self.centred else sqrt(s)
        quotient = g / (spread + epsilon)
        means = ((s, alpha * s + (1 - alpha) * g**2),
                 *(((m, alpha * m + (1 - alpha) * g),) if self.centred else ()))
        if self.momentum == 0:
            return (*means, (w, w - rate * quotient))
        return (*means, (v, momentum * v + quotient), (w, w - rate * v))


@dataclass(frozen=True, slots=True, repr=False)
class Adam(_Decaying):
    """Steps of about the rate, whatever the scale of the gradient (Kingma & Ba 2015, algorithm 1).

    rate > 0; 0 ≤ beta1, beta2 < 1; epsilon > 0.  Raises TrainingError for anything else.

    >>> print(Adam().rule.states)
    (t, m, v)
    """

    rate: Number = 1e-3
    beta1: Number = 0.9
    beta2: Number = 0.999
    epsilon: Number = 1e-8

    @property
    def assignments(self) -> Assignments:
        """Moments of the gradient, their bias corrections, and the step."""
        return (
            (t, t + 1),
            (first, rate / _unkept(beta1)),
            (second, sqrt(_unkept(beta2))),
            (m, beta1 * m + (1 - beta1) * g),
            (v, beta2 * v + (1 - beta2) * g**2),
            (w, w - first * m / (sqrt(v) / second + epsilon)),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    weight_decay: Number = 0.01
    decoupled: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Adamax(_Decaying):
    """Adam with the largest gradient of late in place of the root (Kingma & Ba 2015, algorithm 2).

    rate > 0; 0 ≤ beta1, beta2 < 1; epsilon > 0.
    """

    rate: Number = 2e-3
    beta1: Number = 0.9
    beta2: Number = 0.999
    epsilon: Number = 1e-8

    @property
    def assignments(self) -> Assignments:
        """The mean gradient, the largest, and the step."""
        return (
            (t, t + 1),
            (first, rate / _unkept(beta1)),
            (m, beta1 * m + (1 - beta1) * g),
            (v, Max(beta2 * v, Abs(g) + epsilon)),
            (w, w - first * m / v),
        )


@dataclass(frozen=True, slots=True, repr=False)
class NAdam(_Decaying):
    """Adam with Nesterov's look ahead (Dozat 2016), its momentum growing as in torch.

    momentum_decay ≥ 0: how fast it grows; q is one less the product of all momenta so far.
    """

    rate: Number = 2e-3
    beta1: Number = 0.9
    beta2: Number = 0.999
    epsilon: Number = 1e-8
    momentum_decay: Number = 4e-3

    @property
    def assignments(self) -> Assignments:
        """The momenta of this step and of the next, the moments, and the step."""
        base = Float("0.96")
        return (
            (t, t + 1),
            (now, beta1 * (1 - base**(t * momentum_decay) / 2)),
            (after, beta1 * (1 - base**((t + 1) * momentum_decay) / 2)),
            (q, 1 - (1 - q) * now),
            (first, rate * (1 - now) / q),
            (ahead, rate * after / (1 - (1 - q) * after)),
            (second, sqrt(_unkept(beta2))),
            (m, beta1 * m + (1 - beta1) * g),
            (v, beta2 * v + (1 - beta2) * g**2),
            (w, w - (first * g + ahead * m) / (sqrt(v) / second + epsilon)),
        )


def _unkept(beta: Symbol) -> Expr:
    """1 − betaᵗ: in float32 the power of 0.999 would cost it five of its seven digits."""
    return -expm1(t * log(beta))
