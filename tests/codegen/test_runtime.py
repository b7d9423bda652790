"""Executables: inputs by name, sizes from shapes, fresh results, any number of callers."""

import copy
import pickle
import threading

import numpy as np
import pytest
from sympy import Function, Max, Min, Mod, Sum, floor, tanh

import symbackprop as sb
from symbackprop.codegen import Executable
from symbackprop.errors import CompilationError, InputError, SymbackpropError
from tests.codegen.cases import random
from tests.codegen.test_training_kernel import classifier

N = sb.size("N")
n, i, j = sb.indices("n i j", N, 4, 3)


def layer(dtype: str = "float64") -> Executable:
    x, w = sb.data("x", n, i), sb.parameter("W", i, j)
    scale = sb.hyper("scale", 2.0)
    return sb.compile(sb.define("h", (n, j), scale*tanh(Sum(x[n, i]*w[i, j], i))), dtype=dtype)


def value(x: np.ndarray, w: np.ndarray, scale: float = 2.0) -> np.ndarray:
    return scale*np.tanh(x @ w)


def test_one_tensor_gives_one_array_and_a_list_gives_a_list() -> None:
    x = sb.data("x", n)
    y = sb.define("y", (n,), x[n] + 1)
    np.testing.assert_array_equal(sb.compile(y)(x=[1, 2]), [2, 3])
    (found,) = sb.compile([y])(x=[1, 2])
    np.testing.assert_array_equal(found, [2, 3])


def test_a_rank_0_result_is_a_0_d_array() -> None:
    x = sb.data("x", n)
    found = sb.compile(sb.define("s", (), Sum(x[n], n)))(x=[1, 2])
    assert isinstance(found, np.ndarray)
    assert found.shape == ()
    assert found.dtype == np.float32


def test_a_loss_may_be_an_expression_of_rank_0_tensors() -> None:
    x, lam = sb.data("x", n), sb.hyper("lam", 0.5)
    s = sb.define("s", (), Sum(x[n]**2, n))
    assert sb.compile(s + lam)(x=[1, 2]) == 5.5


def test_hypers_are_run_time_numbers_with_defaults() -> None:
    f, x, w = layer(), random(2, 4), random(4, 3)
    np.testing.assert_allclose(f(x=x, W=w), value(x, w))
    np.testing.assert_allclose(f(x=x, W=w, scale=-3), value(x, w, -3))


def test_sizes_may_change_from_call_to_call() -> None:
    f, w = layer(), random(4, 3)
    for rows in (3, 1, 64, 2, 65):
        x = random(rows, 4)
        np.testing.assert_allclose(f(x=x, W=w), value(x, w))


def test_results_are_fresh_and_inputs_are_left_alone() -> None:
    x = sb.data("x", n)
    y = sb.define("y", (n,), x[n] + 1)
    f = sb.compile([y, x, y, x], dtype="float64")
    given = random(3)
    kept = given.copy()
    found = f(x=given)
    again = f(x=given)
    for array in found:
        array[:] = 0
    np.testing.assert_array_equal(given, kept)
    np.testing.assert_array_equal(again[0], kept + 1)
    np.testing.assert_array_equal(again[1], kept)
    addresses = {a.ctypes.data for a in (*found, *again, given)}
    assert len(addresses) == 9


