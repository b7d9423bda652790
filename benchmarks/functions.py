"""Single functions with their gradients: this library, JAX and NumPy, results compared first.

A call is what a user writes: arrays by name into a compiled function, a jitted `value_and_grad`, a
handwritten NumPy function.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.environments import UnavailableError
from benchmarks.peers import Peer
from benchmarks.systems import System, interleaved, medians
from benchmarks.tables import show, times

Arrays = dict[str, Any]
CLASSES, INPUTS, OUTPUTS = 10, 32, 8
PEERS = {
    "this": Peer("this", "benchmarks.peers.functions_this", "", "sb.compile([L, gradients])"),
    "jax": Peer("jax", "benchmarks.peers.functions_jax", "jax", "jit(value_and_grad)"),
    "numpy": Peer("numpy", "benchmarks.peers.functions_numpy", "", "written by hand"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One of the functions of `EXPECTED`, its number of rows, its dtype, calls in a round."""

    function: str
    rows: int
    dtype: str = "float32"
    calls: int = 100

    @property
    def name(self) -> str:
        """For example 'softmax cross-entropy, 1024 rows, float32'."""
        return f"{self.function}, {self.rows} rows, {self.dtype}"


CASES = tuple(
    Case(function, rows, dtype)
    for function in ("custom loss", "softmax cross-entropy", "penalty")
    for rows, dtype in ((64, "float32"), (4096, "float32"), (4096, "float64"))
)


def given(case: Case) -> Arrays:
    """The arrays that a function is called with, by name."""
    generator = np.random.default_rng(0)
    shapes = {"custom loss": {"x": (case.rows, INPUTS), "y": (case.rows, OUTPUTS),
                              "W": (INPUTS, OUTPUTS), "b": (OUTPUTS,)},
              "softmax cross-entropy": {"z": (case.rows, CLASSES)},
              "penalty": {"W": (case.rows, INPUTS)}}[case.function]
    found = {name: generator.normal(size=shape).astype(case.dtype)
             for name, shape in shapes.items()}
    if case.function == "softmax cross-entropy":
        labels = generator.integers(0, CLASSES, case.rows)
        found["y"] = np.eye(CLASSES, dtype=case.dtype)[labels]
    return found


def custom_loss(x: Any, y: Any, W: Any, b: Any) -> tuple[Any, ...]:
    """1/N Σ (√(1 + r²) − 1) for r = x·W + b − y, and its gradients by W and b."""
    r = x @ W + b - y
    root = np.sqrt(1 + r * r)
    delta = r / root / len(x)
    return (root - 1).sum() / len(x), x.T @ delta, delta.sum(0)


def cross_entropy(z: Any, y: Any) -> tuple[Any, ...]:
    """−1/N Σ y·log softmax(z), and its gradient by z."""
    shifted = z - z.max(1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(1, keepdims=True)
    loss = (y * (np.log(total) - shifted)).sum() / len(z)
    return loss, (exponentials / total - y) / len(z)


def penalty(W: Any) -> tuple[Any, ...]:
    """Σ (|w|/100 + w²/1000), and its gradient."""
    return (abs(W) * 0.01 + W * W * 0.001).sum(), np.sign(W) * 0.01 + W * 0.002


EXPECTED = {"custom loss": custom_loss, "softmax cross-entropy": cross_entropy, "penalty": penalty}


def disagreement(case: Case, found: Arrays) -> str:
    """What differs from NumPy in float64; "" where all agrees."""
    doubles = {name: value.astype(np.float64) for name, value in given(case).items()}
    bound = 2e-5 if case.dtype == "float32" else 1e-12
    for place, expected in enumerate(EXPECTED[case.function](**doubles)):
        value = found.get(f"value{place}")
        if value is None or np.shape(value) != np.shape(expected):
            return f"value {place} is missing or of another shape"
        error = np.linalg.norm(np.subtract(value, expected)) / np.linalg.norm(expected)
        if not error <= bound:
            return f"value {place} is wrong by {error:.1e}"
    return ""


def measured(case: Case, rounds: int, threads: int) -> dict[str, Any]:
    """Microseconds a call of each system."""
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        systems = {}
        for name, peer in PEERS.items():
            try:
                system = stack.enter_context(System(peer, threads))
                _, found = system.begin(asdict(case), given(case))
            except UnavailableError as error:
                absent[name] = str(error)
                continue
            if wrong := disagreement(case, found):
                absent[name] = f"other results: {wrong}"
            else:
                systems[name] = system
        found_times = medians(interleaved(systems, rounds, absent.__setitem__))
    return {"case": case.name, "absent": absent,
            "microseconds": {name: s / case.calls * 1e6 for name, s in found_times.items()}}


def measure(cases: Sequence[Case], rounds: int, threads: int) -> list[dict[str, Any]]:
    """Records of all cases, and their table."""
    records = [measured(case, rounds, threads) for case in cases]
    show(*rows_of(records))
    for name, reason in dict.fromkeys(item for r in records for item in r["absent"].items()):
        print(f"not measured: {name}: {reason}")
    return records


def rows_of(records: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[object]]]:
    """Header and rows: microseconds, and the peer's as multiples of ours."""
    peers = [name for name in PEERS if name != "this"]
    header = ["µs a call", "this", *(head for name in peers for head in (name, "ratio"))]
    rows = []
    for record in records:
        found, own = record["microseconds"], record["microseconds"].get("this")
        pairs = ((found.get(name), times(found[name] / own) if own and name in found else None)
                 for name in peers)
        rows.append([record["case"], own, *(value for pair in pairs for value in pair)])
    return header, rows
