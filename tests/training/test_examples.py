"""The examples run as they stand, keep their length, and show what they promise."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def printed(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_has_at_most_80_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 80


def test_digits_shows_formulas_and_kernel_and_reads_the_held_out_third(
        capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("digits.py", capsys)
    assert "p[n,k] = exp(z[n,k])/(Σ_k exp(z[n,k]))" in shown
    assert "δ1 = (δ2 W2ᵀ) ⊙ (1 − H ⊙ H)" in shown
    assert "for first in range(0, order.shape[1], batch_size):" in shown
    kernel = re.search(r"The kernel that did this is (.*\.py);", shown)
    assert kernel is not None
    assert Path(kernel[1]).exists()
    accuracy = re.search(r"accuracy: ([\d.]+) on 1198 .*, ([\d.]+) on 599 held out", shown)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.99
    assert float(accuracy[2]) >= 0.96
    picture = re.search(r"picture: +(.*\.png)", shown)
    assert picture is not None
    assert Path(picture[1]).read_bytes().startswith(b"\x89PNG")


def test_digits_in_layer_notation_stops_early_and_is_as_good(
        capsys: pytest.CaptureFixture[str]) -> None:
    found = re.search(r"after (\d+) epochs: accuracy ([\d.]+)", printed("digits_layers.py", capsys))
    assert found is not None
    assert int(found[1]) < 200
    assert float(found[2]) >= 0.96


def test_the_elastic_net_takes_weights_to_zero(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in printed("diabetes.py", capsys).splitlines()
            if re.match(r" *0\.\d\d +0\.\d\d ", line)]
    zeros = [sum(float(weight) == 0 for weight in row[3:]) for row in rows]
    assert len(rows) == 4
    assert zeros == sorted(zeros)
    assert zeros[0] <= 1
    assert zeros[-1] >= 6
    assert float(rows[0][2]) > 0.3


def test_a_larger_penalty_approves_fewer_bad_loans(capsys: pytest.CaptureFixture[str]) -> None:
    shares = re.findall(r"^ +\d+ +([\d.]+)% +([\d.]+)%$", printed("credit_risk.py", capsys),
                        re.MULTILINE)
    bad = [float(share) for share, _ in shares]
    assert len(bad) == 4
    assert bad == sorted(bad, reverse=True)
    assert bad[-1] < bad[0] / 3


def test_the_derivation_is_printed_checked_and_written_as_a_page(
        capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("derivation.py", capsys)
    assert "= ((1 − y)/(1 − ŷ) − y/ŷ)·ŷ·(1 − ŷ)" in shown
    assert "δ1 = (W2 δ2) ⊙ (1 − H ⊙ H)" in shown
    assert "∂L/∂W2[3,1] = Σ_" in shown
    page = re.search(r"page: (.*\.html)", shown)
    assert page is not None
    assert "href=\"#line-" in Path(page[1]).read_text(encoding="utf-8")
