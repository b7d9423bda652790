"""explain(L, values): every number of a forward and a backward pass, as text and as a picture.

A forward pass from the inputs to the loss, a backward pass from the loss to the inputs (lecture
003): see `passes` for the numbers, `worked` for the graph, `printing.graph` for the drawing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from symbackprop.checks import verify, verify_loss
from symbackprop.collect import program as collected
from symbackprop.declare import attach
from symbackprop.errors import InputError
from symbackprop.given import exact_number, names_of, plain_symbols, read_given
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol
from symbackprop.operations import Number
from symbackprop.passes import Numbers, both_passes, first_terms
from symbackprop.printing.graph import svg
from symbackprop.printing.numbers import clean
from symbackprop.printing.pictures import neuron_picture, operation_picture, tensor_picture
from symbackprop.printing.worked_text import (
    EXPLAINED,
    chain_lines,
    first_lines,
    network_lines,
    scalar_lines,
    step_lines,
)
from symbackprop.worked import Factor, Item, chain, entry_name

__all__ = ["Explanation", "explain"]

MOST_UNITS = 60  # neurons that a picture can show
_ENTRY = re.compile(r"(.*)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The worked numbers of one loss at one point; `print(e)` shows `e.text`, a notebook `e.svg`.

    values, adjoints: by name, a number or an array of numbers (SymPy's rationals where exact,
    else floats); derivatives: local ones by the pair of names (above, below), ∂above/∂below;
    chain: the factors of the chosen weight, by the same pairs; updated: values after one step.
    """

    text: str
    svg: str = field(repr=False)
    values: dict[str, Any] = field(repr=False)
    adjoints: dict[str, Any] = field(repr=False)
    derivatives: dict[tuple[str, str], Any] = field(repr=False)
    chain: dict[tuple[str, str], Any] = field(repr=False)
    updated: dict[str, Any] = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.text

    def save(self, path: str | Path) -> None:
        """Writes the picture to a file that ends in .svg, the text to one that ends in .txt."""
        target = Path(path)
        if target.suffix not in (".svg", ".txt"):
            raise InputError(f"save({str(path)!r}): write a name that ends in .svg for the "
                             "picture or in .txt for the text")
        target.write_text(self.svg if target.suffix == ".svg" else self.text + "\n",
                          encoding="utf-8")


def explain(loss: Any, values: Mapping[Any, Any], weight: Any = None, *, rate: Any = None,
            units: bool = False) -> Explanation:
    """Every forward value, local derivative and adjoint of a loss at given numbers.

    loss: an expression of real SymPy symbols, or the loss of a network; values: a number or an
    array for each input, by symbol, tensor or name; weight: an entry such as "W1[2,0]", W1[2, 0]
    or w, whose chain-rule product is written out; rate: what one gradient step w ← w − rate·∂L/∂w
    makes of the parameters (of the symbols, where there are no parameters); units: draw every
    neuron of a small network, in columns, with the weights on its lines.

    ints, Fractions and SymPy's rationals stay exact until an irrational function is met.
    Raises InputError for values that do not fit, DerivationError for what has no derivative.
    The graph is that of lecture 003, "Computational Graphs".

    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c", real=True)
    >>> print(explain((a + b)*c, {a: 1, b: -3, c: 4}, weight=a))
    values
      a = 1
      b = −3
      c = 4
    forward, and local derivatives
      t1 = a + b = −2    ∂t1/∂a = 1,  ∂t1/∂b = 1
      L = c·t1 = −8      ∂L/∂c = t1 = −2,  ∂L/∂t1 = c = 4
    backward
      ∂L/∂L = 1
      ∂L/∂t1 = 4
      ∂L/∂c = −2
      ∂L/∂b = ∂L/∂t1·∂t1/∂b = 4·1 = 4
      ∂L/∂a = ∂L/∂t1·∂t1/∂a = 4·1 = 4
    chain rule for a
      ∂L/∂a = ∂L/∂t1 · ∂t1/∂a
            = 4 · 1
            = 4
    """
    declared = collected(loss)
    plain = plain_symbols(declared)
    _verify(declared, plain)
    names = names_of(declared, plain)
    given, sizes = read_given(declared, plain, names, values)
    step = None if rate is None else exact_number(rate, "rate")
    numbers = both_passes(declared, names, given, sizes)
    chosen = None if weight is None else _weight(weight, names, numbers)
    return _presented(declared, names, numbers, sizes, chosen, step, units)


