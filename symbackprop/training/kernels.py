"""Kernels of one network, built on first use and shared by every copy of its model.

One for predictions, one for the loss, one for gradients, and one training step for each rule of
an optimizer.  They hold no numbers of a model, so that copies train side by side with them.
"""

from __future__ import annotations

from collections.abc import Mapping

from symbackprop import codegen
from symbackprop.codegen.guards import Guard
from symbackprop.derivation import Derivation, derive
from symbackprop.notation import Tensor
from symbackprop.training.network import Network
from symbackprop.training.rules import Rule
from symbackprop.training.step import TrainingStep
from symbackprop.training.strengths import Condition, check_strength, conditions
from symbackprop.training.trainers import Trainers

__all__ = ["Kernels"]


class Kernels:
    """What has been derived and compiled for a network in one dtype; several threads may ask."""

    def __init__(self, network: Network, dtype: str) -> None:
        self.network = network
        self.dtype = dtype
        self._derivations: dict[Tensor, Derivation] = {}
        self._functions: dict[str, codegen.Executable] = {}
        self._conditions: tuple[Condition, ...] | None = None
        self._trainers = Trainers(network, dtype)
        self._guard = Guard()  # each kernel is built once, by whoever asks first

    @property
    def derivation(self) -> Derivation:
        """The derivative of the loss by every parameter."""
        return self._derived(self.network.loss)

    def _derived(self, loss: Tensor) -> Derivation:
        """The derivative of the loss in training, or at inference, by what is trained."""
        with self._guard.lock:
            if loss not in self._derivations:
                self._derivations[loss] = derive(loss)
            return self._derivations[loss]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What the network asks of its hypers."""
        with self._guard.lock:
            if self._conditions is None:
                self._conditions = conditions(self.network)
            return self._conditions

    def check_strength(self, hyper: Tensor, number: float) -> None:
        """Raises InputError for a number at which there is no noise, or a division by 0."""
        check_strength(self.conditions, hyper, number)

    @property
    def built(self) -> dict[str, codegen.Executable | codegen.TrainingKernel]:
        """The kernels built so far by name; of training steps the newest, as fit."""
        found: dict[str, codegen.Executable | codegen.TrainingKernel] = dict(self._functions)
        if self._trainers.newest is not None:
            found["fit"] = self._trainers.newest
        return found

    def function(self, what: str) -> codegen.Executable:
        """The kernel for "predict", "loss" or "gradients"."""
        with self._guard.lock:
            if what not in self._functions:
                network = self.network
                match what:
                    case "predict":
                        wanted = list(network.predicted)
                    case "loss":
                        wanted = [network.measured]
                    case _:
                        found = self._derived(network.measured)
                        wanted = [found.gradient(t) for t in network.reached]
                self._functions[what] = codegen.compile(wanted, dtype=self.dtype)
            return self._functions[what]

    def trainer(self, rule: Rule, rows: int, trained: tuple[Tensor, ...],
                hypers: Mapping[Tensor, float | None] | None = None
                ) -> tuple[TrainingStep, codegen.TrainingKernel]:
        """The step of a rule that changes these parameters, for batches of so many rows.

        hypers: values of the day, for which proximal operators must hold.
        """
        with self._guard.lock:
            return self._trainers.found(rule, rows, self.derivation, trained, hypers)
