"""Where in a generated module the formula of each tensor stands.

Every stage is emitted under a comment with its formula, in order; so the line of a tensor is the
first one with that comment after the line of the stage before.
"""

from __future__ import annotations

from symbackprop.codegen.ir import Kernel
from symbackprop.codegen.layout import Module, comment
from symbackprop.codegen.stability import formula
from symbackprop.notation import Tensor


def source_lines(module: Module, kernel: Kernel) -> dict[Tensor, int]:
    """Of each tensor that the module computes, the line of its formula, counted from 1."""
    names = kernel.names
    lines = [line.strip() for line in module.source.split("\n")]
    found: dict[Tensor, int] = {}
    place = 0
    for stage in kernel.stages:
        place = lines.index(comment(formula(stage.definition, names)), place) + 1
        found[stage.definition.target] = place
    return found
