"""The numbers of a forward and a backward pass: on the tape if small, on arrays if large."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.dependence import Dependence
from symbackprop.derivation import derive
from symbackprop.errors import InputError
from symbackprop.given import Given, cells_of
from symbackprop.interpreter import evaluate
from symbackprop.notation import Definition, Program, Tensor, elements_in, tensors_in
from symbackprop.operations import Number, as_float
from symbackprop.tape import Cell, recorded, slopes, work
from symbackprop.worked import Item, entry_name, items_of_cells, items_of_operations

__all__ = ["Numbers", "Term", "both_passes", "first_terms"]

MOST_WORK = 40_000  # operations that are recorded one by one: about two seconds


# an entry that reads a weight, through what else it does so, ∂L/∂entry, ∂entry/∂weight
Term = tuple[str, tuple[str, ...], Number, Number]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was found: arrays by tensor or symbol; items where the program was recorded."""

    values: Given
    adjoints: Given
    items: tuple[Item, ...]
    scalar: bool


def both_passes(declared: Program, names: Mapping[Any, str], given: Given,
                sizes: Mapping[sp.Symbol, Number]) -> Numbers:
    """Every value and adjoint; exact and with all steps where the program is small enough."""
    if work(declared, sizes) <= MOST_WORK:
        return _recorded(declared, names, given, sizes)
    return _evaluated(declared, names, given, sizes)


def _recorded(declared: Program, names: Mapping[Any, str], given: Given,
              sizes: Mapping[sp.Symbol, Number]) -> Numbers:
    tape = recorded(declared, cells_of(given), sizes)
    scalar = all(not key.axes for key in names if isinstance(key, Tensor))
    items = (items_of_operations if scalar else items_of_cells)(tape, names)
    values, adjoints = dict(given), {}
    for definition in declared:
        entries = [entry for key, entry in tape.cells if key is definition.target]
        shape = tuple(1 + max(place) for place in zip(*entries, strict=True))
        values[definition.target] = np.empty(shape, dtype=object)
    for key, array in values.items():
        adjoints[key] = np.empty(array.shape, dtype=object)
    for (key, entry), number in tape.cells.items():
        values[key][entry] = tape.vertices[number].value
        adjoints[key][entry] = tape.adjoints[number]
    _refuse_undefined(values, items)
    return Numbers(values, adjoints, items, scalar)


def _refuse_undefined(values: Given, items: tuple[Item, ...]) -> None:
    """The loss and every adjoint must be finite."""
    last = items[-1]
    if np.isfinite(as_float(last.value)) and all(
            np.isfinite(as_float(item.adjoint)) for item in items if item.name):
        return
    raise InputError(f"{last.name} or its derivative has no finite value here: "
                     f"{_without_value(items)}")


def _without_value(items: tuple[Item, ...]) -> str:
    """The first value that is not finite; else the last local derivative, else an adjoint."""
    for item in items:
        if not np.isfinite(as_float(item.value)):
            how = f" = {item.formula}" if item.formula else ""
            return f"{item.name or 'a part'}{how} is {as_float(item.value):g}"
    for item in reversed(items):
        for slope in item.slopes:
            if item.adjoint != 0 and not np.isfinite(as_float(slope.value)):
                how = f" = {slope.formula}" if item.formula and slope.formula else ""
                below = items[slope.operand].name
                return f"∂{item.name}/∂{below}{how} is {as_float(slope.value):g}"
    item = next(item for item in reversed(items) if not np.isfinite(as_float(item.adjoint)))
    return f"∂{items[-1].name}/∂{item.name} is {as_float(item.adjoint):g}"


def _evaluated(declared: Program, names: Mapping[Any, str], given: Given,
               sizes: Mapping[sp.Symbol, Number]) -> Numbers:
    """A large program on arrays: the interpreter, and the derivation by every tensor."""
    plain = [key for key in given if not isinstance(key, Tensor)]
    if plain:
        raise InputError(f"{names[plain[0]]} is a plain symbol in a large network; "
                         f"declare it, e.g. sb.hyper({names[plain[0]]!r})")
    floats = {key: _floats(array) for key, array in given.items()}
    (loss,) = declared.outputs
    wanted = [key for key in names if isinstance(key, Tensor) and key is not loss
              and not key.has_fact("label")]
    derivation = derive(loss.symbol, wanted)
    known = {**floats, **{s: int(n) for s, n in sizes.items()}}
    values = evaluate(declared, known)
    both = evaluate(Program((*declared, *(d for d in derivation.backward
                                          if d.target not in values)),
                            derivation.backward.outputs), known)
    adjoints: Given = {key: both[derivation.gradient(key)] for key in wanted}
    adjoints |= {loss: np.asarray(1.0)}
    for key in names:
        adjoints.setdefault(key, np.zeros(np.shape(values[key])))
    return Numbers(dict(values), adjoints, (), False)


def _floats(array: Any) -> Any:
    return np.vectorize(as_float, otypes=[float])(array) if array.size else array.astype(float)


def first_terms(declared: Program, names: Mapping[Any, str], numbers: Numbers,
                sizes: Mapping[sp.Symbol, Number], weight: Cell) -> tuple[Term, ...]:
    """The entries that read a weight of a large network; nothing where they are too long."""
    terms: list[Term] = []
    network = Dependence(declared)
    depends = {declared.definitions[p].target for p in network.downstream([weight[0]])}
    for definition in declared:
        if weight[0] not in tensors_in(definition.body):
            continue
        entries = _reading(definition, np.shape(numbers.values[definition.target]), weight)
        all_entries = max(1, numbers.values[definition.target].size)
        alone = Program((definition,), (definition.target,))
        if work(alone, sizes) * len(entries) > MOST_WORK * all_entries:
            return ()
        cells: dict[Cell, Number] = {
            (tensor, tuple(at)): float(numbers.values[tensor][at])
            for tensor in tensors_in(definition.body)
            for at in np.ndindex(np.shape(numbers.values[tensor]))}
        found = slopes(definition, entries, weight, cells, sizes)
        held = tuple(names[t] for t in tensors_in(definition.body) if t in depends)
        terms += [(entry_name(names[definition.target], entry), held,
                   float(numbers.adjoints[definition.target][entry]), slope)
                  for entry, slope in zip(entries, found, strict=True)]
    return tuple(terms)


def _reading(definition: Definition, shape: tuple[int, ...], weight: Cell
             ) -> list[tuple[int, ...]]:
    """The entries of a definition that may read a weight, from the indices of its accesses."""
    found: dict[tuple[int, ...], None] = {}
    for access in elements_in(definition.body):
        if access.tensor is weight[0]:
            fixed = dict(zip(getattr(access, "indices", ()), weight[1], strict=True))
            ranges = [[fixed[index]] if index in fixed else list(range(length))
                      for index, length in zip(definition.indices, shape, strict=True)]
            found |= dict.fromkeys(itertools.product(*ranges))
    return sorted(found)
