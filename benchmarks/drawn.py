"""Nets drawn at random: is what the table says of its nets true of those between them?

The table gives a ratio to JAX for some amounts of work a step.  Between them it is interpolated
(logarithm of the ratio over logarithm of the work); a net that falls far below is a net that the
table hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Any

import numpy as np

from benchmarks.networks import Case, Net
from benchmarks.tables import show, times
from benchmarks.training import measured, ratio

LAYERS, WIDTHS, BATCH = (1, 8), (2, 1024), (1, 4096)
FLOPS_A_ROUND, LARGEST = 4e9, 8_000_000  # about 50 ms; entries of the data set
FAR = 0.8


def drawn(count: int, seed: int) -> list[Net]:
    """Nets of 1-8 layers, widths 2-1024 and batches 1-4096, evenly in the logarithm."""
    generator = np.random.default_rng(seed)

    def between(low: int, high: int) -> int:
        value = round(exp(generator.uniform(log(low), log(high))))
        return min(max(value, low), high)

    nets = []
    for _ in range(count):
        layers = int(generator.integers(LAYERS[0], LAYERS[1] + 1))
        widths = tuple(between(*WIDTHS) for _ in range(layers + 1))
        batch, activation = between(*BATCH), ("relu", "tanh")[generator.integers(2)]
        nets.append(sized(widths, activation, batch))
    return nets


def sized(widths: tuple[int, ...], activation: str, batch: int) -> Net:
    """A net with enough steps in a round to be timed, and a data set that fits into memory."""
    one = Net(widths, activation, batch, batch)
    wanted = int(min(max(FLOPS_A_ROUND / one.flops, 4), 512))
    kept = int(min(max(LARGEST // (batch * widths[0]), 1), wanted))
    return Net(widths, activation, batch, kept * batch, -(-wanted // kept))


def interpolated(known: Sequence[tuple[float, float]], flops: float) -> float:
    """The ratio at so much work a step: log-linear between neighbours, constant beyond the ends.

    known: (operations a step, ratio); equal amounts of work are averaged.
    """
    merged: dict[float, list[float]] = {}
    for work, value in known:
        merged.setdefault(work, []).append(log(value))
    works = sorted(merged)
    logs = [sum(merged[work]) / len(merged[work]) for work in works]
    return exp(float(np.interp(log(flops), [log(work) for work in works], logs)))


def measure(nets: Sequence[Net], table: Sequence[dict[str, Any]], rounds: int, threads: int
            ) -> list[dict[str, Any]]:
    """Records of the drawn nets beside what the table's records would have them be."""
    usable = [r for r in table if ratio(r, "jax") and
              (r["dtype"], r["optimizer"], r["threads"]) == ("float32", "sgd", threads)]
    known = [(r["flops"], ratio(r, "jax")) for r in usable]
    if not known:
        print("no table to compare with: run `python -m benchmarks training` first")
    rows, records = [], []
    for net in nets:
        record = measured(Case(net, threads=threads), ("this", "jax"), rounds)
        found = ratio(record, "jax")
        expected = interpolated(known, net.flops) if known else None
        records.append({**record, "interpolated": expected})
        if found is None:
            print(f"not measured: {net.name}: {record['absent']}")
            continue
        own, peer = (record["seconds"][name] * 1e6 for name in ("this", "jax"))
        far = expected is not None and found < FAR * expected
        rows.append([net.name, own, peer, times(found),
                     None if expected is None else times(expected), "FAR BELOW" if far else ""])
    show(["drawn at random, µs a step", "this", "jax", "ratio", "interpolated", ""], rows)
    return records
