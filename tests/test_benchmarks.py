"""The benchmarks' own arithmetic: no time is asserted, and no peer needs to be installed."""

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import drawn, environments, functions, growth, publishing, tables, training
from benchmarks.command import chosen_nets, chosen_peers, parser, plan
from benchmarks.environments import UnavailableError, python_of
from benchmarks.networks import TABLE, Case, Net, as_message, from_message, given, orders
from benchmarks.peers import PEERS
from benchmarks.peers.functions_this import Functions
from benchmarks.peers.this import This
from benchmarks.peers.this_fit import Fit
from benchmarks.reference import disagreement, trained
from benchmarks.systems import System, interleaved

ROOT = Path(__file__).parent.parent
TINY = Net((3, 5, 4, 3), "tanh", 4, 16, epochs=2)
CASES = [Case(TINY, "float32", "sgd", 1), Case(TINY, "float64", "adam", 1)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.variant)
def test_this_library_arrives_where_the_numpy_reference_does(case: Case) -> None:
    start, expected = given(case), trained(case, given(case), orders(case.net, 0, 3))
    system = This(as_message(case), given(case))
    system.run(system.order(0, 3))
    assert disagreement(case, start, expected, system.state()) == ""


def test_a_wrong_rate_penalty_or_loss_is_seen_before_anything_is_timed() -> None:
    case = CASES[0]
    start, expected = given(case), trained(case, given(case), orders(case.net, 0, 3))
    faster = {n: v if n == "loss" else start[n] + 1.01 * (v - start[n])
              for n, v in expected.items()}
    assert "W1 moved wrongly" in disagreement(case, start, expected, faster)
    unpenalised = expected["loss"] - 1e-3
    assert "loss" in disagreement(case, start, expected, {**expected, "loss": unpenalised})
    missing = {name: value for name, value in expected.items() if name != "b2"}
    assert "no b2" in disagreement(case, start, expected, missing)
    infinite = {**expected, "b1": np.full(5, np.nan)}
    assert "b1" in disagreement(case, start, expected, infinite)


def test_fit_makes_the_order_that_all_others_are_given() -> None:
    case = CASES[0]
    kernel, fit = (make(as_message(case), given(case)) for make in (This, Fit))
    for system in (kernel, fit):
        system.run(system.order(7))
    for name, value in kernel.state().items():
        assert np.array_equal(value, fit.state()[name]) or name == "loss"
    assert kernel.state()["loss"] == pytest.approx(fit.state()["loss"])


def test_a_round_visits_every_row_once_an_epoch() -> None:
    rows = orders(TINY, 3)
    assert rows.shape == (TINY.steps, TINY.batch) == (8, 4)
    for epoch in rows.reshape(TINY.epochs, -1):
        assert sorted(epoch) == list(range(TINY.rows))
    assert np.array_equal(orders(TINY, 3, 2), rows[:2])


def test_a_case_survives_the_way_to_another_process() -> None:
    assert [from_message(as_message(case)) for case in CASES] == CASES


def test_every_timed_round_has_fifty_steps_or_enough_work() -> None:
    for net in (*TABLE, *growth.LAYERS.values()):
        assert net.steps >= 50 or net.steps * net.flops > 5e9, net.name


def test_operations_are_counted_as_two_for_each_product_but_that_of_the_data() -> None:
    assert Net((2, 3, 5), "relu", 7, 7).flops == 2 * 7 * (2*3 + 3*5 + 2*3 + 3*5 + 3*5)


@pytest.mark.parametrize("function", list(functions.EXPECTED))
def test_single_functions_agree_with_numpy(function: str) -> None:
    case = functions.Case(function, 8, "float64")
    system = Functions(vars_of(case), functions.given(case))
    system.run(1)
    found = system.state()
    assert functions.disagreement(case, found) == ""
    assert "wrong" in functions.disagreement(case, {**found, "value1": 1.001 * found["value1"]})
    assert "missing" in functions.disagreement(case, {"value0": found["value0"]})


