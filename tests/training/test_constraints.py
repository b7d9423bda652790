"""Constraints hold after every step of any optimizer, in a saved model too."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from scipy.optimize import nnls
from sklearn.linear_model import Lasso
from sympy import Sum, sqrt

import symbackprop as sb
from symbackprop.errors import DerivationError, ProgramError, TrainingError
from tests.training.test_proximal_training import OUTPUTS, P, regression, samples

C, O = sb.constraints, sb.optimizers


def widths(W: Any) -> Any:
    return np.linalg.norm(W, axis=0)


CONSTRAINTS: dict[str, tuple[Any, Any]] = {
    "nonnegative": (lambda: C.nonnegative(), lambda W, b: (W >= 0).all() and (b < 9).all()),
    "box": (lambda: C.box(-0.2, 0.3), lambda W, b: (W >= -0.2).all() and (W <= 0.3).all()),
    "box of a bias": (lambda: C.box(None, 0.5, "b1"), lambda W, b: (b <= 0.5).all()),
    "max norm": (lambda: C.max_norm(0.5), lambda W, b: (widths(W) <= 0.5 * (1 + 1e-15)).all()),
    "max norm of rows": (lambda: C.max_norm(0.2, axis=1),
                         lambda W, b: (widths(W.T) <= 0.2 * (1 + 1e-15)).all()),
    "norm": (lambda: C.norm(0.7), lambda W, b: (W**2).sum() <= 0.7 * (1 + 1e-15)),
    "norm of both": (lambda: C.norm(0.7, "W1", "b1"),
                     lambda W, b: (W**2).sum() + (b**2).sum() <= 0.7 * (1 + 1e-15)),
    "two": (lambda: [C.nonnegative(), C.max_norm(0.5)],
            lambda W, b: (W >= 0).all() and (widths(W) <= 0.5 * (1 + 1e-15)).all()),
}


@pytest.mark.parametrize("optimizer", [O.Adam(0.3), O.ProximalSGD(0.3, momentum=0.5)],
                         ids=["adam", "proximal"])
def test_constraints_hold_after_every_step_of_any_optimizer(optimizer: Any) -> None:
    check_after_every_step("two", optimizer)


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_every_constraint_holds_after_every_step(name: str) -> None:
    check_after_every_step(name, O.SGD(0.3))


def check_after_every_step(name: str, optimizer: Any) -> None:
    make, holds = CONSTRAINTS[name]
    X, Y = samples()
    model = regression(P.l1(0.01), OUTPUTS, constraints=make())
    for _ in range(6):
        model.fit(X, Y, epochs=1, batch_size=None, optimizer=optimizer)
        assert holds(model.parameters["W1"], model.parameters["b1"])


def test_least_squares_with_nonnegative_weights_are_those_of_scipy() -> None:
    X, Y = samples()
    model = regression(P.l1(0), constraints=C.nonnegative())
    model.fit(X, Y[:, :1], epochs=3000, batch_size=None, optimizer=O.SGD(0.3))
    known, _ = nnls(X - X.mean(0), Y[:, 0] - Y[:, 0].mean())
    found = model.parameters["W1"][:, 0]
    assert found == pytest.approx(known, abs=1e-8)
    assert ((found == 0) == (known == 0)).all()


def test_the_hard_bound_of_a_norm_is_the_soft_one_of_some_strength() -> None:
    """Lecture 004: min L subject to ‖w‖² ≤ B is min L + λ/2 ‖w‖² for the λ of that solution."""
    X, Y = samples()
    hard = regression(P.l2(0), constraints=C.norm(0.7))
    hard.fit(X, Y[:, :1], epochs=4000, batch_size=None, optimizer=O.SGD(0.3))
    W = hard.parameters["W1"]
    assert (W**2).sum() == pytest.approx(0.7, rel=1e-12)
    slope = hard.gradients(X, Y[:, :1])["W1"]
    strength = -(slope * W).sum() / (W**2).sum()
    assert strength > 0
    soft = regression(P.l2(strength / 2))
    soft.fit(X, Y[:, :1], epochs=4000, batch_size=None, optimizer=O.SGD(0.3))
    assert soft.parameters["W1"] == pytest.approx(W, abs=1e-8)


def test_bounds_are_hypers_that_change_at_run_time() -> None:
    X, Y = samples()
    model = regression(P.l1(0), constraints=C.box(-0.2, 0.3))
    assert model.hypers["lo"] == -0.2
    for low, high in ((-0.2, 0.3), (-0.1, 0.1), (0.2, 0.6)):
        model.hypers["lo"], model.hypers["hi"] = low, high
        model.fit(X, Y[:, :1], epochs=20, batch_size=None, optimizer=O.SGD(0.3))
        assert model.parameters["W1"].min() == low
        assert model.parameters["W1"].max() <= high
    assert len(model._core.kernels._trainers._kernels) == 1
    model.hypers["lo"] = 0.7
    with pytest.raises(DerivationError, match="allows no w"):
        model.fit(X, Y[:, :1], optimizer=O.SGD(0.3))


def test_penalty_and_constraint_of_one_tensor_are_minimised_as_one() -> None:
    X, Y = samples()
    model = regression(P.l1(0.2), constraints=C.nonnegative())
    model.fit(X, Y[:, :1], epochs=3000, batch_size=None, optimizer=O.ProximalSGD(0.3))
    known = Lasso(alpha=0.2, positive=True, tol=1e-14, max_iter=10**6).fit(X, Y[:, 0])
    assert model.parameters["W1"][:, 0] == pytest.approx(known.coef_, abs=1e-8)
    assert ((model.parameters["W1"][:, 0] == 0) == (known.coef_ == 0)).all()


def test_a_condition_of_the_users_own_is_kept() -> None:
    X, Y = samples()
    x, y = sb.data("x", sb.size("N"), 12), sb.data("y", sb.size("N"), OUTPUTS)
    W = sb.parameter("W", 12, OUTPUTS)
    i, j = W.letters
    first_rows = C.Custom(sqrt(Sum(W[i, j]**2, (i, 0, 3))) <= 0.4)  # for every j, of four inputs
    model = sb.Model(inputs=x, targets=y, output=x @ W, dtype="float64", constraints=[first_rows],
                     loss=sb.losses.squared_error(x @ W, y))
    model.fit(X, Y, epochs=30, batch_size=None, optimizer=O.SGD(0.1))
    found = model.parameters["W"]
    assert np.linalg.norm(found[:4], axis=0) == pytest.approx(0.4, rel=1e-12)
    free = np.linalg.lstsq(X[:, 4:], Y - X[:, :4] @ found[:4], rcond=None)[0]
    model.fit(X, Y, epochs=3000, batch_size=None, optimizer=O.SGD(0.1))
    assert np.linalg.norm(model.parameters["W"][:4], axis=0).max() <= 0.4 * (1 + 1e-15)
    assert abs(free).max() > 0


def test_a_bound_may_be_fixed_data() -> None:
    X, Y = samples()
    x, y = sb.data("x", sb.size("N"), 12), sb.data("y", sb.size("N"), OUTPUTS)
    W, most = sb.parameter("W", 12, OUTPUTS), sb.data("most", 12)
    i, j = W.letters
    loss, kept = sb.losses.squared_error(x @ W, y), C.Custom(W[i, j] <= most[i])
    with pytest.raises(ProgramError, match="a constraint reads the data most"):
        sb.Model(inputs=x, targets=y, loss=loss, constraints=kept)
    model = sb.Model(inputs=[x, most], targets=y, loss=loss, constraints=kept, dtype="float64")
    bounds = np.linspace(-0.1, 0.2, 12)
    model.fit([X, bounds], Y, epochs=20, optimizer=O.SGD(0.1))
    W = model.parameters["W"]
    assert (W <= bounds[:, np.newaxis]).all()
    assert (W == bounds[:, np.newaxis]).any()


def test_a_frozen_tensor_is_left_alone() -> None:
    X, Y = samples()
    model = regression(P.l1(0.1), OUTPUTS, constraints=C.box(-0.01, 0.01))
    before = model.parameters["W1"].copy()
    model.fit(X, Y, epochs=1, optimizer=O.SGD(0.1), frozen="W1")
    assert (model.parameters["W1"] == before).all()
    joint = regression(P.l1(0.1), OUTPUTS, constraints=C.norm(1, "W1", "b1"))
    with pytest.raises(TrainingError, match="only a part is trained"):
        joint.fit(X, Y, optimizer=O.SGD(0.1), frozen="W1")


def test_a_saved_model_and_a_copy_keep_their_constraints(tmp_path: Path) -> None:
    X, Y = samples()
    model = regression(P.l1(0.1), OUTPUTS, constraints=[C.nonnegative(), C.max_norm(0.5)])
    model.hypers["c"] = 0.25
    model.save(tmp_path / "m.safetensors")
    for again in (sb.Model.load(tmp_path / "m.safetensors"), copy.deepcopy(model)):
        assert again.hypers["c"] == 0.25
        again.fit(X, Y, epochs=1, batch_size=None, optimizer=O.SGD(0.3))
        W = again.parameters["W1"]
        assert (W >= 0).all()
        assert widths(W).max() == pytest.approx(0.25, rel=1e-12)


def test_a_model_that_diverges_says_so_in_spite_of_a_projection() -> None:
    X, Y = samples()
    model = regression(P.l1(0.1), constraints=C.nonnegative("b1"))
    with pytest.raises(TrainingError, match="diverged"):
        model.fit(1e6 * X, Y[:, :1], epochs=400, optimizer=O.SGD(1.0))


def test_an_optimizer_that_moves_parameters_by_itself_is_refused() -> None:
    X, Y = samples()
    model = regression(P.l2(0.1), constraints=C.nonnegative())
    with pytest.raises(TrainingError, match="knows no constraints"):
        model.fit(X, Y[:, :1], optimizer=O.LBFGS())


V = sb.parameter("V", 3)
REFUSED: list[tuple[Any, Any, str]] = [
    (lambda: "nonnegative", ProgramError, "constraints are values such as"),
    (lambda: [C.nonnegative], ProgramError, "constraints are values such as"),
    (lambda: C.nonnegative("W7"), ProgramError, "names 'W7'; the parameters of this loss are"),
    (lambda: C.nonnegative(V), ProgramError, "reads the parameter V"),
    (lambda: C.nonnegative(3), sb.DeclarationError, "takes tensors or their names, not 3"),
    (lambda: C.box(None, None), sb.DeclarationError, "a bound on one side"),
    (lambda: C.box(float("nan"), 1), sb.DeclarationError, "a finite real number"),
    (lambda: C.box("W1", 1), sb.DeclarationError, "a bound of a box comes first"),
    (lambda: C.max_norm(1, axis=5), sb.DeclarationError, "there is no axis 5"),
    (lambda: C.max_norm(-1), DerivationError, "allows no w at all"),
    (lambda: C.norm(-1), DerivationError, "allows no w at all|not convex"),
    (lambda: C.Custom(3), sb.DeclarationError, "is no condition"),
    (lambda: C.Custom(V[0] > 0), sb.DeclarationError, "is not closed"),
    (lambda: C.Custom(sympy.Eq(V[0], 0)), sb.DeclarationError, "has no inside"),
    (lambda: C.Custom(sb.hyper("h") >= 0), sb.DeclarationError, "reads no parameter"),
    (lambda: [C.max_norm(1), C.max_norm(1, axis=1)], DerivationError, "overlap"),
    (lambda: [C.max_norm(1), C.box(-1, 1)], DerivationError, "only where a function doubles"),
]


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED)
def test_a_constraint_that_makes_no_sense_is_refused_by_the_model(make: Any, kind: Any,
                                                                  message: str) -> None:
    with pytest.raises(kind, match=message):
        regression(P.l1(0.1), OUTPUTS, constraints=make())


def test_a_slope_that_a_layer_made_is_named_where_it_has_no_axis() -> None:
    bent = sb.prelu(sb.data("x", sb.size("N"), 3))
    loss = sb.losses.squared_error(bent, sb.data("y", sb.size("N"), 3))
    with pytest.raises(sb.DeclarationError, match="and alpha is one number"):
        sb.Model(inputs="x", targets="y", loss=loss, constraints=C.max_norm(1, "alpha1"))


@pytest.mark.parametrize(("make", "words"), [
    (lambda: C.box(1, -1, "W1"), [
        "the constraint box (declared at ", "test_constraints.py:",
        "(W1[i,j] ≥ lo) and (W1[i,j] ≤ hi)",
        "where lo = 1, hi = -1: ", "write one that some w keeps"]),
    (lambda: C.max_norm(-1), ["the constraint max_norm (declared at ", "where c = -1", "write"]),
    (lambda: [C.max_norm(1), C.box(-1, 1)], [
        "the constraint max_norm (declared", "the constraint box (declared", "keep one of them"]),
])
def test_a_refused_constraint_is_named_with_its_place_and_a_remedy(make: Any, words: list[str]
                                                                   ) -> None:
    with pytest.raises(DerivationError) as caught:
        regression(P.l2(0.1), OUTPUTS, constraints=make())
    message = str(caught.value)
    assert [word for word in words if word not in message] == []
    assert "Piecewise" not in message


@pytest.mark.parametrize("penalty", [P.l1(0.1), P.l2(0.1)])
def test_bounds_that_nothing_keeps_are_refused_in_fit_with_the_hypers_to_set(penalty: Any) -> None:
    model = regression(penalty, constraints=[C.nonnegative("b1"), C.box(-1, 1, "W1")])
    model.hypers["hi"] = -5
    X, Y = samples()
    before = np.array(model.parameters["W1"])
    with pytest.raises(DerivationError, match=(
            r"the constraint box .*where lo = -1, hi = -5: .*"
            r"set model.hypers\['lo'\] or model.hypers\['hi'\]")):
        model.fit(X, Y[:, :1], epochs=1, optimizer=O.ProximalSGD(0.1))
    np.testing.assert_array_equal(model.parameters["W1"], before)


def test_one_norm_bounds_the_channels_of_a_kernel_and_the_units_of_a_dense_layer() -> None:
    x, y = sb.data("x", sb.size("N"), 2, 5, 5), sb.data("y", sb.size("N"), 3)
    h = sb.layers.flatten(sb.layers.convolution(x, 4, 3, "relu"))
    out = sb.layers.dense(h, 3)
    model = sb.Model(inputs=x, targets=y, output=out, loss=sb.losses.squared_error(out, y),
                     constraints=[C.max_norm(0.25)], dtype="float64")
    random = np.random.default_rng(0)
    model.fit(random.normal(size=(30, 2, 5, 5)), 5 + random.normal(size=(30, 3)), epochs=2,
              batch_size=10, optimizer=sb.optimizers.SGD(0.1), verbose=False)
    channels = np.sqrt((model.parameters["W1"]**2).sum((1, 2, 3)))
    units = np.sqrt((model.parameters["W2"]**2).sum(0))
    assert channels.max() == pytest.approx(0.25)
    assert units.max() == pytest.approx(0.25)
