"""python -m benchmarks [SECTION ...]: measure, print tables, keep JSON, publish.

    python -m benchmarks                         everything (an hour or more)
    python -m benchmarks --quick                 everything, a little of each, for a first look
    python -m benchmarks training --nets 2-16 --peers jax --threads 1 --epochs 5
    python -m benchmarks --random 20 --seed 7    drawn nets against the table of the last result
    python -m benchmarks training startup functions --publish   rewrite the documents' tables
    python -m benchmarks --from FILE --publish   the same from a kept result
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    accuracy,
    compilation,
    derivation,
    drawn,
    elementary,
    functions,
    growth,
    publishing,
    startup,
    training,
)
from benchmarks import machine as machines
from benchmarks.networks import BATCHES, TABLE, Case, Net
from benchmarks.peers import PEERS

SECTIONS = (
    "derivation", "compilation", "startup", "training", "functions", "elementary", "growth",
    "accuracy")
RESULTS = Path(__file__).parent / "results"
EPOCHS, QUICK_EPOCHS = 7, 3
Plan = list[tuple[Case, Sequence[str]]]


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("sections", nargs="*", metavar="SECTION",
                      help=f"of {', '.join(SECTIONS)}; all if none is named")
    add = made.add_argument
    add("--list", action="store_true", help="print nets, peers and sections, and stop")
    add("--quick", action="store_true", help="three epochs, few nets, the table's variant only")
    add("--nets", help="beginnings of names, or activations: 2-16,tanh")
    add("--peers", help="names, with commas; this library is always measured")
    add("--epochs", type=int, help=f"timed rounds of each system, {EPOCHS} if not given")
    add("--threads", help="processors, with commas: 1,2")
    add("--dtypes", help="float32,float64")
    add("--optimizers", help="sgd,adam")
    add("--random", type=int, metavar="K", help="measure K nets drawn at random instead")
    add("--seed", type=int, default=0, help="of the drawn nets")
    add("--json", type=Path, help="where to keep the result")
    add("--from", dest="kept", type=Path, metavar="FILE", help="take a kept result; no measuring")
    add("--publish", action="store_true", help="rewrite README, docs/benchmarks.md and the plot")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the options ask for."""
    options = parser().parse_args(arguments)
    if unknown := set(options.sections) - set(SECTIONS):
        raise SystemExit(f"no section {', '.join(sorted(unknown))}; "
                         f"there are {', '.join(SECTIONS)}")
    names = chosen_peers(options.peers)
    if options.list:
        listing()
        return
    if options.kept:
        result = json.loads(options.kept.read_text(encoding="utf-8"))
        training.show_records(result.get("training", []))
    else:
        path = options.json or RESULTS / time.strftime("%Y-%m-%d-%H%M%S.json")
        result = {"machine": machines.machine(), "quick": options.quick}
        for section in measured(options, names, result["machine"]):
            result |= section
            keep(result, path)  # after each section: an hour is a long time
        print(f"\nkept in {path}")
    if options.publish:
        publishing.publish(result)


def chosen_peers(asked: str | None) -> tuple[str, ...]:
    """This library and the named peers, in the order of the table; all if none is named."""
    wanted = set(asked.split(",")) if asked is not None else set(PEERS)
    if unknown := wanted - set(PEERS) - {""}:
        raise SystemExit(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return tuple(name for name in PEERS if name in wanted or name == "this")


def chosen_nets(nets: Sequence[Net], asked: str | None) -> list[Net]:
    """The nets whose name begins with, or whose activation is, one of the given words."""
    words = asked.split(",") if asked else [""]
    return [net for net in nets
            if any(net.name.startswith(word) or net.activation == word for word in words)]


def plan(options: argparse.Namespace, names: Sequence[str]) -> Plan:
    """Cases with the systems that are measured on each.

    Unless variants are asked for: the table with all systems, then one thread, float64, Adam and
    other batch sizes against JAX.
    """
    most = min(2, machines.processors())
    nets = chosen_nets(TABLE, options.nets)
    if options.threads or options.dtypes or options.optimizers:
        return [(Case(net, dtype, optimizer, int(threads)), names)
                for threads in (options.threads or str(most)).split(",")
                for dtype in (options.dtypes or "float32").split(",")
                for optimizer in (options.optimizers or "sgd").split(",") for net in nets]
    if options.quick:
        kept = nets if options.nets else [nets[0], nets[2], nets[-3]]
        return [(Case(net, threads=most), names) for net in kept]
    few = [name for name in names if name in ("this", "jax")]
    variants = [("float32", "sgd", 1), ("float64", "sgd", most), ("float32", "adam", most)]
    found: Plan = [(Case(net, threads=most), names) for net in nets]
    found += [(Case(net, *variant), few) for variant in variants for net in nets]
    return found + [(Case(net, threads=most), few) for net in chosen_nets(BATCHES, options.nets)]


def measured(options: argparse.Namespace, names: tuple[str, ...], machine: dict[str, Any]
             ) -> Iterator[dict[str, Any]]:
    """The result of each section that is asked for, under its name."""
    rounds = options.epochs or (QUICK_EPOCHS if options.quick else EPOCHS)
    threads = min(2, machines.processors())
    print(", ".join(f"{name} {text}" for name, text in machine.items()))
    print(machines.warning())
    if options.random:
        nets = drawn.drawn(options.random, options.seed)
        table = latest().get("training", [])
        yield {"seed": options.seed, "random": drawn.measure(nets, table, rounds, threads)}
        return
    if "training" in (options.sections or SECTIONS):
        machine["peak"] = training.peaks(threads, rounds)
        print(training.peaks_text(machine["peak"]))
    sections = {
        "derivation": lambda: derivation.measure(options.quick),
        "compilation": lambda: compilation.measure(options.quick),
        "startup": lambda: startup.measure(names, threads, 1 if options.quick else 3),
        "training": lambda: training.measure(plan(options, names), rounds),
        "elementary": elementary.measure,
        "functions": lambda: functions.measure(
            functions.CASES[::3] if options.quick else functions.CASES, rounds, threads),
        "growth": lambda: growth.measure(rounds, threads),
        "accuracy": lambda: accuracy.measure(options.quick),
    }
    for name in [name for name in SECTIONS if name in (options.sections or SECTIONS)]:
        print(f"\n{name}\n{'-' * len(name)}", flush=True)
        yield {name: sections[name](), "machine": {**machine, "peers": machines.peer_versions()}}


def keep(result: dict[str, Any], path: Path) -> None:
    """Write the result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")


def latest() -> dict[str, Any]:
    """The newest kept result that holds training; empty if there is none."""
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found.get("training"):
            return found
    return {}


def listing() -> None:
    """Nets, peers and sections."""
    print("nets")
    for net in (*TABLE, *BATCHES):
        print(f"  {net.name}: {net.steps} steps a round, {net.flops / 1e6:,.3g} MFLOP a step")
    print("peers")
    for peer in PEERS.values():
        print(f"  {peer.name}: {peer.about}")
    print(f"sections\n  {', '.join(SECTIONS)}")
