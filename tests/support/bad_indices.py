"""Bodies whose indices are loose, bound twice, or reach beyond an axis."""

from typing import Any

from sympy import Idx, Piecewise, Rational, Sum, Symbol, cos

import symbackprop as sb
from symbackprop.notation import Element
from tests.support.refusals import M, N, a, bad, data, i, j, k, n, u


@bad("the index k on the right is neither bound by a sum nor on the left (there: n)",
     "write Sum(…, k), or put k on the left")
def an_index_that_nothing_binds() -> Any:
    x = data(n, k)
    return sb.define("y", (n,), x[n, k])  # HERE


@bad("the index i runs over 7 on the right, but i over 64", "made by one sb.indices call")
def one_letter_with_two_extents() -> Any:
    x, other = data(i), sb.indices("i", 7)
    return sb.define("y", (i,), x[i] * cos(other))  # HERE


@bad("the index i is bound twice in Sum", "an index of its own")
def an_index_that_is_bound_twice_in_one_sum() -> Any:
    x = data(n, i)
    return sb.define("y", (n,), Sum(x[n, i], i, i))  # HERE


@bad("the index i is bound twice in Sum", "give the inner sum an index of its own")
def an_inner_sum_over_the_index_of_the_outer() -> Any:
    x, w = data(n, i), sb.parameter("w", i)
    return sb.define("y", (n,), Sum(w[i] * Sum(x[n, i], i), i))  # HERE


@bad("the index i is bound twice in Sum", "give the inner sum an index of its own")
def a_maximum_around_a_sum_over_the_same_index() -> Any:
    x, w = data(n, i), sb.parameter("w", i)
    return sb.define("y", (n,), sb.Maximum(w[i] * Sum(x[n, i], i), i))  # HERE


@bad("Sum runs over m, which is a plain symbol", "make it with sb.indices('m', extent)")
def a_sum_over_a_plain_symbol() -> Any:
    x, m = data(n, i), Symbol("m", integer=True)
    return sb.define("y", (n,), Sum(x[n, m], (m, 0, 9)))  # HERE


@bad("SymPy has moved a Piecewise out of the inner sum over i", "give the inner sum a name")
def a_condition_that_sympy_takes_out_of_its_sum() -> Any:
    x, W = data(n, i), sb.parameter("W", i, j)
    inner = Sum(Piecewise((W[i, j], x[n, i] > 0), (0, True)), i)
    return sb.define("y", (n,), Sum(inner**2, j))  # HERE


@bad("SymPy has moved a Piecewise out of the inner sum over i", "write s[…] in its place")
def a_condition_that_meets_another_index_of_the_same_letter() -> Any:
    x, W = data(n, i), sb.parameter("W", i, j)
    inner = Sum(Piecewise((W[i, j], x[n, i] > 0), (0, True)), i)
    return sb.define("y", (n, i), Sum(inner**2, j))  # HERE


@bad("the index q has no extent", "make it with sb.indices('q', extent)")
def an_index_without_an_extent() -> Any:
    x = data(n)
    return sb.define("y", (n,), x[n] * Idx("q"))  # HERE


@bad("Sum runs over q, which has no extent", "make it with sb.indices('q', extent)")
def a_sum_over_an_index_without_an_extent() -> Any:
    x, q = data(n, i), Idx("q")
    return sb.define("y", (n,), Sum(x[n, q], (q, 0, 9)))  # HERE


@bad("the index i in W[i, j] goes up to 63", "axis 0 of W", "has 32 entries, 0 … 31")
def an_index_longer_than_the_axis() -> Any:
    x, W = data(n, i), sb.parameter("W", 32, 10)
    return sb.define("z", (n, j), Sum(x[n, i] * W[i, j], i))  # HERE


@bad("the index j runs over 32, but axis 1 of x", "has 64 entries, and nothing reads the rest",
     "use an index of extent 64")
def an_index_shorter_than_the_axis() -> Any:
    x, W = data(N, 64), sb.parameter("W", 32)
    return sb.define("z", (n,), Sum(x[n, j] * W[j], j))  # HERE


