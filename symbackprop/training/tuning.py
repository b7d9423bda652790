"""Which parameters a fit trains, and at which rates: `fit(…, frozen=["W1"], rates={"W2": 0.1})`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from symbackprop.errors import TrainingError
from symbackprop.notation import Tensor, TensorSymbol
from symbackprop.training.letters import in_range
from symbackprop.training.loop import Plan, Steps, Task, Values
from symbackprop.training.network import Network
from symbackprop.training.optimizer import Optimizer
from symbackprop.training.rules import Rule, scaled, steps_per_epoch
from symbackprop.training.step import TrainingStep

__all__ = ["Tuning", "tuning"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """The trained parameters in order of declaration; factors of their rates, where some differ.

    states: the names of what the network itself carries from step to step.
    """

    optimizer: Optimizer
    trained: tuple[Tensor, ...]
    factors: Mapping[Tensor, float]
    states: tuple[str, ...] = ()

    @property
    def rule(self) -> Rule:
        """The optimizer's rule, with a factor for each parameter where rates differ."""
        return scaled(self.optimizer.rule) if self.factors else self.optimizer.rule

    def numbers(self, step: TrainingStep, plan: Plan) -> dict[Tensor, float]:
        """The value of every number that a step reads beside the loss's own."""
        values = {**self.optimizer.values, steps_per_epoch.name: float(plan.steps)}
        if missing := [letter for letter, _ in step.numbers if letter not in values]:
            raise TrainingError(f"the rule of {self.optimizer!r} reads the letter {missing[0]}, "
                                "for which it has no number; make it a field")
        return {**{tensor: values[letter] for letter, tensor in step.numbers},
                **{tensor: self.factors.get(parameter, 1.0) for parameter, tensor in step.factors}}

    def task(self, step: TrainingStep, plan: Plan, arrays: Mapping[Tensor, NDArray[Any]],
             steps: Steps) -> Task:
        """The fit as an optimizer drives it."""
        return Task(plan, steps, Values(tuple(arrays[t] for t in self.trained)),
                    Values(tuple(arrays[step.results[t]] for t in self.trained
                                 if t in step.results)),
                    step.counters is not None, self.states)


def tuning(network: Network, optimizer: Any, frozen: Any, rates: Any) -> Tuning:
    """What fit's `frozen` and `rates` ask for; names of parameters, or the tensors themselves.

    Raises TrainingError for what is no optimizer or no parameter, a factor below 0 or of one that
    is not trained, and where nothing is left to train.
    """
    several = frozen if isinstance(frozen, (list, tuple, set, frozenset)) else [frozen]
    kept = {_parameter(network, name, "frozen") for name in several if frozen is not None}
    trained = tuple(t for t in network.trained if t not in kept)
    if not trained:
        raise TrainingError(f"frozen: all of {', '.join(map(str, several))} are frozen, so that "
                            "nothing is left to train; leave a parameter out")
    if rates is not None and not isinstance(rates, Mapping):
        raise TrainingError('rates must be a dict from parameters to factors of the rate, such as '
                            f'{{"W1": 0.1}}; found {rates!r}')
    factors: dict[Tensor, float] = {}
    for name, value in (rates or {}).items():
        parameter = _parameter(network, name, "rates")
        if parameter not in trained:
            raise TrainingError(f"rates: {network.names[parameter]} is not trained, so that its "
                                "rate has no meaning")
        spoken = f"the factor of {network.names[parameter]}"
        factors[parameter] = in_range("rates", spoken, value, "weight_decay")
    return Tuning(known_optimizer(optimizer), trained, factors,
                  tuple(network.names[t] for t, _ in network.updates))


def known_optimizer(optimizer: Any) -> Optimizer:
    """A value of `sb.optimizers`, or of a class of a user's own that is such an Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TrainingError(f"optimizer must be a value such as sb.optimizers.SGD(0.1, "
                            f"momentum=0.9) or sb.optimizers.Adam(1e-3); found {optimizer!r}")
    return optimizer


def _parameter(network: Network, given: Any, what: str) -> Tensor:
    named = {network.names[t]: t for t in network.parameters}
    tensor = given.tensor if isinstance(given, TensorSymbol) else given
    found = named.get(given) if isinstance(given, str) else tensor
    if not isinstance(found, Tensor) or found not in named.values():
        raise TrainingError(f"{what}: this model has no parameter {given!r}; it has "
                            f"{', '.join(named)}")
    return found
