"""Parts of a page: lines of formulas, tables, source with numbered lines; all of it escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from html import escape

from symbackprop.notation import Tensor
from symbackprop.printing.breaking import broken
from symbackprop.printing.formula import Formula
from symbackprop.printing.lines import Line, blocks
from symbackprop.printing.mathml import in_line, math
from symbackprop.printing.naming import printable, words
from symbackprop.printing.setting import set_out
from symbackprop.tables import Table

ROOM = 36.0  # em of a right side, beside a left side and a reason


def shown(plain: str) -> str:
    """A text as it stands between tags: one line, nothing in it that a browser would read."""
    return escape(printable(plain))


def told(reason: str, typed: Set[str]) -> str:
    """The reason of a line; words in it that are names are set as in a formula."""
    return " ".join((in_line(named, typed) if named else "") + shown(rest)
                    for named, rest in words(printable(reason)))


def lines_html(lines: Sequence[Line], places: Mapping[Tensor, int] | None = None) -> str:
    """The lines as a table: left, =, right, reason; places: the line of source of each tensor."""
    rows = []
    ready, typed = set_out(lines)
    for block in blocks(ready):
        several = len(block) > 1
        for line in block:
            how = ' class="first"' if several and line is block[0] else ""
            first, *others = broken(line.right, ROOM)
            rows.append(f"<tr{how}>{_cells(line, first, places or {}, typed)}</tr>")
            rows += [f'<tr><td></td><td></td><td class="more">{math(other)}</td></tr>'
                     for other in others]
    return f'<div class="scroll"><table class="lines">{"".join(rows)}</table></div>'


def _cells(line: Line, right: Formula, places: Mapping[Tensor, int], typed: Set[str]) -> str:
    left = math(line.left) if line.left is not None else ""
    note = f'<td class="note">{told(line.note, typed)}</td>' if line.note else ""
    place = places.get(line.target) if line.target is not None and line.left is not None else None
    link = f'<td class="link"><a href="#line-{place}">line {place}</a></td>' if place else ""
    return f"<td>{left}</td><td>=</td><td>{math(right)}</td>{note}{link}"


def table_html(table: Table) -> str:
    """A table of texts, with its header and its last row."""
    head = "".join(f"<th>{shown(cell)}</th>" for cell in table.header)
    body = "".join(_row(row) for row in table.rows)
    end = _row(table.last, ' class="last"') if table.last else ""
    return (f'<div class="scroll"><table class="cells"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}{end}</tbody></table></div>")


def _row(cells: Sequence[str], how: str = "") -> str:
    return f"<tr{how}>{''.join(f'<td>{shown(cell)}</td>' for cell in cells)}</tr>"


def source_html(source: str) -> str:
    """A program with its lines numbered from 1; each can be linked to."""
    lines = "".join(f'<span id="line-{number}"><i>{number}</i>{shown(line)}</span>'
                    for number, line in enumerate(source.rstrip("\n").split("\n"), 1))
    return f"<pre>{lines}</pre>"


def folded_away(title: str, inside: str) -> str:
    """A part of a page that opens where its title is clicked."""
    return f"<details><summary>{shown(title)}</summary>{inside}</details>"
