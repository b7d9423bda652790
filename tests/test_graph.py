"""Pictures of computational graphs: nothing overlaps, names are text only, the layout is tidy."""

import itertools
import random
import re
import xml.etree.ElementTree as ET
from fractions import Fraction

import numpy as np
import pytest
from sympy import Max, Symbol, exp, symbols

import symbackprop as sb
from symbackprop.printing.graph import Box, Picture, Placement, placed, svg, text_width
from symbackprop.printing.layers import laid_out
from symbackprop.printing.numbers import array_lines, clean, decimal, number_text

ELEMENTS = {"svg", "title", "rect", "path", "text"}
ATTRIBUTES = {
    "role", "viewBox", "width", "height", "font-family", "font-size", "fill", "d", "stroke",
    "stroke-width", "x", "y", "rx", "text-anchor", "textLength", "lengthAdjust",
}
HOSTILE = [
    "<script>alert(1)</script>", '"/><image href="x" onerror="y"/>', "&lt;b&gt;", "]]>", "<!--",
    "a\nb", "\x00\x08", "\u202eevil", "\ud800", "\ufffe", "x" * 500, "漢字", "ﷺ", "e\u0301", " ",
    "",
    "\\input{x}", "</text><text>", "' onload='z", "&#60;script&#62;", "<?xml?>",
]
ALPHABET = [*"<>&\"'/\\=;:#!?-[](){}%$_^~ abx", "\n", "\t", "\u202e", "\u200b", "\ud83d", "ﷺ", "漢",
            "script", "onload", "href", "&lt;", "&#x3c;", "]]>", "<!--", "-->", "CDATA", "\x1b"]


def random_picture(seed: int) -> Picture:
    rng = random.Random(seed)
    count = rng.randint(1, 25)
    boxes = [Box(("x" * rng.randint(1, 9),) * rng.randint(1, 2), "operation",
                 ("−0.53" * rng.randint(1, 3),) * rng.randint(0, 3), ("8/3",) * rng.randint(0, 3))
             for _ in range(count)]
    edges = {(a, b) for b in range(1, count) for a in rng.sample(range(b), min(b, 2))
             if rng.random() < 0.8}
    return Picture(tuple(boxes), tuple(sorted(edges)))


def with_ports(picture: Picture) -> Picture:
    arriving = [sum(target == box for _, target in picture.edges)
                for box in range(len(picture.boxes))]
    boxes = tuple(Box(box.lines, box.kind, box.above, box.below, (("0.25", "−0.1"),) * count)
                  for box, count in zip(picture.boxes, arriving, strict=True))
    return Picture(boxes, picture.edges)


def overlapping(where: Placement) -> list[str]:
    found = []
    for one, other in itertools.combinations((*where.boxes, *where.labels), 2):
        apart = (one.x + one.width <= other.x + 1e-6 or other.x + other.width <= one.x + 1e-6
                 or one.y + one.height <= other.y + 1e-6 or other.y + other.height <= one.y + 1e-6)
        if not apart:
            found.append(f"{one} {other}")
    return found


def crossing_lanes(where: Placement) -> list[str]:
    """Lanes that run through a box or a label of their column."""
    rectangles = [(r, where.layout.columns[r.owner]) for r in (*where.boxes, *where.labels)]
    return [f"{lane} {r}" for lanes in where.layout.lanes for lane in lanes
            for r, column in rectangles if isinstance(lane, tuple) and column == lane[1]
            and r.y < where.layout.heights[lane] + 9 < r.y + r.height]


@pytest.mark.parametrize("ports", [False, True], ids=["plain", "ports"])
@pytest.mark.parametrize("seed", range(40))
def test_no_box_label_or_line_overlaps_another(seed: int, ports: bool) -> None:
    picture = random_picture(seed)
    where = placed(with_ports(picture) if ports else picture)
    assert not overlapping(where)
    assert not crossing_lanes(where)
    for r in (*where.boxes, *where.labels):
        assert min(r.x, r.y) >= 0
        assert r.x + r.width <= where.width
        assert r.y + r.height <= where.height


