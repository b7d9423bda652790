"""What is refused at the gate, in which words; nothing of it reaches a kernel."""

import numpy as np
import pytest

import symbackprop as sb
from symbackprop.codegen.gate import check_array, check_hyper
from symbackprop.errors import InputError
from symbackprop.notation import Fact

N = sb.size("N")
n, k = sb.indices("n k", N, 3)
PLAIN = sb.data("x", n, k)
HOT = sb.data("y", n, k, facts=[sb.one_hot(k)])
SIMPLEX = sb.data("p", n, k, facts=[sb.simplex(k)])
LABEL = sb.data("c", n, facts=[sb.label(3)])
ANY_LABEL = sb.data("a", n, facts=[Fact("label")])
POSITIVE = sb.data("v", n, facts=[sb.positive])
SYMMETRIC = sb.data("S", 3, 3, facts=[sb.symmetric(0, 1)])
NAN = np.full((2, 3), np.nan)
BAD = [
    (PLAIN, np.ones(3), ["expected shape (N, 3)", "found (3,)"]),
    (PLAIN, np.ones((2, 4)), ["expected shape (N, 3)", "axis 1 must have 3 entries"]),
    (PLAIN, np.ones((0, 3)), ["is empty"]),
    (PLAIN, np.ones((2, 3), complex), ["complex numbers", "astype(float)"]),
    (PLAIN, np.array([["a", "b", "c"]]), ["found text", "np.unique(Y, return_inverse=True)"]),
    (PLAIN, np.array([["a", "b", "c"]], object), ["found objects", "return_inverse=True"]),
    (PLAIN, np.array([["1", "2", "3"]]), ["found text", "X.astype(float)"]),
    (PLAIN, np.array([[b"a", b"b", b"c"]]), ["found bytes"]),
    (PLAIN, np.array([[1, 2, None]]), ["found objects"]),
    (PLAIN, np.array([["2020-01-01"]*3], "M8[D]"), ["found dates"]),
    (PLAIN, None, ["found None"]),
    (PLAIN, [[1, 2, 3], [1, 2]], ["rows of different lengths"]),
    (PLAIN, "text", ["found text"]),
    (PLAIN, {"a": 1}, ["found objects"]),
    (PLAIN, NAN, ["holds nan at [0, 0]", "finite"]),
    (PLAIN, np.array([[1, 2, np.inf]]), ["holds inf at [0, 2]"]),
    (PLAIN, np.array([[1, 2, 1e300]]), ["beyond float32", "float64"]),
    (PLAIN, np.ma.masked_array(np.ones((2, 3)), mask=np.eye(2, 3)), ["masked array"]),
    (HOT, np.array([[1, 1, 0]]), ["declared one_hot along axis 1", "sum of 2"]),
    (HOT, np.array([[0.5, 0.5, 0]]), ["only 0 and 1", "found 0.5"]),
    (SIMPLEX, np.array([[0.5, 0.6, 0]]), ["declared simplex", "sum of 1.1"]),
    (SIMPLEX, np.array([[1.5, -0.5, 0]]), ["declared simplex"]),
    (LABEL, np.array([0, 3]), ["labels must be 0 … 2, found 3"]),
    (LABEL, np.array([0, -1]), ["labels must be 0 … 2, found -1"]),
    (LABEL, np.array([0.5, 1]), ["expected integers, found 0.5"]),
    (LABEL, np.array([np.nan, 1]), ["expected integers, found nan"]),
    (LABEL, np.array([2**63], np.uint64), ["labels must be 0 … 2, found 9223372036854775808"]),
    (LABEL, np.array([0, 1e30]), ["labels must be 0 … 2, found 1000000000000000019884624838656"]),
    (ANY_LABEL, np.array([0, 2.0**63]), ["integers of 64 bits, found 9223372036854775808"]),
    (ANY_LABEL, np.array([-1e30]), ["integers of 64 bits, found -1000000000000000019884624838656"]),
    (POSITIVE, np.array([1.0, 0.0]), ["declared positive, found 0"]),
    (SYMMETRIC, np.triu(np.ones((3, 3))), ["declared symmetric in its axes 0 and 1"]),
]


@pytest.mark.parametrize(("tensor", "value", "words"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_a_bad_array_is_refused_in_words(tensor: object, value: object, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        check_array(tensor, value, tensor.name, "float32", {})
    for word in [*words, f"data {tensor.name} (declared at ", "test_gate.py"]:
        assert word in str(caught.value)


@pytest.mark.parametrize("value", [
    np.ones((2, 3), int), np.ones((2, 3), bool), np.ones((2, 3), np.float16), [[1, 2, 3]],
    np.ones((3, 2)).T, np.ones((4, 6))[::2, ::2], np.ones((2, 3), ">f8"),
    np.broadcast_to(1.0, (2, 3)),
])
def test_real_input_of_any_layout_is_cast(value: object) -> None:
    found = check_array(PLAIN, value, "x", "float32", {})
    assert found.dtype == "float32"
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert found.flags.aligned
    np.testing.assert_array_equal(found, np.asarray(value))


def test_what_fits_is_not_copied() -> None:
    value = np.ones((2, 3), np.float32)
    assert check_array(PLAIN, value, "x", "float32", {}) is value


def test_labels_are_int64() -> None:
    for value in ([0, 2], np.array([0, 2], np.uint8), np.array([0.0, 2.0])):
        found = check_array(LABEL, value, "c", "float32", {})
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, [0, 2])


def test_sizes_are_settled_by_shapes_and_must_agree() -> None:
    sizes: dict = {}
    check_array(PLAIN, np.ones((5, 3)), "x", "float64", sizes)
    assert sizes == {N: 5}
    with pytest.raises(InputError, match=r"axis 0 must have 5 entries \(N = 5\)"):
        check_array(LABEL, [0, 1], "c", "float64", sizes)


def test_a_size_is_settled_by_an_axis_that_is_a_sum_of_it() -> None:
    tensor = sb.data("z", 2*N + 1)
    sizes: dict = {}
    check_array(tensor, np.ones(7), "z", "float64", sizes)
    assert sizes == {N: 3}
    with pytest.raises(InputError, match="must have 7 entries"):
        check_array(tensor, np.ones(8), "z", "float64", sizes)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1j, "1", None, [1, 2], np.ones(1)])
def test_a_hyperparameter_is_one_finite_number(value: object) -> None:
    rate = sb.hyper("rate")
    with pytest.raises(InputError, match="hyper rate"):
        check_hyper(rate.tensor, value, "rate", "float64")


@pytest.mark.parametrize("value", [1e300, -1e39, np.float64(3.5e38)])
def test_a_hyperparameter_beyond_float32_is_refused_there_and_not_in_float64(value: float) -> None:
    rate = sb.hyper("rate").tensor
    with pytest.raises(InputError, match="beyond float32"):
        check_hyper(rate, value, "rate", "float32")
    assert check_hyper(rate, value, "rate", "float64") == value


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.array(1), True])
def test_a_hyperparameter_may_be_any_real_scalar(value: object) -> None:
    assert check_hyper(sb.hyper("rate").tensor, value, "rate", "float32") == 1.0