def test_it_may_be_called_from_several_threads() -> None:
    f, w = layer(), random(4, 3)
    wrong = []

    def work(seed: int) -> None:
        x = random(50 + seed, 4, seed=seed)
        for _ in range(50):
            if np.abs(f(x=x, W=w) - value(x, w)).max() > 1e-12:
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_threads_may_compile_at_the_same_time() -> None:
    failures = []

    def work(power: int) -> None:
        x = sb.data("x", n)
        f = sb.compile(sb.define("y", (n,), x[n]**power), dtype="float64")
        if not np.allclose(f(x=[2.0]), 2.0**power):
            failures.append(power)

    workers = [threading.Thread(target=work, args=(power,)) for power in (21, 22, 23)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


@pytest.mark.parametrize(("given", "words"), [
    ({}, ["the data x is missing", "declared at", "f(x=…)"]),
    ({"x": np.ones((2, 4))}, ["the parameter W is missing"]),
    ({"x": np.ones((2, 4)), "w": 1}, ["no input 'w'", "did you mean W?"]),
    ({"x": np.ones((2, 4)), "W": np.ones((4, 3)), "scale": "big"}, ["hyper scale"]),
    ({"x": np.ones((2, 4)), "W": np.ones((3, 4))}, ["parameter W", "expected shape (4, 3)"]),
    ({"x": np.ones((2, 4)), "W": np.ones((4, 3)), "N": 7}, ["axis 0 must have 7 entries"]),
    ({"x": np.ones((2, 4)), "W": np.ones((4, 3)), "N": 0}, ["N must be a positive int"]),
])
def test_wrong_calls_are_refused_in_the_users_words(given: dict, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        layer()(**given)
    for word in words:
        assert word in str(caught.value)


def test_an_undefined_function_is_named() -> None:
    x = sb.data("x", n)
    sigma = Function("σ", real=True)
    with pytest.raises(SymbackpropError, match="σ is an undefined function"):
        sb.compile(sb.define("y", (n,), sigma(x[n])))


@pytest.mark.parametrize("dtype", ["float16", "int64", "double", None])
def test_a_dtype_that_kernels_do_not_have_is_refused(dtype: object) -> None:
    x = sb.data("x", n)
    with pytest.raises(CompilationError, match="'float32' or 'float64'"):
        sb.compile(sb.define("y", (n,), x[n]), dtype=dtype)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "two", True, np.int64(0)])
def test_a_number_of_threads_that_is_none_is_refused(threads: object) -> None:
    x = sb.data("x", n)
    with pytest.raises(CompilationError, match="threads"):
        sb.compile(sb.define("y", (n,), x[n]), threads=threads)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype("float64"), "float64"])
def test_numpy_types_and_ints_are_as_good_as_pythons(dtype: object) -> None:
    x = sb.data("x", n)
    f = sb.compile(sb.define("y", (n,), x[n]), dtype=dtype, threads=np.int64(2))
    assert f.dtype == "float64"
    assert f(x=[1]).dtype == np.float64


@pytest.mark.parametrize("outputs", [[], ()])
def test_nothing_is_not_compiled(outputs: object) -> None:
    with pytest.raises(CompilationError, match="nothing to compute"):
        sb.compile(outputs)


def test_an_input_may_be_called_self() -> None:
    w = sb.parameter("self", i)
    np.testing.assert_array_equal(sb.compile(sb.define("y", (i,), w[i]))(self=[1, 2, 3, 4]),
                                  [1, 2, 3, 4])


def test_a_copy_is_the_same_function_and_none_is_pickled() -> None:
    f = layer()
    assert copy.copy(f) is f
    assert copy.deepcopy({"f": f})["f"] is f
    with pytest.raises(CompilationError, match=r"is not pickled.*write sb\.compile"):
        pickle.dumps(f)


def test_extents_may_be_powers_of_sizes() -> None:
    for extent, length in ((N**2, 9), (2**N, 8), (N**3 + N, 30)):
        m = sb.indices("m", extent)
        x = sb.data("x", m)
        s = sb.define("s", (), Sum(x[m]**2, m)/extent)
        found = sb.compile([s, sb.derive(s, [x])[x]], dtype="float64")(x=np.ones(length), N=3)
        np.testing.assert_allclose(found[0], 1)
        np.testing.assert_allclose(found[1], 2/length)


def test_what_cannot_be_compiled_is_named_with_its_line() -> None:
    sigma = Function("σ", real=True)
    x = sb.data("x", n)
    y = sb.define("y", (n,), sigma(x[n]))
    with pytest.raises(CompilationError, match=r"y is defined at .*test_runtime\.py:\d+"):
        sb.compile(y)


