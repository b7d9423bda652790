"""How a step's time grows with batch and layers, and the first step's with width.

Linear growth is an exponent of 1: between two neighbours, log(time ratio)/log(size ratio).
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from math import log
from typing import Any

from benchmarks.networks import Case, Net, as_message, given
from benchmarks.peers import PEERS
from benchmarks.systems import System, interleaved, medians
from benchmarks.tables import show

ROWS = 8_192
BATCHES = {batch: Net((64, 64, 64, 10), "tanh", batch, ROWS, -(-batch // 128))
           for batch in (32, 128, 512, 2048, 8192)}
LAYERS = {layers: Net((64,) * layers + (10,), "tanh", 128, ROWS) for layers in (2, 4, 8, 16)}
WIDTHS = {width: Net((width,) * 3 + (10,), "tanh", 32, 96) for width in (8, 64, 512)}


def steps(nets: dict[int, Net], rounds: int, threads: int, dropped: dict[str, str]
          ) -> dict[int, float]:
    """Seconds a step of each net in this library, one process each, in turn."""
    with ExitStack() as stack:
        systems = {}
        for size, net in nets.items():
            system = stack.enter_context(System(PEERS["this"], threads))
            case = Case(net, threads=threads)
            system.begin(as_message(case), given(case))
            systems[str(size)] = system
        found = medians(interleaved(systems, rounds, dropped.__setitem__))
    return {int(size): seconds / nets[int(size)].steps for size, seconds in found.items()}


def compilation(rounds: int, threads: int) -> dict[int, float]:
    """Seconds of the first step, compiled cold, by width."""
    runs: dict[int, list[float]] = {width: [] for width in WIDTHS}
    for _ in range(rounds):
        for width, net in WIDTHS.items():
            case = Case(net, threads=threads)
            with (tempfile.TemporaryDirectory() as cache,
                  System(PEERS["fit"], threads, cache) as system):
                taken, _ = system.begin(as_message(case), given(case), steps=1)
            runs[width].append(taken["first"])
    return {width: statistics.median(values) for width, values in runs.items()}


def exponents(found: dict[int, float]) -> list[float | None]:
    """Of each size but the first, the exponent of growth since its predecessor."""
    return [None, *(log(found[b] / found[a]) / log(b / a) for a, b in pairwise(found))]


def measure(rounds: int, threads: int) -> dict[str, Any]:
    """Tables by batch, by layers and by width."""
    dropped: dict[str, str] = {}
    by_batch = steps(BATCHES, rounds, threads, dropped)
    by_layers = steps(LAYERS, rounds, threads, dropped)
    found = {"batch": by_batch, "layers": by_layers,
             "width": compilation(min(rounds, 3), threads)}
    for header, rows in tables_of(found):
        show(header, rows)
    for name, reason in dropped.items():
        print(f"not measured: size {name}: {reason}")
    return found


def tables_of(found: Mapping[str, Mapping[Any, float]]) -> list[tuple[list[str], list[Any]]]:
    """Header and rows by batch, by layers, by width; sizes may be text, as in a kept result."""
    made = []
    for what in ("batch", "layers"):
        by_size = {int(size): seconds for size, seconds in found[what].items()}
        rows = [[str(size), seconds * 1e6, exponent] for (size, seconds), exponent
                in zip(by_size.items(), exponents(by_size), strict=True)]
        made.append(([f"{what}, all layers 64 wide", "µs a step", "exponent"], rows))
    widths = [[str(width), seconds] for width, seconds in found["width"].items()]
    return [*made, (["width of three layers", "seconds to compile, cold"], widths)]
