"""Cross-validation: every entry is an ordinary fit on its rows; ridge equals scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import KFold, cross_val_score
from sklearn.preprocessing import StandardScaler
from sympy import Sum

import symbackprop as sb
from symbackprop import codegen
from symbackprop.errors import Diverged, InputError, TrainingError
from symbackprop.training import Model
from symbackprop.training.optimizers import SGD, Adam
from symbackprop.training.splits import Folds
from symbackprop.training.validation_table import CrossValidation
from tests.training.networks import classifier, samples

X, LABELS = samples(48)
FIT: dict[str, Any] = {"epochs": 4, "batch_size": 8, "optimizer": SGD(0.3)}


def ridge(features: int) -> Model:
    """Σ (b + x·w − y)² + λ Σ w²: the intercept is not penalised; the scale is scikit-learn's."""
    n, i = sb.indices("n i", sb.size("N"), features)
    x, y = sb.data("x", n, i), sb.data("y", n)
    w, b, lam = sb.parameter("w", i), sb.parameter("b"), sb.hyper("lam", 0.0)
    o = sb.define("o", (n,), b + Sum(x[n, i] * w[i], i))
    L = sb.define("L", (), Sum((o[n] - y[n])**2, n) + lam * Sum(w[i]**2, i))
    return Model(inputs=x, targets=y, output=o, loss=L, dtype="float64")


@pytest.mark.parametrize(("lam", "intercept", "slope", "cost"), [
    (0, 90.118, -2.248, 0.0), (5, None, None, None), (10, 70.234, -1.650, 37.084),
    (100, None, None, None), (10_000, None, None, None)])
def test_ridge_on_the_two_boston_rows_is_that_of_the_lecture_and_of_scikit_learn(
        lam: float, intercept: float | None, slope: float, cost: float) -> None:
    lstat, medv = np.array([[29.55], [36.98]]), np.array([23.7, 7.0])
    model = ridge(1)
    model.hypers["lam"] = lam
    model.fit(lstat, medv, epochs=20_000, batch_size=None, shuffle=False,
              optimizer=SGD(2e-4 / (1 + lam / 2000), momentum=0.99))
    expected = Ridge(lam).fit(lstat, medv)
    assert model.parameters["w"][0] == pytest.approx(expected.coef_[0], rel=1e-9)
    assert float(model.parameters["b"]) == pytest.approx(expected.intercept_, rel=1e-9)
    if intercept is not None:
        assert float(model.parameters["b"]) == pytest.approx(intercept, abs=6e-4)
        assert model.parameters["w"][0] == pytest.approx(slope, abs=6e-4)
        assert model.loss(lstat, medv) == pytest.approx(cost, abs=6e-4)
    if lam == 0:
        model.hypers["lam"] = 10
        assert model.loss(lstat, medv) == pytest.approx(50.519, abs=6e-4)


def test_the_penalty_that_ten_folds_choose_on_the_diabetes_data_is_that_of_ridge_cv() -> None:
    features, target = load_diabetes(return_X_y=True)
    features = StandardScaler().fit_transform(features)
    grid, ten = [0.1, 1.0, 5.0, 30.0, 300.0], KFold(10)
    model = ridge(10)
    found = sb.cross_validate(model, features, target, grid={"lam": grid}, folds=ten, epochs=1500,
                              batch_size=None, shuffle=False, optimizer=SGD(2e-4, momentum=0.9))
    for place, lam in enumerate(grid):
        scores = -cross_val_score(Ridge(lam), features, target, cv=ten,
                                  scoring="neg_mean_squared_error")
        np.testing.assert_allclose(found.scores[place], scores, rtol=1e-6)
        assert found.standard_errors[place] == pytest.approx(
            np.std(scores, ddof=1) / np.sqrt(10), rel=1e-6)
    theirs = RidgeCV(grid, cv=ten, scoring="neg_mean_squared_error").fit(features, target)
    assert found.best == {"lam": theirs.alpha_}
    assert model.hypers["lam"] == theirs.alpha_
    np.testing.assert_allclose(model.parameters["w"], theirs.coef_, rtol=1e-5)
    assert float(model.parameters["b"]) == pytest.approx(theirs.intercept_)


