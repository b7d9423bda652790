"""What is drawn: the operations of a scalar formula, the tensors of a network, or its neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symbackprop.notation import Program, Tensor, tensors_in
from symbackprop.printing.graph import Box, Picture
from symbackprop.printing.numbers import array_lines, decimal, shape_text
from symbackprop.worked import Item, weight_paths

__all__ = ["neuron_picture", "operation_picture", "tensor_picture"]


def operation_picture(items: Sequence[Item], weight: int = -1) -> Picture:
    """Inputs and operations; values above, adjoints below; the paths of a weight drawn strongly."""
    boxes = []
    for at, item in enumerate(items):
        lines: tuple[str, ...] = (item.label,)
        if item.slopes and item.cell is not None and item.name != item.label:
            lines = (item.label, item.name)
        kind = "loss" if at == len(items) - 1 else "operation" if item.slopes else (
            "weight" if at == weight else "input")
        if not item.name:  # a constant carries no adjoint
            boxes.append(Box(lines, kind))
            continue
        boxes.append(Box(lines, kind, (decimal(item.value),), (decimal(item.adjoint),),
                         tuple((place, "") for place in item.places)))
    edges = tuple((slope.operand, at) for at, item in enumerate(items) for slope in item.slopes)
    return Picture(tuple(boxes), edges, _strong(items, edges, weight),
                   f"computational graph of {items[-1].name}")


def _strong(items: Sequence[Item], edges: Sequence[tuple[int, int]], weight: int
            ) -> frozenset[tuple[int, int]]:
    met = weight_paths(items, weight) if weight >= 0 else {}
    return frozenset(edge for edge in edges if edge[0] in met and edge[1] in met)


def tensor_picture(program: Program, names: Mapping[Any, str], values: Mapping[str, Any],
                   adjoints: Mapping[str, Any], weight: Any = None) -> Picture:
    """One box for each tensor: small arrays in full, larger ones by shape and range."""
    defined = {d.target: d for d in program}
    keys = [*(key for key in names if key not in defined), *defined]
    places = {key: at for at, key in enumerate(keys)}
    boxes = []
    for key in keys:
        name = names[key]
        shape = shape_text(np.shape(values[name]))
        role = key.role if isinstance(key, Tensor) else "data"
        kind = ("loss" if key is keys[-1] else "operation" if key in defined
                else "weight" if role == "parameter" else "input")
        boxes.append(Box((name, shape) if shape else (name,), kind,
                         array_lines(values[name]), array_lines(adjoints[name])))
    edges = []
    for target, definition in defined.items():
        read = [*tensors_in(definition.body), *(s for s in definition.body.free_symbols
                                                if s in places)]
        edges += [(places[key], places[target]) for key in sorted(read, key=places.__getitem__)]
    unique = tuple(dict.fromkeys(edges))
    return Picture(tuple(boxes), unique, _onward(unique, places.get(weight, -1)),
                   f"computational graph of {names[keys[-1]]}")


def _onward(edges: Sequence[tuple[int, int]], start: int) -> frozenset[tuple[int, int]]:
    met = {start}
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        if source in met:
            met.add(target)
    return frozenset(edge for edge in edges if edge[0] in met) if start >= 0 else frozenset()


def neuron_picture(items: Sequence[Item], weight: int = -1) -> Picture:
    """Every neuron in the column of its layer; on a line the weight, and its derivative below.

    Parameters are no neurons: a weight stands on the line whose value it multiplies, and the
    others (biases, hypers) in the text only.  Other lines carry their local derivative.
    """
    neurons = [at for at, item in enumerate(items) if _is_neuron(item)]
    places = {at: number for number, at in enumerate(neurons)}
    boxes, edges = [], []
    strong = weight_paths(items, weight) if weight >= 0 else {}
    thick = set()
    for at in neurons:
        item, ports = items[at], []
        for slope in item.slopes:
            if slope.operand not in places:
                continue
            edge = (places[slope.operand], places[at])
            edges.append(edge)
            on_line = _on_line(items, slope.formula)
            ports.append((decimal(slope.value), _gradient(on_line)))
            if (slope.operand in strong and at in strong) or (
                    weight >= 0 and on_line is items[weight]):
                thick.add(edge)
        kind = "loss" if at == len(items) - 1 else "operation" if item.slopes else "input"
        boxes.append(Box((item.name,), kind, (decimal(item.value),), (decimal(item.adjoint),),
                         tuple(ports)))
    return Picture(tuple(boxes), tuple(edges), frozenset(thick), f"neurons of {items[-1].name}")


def _is_neuron(item: Item) -> bool:
    owner = item.cell[0] if item.cell else None
    return not isinstance(owner, Tensor) or owner.role in ("data", "intermediate", "noise")


def _gradient(item: Item | None) -> str:
    return "" if item is None else decimal(item.adjoint)


def _on_line(items: Sequence[Item], formula: str) -> Item | None:
    """The weight that multiplies what a line carries; the formula of its slope names it."""
    found = (item for item in items if formula and item.name == formula)
    item = next(found, None)
    return None if item is None or _is_neuron(item) else item
