"""Random programs: derivatives and kernels against JAX.

Some are bodies from the grammar in index notation, most are networks of layers, activations, noise,
losses and penalties, half of which are trained for a few steps by an optimizer at random.

The seed of the run stands in the header; a failure prints the program and what draws it again:
`pytest --seed …`, or `random_case(seed, kind, number)`.
"""

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.notation import extent
from tests.support.comparison import (
    EVEN,
    ODD,
    check_gradients,
    check_hessian,
    check_kernel,
    check_passes,
)
from tests.support.jaxpr_values import DIGITS
from tests.support.random_expressions import Expressions, compared, larger, smaller
from tests.support.random_training import (
    agree,
    check_fit,
    check_training,
    interpreted,
    random_training,
)

# the second number of a seed
GRADIENTS, PASSES, HESSIANS, KERNELS, NETWORK_KERNELS, STEPS, FITS, NETWORKS = range(1, 9)


def test_an_entry_at_zero_is_drawn_with_indices_as_long_as_its_axes():
    made = Expressions(np.random.default_rng(0))
    made.tensors = [sb.parameter("W", 3)]
    k, u = sb.indices("k u", 2, 2)
    for _ in range(100):
        found = made.first((k,), u)
        assert all(extent(i) == axis for i, axis in zip(found.args[1:], found.tensor.axes,
                                                        strict=True) if isinstance(i, sp.Idx))


def test_what_sympy_does_not_compare_is_drawn_as_a_sum():
    W, (u, k) = sb.parameter("W"), sb.indices("u k", 2, 2)
    mean = sp.Sum(u*sp.exp(W), u, k)/sp.Sum(sp.exp(W), u, k)
    a, b = sp.log(sp.Sum(sp.exp(W), u)), sp.Max(mean, W)
    assert smaller(a, b) == a - b
    assert compared(sp.Max, 0, sp.Sum(u, u, k), W) == W
    assert larger(a, W) == sp.Max(a, W)


def test_an_update_that_is_slightly_wrong_is_found(seed):
    made, expected = random_training(seed, STEPS, most=1)
    agree(made, interpreted(made), expected, "interpreter")
    exact = interpreted(made, DIGITS)
    agree(made, [np.asarray(array, float) for array in exact], expected, "50 digits")
    for number in range(len(expected)):
        wrong = list(expected)
        wrong[number] = expected[number] + 1e-6*np.abs(expected[number]).max() + 1e-9
        with pytest.raises(AssertionError, match="relative error"):
            agree(made, interpreted(made), wrong, "interpreter")


@pytest.mark.parametrize("chunk", range(15))
def test_gradients_of_ten_random_programs_are_those_of_jax(chunk, seed):
    ten_programs(seed, chunk)


@pytest.mark.parametrize("chunk", range(30))
def test_gradients_and_steps_of_ten_random_networks_are_those_of_jax(chunk, seed):
    ten_networks(seed, chunk)


@pytest.mark.parametrize("chunk", range(50))
def test_normalise_and_simplify_change_no_value_of_twenty_random_programs(chunk, seed):
    for number in range(20*chunk, 20*chunk + 20):
        check_passes(seed, PASSES, number)


@pytest.mark.parametrize("chunk", range(4))
def test_second_derivatives_of_six_random_programs_are_those_of_jax(chunk, seed):
    for number in range(6*chunk, 6*chunk + 6):
        check_hessian(seed, HESSIANS, number)


@pytest.mark.parametrize("chunk", range(25))
def test_kernels_of_two_random_programs_are_as_exact_as_jax(chunk, seed):
    two_kernels(seed, chunk)


@pytest.mark.parametrize("chunk", range(25))
def test_kernels_of_four_random_networks_are_as_exact_as_jax(chunk, seed):
    four_networks(seed, chunk)


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(200))
def test_soak_gradients(chunk, seed):
    ten_programs(seed, 100 + chunk)
    ten_networks(seed, 100 + chunk)


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(500))
def test_soak_kernels(chunk, seed):
    two_kernels(seed, 1000 + chunk)
    four_networks(seed, 1000 + chunk)


def ten_programs(seed: int, chunk: int) -> None:
    """Ten programs in index notation."""
    for number in range(10*chunk, 10*chunk + 10):
        check_gradients(seed, GRADIENTS, number)


def ten_networks(seed: int, chunk: int) -> None:
    """Five networks and their gradients, and five that are trained for a few steps."""
    for number in range(10*chunk, 10*chunk + 10):
        if number % 2:
            check_training(seed, STEPS, number)
        else:
            check_gradients(seed, NETWORKS, number, layers=True)


def two_kernels(seed: int, chunk: int) -> None:
    """Two kernels of programs in index notation without a GEMM, on even and on odd batches."""
    without = 0
    for number in range(100*chunk, 100*chunk + 100):
        without += not check_kernel(seed, KERNELS, number, batches=batches(number),
                                    single=is_single(number))
        if without == 2:
            break


def four_networks(seed: int, chunk: int) -> None:
    """The kernels of two networks, on even and on odd batches, and of two that are trained, most
    of them in tiles of a few rows."""
    for number in range(2*chunk, 2*chunk + 2):
        check_kernel(seed, NETWORK_KERNELS, number, batches=batches(number), layers=True,
                     single=is_single(number))
        check_fit(seed, FITS, number, tile=(None, 2, 4)[number % 3])


def batches(number: int) -> tuple[int, ...]:
    return ODD if number % 2 else EVEN


def is_single(number: int) -> bool:
    """Whether float32 is checked as well: on even and on odd batches."""
    return number % 4 in (0, 3)
