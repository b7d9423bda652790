"""Which definitions a reader sees: single-use helpers are written where they are used.

    z̄[n,j] = Σ_k δ2[n,k]·W2[j,k],  δ1[n,j] = z̄[n,j]·(1 − h[n,j]²)
becomes
    δ1[n,j] = (Σ_k δ2[n,k]·W2[j,k])·(1 − h[n,j]²)

Sensitivities, gradients and what the user named keep their lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sympy import Add, Expr, Idx, Piecewise, Sum

from symbackprop.conditions import joined_conditions
from symbackprop.functions import branches, masked
from symbackprop.indexing import bound_indices, replace_indices, unshadowed
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Reduction,
    Tensor,
    TensorSymbol,
    elements_in,
    tensors_in,
)
from symbackprop.printing.index import right_hand_side
from symbackprop.readers import is_sensitivity, pruned, trivial
from symbackprop.rules.forms import READ, factored, weight
from symbackprop.rules.sums import with_factors_outside

WIDEST = 90
COPIED = 3
SCALE = 12
LINE = 6  # what a line of its own costs a reader, beside what stands in it


def is_element(node: Expr) -> bool:
    """Whether it is an entry of a tensor."""
    return isinstance(node, (Element, TensorSymbol))


def presented(program: Program, declared: Collection[Tensor], whole: Tensor | None = None
              ) -> Program:
    """The adjoints of a program for a reader: helpers read once are inlined as nested sums.

    declared: what the forward program defines, which is read here by its name;
    whole: the one tensor whose body is wanted in full, with every adjoint inlined in it.
    """
    outputs = program.outputs if whole is None else (whole,)
    own = tuple(d for d in program if d.target not in declared or d.target in outputs)
    program = pruned(replace(program, definitions=own, outputs=outputs))
    counts = Counter(e.tensor for d in program for e in elements_in(d.body))
    times = Counter(e.tensor for d in program for e in standing(d.body))
    scaled = frozenset(t for d in program if d.indices for t in tensors_in(d.body))
    inlined: dict[Tensor, Definition] = {}
    shown = []
    for definition in program:
        body = _with_contents(definition, inlined)
        written = replace(definition, body=body, over=(), op="map")
        if definition.target not in program.outputs and (
                whole is not None or _hidden(definition, body, counts, times)
                or _is_scale(definition, body, counts, scaled)):
            inlined[definition.target] = written
        else:
            shown.append(written)
            if weight(body) <= COPIED and not elements_with_indices(body):
                inlined[definition.target] = written
    read = pruned(replace(program, definitions=tuple(shown)))  # a number is read where it stands
    return replace(read, definitions=tuple(_as_on_the_blackboard(read, program.outputs)))


def under_their_names(program: Program, normal: Program, declared: Collection[Tensor]) -> Program:
    """The program reading h for a temporary s, where the normal form says h[n,j] = s[n,j]."""
    copies = {d.body.tensor: d.target for d in normal if d.op == "map" and d.target in declared
              and isinstance(d.body, (Element, TensorSymbol))
              and d.body.tensor.rank == len(d.indices)
              and d.body == d.body.tensor.at(*d.indices)
              and d.body.tensor.role == "intermediate" and d.body.tensor not in declared}
    if not copies:
        return program
    renamed = []
    for definition in program:
        if definition.target not in copies:
            body = definition.body.xreplace({
                e: copies[e.tensor].at(*getattr(e, "indices", ()))
                for e in elements_in(definition.body) if e.tensor in copies})
            primal = definition.adjoint_of
            named = copies.get(primal, primal) if primal is not None else None
            renamed.append(replace(definition, body=body, adjoint_of=named))
    return replace(program, definitions=tuple(renamed))


def elements_with_indices(body: Expr) -> bool:
    """Whether a body reads more than rank-0 tensors."""
    return any(isinstance(e, Element) for e in elements_in(body))


def _as_on_the_blackboard(shown: Program, gradients: Sequence[Tensor]) -> list[Definition]:
    """Each gradient stands as soon as the sensitivities that it reads do."""
    place: dict[Tensor, tuple[int, int]] = {}
    for number, definition in enumerate(d for d in shown if d.target not in gradients):
        place[definition.target] = (number, 0)
    for definition in (d for d in shown if d.target in gradients):
        read = [place[t][0] for t in tensors_in(definition.body) if t in place]
        place[definition.target] = (max(read, default=-1), 1)
    return sorted(shown, key=lambda d: place[d.target])


def _hidden(definition: Definition, body: Expr, counts: Counter[Tensor], times: Counter[Tensor]
            ) -> bool:
    target = definition.target
    if is_sensitivity(definition):
        return False
    return (trivial(definition.body) and definition.op == "map") or (
        counts[target] == 1 and weight(body) <= WIDEST and not gain(body, times[target]) > 0)


def gain(body: Expr, times: int) -> int:
    """By how much all lines get shorter where what they have several times is a line of its own."""
    return (times - 1) * weight(body) - (times + 1) * READ - LINE


def standing(body: Expr, wanted: Callable[[Expr], bool] = is_element) -> Iterator[Expr]:
    """What a reader meets of this kind in a body, each time that it stands there."""
    stack = [body]
    while stack:
        node = stack.pop()
        if wanted(node):
            yield node
        if not is_element(node):
            stack.extend(reversed(node.args))


def _is_scale(definition: Definition, body: Expr, counts: Counter[Tensor],
              scaled: Collection[Tensor]) -> bool:
    """A number such as 1/‖x‖ by which one array is multiplied: it needs no line of its own."""
    return not definition.indices and definition.target in scaled and (
        counts[definition.target] == 1 and weight(body) <= SCALE)


def _with_contents(definition: Definition, inlined: dict[Tensor, Definition]) -> Expr:
    """The right-hand side with helpers written out; their bound letters never clash with ours."""
    body = right_hand_side(definition)
    contents = put_in(body, inlined, {*definition.indices, *definition.over})
    if not contents:
        return body
    body = with_factors_outside(joined_conditions(body.xreplace(contents)))
    return factored(body) if isinstance(body, Add) else body


def put_in(body: Expr, contents: Mapping[Tensor, Definition], taken: Collection[Idx]
           ) -> dict[Expr, Expr]:
    """For each entry of these tensors in the body, the right-hand side of its definition there;
    its sums have other letters than those taken, and than the sums around it."""
    replaced = {}
    found = [element for element in elements_in(body) if element.tensor in contents]
    sums = body.atoms(Sum, Reduction) if found else ()
    for element in found:
        known = contents[element.tensor]
        indices = element.indices if isinstance(element, Element) else ()
        mapping = dict(zip(known.indices, indices, strict=True))
        inside = replace_indices(bracketed(known.body), mapping)
        around = (i for total in sums if total.has(element) for i in bound_indices(total))
        replaced[element] = unshadowed(inside, [*taken, *around])
    return replaced


def bracketed(body: Expr) -> Expr:
    """{f if c; g otherwise} as [c]·f + [not c]·g, where a sum or a maximum is in the body as well.

    SymPy takes a Piecewise out of an inner one when an outer one is made, past the index that
    its condition reads.  A bracket that is 0 makes its term 0, whatever stands beside it.
    """
    if not (body.has(Sum, Reduction) and body.has(Piecewise)):
        return body
    return body.xreplace({node: Add(*(value * masked(node, place) for place, (value, _)
                                      in enumerate(branches(node))))
                          for node in body.atoms(Piecewise)})
