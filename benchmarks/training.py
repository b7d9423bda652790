"""Time of a training step in this library and in its peers, interleaved, results compared first.

Same nets, data, first parameters, batches and arithmetic: softmax cross-entropy, an L2 penalty,
SGD or Adam.  A system that does not arrive where the reference arrives is named, not timed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from benchmarks.environments import UnavailableError
from benchmarks.networks import TABLE, Case, as_message, given, orders
from benchmarks.peers import PEERS, Peer
from benchmarks.peers.sgemm import FLOPS
from benchmarks.reference import disagreement, trained
from benchmarks.systems import System, interleaved, medians
from benchmarks.tables import show, times

PEAK = Peer("peak", "benchmarks.peers.sgemm", "", "the machine's own matrix product")
CHECKED = 3
Record = dict[str, Any]


def measured(case: Case, names: Iterable[str], rounds: int) -> Record:
    """Seconds a step of each system, its memory, the machine's peak; who is absent, and why."""
    data = given(case)
    expected = trained(case, data, orders(case.net, 0, CHECKED))
    absent: dict[str, str] = {}
    first: dict[str, dict[str, float]] = {}
    with ExitStack() as stack:
        systems = {}
        for peer in (PEAK, *(PEERS[name] for name in names)):
            try:
                system = stack.enter_context(System(peer, case.threads))
                taken, found = system.begin(as_message(case), data, CHECKED)
            except UnavailableError as error:
                absent[peer.name] = str(error)
                continue
            wrong = peer is not PEAK and disagreement(case, data, expected, found)
            if wrong:
                absent[peer.name] = f"other results: {wrong}"
                continue
            systems[peer.name], first[peer.name] = system, taken
        found_times = interleaved(systems, rounds, absent.__setitem__)
        memory = {name: systems[name].peak() for name in found_times}
    steps = {name: s / case.net.steps for name, s in medians(found_times).items()}
    peak = steps.pop("peak", 0.0) * case.net.steps
    return {
        **asdict(case), "net": case.net.name, "variant": case.variant, "steps": case.net.steps,
        "flops": case.net.flops, "seconds": steps, "rounds": rounds, "first": first,
        "spread": {name: [min(s) / case.net.steps, max(s) / case.net.steps]
                   for name, s in found_times.items() if name != "peak"},
        "peak": FLOPS / peak / 1e9 if peak else None, "memory": memory, "absent": absent,
        "load": os.getloadavg()[0],
    }


def peaks(most: int, rounds: int) -> dict[str, float]:
    """GFLOP/s of the fastest of some matrix products on 1 … most processors, in turn."""
    case = Case(TABLE[0])
    with ExitStack() as stack:
        systems = {str(threads): stack.enter_context(System(PEAK, threads))
                   for threads in range(1, most + 1)}
        for system in systems.values():
            system.begin(as_message(case), {})
        found = interleaved(systems, rounds, lambda name, reason: print(f"peak: {reason}"))
    return {threads: FLOPS / min(seconds) / 1e9 for threads, seconds in found.items()}


def peaks_text(found: Mapping[str, float]) -> str:
    """One sentence."""
    values = [f"{speed:.0f} GFLOP/s on {threads}" for threads, speed in found.items()]
    return f"This machine's own sgemm, by processors: {', '.join(values)}."


def ratio(record: Record, peer: str, of: str = "this") -> float | None:
    """The peer's time as a multiple of ours."""
    seconds = record["seconds"]
    return seconds[peer] / seconds[of] if peer in seconds and of in seconds else None


def best(record: Record, peer: str, of: str = "this") -> float:
    """The same ratio for the fastest round of each: what the load of others disturbs least."""
    spread = record["spread"]
    return float(spread[peer][0] / spread[of][0])


def speed(record: Record) -> float | None:
    """GFLOP/s of our own steps, counting matrix products only."""
    own = record["seconds"].get("this")
    return record["flops"] / own / 1e9 if own else None


def rows_of(records: Sequence[Record]) -> tuple[list[str], list[list[object]]]:
    """Header and rows: our time, speed and share of the peak; then each peer's time and ratio."""
    peers = [name for name in PEERS if name != "this"
             and any(name in r["seconds"] for r in records)]
    header = ["µs a step", "this", "GFLOP/s", "of peak", "target"]
    header += [head for name in peers for head in (name, "ratio", *["best"] * (name == "jax"))]
    rows = []
    for record in records:
        own, flops = record["seconds"].get("this"), speed(record)
        target = _target(record)
        row: list[object] = [
            record["net"], None if own is None else own * 1e6, flops,
            f"{flops / record['peak']:.0%}" if flops and record["peak"] else None,
            f"≥{target}×" if target and "jax" in record["seconds"] else None]
        for name in peers:
            found = ratio(record, name)
            row += [record["seconds"][name] * 1e6 if name in record["seconds"] else None,
                    None if found is None else times(found)]
            if name == "jax":
                row.append(None if found is None else times(best(record, name)))
        rows.append(row)
    return header, rows


def _target(record: Record) -> float | None:
    """What is aimed at against JAX, for the table's own variant of a net."""
    own = (record["dtype"], record["optimizer"], record["threads"]) == ("float32", "sgd", 2)
    targets = {net.name: net.target for net in TABLE}
    return targets.get(record["net"]) if own else None


def memory_rows(records: Sequence[Record]) -> tuple[list[str], list[list[object]]]:
    """Header and rows: megabytes that each process held at most."""
    peers = [name for name in PEERS if any(name in r["memory"] for r in records)]
    return ["MB at most", *peers], [
        [r["net"], *(r["memory"][name] // 2**20 if name in r["memory"] else None
                     for name in peers)] for r in records]


def show_records(records: Sequence[Record]) -> None:
    """A table for each variant; under it who is absent, and why."""
    for variant in dict.fromkeys(record["variant"] for record in records):
        chosen = [record for record in records if record["variant"] == variant]
        print(f"\n{variant} (ratio: the peer's median time over that of this "
              "library; best: of the fastest rounds)")
        show(*rows_of(chosen))
        show(*memory_rows(chosen))
        for name, reason in dict.fromkeys(item for r in chosen for item in r["absent"].items()):
            print(f"not measured: {name}: {reason}")


def measure(cases: Sequence[tuple[Case, Sequence[str]]], rounds: int) -> list[Record]:
    """Records of all cases, each with the systems that are named beside it."""
    records = []
    for number, (case, names) in enumerate(cases, 1):
        record = measured(case, names, rounds)
        records.append(record)
        print(f"[{number}/{len(cases)}] {case.net.name}, {case.variant}: " + ", ".join(
            f"{name} {value * 1e6:,.3g} µs" for name, value in record["seconds"].items()),
            flush=True)
    show_records(records)
    return records