def vars_of(case: functions.Case) -> dict[str, object]:
    return {name: getattr(case, name) for name in ("function", "rows", "dtype", "calls")}


def test_a_system_answers_from_a_process_of_its_own_and_a_failed_one_is_named() -> None:
    case = functions.Case("penalty", 8, calls=2)
    with System(functions.PEERS["numpy"], 1) as system:
        taken, found = system.begin(vars_of(case), functions.given(case))
        assert functions.disagreement(case, found) == ""
        assert set(taken) == {"import", "prepare", "first"}
        assert system.peak() > 2**20
        with pytest.raises(UnavailableError, match="no such request: dance"):
            system.ask("dance")
        failed: dict[str, str] = {}
        times = interleaved({"numpy": system}, 2, failed.__setitem__)
        assert len(times["numpy"]) == 2
        system.close()
    assert not failed


def test_an_environment_that_pip_cannot_make_is_named_with_pips_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = subprocess.CompletedProcess([], 1, "", "WARNING: a\nERROR: no such thing\n")
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "peers")
    monkeypatch.setattr(environments.venv, "create", _made)
    monkeypatch.setattr(environments.subprocess, "run", lambda *_, **__: refused)
    for _ in range(2):  # nothing half-made is taken for installed
        with pytest.raises(UnavailableError, match="scikit-learn.*ERROR: no such thing"):
            python_of("sklearn")


def _made(place: Path, **_: object) -> None:
    place.mkdir(parents=True, exist_ok=True)


def test_tables_are_aligned_and_the_same_in_markdown() -> None:
    rows = [["a net", 1234.6, None, "x"], ["b", 0.012345, 3, "y|z"]]
    assert tables.aligned(["net", "µs", "n", "t"], rows).splitlines() == [
        "net        µs  n    t", "a net   1,235  –    x", "b      0.0123  3  y|z"]
    assert tables.markdown(["net", "µs", "n", "t"], rows).splitlines()[1:] == [
        "| --- | ---: | ---: | ---: |", "| a net | 1,235 | – | x |", "| b | 0.0123 | 3 | y\\|z |"]
    assert [tables.times(r) for r in (0.5, 12.34, 250.0)] == ["0.50×", "12.3×", "250×"]


def record(name: str, flops: float, **seconds: float) -> dict[str, object]:
    return {"net": name, "variant": "v", "dtype": "float32", "optimizer": "sgd", "threads": 2,
            "flops": flops, "peak": 100.0, "seconds": seconds, "absent": {}, "memory": {},
            "spread": {peer: [value, value] for peer, value in seconds.items()}}


def test_a_row_has_the_ratio_to_each_peer_and_the_target_beside_it() -> None:
    header, (first, second) = training.rows_of([
        record(TABLE[0].name, 1e5, this=2e-6, jax=9e-6), record("other", 1e5, this=1e-6)])
    row = dict(zip(header, first, strict=True))
    assert row["target"] == "≥4×"
    assert row["of peak"] == "50%"
    assert first[header.index("jax") + 1] == "4.50×"
    assert second[header.index("jax")] is None
    assert second[header.index("target")] is None


def test_interpolation_is_linear_between_logarithms_and_constant_beyond_the_ends() -> None:
    known = [(1e6, 4.0), (1e4, 1.0), (1e4, 4.0), (1e8, 1.0)]
    for flops, expected in ((1e6, 4), (1e4, 2), (1e5, 8**0.5), (1e7, 2), (1, 2), (1e12, 1)):
        assert drawn.interpolated(known, flops) == pytest.approx(expected)


def test_drawn_nets_stay_within_bounds_and_depend_on_the_seed_alone() -> None:
    nets = drawn.drawn(200, 5)
    assert nets == drawn.drawn(200, 5) != drawn.drawn(200, 6)
    assert {len(net.widths) - 1 for net in nets} == set(range(1, 9))
    for net in nets:
        assert all(2 <= width <= 1024 for width in net.widths)
        assert 1 <= net.batch <= 4096
        assert net.rows % net.batch == 0
        assert net.rows * net.widths[0] <= max(drawn.LARGEST, net.batch * net.widths[0])
        assert net.steps >= 4


