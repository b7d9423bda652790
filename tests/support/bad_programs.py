"""Programs whose names, sizes, order, shapes, facts or penalties do not go together."""

from typing import Any

from sympy import Idx, Sum, Symbol

import symbackprop as sb
from symbackprop.notation import Definition, Element, Fact, Program, Tensor
from tests.support.refusals import M, N, bad, data, i, j, k, n


@bad("two tensors of this program are called W", "rename one of them")
def two_tensors_of_one_name() -> Any:
    x, V, W = data(n, i), sb.parameter("W", i), sb.parameter("W", i)  # HERE
    return sb.define("z", (n,), Sum(x[n, i] * (W[i] + V[i]), i))


@bad("M is a size", "and a tensor", "rename one of them")
def a_size_called_like_a_tensor() -> Any:
    x = sb.data("M", M)  # HERE
    return sb.define("z", (), Sum(x[sb.indices("m", M)], sb.indices("m", M)))


@bad("the size M is no axis of any tensor that is given in a call", "sb.hyper('M')")
def a_size_that_no_call_can_know() -> Any:
    x = data(n)
    return sb.define("z", (), Sum(x[n], n) / M)  # HERE


@bad("z (declared at", "an axis of length n + 1, which depends on the index n", "sb.Iverson")
def an_axis_that_grows_with_an_index() -> Any:
    x, up_to_n = data(n), Idx(Symbol("m", integer=True), n + 1)
    return sb.define("z", (n, up_to_n), 2*x[n])  # HERE


@bad("y (declared at", "an axis of length n + 1, which depends on the index n", "sb.Iverson")
def data_whose_axis_grows_with_an_index() -> Any:
    x, up_to_n = data(n), Idx(Symbol("m", integer=True), n + 1)
    y = sb.data("y", up_to_n)  # HERE
    return sb.define("z", (n, up_to_n), x[n]*y[up_to_n])


@bad("z (declared at", "has the size M, which is no axis of any tensor", "declare data")
def an_axis_that_no_call_can_know() -> Any:
    b = sb.parameter("b")
    return sb.define("z", (sb.indices("m", M),), b)  # HERE


@bad("y (declared at", "is read before it is defined", "collect the definitions with sb.program")
def definitions_in_the_wrong_order() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n])
    z = sb.define("z", (n,), y[n] + 1)  # HERE
    return Program((z.definition, y.definition), (z,))


@bad("is defined by itself")
def a_definition_that_reads_itself() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n])
    y.definition = Definition(y, (n,), y[n] + 1, where=y.where)
    return Program((y.definition,), (y,))


@bad("y (declared at", "is defined by itself", "must be defined before")
def a_cycle() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n])  # HERE
    z = sb.define("z", (n,), y[n] + 1)
    y.definition = Definition(y, (n,), z[n] + 1, where=y.where)
    return y


@bad("is defined a second time", "one definition is at")
def two_definitions_of_one_tensor() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n])  # HERE
    return Program((y.definition, y.definition), (y,))


@bad("y (declared at", "is read, but this program does not define it")
def a_missing_definition() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n])
    z = sb.define("z", (n,), y[n] + 1)  # HERE
    return Program((z.definition,), (z,))


@bad("the output y (declared at", "has no definition in this program")
def an_output_without_a_definition() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n])  # HERE
    return Program((), (y,))


@bad("the data x (declared at", "is given a definition", "with sb.define")
def data_that_is_defined() -> Any:
    x, y = data(n), sb.data("y", n)
    return Program((Definition(x, (n,), y[n], where=x.where),), (x,))


@bad("the letter n stands for two axes", "an index of its own")
def one_index_for_two_axes() -> Any:
    x, A = data(n), Tensor("A", (N, N), (n, n), "intermediate")
    return Program((Definition(A, (n, n), x[n]),), (A,))


