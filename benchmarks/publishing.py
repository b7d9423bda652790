"""Tables and the plot of one kept result, written into the documents between their markers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import functions, growth, startup, tables, training
from benchmarks.peers import PEERS
from benchmarks.training import ratio

ROOT = Path(__file__).parent.parent
DOCUMENT, README = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
PLOT = ROOT / "docs" / "benchmarks.svg"
NAMES = {"torch": "PyTorch", "torch-compile": "torch.compile", "jax": "JAX", "fit": "Model.fit",
         "sklearn": "scikit-learn", "pytensor": "PyTensor"}
Record = dict[str, Any]


def between(text: str, name: str, inside: str) -> str:
    """The text with what stands between the two markers of this name replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"there must be one pair of markers {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{inside}\n{end}", text)


def headline(records: Sequence[Record]) -> list[Record]:
    """The records of the first variant: that of the table."""
    return [r for r in records if r["variant"] == records[0]["variant"]] if records else []


def ratios(records: Sequence[Record]) -> str:
    """Our time, and how many times as long each peer takes."""
    peers = [name for name in PEERS if name not in ("this", "fit")
             and any(name in r["seconds"] for r in records)]
    rows = []
    for r in records:
        own = r["seconds"].get("this")
        found = [ratio(r, name) for name in peers]
        rows.append([r["net"], own and own * 1e6,
                     *(None if value is None else tables.times(value) for value in found)])
    return tables.markdown(["net", "µs a step", *(NAMES[name] for name in peers)], rows)


def full(result: Record) -> str:
    """All tables of a result, with the machine that they were measured on."""
    machine = result["machine"]
    begun = "a quick look, three rounds only; " if result.get("quick") else ""
    parts = [f"Measured on {machine['processor']}, Python {machine['python']}, Numba "
             f"{machine['numba']}; {begun}load of the machine when it began: "
             f"{machine['load']}.{busy(result)}"]
    if "peak" in machine:
        parts.append(training.peaks_text(machine["peak"]))
    records = result.get("training", [])
    for variant in dict.fromkeys(r["variant"] for r in records):
        chosen = [r for r in records if r["variant"] == variant]
        parts += [f"### {variant}", tables.markdown(*training.rows_of(chosen)),
                  *_missing(chosen)]
    if records:
        parts += ["### Memory", tables.markdown(*training.memory_rows(headline(records)))]
    if "startup" in result:
        found = result["startup"]["systems"]
        parts += ["### Start", tables.markdown(*startup.rows_of(found)),
                  "; ".join(startup.verdicts(found)) + "."]
    if "functions" in result:
        parts += ["### Single functions", tables.markdown(*functions.rows_of(result["functions"]))]
    if "growth" in result:
        parts += ["### Growth", *(tables.markdown(*one) for one in growth.tables_of(
            result["growth"]))]
    return "\n\n".join(parts)


def busy(result: Record) -> str:
    """A sentence for a result that was measured while others used the machine; else ""."""
    load = result["machine"]["load"]
    return (f"\n\nOthers used this machine meanwhile (load {load}): these ratios are disturbed."
            if float(load) > 1 else "")


def _missing(records: Sequence[Record]) -> list[str]:
    found = dict.fromkeys(item for r in records for item in r["absent"].items())
    return [f"Not measured: {name} ({reason})." for name, reason in found]


def plot(records: Sequence[Record], path: Path) -> None:
    """How many times as long each peer takes for each net, on a logarithmic axis."""
    import matplotlib as mpl  # a plot is drawn only when it is published
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(figsize=(8, 0.45 * len(records) + 1.5))
    places = range(len(records), 0, -1)
    for peer, marker in zip((n for n in PEERS if n not in ("this", "fit")), "oDs^v<>"):
        points = [(value, place) for r, place in zip(records, places)
                  if (value := ratio(r, peer)) is not None]
        if points:
            axes.plot(*zip(*points), marker, label=NAMES[peer], alpha=0.85)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.set_yticks(list(places), [r["net"] for r in records])
    axes.set_xlabel("time of a training step as a multiple of symbackprop's (right: slower)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.8 / (0.45 * len(records) + 1)),
                ncols=5, frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def publish(result: Record) -> None:
    """Rewrite the tables of README and manual, and the plot."""
    records = headline(result.get("training", []))
    if not records:
        raise SystemExit("nothing to publish: the result holds no training")
    for path, name, inside in ((DOCUMENT, "results", full(result)),
                               (README, "benchmarks", ratios(records) + busy(result))):
        text = path.read_text(encoding="utf-8")
        path.write_text(between(text, name, inside), encoding="utf-8")
    plot(records, PLOT)
    print(f"written: {', '.join(p.relative_to(ROOT).as_posix() for p in (DOCUMENT, README, PLOT))}")