def test_the_test_of_overlap_sees_one() -> None:
    where = placed(random_picture(3))
    first = where.boxes[0]
    moved = [type(first)(first.x, first.y, 900.0, 900.0, 0, "box"), *where.boxes[1:]]
    assert overlapping(Placement(where.layout, where.lefts, where.rights, tuple(moved),
                                 where.labels, where.entries, 0, 0))


def test_edges_lead_to_the_right_and_inputs_stand_next_to_what_reads_them() -> None:
    edges = [(0, 1), (1, 2), (2, 4), (3, 4)]
    layout = laid_out([(10, 10)]*5, edges)
    assert layout.columns == (0, 1, 2, 2, 3)
    for picture in map(random_picture, range(20)):
        columns = placed(picture).layout.columns
        assert all(columns[a] < columns[b] for a, b in picture.edges)


def test_a_crossing_that_can_be_avoided_is_avoided() -> None:
    layout = laid_out([(10, 10)]*4, [(0, 3), (1, 2)])
    above = layout.heights[0] < layout.heights[1]
    assert above == (layout.heights[3] < layout.heights[2])


def test_a_chain_is_drawn_as_a_straight_line() -> None:
    layout = laid_out([(20, 10), (10, 30), (15, 15)], [(0, 1), (1, 2)])
    assert len({round(height, 6) for height in layout.heights.values()}) == 1


def test_the_layout_is_the_same_every_time() -> None:
    assert svg(random_picture(5)) == svg(random_picture(5))


def checked(drawing: str) -> ET.Element:
    root = ET.fromstring(drawing.encode("utf-8"))
    for element in root.iter():
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
        assert element.tag.endswith(("text", "title")) or not (element.text or "").strip()
    return root


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_hostile_name_is_shown_as_text_and_leaves_nothing_else(name: str) -> None:
    x, y = Symbol(name or "�", real=True), Symbol("y", real=True)
    e = sb.explain(exp(x)*y + x**2, {x: 1, y: 2}, weight=x, rate=Fraction(1, 2))
    root = checked(e.svg)
    assert clean(name or "�") in [element.text for element in root.iter()]
    assert all(line == clean(line, 10**5) for line in e.text.split("\n"))
    assert e.text.count("\n") == sb.explain(exp(y)*x + y**2, {x: 1, y: 2}, weight=y,
                                            rate=Fraction(1, 2)).text.count("\n")


def test_a_thousand_hostile_names_leave_no_element_or_attribute() -> None:
    rng = random.Random(0)
    for _ in range(50):
        names = ["".join(rng.choices(ALPHABET, k=rng.randint(1, 12))) for _ in range(20)]
        boxes = tuple(Box((name,), "input", (name,), (name,)) for name in names)
        edges = tuple((a, a + 1) for a in range(19))
        root = checked(svg(Picture(boxes, edges, title=names[0])))
        assert len(list(root)) == 2 + 19 + 2*20 + 1 + 2*20


def test_two_hostile_names_that_look_alike_stay_two() -> None:
    x, y = Symbol("a\n", real=True), Symbol("a\t", real=True)
    assert list(sb.explain(x*y, {x: 2, y: 3}).values) == ["a�", "a�_2", "L"]


def test_the_pictures_of_the_lectures_overlap_nowhere_and_show_their_numbers() -> None:
    b, w0, x0, w1, x1 = symbols("b w0 x0 w1 x1", real=True)
    e = sb.explain(1/(1 + exp(-(b + w0*x0 + w1*x1))), {w0: 2, x0: -1, w1: -3, x1: -2, b: -3})
    shown = [element.text for element in checked(e.svg).iter() if element.tag.endswith("text")]
    assert [shown.count(n) for n in ("0.37", "1.37", "0.73", "−0.53", "−0.20", "0.20", "0.39",
                                     "−0.59", "−0.39")] == [1, 1, 1, 2, 2, 4, 1, 1, 1]
    assert [shown.count(n) for n in ("+", "×", "×−1", "exp", "+1", "1/x")] == [1, 2, 1, 1, 1, 1]