def _verify(declared: Program, plain: tuple[sp.Symbol, ...]) -> None:
    """The checks of every loss, with plain symbols in the place of tensors of rank 0."""
    stands_in = {s: attach(None, (), (), sp.S.Zero) for s in plain}
    tensors = {s: symbol.tensor for s, symbol in stands_in.items()}
    own = tuple(tensor.definition for tensor in tensors.values())
    moved = tuple(Definition(d.target, d.indices, d.body.xreplace(stands_in), d.over, d.op,
                             d.where) for d in declared) if plain else declared.definitions
    verify(Program((*own, *moved), declared.outputs))
    verify_loss(Program((*own, *moved), declared.outputs))


def _weight(weight: Any, names: Mapping[Any, str], numbers: Numbers) -> tuple[Any, Any]:
    """The tensor or symbol of a weight and its place in it; InputError in the user's words."""
    name, key = str(weight), None
    entry: tuple[Any, ...] = ()
    if isinstance(weight, Element):
        key, entry = weight.tensor, weight.indices
    elif isinstance(weight, (Tensor, TensorSymbol)):
        key = weight if isinstance(weight, Tensor) else weight.tensor
    elif weight in numbers.values:
        key = weight
    elif isinstance(weight, (str, sp.Symbol)):
        found = _ENTRY.match(name) if name not in names.values() else None
        name = found[1] if found else name
        entry = tuple(int(part) for part in found[2].split(",")) if found else ()
        key = next((k for k, known in names.items() if known == name), None)
    if key is None or key not in numbers.values:
        raise InputError(f"weight={str(weight)!r}: this loss has no {name}; it has "
                         f"{', '.join(names.values())}")
    shape = np.shape(numbers.values[key])
    fits = len(entry) == len(shape) and all(
        getattr(at, "is_Integer", isinstance(at, int)) and 0 <= at < length
        for at, length in zip(entry, shape, strict=False))
    if not fits:
        example = entry_name(names[key], tuple(length - 1 for length in shape))
        raise InputError(f"weight={str(weight)!r}: {names[key]} has the shape {shape}; "
                         f"write one of its entries with numbers, e.g. {example!r}")
    return key, tuple(int(at) for at in entry)


def _presented(declared: Program, names: dict[Any, str], numbers: Numbers,
               sizes: Mapping[sp.Symbol, Number], weight: Any, rate: Number | None, units: bool
               ) -> Explanation:
    """Text, picture and dicts of the numbers that were found."""
    items = numbers.items
    values = {names[key]: array for key, array in numbers.values.items()}
    adjoints = {names[key]: array for key, array in numbers.adjoints.items()}
    lines = (scalar_lines(items) if numbers.scalar
             else network_lines(declared, names, values, adjoints, items))
    chains: dict[int, tuple[Factor, ...]] = {}
    start = -1
    if weight is not None and items:
        start = next(at for at, item in enumerate(items) if item.cell == weight)
        chains = _chains(items, start)
        lines += chain_lines(items, start, chains)
    elif weight is not None:
        terms = first_terms(declared, names, numbers, sizes, weight)
        lines += first_lines(names[declared.outputs[0]], entry_name(names[weight[0]], weight[1]),
                             terms, numbers.adjoints[weight[0]][weight[1]])
    rows = [] if rate is None else _step(names, numbers, weight, rate)
    if rate is not None:
        lines += step_lines(rate, names[declared.outputs[0]], rows)
    scalars = {item.name: item for item in items if item.name} if numbers.scalar else {}
    return Explanation(
        "\n".join(clean(line, 10_000) for line in lines),
        _drawn(declared, names, numbers, values, adjoints, start, units),
        {name: _public(a) for name, a in values.items()}
        | {name: _public(item.value) for name, item in scalars.items()},
        {name: _public(a) for name, a in adjoints.items()}
        | {name: _public(item.adjoint) for name, item in scalars.items()},
        {(item.name, items[slope.operand].name): _public(slope.value)
         for item in items for slope in item.slopes if items[slope.operand].name},
        {(items[f.above].name, items[f.below].name): _public(f.value)
         for f in chains.get(start, ())},
        {name: _public(new) for name, _, _, new in rows},
    )


