"""Training kernels of one network: made on first use, one for each rule and kind of schedule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from symbackprop import codegen
from symbackprop.derivation import Derivation
from symbackprop.notation import Tensor
from symbackprop.pending import weights
from symbackprop.training.network import Network
from symbackprop.training.projecting import (
    Projecting,
    Split,
    gradients_of,
    is_proximal,
    projecting,
    split,
)
from symbackprop.training.rules import Rule
from symbackprop.training.step import TrainingStep, training_step

__all__ = ["Trainers"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What makes a step: the rule, the parameters that it trains, and what these pass through."""

    rule: Rule
    trained: tuple[Tensor, ...]
    projecting: Projecting


class Trainers:
    """The steps and kernels built so far.

    A step over many rows is compiled in tiles, for threads; a short one is not.  Rates and sizes
    are arguments of a kernel: other values never compile anything.
    """

    def __init__(self, network: Network, dtype: str) -> None:
        self._network = network
        self._dtype = dtype
        self._split: Split | None = None
        self._steps: dict[_Asked, TrainingStep] = {}
        self._kernels: dict[tuple[_Asked, bool], codegen.TrainingKernel] = {}

    @property
    def newest(self) -> codegen.TrainingKernel | None:
        """The kernel that was built last."""
        return next(reversed(self._kernels.values()), None)

    def found(self, rule: Rule, rows: int, derivation: Derivation,
              trained: Collection[Tensor], hypers: Mapping[Tensor, float | None] | None = None
              ) -> tuple[TrainingStep, codegen.TrainingKernel]:
        """The step of a rule and its kernel for batches of so many rows.

        trained: the parameters that the step changes; hypers: values of the day, for which
        proximal operators must hold.
        """
        network, batch = self._network, self._network.batch
        asked = self._asked(rule, tuple(trained), hypers or {})
        step = self._step(asked, derivation)
        shared = batch is not None and codegen.is_shared(step.program, batch, rows)
        if (asked, shared) not in self._kernels:
            read = tuple(t for t in step.program.inputs if network.has_batch(t))
            self._kernels[asked, shared] = codegen.compile_training(
                step.program, read, batch, step.loss, self._dtype, shared)
        return step, self._kernels[asked, shared]

    def step(self, rule: Rule, derivation: Derivation, trained: Collection[Tensor],
             hypers: Mapping[Tensor, float | None]) -> TrainingStep:
        """The step of a rule as `found` has it; nothing is compiled."""
        return self._step(self._asked(rule, tuple(trained), hypers), derivation)

    def _step(self, asked: _Asked, derivation: Derivation) -> TrainingStep:
        network = self._network
        if asked not in self._steps:
            smooth = asked.projecting.smooth
            gradients = {t: derivation.gradient(t) for t in asked.trained} if smooth is None else (
                gradients_of(smooth, asked.trained))
            self._steps[asked] = training_step(
                network.loss, gradients, asked.rule, network.names, weights(network.program),
                asked.projecting.passed, network.updates, network.batch)
        return self._steps[asked]

    def _asked(self, rule: Rule, trained: tuple[Tensor, ...],
               hypers: Mapping[Tensor, float | None]) -> _Asked:
        """A step that is known and holds for these values of hypers, or else a new one."""
        for known in self._steps:
            if (known.rule, known.trained) == (rule, trained) and known.projecting.holds(hypers):
                return known
        if self._split is None:
            self._split = split(self._network) if is_proximal(rule) else None
        return _Asked(rule, trained, projecting(self._network, rule, trained, self._split, hypers))
