"""Tables for a terminal and for a document, from the same rows."""

from __future__ import annotations

from collections.abc import Sequence

Rows = Sequence[Sequence[object]]


def cell(value: object) -> str:
    """Text as it is; a float with three significant digits and never with an exponent below 10⁶."""
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    size = abs(value)
    return f"{value:,.0f}" if 1000 <= size < 1e6 else f"{value:,.3g}"


def times(ratio: float) -> str:
    """A ratio as in '4.1×'; two digits below 10, none above 100."""
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.1f}×" if ratio < 100 else f"{ratio:.0f}×"


def aligned(header: Sequence[str], rows: Rows) -> str:
    """Columns for a terminal: the first to the left, all others to the right."""
    texts = [list(header), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]),
                   *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))])
        for row in texts)


def markdown(header: Sequence[str], rows: Rows) -> str:
    """The same for a document."""
    texts = [list(header), ["---", *["---:"] * (len(header) - 1)],
             *([cell(value).replace("|", "\\|") for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in texts)


def show(header: Sequence[str], rows: Rows) -> None:
    """Print aligned columns."""
    print(aligned(header, rows), flush=True)