@pytest.fixture(scope="module")
def model() -> Model:
    return classifier("float64")


def test_each_score_is_that_of_a_fit_without_the_fold_on_the_fold(model: Model) -> None:
    grid = {"lam": [0.0, 0.1], "rate": [0.3, 0.01]}
    found = sb.cross_validate(model, X, LABELS, grid=grid, folds=KFold(3), metric="loss", seed=4,
                              **FIT)
    assert found.points == ({"lam": 0.0, "rate": 0.3}, {"lam": 0.0, "rate": 0.01},
                            {"lam": 0.1, "rate": 0.3}, {"lam": 0.1, "rate": 0.01})
    other = classifier("float64")
    for point, scores in zip(found.points, found.scores, strict=True):
        for (train, test), score in zip(KFold(3).split(X), scores, strict=True):
            other.initialise(4)
            other.hypers["lam"] = point["lam"]
            other.fit(X[train], LABELS[train], epochs=4, batch_size=8, seed=4,
                      optimizer=SGD(point["rate"]))
            assert other.loss(X[test], LABELS[test]) == score
    assert found.chosen == int(np.argmin(found.scores.mean(1)))
    other.initialise(4)
    other.hypers["lam"] = found.best["lam"]
    history = other.fit(X, LABELS, epochs=4, batch_size=8, seed=4,
                        optimizer=SGD(found.best["rate"]))
    assert found.history == history
    np.testing.assert_array_equal(model.parameters["W1"], other.parameters["W1"])


def test_the_result_does_not_depend_on_workers_and_nothing_compiles_twice(
        monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    compile_training = codegen.compile_training
    monkeypatch.setattr(codegen, "compile_training",
                        lambda *given: (made.append(given), compile_training(*given))[1],
                        raising=False)
    fresh = classifier("float64")
    tables = [sb.cross_validate(fresh, X, LABELS, grid={"lam": [0.1, 0.0], "epochs": [1, 3]},
                                folds=4, workers=workers, **FIT) for workers in (1, 2, None)]
    assert len(made) == 1
    for table in tables[1:]:
        np.testing.assert_array_equal(table.scores, tables[0].scores)
        assert table.history == tables[0].history


def test_a_classifier_is_measured_by_accuracy_on_stratified_folds(model: Model) -> None:
    found = sb.cross_validate(model, X, LABELS, grid={"rate": [1e-6, 0.5]}, folds=4, refit=False,
                              epochs=60, optimizer=SGD(0.1))
    assert found.metric == "accuracy"
    assert found.maximised
    assert found.best == {"rate": 0.5}
    assert found.history == {}
    folds = list(Folds(4, 0, stratified=True).split(X, LABELS))
    explicit = sb.cross_validate(model, X, np.eye(2)[LABELS], grid={"rate": [1e-6, 0.5]},
                                 folds=folds, refit=False, epochs=60, optimizer=SGD(0.1))
    np.testing.assert_array_equal(explicit.scores, found.scores)


def test_without_refit_the_model_stays_and_a_fit_may_begin_at_its_parameters(model: Model) -> None:
    model.initialise(7)
    before = model.parameters.copy()
    given: dict[str, Any] = {"grid": {"lam": [0.0]}, "folds": 3, "refit": False, **FIT}
    fresh = sb.cross_validate(model, X, LABELS, **given)
    there = sb.cross_validate(model, X, LABELS, fresh=False, **given)
    same = sb.cross_validate(model, X, LABELS, fresh=False, **{**given, "metric": "loss"})
    model.initialise(0)
    at_zero = sb.cross_validate(model, X, LABELS, fresh=False, **{**given, "metric": "loss"})
    assert fresh.scores.shape == there.scores.shape == (1, 3)
    assert not np.array_equal(same.scores, at_zero.scores)
    model.parameters.restore(before)


def test_a_fit_that_diverges_is_infinitely_bad() -> None:
    model = ridge(3)
    grid: dict[str, Any] = {"rate": [1e6, 1e-3]}
    grid["rate"] = (np.float64(rate) for rate in grid["rate"])  # any iterable, once
    found = sb.cross_validate(model, X, X[:, 0], grid=grid, folds=3, epochs=40, batch_size=None,
                              optimizer=SGD(1.0))
    assert np.isinf(found.means[0])
    assert found.best == {"rate": 1e-3}
    assert type(found.best["rate"]) is float
    assert "inf" in found.text
    with pytest.raises(Diverged, match="fits diverged with every choice"):
        sb.cross_validate(model, X, X[:, 0], grid={"rate": [1e6]}, folds=3, epochs=40,
                          batch_size=None, optimizer=SGD(1.0))


def test_table_and_plot_show_errors_over_the_grid() -> None:
    points = tuple({"lam": lam, "rate": rate} for lam in (0.01, 0.1, 1.0) for rate in (1, 2))
    scores = np.arange(18.0).reshape(6, 3)[::-1]
    table = CrossValidation(points, scores, "mean_squared_error", False, {})
    assert table.chosen == 5
    lines = str(table).splitlines()
    assert lines[0].split() == ["lam", "rate", "mean_squared_error", "s.e."]
    assert lines[6].split() == ["1", "2", "1", "0.577", "best"]
    axes = table.plot(Figure().subplots())
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "lam"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"rate = 1", "rate = 2", "chosen: lam = 1"} == set(labels)
    words = CrossValidation(({"kind": "a"}, {"kind": "b"}), scores[:2], "accuracy", True, {})
    assert words.best == {"kind": "a"}
    words.plot(Figure().subplots())


