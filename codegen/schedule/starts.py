"""begin(program): a product to whose every row the same row is added gets that sum as a name.

    h[n,j] = tanh(b[j] + s[n,j])        z[n,j] = b[j] + s[n,j],   h[n,j] = tanh(z[n,j])

Then the product begins at b (`absorb`), and what is left is read entry by entry: one loop over
all entries, as long as vectors like it, and no visit for the bias alone.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Expr

from symbackprop.codegen.schedule.products import is_whole, product
from symbackprop.normal import postorder, read_by_names, temporary
from symbackprop.notation import Definition, Element, Program, Tensor, elements_in


def begin(program: Program) -> Program:
    """The same values; such sums have definitions of their own."""
    made: list[Definition] = []
    found: dict[Tensor, tuple[Definition, Tensor]] = {}
    readers = _readers(program)
    claimed: set[Expr | None] = set()
    before: set[Tensor] = set(program.inputs)
    for definition in program:
        made.append(replace(definition, body=_with_names(definition.body, found)))
        target, gemm = definition.target, product(definition)
        if gemm is not None and not gemm.batch and len(gemm.columns) == 1:
            sums = readers.get(target, set())
            starts = {_row_beside(node, target) for node in sums}
            start = starts.pop() if len(starts) == 1 else None
            if start in before and target not in program.outputs and not claimed & sums:
                claimed |= sums
                total = temporary(start.at(*gemm.columns) + definition.element, definition.indices,
                                  hint="z", where=definition.where)
                made.append(total)
                found[target] = total, start
        before.add(target)
    return replace(program, definitions=tuple(made))


def _readers(program: Program) -> dict[Tensor, set[Expr | None]]:
    """The nodes that have an entry of a tensor among their arguments; None for no sum to name.

    There is none where the entry alone, or a sum of it and one other entry, is a whole body.
    """
    found: dict[Tensor, set[Expr | None]] = {}
    for reader in program:
        for node in postorder(reader.body):
            is_all = node == reader.body and len(node.args) == 2
            for element in node.args:
                if isinstance(element, Element):
                    found.setdefault(element.tensor, set()).add(None if is_all else node)
        if isinstance(reader.body, Element):
            found.setdefault(reader.body.tensor, set()).add(None)
    return found


def _row_beside(node: Expr | None, target: Tensor) -> Tensor | None:
    """b in … + b[j] + s[n,j], where s is the target; None where there is no such row."""
    if isinstance(node, Add):
        (element, *others) = [e for e in node.args if isinstance(e, Element)
                              and e.tensor is target]
        rows = [e.tensor for e in node.args if isinstance(e, Element) and is_whole(e)
                and e.indices == element.indices[-1:]]
        if not others and len(rows) == 1:
            return rows[0]
    return None


def _with_names(body: Expr, found: dict[Tensor, tuple[Definition, Tensor]]) -> Expr:
    """The body that reads z[n,j] for b[j] + s[n,j]."""
    named = []
    for element in elements_in(body):
        if element.tensor in found:
            total, start = found[element.tensor]
            named.append((start.at(element.indices[-1]) + element,
                          total.target.at(*element.indices)))
    return read_by_names(body, named)
