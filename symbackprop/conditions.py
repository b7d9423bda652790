"""Conditions are comparisons joined by and, or, not: what printers, checks and kernels read.

SymPy writes an if-then-else between conditions wherever a Piecewise comes into the condition of
another one: {1 if {x if y > 0; −x otherwise} > 2; 0 otherwise} has, inside, ITE(y > 0, x > 2, …).
"""

from __future__ import annotations

from sympy import ITE, And, Basic, Expr, Not, Or

from symbackprop.normal import kinds, postorder


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
