"""What the passes decide: which sums go to BLAS, in which order loops run, what shares memory."""

from dataclasses import replace

import numpy as np
import pytest
from sympy import Eq, Sum, tanh

import symbackprop as sb
from symbackprop.codegen.driver import kernel_of
from symbackprop.codegen.ir import Flat, Gemm, Kernel, Loop, Rows, Stage, walk
from symbackprop.codegen.lowering import lower
from symbackprop.codegen.schedule.contractions import contract
from symbackprop.codegen.schedule.hoisting import hoist
from symbackprop.codegen.schedule.inlining import inline
from symbackprop.codegen.schedule.order import reorder
from symbackprop.codegen.schedule.products import multiply
from symbackprop.codegen.schedule.starts import begin
from symbackprop.codegen.stability import Minus, stabilise
from symbackprop.codegen.verification import verify_kernel
from symbackprop.errors import CompilationError
from symbackprop.normal import normalise
from symbackprop.notation import Program, tensors_in
from symbackprop.simplification import simplify
from tests.codegen.cases import CASES, made, random

N = sb.size("N")


def normal(outputs: list) -> Program:
    return simplify(normalise(sb.program(outputs)))


def readable(program: Program) -> Program:
    """The program with separate subtractions written as the interpreter knows them."""
    return replace(program, definitions=tuple(
        replace(d, body=d.body.replace(Minus, lambda a, b: a - b)) for d in program))


def kernel(*outputs: object) -> Kernel:
    return kernel_of(normal(list(outputs)))


def gemms(found: Kernel) -> list[Gemm]:
    return [s for stage in found.stages for s, _ in walk(stage.statements) if isinstance(s, Gemm)]


def stage_of(found: Kernel, name: str) -> Stage:
    return next(s for s in found.stages if found.names[s.definition.target] == name)


