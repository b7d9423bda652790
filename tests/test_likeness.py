"""What was made of one formula serves all that are alike but for the names of tensors."""

from __future__ import annotations

from sympy import Expr, Sum, tanh

import symbackprop as sb
from symbackprop.likeness import Likeness, Renaming, spelling
from symbackprop.rules.forms import shortest

N = sb.size("N")
n, i, j = sb.indices("n i j", N, 3, 3)
g, h, u, v = (sb.parameter(name, n, i) for name in "ghuv")
hot = sb.parameter("hot", n, i, facts=[sb.positive])
x, y = sb.data("x", n, i), sb.data("y", n, i)


def test_formulas_with_other_parameters_share_a_key() -> None:
    assert spelling(g[n, i]*tanh(h[n, i]))[0] == spelling(u[n, i]*tanh(v[n, i]))[0]


def test_other_letters_data_facts_numbers_or_roles_of_a_tensor_make_another_key() -> None:
    keys = [spelling(body)[0] for body in (
        g[n, i]*2, g[n, j]*2, hot[n, i]*2, x[n, i]*2, y[n, i]*2, g[n, i]*3, g[n, i] + 2)]
    assert len(set(keys)) == len(keys)
    assert spelling(g[n, i]*tanh(g[n, i]))[0] != spelling(g[n, i]*tanh(h[n, i]))[0]
    assert spelling(g[n, i], h[n, i])[0] != spelling(g[n, i], g[n, i])[0]


def test_tensors_that_sympy_sorts_otherwise_make_another_key() -> None:
    """v·tanh(u) has its factors in another order than u·tanh(v): a rule may see the order."""
    assert spelling(g[n, i] - h[n, i])[0] != spelling(h[n, i] - g[n, i])[0]


def test_a_result_is_computed_once_and_handed_on_with_the_tensors_of_the_others() -> None:
    asked: list[Expr] = []

    def make(body: Expr) -> Expr:
        asked.append(body)
        return shortest(body)

    def renamed(body: Expr, renaming: Renaming) -> Expr:
        return body.xreplace(renaming)

    alike = Likeness(make, renamed)
    first = Sum(x[n, i]*g[n, i] + x[n, i]*tanh(h[n, i]), (n, 0, N - 1))
    second = first.xreplace({g: u, h: v})
    assert alike(first) == shortest(first)
    assert alike(second) == shortest(second)
    assert asked == [first]
