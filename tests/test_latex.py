"""LaTeX: every kind of formula, whole derivations, and pdflatex where there is one."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
import sympy

import symbackprop as sb
from symbackprop.printing import formula as made
from symbackprop.printing.breaking import broken, width
from symbackprop.printing.formula import Formula
from symbackprop.printing.html import lines_html
from symbackprop.printing.latex import LATEX, PAGE, latex, lines_latex, prose
from symbackprop.printing.lines import Line
from symbackprop.printing.naming import partial
from tests.support.latex_reader import faults, in_prose_only
from tests.support.printed_networks import DENSE, OTHERS, classifier, layer_normalisation
from tests.support.random_programs import random_case

FORMS = ("index", "matrix", "neuron", "steps")
PREAMBLE = "\\documentclass[a4paper]{article}\n\\usepackage{amsmath}\n\\allowdisplaybreaks\n"

W, x, y, n, k = (made.name("W1"), made.name("x"), made.name("y"), made.letter("n"),
                 made.letter("k′"))
xn = made.entry(x, [n])
total = made.beside(made.big(made.beside("Σ"), [n, k]), " ", xn)
KINDS = {
    "number": (made.number("-1e-5"), "-10^{-5}"),
    "name": (made.name("ŷ_prev′"), r"\hat{y}_{\mathrm{prev}}^{\prime}"),
    "derivative": (made.name("∂L/∂W1"), r"\frac{\partial L}{\partial W_{1}}"),
    "typed": (Formula("typed", "W_1"), r"\mathtt{W\_1}"),
    "ones": (made.transpose(made.ones()), r"\mathbf{1}^{\top}"),
    "letter": (k, r"k^{\prime}"),
    "word": (made.call("tanh", xn), r"\tanh(x_{n})"),
    "another word": (made.call("tr", W), r"\operatorname{tr}(W_{1})"),
    "sign": (made.beside(W, " ⊙ ", x), r"W_{1} \odot x"),
    "row": (made.joined([x, made.number("2"), y], "·"), r"x \cdot 2 \, y"),
    "bracket": (made.bracket(made.beside(x, " + ", y), "||"), r"\lvert x + y \rvert"),
    "tall bracket": (made.bracket(made.beside(made.quotient(x, y), " + ", y)),
                     r"\left( \frac{x}{y} + y \right)"),
    "entry": (made.entry(W, [n, k]), r"W_{n,k^{\prime}}^{(1)}"),
    "entry of a derivative": (made.entry(made.name("∂L/∂h_prev"), [n]),
                              r"\frac{\partial L}{\partial h_{n}^{(\mathrm{prev})}}"),
    "quotient": (made.quotient(made.bracket(made.beside(x, " − ", y)), made.name("N")),
                 r"\frac{x - y}{N}"),
    "power": (made.power(made.entry(W, [n]), made.number("2")), "(W_{n}^{(1)})^{2}"),
    "broken power": (made.power(x, made.bracket(made.quotient(made.number("3"),
                                                              made.number("2")))), "x^{3/2}"),
    "entrywise power": (made.entrywise_power(x, made.number("3")), r"x^{\circ 3}"),
    "transpose": (made.transpose(W), r"W_{1}^{\top}"),
    "root": (made.root(xn), r"\sqrt{x_{n}}"),
    "big": (total, r"\sum_{n,k^{\prime}} x_{n}"),
    "big over a bar": (made.quotient(made.bracket(total), y),
                       r"\frac{1}{y} \sum_{n,k^{\prime}} x_{n}"),
    "cases": (made.cases([(x, made.beside(x, " > ", y)), (y, None)]),
              r"\begin{cases} x & \text{if } x > y \\ y & \text{otherwise} \end{cases}"),
}


@pytest.mark.parametrize("case", KINDS, ids=str)
def test_every_kind_of_formula_has_its_latex(case: str) -> None:
    formula, expected = KINDS[case]
    assert latex(formula) == expected
    assert not faults(expected)


def test_no_kind_of_formula_is_left_out() -> None:
    met = {node.kind for formula, _ in KINDS.values() for node in made.postorder(formula)}
    assert met == set(LATEX)


def test_a_sum_stays_above_its_bar_where_a_factor_follows() -> None:
    mean = made.quotient(made.bracket(total), y)
    assert latex(made.joined([mean, W], "·")) == (
        r"\frac{\sum_{n,k^{\prime}} x_{n}}{y} \, W_{1}")
    assert latex(made.joined([W, mean], "·")) == r"W_{1} \, \frac{1}{y} \sum_{n,k^{\prime}} x_{n}"


def test_what_is_added_to_a_sum_is_not_drawn_into_it() -> None:
    above = made.bracket(made.beside(*total.parts, " + ", y))
    assert latex(made.quotient(above, W)) == (
        r"\frac{\sum_{n,k^{\prime}} x_{n} + y}{W_{1}}")


def test_the_forms_of_a_two_layer_classifier_are_kept_as_they_are(
        golden: Callable[[str, str], None]) -> None:
    derivation = sb.derive(classifier())
    golden("printing/classifier.tex", "\n\n".join(
        f"% {form}\n{derivation.latex(form)}" for form in FORMS) + "\n")


@cache
def forms_of(network: Callable[[], object]) -> dict[str, str]:
    """The LaTeX of a network in every form."""
    derivation = sb.derive(network())
    return {form: derivation.latex(form) for form in FORMS}


@pytest.mark.parametrize("network", DENSE + OTHERS, ids=lambda f: f.__name__)
def test_the_latex_of_a_network_is_well_formed_and_ours(network: Callable[[], object]) -> None:
    for source in forms_of(network).values():
        assert not faults(source)
        assert in_prose_only(source)


def test_a_fault_is_found() -> None:
    for source in ("{", r"\left( x", r"\input{x}", "x^{2}^", "é", r"\begin{center}\end{center}",
                   r"a & b", r"\$", "#", r"\left. x \right)", "{x$}$", r"\frac{a}{b}}"):
        assert faults(source), source
    assert not in_prose_only("$x$")


def bodies(seeds: range) -> Iterator[str]:
    """The LaTeX of random programs in every form, each with its seed and its form."""
    for seed in seeds:
        case = random_case(seed, small=seed % 10 > 0, layers=None)
        derivation = sb.derive(case.loss.symbol, case.wrt)
        for form in FORMS:
            yield f"% random_case({seed}) {form}\n{derivation.latex(form)}\n"


@pytest.fixture(scope="module")
def random_bodies(seed: int) -> list[str]:
    return list(bodies(range(seed, seed + 100)))


def test_the_latex_of_100_random_programs_is_well_formed(random_bodies: list[str]) -> None:
    assert len(random_bodies) == 100 * len(FORMS)
    for body in random_bodies:
        source = body.partition("\n")[2]
        assert not faults(source), body
        assert in_prose_only(source), body


def test_the_latex_of_100_random_programs_compiles(random_bodies: list[str], tmp_path: Path
                                                   ) -> None:
    named = (f"% {network.__name__} {form}\n{body}\n"
             for network in DENSE + OTHERS for form, body in forms_of(network).items())
    compiled("\n".join(chain(named, random_bodies)), tmp_path)


def compiled(body: str, folder: Path) -> str:
    """What pdflatex says of a document; the test is skipped where it is not installed."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("pdflatex is not installed here")
    source = folder / "all.tex"
    source.write_text(f"{PREAMBLE}\\begin{{document}}\n{body}\n\\end{{document}}\n", "ascii")
    done = subprocess.run([program, "-interaction=nonstopmode", "-halt-on-error", source.name],
                          cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "all.pdf").stat().st_size > 10_000
    return done.stdout


