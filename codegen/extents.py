"""How far an index runs in a part of a kernel, and the call of a matrix product."""

from __future__ import annotations

import re

from sympy import Expr, Idx

from symbackprop.codegen.ir import Blocks, Gemm
from symbackprop.codegen.scalars import Scope
from symbackprop.notation import extent


def gemm_call(gemm: Gemm, scope: Scope) -> str:
    """gemm_tn(784, 256, N, -rate, x, delta1, real(1), W1), or gemm_nn_from(…, x, W1, b1, z1)."""

    def operand(access: Expr) -> str:
        name = scope.tensors[access.tensor]
        places = [scope.indices[i] for i in access.indices if i in gemm.batch]
        indices = access.indices[len(places):]
        spans = [scope.spans.get(index, ("0", "")) for index in indices]
        cut = next((place for place, (first, _) in enumerate(spans) if first != "0"), 0)
        if cut > 1 and not places:  # behind several axes: their values are rows of one matrix
            lengths = [scope.integer(extent(index)) for index in indices[cut:]]
            name = f"view({name}, ({', '.join([count(indices[:cut], scope), *lengths])}))"
            spans = [("0", ""), *spans[cut:]]
        places += [":" if first == "0" else f"{first}:{end}" for first, end in spans]
        while places and places[-1] == ":":
            places.pop()
        return f"{name}[{', '.join(places)}]" if places else name

    skipped = sum(i in gemm.batch for i in gemm.left.indices)
    layout = "n" if gemm.left.indices[skipped:][:len(gemm.rows)] == gemm.rows else "t"
    skipped = sum(i in gemm.batch for i in gemm.right.indices)
    layout += "n" if gemm.right.indices[skipped:][:len(gemm.inner)] == gemm.inner else "t"
    lengths = ", ".join(count(g, scope) for g in (gemm.rows, gemm.columns, gemm.inner))
    suffix, old = (("", scope.real(gemm.beta)) if gemm.start is None
                   else ("_from", operand(gemm.start)))
    if layout == "nt" and not suffix and _may_be_short(gemm):
        suffix = "_short"
    return (f"gemm_{layout}{suffix}({lengths}, {scope.real(gemm.alpha)}, {operand(gemm.left)}, "
            f"{operand(gemm.right)}, {old}, {operand(gemm.target)})")


def _may_be_short(gemm: Gemm) -> bool:
    """Whether rows or columns are as many as a size says.

    What threads deal out are strips of a known length, so all of them see the same size.
    """
    lengths = [extent(index) for index in (*gemm.rows, *gemm.columns)]
    deep = all(extent(index).is_Integer for index in gemm.inner)
    return not gemm.batch and deep and not all(length.is_Integer for length in lengths)


def ends(index: Idx, scope: Scope) -> tuple[str, str]:
    """The first value of an index, and the one after its last."""
    if index in scope.spans:
        return scope.spans[index]
    return scope.integer(index.lower), scope.integer(index.upper + 1)


def length(index: Idx, scope: Scope) -> str:
    """How many values an index has in this part of the kernel, to be multiplied by others."""
    if index not in scope.spans:
        return multiplied(scope.integer(extent(index)))
    first, end = scope.spans[index]
    return end if first == "0" else f"({end} - {first})"


def multiplied(number: str) -> str:
    """A number as a factor of a product: 1 + N in brackets."""
    return number if re.fullmatch(r"\w+", number) else f"({number})"


def count(group: tuple[Idx, ...], scope: Scope) -> str:
    """How many values a group of indices has."""
    return "*".join(length(index, scope) for index in group)


def block_length(blocks: Blocks, scope: Scope) -> str:
    """How many values of its index a block has."""
    if not blocks.inner:
        return str(blocks.length)
    row = count(blocks.inner, scope)
    return f"max(1, {blocks.length}//{f'({row})' if len(blocks.inner) > 1 else row})"
