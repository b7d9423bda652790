"""A scalar formula as one works it out by hand: each composite part has a line of its own.

    ℓ = (w2·σ(w1·x) − y)²     becomes     z1 = w1·x,  a1 = σ(z1),  r1 = w2·a1 − y,  ℓ = r1²

so that the chain rule has something to chain.  The argument of a function is a z, a function in
a product or a sum an a, the base of a power an r, a sum in a product an s.
"""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Add, Expr, Function, Mul, Pow

from symbackprop.functions import Iverson
from symbackprop.normal import postorder, temporary
from symbackprop.notation import Definition, Element, Program, elements_in

__all__ = ["elementary"]


def elementary(program: Program) -> Program:
    """The program with its scalar bodies taken apart; others stay as they are."""
    made: list[Definition] = []
    for definition in program:
        scalar = definition.op == "map" and not definition.indices and not any(
            isinstance(e, Element) for e in elements_in(definition.body))
        made += _taken_apart(definition) if scalar else [definition]
    return Program(tuple(made), program.outputs, program.updates)


def _taken_apart(definition: Definition) -> Iterator[Definition]:
    """The parts of a body, each defined before it is read, and last the definition itself."""
    new: dict[Expr, Expr] = {}
    named: dict[Expr, Expr] = {}
    for node in postorder(definition.body):
        args = []
        for arg in node.args:
            shown = new.get(arg, arg)
            hint = _hint(node, shown)
            if hint and shown not in named:
                part = temporary(shown, (), hint=hint, where=definition.where)
                named[shown] = part.element
                yield part
            args.append(named[shown] if hint else shown)
        new[node] = node if tuple(args) == node.args else node.func(*args)
    yield Definition(definition.target, (), new[definition.body], where=definition.where)


def _hint(parent: Expr, part: Expr) -> str:
    """The letter of a part of a body that is worth a line of its own, or nothing."""
    if not isinstance(part, (Add, Mul, Pow, Function)) or isinstance(part, Iverson):
        return ""
    numbers_but_one = isinstance(part, Mul) and sum(not f.is_number for f in part.args) < 2
    if part.is_number or numbers_but_one:
        return ""
    match parent:
        case Function():
            return "z"
        case Pow():
            return "r" if isinstance(part, (Add, Function)) else ""
        case Mul() | Add():
            return "a" if isinstance(part, Function) else (
                "s" if isinstance(parent, Mul) and isinstance(part, Add) else "")
    return ""
