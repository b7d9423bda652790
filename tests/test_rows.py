"""Every row of every table has its five: identity, condition, reason, examples and checks."""

import mpmath
import numpy as np
import pytest
from sympy import Expr, Piecewise, Sum, Symbol

import symbackprop as sb
from symbackprop.backprop import adjoints
from symbackprop.collect import program
from symbackprop.interpreter import evaluate
from symbackprop.normal import normalise
from symbackprop.notation import Program, Tensor
from symbackprop.printing.film import frames
from symbackprop.rewriting import Rule, Step
from symbackprop.rules.derivatives import DERIVATIVES, Derivative
from symbackprop.rules.indices import IndexRule
from symbackprop.rules.known import Passage
from symbackprop.rules.sums import RENAMED
from symbackprop.rules.tables import TABLES
from symbackprop.rules.totals import Totals
from symbackprop.simplification import simplify
from tests.support.row_programs import CLASSES, CONTROLS, PROGRAMS, ROWS, WIDTH, Names
from tests.test_steps import derived

EVERY = [row for table in TABLES for row in table.rows]


def drawn(w: Names, rng: np.random.Generator, scale: float) -> dict[Tensor, np.ndarray]:
    """Values for all that a program may read; logits of a scale, one row alike."""
    z = np.round(rng.normal(size=(ROWS, CLASSES))*scale, 3)
    z[0], mask = scale, (rng.random((ROWS, CLASSES)) < 0.6).astype(float)
    mask[:, 1], mask[1] = 1.0, (0.0, 1.0, 0.0, 1.0)
    z[1, 0] = scale
    square = rng.normal(size=(CLASSES, CLASSES))
    labels = rng.integers(0, CLASSES, ROWS)
    x = np.round(rng.normal(size=(ROWS, WIDTH)), 3)
    x[2] = 0.0
    return {w.z: z, w.x: x, w.u: rng.random((ROWS, CLASSES)) + 0.5, w.m: mask,
            w.hot: np.eye(CLASSES)[labels], w.label: labels, w.wide: 2*labels,
            w.square: square + square.T, w.plain: square}


def values(whole: Program, given: dict[Tensor, np.ndarray], digits: int | None = None) -> list:
    read = {t: given.get(t, np.ones((ROWS, CLASSES) if t.rank else ())) for t in whole.inputs}
    found = evaluate(whole, {t.name: value for t, value in read.items()}, digits)
    return [found[t] for t in whole.outputs]


def gradient(whole: Program, loss: Tensor, wrt: list[Tensor]) -> Program:
    """The definitions of the derivative, as the chain rule gives them."""
    made, found = adjoints(whole, loss, wrt)
    return Program((*whole.definitions, *made), tuple(found.values()))


def read_parameters(whole: Program) -> list[Tensor]:
    return [t for t in whole.inputs if t.role == "parameter"]


def test_every_row_says_what_when_and_why_and_has_its_own_name() -> None:
    names = [row.name for row in EVERY]
    assert len(set(names)) == len(names) > 80
    for row in EVERY:
        assert str(row.left), row.name
        assert str(row.right) != str(row.left), row.name
        assert len(row.why) > 3, row.name
        conditional = isinstance(row, (IndexRule, Passage)) or (
            isinstance(row, Rule) and row.when is not None)
        assert row.where or not conditional, f"{row.name} does not say when it holds"


def test_every_row_about_sums_and_definitions_has_a_program_and_a_near_miss() -> None:
    named = {row.name for row in EVERY if isinstance(row, (IndexRule, Passage))}
    assert set(PROGRAMS) == named - {RENAMED.name}  # an engine has definitions for sums: see below
    assert set(CONTROLS) <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_row_fires_under_any_names_keeps_fifty_digits_and_leaves_a_near_miss(
    name: str, seed: int
) -> None:
    rng = np.random.default_rng([seed, *name.encode()])
    for place, build in enumerate(PROGRAMS[name]):
        w = Names(rng)
        loss = build(w)
        declared = program(loss)
        wrt = read_parameters(declared)
        steps: list[Step] = []
        simple = simplify(normalise(declared), keep=wrt, steps=steps)
        told = steps if name == "read once" else derived(loss, wrt)[0]  # δ = 1 is read once
        assert (name in {step.rule for step in told}) == (place == 0), [s.rule for s in told]
        given = {t: np.abs(v) if name == "masked branch" else v
                 for t, v in drawn(w, rng, 2.0).items()}
        with mpmath.workdps(60):
            (before,), (after,) = (values(p, given, 60) for p in (declared, simple))
            assert mpmath.almosteq(before.item(), after.item(), rel_eps=mpmath.mpf(10)**-50)


