"""Every sentence of verify has bad programs that break it, and its message says what, where, and
what to write instead."""

from typing import Any

import pytest
from sympy import Function, Piecewise, Sum, cos, exp, log, tanh

import symbackprop as sb
from symbackprop.checks import verify, verify_loss
from tests.support import bad_indices, bad_programs, bad_scalars
from tests.support.refusals import BAD, Builder, M, N, a, collected, data, i, j, k, line_of, n, u

TABLES = (bad_indices, bad_scalars, bad_programs)


@pytest.mark.parametrize(("build", "fragments"), BAD, ids=[b.__name__ for b, _ in BAD])
def test_a_bad_program_is_refused_with_what_where_and_a_remedy(
    build: Builder, fragments: tuple[str, ...]
) -> None:
    with pytest.raises(sb.ProgramError) as caught:
        verify(collected(build()))
    message = str(caught.value)
    for fragment in (*fragments, line_of(build)):
        assert fragment in message


def test_the_table_holds_at_least_25_bad_programs() -> None:
    assert len(BAD) >= 25
    assert {build.__module__ for build, _ in BAD} == {table.__name__ for table in TABLES}


def classifier() -> Any:
    x, y = data(n, i), sb.data("y", n, k, facts=[sb.one_hot(k)])
    W, b, lam = sb.parameter("W", i, k), sb.parameter("b", k), sb.hyper("lam", 1e-4)
    z = sb.define("z", (n, k), Sum(x[n, i] * W[i, k], i) + b[k])
    p = sb.define("p", (n, k), exp(z[n, k]) / Sum(exp(z[n, k]), k))
    return -Sum(y[n, k] * log(p[n, k]), n, k)/N + lam*Sum(W[i, k]**2, i, k)


def convolution() -> Any:
    x, w = data(N, 63), sb.parameter("w", a)
    return sb.define("z", (n, u), Sum(x[n, 2*u + a] * w[a], a))


def convolution_of_any_length() -> Any:
    m = sb.indices("m", M)
    x, w = data(N, 2*M + 3), sb.parameter("w", a)
    y = sb.data("y", n, m)
    return sb.define("z", (n, m), Sum(x[n, 2*m + a] * w[a], a) + y[n, m])


def gates() -> Any:
    x = data(N, 128)
    return sb.define("c", (n, j), tanh(x[n, j]) * x[n, j + 32] + x[n, j + 64] * x[n, j + 96])


def embedding() -> Any:
    t, d = sb.indices("t d", 7, 16)
    w, E = sb.data("w", n, t, facts=[sb.label(1000)]), sb.parameter("E", 1000, d)
    return sb.define("e", (n, t, d), E[w[n, t], d])


def reversal() -> Any:
    x = data(n)
    return sb.define("z", (n,), x[N - 1 - n])


def part_of_a_sum() -> Any:
    x = data(n, i)
    return sb.define("z", (n,), Sum(x[n, i], (i, 0, 9)))


def differences() -> Any:
    x, step = data(n), sb.indices("s", N - 1)
    return sb.define("z", (), Sum((x[step + 1] - x[step])**2, step))


def broadcast() -> Any:
    x, b = data(n), sb.parameter("b")
    return sb.define("z", (n, j), x[n] + b)


def undefined_function() -> Any:
    x = data(n)
    return sb.define("z", (n,), Function("sigma", real=True)(x[n]))


def index_as_a_number() -> Any:
    x = data(n, k)
    return sb.define("z", (n, k), Piecewise((x[n, k], k < 3), (cos(k), True)))


def one_letter_in_two_sums() -> Any:
    x, y, other = data(i), sb.data("y", 7), sb.indices("i", 7)
    return sb.define("z", (), Sum(x[i], i) + Sum(y[other], other))


def diagonal() -> Any:
    A = data(k, k)
    return sb.define("z", (k,), A[k, k] + A[k, 9 - k])


def layers() -> Any:
    x, y = data(N, 64), sb.data("y", N, facts=[sb.label(10)])
    h = sb.layers.dense(x, 32, "relu")
    p = sb.softmax(sb.layers.dense(h, 10))
    return sb.losses.cross_entropy(p, y) + sb.penalties.elastic_net(1e-3, 1e-4)


GOOD = [classifier, convolution, convolution_of_any_length, gates, embedding, reversal,
        part_of_a_sum, differences, broadcast, undefined_function, index_as_a_number,
        one_letter_in_two_sums, diagonal, layers]


@pytest.mark.parametrize("build", GOOD)
def test_a_good_program_is_accepted(build: Builder) -> None:
    verify(collected(build()))


def test_a_loss_with_axes_is_refused_by_name() -> None:
    x = data(n)
    z = sb.define("z", (n,), x[n])
    with pytest.raises(sb.ProgramError, match=r"z \(declared at .*test_checks.*Sum\(z\[n\], n\)"):
        verify_loss(sb.program(z))
    verify_loss(sb.program(z.sum()))


def test_ten_thousand_definitions_are_no_recursion() -> None:
    h = data(n, k)
    for layer in range(10_000):
        h = sb.define(f"h{layer}", (n, k), h[n, k] + 1)
    verify(sb.program(h))
