"""python -m benchmarks [derivation] [compilation] [functions] [training]: measure, keep JSON."""

import importlib
import json
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SECTIONS = ("derivation", "compilation", "functions", "training")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("symbackprop", "sympy", "numba", "numpy", "scipy", "jax", "scikit-learn")


def machine() -> dict[str, str]:
    """What the figures depend on: processor, Python, packages, commit."""
    found = {"python": platform.python_version(), "processor": processor()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {**found, "commit": commit.stdout.strip() or "unknown"}


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor()


def main(asked: list[str]) -> None:
    unknown = set(asked) - set(SECTIONS)
    if unknown:
        sys.exit(f"no benchmark {sorted(unknown)}; there are {', '.join(SECTIONS)}")
    result: dict[str, object] = {"machine": machine()}
    print(", ".join(f"{name} {text}" for name, text in machine().items()))
    for name in asked or SECTIONS:
        print(f"\n{name}\n{'-' * len(name)}", flush=True)
        # imported here: the fresh processes that measure imports begin by importing this file
        result[name] = importlib.import_module(f"benchmarks.{name}").measure()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y-%m-%d-%H%M%S.json")
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(f"\nkept in {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
