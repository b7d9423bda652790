"""The table of bad programs: a builder, and what the message of its refusal must say.

A builder marks the line that the message must name by `# HERE`.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import symbackprop as sb
from symbackprop.notation import Program

N, M = sb.size("N"), sb.size("M")
n, i, j, k, u, a = sb.indices("n i j k u a", N, 64, 32, 10, 30, 5)
Builder = Callable[[], Any]
BAD: list[tuple[Builder, tuple[str, ...]]] = []


def bad(*fragments: str) -> Callable[[Builder], Builder]:
    """Adds a builder to the table, with the fragments of its message."""

    def register(build: Builder) -> Builder:
        BAD.append((build, fragments))
        return build

    return register


def data(*axes: Any, name: str = "x", facts: Any = ()) -> Any:
    return sb.data(name, *axes, facts=facts)


def line_of(build: Builder) -> str:
    """file:line of the marked line of a builder."""
    lines, first = inspect.getsourcelines(build)
    marked = [first + place for place, line in enumerate(lines) if "# HERE" in line]
    return f"{Path(inspect.getsourcefile(build) or '').name}:{marked[0]}" if marked else ""


def collected(given: Any) -> Program:
    return given if isinstance(given, Program) else sb.program(given)
