"""Initial parameters, decided from how the program uses them, not from layer classes.

    weight      stands in a product inside a sum over some of its own indices: fan-in is the
                number of terms of that sum, fan-out the number of its other entries, times
                those of the window where the sum slides: each x[s·u + a] meets every W[a].
                Glorot & Bengio 2010: uniform ±√(6/(fan-in + fan-out)); where the sum feeds a
                relu or its like, He et al. 2015: uniform ±√(6/fan-in); where that keeps mean 0
                and variance 1 of normal numbers, as selu does, LeCun et al. 1998 and Klambauer
                et al. 2017: normal with variance 1/fan-in
    embedding   read by a gather E[w[n], d]: uniform ±√(3/d), so that rows have length about 1
    slope       the second argument of leaky_relu, or within a Max, Min or Piecewise: 1/4
    scale       a factor of a product otherwise: 1
    bias        everything else: 0
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Basic, Dummy, Expr, Idx, Integer, Max, Min, Mul, Piecewise

from symbackprop.errors import ProgramError
from symbackprop.functions import leaky_relu, relu
from symbackprop.interpreter import Machine
from symbackprop.normal import normalise
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Tensor,
    elements_in,
    extent,
    tensors_in,
)
from symbackprop.pending import weights
from symbackprop.training.network import Network

__all__ = ["Start", "initial_values", "starts", "starts_of"]

POINTS = np.linspace(-9, 9, 18001)
NORMAL = np.exp(-POINTS**2 / 2) / np.sqrt(2 * np.pi) * (POINTS[1] - POINTS[0])
KINKED = (relu, leaky_relu, Max, Min, Piecewise)


@dataclass(frozen=True, slots=True)
class Start:
    """A constant, uniform numbers up to a bound, or normal ones of this deviation, and why."""

    kind: str
    value: float = 0.0
    bound: float = 0.0
    deviation: float = 0.0

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[Any]:
        """An array of such numbers."""
        if self.bound:
            return generator.uniform(-self.bound, self.bound, shape)
        if self.deviation:
            return generator.normal(0, self.deviation, shape)
        return np.full(shape, self.value)


def initial_values(network: Network, generator: np.random.Generator) -> dict[Tensor, NDArray[Any]]:
    """An array for each parameter, drawn in order of declaration."""
    found = starts_of(network)
    return {t: _with_facts(t, found[t].draw(tuple(map(int, t.axes)), generator))
            for t in network.parameters}


def _with_facts(tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """The values as the tensor's facts ask: symmetric, and above zero where it is positive."""
    for fact in tensor.facts:
        if fact.kind == "symmetric":
            values = (values + np.swapaxes(values, *fact.axes)) / 2
        if fact.kind == "positive":
            values = np.where(values == 0, 1.0, np.abs(values))
    return values


def starts_of(network: Network) -> dict[Tensor, Start]:
    """How each parameter starts, as it is used at inference, where there is no noise on it."""
    found = starts(network.inference)
    whole = network.program
    return found if whole is network.inference else {**starts(whole), **found}


def starts(program: Program) -> dict[Tensor, Start]:
    """How each parameter of the program starts; the first use that says something decides."""
    flat = normalise(program)
    readers: dict[Tensor, list[Definition]] = {}
    for definition in flat:
        for tensor in tensors_in(definition.body):
            readers.setdefault(tensor, []).append(definition)
    heavy = weights(program)
    return {tensor: next(_uses(tensor, tensor in heavy, readers)) for tensor in program.inputs
            if tensor.role == "parameter"}


def _uses(tensor: Tensor, heavy: bool,
          readers: dict[Tensor, list[Definition]]) -> Iterator[Start]:
    """Weight before embedding before slope before scale, whichever is found first."""
    found = [(d, e) for d in readers.get(tensor, []) for e in elements_in(d.body)
             if e.tensor is tensor]
    for definition, element in found:
        summed = _summed(definition, element)
        if heavy and summed is not None and _is_factor(definition.body, element):
            yield _weight(tensor, summed, _fed(definition.target, readers),
                          _sliding(definition.body, summed))
    for _, element in found:
        if tensor.rank and any(index.has(Element) for index in element.indices):
            yield Start("embedding", bound=math.sqrt(3 / int(tensor.axes[-1])))
    if heavy:
        yield _weight(tensor, tensor.letters[:-1], None)
    for definition, element in found:
        if any(element in elements_in(node) for node in _slopes(definition.body)):
            yield Start("slope", 0.25)
    for definition, element in found:
        if _is_factor(definition.body, element):
            yield Start("scale", 1.0)
    yield Start("bias")