def test_hardly_a_line_of_a_named_network_runs_off_the_page(tmp_path: Path) -> None:
    body = "\n".join(body for network in DENSE + OTHERS for body in forms_of(network).values())
    said = compiled(body, tmp_path)
    wide = [float(points) for points in re.findall(r"\((\d+\.\d+)pt too wide\)", said)]
    assert len(wide) <= 2
    assert max(wide, default=0) < 30


def test_a_long_line_is_broken_before_its_signs_and_nothing_of_it_is_lost() -> None:
    terms = [made.entry(made.name(f"h{number}"), [n]) for number in range(40)]
    whole = made.joined(terms, " + ")
    lines = broken(whole, PAGE)
    assert len(lines) > 1
    assert all(width(line) <= PAGE for line in lines)
    assert "".join(map(str, lines)) == whole.text
    assert all(str(line).startswith(" + ") for line in lines[1:])


def test_a_long_bracket_is_opened_and_a_long_fraction_becomes_a_factor() -> None:
    terms = made.joined([made.entry(made.name(f"h{number}"), [n]) for number in range(40)], " + ")
    source = lines_latex([Line(xn, made.quotient(made.bracket(terms), y))])
    assert not faults(source)
    assert r"&= \frac{1}{y} \Bigl(h_{n}^{(0)}" in source
    assert source.count(r"\Bigl(") == source.count(r"\Bigr)") == 1
    assert source.count(r" &\quad {} + ") >= 1