def letters(stage: Stage) -> list[str]:
    """The indices of the deepest loop nest."""
    nests = [(*bound, *(s.indices if isinstance(s, Flat) else (s.index,)))
             for s, bound in walk(stage.statements) if isinstance(s, (Flat, Loop))]
    return [str(i) for i in max(nests, key=len)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("transform", [stabilise, contract, inline, hoist, begin])
def test_every_pass_over_programs_keeps_all_values(name: str, transform: object) -> None:
    made_case = made(name)
    program = normal(made_case.outputs)
    if transform is not stabilise:
        program = stabilise(program)
    changed = transform(program)
    given = {n: v for n, v in made_case.values.items() if n in program.names.values()}
    before, after = (sb.evaluate(readable(p), given) for p in (program, changed))
    for tensor in program.outputs:
        np.testing.assert_allclose(after[tensor], before[tensor], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_every_kernel_is_verified_and_prints_as_pseudo_code(name: str) -> None:
    found = kernel_of(normal(made(name).outputs))
    assert verify_kernel(found) is found
    for stage in found.stages:
        assert f"# {found.names[stage.definition.target]}" in str(found)


def test_products_in_any_layout_go_to_blas() -> None:
    found = kernel(*made("products in all four layouts").outputs)
    assert len(gemms(found)) == 5
    source = sb.compile(made("products in all four layouts").outputs).source
    assert all(f"gemm_{layout}(3, 4, 5, " in source for layout in ("nn", "nt", "tn", "tt"))


def test_groups_of_indices_are_flattened_and_batches_are_loops() -> None:
    found = kernel(*made("flattened and batched products").outputs)
    flat, inner, batched = gemms(found)
    assert [str(i) for i in flat.rows] == ["n", "t"]
    assert [str(i) for i in inner.inner] == ["n", "t"]
    assert [str(i) for i in batched.batch] == ["b"]
    assert letters(stage_of(found, "odd"))[-1] == "j"


def test_an_extent_that_is_a_sum_is_multiplied_as_a_whole() -> None:
    n, a, i, j = sb.indices("n a i j", 3, N + 1, 4, 5)
    x, w = sb.data("x", a, n, i), sb.parameter("W", i, j)
    draws = np.random.default_rng(0)
    given = {"x": draws.normal(size=(8, 3, 4)), "W": draws.normal(size=(4, 5)), "N": 7}
    agrees(sb.define("s", (a, n, j), Sum(x[a, n, i]*w[i, j], i)), given)
    agrees(sb.define("t", (a, n, i), tanh(x[a, n, i])), given)


def test_a_sum_of_three_factors_is_two_products() -> None:
    i, j, k, m = sb.indices("i j k m", 4, 5, 3, 2)
    a, b, c = sb.data("a", i, j), sb.data("b", j, k), sb.data("c", k, m)
    found = kernel(sb.define("s", (i, m), Sum(a[i, j]*b[j, k]*c[k, m], j, k)))
    assert len(gemms(found)) == 2


def test_the_sum_of_two_products_is_two_gemms() -> None:
    n, i, j = sb.indices("n i j", N, 4, 5)
    a, b = sb.data("a", n, i), sb.data("b", n, j)
    c, d = sb.data("c", n, i), sb.data("d", n, j)
    found = kernel(sb.define("s", (i, j), Sum(a[n, i]*b[n, j] + c[n, i]*d[n, j], n)))
    assert len(gemms(found)) == 2


def test_a_compound_operand_is_computed_once_and_not_in_the_triple_loop() -> None:
    n, i, j = sb.indices("n i j", N, 4, 5)
    x, y = sb.data("x", n, i), sb.data("y", n, j)
    found = kernel(sb.define("s", (i, j), Sum(x[n, i]*tanh(y[n, j])/N, n)))
    (gemm,) = gemms(found)
    assert gemm.alpha == 1/N
    assert letters(found.stages[0]) == ["n", "j"]


def affine(bias: object) -> tuple[object, dict[str, np.ndarray]]:
    """Σ_i x[n,i]·W[i,j] + bias[j], and values for it."""
    n, i, j = sb.indices("n i j", N, 4, 5)
    x, w = sb.data("x", n, i), sb.parameter("W", i, j)
    rng = np.random.default_rng(3)
    given = {"x": rng.normal(size=(7, 4)), "W": rng.normal(size=(4, 5)), "b": rng.normal(size=5)}
    return Sum(x[n, i]*w[i, j], i) + bias[j], given


def agrees(found: object, given: dict[str, np.ndarray]) -> None:
    program = sb.program([found])
    known = {name: given[name] for name in (*(str(t.name) for t in program.inputs), "N")
             if name in given}
    np.testing.assert_allclose(sb.compile(found, dtype="float64")(**known),
                               sb.evaluate(program, known)[program.outputs[0]], rtol=1e-12)


@pytest.mark.parametrize("activation", [
    tanh, sb.relu, lambda z: z, lambda z: z*sb.sigmoid(z) + z**2])
def test_a_product_begins_at_its_bias(activation: object) -> None:
    n, j = sb.indices("n j", N, 5)
    z, given = affine(sb.parameter("b", j))
    h = sb.define("h", (n, j), activation(z))
    (gemm,) = gemms(kernel(h))
    assert str(gemm.start) == "b[j]"
    agrees(h, given)


def test_a_sum_of_two_products_and_a_bias_begins_one_of_them_there() -> None:
    n, k, j = sb.indices("n k j", N, 4, 5)
    z, given = affine(sb.parameter("b", j))
    u, v = sb.data("u", n, k), sb.parameter("V", k, j)
    h = sb.define("h", (n, j), tanh(z + Sum(u[n, k]*v[k, j], k)))
    found = kernel(h)
    assert [str(gemm.start) for gemm in gemms(found)].count("b[j]") == 1
    read = {t for stage in found.stages for t in tensors_in(stage.definition.body)}
    assert all(stage.definition.target in {*read, *found.program.outputs} for stage in found.stages)
    agrees(h, {**given, "u": given["x"] + 1, "V": given["W"] - 1})


def test_a_row_that_is_known_only_later_or_differs_begins_no_product() -> None:
    n, j = sb.indices("n j", N, 5)
    b, c = sb.parameter("b", j), sb.parameter("c", j)
    z, given = affine(b)
    s = sb.define("s", (n, j), z - b[j])
    mean = sb.define("m", (j,), Sum(s[n, j], n)/N)
    centred = sb.define("centred", (n, j), tanh(s[n, j] + mean[j]))
    both = sb.define("both", (n, j), tanh(s[n, j] + b[j])*tanh(s[n, j] + c[j]))
    column = sb.define("column", (n, j), tanh(s[n, j] + sb.parameter("d", n)[n]))
    turned = sb.define("turned", (j, n), s[n, j] + b[j])
    alone = sb.define("alone", (n, j), tanh(s[n, j] + b[j])*s[n, j])
    extra = {**given, "c": given["b"]*2, "d": np.arange(7.0)}
    for found in (centred, both, column, turned, alone):
        assert all(gemm.start is None for gemm in gemms(kernel(found)))
        agrees(found, extra)


def test_rows_that_are_added_as_they_are_need_no_loop() -> None:
    n, i, j = sb.indices("n i j", N, 3, 4)
    x, y = sb.data("x", n, j), sb.data("y", j, n)
    plain = sb.define("plain", (j,), Sum(x[n, j], n))
    turned = sb.define("turned", (j,), Sum(y[j, n], n))
    scaled = sb.define("scaled", (j,), Sum(tanh(x[n, j]), n))
    deep = sb.define("deep", (i, j), Sum(sb.data("z", n, i, j)[n, i, j], n))
    found = kernel(plain, turned, scaled, deep)
    assert [any(isinstance(s, Rows) for s, _ in walk(stage_of(found, name).statements))
            for name in ("plain", "turned", "scaled", "deep")] == [True, False, False, False]
    draws = np.random.default_rng(0)
    given = {"x": draws.normal(size=(200, 4)), "y": draws.normal(size=(4, 200)),
             "z": draws.normal(size=(200, 3, 4))}
    for tensor in (plain, turned, scaled, deep):
        agrees(tensor, given)


def test_the_innermost_loop_runs_along_memory() -> None:
    found = kernel(*made("matrices and vectors").outputs)
    assert letters(stage_of(found, "s")) == ["n", "i"]
    assert letters(stage_of(found, "d")) == ["n", "i"]
    assert letters(stage_of(found, "outer")) == ["n", "i"]


def test_a_column_of_maxima_is_found_row_by_row() -> None:
    assert letters(stage_of(kernel(*made("maxima and minima").outputs), "c")) == ["n", "k"]


def test_a_scatter_runs_no_loop_over_the_index_that_it_fills() -> None:
    found = kernel(*made("scatters").outputs)
    assert "v" not in letters(stage_of(found, "E"))
    assert letters(stage_of(found, "diagonal")) in (["i", "j"], ["j", "i"])  # the zeros
    assert set(letters(stage_of(found, "collapsed"))) == {"i"}


def test_a_bracket_that_may_point_outside_of_its_axis_stays_a_condition() -> None:
    found = kernel(*made("scatters").outputs)
    assert set(letters(stage_of(found, "beyond"))) == {"i", "u"}
    assert "where(" in sb.compile(made("scatters").outputs).source


def test_chains_of_layers_share_two_slots() -> None:
    n, i, j = sb.indices("n i j", N, 8, 8)
    x = sb.data("x", n, i)
    for layer in range(6):
        w = sb.parameter(f"W{layer}", i, j)
        s = sb.define(f"s{layer}", (n, j), Sum(x[n, i]*w[i, j], i))
        x = sb.define(f"h{layer}", (n, i), tanh(s[n, i]))
    found = kernel(sb.define("L", (), Sum(x[n, i]**2, n, i)))
    assert len({b.slot for b in found.buffers if b.place == "slot"}) == 2


def test_an_operand_that_is_read_again_is_not_written_over() -> None:
    n, i = sb.indices("n i", N, 8)
    x = sb.data("x", n, i)
    a = sb.define("a", (n, i), tanh(x[n, i]))
    b = sb.define("b", (n, i), a[n, i]**2)
    c = sb.define("c", (n, i), b[n, i]*a[n, i])
    found = kernel(sb.define("L", (), Sum(c[n, i], n, i)))
    slots = {found.names[b.tensor]: b.slot for b in found.buffers if b.place == "slot"}
    assert slots["a"] != slots["b"]
    assert slots["c"] in (slots["a"], slots["b"])


def test_a_transposed_read_is_no_reason_to_write_in_place() -> None:
    i, j = sb.indices("i j", 3, 3)
    x = sb.data("x", i, j)
    a = sb.define("a", (i, j), tanh(x[i, j]))
    b = sb.define("b", (i, j), a[j, i] + 1)
    function = sb.compile(sb.define("L", (i,), Sum(b[i, j]*x[i, j], j)), dtype="float64")
    given = random(3, 3)
    np.testing.assert_allclose(function(x=given), ((np.tanh(given).T + 1)*given).sum(axis=1))


def test_a_pass_that_is_broken_on_purpose_is_caught() -> None:
    """Two tensors in one slot while both are needed; an index that no loop binds."""
    n, i = sb.indices("n i", N, 8)
    x = sb.data("x", n, i)
    a = sb.define("a", (n, i), tanh(x[n, i]))
    b = sb.define("b", (n, i), a[n, i]**2)
    found = kernel(sb.define("L", (), Sum(a[n, i]*b[n, i]**2*x[n, i], n, i)), b)
    shared = tuple(replace(buffer, place="slot", slot=0) if buffer.place in ("slot", "output")
                   else buffer for buffer in found.buffers)
    with pytest.raises(CompilationError, match="a is read before it is written, or after"):
        verify_kernel(replace(found, buffers=shared))
    stage = found.stages[0]
    unbound = replace(stage, statements=(stage.statements[0].body,))
    with pytest.raises(CompilationError, match="no loop binds i"):
        verify_kernel(replace(found, stages=(unbound, *found.stages[1:])))


def test_a_broken_product_is_caught() -> None:
    found = kernel(*made("a matrix product").outputs)
    (stage,) = found.stages
    gemm = replace(stage.statements[0], rows=stage.statements[0].columns)
    with pytest.raises(CompilationError, match="not those of the product"):
        verify_kernel(replace(found, stages=(replace(stage, statements=(gemm,)),)))


def test_lowering_alone_is_correct_without_any_schedule() -> None:
    """The order of loops and BLAS are choices: the stages before and after compute the same."""
    program = contract(stabilise(normal(made("a whole layer with its gradient").outputs)))
    plain = lower(program)
    tuned = multiply(reorder(plain))
    assert [s.definition for s in plain.stages] == [s.definition for s in tuned.stages]
    assert [len(gemms(found)) for found in (plain, tuned)] == [0, 2]


def test_brackets_are_recognised_on_either_side() -> None:
    i, j = sb.indices("i j", 4, 4)
    m = sb.data("m", i)
    for condition in (Eq(i, j), Eq(j, i)):
        s = sb.define("s", (i,), Sum(sb.Iverson(condition)*m[j], j))
        np.testing.assert_array_equal(sb.compile(s)(m=[1, 2, 3, 4]), [1, 2, 3, 4])
