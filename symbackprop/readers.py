"""Who reads what: definitions nobody needs, and bodies that are not worth a line of their own."""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Eq, Expr, Function, Idx, Mul, Pow

from symbackprop.functions import Iverson
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Tensor,
    TensorSymbol,
    elements_in,
    tensors_in,
)


def pruned(program: Program) -> Program:
    """The program without definitions that no output or update needs."""
    needed = {*program.outputs, *(t for pair in program.updates for t in pair)}
    kept = []
    for definition in reversed(program.definitions):
        if definition.target in needed:
            kept.append(definition)
            needed.update(tensors_in(definition.body))
    return replace(program, definitions=tuple(reversed(kept)))


def consumers(program: Program) -> dict[Tensor, list[tuple[Definition, Expr]]]:
    """Who reads a tensor, and by which element."""
    found: dict[Tensor, list[tuple[Definition, Expr]]] = {}
    for definition in program:
        for element in elements_in(definition.body):
            found.setdefault(element.tensor, []).append((definition, element))
    return found


def trivial(body: Expr) -> bool:
    """A number, a copy, or a product of numbers, sizes, hypers, [i = j] and at most one element."""
    factors = [f.args[0] if isinstance(f, Pow) and f.args[1].is_Integer else f
               for f in Mul.make_args(body) if not _is_delta(f)]
    if any(isinstance(f, (Add, Function)) for f in factors):
        return False
    big = [f for f in factors if isinstance(f, Element)
           or (isinstance(f, TensorSymbol) and f.tensor.role == "intermediate")]
    return len(big) <= 1 and all(
        isinstance(f, (Element, TensorSymbol, Idx)) or not f.args or f.is_number for f in factors)


def _is_delta(factor: Expr) -> bool:
    """[i = j], which leaves one term of a sum over i or j."""
    return isinstance(factor, Iverson) and isinstance(factor.args[0], Eq) and all(
        isinstance(side, Idx) for side in factor.args[0].args)


def is_sensitivity(definition: Definition) -> bool:
    """Whether a definition is worth the name δ: an adjoint that is more than a copy or a sum."""
    return definition.adjoint_of is not None and definition.op == "map" and not isinstance(
        definition.body, (Element, TensorSymbol))