@pytest.mark.parametrize("name", CONTROLS)
def test_without_the_row_a_gradient_is_wrong_at_ten_thousand_and_with_it_is_right(
    name: str, seed: int
) -> None:
    rng = np.random.default_rng([seed, *name.encode()])
    w = Names(rng)
    loss = PROGRAMS[name][0](w)
    wrt = read_parameters(program(loss))
    given = drawn(w, rng, 1e4)
    if name == "shift cancelled":
        given[w.x] = given[w.x]*1e8
    normal = normalise(program(loss))
    naive = gradient(normal, loss, wrt)
    stable = sb.program([sb.derive(loss, wrt).gradient(t) for t in wrt])
    with np.errstate(all="ignore"):
        naively = values(naive, given)
        found = values(simplify(normalise(stable)), given)
    exact = values(simplify(normalise(stable)), given, 60)

    def close(arrays: list) -> bool:
        return all(np.allclose(a, e.astype(float), rtol=1e-9, atol=1e-11)
                   for a, e in zip(arrays, exact, strict=True))

    assert not close(naively), "the row is not needed here"
    assert close(found)


def test_alike_sums_are_written_with_the_same_letters_and_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = Names(rng)

    def alike(letter, wide=w.u) -> Expr:
        return Sum(wide[w.n, letter]*w.z[w.n, letter], (letter, letter.lower, letter.upper))

    written = 2*alike(w.k) + w.x[w.n, 0]*alike(w.j)
    ((name, after),) = list(frames(written, {}))[:1]
    assert name == "renamed"
    assert len(after.atoms(Sum)) == 1
    losses = [w.loss(side, w.n) for side in (written, after)]
    given = drawn(w, rng, 2.0)
    with mpmath.workdps(60):
        before, found = (values(normalise(program(loss)), given, 60)[0] for loss in losses)
        assert mpmath.almosteq(before.item(), found.item(), rel_eps=mpmath.mpf(10)**-50)
    for near in (alike(w.k) + alike(w.j, w.m), alike(w.k) + alike(w.k)*w.x[w.n, 0]):
        assert RENAMED.apply(near, (), Totals()) is None


def test_a_product_of_sums_is_computed_and_printed_as_two_sums() -> None:
    n, p, q = sb.indices("n p q", sb.size("N"), 3, 4)
    x, w, u = sb.data("x", n, p), sb.parameter("w", p), sb.parameter("u", q)
    t = sb.define("t", (n,), Sum(x[n, p]*w[p]*u[q], p, q))
    loss = sb.define("L", (), Sum(t[n], n))
    derivation = sb.derive(loss, [w, u])
    assert [len(d.over) for d in simplify(normalise(program(loss))) if d.op == "sum"] == [1, 1, 1]
    assert derivation.text("index") == (
        "∂L/∂w[p] = (Σ_q u[q])·Σ_n x[n,p]\n∂L/∂u[q] = Σ_{p,n} x[n,p]·w[p]")


@pytest.mark.parametrize("row", DERIVATIVES, ids=lambda row: row.name)
def test_a_local_derivative_is_the_limit_of_difference_quotients(row: Derivative) -> None:
    if row.function is Piecewise:
        return  # its arguments are pairs; random programs and the interpreter cover it
    places = [Symbol(f"t{k}", real=True) for k in range(3)]
    many = row.function.__name__ in ("Add", "Mul", "Max", "Min", "logaddexp")
    count = 3 if many else 2 if row.function.__name__ in (
        "Pow", "Mod", "xlogy", "leaky_relu", "KroneckerDelta") else 1
    if row.function.__name__ in ("Iverson", "KroneckerDelta"):
        assert row.apply(None, 0) == 0
        return
    node = row.function(*places[:count])
    at = dict(zip(places, (mpmath.mpf("0.71"), mpmath.mpf("1.37"), mpmath.mpf("0.44")),
                  strict=True))
    tensors = {place: sb.parameter(str(place)) for place in places}

    def value(expr, given) -> mpmath.mpf:
        target = sb.define("value", (), expr.xreplace(tensors))
        declared = program(target)
        read = {t.name: given[Symbol(t.name, real=True)] for t in declared.inputs}
        return evaluate(declared, read, 80)[target.tensor].item()

    with mpmath.workdps(80):
        for k in range(count):
            step = mpmath.mpf(10)**-26
            ahead, behind = ({**at, places[k]: at[places[k]] + side*step} for side in (1, -1))
            slope = (value(node, ahead) - value(node, behind))/(2*step)
            exact = value(row.apply(node, k), at)
            assert abs(slope - exact) < mpmath.mpf(10)**-48, (row.name, k)


