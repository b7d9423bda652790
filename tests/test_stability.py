"""Hand-written softmax, sigmoid and their relatives: finite and exact at logits of ten thousand.

What a form means is known at fifty digits; the interpreter computes in float64 on the simplified
program, the kernel in float32.  Names, letters, extents and values are drawn at random.
"""

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Sum, log

import symbackprop as sb
from symbackprop.collect import program
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.simplification import simplify
from tests.support.disguises import (
    LOG_SOFTMAX,
    LOG_SUM,
    SCALARS,
    SOFTMAX,
    Writer,
    vector_reference,
)

VECTORS = {"softmax": SOFTMAX, "log_softmax": LOG_SOFTMAX, "log_sum": LOG_SUM}
ROWS = 6


def close(found: np.ndarray, exact: np.ndarray, dtype: type) -> None:
    """Within four units in the last place, or 1e-7 in absolute terms.

    In float64 within 1e-11: the interpreter rounds a log-sum-exp of 1e4 to one number.
    """
    expected = exact.astype(np.longdouble)
    unit = np.spacing(np.abs(expected).astype(dtype)).astype(np.longdouble)
    allowed = np.maximum(4*unit, 1e-7 if dtype is np.float32 else 1e-11)
    assert np.isfinite(found).all(), found
    gap = np.abs(found.astype(np.longdouble) - expected)
    assert (gap <= allowed).all(), (found, expected.astype(float), (gap/allowed).max())


def logits(rng: np.random.Generator, classes: int) -> np.ndarray:
    """Rows of ±1e4: spread, all alike, one apart, near each other; all are float32 numbers."""
    spread = rng.normal(size=(ROWS, classes))
    z = np.round(spread*1e4)
    z[1], z[2] = 1e4 + np.round(4*spread[1])/4, -1e4 + np.round(4*spread[2])/4
    z[3], z[4] = 1e4, -1e4
    z[5] = np.round(4*spread[5])/4
    z[4, rng.integers(classes)] = 1e4
    return z.astype(np.float32).astype(float)


def both(outputs: list, given: dict[str, np.ndarray]) -> list[tuple[type, list[np.ndarray]]]:
    """The values of outputs by the interpreter in float64 and by the kernel in float32."""
    simple = simplify(normalise(program(outputs)))
    read = {t.name: given[t.name] for t in simple.inputs}
    arrays = evaluate(simple, read)
    asked = {t.name: given[t.name] for t in program(outputs).inputs}
    kernel = sb.compile(outputs, dtype="float32")
    return [(np.float64, [arrays[t] for t in simple.outputs]), (np.float32, kernel(**asked))]


def draws(seed: int, kind: str, form: str) -> np.random.Generator:
    return np.random.default_rng([seed, *f"{kind} {form}".encode()])


@pytest.mark.parametrize(("kind", "form"), [(k, f) for k, forms in VECTORS.items() for f in forms])
def test_a_form_of_softmax_and_its_gradient_keep_their_digits_at_ten_thousand(
    kind: str, form: str, seed: int
) -> None:
    rng = draws(seed, kind, form)
    classes = int(rng.integers(2, 6))
    w = Writer(rng, sb.size("N"), classes)
    entry = VECTORS[kind][form](w, w.z[w.n, w.k])
    y = sb.data("labels", w.n, w.k, facts=[sb.one_hot(w.k)])
    inside = log(entry) if kind == "softmax" else entry
    loss = sb.define("loss", (), Sum(inside, w.n) if kind == "log_sum"
                     else -Sum(y[w.n, w.k]*inside, w.n, w.k))
    gradient = sb.derive(loss, [w.z]).gradient(w.z)
    z, labels = logits(rng, classes), rng.integers(0, classes, ROWS)
    given = {w.z.name: z, "labels": np.eye(classes)[labels],
             w.shift.name: np.round(rng.normal(size=ROWS)*4)}
    with mpmath.workdps(50):
        scale = mpmath.mpf(str(sympy.N(w.scale, 50)))
        rows = [vector_reference(kind, [scale*mpmath.mpf(float(a)) for a in row], int(label))
                for row, label in zip(z, labels, strict=True)]
        values = np.array([[np.longdouble(str(v)) for v in f] for f, _ in rows])
        slopes = np.array([[np.longdouble(str(scale*v)) for v in g] for _, g in rows])
    values = values[:, 0] if kind == "log_sum" else values
    for dtype, (found, slope) in both([entry.tensor, gradient], given):
        close(found, values, dtype)
        close(slope, slopes, dtype)


