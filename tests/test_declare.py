"""What the user may declare, what comes back, and what is refused with which words."""

import copy
import pickle
from typing import Any

import pytest
import sympy
from sympy import Idx, Sum, Symbol

import symbackprop as sb
from symbackprop.errors import DeclarationError
from symbackprop.notation import Fact, TensorSymbol

N = sb.size("N")
n, i, j = sb.indices("n i j", N, 64, 32)


def test_a_size_is_one_positive_integer_symbol() -> None:
    assert sb.size("N") == N == Symbol("N", integer=True, positive=True)


def test_one_name_and_extent_give_one_index() -> None:
    assert sb.indices("i", 64) == i
    assert sb.indices("a b", i, N)[0].upper == 63
    assert sb.indices("i", 7) != i
    assert isinstance(n, Idx)
    assert (n.lower, n.upper) == (0, N - 1)


def test_axes_are_indices_sizes_or_numbers_alike() -> None:
    first, second, third = sb.data("x", n, i), sb.data("x", N, 64), sb.data("x", (N, 64))
    assert first.axes == second.axes == third.axes == (N, 64)
    assert first.letters == (n, i)
    assert len(set(map(str, sb.data("A", 3, 3, 3).letters))) == 3


def test_rank_0_tensors_are_real_symbols() -> None:
    lam, b = sb.hyper("lam", 1e-4), sb.parameter("b")
    assert isinstance(lam, Symbol)
    assert isinstance(b, TensorSymbol)
    assert lam.is_real
    assert lam.tensor.default == 1e-4
    assert sb.hyper("mu").tensor.default is None
    assert sympy.diff(b**2, b) == 2 * b


def test_identity_is_not_the_name() -> None:
    one, other = sb.hyper("lam", 1), sb.hyper("lam", 2)
    assert one != other
    assert sympy.diff(one * other, one) == other
    x, y = sb.data("h", 3), sb.data("h", 4)
    assert x[0] != y[0]
    assert pickle.loads(pickle.dumps(N)) == N


def test_two_programs_of_one_process_may_both_have_an_h() -> None:
    texts = []
    for width in (3, 4):
        k = sb.indices("k", width)
        x = sb.data("x", n, k)
        texts.append(str(sb.program(sb.define("h", (n, k), 2 * x[n, k]))))
    assert texts[0] == texts[1] == "h[n,k] = 2·x[n,k]"


def test_facts_are_given_by_index_by_position_or_by_word() -> None:
    for given in (sb.one_hot(j), sb.one_hot(1), sb.one_hot(), "one_hot"):
        assert sb.data("y", n, j, facts=[given]).facts == (Fact("one_hot", (1,)),)
    assert sb.data("s", j, sb.indices("k", 32), facts=["symmetric"]).facts[0].axes == (0, 1)
    assert sb.data("y", n, facts=[sb.label(10)]).facts[0].extent == 10
    assert sb.hyper("lam").is_positive is None
    assert sb.data("s", facts=[sb.positive]).is_positive


def test_one_fact_needs_no_list() -> None:
    assert sb.data("y", n, j, facts="one_hot").facts == sb.data("y", n, j, facts=["one_hot"]).facts
    assert sb.data("y", n, j, facts=sb.one_hot(j)).facts == (Fact("one_hot", (1,)),)


def test_names_are_read_as_python_reads_keywords() -> None:
    micro, composed = "\u00b5", "y\u0302"
    f = sb.compile(sb.parameter(micro) * sb.parameter(composed))
    assert f(μ=2, ŷ=3) == 6


def test_a_copy_of_a_tensor_is_the_tensor() -> None:
    W, b = sb.parameter("W", i), sb.parameter("b")
    assert copy.copy(W) is copy.deepcopy(W) is W
    assert copy.deepcopy(b) == b
    d = sb.derive(Sum(W[i], i) * b)
    assert copy.deepcopy(d)[b] == d[b]


def test_assumptions_follow_from_facts() -> None:
    assert sb.data("y", n, facts=[sb.label(10)])[n].is_integer
    assert sb.data("y", n, facts=[sb.positive])[n].is_positive
    assert sb.data("y", n, j, facts=["simplex"])[n, j].is_nonnegative
    assert sb.data("y", n)[n].is_real


def test_a_definition_remembers_its_letters_body_and_place() -> None:
    x = sb.data("x", n, i)
    h = sb.define("h", (n,), Sum(x[n, i], i))
    assert h.definition.indices == (n,)
    assert h.definition.body == Sum(x[n, i], i)
    assert "test_declare.py:" in h.where
    assert sb.define("h", n, x[n, 0]).shape == (N,)
    assert isinstance(sb.define("L", (), Sum(x[n, i], n, i)), Symbol)
    assert sb.define("c", (n,), 3).definition.body == 3


