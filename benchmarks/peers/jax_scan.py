"""JAX: one jitted call a round, lax.scan over its steps, parameters donated."""

from __future__ import annotations

from benchmarks.peers.protocol import serve  # isort: skip  (the clock of the import starts there)

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.networks import PENALTY, Arrays, Case, from_message, orders


def loss_of(case: Case) -> Any:
    """loss(weights, inputs, labels) of one batch."""
    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[case.net.activation]
    layers = len(case.net.widths) - 1

    def loss(weights: Arrays, h: Any, labels: Any) -> Any:
        for layer in range(1, layers):
            h = activation(h @ weights[f"W{layer}"] + weights[f"b{layer}"])
        z = h @ weights[f"W{layers}"] + weights[f"b{layers}"]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(z), labels[:, None], 1)
        squares = sum((weights[f"W{layer}"] ** 2).sum() for layer in range(1, layers + 1))
        return -chosen.mean() + PENALTY * squares

    return loss


def rule_of(case: Case) -> Any:
    """rule(weights, gradients, state) -> (weights, state)."""
    rate, tree = case.rate, jax.tree.map

    def sgd(weights: Arrays, slopes: Arrays, state: Any) -> Any:
        return tree(lambda w, g: w - rate * g, weights, slopes), state

    def adam(weights: Arrays, slopes: Arrays, state: Any) -> Any:
        t, m, v = state
        t = t + 1
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, slopes)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g**2, v, slopes)
        first, second = rate / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        weights = tree(lambda w, m, v: w - first * m / (jnp.sqrt(v) / second + 1e-8),
                       weights, m, v)
        return weights, (t, m, v)

    return {"sgd": sgd, "adam": adam}[case.optimizer]


class Jax:
    """Weights and optimizer state on the device between rounds."""

    def __init__(self, message: dict[str, Any], given: Arrays) -> None:
        self.case = from_message(message)
        jax.config.update("jax_enable_x64", self.case.dtype == "float64")
        self.data = jnp.asarray(given.pop("inputs")), jnp.asarray(given.pop("labels"))
        weights = {name: jnp.asarray(value) for name, value in given.items()}
        zeros = jax.tree.map(jnp.zeros_like, weights)
        state = (jnp.zeros((), self.case.dtype), zeros, jax.tree.map(jnp.zeros_like, weights))
        self.carry = (weights, state if self.case.optimizer == "adam" else ())
        self.losses = jnp.zeros(1)
        loss, rule = loss_of(self.case), rule_of(self.case)

        def round_(carry: Any, order: Any, inputs: Any, labels: Any) -> Any:
            def step(carry: Any, rows: Any) -> Any:
                weights, state = carry
                value, slopes = jax.value_and_grad(loss)(weights, inputs[rows], labels[rows])
                return rule(weights, slopes, state), value

            return jax.lax.scan(step, carry, order)

        self.round = jax.jit(round_, donate_argnums=0)

    def order(self, seed: int, steps: int | None = None) -> Any:
        rows = jnp.asarray(orders(self.case.net, seed, steps), jnp.int32)
        return rows.block_until_ready()

    def run(self, order: Any) -> None:
        self.carry, self.losses = self.round(self.carry, order, *self.data)
        jax.block_until_ready((self.carry, self.losses))

    def state(self) -> Arrays:
        weights = {name: np.asarray(value) for name, value in self.carry[0].items()}
        return {**weights, "loss": np.asarray(self.losses, np.float64).mean()}


if __name__ == "__main__":
    serve(Jax)
