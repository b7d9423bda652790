"""Conditions are comparisons joined by and, or, not: what printers, checks and kernels read.

SymPy writes an if-then-else between conditions wherever a Piecewise comes into the condition of
another one: {1 if {x if y > 0; −x otherwise} > 2; 0 otherwise} has, inside, ITE(y > 0, x > 2, …).

A tie [t = m] with m = max t compares the very numbers of two lines.  Were t written out in it, it
would be rounded in another way, no entry would be the largest one, and the gradient would be zero.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import ITE, And, Basic, Eq, Expr, Not, Or, Piecewise

from symbackprop.normal import kinds, postorder
from symbackprop.notation import Element, TensorSymbol


def joined_conditions(body: Expr) -> Expr:
    """ITE(c, a, b) becomes (c and a) or (not c and b), anywhere in a body.

    >>> from sympy import Piecewise, symbols
    >>> x, y = symbols("x y", real=True)
    >>> body = Piecewise((1, Piecewise((x, y > 0), (-3, True)) > 2), (0, True))
    >>> body
    Piecewise((1, ITE(y > 0, x > 2, False)), (0, True))
    >>> joined_conditions(body)
    Piecewise((1, (x > 2) & (y > 0)), (0, True))
    """
    if ITE not in kinds(body):
        return body
    new: dict[Basic, Basic] = {}
    for node in postorder(body):
        args = [new.get(arg, arg) for arg in node.args]
        if isinstance(node, ITE):
            chosen, this, other = args
            new[node] = Or(And(chosen, this), And(Not(chosen), other))
        else:
            new[node] = node if tuple(args) == node.args else node.func(*args)
    return new[body]


def has_one_case(factor: Basic) -> bool:
    """Whether a Piecewise is 0 but for one case: elsewhere it hides what the other factors are."""
    return isinstance(factor, Piecewise) and sum(value != 0 for value, _ in factor.args) == 1


def beside_ties(body: Expr, under: tuple[type, ...] = (Element, TensorSymbol)) -> list[Expr]:
    """All nodes of a body but those of ties, and under these kinds; each before its arguments."""
    found: dict[Expr, None] = {}
    stack: list[Expr] = [body]
    while stack:
        node = stack.pop()
        if node not in found and not _is_tie(node):
            found[node] = None
            stack.extend(() if isinstance(node, under) else reversed(node.args))
    return list(found)


def beside_ties_replaced(body: Expr, contents: Mapping[Expr, Expr]) -> Expr:
    """The body with contents written out everywhere but in ties."""
    ties = {node: node for node in body.atoms(Eq) if _is_tie(node)}
    return body.xreplace({**contents, **ties})


def _is_tie(node: Basic) -> bool:
    return isinstance(node, Eq) and all(isinstance(e, (Element, TensorSymbol)) for e in node.args)
