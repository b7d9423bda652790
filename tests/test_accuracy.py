"""The accuracy benchmark's own arithmetic: the same data for both systems, means compared."""

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.command import SECTIONS
from benchmarks.peers import accuracy_this


@pytest.mark.parametrize(("case", "shape", "rows"), [
    ("digits", (1, 8, 8), 1797), ("mnist", (784,), 5000)])
def test_images_are_dealt_out_with_their_share_of_each_digit(
        case: str, shape: tuple[int, ...], rows: int) -> None:
    given = accuracy.data(case)
    counts = [len(given[f"Y{part}"]) for part in ("", "_val", "_test")]
    assert sum(counts) == rows
    assert np.allclose(np.array(counts) / rows, (0.6, 0.1, 0.3), atol=1e-3)
    for part in ("", "_val", "_test"):
        assert given[f"X{part}"].shape[1:] == shape
        assert given[f"X{part}"].dtype == np.float32
        assert given[f"X{part}"].min() == 0.0
        assert np.ptp(np.bincount(given[f"Y{part}"])) <= 0.003 * rows + 2
    assert given["X"].max() == 1.0


def test_the_verdict_compares_means_with_a_margin_of_one_percent() -> None:
    assert accuracy.verdict({"this": [0.90, 0.92], "torch": [0.915, 0.915]}) == "holds"
    assert accuracy.verdict({"this": [0.90, 0.90], "torch": [0.915, 0.915]}) == "lower by 1.5%"
    assert accuracy.verdict({"this": [0.9]}) == "not compared"
    header, rows = accuracy.rows_of({"digits": {"this": [0.97, 0.98], "torch": [0.975]},
                                     "mnist": {}})
    assert len(header) == len(rows[0]) == 4
    assert rows[0] == ["digits", "97.50% ± 0.71", "97.50% ± 0.00", "holds"]
    assert rows[1] == ["mnist", None, None, "not compared"]


def test_it_is_a_section_of_the_command_and_a_process_that_ends_is_reported(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "accuracy" in SECTIONS
    monkeypatch.setattr(accuracy, "SYSTEMS", {"this": ("benchmarks.peers.no_such_peer", "")})
    monkeypatch.setattr(accuracy, "EPOCHS", {"digits": 3})
    assert accuracy.measure(quick=True) == {"digits": {}}
    assert "not measured: this, digits" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["digits", "mnist"])
def test_the_nets_of_this_library_learn(case: str) -> None:
    given = accuracy.data(case)
    few = {name: array[:600] for name, array in given.items()}
    (found,) = accuracy_this.accuracies(case, few, 6, [0])
    assert found > 0.75
