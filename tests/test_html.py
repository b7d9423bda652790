"""Pages: a closed list of elements, formulas linked to their source, alike layers folded."""

import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

import symbackprop as sb
from symbackprop.codegen.runtime import Executable
from symbackprop.printing import formula as made
from symbackprop.printing.alike import folded
from symbackprop.printing.document import page as whole_page
from symbackprop.printing.forms import View
from symbackprop.printing.formula import Formula
from symbackprop.printing.html import lines_html, source_html, table_html
from symbackprop.printing.lines import Line
from symbackprop.printing.mathml import MATHML, mathml
from symbackprop.rules.tables import BOOKKEEPING, reason
from symbackprop.tables import Table
from tests.support.page_reader import Page, math_faults
from tests.support.printed_networks import DENSE, OTHERS, N, attention, classifier, elu
from tests.support.random_programs import random_case
from tests.test_latex import KINDS

SECTIONS = ("network", "shapes", "gradients", "index", "chain", "steps", "rules")


def deep(layers: int) -> Any:
    """A classifier of so many alike layers."""
    h = sb.data("x", N, 8)
    for _ in range(layers - 1):
        h = sb.layers.dense(h, 8, "tanh")
    p = sb.softmax(sb.layers.dense(h, 4))
    return sb.losses.cross_entropy(p, sb.data("y", N, 4, facts=["one_hot"]))


@cache
def compiled() -> tuple[sb.Derivation, Executable]:
    derivation = sb.derive(classifier())
    outputs = [derivation.loss, *(derivation[tensor] for tensor in derivation.gradients)]
    return derivation, sb.compile(outputs)


@pytest.mark.parametrize("network", DENSE + OTHERS, ids=lambda f: f.__name__)
def test_a_page_is_well_formed_and_has_all_its_parts(network: Callable[[], Any]) -> None:
    page = Page(sb.derive(network()).html(check=False))
    assert not page.faults
    assert set(SECTIONS) <= set(page.anchors)
    assert set(page.links) == {f"#{name}" for name in SECTIONS}


def test_pages_of_random_programs_are_well_formed(seed: int) -> None:
    for number in range(seed, seed + 20):
        case = random_case(number, small=True, layers=None)
        page = Page(sb.derive(case.loss.symbol, case.wrt).html(check=False))
        assert not page.faults, str(case)


@pytest.mark.parametrize("case", KINDS, ids=str)
def test_every_kind_of_formula_has_its_mathml(case: str) -> None:
    assert not math_faults(mathml(KINDS[case][0]))
    assert {node.kind for node in made.postorder(KINDS[case][0])} <= set(MATHML)


def test_scripts_stand_where_they_belong() -> None:
    W, i, j = made.name("W1"), made.letter("i"), made.letter("j")
    assert mathml(W).endswith("><msub><mi>W</mi><mn>1</mn></msub></math>")
    shown = mathml(made.entry(W, [i, j]))
    assert shown.count("<msubsup><mi>W</mi><mrow><mi>i</mi>") == 1
    assert mathml(made.transpose(W)).count("<msubsup><mi>W</mi><mn>1</mn><mo>⊤</mo></msubsup>") == 1
    squared = mathml(made.power(made.entry(made.name("h"), [i]), made.number("2")))
    assert "<msubsup><mi>h</mi><mrow><mi>i</mi></mrow><mn>2</mn></msubsup>" in squared
    assert '<mover accent="true"><mi>y</mi><mo stretchy="false">^</mo></mover>' in mathml(
        made.name("ŷ"))


def test_a_fault_of_a_page_is_found() -> None:
    good = compiled()[0].html(check=False)
    for old, new in (("</section>", "", ), ("<nav>", "<nav onclick=''>"), ("<h1>", "<h1><script>"),
                     ('href="#steps"', 'href="#nowhere"'), ("<p>", '<p><a href="https://x">x</a>'),
                     ("<mfrac>", "<mfrac><mn>1</mn>"), ("<mi>", "<mi><mn>1</mn>"),
                     ("<body>", "<body><!-- x -->"), ('stretchy="false"', 'stretchy="no"')):
        assert old in good
        assert Page(good.replace(old, new, 1)).faults, old


