"""Strengths: at which hypers there is a distribution, ranges are kept, nothing is divided by 0.

A dropout rate of 1.5 leaves no probability to keep an entry, one of 1 divides by 1 − drop, and a
momentum of 2 makes running statistics grow without end.
What one hyper alone decides is refused where it is set; what several decide together, such as the
ends of a uniform noise, which are set one after the other, where a step is to use them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from sympy import Expr, Piecewise, Pow, preorder_traversal

from symbackprop.errors import InputError, TrainingError
from symbackprop.interpreter import Machine
from symbackprop.laws import KINDS, RANGES, Asks, Distribution
from symbackprop.notation import Tensor, TensorSymbol, tensors_in
from symbackprop.printing.text import text
from symbackprop.training.network import Network

__all__ = ["Condition", "check_strength", "check_strengths", "conditions"]

Numbers = Mapping[Tensor, float]


@dataclass(frozen=True, slots=True)
class Condition:
    """Expressions of hypers that must be a distribution, lie in a range, or are divided by.

    owner: the noise, or the definition that asks or divides, in words; kind: a row of `KINDS` or of
    `RANGES`, None for a divisor.
    """

    owner: str
    parts: tuple[Expr, ...]
    kind: str | None
    names: Mapping[Tensor, str]

    @property
    def read(self) -> tuple[Tensor, ...]:
        """The hypers that decide it."""
        return tuple(dict.fromkeys(t for part in self.parts for t in tensors_in(part)))

    def error(self, hypers: Numbers) -> str | None:
        """What is wrong at these numbers; None where nothing is."""
        machine = Machine(None)
        machine.arrays = {tensor: np.asarray(hypers[tensor]) for tensor in self.read}
        found = [float(machine.value(part, {}, 0)) for part in self.parts]
        at = ", ".join(f"{self.names[t]} = {hypers[t]:g}" for t in self.read)
        first = text(self.parts[0], self.names)
        if self.kind is None:
            return None if found[0] else f"{self.owner} divides by {first}, which is 0 where {at}"
        if self.kind in RANGES:
            where = "" if isinstance(self.parts[0], TensorSymbol) else f", where {at}"
            return None if RANGES[self.kind].fits(found[0]) else (
                f"{self.owner} needs {first} = {found[0]:g} to be {RANGES[self.kind].words}{where}")
        kind = KINDS[self.kind]
        return None if kind.fits(*found) else (
            f"{self.owner} is {self.kind}({', '.join(f'{number:g}' for number in found)}) "
            f"where {at}; expected {kind.words}")


def conditions(network: Network) -> tuple[Condition, ...]:
    """What a network asks of its hypers."""
    names = network.names
    laws = [Condition(f"the noise {names[t]} (declared at {t.where})", t.law.parameters,
                      t.law.kind, names)
            for t in network.given if isinstance(t.law, Distribution)]
    divided = [Condition(f"{names[d.target]} (declared at {d.where})", (divisor,), None, names)
               for d in network.program for divisor in _divisors(d.body)]
    known = set(network.hypers)
    asked = [Condition(f"{names[t]} (declared at {t.where})", (part,), kind, names)
             for t in (*network.hypers, *(d.target for d in network.program))
             if isinstance(t.law, Asks)
             for part, kind in t.law.conditions if known.issuperset(tensors_in(part))]
    return (*laws, *asked, *divided)


def _divisors(body: Expr) -> Iterator[Expr]:
    """What a body divides by, in every case, and hypers alone decide."""
    walk = preorder_traversal(body)
    for node in walk:
        if isinstance(node, Piecewise):
            walk.skip()
        elif isinstance(node, Pow) and node.exp.is_negative and all(
                isinstance(s, TensorSymbol) and s.tensor.role == "hyper"
                for s in node.base.free_symbols):
            yield node.base


def check_strengths(asked: tuple[Condition, ...], hypers: Numbers) -> None:
    """Raises TrainingError where these hypers leave no distribution or a range, or divide by 0."""
    for condition in asked:
        error = condition.error(hypers)
        if error is not None:
            remedy = "".join(f"; set model.hypers[{condition.names[t]!r}]"
                             for t in condition.read[:1])
            raise TrainingError(error + remedy)


def check_strength(asked: tuple[Condition, ...], tensor: Tensor, number: float) -> None:
    """Raises InputError for a number of a hyper that no other number of another one could mend."""
    for condition in asked:
        error = condition.error({tensor: number}) if condition.read == (tensor,) else None
        if error is not None:
            raise InputError(f"the hyper {condition.names[tensor]} cannot be {number:g}: {error}")
