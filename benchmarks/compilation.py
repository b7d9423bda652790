"""How long the first call of a kernel takes: cold, warm (in another process), and by width."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable

import numpy as np

import symbackprop as sb
from benchmarks.declared import classifier
from benchmarks.measuring import once
from benchmarks.networks import Net, made_data
from benchmarks.tables import show

ROUNDS = 3
NETS = {
    "3 layers, training": Net((64, 32, 32, 10), "tanh", 32, 96),
    **{f"3 layers, width {width}": Net((width,)*4, "tanh", 32, 96) for width in (8, 64, 400, 800)},
}
ALIKE = ((8, 64), (400, 800))  # on one thread; in regions that threads share


def train(net: Net) -> Callable[[], dict[str, object]]:
    """Seconds of the first epoch, of the second, and the source with its numbers blanked."""

    def run() -> dict[str, object]:
        x, y, p, loss = classifier(net.widths, net.activation)
        model = sb.Model(inputs=x, targets=y, output=p, loss=loss)
        inputs, labels = made_data(net)
        first = _epoch(model, net, inputs, labels)
        second = _epoch(model, net, inputs, labels)
        return {"first": first, "second": second, "compile": first - second,
                "shape": re.sub(r"\b\d+\b", "0", model.source), "lines": model.source.count("\n")}

    return run


def gradient(net: Net) -> Callable[[], dict[str, object]]:
    """Seconds of compile and first call of one kernel for the loss and all gradients."""

    def run() -> dict[str, object]:
        *_, loss = classifier(net.widths, net.activation)
        derived = sb.derive(loss)
        program = sb.program(loss)
        weights = [tensor for tensor in program.inputs if tensor.role == "parameter"]
        inputs, labels = made_data(net)
        values = {program.names[w]: np.zeros([int(axis) for axis in w.axes]) for w in weights}
        start = time.perf_counter()
        kernel = sb.compile([loss, *(derived[w] for w in weights)])
        kernel(x=inputs, y=np.eye(net.widths[-1])[labels], **values)
        return {"compile": time.perf_counter() - start, "lines": kernel.source.count("\n")}

    return run


def _epoch(model: sb.Model, net: Net, inputs: np.ndarray, labels: np.ndarray) -> float:
    start = time.perf_counter()
    model.fit(inputs, labels, epochs=1, batch_size=net.batch, optimizer=sb.optimizers.SGD(0.01),
              verbose=False, seed=0)
    return time.perf_counter() - start


def cold_and_warm(prepare: Callable[[Net], Callable[[], dict[str, object]]],
                  net: Net) -> list[dict[str, object]]:
    """Two fresh processes, the first with an empty cache, the second with what the first left."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {"SYMBACKPROP_CACHE_DIR": cache}
        return [once(prepare, net, environment=environment) for _ in range(2)]


def measure(quick: bool = False) -> dict[str, dict[str, float]]:
    """Medians of seconds to compile; widths must change literals of the source only.

    From some width on threads share a step, by a kernel in regions, which is longer.
    """
    cases = {**{name: (train, net) for name, net in NETS.items()},
             "3 layers, loss and gradients": (gradient, NETS["3 layers, training"])}
    runs = [{name: cold_and_warm(*case) for name, case in cases.items()}
            for _ in range(1 if quick else ROUNDS)]
    found = {
        name: {
            "cold": float(np.median([run[name][0]["compile"] for run in runs])),
            "warm": float(np.median([run[name][1]["compile"] for run in runs])),
        }
        for name in cases
    }
    lines = {name: runs[0][name][0]["lines"] for name in cases}
    show(["seconds to compile", "cold", "warm", "lines of source"],
          [[name, *found[name].values(), lines[name]] for name in cases])
    for widths in ALIKE:
        one, other = (runs[0][f"3 layers, width {width}"][0]["shape"] for width in widths)
        print(f"widths {widths[0]} and {widths[1]} differ in",
              "literals only" if one == other else "MORE THAN LITERALS")
    return found
