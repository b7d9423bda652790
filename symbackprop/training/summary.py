"""summary(network): one row for each layer, with its shape, parameters and their number.

A layer begins where a new weight is read and ends before the next one; what stands between (bias,
activation) belongs to it, and the last tensor gives it its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sympy import Expr

from symbackprop.notation import Tensor, tensors_in
from symbackprop.training.initialisation import starts_of
from symbackprop.training.network import Network, needed

__all__ = ["Layer", "Text", "layers", "summary"]


class Text(str):
    """A string that shows itself as it is, at a prompt and in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(slots=True)
class Layer:
    """A name, the axes of what the layer makes, and the parameters that it is first to read."""

    name: str
    axes: tuple[Expr, ...]
    parameters: list[Tensor] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many numbers the parameters hold."""
        return sum(_size(t) for t in self.parameters)


def summary(network: Network) -> Text:
    """The table as text, e.g. a 3-4-2 net has rows with 3·4 + 4 = 16 and 4·2 + 2 = 10."""
    names = network.names
    rows = [("layer", "shape", "parameters", "count")]
    found = layers(network)
    for layer in found:
        shapes = ", ".join(f"{names[t]} {_shape(t.axes)}" for t in layer.parameters)
        rows.append((layer.name, _shape(layer.axes), shapes or "–", _count(layer)))
    total = sum(layer.count for layer in found)
    rows.append(("", "", "", f"{total:,} in all"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in rows]
    rule = "─" * (sum(widths) + 6)
    return Text("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]]))


def layers(network: Network) -> list[Layer]:
    """The layers in order; parameters that only the loss reads stand in a last row, loss."""
    kinds = {t: start.kind for t, start in starts_of(network).items()}
    found: list[Layer] = []
    seen: set[Tensor] = set()
    for definition in needed(network.program, network.outputs):
        read = [t for t in tensors_in(definition.body) if t.role == "parameter" and t not in seen]
        seen.update(read)
        begins = any(kinds[t].startswith(("weight", "embedding")) for t in read)
        if begins or (read and not found):
            found.append(Layer("", ()))
        if found:
            found[-1].name = network.names[definition.target]
            found[-1].axes = definition.target.axes
            found[-1].parameters.extend(sorted(read, key=lambda t: t.serial))
    rest = [t for t in network.parameters if t not in seen]
    return [*found, Layer("loss", (), rest)] if rest else found


def _size(tensor: Tensor) -> int:
    return math.prod(map(int, tensor.axes))


def _shape(axes: tuple[Expr, ...]) -> str:
    return f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})"


def _count(layer: Layer) -> str:
    if not layer.parameters:
        return "0"
    terms = " + ".join("·".join(map(str, t.axes)) or "1" for t in layer.parameters)
    plain = terms == str(layer.count)
    return terms if plain else f"{terms} = {layer.count:,}"
