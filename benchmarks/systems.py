"""Clients of the processes that are measured, and rounds in which every one is asked in turn.

Times of one machine drift; ratios within one run do not.
"""

from __future__ import annotations

import json
import os
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import UnavailableError, python_of
from benchmarks.peers import Peer

ROOT = Path(__file__).parent.parent
PATIENCE = 300.0
PAUSE = 0.25  # between two systems: threads of OpenBLAS or OpenMP spin up to 0.2 s after their work
# Set for old builds of OpenBLAS on some machines; a current one chooses better by itself.  And what
# has a checkout's modules compiled at each start, while those that pip installs are found compiled.
DROPPED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")


def environment_of(threads: int, cache: str | None = None) -> dict[str, str]:
    """The environment of a system that may use so many processors; caches go to one folder."""
    found = {name: value for name, value in os.environ.items() if name not in DROPPED}
    found["OMP_WAIT_POLICY"] = "passive"  # threads that spin hurt torch most on a shared machine
    found |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                            "NUMBA_NUM_THREADS", "NPROC", "BENCHMARKS_THREADS"), str(threads))
    eigen = str(threads > 1).lower()
    found["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen}"
    if cache is not None:
        found |= {"SYMBACKPROP_CACHE_DIR": f"{cache}/symbackprop",
                  "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
                  "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
                  "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
                  "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                  "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    return found


class System:
    """A fresh process that answers requests; UnavailableError where it fails."""

    def __init__(self, peer: Peer, threads: int, cache: str | None = None) -> None:
        python = python_of(peer.environment)
        self.name = peer.name
        self.imported = 0.0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        self._process = subprocess.Popen(
            [python, "-m", peer.module], cwd=ROOT, env=environment_of(threads, cache), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)

    def __enter__(self) -> System:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._log.close()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to one request."""
        line = ""
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            if select.select([self._process.stdout], [], [], PATIENCE)[0]:
                line = self._process.stdout.readline()
            else:
                raise UnavailableError(f"no answer to {do!r} within {PATIENCE:.0f} s")
        except BrokenPipeError:
            pass
        if not line:
            raise UnavailableError(f"the process ended at {do!r}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise UnavailableError(answer["error"])
        self.imported = answer["imported"]
        return answer

    def begin(self, case: Mapping[str, Any], given: Mapping[str, Any], steps: int = 3
              ) -> tuple[dict[str, float], dict[str, Any]]:
        """Prepare a case and run its first steps: the seconds of both, and the state found."""
        with tempfile.TemporaryDirectory() as folder:
            data, found = f"{folder}/given.npz", f"{folder}/found.npz"
            np.savez(data, **given)
            seconds = {"prepare": self.ask("prepare", case=case, file=data)["seconds"],
                       "first": self.ask("check", steps=steps, file=found)["seconds"]}
            with np.load(found) as file:
                return {"import": self.imported, **seconds}, dict(file)

    def round(self, seed: int) -> float:
        """Seconds of one round."""
        return float(self.ask("round", seed=seed)["seconds"])

    def peak(self) -> int:
        """Bytes that were resident at most."""
        return int(self.ask("memory")["peak"])

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"


def interleaved(systems: Mapping[str, System], rounds: int,
                failed: Callable[[str, str], object]) -> dict[str, list[float]]:
    """Seconds of each round of each system, asked in turn; one round to warm up, not counted.

    `failed(name, reason)` is called for a system that ends on the way; it is then left out.
    """
    times: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(rounds + 1):
        names = list(times)
        turn = number % max(1, len(names))
        for name in names[turn:] + names[:turn]:
            time.sleep(PAUSE)
            try:
                seconds = systems[name].round(seed=number + 1)
            except UnavailableError as error:
                failed(name, str(error))
                del times[name]
                continue
            if number:
                times[name].append(seconds)
    return times


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in times.items()}
