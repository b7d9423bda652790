"""Which definitions a reader sees: single-use helpers are written where they are used.

    z̄[n,j] = Σ_k δ2[n,k]·W2[j,k],  δ1[n,j] = z̄[n,j]·(1 − h[n,j]²)
becomes
    δ1[n,j] = (Σ_k δ2[n,k]·W2[j,k])·(1 − h[n,j]²)

Sensitivities, gradients and what the user named keep their lines.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sympy import Expr

from symbackprop.indexing import replace_indices
from symbackprop.notation import Definition, Element, Program, Tensor, elements_in
from symbackprop.printing.index import right_hand_side
from symbackprop.rules.forms import weight
from symbackprop.simplification import is_sensitivity, pruned, trivial

WIDEST = 60


def presented(program: Program, whole: Tensor | None = None) -> Program:
    """The program for a reader: helpers read once are inlined as nested sums.

    whole: the one tensor whose body is wanted in full, with every adjoint inlined in it.
    """
    if whole is not None:
        program = pruned(replace(program, outputs=(whole,)))
    counts = Counter(e.tensor for d in program for e in elements_in(d.body))
    inlined: dict[Tensor, Definition] = {}
    shown = []
    for definition in program:
        body = _with_contents(right_hand_side(definition), inlined)
        written = replace(definition, body=body, over=(), op="map")
        if _hidden(definition, body, program, counts, whole is not None):
            inlined[definition.target] = written
        elif whole is None and definition.adjoint_of is None and _is_forward(definition):
            continue
        else:
            shown.append(written)
    if whole is not None:
        return replace(program, definitions=tuple(d for d in shown if d.target is whole))
    return replace(program, definitions=tuple(shown))


def _is_forward(definition: Definition) -> bool:
    """Declared by the user: `print(sb.program(L))` shows these."""
    declared = definition.target.definition
    return declared is not None and declared.target is definition.target and (
        definition.target.name is not None or declared.adjoint_of is None)


def _hidden(definition: Definition, body: Expr, program: Program, counts: Counter[Tensor],
            everything: bool) -> bool:
    target = definition.target
    if target in program.outputs or target.name is not None:
        return False
    if everything:
        return definition.adjoint_of is not None or not _is_layer(target)
    if is_sensitivity(definition) and target.hint.startswith("δ"):
        return False
    return trivial(definition.body) and definition.op == "map" or (
        counts[target] == 1 and weight(body) <= WIDEST)


def _is_layer(target: Tensor) -> bool:
    return target.hint in ("h", "p") and target.numbered


def _with_contents(body: Expr, inlined: dict[Tensor, Definition]) -> Expr:
    contents = {}
    for element in elements_in(body):
        definition = inlined.get(element.tensor)
        if definition is not None:
            indices = element.indices if isinstance(element, Element) else ()
            mapping = dict(zip(definition.indices, indices, strict=True))
            contents[element] = replace_indices(definition.body, mapping)
    return body.xreplace(contents) if contents else body
