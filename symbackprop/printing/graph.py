"""Computational graphs as SVG: values above each line in green, adjoints below it in red.

    picture → placed → svg        boxes with texts, their rectangles, the drawing

Every text is given more room than any common font needs, and a text whose letters are unusual is
squeezed into its room, so that nothing overlaps.  Names reach the drawing as escaped text only:
never as an element, an attribute or a style.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from symbackprop.printing.layers import Layout, Node, laid_out

__all__ = ["Box", "Picture", "Placement", "Rectangle", "placed", "svg", "text_width"]

SIZE = 15.0  # of the letters
LINE = 19.0
PAD = 9.0
GAP = 54.0  # between columns, where edges bend
VALUE, ADJOINT, INK, FAINT = "#1b7837", "#c62828", "#263238", "#546e7a"
FILLS = {"input": "#e3f2fd", "weight": "#fff3e0", "operation": "#ffffff", "loss": "#f3e5f5"}
_USUAL = set("αβγδεζηθλμνπρστφχψωΣΔ∂∞×÷·−√≤≥≠…→′²³⁰¹⁴⁵⁶⁷⁸⁹⁻�")


@dataclass(frozen=True, slots=True)
class Box:
    """A node: its lines, what stands above and below the line that leaves it, and for each line
    that enters it (above, below) where these carry something of their own."""

    lines: tuple[str, ...]
    kind: str = "operation"
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    ports: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes, edges from a box to one with a higher number, and those that are drawn strongly."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]
    strong: frozenset[tuple[int, int]] = frozenset()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """What a box or a label covers; `owner` is the number of its box."""

    x: float
    y: float
    width: float
    height: float
    owner: int
    what: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything stands: boxes by number, labels, the place where each edge enters."""

    layout: Layout
    lefts: tuple[float, ...]
    rights: tuple[float, ...]
    boxes: tuple[Rectangle, ...]
    labels: tuple[Rectangle, ...]
    entries: dict[int, tuple[float, float]]
    width: float
    height: float


def text_width(text: str, size: float = SIZE) -> float:
    """No less than the width of a text in a font with letters of one width (0.6 of the size)."""
    widths = (1.25 if unicodedata.east_asian_width(c) in "WF" else 0.64 for c in text)
    return size * sum(widths)


def _widest(lines: Sequence[str]) -> float:
    return max((text_width(line) for line in lines), default=0.0)


def _measures(box: Box, arriving: int) -> tuple[float, float, float, float]:
    """Width and half the height of the node, width of the ports, width of the label."""
    pitch = 2 * LINE if any(part for port in box.ports for part in port) else 13.0
    inner = len(box.lines) * LINE + PAD
    half = max(inner, arriving * pitch + PAD) / 2
    width = max(_widest(box.lines) + 2 * PAD, 2.2 * SIZE)
    ports = _widest([part for port in box.ports for part in port])
    label = _widest([*box.above, *box.below])
    return width, half, ports + 2 * PAD if ports else 0.0, label + 2 * PAD if label else 0.0


def placed(picture: Picture) -> Placement:
    """The place of every box, label and lane."""
    arriving = [0] * len(picture.boxes)
    for _, target in picture.edges:
        arriving[target] += 1
    sizes = [_measures(box, count) for box, count in zip(picture.boxes, arriving, strict=True)]
    extents = [(max(half, LINE * len(box.above) + 5), max(half, LINE * len(box.below) + 5))
               for box, (_, half, _, _) in zip(picture.boxes, sizes, strict=True)]
    layout = laid_out(extents, picture.edges)
    lefts, rights = _column_edges(layout, sizes)
    boxes, labels = [], []
    for number, (box, (width, half, _, label)) in enumerate(
            zip(picture.boxes, sizes, strict=True)):
        column = layout.columns[number]
        widest = max(s[2] for s, c in zip(sizes, layout.columns, strict=True) if c == column)
        x, y = lefts[column] + widest, PAD + layout.heights[number]
        boxes.append(Rectangle(x, y - half, width, 2 * half, number, "box"))
        for lines, top, what in ((box.above, y - 4 - LINE * len(box.above), "above"),
                                 (box.below, y + 4, "below")):
            if lines:
                labels.append(Rectangle(x + width, top, label, LINE * len(lines), number, what))
    entries = _entries(picture, layout, boxes)
    for edge, (x, y) in entries.items():
        target = picture.edges[edge][1]
        if picture.boxes[target].ports:
            labels.append(Rectangle(x - sizes[target][2], y - LINE, sizes[target][2], 2 * LINE,
                                    target, f"port {edge}"))
    bottom = max((r.y + r.height for r in (*boxes, *labels)), default=0.0)
    return Placement(layout, lefts, rights, tuple(boxes), tuple(labels), entries,
                     (rights[-1] if rights else 0.0) + PAD, bottom + PAD)


