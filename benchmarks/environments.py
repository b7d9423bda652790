"""Virtual environments of the peers, under benchmarks/.peers/, built once and kept."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers import ENVIRONMENTS

FOLDER = Path(__file__).parent / ".peers"


class UnavailableError(Exception):
    """A peer that cannot be measured here, and why."""


def python_of(environment: str) -> str:
    """The interpreter of an environment, which is built if need be; UnavailableError if it fails.

    An environment is built anew when what it must hold has changed.
    """
    if not environment:
        return sys.executable
    place = FOLDER / environment
    python, ready = place / "bin" / "python", place / "installed.txt"
    wanted = repr(ENVIRONMENTS[environment])
    if not (ready.exists() and ready.read_text(encoding="utf-8") == wanted):
        print(f"installing {environment} in {place.relative_to(FOLDER.parent)}", flush=True)
        venv.create(place, clear=True, with_pip=True)
        _install(str(python), ENVIRONMENTS[environment])
        ready.write_text(wanted, encoding="utf-8")
    return str(python)


def _install(python: str, alternatives: tuple[tuple[str, ...], ...]) -> None:
    """The first alternative that pip installs; UnavailableError with the last word of each."""
    reasons = []
    for arguments in alternatives:
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            done = subprocess.run([*command, *arguments], capture_output=True, text=True,
                                  check=False, timeout=1800)
        except subprocess.TimeoutExpired:
            reasons.append(f"pip install {' '.join(arguments)}: no answer within 30 minutes")
            continue
        if done.returncode == 0:
            return
        words = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        reasons.append(f"pip install {' '.join(arguments)}: {words[-1].strip()}")
    raise UnavailableError("; ".join(reasons))
