"""Core: what a Model is made of, numbers of its own and kernels that its copies share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from symbackprop.codegen.guards import Guard
from symbackprop.errors import TrainingError
from symbackprop.notation import Tensor
from symbackprop.training.kernels import Kernels
from symbackprop.training.network import Network
from symbackprop.training.parameters import Hypers, Parameters, States

__all__ = ["Core", "core"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Core:
    """A network's kernels, and the parameters, states and hypers that they are run with.

    history: that of the newest fit, as far as it came; training: for the thread that fits it.
    """

    kernels: Kernels
    parameters: Parameters
    states: States
    hypers: Hypers
    history: dict[str, list[float]] = field(default_factory=dict)
    training: Guard = field(default_factory=Guard)

    @property
    def network(self) -> Network:
        """What the kernels were made of."""
        return self.kernels.network

    @property
    def dtype(self) -> str:
        """float32 or float64."""
        return self.kernels.dtype

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other thread trains these numbers meanwhile; TrainingError where one does already."""
        lock = self.training.lock
        if not lock.acquire(blocking=False):
            raise TrainingError("another thread is training this model: steps of both would change "
                                "the same numbers; copy.deepcopy(model) gives one that can be "
                                "trained beside it")
        try:
            yield
        finally:
            lock.release()

    def arrays(self) -> dict[Tensor, Array]:
        """The model's own arrays by tensor."""
        names, network = self.network.names, self.network
        return {**{t: self.parameters[names[t]] for t in network.parameters},
                **{t: self.states[names[t]] for t in network.states}}

    def copy(self) -> dict[str, Array]:
        """Copies of all arrays of parameters and states."""
        return {**self.parameters.copy(), **self.states.copy()}

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Put the numbers of a copy, or of some arrays of it, back."""
        for group in (self.parameters, self.states):
            group.restore({name: array for name, array in saved.items() if name in group})

    def check_finite(self) -> None:
        """Raises Diverged where a parameter or a state holds NaN or infinity."""
        for group in (self.parameters, self.states):
            group.check_finite()

    def check_trained(self) -> None:
        """The same, also where a step has broken a fact."""
        for group in (self.parameters, self.states):
            group.check_trained()

    def twin(self) -> Core:
        """The same kernels, and the same numbers in arrays of their own."""
        made = core(self.kernels)
        made.restore(self.copy())
        made.hypers.update({name: value for name, value in self.hypers.items()
                            if value is not None})
        return made

    def run(self, what: str, data: Mapping[Tensor, Array]) -> list[Array]:
        """What the kernel of this name gives for these data and the present numbers."""
        kernel = self.kernels.function(what)
        names = kernel.program.names
        values: dict[Tensor, Any] = {**data, **self.arrays(), **self.hypers.numbers()}
        return list(kernel(**{names[t]: values[t] for t in kernel.program.inputs}))


def core(kernels: Kernels) -> Core:
    """Zeros for the parameters, declared defaults for the hypers."""
    network = kernels.network
    names = network.names
    return Core(kernels, Parameters({names[t]: t for t in network.parameters}, kernels.dtype),
                States({names[t]: t for t in network.states}, kernels.dtype),
                Hypers({names[t]: t for t in network.hypers}, kernels.check_strength))
