"""The forms of a derivation: index, matrix, neuron, steps; each makes lines of formulas.

    index     every definition with its indices          δ2[n,k] = (p[n,k] − y[n,k])/N
    matrix    as on a blackboard                         ∂L/∂W2 = Hᵀ δ2
    neuron    the chain of factors of one weight         ∂L/∂w = ∂L/∂z·∂z/∂w
    steps     the chain rule, and each simplification    … = ŷ − y
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

from sympy import Expr, Integer

from symbackprop.chain import Chain, board, links
from symbackprop.elementary import elementary
from symbackprop.errors import DerivationError
from symbackprop.notation import Definition, Program, Tensor, tensors_in
from symbackprop.printing.alike import folded
from symbackprop.printing.index import index_line
from symbackprop.printing.lines import Line
from symbackprop.printing.matrix import matrix_lines
from symbackprop.printing.neuron import Neuron
from symbackprop.printing.parts import written_by_parts
from symbackprop.printing.steps import Steps
from symbackprop.sameness import values_together

if TYPE_CHECKING:
    from symbackprop.derivation import Derivation

__all__ = ["FORMS", "View", "form_lines"]


@dataclass(frozen=True, slots=True)
class View:
    """How a derivation is shown.

    samples: whether a sample is a row or a column of a matrix (matrix form); fold: alike layers
    are written once; entries: the places of the weights that are wanted, or their own letters
    (neuron form).
    """

    samples: Literal["rows", "columns"] = "rows"
    fold: bool = False
    entries: Mapping[Any, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.samples not in ("rows", "columns"):
            raise DerivationError(f"samples are \"rows\" or \"columns\", not {self.samples!r}")
        if not isinstance(self.entries, Mapping):
            raise DerivationError("entries are places by weight, e.g. entries={\"W1\": (2, 0)}, "
                                  f"not {self.entries!r}")


def form_lines(derivation: Derivation, form: str, view: View) -> list[Line]:
    """The lines of a form; DerivationError for one that does not exist."""
    if form not in FORMS:
        known = ", ".join(f'd.text("{name}")' for name in FORMS)
        raise DerivationError(f"there is no form {form!r}; write one of {known}")
    made = FORMS[form](derivation, view)
    return folded(made) if view.fold else made


def _index(derivation: Derivation, view: View) -> list[Line]:
    names = derivation.names
    return [index_line(definition, names) for definition in derivation.presented()]


def _matrix(derivation: Derivation, view: View) -> list[Line]:
    return matrix_lines(derivation.presented(), derivation.names, view.samples == "columns")


def _steps(derivation: Derivation, view: View) -> list[Line]:
    chain, names = derivation.remembered(chained)
    forward = [index_line(definition, names) for definition in chain.program]
    final = derivation.remembered(_final)
    shown = {definition.target for definition in chain.program}
    own = (line for line in derivation.presented() if line.target not in shown)
    points = values_together(Program((*chain.program, *own), ())) or None
    steps = Steps(chain, derivation.loss, names, final, tuple(derivation.gradients), points)
    made = steps.lines()
    waiting = [line for line in final.values() if line.target not in steps.named]
    return [*forward, *made, *_spoken_of(made, waiting, steps.spelled)]


def _neuron(derivation: Derivation, view: View) -> list[Line]:
    chain, names = derivation.remembered(chained)
    final = derivation.remembered(_final)
    places = {derivation.asked(t): _places(derivation.asked(t), at)
              for t, at in view.entries.items()}
    asked = tuple(places) or tuple(derivation.gradients)
    made = Neuron(chain, derivation.loss, names, final, places).lines(asked)
    other = [line for tensor, line in final.items() if tensor not in asked]
    after = _spoken_of(made, other, names)
    declared = {definition.target for definition in derivation.forward}
    own = [line for line in chain.program if line.target not in declared]
    before = _spoken_of([*made, *after], own, names)
    return [*(line._replace(note="") for line in before), *made, *after]


def _spoken_of(lines: Sequence[Line], known: Sequence[Definition], names: Mapping[Tensor, str]
               ) -> list[Line]:
    """The lines of those definitions whose name is read, in these lines or in one of theirs."""
    made = {definition.target: index_line(definition, names)._replace(note="as in the other forms")
            for definition in known}
    waiting = {names[target]: line for target, line in made.items()}
    found: set[str] = set()
    reading = [part for line in lines for part in (line.left, line.right) if part is not None]
    while reading:
        part = reading.pop()
        reading += part.parts
        if part.kind == "name" and part.text in waiting:
            found.add(part.text)
            reading.append(waiting.pop(part.text).right)
    return [line for target, line in made.items() if names[target] in found]


def chained(derivation: Derivation) -> tuple[Chain, dict[Tensor, str]]:
    """The chain rule on the blackboard's program, and names for all that it and δ's read.

    The blackboard has a line for whatever the lines of the derivation speak of.
    """
    final = derivation.remembered(_final)
    parts = derivation.parts
    lines = (*final.values(), *(part.definition for part in parts))
    read = [t for line in lines for t in tensors_in(line.body)]
    kept = {*(d.target for d in derivation.forward), *final, *read}
    program = written_by_parts(board(derivation.normal, kept), parts)
    if len(derivation.forward.definitions) == 1:
        program = elementary(program)  # one formula: nothing has a name but its parts
    chain = links(program, tuple(derivation.gradients))
    shown = {definition.target for definition in program}
    own = (line for line in final.values() if line.target not in shown)
    return chain, Program((*program, *own), (derivation.loss,)).names


def _final(derivation: Derivation) -> dict[Tensor, Definition]:
    """The line of the derivation for the adjoint of each tensor that has one, over its letters."""
    of = {gradient: tensor for tensor, gradient in derivation.gradients.items()}
    final = {}
    for definition in derivation.presented():
        tensor = of.get(definition.target, definition.adjoint_of)
        if tensor is not None:
            mapping = dict(zip(definition.indices, tensor.letters, strict=True))
            final[tensor] = replace(definition, indices=tensor.letters,
                                    body=definition.body.xreplace(mapping))
    return final


def _places(tensor: Tensor, at: Any) -> tuple[Expr, ...]:
    places = tuple(at) if isinstance(at, (tuple, list)) else (at,)
    if places == tensor.letters:
        return places
    inside = len(places) == tensor.rank and all(
        isinstance(p, Integral) and 0 <= int(p) and (Integer(p) < length) != False  # noqa: E712
        for p, length in zip(places, tensor.axes, strict=True))
    if not inside:
        shape = ", ".join(map(str, tensor.axes))
        raise DerivationError(f"{tensor.name} has the shape ({shape}); {at!r} is no place in it")
    return tuple(map(Integer, places))


FORMS: Mapping[str, Callable[[Derivation, View], list[Line]]] = {
    "index": _index, "matrix": _matrix, "neuron": _neuron, "steps": _steps,
}