def test_neurons_stand_in_columns_with_their_weights_on_the_lines() -> None:
    x, y = sb.data("x", sb.size("N"), 2), sb.data("y", sb.size("N"), 1)
    h = sb.layers.dense(x, 2, "relu")
    L = sb.losses.squared_error(sb.layers.dense(h, 1), y)
    values = {"x": [[1, 2]], "y": [[1]], "W1": [[3, 5], [7, 11]], "b1": [0, 0],
              "W2": [[13], [17]], "b2": [0]}
    root = checked(sb.explain(L, values, units=True).svg)
    texts = {e.text: float(e.attrib["x"]) for e in root.iter() if e.tag.endswith("text")}
    assert {"x[0,0]", "z1[0,1]", "h1[0,0]", "3", "5", "7", "11", "13", "17"} <= texts.keys()
    assert not {"W1[0,0]", "b1[0]"} & texts.keys()
    assert texts["x[0,0]"] < texts["3"] < texts["z1[0,0]"] == texts["z1[0,1]"] < texts["13"]


def test_too_many_neurons_are_refused() -> None:
    x = sb.data("x", 100)
    with pytest.raises(sb.InputError, match="at most 60 neurons"):
        sb.explain(sb.define("L", (), (x*x).sum()), {"x": np.ones(100)}, units=True)


def test_a_small_array_is_drawn_in_full_and_a_large_one_by_shape_and_range() -> None:
    assert array_lines(np.array([[1, Fraction(1, 2)], [0.25, 2]], dtype=object)) == (
        "[1, 1/2]", "[0.25, 2]")
    assert array_lines(np.arange(20).reshape(4, 5)) == ("0 … 19",)
    x = sb.data("x", sb.size("N"), 30)
    L = sb.losses.squared_error(sb.layers.dense(x, 4, "tanh"), sb.data("y", sb.size("N"), 4))
    e = sb.explain(L, {"x": np.ones((2, 30)), "y": np.zeros((2, 4)), "W1": np.ones((30, 4))/30,
                       "b1": np.zeros(4)})
    assert {">30×4<", ">2×30<"} <= set(re.findall(">[^<]*<", e.svg))


def test_the_paths_of_a_weight_are_drawn_strongly() -> None:
    a, b, c = symbols("a b c", real=True)
    values = {a: 1, b: 2, c: 3}
    assert sb.explain((a + b)*c, values, weight=a).svg.count('stroke-width="2.6"') == 2
    assert sb.explain((a + b)*c, values).svg.count('stroke-width="2.6"') == 0


def test_which_operand_is_which_is_written_where_it_matters() -> None:
    a, b = symbols("a b", real=True)
    drawing = sb.explain(Max(a, b)**2 - b, {a: 1, b: 2}).svg
    assert {">x − y<", ">x<", ">y<"} <= set(re.findall(">[^<]*<", drawing))


@pytest.mark.parametrize(("number", "short", "long"), [
    (Fraction(-4, 9), "−4/9", "−4/9"), (-0.5344, "−0.53", "−0.5344"), (0.0, "0", "0"),
    (-0.0, "0", "0"), (2.0, "2", "2"), (0.999, "1.00", "0.999"), (1.2e-7, "1.2e−7", "1.2e−7"),
    (Fraction(123456789, 1000000007), "0.12", "0.123457"), (float("inf"), "∞", "∞"),
    (-3e20, "−3e20", "−3e20"),
])
def test_numbers_are_written_as_by_hand(number: float, short: str, long: str) -> None:
    assert decimal(number) == short
    if not isinstance(number, Fraction):
        assert number_text(number) == long


def test_the_room_for_a_text_grows_with_wide_letters() -> None:
    assert text_width("漢字") > 1.9 * text_width("ab")