@pytest.mark.parametrize(("kind", "form"), [(k, f) for k, row in SCALARS.items() for f in row[0]])
def test_a_form_of_sigmoid_and_its_gradient_keep_their_digits_at_ten_thousand(
    kind: str, form: str, seed: int
) -> None:
    rng = draws(seed, kind, form)
    classes = int(rng.integers(2, 6))
    w = Writer(rng, sb.size("N"), classes)
    forms, function, derivative = SCALARS[kind]
    entry = w.define(forms[form](w, w.z[w.n, w.k]))
    loss = sb.define("loss", (), Sum(entry, w.n, w.k))
    gradient = sb.derive(loss, [w.z]).gradient(w.z)
    z = logits(rng, classes)
    given = {w.z.name: z, w.shift.name: 1 + np.arange(ROWS)/2}
    with mpmath.workdps(50):
        values, slopes = (
            np.array([[np.longdouble(mpmath.nstr(f(mpmath.mpf(float(a))), 40)) for a in row]
                      for row in z]) for f in (function, derivative))
    for dtype, (found, slope) in both([entry.tensor, gradient], given):
        close(found, values, dtype)
        close(slope, slopes, dtype)


def reference_losses(kind: str) -> list[tuple]:
    """(y, raw prediction, loss, gradient, second derivative) from scikit-learn's own test."""
    module = pytest.importorskip("sklearn._loss.tests.test_loss")
    (mark,) = (m for m in module.test_loss_on_specific_values.pytestmark
               if m.name == "parametrize")
    return [row[1:] for row in mark.args[1] if type(row[0]).__name__ == kind]


def by_both(outputs: list, given: dict[str, np.ndarray]) -> list[list[float]]:
    """The values of outputs in float64, by the interpreter and by the kernel."""
    simple = simplify(normalise(program(outputs)))
    arrays = evaluate(simple, {t.name: given[t.name] for t in simple.inputs})
    asked = {t.name: given[t.name] for t in program(outputs).inputs}
    kernel = sb.compile(outputs, dtype="float64")
    return [[float(np.sum(arrays[t])) for t in simple.outputs],
            [float(np.sum(value)) for value in kernel(**asked)]]


OWN_SIGMOIDS = {
    "sigmoid": sb.sigmoid, "own": lambda t: 1/(1 + sb.exp(-t)),
    "quotient": lambda t: sb.exp(t)/(1 + sb.exp(t)), "tanh": lambda t: (1 + sb.tanh(t/2))/2,
}


@pytest.mark.parametrize("form", OWN_SIGMOIDS)
def test_binary_losses_meet_the_reference_values_of_scikit_learn(form: str) -> None:
    rows = reference_losses("HalfBinomialLoss")
    assert len(rows) >= 15
    t, y = sb.parameter("t", sb.size("N")), sb.data("y", sb.size("N"))
    loss = sb.losses.binary_cross_entropy(OWN_SIGMOIDS[form](t), y)
    first = sb.derive(loss, [t]).gradient(t)
    letter = first.letters
    second = sb.derive(sb.define("slope", (), Sum(first[letter], *letter)), [t]).gradient(t)
    for target, raw, *expected in rows:
        given = {"t": np.array([raw]), "y": np.array([target])}
        for found in by_both([loss, first, second], given):
            for value, exact in zip(found, expected, strict=True):
                if exact is not None:
                    assert value == pytest.approx(exact, rel=1e-15, abs=1e-15), (target, raw)