@pytest.mark.parametrize(("given", "error", "words"), [
    ({"grid": {}}, TrainingError, ["grid must be a dictionary"]),
    ({"grid": [0.1]}, TrainingError, ["grid must be a dictionary", "[0.1]"]),
    ({"grid": {"lam": 0.1}}, TrainingError, ["'lam' needs a list of values, found 0.1"]),
    ({"grid": {"lam": []}}, TrainingError, ["needs a list of values"]),
    ({"grid": {"lam": "abc"}}, TrainingError, ["needs a list of values"]),
    ({"grid": {"mu": [1]}}, TrainingError,
     ["nothing named 'mu'", "lam,", "momentum,", "rate,", "epochs, batch_size"]),
    ({"grid": {"lam": ["a"]}}, InputError, ["the hyper lam", "'a'"]),
    ({"grid": {"rate": [0.1, -1]}}, TrainingError, ["SGD: rate must be a number above 0"]),
    ({"optimizer": Adam(), "grid": {"momentum": [0.9]}}, TrainingError, ["nothing named"]),
    ({"folds": 1}, TrainingError, ["folds must be a whole number, at least 2; found 1"]),
    ({"folds": 49}, TrainingError, ["49"]),
    ({"folds": None}, TrainingError, ["folds must be a whole number", "None"]),
    ({"folds": "ten"}, TrainingError, ["folds must be"]),
    ({"folds": [([0], [99]), ([0], [1])]}, TrainingError, ["rows are numbers from 0 to 47"]),
    ({"metric": "acc"}, TrainingError, ["unknown metric 'acc'"]),
    ({"metric": lambda truth: 0}, TrainingError, ["does not take two arguments"]),
    ({"metric": lambda truth, found: "x"}, TrainingError, ["must return one number"]),
    ({"seed": None}, TrainingError, ["seed must be a whole number"]),
    ({"epochs": 0}, TrainingError, ["epochs must be a whole number"]),
    ({"lam": 0.1}, TrainingError, ["fit has no setting 'lam'"]),
    ({"X": X[:, :2]}, InputError, ["x"]),
    ({"Y": LABELS + 3}, InputError, ["labels 0 … 1"]),
])
def test_what_does_not_fit_is_refused(model: Model, given: dict[str, Any], error: Any,
                                      words: list[str]) -> None:
    before = model.parameters.copy()
    with pytest.raises(error) as caught:
        sb.cross_validate(model, **{"X": X, "Y": LABELS, "grid": {"lam": [0.0]}, "folds": 3,
                                    **FIT, **given})
    assert all(word in str(caught.value) for word in words), caught.value
    np.testing.assert_array_equal(model.parameters["W1"], before["W1"])



