"""sampled(program): a noise becomes a definition, so that a training step needs nothing else.

    m[n,j] = [philox(0, seed[0], seed[1], j, row[n], epoch, 0) < keep]
    epoch = ⌊step/steps⌋,   step ← step + 1

A definition runs in tiles, on threads and fused with others as every one does.  Its value depends
on the seed, the number of the sample in the data set, the epoch, the place in the row and the
number of the noise alone: not on threads, on tiles, or on how the rows are put into batches.  Of a
noise without the batch among its axes there is one for each step, counted through all epochs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sympy import Expr, Idx, Integer, Symbol, floor

from symbackprop.arrays import Array
from symbackprop.declare import twin
from symbackprop.errors import ProgramError
from symbackprop.interpreter import evaluate
from symbackprop.laws import KINDS, Distribution
from symbackprop.notation import Definition, Fact, Program, Role, Tensor
from symbackprop.philox import WORD, philox

__all__ = ["Counters", "draws", "noises", "sampled", "words_of"]

_INTEGERS = (Fact("label", (), Integer(WORD)),)


@dataclass(frozen=True, slots=True)
class Counters:
    """What the numbers of a step depend on: integers, handed to the kernel like data.

    seed: two words; row: the numbers of the samples, None without a batch; step: a state, the
    steps so far; steps: how many an epoch has.
    """

    seed: Tensor
    row: Tensor | None
    step: Tensor
    steps: Tensor

    def arrays(self, seed: int | None, rows: int, steps: int) -> dict[Tensor, np.ndarray]:
        """The integers at the beginning of a fit over so many rows, in so many steps an epoch."""
        found = {self.seed: words_of(seed), self.step: np.zeros((), np.int64),
                 self.steps: np.array(steps, np.int64)}
        return found if self.row is None else {**found, self.row: np.arange(rows)}


def words_of(seed: int | None) -> np.ndarray:
    """The two words that a seed is for the generator; None gives others every time."""
    return np.random.SeedSequence(seed).generate_state(2).astype(np.int64)


def noises(program: Program) -> tuple[Tensor, ...]:
    """The noise that a program reads, in order of declaration."""
    return tuple(t for t in program.inputs if t.role == "noise")


def sampled(program: Program, batch: Symbol | None,
            names: Mapping[Tensor, str] | None = None) -> tuple[Program, Counters | None]:
    """The program with every noise defined, and the integers that it reads besides; in normal form.

    batch: the size that runs over samples; names: those to get out of the way of.  A noise has its
    number among all that are named, read or not, so that every program of a network draws the same.
    Raises ProgramError for a noise with two axes along the batch, or one that depends on it.
    """
    drawn = noises(program)
    if not drawn:
        return program, None
    writer = _Writer(batch, {*program.names.values(), *(names or {}).values()})
    twins = {t: twin(t) for t in drawn}
    symbols = {t.symbol: other.symbol for t, other in twins.items()}
    named = {t for t in names or () if t.role == "noise"}
    numbers = {t: k for k, t in enumerate(sorted({*drawn, *named}, key=lambda t: t.serial))}
    made = [writer.definition(t, twins[t], numbers[t]) for t in drawn]
    rest = [replace(d, body=d.body.xreplace(symbols)) for d in program]
    definitions = (writer.epoch_definition, *made, *rest, writer.next_definition)
    updates = (*program.updates, (writer.counters.step, writer.next_definition.target))
    return replace(program, definitions=definitions, updates=updates), writer.counters


def draws(wanted: Sequence[Tensor], batch: Symbol | None, values: Mapping[Any, Any],
          counted: Mapping[str, Any]) -> dict[Tensor, np.ndarray]:
    """The numbers of these noises: an array for each, as a training step has them, in float64.

    values: hypers and sizes; counted: seed, row, step and steps, as `Counters` has them.
    """
    if not wanted:
        return {}
    reading = tuple(Definition(copy, copy.letters, t.at(*copy.letters))
                    for t in wanted for copy in [twin(t)])
    program, counters = sampled(Program(reading, tuple(d.target for d in reading)), batch)
    assert counters is not None, "there is some noise"
    integers = {t: counted[t.hint] for t in program.inputs if t.hint in counted and t.facts}
    found = evaluate(program, {**values, **integers})
    return {t: found[d.target] for t, d in zip(wanted, reading, strict=True)}


class _Writer:
    """Makes the integers, and writes the definitions that read them."""

    def __init__(self, batch: Symbol | None, taken: set[str]) -> None:
        self.batch = batch
        self.taken = taken
        row = None if batch is None else self._integer("row", (batch,), "data")
        self.counters = Counters(self._integer("seed", (Integer(2),), "data"), row,
                                 self._integer("step", (), "state"),
                                 self._integer("steps", (), "data"))
        epoch, following = (self._integer(name, (), "intermediate")
                            for name in ("epoch", "step_next"))
        step, steps = self.counters.step.symbol, self.counters.steps.symbol
        self.epoch_definition = Definition(epoch, (), floor(step/steps))
        self.next_definition = Definition(following, (), step + 1)

    def definition(self, noise: Tensor, target: Tensor, number: int) -> Definition:
        """noise[…] = what its distribution makes of philox at this place."""
        law = noise.law
        assert isinstance(law, Distribution), "sb.noise has seen to that"
        letters = noise.letters
        entry: Expr = Integer(0)
        for index, axis in zip(letters, noise.axes, strict=True):
            entry = entry if axis == self.batch else entry*axis + index
        seed, when = self.counters.seed, self._when(noise)

        def unit(pair: int) -> Expr:
            return philox(pair, seed.at(0), seed.at(1), entry, *when, number)

        return Definition(target, letters, KINDS[law.kind].entry(unit, *law.parameters),
                          where=noise.where)

    def _when(self, noise: Tensor) -> tuple[Expr, Expr]:
        """The number of the sample and the epoch; of a noise for all samples, 0 and the step."""
        along = [i for i, axis in zip(noise.letters, noise.axes, strict=True)
                 if self.batch is not None and self.batch in axis.free_symbols]
        if not along or self.counters.row is None:
            return Integer(0), self.counters.step.symbol
        if len(along) > 1 or self.batch not in noise.axes:
            raise ProgramError(
                f"the noise {noise.name or noise.hint} (declared at {noise.where}) has the axes "
                f"{', '.join(map(str, noise.axes))}; at most one of them may depend on the batch "
                f"{self.batch}, and it must be {self.batch}")
        return self.counters.row.at(along[0]), self.epoch_definition.target.symbol

    def _integer(self, name: str, axes: tuple[Expr, ...], role: Role) -> Array:
        own = name
        while own in self.taken:
            own += "_"
        self.taken.add(own)
        letters = tuple(Idx(Symbol(letter, integer=True), axis)
                        for letter, axis in zip("nk", axes, strict=False))
        return Array(own, axes, letters, role, _INTEGERS, name, where="fit")
