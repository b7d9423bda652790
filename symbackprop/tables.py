"""Tables of text cells: a header, rows and perhaps a last row; printers may lay them out as well.

The cells are plain text; whoever prints them in HTML or LaTeX escapes them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with a header, rows of as many cells, and a last row below a rule, e.g. a total.

    >>> print(Table(("name", "count"), (("W1", "12"), ("b1", "4")), ("", "16")))
    name  count
    ───────────
    W1    12
    b1    4
    ───────────
          16
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    last: tuple[str, ...] = ()

    def __str__(self) -> str:
        cells = (self.header, *self.rows, *([self.last] if self.last else []))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                 for row in cells]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        body, end = (lines[1:-1], [rule, lines[-1]]) if self.last else (lines[1:], [])
        return "\n".join(line.rstrip() for line in [lines[0], rule, *body, *end])