def _weight(tensor: Tensor, summed: tuple[Idx, ...], fed: Kink | None, window: int = 1) -> Start:
    terms = math.prod(int(extent(index)) for index in summed)
    entries = math.prod(map(int, tensor.axes))
    fan_out = max(entries // terms, 1) * window
    if fed is None:
        return Start("weight, Glorot", bound=math.sqrt(6 / (terms + fan_out)))
    if fed.keeps_normal():
        return Start("weight, LeCun", deviation=math.sqrt(1 / terms))
    return Start("weight, He", bound=math.sqrt(6 / terms))


def _sliding(body: Expr, summed: tuple[Idx, ...]) -> int:
    """The places of a window: of the summed a that stand beside another index, s·u + a."""
    beside = {a for element in elements_in(body) if isinstance(element, Element)
              for index in element.indices if len(index.atoms(Idx)) > 1
              for a in index.atoms(Idx)}
    return math.prod(int(extent(a)) for a in summed if a in beside)


def _summed(definition: Definition, element: Expr) -> tuple[Idx, ...] | None:
    """The indices of fixed extent of this access that are summed over, if there are any."""
    if definition.op != "sum" or not isinstance(element, Element):
        return None
    own = {s for index in element.indices for s in index.atoms(Idx)}
    return tuple(i for i in definition.over if i in own and extent(i).is_Integer) or None


def _is_factor(body: Expr, element: Expr) -> bool:
    """Whether the element multiplies something that reads another tensor than hypers."""
    return any(
        element in node.args
        and any(t.role != "hyper" for arg in node.args if arg != element for t in tensors_in(arg))
        for node in _nodes(body) if isinstance(node, Mul)
    )


def _slopes(body: Expr) -> Iterator[Basic]:
    for node in _nodes(body):
        if isinstance(node, leaky_relu):
            yield node.args[1]
        elif isinstance(node, (Max, Min, Piecewise)):
            yield from (m for m in _nodes(node) if isinstance(m, Mul))


@dataclass(frozen=True, slots=True)
class Kink:
    """A function with a kink, as a body that reads a tensor."""

    body: Expr
    tensor: Tensor

    def keeps_normal(self) -> bool:
        """Whether E f(z) = 0 and E f(z)² = 1 for a standard normal z, biases being 0."""
        read = elements_in(self.body)
        own = [element for element in read if element.tensor is self.tensor]
        z = Dummy("z", real=True)
        machine = Machine(None)
        machine.scalars[z] = POINTS
        values = {element: z if element in own else Integer(0) for element in read}
        body = self.body.xreplace(values)
        if len(own) != 1 or not body.free_symbols <= {z}:
            return False
        try:
            with np.errstate(all="ignore"):
                found = machine.value(body, {}, 1)
                moments = (NORMAL * found).sum(), (NORMAL * found**2).sum()
        except ProgramError:  # a function that the interpreter lacks
            return False
        return bool(np.allclose(moments, (0, 1), rtol=0, atol=1e-3))


def _fed(tensor: Tensor, readers: dict[Tensor, list[Definition]]) -> Kink | None:
    """The relu or its like that is the next thing, after sums with biases, that is applied."""
    waiting, seen = [tensor], {tensor}
    while waiting:
        current = waiting.pop()
        for definition in readers.get(current, []):
            if _within(definition.body, KINKED, current):
                return Kink(definition.body, current)
            passes = definition.op == "map" and _is_linear(definition.body, current)
            if passes and definition.target not in seen:
                seen.add(definition.target)
                waiting.append(definition.target)
    return None


def _within(body: Expr, kinds: tuple[type[Basic], ...], tensor: Tensor) -> bool:
    return any(isinstance(node, kinds) and _is_linear_in_some(node.args, tensor)
               for node in _nodes(body))


def _is_linear_in_some(args: Iterable[Basic], tensor: Tensor) -> bool:
    """Whether one argument is linear in the tensor; branches of a Piecewise are pairs."""
    flat: list[Basic] = [part for arg in args
                         for part in ((arg,) if isinstance(arg, Expr) else arg.args)]
    return any(isinstance(part, Expr) and _is_linear(part, tensor) for part in flat)


def _is_linear(body: Expr, tensor: Tensor) -> bool:
    """Whether the tensor stands in a term of the body as it is, or with a factor."""
    return any(isinstance(factor, Expr) and tensor.symbol in (factor, *factor.args[:1])
               for term in Add.make_args(body) for factor in Mul.make_args(term)
               if isinstance(factor, Element) or factor == tensor.symbol)


def _nodes(body: Basic) -> Iterator[Basic]:
    stack, seen = [body], set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            if not isinstance(node, Element):
                stack.extend(node.args)
