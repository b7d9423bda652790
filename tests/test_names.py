"""10,000 hostile names leave nothing in a formula, in LaTeX or on a page that is not ours."""

import re
from xml.etree import ElementTree

import pytest
import sympy
from sympy import Idx, Sum, Symbol

import symbackprop as sb
from symbackprop.printing import formula as made
from symbackprop.printing import latex as latex_of
from symbackprop.printing import mathml as mathml_of
from symbackprop.printing.formula import Formula
from symbackprop.printing.html import shown
from symbackprop.printing.latex import latex, prose
from symbackprop.printing.lines import Line
from symbackprop.printing.mathml import mathml
from symbackprop.printing.naming import parts, printable, visible
from symbackprop.printing.setting import told_apart
from tests.support.hostile_names import hostile_names, same
from tests.support.latex_reader import faults
from tests.support.page_reader import Page, math_faults
from tests.test_latex import compiled

COUNT = 10_000
SHAPES = {
    "name": made.name, "letter": made.letter,
    "function": lambda name: made.call(name, made.name("x")),
    "typed": lambda name: Formula("typed", visible(name)),
    "entry": lambda name: made.entry(made.name(name), [made.letter(name), made.letter("k")]),
    "derivative": lambda name: made.entry(made.name(f"∂{name}/∂{name}"), [made.letter("k")]),
    "power": lambda name: made.power(made.name(name), made.name(name)),
    "sum": lambda name: made.beside(made.big(made.beside("Σ"), [made.letter(name)]), " ",
                                    made.name(name)),
}


@pytest.fixture(scope="module")
def names(seed: int) -> list[str]:
    return hostile_names(seed, COUNT)


def test_a_name_in_text_is_one_line_that_can_be_seen(names: list[str]) -> None:
    for name in names:
        for text in (made.name(name).text, made.letter(name).text, made.word(name).text):
            assert text
            assert text.isprintable(), ascii(name)
            assert len(text.splitlines()) == 1
            text.encode("utf-8")


def test_different_names_are_different_in_text(names: list[str]) -> None:
    texts = [made.name(name).text for name in names]
    assert len(set(texts)) == len(names)


def test_what_is_visible_already_stays_as_it_is(names: list[str]) -> None:
    for name in ("W1", "ŷ′", "δ2", "∂L/∂W1", "выход", "損失", "h_prev", "a-b"):
        assert visible(name) == printable(name) == name
    for name in names:
        assert printable(visible(name)) == visible(name)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_name_brings_a_command_into_latex(names: list[str], shape: str) -> None:
    for name in names:
        found = faults(latex(SHAPES[shape](name)))
        assert not found, (ascii(name), found)


def test_no_word_of_a_reason_brings_a_command_into_latex(names: list[str]) -> None:
    for name in names:
        for typed in (set(), {printable(name)}):
            found = faults(rf"\tag*{{{prose(printable(name), typed)}}}")
            assert not found, (ascii(name), found)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_name_brings_an_element_or_an_attribute_into_mathml(names: list[str], shape: str
                                                               ) -> None:
    for name in names:
        found = math_faults(mathml(SHAPES[shape](name)))
        assert not found, (ascii(name), found)


def test_a_name_is_whole_on_a_page(names: list[str]) -> None:
    for name in names:
        text = "".join(ElementTree.fromstring(mathml(Formula("typed", visible(name)))).itertext())
        assert name.isprintable() is False or "∂" in name or text == visible(name), ascii(name)


def test_no_text_brings_an_element_into_a_page(names: list[str]) -> None:
    page = "".join(f"<p>{shown(name)}</p>" for name in names)
    assert not [fault for fault in Page(page).faults if "elsewhere" not in fault]


def test_names_that_are_shown_alike_differ_in_their_normalisation_only(names: list[str]) -> None:
    apart, _ = told_apart([Line(None, made.name(name)) for name in names])
    met: dict[str, str] = {}
    for name, line in zip(names, apart, strict=True):
        if "∂" in name:
            continue  # a derivative is told apart by the names in it
        first = met.setdefault(as_seen(latex(line.right)), name)
        assert same(first) == same(name), (ascii(first), ascii(name))


def test_a_derivative_is_told_from_one_by_a_name_that_looks_alike() -> None:
    apart, _ = told_apart([Line(None, made.name(f"∂L/∂{name}")) for name in ("W1", "W_1", "V1")])
    shown = [as_seen(latex(line.right)) for line in apart]
    assert len(set(shown)) == 3
    assert apart[2].right.kind == "name"


def as_seen(source: str) -> str:
    """LaTeX without what nobody sees: braces, spaces, and upright digits instead of digits."""
    plain = re.sub(r"\\mathrm\{([0-9]*)\}", r"{\1}", source)
    return re.sub(r"(?<!\\)[{}]|\s", "", plain)


def test_names_of_layers_are_numbers_as_python_writes_them() -> None:
    assert parts("W٣").layer == ""
    assert parts("W12").layer == "12"
    assert parts("W⟨1⟩") == ("W⟨1⟩", "", "", 0)


def hostile_loss(name: str) -> sympy.Expr:
    """A loss with the name as that of a size, an index, a function and a plain symbol."""
    length = Symbol(name, integer=True, positive=True)
    letter = Idx(Symbol(name, integer=True), length)
    python = name.encode("utf-8", "replace").decode().replace("\0", "")  # as Python itself asks
    function = sympy.Function(python or "f", real=True)
    w = sb.parameter("w", letter)
    return sb.define("L", (), Sum(function(w[letter])**2*letter, letter)/length)


def test_whole_derivations_with_hostile_names_are_ours(seed: int, tmp_path) -> None:
    bodies, derived = [], 0
    for name in hostile_names(seed, 2_000)[::40]:
        try:
            derivation = sb.derive(hostile_loss(name))
        except sb.SymbackpropError:
            continue  # refused in declare or derive: nothing is printed
        derived += 1
        page = Page(derivation.html(check=False))
        assert not [fault for fault in page.faults if "elsewhere" not in fault], ascii(name)
        for form in ("index", "matrix", "neuron", "steps"):
            assert all(c.isprintable() or c == "\n" for c in derivation.text(form)), ascii(name)
            bodies.append(derivation.latex(form))
            assert not faults(bodies[-1]), ascii(name)
    assert derived > 20
    compiled("\n\n".join(bodies), tmp_path)


def test_hostile_names_compile(names: list[str], tmp_path) -> None:
    shown = [shape(name) for name in names[::10] for shape in SHAPES.values()
             if len(name) < 100]
    compiled("\n\n".join(f"${latex(formula)}$" for formula in shown), tmp_path)


def test_the_caches_of_names_are_bounded() -> None:
    assert latex_of.name.cache_info().maxsize
    assert mathml_of.name.cache_info().maxsize
