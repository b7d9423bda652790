"""The frame of a generated module: imports, decorator, parameters, and lines that fit on a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sympy import Symbol

from symbackprop.codegen.calls import MATHEMATICS, OF_INTEGERS, VECTORMATH
from symbackprop.notation import Tensor

WIDEST = 99
_HEADER = '"""Generated: each statement stands under the formula that it computes."""'
_DECORATOR = '''@njit(
    nogil=True,
    no_cfunc_wrapper=True,
    error_model="numpy",
    fastmath={"contract", "reassoc", "nsz", "arcp", "afn"},
)'''


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of the generated function: its name, and what is behind it.

    kind: size, scalar, array, output, rows (a whole data set), batch (a buffer for gathered rows),
    slot, labels (a slot of integers), order, batch_size or losses; and for threads: thread,
    threads, height (rows of a tile), meeting (where they wait).
    """

    name: str
    kind: str
    subject: Tensor | Symbol | tuple[int, bool] | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Module:
    """The text of a generated module, and the arguments of its one function in order."""

    source: str
    function: str
    arguments: tuple[Argument, ...]


def module(function: str, arguments: Iterable[Argument], lines: Iterable[str], dtype: str
           ) -> Module:
    """The module that holds one function with these arguments and lines."""
    parameters = tuple(arguments)
    body = "\n".join(w for line in indented(lines) for w in wrapped(line)).lstrip("\n")
    words = set(re.findall(r"\w+", re.sub(r"#.*", "", body)))
    helpers = [
        _import("symbackprop.codegen.blas", {
            w for w in words if re.match(r"gemm_[nt]{2}(_from|_short)?$", w)}),
        _import("symbackprop.codegen.denormals", words & {"flush_denormals", "restore"}),
        _import("symbackprop.codegen.meetings", words & {"wait"}),
        _import("symbackprop.codegen.memory",
                words & {"view", "rows_of", "columns_of", "flat", "along", "times"}),
        _import("symbackprop.codegen.places", words & {"places"}),
        _import("symbackprop.codegen.random", words & {*OF_INTEGERS.values()}),
        _import("symbackprop.codegen.rows", words & {"add_rows", "take_rows"}),
        _import("symbackprop.codegen.vectormath", words & VECTORMATH),
    ]
    paragraphs = [
        _HEADER,
        _import("math", words & {*MATHEMATICS.values(), "inf", "nan"}),
        "import numpy as np\nfrom numba import njit",
        "\n".join(filter(None, helpers)),
        "\n".join([f"real = np.{dtype}"] + ["float64 = np.float64"] * ("float64" in words)),
    ]
    head = "\n\n".join(filter(None, paragraphs))
    remarks = (f"  # {p.remark}" if p.remark else "" for p in parameters)
    declared = "\n".join(f"    {p.name},{r}" for p, r in zip(parameters, remarks, strict=True))
    source = f"{head}\n\n\n{_DECORATOR}\ndef {function}(\n{declared}\n):\n{body}\n"
    return Module(source.replace("(\n\n):", "():"), function, parameters)


def _import(name: str, words: set[str]) -> str:
    return f"from {name} import {', '.join(sorted(words))}" if words else ""


def comment(text: str) -> str:
    """A comment that cannot end before its line does."""
    return f"# {printable(text)}"


def printable(text: str) -> str:
    """The text on one line, whatever a name in it holds."""
    return "".join(c if c.isprintable() else " " for c in text)


def indented(lines: Iterable[str]) -> Iterator[str]:
    """The lines one level deeper."""
    return (f"    {line}" if line else "" for line in lines)


def wrapped(line: str) -> list[str]:
    """The line, or an assignment that is too wide cut at the terms of its right-hand side."""
    found = re.match(r"( *)([^=#]+? \+?= )(.*)$", line)
    if len(line) <= WIDEST or found is None:
        return [line]
    indent, left, right = found.groups()
    pieces, depth, start = [], 0, 0
    for place, letter in enumerate(right):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and re.match(r" [+-] ", right[place:]):
            pieces.append(right[start:place])
            start = place + 1
    pieces.append(right[start:])
    rows = [""]
    for piece in pieces:
        if rows[-1] and len(indent) + 5 + len(rows[-1]) + len(piece) > WIDEST:
            rows.append(piece)
        else:
            rows[-1] = f"{rows[-1]} {piece}" if rows[-1] else piece
    return [f"{indent}{left}(", *(f"{indent}    {row}" for row in rows), f"{indent})"]
