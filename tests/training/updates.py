"""The update of each optimizer as plain NumPy, from the papers and torch's documentation; and the
steps of an optimizer's rule by the interpreter."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import symbackprop as sb
from symbackprop.training.loop import Plan
from symbackprop.training.step import training_step
from symbackprop.training.tuning import tuning
from tests.training.networks import Array, Values, loss_and_gradients

State = dict[str, Array]
Update = Callable[[Array, Array, State, int], Array]  # (w, g, state, t from 1) -> new w


def sgd(rate: Any, momentum: float = 0.0, nesterov: bool = False) -> Update:
    def update(w: Array, g: Array, state: State, t: int) -> Array:
        state["v"] = momentum * state.get("v", 0.0) + g
        ahead = g + momentum * state["v"] if nesterov else state["v"]
        return w - (rate(t) if callable(rate) else rate) * ahead
    return update


def adagrad(rate: float, eps: float = 1e-10) -> Update:
    def update(w: Array, g: Array, state: State, t: int) -> Array:
        state["s"] = state.get("s", 0.0) + g**2
        return w - rate * g / (np.sqrt(state["s"]) + eps)
    return update


def rmsprop(rate: float, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0,
            centred: bool = False) -> Update:
    def update(w: Array, g: Array, state: State, t: int) -> Array:
        state["s"] = alpha * state.get("s", 0.0) + (1 - alpha) * g**2
        state["m"] = alpha * state.get("m", 0.0) + (1 - alpha) * g
        spread = np.sqrt(state["s"] - state["m"]**2 if centred else state["s"])
        state["v"] = momentum * state.get("v", 0.0) + g / (spread + eps)
        return w - rate * state["v"]
    return update


def moments(g: Array, state: State, b1: float, b2: float) -> tuple[Array, Array]:
    state["m"] = b1 * state.get("m", 0.0) + (1 - b1) * g
    state["v"] = b2 * state.get("v", 0.0) + (1 - b2) * g**2
    return state["m"], state["v"]


def adam(rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Update:
    def update(w: Array, g: Array, state: State, t: int) -> Array:
        m, v = moments(g, state, b1, b2)
        return w - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    return update


def adamax(rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Update:
    def update(w: Array, g: Array, state: State, t: int) -> Array:
        m, _ = moments(g, state, b1, b2)
        state["u"] = np.maximum(b2 * state.get("u", 0.0), np.abs(g) + eps)
        return w - rate / (1 - b1**t) * m / state["u"]
    return update


def nadam(rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8,
          decay: float = 4e-3) -> Update:
    def momentum(t: int) -> float:
        return b1 * (1 - 0.5 * 0.96**(t * decay))

    def update(w: Array, g: Array, state: State, t: int) -> Array:
        m, v = moments(g, state, b1, b2)
        product = np.prod([momentum(k) for k in range(1, t + 1)])
        ahead = (1 - momentum(t)) / (1 - product) * g
        ahead += momentum(t + 1) / (1 - product * momentum(t + 1)) * m
        return w - rate * ahead / (np.sqrt(v / (1 - b2**t)) + eps)
    return update


def coupled(inner: Update, decay: float) -> Update:
    return lambda w, g, state, t: inner(w, g + decay * w, state, t)


def decoupled(inner: Update, decay: float, rate: float) -> Update:
    return lambda w, g, state, t: inner(w * (1 - rate * decay), g, state, t)


def by_value(limit: float) -> Callable[[Values], Values]:
    return lambda g: {name: np.clip(array, -limit, limit) for name, array in g.items()}


def by_norm(limit: float) -> Callable[[Values], Values]:
    return lambda g: {name: array * min(1, limit / (np.linalg.norm(array) + 1e-6))
                      for name, array in g.items()}


def by_global_norm(limit: float) -> Callable[[Values], Values]:
    def clipped(g: Values) -> Values:
        norm = np.sqrt(sum((array**2).sum() for array in g.values()))
        return {name: array * min(1, limit / (norm + 1e-6)) for name, array in g.items()}
    return clipped


def referred(start: Values, X: Array, labels: Array, update: Update, batches: Iterable[Array],
             clip: Callable[[Values], Values] = dict,
             biases: Update | None = None) -> Values:
    """The classifier after a step for each batch; biases may be updated in another way."""
    w, states = {n: a.copy() for n, a in start.items()}, {name: {} for name in start}
    for t, rows in enumerate(batches, 1):
        g = clip(loss_and_gradients(w, X[rows], labels[rows])[1])
        for name, state in states.items():
            own = biases if biases and name.startswith("b") else update
            w[name] = own(w[name], g[name], state, t)
    return w


def interpreted(model: sb.Model, optimizer: Any, X: Array, Y: Array, batches: Iterable[Array],
                rates: Mapping[str, float] | None = None, frozen: Any = (), per_epoch: int = 1
                ) -> Values:
    """The model's parameters after a step for each batch, by the interpreter; none is changed."""
    network, chosen = model._network, tuning(model._network, optimizer, frozen, rates)
    derivation = model.derivation()
    weights = sb.penalties.weights(network.program)
    step = training_step(network.loss, {t: derivation.gradient(t) for t in chosen.trained},
                         chosen.rule, network.names, weights)
    x, y = network.inputs[0], network.targets[0]
    plan = Plan(per_epoch, 1, 1)
    arrays = {**model._core.arrays(), **step.begun(plan, "float64"),
              **model.hypers.numbers(), **chosen.numbers(step, plan)}
    for rows in batches:
        given = {**arrays, x: X[rows], y: Y[rows]}
        found = sb.evaluate(step.program, {t: given[t] for t in step.program.inputs})
        arrays |= {old: found[new] for old, new in step.program.updates}
    return {network.names[t]: np.asarray(arrays[t]) for t in network.parameters}