x = sb.data("x", n, i)
REFUSED: list[tuple[Any, str]] = [
    (lambda: sb.size("2N"), "'2N' is no name"),
    (lambda: sb.size(""), "'' is no name"),
    (lambda: sb.data("x y", 3), "'x y' is no name"),
    (lambda: sb.data(3, 3), "3 is no name"),
    (lambda: sb.parameter("W[0]", 3), "use letters, digits and _"),
    (lambda: sb.indices("n i", N), "names 2 indices but gives 1 extents"),
    (lambda: sb.indices("n n", 3, 4), "gives 'n' two different extents"),
    (lambda: sb.indices(3, 4), "the names come first, as one text"),
    (lambda: sb.indices(["n", "i"], N, 64), "write e.g. sb.indices"),
    (lambda: sb.data("x", 10**30), "an axis has at most 2147483647 entries"),
    (lambda: sb.indices("i", 2**31), "not 2147483648"),
    (lambda: sb.indices("i", 0), "an axis must be an index, a size or a positive int, not 0"),
    (lambda: sb.indices("i", 2.5), "not 2.5"),
    (lambda: sb.indices("i", True), "not True"),
    (lambda: sb.indices("i", "N"), "make a size with sb.size"),
    (lambda: sb.data("x", -3), "not -3"),
    (lambda: sb.data("x", Symbol("K")), "not K"),
    (lambda: sb.data("x", Symbol("K", integer=True)), "not K"),
    (lambda: sb.data("x", n + 1), "not n"),
    (lambda: sb.data("x", None), "not None"),
    (lambda: sb.hyper("lam", "0.1"), "the default must be a finite number, not '0.1'"),
    (lambda: sb.hyper("lam", True), "not True"),
    (lambda: sb.hyper("lam", float("nan")), "not nan"),
    (lambda: sb.hyper("lam", float("inf")), "not inf"),
    (lambda: sb.hyper("lam", 10**400), "must be a finite number"),
    (lambda: sb.data("y", n, facts="onehot"), "'onehot' is no fact"),
    (lambda: sb.data("y", n, facts=None), "None is no fact"),
    (lambda: sb.one_hot("k"), "the axis is an index of the tensor or its position"),
    (lambda: sb.symmetric(0, 1.0), r"write e.g. sb.symmetric\(k\)"),
    (lambda: pickle.dumps(x), "x is not pickled: a tensor is known by its identity"),
    (lambda: sb.data("y", n, facts=["onehot"]), "'onehot' is no fact; write sb.one_hot"),
    (lambda: sb.data("y", n, facts=[sb.one_hot(j)]), "is none of its axes"),
    (lambda: sb.data("y", n, facts=[sb.one_hot(1)]), "needs axis 1, but y has 1 axes"),
    (lambda: sb.data("y", n, facts=["symmetric"]), "needs axis -2, but y has 1 axes"),
    (lambda: sb.label(0), "not 0"),
    (lambda: sb.define("h", (n, n), x[n, 0]), "an index stands twice on the left"),
    (lambda: sb.define("h", ("n",), x[n, 0]), "'n' is no index; make it with sb.indices"),
    (lambda: sb.define("h", 5, x[n, 0]), "5 is no index"),
    (lambda: sb.define("h", (n,), x), r"the tensor x stands without indices; write x\[n, i\]"),
    (lambda: sb.define("h", (n,), "x[n, 0]"), "is not a scalar SymPy expression"),
    (lambda: sb.define("h", (n,), [x[n, 0]]), "is not a scalar SymPy expression"),
    (lambda: sb.define("h", (n,), x[n, 0] > 0), "is not a scalar SymPy expression"),
    (lambda: sb.define("h", (n,), True), "is not a scalar SymPy expression"),
    (lambda: sb.define("h", (n,), None), "is not a scalar SymPy expression"),
    (lambda: sb.define("h", (n,), sympy.eye(2)), "is not a scalar SymPy expression"),
    (lambda: sb.Maximum(x[n, i], Symbol("i")), "runs over indices made by sb.indices"),
    (lambda: sb.Minimum(x[n, i]), "runs over indices made by sb.indices"),
    (lambda: sb.program(x[n, i]), r"x\[n, i\] has the free index n"),
    (lambda: sb.data("x", sympy.Idx("q")), r"q has no extent; make it with sb.indices\('q', "),
    (lambda: sb.define("h", sympy.Idx("q"), x[n, 0]), "q has no extent"),
    (lambda: sb.program(sb.program((x + 1).sum())), "a Program is not a scalar .* write tensors"),
    (lambda: sb.program("L"), "is not a scalar SymPy expression"),
    (lambda: sb.program((x + 1).sum())["h"], "this program has no tensor 'h'; it has x, L"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_declaration_that_makes_no_sense_is_refused(bad: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        bad()