@bad("the index n in x[n] goes up to N - 1", "has M entries, 0 … M - 1")
def two_sizes_that_need_not_be_equal() -> Any:
    x, y = data(M), sb.data("y", N)
    return sb.define("z", (n,), x[n] + y[n])  # HERE


@bad("the index a + u in x[n, a + u] goes up to 33", "has 33 entries, 0 … 32")
def a_shift_beyond_the_end() -> Any:
    x, w = data(N, 33), sb.parameter("w", a)
    return sb.define("z", (n, u), Sum(x[n, u + a] * w[a], a))  # HERE


@bad("the index a + 2*u in x[n, a + 2*u] goes up to 62", "has 62 entries")
def a_stride_beyond_the_end() -> Any:
    x, w = data(N, 62), sb.parameter("w", a)
    return sb.define("z", (n, u), Sum(x[n, 2*u + a] * w[a], a))  # HERE


@bad("the index i - 1 in x[n, i - 1] goes down to -1", "count from 0")
def an_index_below_zero() -> Any:
    x = data(n, i)
    return sb.define("z", (n, i), x[n, i] - x[n, i - 1])  # HERE


@bad("the index -1 in x[n, -1] goes down to -1", "count from 0")
def an_index_from_the_end() -> Any:
    x = data(n, i)
    return sb.define("z", (n,), x[n, -1])  # HERE


@bad("the index 64 in x[n, 64] goes up to 64", "has 64 entries, 0 … 63")
def a_number_beyond_the_end() -> Any:
    x = data(n, i)
    return sb.define("z", (n,), x[n, 64])  # HERE


@bad("has no bounds that can be shown", "write it as a sum of indices, integers and sizes")
def an_index_expression_that_nothing_bounds() -> Any:
    x = data(n, i)
    return sb.define("z", (n, i), x[n, (i - 3)*(i - 5)])  # HERE


@bad("the index w[n] in E[w[n], j] goes up to 999", "axis 0 of E", "has 100 entries")
def a_gather_beyond_the_end() -> Any:
    w, E = data(n, name="w", facts=[sb.label(1000)]), sb.parameter("E", 100, j)
    return sb.define("e", (n, j), E[w[n], j])  # HERE


@bad("E[w[n], j] gathers through w[n], which has no fact label", "facts=[sb.label(100)]")
def a_gather_through_reals() -> Any:
    w, E = data(n, name="w"), sb.parameter("E", 100, j)
    return sb.define("e", (n, j), Element(E.symbol, w[n], j))  # HERE


@bad("the index i/2 in x[n, i/2] is no integer", "not u/2")
def half_an_index() -> Any:
    x = data(n, i)
    return sb.define("z", (n, i), Element(x.symbol, n, i/2))  # HERE


@bad("x[n] has 1 indices, but x (declared at", "has 2 axes", "one index for each axis")
def an_access_of_the_wrong_rank() -> Any:
    x = data(n, i)
    return sb.define("z", (n,), Element(x.symbol, n))  # HERE


@bad("the sum over k ends at", "which depends on", "multiply by sb.Iverson")
def a_triangular_sum() -> Any:
    A, r = data(k, k), sb.indices("r", 10)
    return sb.define("z", (r,), Sum(A[r, k], (k, 0, r)))  # HERE


@bad("the sum over i ends at 7/2, which is no integer", "write integers or sizes")
def a_sum_that_ends_at_a_fraction() -> Any:
    x = data(n, i)
    return sb.define("z", (n,), Sum(x[n, i], (i, 0, Rational(7, 2))))  # HERE


@bad("the sum over i from 0 to M cannot be shown to lie in its range 0 … 63")
def a_sum_to_a_size_that_may_be_too_large() -> Any:
    x, y = data(n, i), sb.data("y", M)
    return sb.define("z", (n,), Sum(x[n, i], (i, 0, M)) + y[0])  # HERE