def test_each_formula_of_a_kernel_is_linked_to_the_comment_with_that_formula() -> None:
    derivation, kernel = compiled()
    page = derivation.html(kernel=kernel, check=False)
    read = Page(page)
    assert not read.faults
    source = kernel.source.split("\n")
    for line in kernel.lines.values():
        shown = read.anchors[f"line-{line}"]
        assert shown == f"{line}{source[line - 1]}"
        assert source[line - 1].strip().startswith("# ")
    shown_targets = {d.target for d in (*derivation.forward, *derivation.presented())}
    for tensor in shown_targets:
        assert f"#line-{kernel.lines[tensor]}" in read.links
    lines = [source[int(link.removeprefix("#line-")) - 1].strip()
             for link in read.links if link.startswith("#line-")]
    text = derivation.text("index").splitlines()
    for shown in ("∂L/∂W2[j,k] = Σ_n h[n,j]·δ2[n,k]", "δ2[n,k] = (p[n,k] − y[n,k])/N"):
        assert shown in text
        assert lines.count(f"# {shown}") == 2  # in the matrix form, and with every index


def test_a_page_with_a_kernel_has_its_whole_source() -> None:
    derivation, kernel = compiled()
    read = Page(derivation.html(kernel=kernel, check=False))
    numbered = [read.anchors[f"line-{number}"].removeprefix(str(number))
                for number in range(1, len(kernel.source.rstrip("\n").split("\n")) + 1)]
    assert "\n".join(numbered).rstrip() == kernel.source.rstrip("\n")


def test_the_numerical_check_is_on_the_page_unless_it_is_not_wanted() -> None:
    derivation = compiled()[0]
    assert str(derivation.check()).splitlines()[0] in Page(derivation.html()).anchors["check"]
    assert "check" not in Page(derivation.html(check=False)).anchors


def test_the_page_of_an_undefined_function_says_that_there_are_no_numbers() -> None:
    w, x = sb.parameter("w"), sb.data("x")
    d = sb.derive(sb.define("L", (), (sympy.Function("sigma")(w*x) - 1)**2))
    assert "There are no numbers to compare: sigma is an undefined function" in d.html()


def test_alike_layers_are_folded_with_the_whole_list_behind() -> None:
    page = sb.derive(deep(12)).html(check=False)
    assert not Page(page).faults
    gradients = page[page.index('<section id="gradients">'):page.index('<section id="index">')]
    short, _, whole = gradients.partition("<details>")
    assert "ℓ</mi></math> = 12, 11, …, 2" in short
    assert short.count("<tr") == 6
    assert "ℓ" not in whole
    assert whole.count("<tr") == 36  # δ, W and b of twelve layers
    assert "<mn>ℓ−1</mn>" in short


def test_reasons_are_folded_with_their_lines() -> None:
    def block(layer: int, other: int) -> list[Line]:
        z, h = (made.name(f"{letter}{layer}") for letter in "zh")
        return [Line(z, h, f"chain rule through z{layer}, h{other}; put in")]

    alike = folded([line for layer in range(6) for line in block(layer, layer + 1)])
    assert [line.note for line in alike] == [
        "chain rule through z⟨ℓ⟩, h⟨ℓ+1⟩; put in; ℓ = 0, 1, …, 5"]
    near = folded([line for layer in range(6) for line in block(layer, 1)])
    assert [line.note for line in near] == [
        "chain rule through z⟨ℓ⟩, h1; put in; ℓ = 0, 1, …, 5"]


def test_a_number_that_is_written_otherwise_is_no_layer() -> None:
    lines = [Line(made.name(f"W{number:02}"), made.name("x")) for number in range(6)]
    assert len(folded(lines)) == 6


def test_nothing_is_folded_where_that_is_not_wanted() -> None:
    page = sb.derive(deep(6)).html(check=False, fold=False)
    assert "ℓ" not in page
    assert page.count("<details>") == 2  # one weight's chain, and the steps


def test_a_notebook_shows_the_matrix_form() -> None:
    shown = compiled()[0]._repr_html_()
    read = Page(shown)
    assert not read.faults
    assert shown.count("<tr") == 6
    assert "body" not in shown  # its style must not reach the notebook's own page


def test_columns_are_samples_where_they_are_asked_for() -> None:
    derivation = compiled()[0]
    assert "Samples are columns" in derivation.html(check=False, samples="columns")
    assert "Samples are rows" in derivation.html(check=False)