def test_a_measure_that_is_nan_is_never_chosen_whether_less_or_more_is_better() -> None:
    nan = float("nan")
    scores = np.array([[0.2, 0.3], [nan, 1.0], [0.5, 0.4]])
    points = tuple({"lam": lam} for lam in (1, 2, 3))
    for maximised, best in ((False, 1), (True, 3)):
        table = CrossValidation(points, scores, "m", maximised, {})
        assert table.best == {"lam": best}


def test_a_function_is_maximised_where_one_says_so_and_nan_is_infinitely_bad() -> None:
    model = ridge(3)

    def closeness(truth: Any, found: Any) -> float:
        value = -float(np.mean((truth - found)**2))
        return value if np.abs(found).max() > 1e-4 else float("nan")

    given: dict[str, Any] = {"grid": {"rate": [1e-9, 1e-4, 1e-2]}, "folds": 3, "epochs": 20,
                             "optimizer": SGD(1.0), "metric": closeness, "fresh": False}
    model.parameters.update({"w": np.zeros(3), "b": 0})
    found = sb.cross_validate(model, X, X[:, 0], maximised=True, refit=False, **given)
    assert found.maximised
    assert found.best == {"rate": 1e-2}
    assert found.means[0] == -np.inf
    with pytest.raises(TrainingError, match="maximised must be True, False or None"):
        sb.cross_validate(model, X, X[:, 0], maximised=1, **given)  # type: ignore[arg-type]


def test_a_hyper_of_the_grid_needs_no_value_beforehand() -> None:
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", sb.size("N"), 1)
    line = sb.layers.dense(x, 1)
    loss = sb.losses.squared_error(line, y) + sb.penalties.l2(sb.hyper("strength"))
    model = Model(inputs=x, targets=y, output=line, loss=loss)
    found = sb.cross_validate(model, X, X[:, 0], grid={"strength": [0.1, 0.01]}, folds=2, epochs=1)
    assert model.hypers["strength"] == found.best["strength"]


def test_a_model_without_rows_is_told_so_first() -> None:
    w = sb.parameter("w", 3)
    with pytest.raises(TrainingError, match="no batch axis, so no rows to hold out"):
        sb.cross_validate(Model(inputs=None, loss=(w**2).sum()), None, grid={"epochs": [1]})


def test_the_measure_may_be_that_of_one_output_of_several() -> None:
    n, j = sb.indices("n j", sb.size("N"), 1)
    x, y = sb.data("x", sb.size("N"), 3), sb.data("y", n, 2, facts=["one_hot"])
    v, k = sb.data("v", n, 1), y.letters[1]
    h = sb.layers.dense(x, 4, "tanh")
    p = sb.define("p", (n, k), sb.softmax(sb.layers.dense(h, 2))[n, k])
    q = sb.define("q", (n, j), sb.layers.dense(h, 1)[n, j])
    model = Model(x, [y, v], [p, q],
                  sb.losses.cross_entropy(p, y) + sb.losses.squared_error(q, v))
    given: dict[str, Any] = {"grid": {"epochs": [1, 2]}, "folds": 3, "refit": False}
    found = sb.cross_validate(model, X, [LABELS, X[:, 0]], metric={"p": "accuracy"}, **given)
    assert (found.metric, found.maximised) == ("p_accuracy", True)
    for asked in (None, {"q": ["r2", "mean_squared_error"]}):
        with pytest.raises(TrainingError, match=r"asks for 2; write metric=\"loss\", or e\.g\. "
                                                r"metric={'p': \"mean_squared_error\"}"):
            sb.cross_validate(model, X, [LABELS, X[:, 0]], metric=asked, **given)
