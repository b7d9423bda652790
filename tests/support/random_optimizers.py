"""Random optimizers, schedules, clips, proximal penalties and constraints, with NumPy references.

A regime is drawn from tables, to which a new optimizer, schedule, clip, penalty or constraint adds
a row.  What a step must do is written here in NumPy, from the papers, and in `updates`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import symbackprop as sb
from symbackprop.notation import Tensor
from tests.support.random_layers import PENALTIES, Draw
from tests.training import updates as u

o, s, c = sb.optimizers, sb.schedules, sb.constraints
STEPS = 2  # in an epoch
Arrays = dict[Tensor, Any]


@dataclass(frozen=True)
class Regime:
    """An optimizer and constraints, terms added to the loss, and the same in NumPy.

    smooth, kinked: penalties, the latter taken by `prox(v, rate)` of each weight and not through
    the gradient; rate, update: of step t, from 1, the update of a weight or of another parameter;
    clip: of all gradients; project: of all weights.
    """

    optimizer: Any
    rate: Callable[[int], float]
    update: Callable[[int, bool], u.Update]
    clip: Callable[[Arrays], Arrays]
    constraints: list[Any]
    project: Callable[[Arrays], Arrays]
    smooth: Any
    kinked: Any = 0
    prox: Callable[[Any, float], Any] = lambda v, _: v


# --- the rate: a schedule, and its value in step t ------------------------------------------------

RATES: list[tuple[Any, Callable[[int], float]]] = [
    (0.05, lambda t: 0.05), (0.1, lambda t: 0.1),
    (s.step(0.1, 0.5, steps=2), lambda t: 0.1*0.5**((t - 1)//2)),
    (s.step(0.1, 0.25, epochs=1), lambda t: 0.1*0.25**((t - 1)//STEPS)),
    (s.exponential(0.1, 0.5, steps=2), lambda t: 0.1*0.5**((t - 1)/2)),
    (s.cosine(0.1, steps=3, least=0.02), lambda t: 0.06 + 0.04*np.cos(np.pi*min(1, (t - 1)/3))),
    (s.inverse(0.1, steps=2), lambda t: 0.1/(1 + (t - 1)/2)),
    (s.warmup(0.1, steps=3), lambda t: 0.1*min(1, t/3)),
    (0.25/(2 + s.t)**2, lambda t: 0.25/(1 + t)**2),
]

# --- rules: an optimizer of a rate, its update, and kinds of weight decay -------------------------

EPSILON = 1e-3  # a gradient that is zero but for rounding moves nothing
FREE: list[dict[str, Any]] = [
    {}, {}, {"weight_decay": 0.25}, {"weight_decay": 0.25, "decay_biases": True},
    {"weight_decay": 0.5, "decoupled": True}]
DECOUPLED: list[dict[str, Any]] = [{"weight_decay": 0.5},
                                   {"weight_decay": 0.25, "decay_biases": True}]
NONE: list[dict[str, Any]] = [{}]

Row = tuple[Callable[..., Any], Callable[[float], u.Update], list[dict[str, Any]]]
RULES: list[Row] = [
    (o.SGD, u.sgd, FREE),
    (partial(o.SGD, momentum=0.75), partial(u.sgd, momentum=0.75), FREE),
    (partial(o.SGD, momentum=0.75, nesterov=True), partial(u.sgd, momentum=0.75, nesterov=True),
     FREE),
    (partial(o.AdaGrad, epsilon=EPSILON), partial(u.adagrad, eps=EPSILON), FREE),
    (partial(o.RMSProp, alpha=0.75, epsilon=EPSILON), partial(u.rmsprop, alpha=0.75, eps=EPSILON),
     FREE),
    (partial(o.RMSProp, alpha=0.5, epsilon=EPSILON, momentum=0.5, centred=True),
     partial(u.rmsprop, alpha=0.5, eps=EPSILON, momentum=0.5, centred=True), FREE),
    (partial(o.Adam, beta2=0.9, epsilon=EPSILON), partial(u.adam, b2=0.9, eps=EPSILON), FREE),
    (partial(o.AdamW, epsilon=EPSILON), partial(u.adam, eps=EPSILON), DECOUPLED),
    (partial(o.Adamax, beta1=0.75, epsilon=EPSILON), partial(u.adamax, b1=0.75, eps=EPSILON), FREE),
    (partial(o.NAdam, epsilon=EPSILON), partial(u.nadam, eps=EPSILON), FREE),
]


def heavy_ball(rate: float, momentum: float = 0.0) -> u.Update:
    """w + momentum·(the last change of w) − rate·g, which prox then takes."""
    return lambda w, g, state, t: w + momentum*state.get("change", 0.0) - rate*g


PROXIMAL_RULES: list[Row] = [
    (o.ProximalSGD, heavy_ball, NONE),
    (partial(o.ProximalSGD, momentum=0.5), partial(heavy_ball, momentum=0.5), NONE),
]

# --- clips: the optimizer in another one, and what becomes of all gradients -----------------------

CLIPS: list[tuple[Any, Any]] = [
    *[(lambda inner, _: inner, lambda _: dict)]*3,
    (o.clip_value, u.by_value), (o.clip_norm, u.by_norm), (o.clip_global_norm, u.by_global_norm)]


# --- penalties that ProximalSGD takes by their operators ------------------------------------------

def soft(v: Any, by: float) -> Any:
    return np.sign(v)*np.maximum(np.abs(v) - by, 0)


def block(v: Any, by: float, axis: int) -> Any:
    norm = np.sqrt((v**2).sum(axis=axis, keepdims=True))
    return v*np.maximum(1 - by/np.where(norm > 0, norm, 1), 0)


#: (penalty, its operator, whether it is one of each entry by itself)
KINKED: list[tuple[Callable[[], Any], Callable[[Any, float], Any], bool]] = [
    (lambda: 0, lambda v, t: v, True),
    (lambda: sb.penalties.l1(0.5), lambda v, t: soft(v, 0.5*t), True),
    (lambda: sb.penalties.l1(4), lambda v, t: soft(v, 4*t), True),
    (lambda: sb.penalties.group_lasso(2, axis=0), lambda v, t: block(v, 2*t, 0), False),
    (lambda: sb.penalties.group_lasso(1, axis=-1), lambda v, t: block(v, t, -1), False),
    (lambda: sb.penalties.sparse_group_lasso(0.5, 1, axis=-1),
     lambda v, t: block(soft(v, 0.5*t), t, -1), False),
]
SMOOTH: list[Callable[[list[Any]], Any]] = [
    lambda weights: 0, lambda weights: sb.penalties.l2(0.25),
    lambda weights: sb.penalties.huber(0.5, 0.5)]

# --- constraints, and projections of all weights --------------------------------------------------


def each(function: Callable[[Any], Any]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {t: function(array) for t, array in arrays.items()}


def shortened(arrays: Arrays) -> Arrays:
    """All together no longer than 1."""
    norm = np.sqrt(sum((array**2).sum() for array in arrays.values()))
    return {t: array/max(1, norm) for t, array in arrays.items()}


ENTRYWISE: list[tuple[Callable[[], list[Any]], Callable[[Arrays], Arrays]]] = [
    *[(list, dict)]*3,
    (lambda: [c.nonnegative()], each(lambda w: np.maximum(w, 0))),
    (lambda: [c.box(-0.25, 0.5)], each(lambda w: np.clip(w, -0.25, 0.5))),
    (lambda: [c.nonnegative(), c.box(None, 0.5)], each(lambda w: np.clip(w, 0, 0.5))),
]
CONSTRAINTS = [
    *ENTRYWISE,
    (lambda: [c.max_norm(0.5, axis=0)],
     each(lambda w: w*np.minimum(1, 0.5/np.sqrt((w**2).sum(axis=0, keepdims=True))))),
    (lambda: [c.norm(1)], shortened),
]


def regime(draw: Draw, weights: list[Any]) -> Regime:
    """One of them, for a loss with these weights."""
    rate, value = draw.pick(RATES)
    clip, clipped = draw.pick(CLIPS)
    limit = draw.pick([0.25, 8.0])
    if draw.chance(0.2):
        penalty, prox, is_entrywise = draw.pick(KINKED)
        make, update, _ = draw.pick(PROXIMAL_RULES)
        constraints, project = draw.pick(ENTRYWISE if is_entrywise else ENTRYWISE[:1])
        return Regime(clip(make(rate), limit), value, lambda t, _: update(value(t)),
                      clipped(limit), constraints(), project, draw.pick(SMOOTH)(weights),
                      penalty(), prox)
    make, update, decays = draw.pick(RULES)
    decay = draw.pick(decays)
    constraints, project = draw.pick(CONSTRAINTS)
    added = draw.pick(PENALTIES)(weights) if draw.chance(0.6) else 0
    optimizer = make(rate, **decay)

    def decayed(t: int, is_weight: bool) -> u.Update:
        amount, now = optimizer.weight_decay, value(t)
        if not amount or not (is_weight or optimizer.decay_biases):
            return update(now)
        return (u.decoupled(update(now), amount, now) if optimizer.decoupled
                else u.coupled(update(now), amount))

    return Regime(clip(optimizer, limit), value, decayed, clipped(limit), constraints(), project,
                  added)