@pytest.mark.parametrize("form", ["softmax", "log_softmax"])
def test_multinomial_losses_meet_the_reference_values_of_scikit_learn(form: str) -> None:
    rows = reference_losses("HalfMultinomialLoss")
    assert len(rows) >= 4
    z = sb.parameter("z", sb.size("N"), 3)
    y = sb.data("y", sb.size("N"), facts=[sb.label(3)])
    p = sb.softmax(z) if form == "softmax" else sb.exp(sb.log_softmax(z))
    loss = sb.losses.cross_entropy(p, y)
    for target, raw, exact, *_ in rows:
        given = {"z": np.array([raw], float), "y": np.array([int(target)])}
        for (found,) in by_both([loss], given):
            assert found == pytest.approx(exact, rel=1e-15, abs=1e-15), (target, raw)


EVENTS = {  # −y·log p − (1 − y)·log(1 − p) with p = 1 − exp(−e^z)
    "by the survivor": lambda p, y, z: -y*log(p) + (1 - y)*sympy.exp(z),
    "by both": lambda p, y, z: -y*log(p) - (1 - y)*log(1 - p),
    "with a rate": lambda p, y, z: -y*log(1 - sympy.exp(-2*sympy.exp(z - log(2)))) + (
        1 - y)*sympy.exp(z),
}


def cloglog(z: float, y: float) -> tuple[np.longdouble, np.longdouble]:
    """The loss of a cloglog regression and its derivative by the predictor, at 60 digits."""
    with mpmath.workdps(60):
        u = mpmath.exp(z)
        event = mpmath.log(-mpmath.expm1(-u)) if u < 1e5 else mpmath.mpf(0)
        slope = u/mpmath.expm1(u) if u < 1e5 else mpmath.mpf(0)
        rest = (1 - y)*u if y != 1 else 0
        return np.longdouble(str(rest - y*event)), np.longdouble(str(rest - y*slope))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("form", EVENTS)
def test_a_cloglog_regression_is_finite_and_exact_where_a_probability_underflows(
    form: str, named: bool
) -> None:
    n = sb.indices("n", sb.size("N"))
    z, y = sb.parameter("z", n), sb.data("y", n)
    p = 1 - sympy.exp(-sympy.exp(z[n]))
    p = sb.define("p", (n,), p)[n] if named else p
    entry = sb.define("entry", (n,), EVENTS[form](p, y[n], z[n]))
    slope = sb.derive(sb.define("L", (), Sum(entry[n], n)), [z]).gradient(z)
    at = [-1e4, -800.0, -88.0, -50.0, -20.5, -19.5, -5.0, -0.375, -0.25, 0.0, 1.5, 5.0, 50.0]
    for label in (0.0, 0.25, 1.0):
        given = {"z": np.array(at), "y": np.full(len(at), label)}
        exact = np.array([cloglog(place, label) for place in at]).T
        for dtype, found in both([entry, slope], given):
            for values, expected in zip(found, exact, strict=True):
                small = np.abs(expected) < 1e-300 if dtype is np.float64 else np.abs(expected) < (
                    1e-30)
                relative = np.maximum(np.abs(expected), 1e-300)
                gap = np.abs(values.astype(np.longdouble) - expected)/relative
                digits = 4e-14 if dtype is np.float64 else 2e-5  # 148·ε, of the exponent at 5
                assert np.isfinite(values).all()
                assert ((gap <= digits) | small).all(), (form, label, dtype, values, expected)


def test_the_logarithm_of_a_cloglog_probability_is_exact_at_ten_thousand() -> None:
    n = sb.indices("n", sb.size("N"))
    z, y = sb.parameter("z", n), sb.data("y", n)
    entry = sb.define("entry", (n,), -y[n]*log(1 - sympy.exp(-sympy.exp(z[n]))))
    slope = sb.derive(sb.define("L", (), Sum(entry[n], n)), [z]).gradient(z)
    given = {"z": np.array([-1e4, 1e4, 1e4, 710.0]), "y": np.array([2.0, 1.0, 0.0, 1.0])}
    for _, (values, slopes) in both([entry, slope], given):
        np.testing.assert_array_equal(values, [2e4, 0, 0, 0])
        np.testing.assert_array_equal(slopes, [-2, 0, 0, 0])


def test_without_its_name_a_double_exponential_underflows() -> None:
    z = np.array([-800.0])
    with np.errstate(divide="ignore"):
        assert np.isneginf(np.log(-np.expm1(-np.exp(z))))