def _column_edges(layout: Layout, sizes: Sequence[tuple[float, float, float, float]]
                  ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    lefts, rights, x = [], [], PAD
    for column in range(max(layout.columns, default=-1) + 1):
        own = [size for size, at in zip(sizes, layout.columns, strict=True) if at == column]
        lefts.append(x)
        x += max((s[2] for s in own), default=0.0) + max((s[0] + s[3] for s in own), default=0.0)
        rights.append(x)
        x += GAP
    return tuple(lefts), tuple(rights)


def _entries(picture: Picture, layout: Layout, boxes: Sequence[Rectangle]
             ) -> dict[int, tuple[float, float]]:
    """Where each edge meets its box: spread over the left side in the order of their heights."""
    found: dict[int, tuple[float, float]] = {}
    arriving: dict[int, list[int]] = {}
    for edge, (_, target) in enumerate(picture.edges):
        arriving.setdefault(target, []).append(edge)
    for target, edges in arriving.items():
        edges.sort(key=lambda e: (layout.heights[_last(picture, layout, e)], e))
        box = boxes[target]
        pitch = (box.height - PAD) / len(edges)
        for at, edge in enumerate(edges):
            found[edge] = (box.x, box.y + PAD / 2 + pitch * (at + 0.5))
    return found


def _last(picture: Picture, layout: Layout, edge: int) -> Node:
    lanes = layout.lanes[edge]
    return lanes[-1] if lanes else picture.edges[edge][0]


def svg(picture: Picture) -> str:
    """The drawing as one <svg> element, complete in itself."""
    where = placed(picture)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {where.width:.1f} '
        f'{where.height:.1f}" width="{where.width:.0f}" height="{where.height:.0f}" '
        'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
        f'font-size="{SIZE:g}">',
        f"<title>{_escaped(picture.title)}</title>",
        f'<rect width="{where.width:.1f}" height="{where.height:.1f}" fill="white"/>',
    ]
    order = sorted(range(len(picture.edges)), key=lambda e: picture.edges[e] in picture.strong)
    parts += [_edge(picture, where, edge) for edge in order]
    for number, box in enumerate(picture.boxes):
        parts.append(_node(box, where.boxes[number]))
    read = {source for source, _ in picture.edges}
    parts += [_stub(where, number) for number in range(len(picture.boxes)) if number not in read]
    parts += _texts(picture, where)
    return "\n".join([*parts, "</svg>"])


def _texts(picture: Picture, where: Placement) -> list[str]:
    parts = []
    for label in where.labels:
        box = picture.boxes[label.owner]
        if label.what.startswith("port"):
            arriving = [e for e, (_, target) in enumerate(picture.edges) if target == label.owner]
            above, below = box.ports[arriving.index(int(label.what[5:]))]
            parts += _lines((above,), label, VALUE if below else FAINT) if above else []
            lower = Rectangle(label.x, label.y + LINE + 2, label.width, LINE, label.owner, "")
            parts += _lines((below,), lower, ADJOINT) if below else []
        else:
            lines = box.above if label.what == "above" else box.below
            parts += _lines(lines, label, VALUE if label.what == "above" else ADJOINT)
    return parts


def _edge(picture: Picture, where: Placement, edge: int) -> str:
    source, target = picture.edges[edge]
    layout, strong = where.layout, (source, target) in picture.strong
    box = where.boxes[source]
    y, column = PAD + layout.heights[source], layout.columns[source]
    path = [f"M{box.x + box.width:.1f} {y:.1f}H{where.rights[column]:.1f}"]
    for lane in layout.lanes[edge]:
        below = PAD + layout.heights[lane]
        column += 1
        path.append(_bend(where.rights[column - 1], y, where.lefts[column], below)
                    + f"H{where.rights[column]:.1f}")
        y = below
    x, end_y = where.entries[edge]
    under = x + where.boxes[target].width / 3  # boxes are drawn over the ends of lines
    path.append(_bend(where.rights[column], y, where.lefts[column + 1], end_y)
                + f"H{under:.1f}")
    look = (f'stroke="{INK}" stroke-width="2.6"' if strong
            else 'stroke="#78909c" stroke-width="1.3"')
    return f'<path d="{"".join(path)}" fill="none" {look}/>'


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"C{middle:.1f} {y:.1f} {middle:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def _stub(where: Placement, number: int) -> str:
    """The line that leaves a box which nothing reads, as long as its labels."""
    box, y = where.boxes[number], PAD + where.layout.heights[number]
    right = max((label.x + label.width for label in where.labels if label.owner == number),
                default=box.x + box.width)
    return (f'<path d="M{box.x + box.width:.1f} {y:.1f}H{right:.1f}" stroke="#78909c" '
            'stroke-width="1.3" fill="none"/>')


def _node(box: Box, at: Rectangle) -> str:
    fill = FILLS.get(box.kind, FILLS["operation"])
    radius = min(at.width, at.height, 44.0) / 2 if box.kind == "operation" else 5.0
    shape = (f'<rect x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" '
             f'height="{at.height:.1f}" rx="{radius:.1f}" fill="{fill}" stroke="{INK}" '
             'stroke-width="1.4"/>')
    top = at.y + (at.height - LINE * len(box.lines)) / 2
    inner = Rectangle(at.x, top, at.width, LINE * len(box.lines), at.owner, "text")
    return "\n".join([shape, *_lines(box.lines, inner, INK)])


def _lines(lines: Sequence[str], at: Rectangle, colour: str) -> list[str]:
    """Texts centred in a rectangle, one below the other."""
    parts = []
    for number, line in enumerate(lines):
        x, y = at.x + at.width / 2, at.y + LINE * (number + 0.75)
        usual = all(c.isascii() or c in _USUAL for c in line)
        squeeze = "" if usual else (f' textLength="{text_width(line):.1f}" '
                                    'lengthAdjust="spacingAndGlyphs"')
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="{colour}"'
                     f"{squeeze}>{_escaped(line)}</text>")
    return parts


def _escaped(text: str) -> str:
    """Text that XML allows, with its special letters escaped."""
    seen = "".join(c if unicodedata.category(c)[0] != "C" else "�" for c in text)
    return escape("".join(c if ord(c) & 0xFFFE != 0xFFFE else "�" for c in seen))
