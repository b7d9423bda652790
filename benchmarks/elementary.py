"""What a function of kernels costs in a loop, for each number, beside NumPy's own loops."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from scipy import special

from benchmarks.tables import show
from symbackprop.codegen import vectormath

LENGTH = 4096  # numbers: they stay in the cache
CALLS = 50
ROUNDS = 15
PERMISSIONS = {"contract", "reassoc", "nsz", "arcp", "afn"}
REAL = {"float32": types.float32, "float64": types.float64}
PEERS: dict[str, Callable[..., Any]] = {  # ufuncs
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "sigmoid": special.expit, "softplus": special.log1p, "erf": special.erf, "sin": np.sin,
    "cos": np.cos, "sqrt": np.sqrt, "power": np.power, "logaddexp": np.logaddexp,
    "maximum": np.maximum, "relu": np.fabs, "sign": np.sign,
}
REMARKS = {"softplus": "log1p alone", "relu": "fabs"}
PAIRS = ("power", "logaddexp", "maximum")


def loop(function: Any, dtype: str, pair: bool) -> tuple[Any, float]:
    """A compiled loop, and the processor's seconds that compiling it took."""

    def unary(x: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    def binary(x: Any, y: Any, out: Any) -> None:
        for i in range(x.shape[0]):
            out[i] = function(x[i], y[i])

    made = njit(nogil=True, error_model="numpy", fastmath=PERMISSIONS)(binary if pair else unary)
    start = time.process_time()
    made.compile((REAL[dtype][::1],)*(3 if pair else 2))
    return made, time.process_time() - start


def nanoseconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        run()
    return (time.perf_counter() - start)/CALLS/LENGTH*1e9


def row(name: str, dtype: str) -> dict[str, float]:
    """Medians of nanoseconds for each number, ours and NumPy's in turn; seconds to compile."""
    draws = np.random.default_rng(0)
    pair = name in PAIRS
    given = [draws.uniform(0.1, 3, LENGTH).astype(dtype) for _ in range(1 + pair)]
    ours, theirs = np.empty((2, LENGTH), dtype)
    made, seconds = loop(getattr(vectormath, name), dtype, pair)
    runs = {"ours": lambda: made(*given, ours), "numpy": lambda: PEERS[name](*given, out=theirs)}
    times = [{which: nanoseconds(run) for which, run in runs.items()} for _ in range(ROUNDS)]
    found = {which: statistics.median(one[which] for one in times) for which in runs}
    ratio = statistics.median(one["ours"]/one["numpy"] for one in times)
    return {**found, "ratio": ratio, "compile": seconds}


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """Nanoseconds for each of 4096 numbers in the cache."""
    loop(math.fabs, "float32", pair=False)  # what only the first compilation costs
    found: dict[str, dict[str, dict[str, float]]] = {}
    for dtype in REAL:
        found[dtype] = {name: row(name, dtype) for name in PEERS}
        show([f"ns a number, {dtype}", "ours", "NumPy", "ours/NumPy", "s to compile", ""],
             [[name, *one.values(), REMARKS.get(name, "")] for name, one in found[dtype].items()])
        print()
    return found
