"""Microseconds of a training step: this library, scikit-learn's MLP, and JAX with a scan per epoch.

Same data, same arithmetic (float32, softmax cross-entropy, L2 penalty, SGD with momentum), shuffled
every epoch.  Competitors run in processes of their own, in turn; medians after a warm-up.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from benchmarks.measuring import Worker, interleaved, table
from benchmarks.networks import PENALTY, Net, classifier, made_data, sb

NETS = (
    Net((2, 16, 16, 2), "relu", 32, 16_384),
    Net((64, 32, 10), "tanh", 32, 16_384),
    Net((30, 64, 64, 2), "relu", 64, 16_384),
    Net((784, 256, 128, 10), "relu", 128, 8_192),
)
ROUNDS, EPOCHS, RATE, MOMENTUM = 7, 3, 0.01, 0.9


def ours(net: Net) -> Callable[[], float]:
    """Model.fit as a user calls it."""
    x, y, p, loss = classifier(net.widths, net.activation)
    model = sb.Model(inputs=x, targets=y, output=p, loss=loss)
    inputs, labels = made_data(net)
    optimizer = sb.optimizers.SGD(RATE, momentum=MOMENTUM)
    return _timed(net, lambda: model.fit(inputs, labels, epochs=EPOCHS, batch_size=net.batch,
                                         optimizer=optimizer, verbose=False, seed=0))


def scikit_learn(net: Net) -> Callable[[], float]:
    """MLPClassifier.fit for as many epochs."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    inputs, labels = made_data(net)
    peer = MLPClassifier(
        net.widths[1:-1], activation=net.activation, solver="sgd", alpha=PENALTY, tol=0.0,
        batch_size=net.batch, learning_rate_init=RATE, momentum=MOMENTUM, max_iter=EPOCHS,
        nesterovs_momentum=False, n_iter_no_change=10 * EPOCHS,
    )
    return _timed(net, lambda: peer.fit(inputs, labels))


def jax_scan(net: Net) -> Callable[[], float]:
    """One jitted call an epoch: permutation, lax.scan over the steps, donated parameters."""
    import jax
    import jax.numpy as jnp

    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[net.activation]
    inputs, labels = (jnp.asarray(array) for array in made_data(net))
    pairs = list(pairwise(net.widths))
    generator = np.random.default_rng(0)
    start = [(jnp.asarray(generator.normal(size=p) / np.sqrt(p[0]), jnp.float32), jnp.zeros(p[1]))
             for p in pairs]

    def loss(weights, rows):
        h = inputs[rows]
        for w, b in weights[:-1]:
            h = activation(h @ w + b)
        w, b = weights[-1]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(h @ w + b), labels[rows][:, None], 1)
        return -chosen.mean() + PENALTY * sum((w**2).sum() for w, _ in weights)

    def step(carry, rows):
        weights, velocity = carry
        value, gradient = jax.value_and_grad(loss)(weights, rows)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
        return (jax.tree.map(lambda w, v: w - RATE * v, weights, velocity), velocity), value

    @jax.jit
    def epoch(carry, key):
        order = jax.random.permutation(key, net.rows)[: net.rows // net.batch * net.batch]
        return jax.lax.scan(step, carry, order.reshape(-1, net.batch))

    def run() -> None:
        carry = (start, jax.tree.map(jnp.zeros_like, start))
        for number in range(EPOCHS):
            carry, values = epoch(carry, jax.random.key(number))
        values.block_until_ready()

    return _timed(net, run)


def peak() -> Callable[[], float]:
    """GFLOP/s of this machine's own sgemm, all cores."""
    a = np.random.default_rng(0).normal(size=(1536, 1536)).astype(np.float32)

    def run() -> float:
        start = time.perf_counter()
        a @ a
        return 2 * 1536**3 / (time.perf_counter() - start) / 1e9

    return run


def _timed(net: Net, run: Callable[[], object]) -> Callable[[], float]:
    """Microseconds a step."""

    def timed() -> float:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) / (EPOCHS * net.steps) * 1e6

    return timed


PEERS = {"jax": jax_scan, "sklearn": scikit_learn}


def measure() -> dict[str, dict[str, float]]:
    """Microseconds a step, and each peer's time as a multiple of ours."""
    peers = {name: make for name, make in PEERS.items() if importlib.util.find_spec(name)}
    for name in PEERS.keys() - peers:
        print(f"{name} is not installed")
    found, rows = {}, []
    for net in NETS:
        workers = {"ours": Worker(ours, net), "peak": Worker(peak),
                   **{name: Worker(make, net) for name, make in peers.items()}}
        times = interleaved(workers, ROUNDS)
        for worker in workers.values():
            worker.__exit__()
        speed = net.flops / net.steps / times["ours"] / 1e3
        found[net.name] = {**times, "gflops": speed}
        rows.append([net.name, times["ours"], speed, f"{speed / times['peak']:.0%}",
                     *(value for name in peers for value in
                       (times[name], f"{times[name] / times['ours']:.1f}x"))])
    heads = [head for name in peers for head in (name, "ratio")]
    table(["microseconds a step", "ours", "GFLOP/s", "of peak", *heads], rows)
    return found