@bad("the index j runs over 32, but axis 0 of A", "has N entries")
def a_left_index_that_does_not_fit() -> Any:
    x, A = data(j), Tensor("A", (N,), (n,), "intermediate")
    return Program((Definition(A, (j,), x[j]),), (A,))


@bad("the left has 1 indices, but A (declared at", "has 2 axes")
def a_left_side_of_the_wrong_rank() -> Any:
    x, A = data(n), Tensor("A", (N, N), (n, n), "intermediate")
    return Program((Definition(A, (n,), x[n]),), (A,))


@bad("x (declared at", "is updated by y (declared at")
def an_update_of_another_shape() -> Any:
    x, w = data(i), sb.parameter("w", i)
    y = sb.define("y", (), Sum(x[i] * w[i], i))  # HERE
    return Program((y.tensor.definition,), (), ((sb.parameter("x", i), y.tensor),))


@bad("the data x (declared at", "is updated; only parameters and states are")
def an_update_of_data() -> Any:
    x = sb.data("x", i)  # HERE
    y = sb.define("y", (i,), 2 * x[i])
    return Program((y.definition,), (y,), ((x, y),))


@bad("W (declared at", "the fact label(5) would be broken by training", "declare it as sb.data")
def a_label_that_is_trained() -> Any:
    W = sb.parameter("W", i, facts=[sb.label(5)])  # HERE
    return sb.define("z", (i,), W[i])


@bad("the fact one_hot(1) would be broken by training")
def a_one_hot_parameter() -> Any:
    W = sb.parameter("W", i, j, facts=["one_hot"])  # HERE
    return sb.define("z", (i, j), W[i, j])


@bad("the fact symmetric(0, 1) exchanges axes of 64 and 32 entries", "must be equal")
def a_symmetric_tensor_that_is_not_square() -> Any:
    A = sb.data("A", i, j, facts=["symmetric"])  # HERE
    return sb.define("z", (i, j), A[i, j])


@bad("the fact symmetric(0, 0) names one axis twice", "write sb.symmetric(i, j)")
def a_symmetric_tensor_in_one_axis() -> Any:
    A = sb.data("A", i, i, facts=[sb.symmetric(0, 0)])  # HERE
    return sb.define("z", (i,), A[i, i])


@bad("the facts one_hot and label contradict each other")
def contradicting_facts() -> Any:
    y = sb.data("y", n, k, facts=["one_hot", sb.label(10)])  # HERE
    return sb.define("z", (n, k), y[n, k])


@bad("the facts label and positive contradict each other")
def labels_that_are_never_zero() -> Any:
    y = sb.data("y", n, facts=[sb.positive, sb.label(10)])  # HERE
    return sb.define("z", (n,), y[n])


@bad("the fact one_hot(2) speaks of an axis that it has not; it has 1 axes")
def a_fact_of_an_axis_that_is_none() -> Any:
    y = Tensor("y", (N,), (n,), "data", (Fact("one_hot", (2,)),))
    z = sb.define("z", (n,), Element(y.symbol, n))
    return Program((z.definition,), (z,))


@bad("names no tensors and this loss has no weights", 'name them, e.g. sb.penalties.l2(1e-4, "W1")')
def a_penalty_without_weights() -> Any:
    x, b = data(n), sb.parameter("b")
    y = sb.define("y", (n,), x[n] + b)
    return sb.losses.squared_error(y, sb.data("y0", n)) + sb.penalties.l2(0.1)  # HERE


@bad("names 'V'; the parameters of this loss are w")
def a_penalty_of_an_unknown_name() -> Any:
    x, w = data(n, i), sb.parameter("w", i)
    return (x @ w).sum() + sb.penalties.l2(0.1, "V")  # HERE


@bad("is not written out", "collect the program with sb.program(loss)")
def a_penalty_in_a_program_put_together_by_hand() -> Any:
    x = data(n)
    y = sb.define("y", (n,), x[n] + sb.penalties.l2(1, "W"))  # HERE
    return Program((y.definition,), (y,))