def test_a_rule_is_listed_with_its_count_its_example_and_its_reason() -> None:
    derivation = compiled()[0]
    page = whole_page(derivation, View(), None, check=False)
    rules = page[page.index('<section id="rules">'):]
    for name in {step.rule for step in derivation.rules}:
        count = sum(step.rule == name for step in derivation.rules)
        if name in BOOKKEEPING:
            assert f"<td>{name}</td>" not in rules
            assert f"{name} ({count}×)" in rules
        else:
            assert f"<tr><td>{name}</td><td>{count}</td><td>" in rules
            assert reason(name)


def test_every_rule_that_a_derivation_records_has_a_reason_or_is_bookkeeping(seed: int) -> None:
    derivations = [sb.derive(network()) for network in DENSE + OTHERS]
    for number in range(seed, seed + 30):
        case = random_case(number, small=True, layers=None)
        derivations.append(sb.derive(case.loss.symbol, case.wrt))
    used = {step.rule for derivation in derivations for step in derivation.rules}
    assert not {rule for rule in used if not reason(rule) and rule not in BOOKKEEPING}


def test_a_derivation_by_the_chain_rule_alone_says_so() -> None:
    w = sb.parameter("w")
    assert "None: the chain rule alone." in sb.derive(sb.define("L", (), w*3)).html(check=False)


def test_a_long_line_is_broken_and_its_link_stands_in_its_first_row() -> None:
    terms = made.joined([made.name(f"h{number}") for number in range(60)], " + ")
    tensor = compiled()[0].loss
    shown = lines_html([Line(made.name("L"), terms, "because", tensor)], {tensor: 7})
    first, *others = shown.split("<tr")[1:]
    assert "because" in first
    assert '<a href="#line-7">' in first
    assert len(others) >= 1
    assert all('<td class="more">' in row for row in others)


def test_texts_of_tables_and_of_source_are_escaped() -> None:
    table = table_html(Table(("<b>", "\x00"), (("a\nb", "\u202e&"),), ("<i>", "")))
    assert not Page(table).faults
    assert "&lt;b&gt;" in table
    assert "a⟨A⟩b" in table
    assert not Page(source_html('"<script>" & \x0c\u2028\n\ty = 1')).faults


def test_the_same_page_is_made_again() -> None:
    derivation = sb.derive(elu())
    assert derivation.html(check=False) == derivation.html(check=False)


@pytest.mark.parametrize("network", [classifier, attention, lambda: deep(50)],
                         ids=["classifier", "attention", "50 layers"])
def test_a_browser_shows_the_page(network: Callable[[], Any], tmp_path: Path) -> None:
    page = sb.derive(network()).html(check=False)
    pixels = photographed(page, tmp_path)
    assert pixels.shape[:2] == (1400, 1100)
    rows = (pixels.min(axis=2) < 128).any(axis=1)
    assert 0.2 < rows.mean() < 0.95  # lines of writing, with space between them
    ink = (pixels.min(axis=2) < 128).mean()
    assert 0.005 < ink < 0.2
    assert np.ptp(np.flatnonzero((pixels.min(axis=2) < 128).any(axis=0))) > 500


def test_a_fraction_is_higher_than_a_line_in_the_browser(tmp_path: Path) -> None:
    def height(formula: Formula) -> int:
        source = f'<!DOCTYPE html><meta charset="utf-8"><body>{mathml(formula)}</body>'
        rows = np.flatnonzero((photographed(source, tmp_path).min(axis=2) < 128).any(axis=1))
        return int(np.ptp(rows))

    a, b = made.name("a"), made.name("b")
    assert height(made.quotient(a, b)) > 1.5*height(a)


def photographed(page: str, folder: Path) -> Any:
    """The pixels of a page in headless Chromium; the test is skipped where there is none."""
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    browser = next(filter(None, found), None)
    if browser is None:
        pytest.skip("no Chromium is installed here")
    image = pytest.importorskip("matplotlib.image", reason="matplotlib reads the screenshot")
    source, picture = folder / "page.html", folder / "page.png"
    source.write_text(page, encoding="utf-8")
    subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                    f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}",
                    "--window-size=1100,1400", source.as_uri()], capture_output=True, timeout=120)
    if not picture.exists():
        pytest.skip("Chromium makes no screenshot here")
    return (image.imread(picture)[:, :, :3]*255).astype(int)


def test_the_style_is_for_light_and_dark_and_for_paper() -> None:
    page = compiled()[0].html(check=False)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    assert "prefers-color-scheme: dark" in style[1]
    assert "@media print" in style[1]
