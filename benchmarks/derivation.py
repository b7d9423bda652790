"""How long the mathematics takes, each time in a fresh process: import, declare, derive, print."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.measuring import median_of_fresh
from benchmarks.tables import show

STAGES = ("import", "declare", "derive", "print", "derive again")


def prepare(declare: Callable[[Any], Any]) -> Callable[[], dict[str, float]]:
    """A function that times each stage for the loss that `declare(symbackprop)` makes."""

    def run() -> dict[str, float]:
        marks = [time.perf_counter()]
        import symbackprop as sb  # the import is measured

        _ = sb.derive, sb.layers, sb.losses  # loaded on first use, with SymPy
        marks.append(time.perf_counter())
        loss = declare(sb)
        marks.append(time.perf_counter())
        derived = sb.derive(loss)
        marks.append(time.perf_counter())
        str(derived)
        marks.append(time.perf_counter())
        sb.derive(loss)
        marks.append(time.perf_counter())
        return dict(zip(STAGES, (end - start for start, end in pairwise(marks)), strict=True))

    return run


@dataclass(frozen=True, slots=True)
class Classifier:
    """Dense tanh layers, softmax, cross-entropy and an L2 penalty."""

    layers: int

    def __call__(self, sb: Any) -> Any:
        x, y = sb.data("x", sb.size("N"), 64), sb.data("y", sb.size("N"), 10, facts=["one_hot"])
        h = x
        for _ in range(self.layers - 1):
            h = sb.layers.dense(h, 32, "tanh")
        p = sb.softmax(sb.layers.dense(h, 10))
        return sb.losses.cross_entropy(p, y) + sb.penalties.l2(1e-4)


@dataclass(frozen=True, slots=True)
class Chain:
    """Definitions that each read the one before."""

    length: int

    def __call__(self, sb: Any) -> Any:
        n = sb.indices("n", sb.size("N"))
        h, w = sb.data("x", n), sb.parameter("w")
        for number in range(self.length):
            h = sb.define(f"h{number}", (n,), sb.tanh(w*h[n] + 1))
        return (h*h).sum()


@dataclass(frozen=True, slots=True)
class Residual:
    """h ← h + h·tanh(h): 2^depth paths from the loss to the weight."""

    depth: int

    def __call__(self, sb: Any) -> Any:
        h = sb.parameter("w")
        for number in range(self.depth):
            h = sb.define(f"h{number}", (), h + h*sb.tanh(h))
        return h


CASES = {
    "2 layers": (Classifier(2), 3), "3 layers": (Classifier(3), 3),
    "10 layers": (Classifier(10), 3), "100 layers": (Classifier(100), 3),
    "residual, 2^40 paths": (Residual(40), 1), "chain of 10,000": (Chain(10_000), 1),
}
QUICK = ("2 layers", "10 layers")


def prepare_forms(layers: int) -> Callable[[], dict[str, float]]:
    """A function that times each form of a deep net, and its page, in seconds of process time."""

    def run() -> dict[str, float]:
        import symbackprop as sb

        loss = Classifier(layers)(sb)
        str(sb.derive(loss))  # everything is loaded, and the caches of names are warm
        found = {}
        for form in ("index", "matrix", "neuron", "steps"):
            for target in ("text", "latex"):
                derived = sb.derive(loss)  # a new one, which has printed nothing yet
                start = time.process_time()
                getattr(derived, target)(form)
                found[f"{form} {target}"] = time.process_time() - start
        derived = sb.derive(loss)
        start = time.process_time()
        derived.html(check=False)
        return {**found, "html": time.process_time() - start}

    return run


def measure(quick: bool = False) -> dict[str, dict[str, float]]:
    """Seconds for each stage; what grows must grow with the number of definitions only."""
    cases = {name: CASES[name] for name in QUICK} if quick else CASES
    found = {name: median_of_fresh(prepare, declare, rounds=1 if quick else rounds)
             for name, (declare, rounds) in cases.items()}
    show(["seconds", *STAGES], [[name, *found[name].values()] for name in cases])
    if quick:
        return found
    ratio = found["100 layers"]["derive"] / found["10 layers"]["derive"]
    print(f"100 layers take {ratio:.1f} times as long to derive as 10")
    forms = median_of_fresh(prepare_forms, 50, rounds=3)
    show(["printing 50 layers", "seconds"], [[name, value] for name, value in forms.items()])
    return {**found, "forms of 50 layers": forms}
