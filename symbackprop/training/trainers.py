"""Training kernels of one network: made on first use, one for each rule and kind of schedule."""

from __future__ import annotations

from symbackprop import codegen
from symbackprop.derivation import Derivation
from symbackprop.training.network import Network
from symbackprop.training.optimizers import Rule
from symbackprop.training.step import TrainingStep, training_step

__all__ = ["Trainers"]


class Trainers:
    """The steps and kernels built so far.

    A step over many rows is compiled in tiles, for threads; a short one is not.  Rates and sizes
    are arguments of a kernel: other values never compile anything.
    """

    def __init__(self, network: Network, dtype: str) -> None:
        self._network = network
        self._dtype = dtype
        self._steps: dict[Rule, TrainingStep] = {}
        self._kernels: dict[tuple[Rule, bool], codegen.TrainingKernel] = {}

    @property
    def newest(self) -> codegen.TrainingKernel | None:
        """The kernel that was built last."""
        return next(reversed(self._kernels.values()), None)

    def found(self, rule: Rule, rows: int, derivation: Derivation
              ) -> tuple[TrainingStep, codegen.TrainingKernel]:
        """The step of a rule and its kernel for batches of so many rows."""
        network, batch = self._network, self._network.batch
        if rule not in self._steps:
            gradients = {t: derivation.gradient(t) for t in network.trained}
            self._steps[rule] = training_step(network.loss, gradients, rule, network.names,
                                              network.updates, batch)
        step = self._steps[rule]
        shared = batch is not None and codegen.is_shared(step.program, batch, rows)
        if (rule, shared) not in self._kernels:
            read = tuple(t for t in step.program.inputs if network.has_batch(t))
            self._kernels[rule, shared] = codegen.compile_training(
                step.program, read, batch, step.loss, self._dtype, shared)
        return step, self._kernels[rule, shared]
