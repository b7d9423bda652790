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
    shown = printed("credit_risk.py", capsys)
    drawn(shown)
    shares = re.findall(r"^ +\d+ +([\d.]+)% +([\d.]+)%$", shown, re.MULTILINE)
    bad = [float(share) for share, _ in shares]
    assert len(bad) == 6
    assert float(shares[0][1]) > 98
    assert bad == sorted(bad, reverse=True)
    assert bad[-1] < bad[0] / 3


def drawn(shown: str) -> None:
    """The example says where its picture is, and it is one."""
    picture = re.search(r"picture: +(.*\.png)", shown)
    assert picture is not None
    assert Path(picture[1]).read_bytes().startswith(b"\x89PNG")


def test_all_rows_descend_steadily_and_few_rows_fast_at_first(
        capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("descent.py", capsys)
    drawn(shown)
    found = re.findall(r"(\d+) steps, loss above the least: (\S+)", shown)
    assert [int(steps) for steps, _ in found] == [2400, 156, 12]
    stochastic, batches, whole = (float(above) for _, above in found)
    assert whole < 1e-5 < batches < stochastic < 0.1


def test_ridge_has_the_numbers_of_the_lecture_and_folds_choose_its_penalty(
        capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("ridge_path.py", capsys)
    drawn(shown)
    assert re.search(r"^ +0 +90\.118 +-2\.248 +0\.000$", shown, re.MULTILINE)
    assert re.search(r"^ +10 +70\.234 +-1\.650 +37\.084$", shown, re.MULTILINE)
    best = re.search(r"^ +([\d.]+) +[\d.]+ +\d+  best$", shown, re.MULTILINE)
    assert best is not None
    assert 0.1 < float(best[1]) < 100


def test_stopping_early_is_better_on_points_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("early_stopping.py", capsys)
    drawn(shown)
    whole = re.search(r"trained for \d+ epochs: ([\d.]+) .*, ([\d.]+) on those", shown)
    stopped = re.search(r"weights of epoch \d+: ([\d.]+) and ([\d.]+)", shown)
    assert whole is not None
    assert stopped is not None
    assert float(whole[1]) < float(stopped[1])
    assert float(whole[2]) > 1.2 * float(stopped[2])


def test_of_twelve_starts_the_best_is_kept_and_some_are_stuck(
        capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("random_restarts.py", capsys)
    drawn(shown)
    losses = [float(loss) for loss in re.findall(r"^ +\d+ +\d+ +400 +(\S+)", shown, re.MULTILINE)]
    assert len(losses) == 12
    assert max(losses) > 0.2
    kept = re.search(r"(\S+)  kept$", shown, re.MULTILINE)
    assert kept is not None
    assert float(kept[1]) == min(losses) < 0.01


def test_gradients_vanish_or_explode_and_are_cured(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("vanishing_gradients.py", capsys)
    drawn(shown)
    rows = re.findall(r"^(\w.*?)  +\S+e\S+ +\S+ +\S+?(  outside .*)?$", shown, re.MULTILINE)
    assert [bool(outside) for _, outside in rows] == [True] * 4 + [False] * 5


def test_two_tasks_share_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("multitask.py", capsys)
    drawn(shown)
    rows = [list(map(float, row)) for row in re.findall(
        r"^ +([\d.]+) +(0\.\d{3}) +(0\.\d{4})$", shown, re.MULTILINE)]
    alone, little, much = rows[0], rows[1], rows[-1]
    assert little[1] > alone[1] - 0.02
    assert little[2] < alone[2] / 10
    assert much[2] < little[2]
    assert much[1] > 0.9


def test_what_is_known_of_digits_helps_with_few_images(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("transfer.py", capsys)
    drawn(shown)
    scratch, frozen, tuned = (
        [float(number) for number in re.findall(r"0\.\d{3}", line)]
        for line in shown.splitlines() if re.search(r"(0\.\d{3} *){6}$", line))
    assert frozen[0] > scratch[0] + 0.02
    assert tuned[0] > scratch[0] + 0.02
    assert tuned[-1] > 0.94


def test_l1_sets_weights_to_zero_and_l2_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("sparsity.py", capsys)
    drawn(shown)
    assert "if |v[i]| ≤ lam·t" in shown
    rows = [list(map(int, row)) for row in re.findall(
        r"^ +[\d.]+ +(\d+) +(\d+) +(\d+) +(\d+)$", shown, re.MULTILINE)]
    zeros = [row[0] for row in rows]
    assert zeros == sorted(zeros)
    assert zeros[0] < 5
    assert zeros[-1] == 20
    assert not any(row[1] or row[3] for row in rows)


def test_units_left_out_help_where_labels_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("dropout.py", capsys)
    drawn(shown)
    assert "h2[n,j] = m1[n,j]·h1[n,j]/(1 − p)" in shown
    scores = [float(score) for score in re.findall(r"^ +0\.\d +(0\.\d{4})$", shown, re.MULTILINE)]
    assert len(scores) == 5
    assert scores[3] > scores[0] + 0.02


def test_the_derivation_is_printed_checked_and_written_as_a_page(
        capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed("derivation.py", capsys)
    assert "= ((1 − y)/(1 − ŷ) − y/ŷ)·ŷ·(1 − ŷ)" in shown
    assert "δ1 = (W2 δ2) ⊙ (1 − H ⊙ H)" in shown
    assert "∂L/∂W2[3,1] = Σ_" in shown
    page = re.search(r"page: (.*\.html)", shown)
    assert page is not None
    assert "href=\"#line-" in Path(page[1]).read_text(encoding="utf-8")
