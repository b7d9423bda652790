"""Parts of a page: lines of formulas, tables, source with numbered lines; all of it escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from symbackprop.notation import Tensor
from symbackprop.printing.lines import Line, blocks
from symbackprop.printing.mathml import mathml
from symbackprop.tables import Table


def lines_html(lines: Sequence[Line], places: Mapping[Tensor, int] | None = None) -> str:
    """The lines as a table: left, =, right, reason; places: the line of source of each tensor."""
    rows = []
    for block in blocks(lines):
        several = len(block) > 1
        for line in block:
            how = ' class="first"' if several and line is block[0] else ""
            rows.append(f"<tr{how}>{_cells(line, places or {})}</tr>")
    return f'<div class="scroll"><table class="lines">{"".join(rows)}</table></div>'


def _cells(line: Line, places: Mapping[Tensor, int]) -> str:
    left = mathml(line.left) if line.left is not None else ""
    note = f'<td class="note">{escape(line.note)}</td>' if line.note else ""
    place = places.get(line.target) if line.target is not None and line.left is not None else None
    link = f'<td class="link"><a href="#line-{place}">line {place}</a></td>' if place else ""
    return f"<td>{left}</td><td>=</td><td>{mathml(line.right)}</td>{note}{link}"


def table_html(table: Table) -> str:
    """A table of texts, with its header and its last row."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    body = "".join(_row(row) for row in table.rows)
    end = _row(table.last, ' class="last"') if table.last else ""
    return (f'<div class="scroll"><table class="cells"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}{end}</tbody></table></div>")


def _row(cells: Sequence[str], how: str = "") -> str:
    return f"<tr{how}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def source_html(source: str) -> str:
    """A program with its lines numbered from 1; each can be linked to."""
    lines = "".join(f'<span id="line-{number}"><i>{number}</i>{escape(line)}</span>'
                    for number, line in enumerate(source.rstrip("\n").split("\n"), 1))
    return f"<pre>{lines}</pre>"


def folded_away(title: str, inside: str) -> str:
    """A part of a page that opens where its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"
