"""How long the mathematics takes, each time in a fresh process: import, declare, derive, print."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

from benchmarks.measuring import median_of_fresh, table

DEPTHS = (2, 3, 10, 100)
STAGES = ("import", "declare", "derive", "print", "second derive")


def prepare(depth: int) -> Callable[[], dict[str, float]]:
    """A function that times each stage for a classifier of `depth` dense layers."""

    def run() -> dict[str, float]:
        marks = [time.perf_counter()]
        from benchmarks.networks import classifier, sb  # the import is measured

        _ = sb.derive, sb.layers, sb.losses  # loaded on first use, with SymPy

        marks.append(time.perf_counter())
        widths = (64, *[32] * (depth - 1), 10)
        *_, loss = classifier(widths, "tanh")
        marks.append(time.perf_counter())
        derived = sb.derive(loss)
        marks.append(time.perf_counter())
        str(derived)
        marks.append(time.perf_counter())
        sb.derive(loss)
        marks.append(time.perf_counter())
        spans = (end - start for start, end in pairwise(marks))
        return dict(zip(STAGES, spans, strict=True))

    return run


def measure() -> dict[str, dict[str, float]]:
    """Seconds for each stage and depth; what grows must grow with the number of layers only."""
    found = {}
    for depth in DEPTHS:
        found[str(depth)] = median_of_fresh(prepare, depth)
    rows = [[f"{depth} layers", *(found[str(depth)][s] for s in STAGES)] for depth in DEPTHS]
    table(["seconds", *STAGES], rows)
    ratio = found["100"]["derive"] / found["10"]["derive"]
    print(f"100 layers take {ratio:.1f} times as long to derive as 10")
    return found
