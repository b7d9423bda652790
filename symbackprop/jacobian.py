"""The largest singular value of ∂U/∂T at given values, by products with it and its transpose.

    Jᵀ v = ∂(Σ v·U)/∂T          linear in v, by one reverse sweep
    J q  = ∂(Σ q·Jᵀ v)/∂v       by a second one

and the power method on Jᵀ J (Golub & Van Loan, Matrix Computations, 8.2): the Jacobian itself, a
number for each pair of entries, is never written out.
"""

from __future__ import annotations

import numpy as np

from symbackprop.backprop import adjoints
from symbackprop.dependence import Dependence
from symbackprop.interpreter import Machine
from symbackprop.normal import temporary
from symbackprop.notation import Definition, Program, Tensor

__all__ = ["jacobian_norm"]

ROUNDS = 25
TOLERANCE = 3e-4


def jacobian_norm(network: Dependence, source: Tensor, target: Tensor, machine: Machine
                  ) -> float | None:
    """‖∂target/∂source‖₂ at the values that the machine holds; None where it does not depend.

    Samples that do not see each other make J block diagonal: its norm is the largest of theirs.
    """
    after = network.downstream([source])
    definitions = network.program.definitions
    between = [definitions[place] for place in after]
    if target not in (d.target for d in between):
        return None
    last = next(i for i, d in enumerate(between) if d.target is target)
    v = _like(target)
    back, down = _product(between[: last + 1], target, v, source)
    q = _like(source)
    forth, up = _product(back, down, q, v)
    return _power_method(machine, (v, back, down), (q, forth, up))


def _product(definitions: list[Definition], target: Tensor, factor: Tensor, source: Tensor
             ) -> tuple[list[Definition], Tensor]:
    """∂(Σ factor·target)/∂source: the definitions that compute it, and its tensor."""
    letters = target.letters
    body = factor.at(*letters) * target.at(*letters)
    total = temporary(body, (), letters, "sum" if letters else "map")
    program = Program((*definitions, total), (total.target,))
    made, found = adjoints(program, total.target, (source,))
    return list(made), found[source]


def _like(tensor: Tensor) -> Tensor:
    return Tensor(None, tensor.axes, tensor.letters, "data")


Step = tuple[Tensor, list[Definition], Tensor]


def _power_method(machine: Machine, backward: Step, forward: Step) -> float:
    """σ from q = Jᵀ v, v ← J q/‖q‖, until ‖v‖ settles; what `forward` reads of `backward` is
    free of v, so that it need not be computed again."""
    shape = tuple(machine.length(axis) for axis in backward[0].axes)
    vector = np.random.default_rng(0).standard_normal(shape)
    found = 0.0
    for _ in range(ROUNDS):
        before = found
        for given, definitions, result in (backward, forward):
            found = float(np.linalg.norm(vector))
            if found == 0 or not np.isfinite(found):
                return found
            machine.arrays[given] = vector / found
            for definition in definitions:
                machine.define(definition)
            vector = machine.arrays[result]
        if abs(found - before) <= TOLERANCE * found:
            break
    return found
