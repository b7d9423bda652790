"""stages(network): the layers of a program in normal form, found by what parameters do in it.

A layer begins at the definition that brings a parameter to the data, or to data that no earlier
use of it has met; if that is a sum (s = Σ x·W), the line that adds a bias to it is its output z.
What applies one function to z, entry by entry, is its activation.  Nothing is asked of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sympy import Add, Expr, Idx

from symbackprop.backprop import partial_derivatives
from symbackprop.dependence import Dependence
from symbackprop.notation import Definition, Element, Tensor

__all__ = ["Stage", "slope", "stages"]


@dataclass(slots=True)
class Stage:
    """output: the pre-activation z; parameters: those it brings to data; source: the data that
    it reads; activation: the definition h = σ(z), or None; places: the indices of z in it."""

    output: Tensor
    parameters: list[Tensor] = field(default_factory=list)
    source: Tensor | None = None
    activation: Definition | None = None
    places: tuple[Idx, ...] = ()

    def name(self, names: Mapping[Tensor, str]) -> str:
        """The name of z or of h as declared; else that of a parameter's layer."""
        own = [self.output, *([self.activation.target] if self.activation else [])]
        for tensor in own:
            if tensor in names:
                return names[tensor]
        return f"{names[self.parameters[0]]}…"


def stages(network: Dependence) -> list[Stage]:
    """The layers on the way from data to the loss, in order of definition."""
    program = network.program
    data = [t for t in program.inputs if t.role == "data" and not t.has_fact("label")]
    reached = network.downstream([t for t in program.inputs if t.role == "data"])
    carrying = {*(t for t in program.inputs if t.role == "data"),
                *(program.definitions[place].target for place in reached)}
    met: dict[Tensor, set[Tensor]] = {}
    found: dict[Tensor, Stage] = {}
    for place in reached:
        read = {e.tensor: None for e in network.elements[place]}
        beside = carrying.intersection(read)
        fresh = [t for t in read if t.role == "parameter"
                 and (t not in met or (beside and met[t].isdisjoint(beside)))]
        for tensor in read:
            if tensor.role == "parameter":
                met.setdefault(tensor, set()).update(beside)
        if not fresh or program.definitions[place].target in program.outputs:
            continue
        output = _output(network, place)
        stage = found.setdefault(output, Stage(output))
        stage.parameters += [t for t in fresh if t not in stage.parameters]
        if stage.source is None:
            stage.source = next((t for t in read if t in data), None)
    for stage in found.values():
        _activate(network, stage)
    return list(found.values())


def _output(network: Dependence, place: int) -> Tensor:
    """z = s + b for a sum s that only z reads; else the target itself."""
    definition = network.program.definitions[place]
    readers = network.readers.get(definition.target, [])
    if definition.op == "sum" and len(readers) == 1:
        reader = network.program.definitions[readers[0]]
        if reader.op == "map" and definition.target.rank and any(
                isinstance(term, Element) and term.tensor is definition.target
                for term in Add.make_args(reader.body)):
            return reader.target
    return definition.target


def slope(definition: Definition, access: Expr) -> Expr:
    """σ′: the derivative of the body by one entry that it reads."""
    return partial_derivatives(definition.body, definition.body, [access])[access]


def _activate(network: Dependence, stage: Stage) -> None:
    """The first reader of z that is a map on the entries of z, other than an affine one."""
    after = {network.program.definitions[p].target for p in network.downstream([stage.output])}
    for place in network.readers.get(stage.output, ()):
        definition = network.program.definitions[place]
        accesses = [e for e in network.elements[place] if e.tensor is stage.output]
        if definition.op != "map" or len(accesses) != 1:
            continue
        if any(e.tensor in after for e in network.elements[place]):
            continue  # as in exp(z − lse z): more than one entry of z is in it
        if not slope(definition, accesses[0]).has(accesses[0]):
            continue  # an affine map
        indices = accesses[0].indices if isinstance(accesses[0], Element) else ()
        if set(indices) == set(definition.indices) and len(indices) == len(definition.indices):
            stage.activation, stage.places = definition, indices
            return
