"""From import to the first finished step of a three-layer net, cold and warm, and memory.

Each in a fresh process with a folder of its own for whatever a system caches: cold finds it empty,
warm finds what the cold one left.  JAX keeps nothing unless it is told to; here it is told.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks.environments import UnavailableError
from benchmarks.networks import Case, Net, as_message, given
from benchmarks.peers import PEERS
from benchmarks.systems import System
from benchmarks.tables import show

NET = Net((64, 32, 32, 10), "tanh", 32, 96)
STAGES = ("import", "prepare", "first")
COLD_LIMIT = 3.0


def once(name: str, threads: int) -> dict[str, dict[str, float]]:
    """Seconds of each stage, and bytes at most, of a cold and of a warm process."""
    case, found = Case(NET, threads=threads), {}
    with tempfile.TemporaryDirectory() as cache:
        for state in ("cold", "warm"):
            with System(PEERS[name], threads, cache) as system:
                taken, _ = system.begin(as_message(case), given(case), steps=1)
                found[state] = {**taken, "total": sum(taken.values()), "memory": system.peak()}
    return found


def measure(names: Sequence[str], threads: int, rounds: int) -> dict[str, Any]:
    """Medians over fresh processes, systems in turn; the two promises, kept or not."""
    runs: dict[str, list[Any]] = {name: [] for name in names}
    absent: dict[str, str] = {}
    for _ in range(rounds):
        for name in [name for name in names if name not in absent]:
            try:
                runs[name].append(once(name, threads))
            except UnavailableError as error:
                absent[name] = str(error)
    found = {
        name: {state: {stage: statistics.median(run[state][stage] for run in several)
                       for stage in (*STAGES, "total", "memory")} for state in ("cold", "warm")}
        for name, several in runs.items() if several}
    show(*rows_of(found))
    for name, reason in absent.items():
        print(f"not measured: {name}: {reason}")
    for line in verdicts(found):
        print(line)
    return {"net": NET.name, "systems": found, "absent": absent}


def rows_of(found: dict[str, Any]) -> tuple[list[str], list[list[object]]]:
    """Header and rows, one for each system."""
    header = ["seconds to the first step", "import", "declare, derive", "compile, step", "cold",
              "warm", "MB at most"]
    return header, [
        [name, *(states["cold"][stage] for stage in STAGES), states["cold"]["total"],
         states["warm"]["total"], states["cold"]["memory"] / 2**20]
        for name, states in found.items()]


def verdicts(found: dict[str, Any]) -> list[str]:
    """What is promised of the start, and what was measured."""
    lines = []
    if "fit" in found:
        first = found["fit"]["cold"]["first"]
        lines.append(f"compiled cold within {COLD_LIMIT:.0f} s: {_word(first <= COLD_LIMIT)} "
                     f"({first:.2f} s, first step included)")
        if "jax" in found:
            own, peer = found["fit"]["warm"]["total"], found["jax"]["cold"]["total"]
            lines.append(f"warm start before JAX's cold one: {_word(own < peer)} "
                         f"({own:.2f} s and {peer:.2f} s)")
    return lines


def _word(kept: bool) -> str:
    return "yes" if kept else "NO"