def test_a_bracket_within_a_bracket_is_opened_too() -> None:
    inner = made.bracket(made.joined([made.name(f"long_name_{c}") for c in "abcdefghij"], " − "))
    outer = made.bracket(made.beside(x, " + ", made.joined([y, inner], "·")))
    source = lines_latex([Line(xn, made.joined([W, outer], "·"))])
    assert not faults(source)
    assert source.count(r"\Bigl(") == source.count(r"\Bigr)") == 2


def test_names_that_look_alike_are_shown_as_they_are_typed() -> None:
    shown = lines_latex([Line(made.name("L"), made.joined(
        [made.name("W1"), made.name("W_1"), made.name("V1"), made.name("∂L/∂W_1")], " + "))])
    assert r"L &= \mathtt{W1} + \mathtt{W\_1} + V_{1} + \frac{\partial \mathtt{L}}" in shown
    assert r"{\partial \mathtt{W\_1}}" in shown


def test_names_that_look_alike_are_typed_in_a_reason_too() -> None:
    line = Line(made.name("W1"), made.name("W_1"), "through W1, W_1, ∂L/∂W_1, V_1")
    assert (r"through $\mathtt{W1}$, $\mathtt{W\_1}$, $\partial L/\partial \mathtt{W\_1}$, "
            r"$V_{\mathrm{1}}$") in lines_latex([line])
    page = lines_html([line])
    assert page.count('<mi class="typed">W_1</mi>') == 3
    assert page.count('<mi class="typed">W1</mi>') == 2


def test_the_first_entry_of_a_vector_is_told_from_a_tensor_with_that_number() -> None:
    first = made.entry(made.name("w"), [made.number("1")])
    assert "w_{1} + V_{1}" in lines_latex([Line(x, made.joined([first, made.name("V1")], " + "))])
    shown = lines_latex([Line(x, made.joined([first, made.name("w1")], " + "))])
    assert r"\mathtt{w}_{1} + \mathtt{w1}" in shown


def test_names_in_a_reason_are_set_as_names() -> None:
    assert prose("a chain rule through z1, h′") == r"a chain rule through $z_{1}$, $h^{\prime}$"
    assert prose("∂L/∂p put in; this is δ2") == (
        r"$\partial L/\partial p$ put in; this is $\delta_{2}$")
    assert prose("chain rule through h_hid, y_hat′; y_1: x") == (
        r"chain rule through $h_{\mathrm{hid}}$, $y_{\mathrm{hat}}^{\prime}$; "
        r"$y_{\mathrm{1}}$: $x$")
    assert prose("ℓ = 9, …, 2 − 1") == r"$\ell$ = 9, $\ldots$, 2 $-$ 1"
    assert not faults(rf"\tag*{{{prose('ℓ = 49, 48, …, 2 & 100 % {x} $y$ ⟨ℓ+1⟩ δ⟨ℓ+1⟩')}}}")


def test_a_derivative_of_a_derivative_is_set_within_its_fraction() -> None:
    assert partial("∂S/∂∂L/∂W1") == (1, "S", (("∂L/∂W1", 1),))
    assert not faults(latex(made.name("∂S/∂∂L/∂W1")))


def test_functions_of_the_user_are_set_upright() -> None:
    f = sympy.Function("soft_sign", real=True)
    n = sb.indices("n", 3)
    w = sb.parameter("w", n)
    L = sb.define("L", (), sympy.Sum(f(w[n]), n))
    shown = sb.derive(L, [w]).latex("index")
    assert r"\operatorname{soft\_sign}^{\prime}(w_{n})" in shown
    assert not faults(shown)


def test_a_deep_formula_is_set_without_recursion() -> None:
    formula = x
    for _ in range(2_000):
        formula = made.bracket(made.beside(formula, " + ", y))
    assert len(latex(formula)) > 2_000
    assert lines_latex([Line(x, made.power(xn, made.number("2")))])


def test_layer_normalisation_has_its_fractions_beside_its_sums() -> None:
    assert r"\frac{1}{5} \sum_{j} h_{n,j}" in sb.derive(layer_normalisation()).latex("steps")