def test_growth_is_one_where_time_is_linear() -> None:
    assert growth.exponents({1: 2.0, 4: 8.0, 8: 32.0}) == [None, 1.0, 2.0]


def test_publishing_replaces_what_stands_between_the_markers_and_nothing_else() -> None:
    text = "a\n<!-- t: begin -->\nold\n<!-- t: end -->\nb\n"
    once = publishing.between(text, "t", "new \\1")
    assert once == "a\n<!-- t: begin -->\nnew \\1\n<!-- t: end -->\nb\n"
    assert publishing.between(once, "t", "new \\1") == once
    with pytest.raises(ValueError, match="one pair of markers"):
        publishing.between(text, "other", "new")
    for path, name in ((publishing.DOCUMENT, "results"), (publishing.README, "benchmarks")):
        publishing.between(path.read_text(encoding="utf-8"), name, "")


def test_a_whole_result_becomes_a_page_and_a_plot(tmp_path: Path) -> None:
    stages = {"import": 0.1, "prepare": 0.2, "first": 0.3, "total": 0.6, "memory": 2**20}
    late = {**stages, "total": 9.0}
    result = {
        "machine": {"processor": "2 × P", "python": "3", "numba": "0", "load": "0.1"},
        "training": [record("a net", 1e5, this=2e-6, jax=9e-6, torch=1e-4),
                     {**record("b", 1e6, this=1e-6), "absent": {"jax": "no wheel"}}],
        "startup": {"systems": {"fit": {"cold": stages, "warm": stages},
                                "jax": {"cold": late, "warm": stages}}},
        "functions": [{"case": "f", "microseconds": {"this": 2.0, "jax": 1.0}, "absent": {}}],
        "growth": {"batch": {"1": 1.0, "2": 2.0}, "layers": {"2": 1.0}, "width": {"8": 1.0}},
    }
    page = publishing.full(result)
    for line in ("| a net | 2 |", "4.50×", "Not measured: jax (no wheel).", "| f | 2 | 1 | 0.50× |",
                 "cold within 3 s: yes", "JAX's cold one: yes", "| 2 | 2,000,000 | 1 |"):
        assert line in page.replace("2e+06", "2,000,000"), line
    assert publishing.ratios(result["training"]).splitlines()[-1] == "| b | 1 | – | – |"
    publishing.plot(result["training"], tmp_path / "plot.svg")
    publishing.plot(result["training"], tmp_path / "again.svg")
    drawn_once = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert "JAX" in drawn_once
    assert drawn_once == (tmp_path / "again.svg").read_text(encoding="utf-8")


def test_options_choose_nets_peers_and_variants() -> None:
    assert chosen_peers("jax") == ("this", "jax")
    assert chosen_peers(None) == tuple(PEERS)
    with pytest.raises(SystemExit, match="no peer abacus"):
        chosen_peers("abacus")
    assert [net.widths for net in chosen_nets(TABLE, "4-32,64-32")] == [
        (64, 32, 10), (4, 32, 16, 4)]
    asked = parser().parse_args(["--nets", "2-16", "--threads", "1,2", "--optimizers", "adam"])
    assert [(case.net.activation, case.threads, case.optimizer) for case, _ in plan(asked, ())] == [
        (activation, threads, "adam") for threads in (1, 2) for activation in ("relu", "tanh")]


def test_the_table_is_that_of_the_documents() -> None:
    assert [net.target for net in TABLE] == [4, 4, 3, 2.5, 2.5, 4, 1.1, 1.2, 0.97]
    assert all(net.batch <= net.rows and len(list(pairwise(net.widths))) > 1 for net in TABLE)