def test_two_programs_with_the_same_names_and_other_shapes_do_not_meet() -> None:
    def compiled(width: int) -> Executable:
        a, b = sb.indices("a b", width, width + 1)
        x, w = sb.data("x", n, a), sb.parameter("W", a, b)
        return sb.compile(sb.define("h", (n, b), Sum(x[n, a]*w[a, b], a)), dtype="float64")

    for f, width in [(compiled(3), 3), (compiled(5), 5)][::-1]:
        x, w = random(2, width), random(width, width + 1)
        np.testing.assert_allclose(f(x=x, W=w), x @ w)


def test_a_size_that_is_only_a_number_is_given_by_name() -> None:
    x = sb.data("x", 3)
    k = sb.indices("k", 3)
    f = sb.compile(sb.define("y", (k,), x[k]), dtype="float64")
    np.testing.assert_array_equal(f(x=[1, 2, 3]), [1, 2, 3])


def test_a_matrix_that_blas_cannot_count_is_refused() -> None:
    """Lengths are 32-bit numbers there; two indices that are flattened to one may pass that."""
    t = sb.indices("t", sb.size("T"))
    x, w = sb.data("x", n, t, i), sb.parameter("W", i, j)
    f = sb.compile(sb.define("s", (n, t, j), Sum(x[n, t, i]*w[i, j], i)))
    sizes = {N: 2**16, sb.size("T"): 2**16}
    with pytest.raises(InputError, match="more than BLAS can count"):
        f._workspace.borrowed(sizes).__enter__()


def test_an_axis_that_would_be_empty_is_refused() -> None:
    x = sb.data("x", N)
    m = sb.indices("m", N - 2)
    f = sb.compile(sb.define("y", (m,), x[m + 2] - x[m]), dtype="float64")
    np.testing.assert_array_equal(f(x=[1, 2, 4, 8]), [3, 6])
    with pytest.raises(InputError, match=r"y would have the shape \(0,\)"):
        f(x=[1, 2])


def test_places_may_be_computed() -> None:
    k = sb.indices("k", 6)
    x = sb.data("x", 26)
    outputs = [sb.define("a", (k,), x[k**2]), sb.define("b", (k,), x[Max(k, 3)]),
               sb.define("c", (k,), x[Mod(k, 4)]), sb.define("d", (k,), x[floor(k/2)]),
               sb.define("e", (k,), x[Min(k, 3)*2 + 1])]
    v, r = np.arange(26.0)**1.5, np.arange(6)
    found = sb.compile(outputs, dtype="float64")(x=v)
    expected = [v[r**2], v[np.maximum(r, 3)], v[r % 4], v[r//2], v[np.minimum(r, 3)*2 + 1]]
    for array, values in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, values)


def test_a_constant_beyond_float64_is_refused() -> None:
    x = sb.data("x", i)
    with pytest.raises(CompilationError, match=r"constant about 1.00E\+400 is no finite real"):
        sb.compile(sb.define("y", (i,), x[i]*10**400))


def test_arrays_without_a_name_are_refused() -> None:
    with pytest.raises(InputError, match="by name: f.x=…, W=…, scale=…"):
        layer()(random(2, 4), random(4, 3))


def test_numbers_are_passed_by_value_and_labels_and_results_are_not_disturbed() -> None:
    s, w, x = sb.parameter("s"), sb.data("w", facts=[sb.label(4)]), sb.data("x", i)
    f = sb.compile([sb.define("y", (), s*x[w]), s], dtype="float64")
    assert "s[()]" not in f.source
    np.testing.assert_array_equal(f(s=3, w=2, x=[1, 2, 5, 7]), [15, 3])


def test_a_hyper_of_a_step_beyond_float32_is_refused() -> None:
    net = classifier()
    with pytest.raises(InputError, match="beyond float32"):
        net.kernel("float32").run(np.arange(8), 8, net.copies("float32"),
                                  dict.fromkeys(net.hypers, 1e300))


def test_a_copy_of_a_training_kernel_is_the_same_one_and_none_is_pickled() -> None:
    kernel = classifier().kernel()
    assert copy.copy(kernel) is kernel
    assert copy.deepcopy(kernel) is kernel
    with pytest.raises(CompilationError, match="is not pickled"):
        pickle.dumps(kernel)