def _chains(items: tuple[Item, ...], start: int) -> dict[int, tuple[Factor, ...]]:
    """The chain of a weight and, of the sums over paths in it, those of the first few parts."""
    chains: dict[int, tuple[Factor, ...]] = {}
    waiting = [start]
    while waiting and len(chains) < EXPLAINED:
        at = waiting.pop(0)
        if at in chains:
            continue
        chains[at] = chain(items, at)
        waiting += [user for factor in chains[at] for user, _, _ in factor.terms
                    if user != factor.above]
    return chains


def _step(names: Mapping[Any, str], numbers: Numbers, weight: Any, rate: Number
          ) -> list[tuple[str, Any, Any, Any]]:
    """(name, value, adjoint, value − rate·adjoint) for each parameter, or each plain symbol."""
    keys = [key for key in names if isinstance(key, Tensor) and key.role == "parameter"]
    if not keys:
        keys = [key for key in names if not isinstance(key, Tensor)]
        if weight is not None:
            keys = [weight[0]]
    rows: list[tuple[str, Any, Any, Any]] = []
    for key in keys:
        value, adjoint = numbers.values[key], numbers.adjoints[key]
        new = value - np.vectorize(lambda g: rate * g, otypes=[object])(adjoint)
        if np.ndim(value) == 0:
            rows.append((names[key], np.asarray(value).item(), np.asarray(adjoint).item(),
                         np.asarray(new).item()))
        else:
            rows.append((names[key], value, adjoint, np.asarray(new)))
    return rows


def _drawn(declared: Program, names: dict[Any, str], numbers: Numbers, values: dict[str, Any],
           adjoints: dict[str, Any], start: int, units: bool) -> str:
    if units:
        picture = None if numbers.scalar else neuron_picture(numbers.items, start)
        if picture is None or not 1 < len(picture.boxes) <= MOST_UNITS:
            found = "no network" if picture is None else (
                f"{len(picture.boxes)} neurons" if picture.boxes else "too many neurons")
            raise InputError(f"units=True draws networks of at most {MOST_UNITS} neurons, and this "
                             f"is {found}; leave it out")
        return svg(picture)
    if numbers.scalar:
        return svg(operation_picture(numbers.items, start))
    chosen = numbers.items[start].cell if start >= 0 else None
    return svg(tensor_picture(declared, names, values, adjoints, chosen and chosen[0]))


def _public(found: Any) -> Any:
    """Numbers as a user has them: SymPy's rationals, floats, arrays of either."""
    if isinstance(found, Fraction):
        return sp.Rational(found.numerator, found.denominator)
    if not isinstance(found, np.ndarray):
        return float(found)
    if found.ndim == 0:
        return _public(found.item())
    exact = found.dtype == object and all(isinstance(entry, Fraction) for entry in found.flat)
    if not exact:
        return found.astype(float)
    array = np.empty(found.shape, dtype=object)
    for entry in np.ndindex(found.shape):
        array[entry] = _public(found[entry])
    return array
