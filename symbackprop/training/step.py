"""One training step as one Program: forward, gradients, and the optimizer's rule per parameter.

    h[n,j] = tanh(…)                      what the loss needs
    ∂W1[i,j] = Σ_n x[n,i]·δ1[n,j]         what derive adds
    v_W1_next[i,j] = momentum·v_W1[i,j] + ∂W1[i,j]
    W1_next[i,j] = W1[i,j] − rate·v_W1_next[i,j]
    updates: v_W1 ← v_W1_next, W1 ← W1_next

The compiler knows no optimizer: it sees definitions, and pairs (tensor, its next value).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sympy import Expr, Idx, Symbol

from symbackprop.arrays import Array
from symbackprop.collect import program
from symbackprop.normal import normalise
from symbackprop.notation import Definition, Program, Role, Tensor
from symbackprop.sampling import Counters, sampled
from symbackprop.simplification import simplify
from symbackprop.training.optimizers import Rule, g, w


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A program with updates; states start at zero, numbers: (field of the optimizer, tensor).

    counters: the integers that noise is drawn from, if there is some.
    """

    program: Program
    loss: Tensor
    states: tuple[Tensor, ...]
    numbers: tuple[tuple[str, Tensor], ...]
    counters: Counters | None = None


def training_step(loss: Tensor, gradients: Mapping[Tensor, Tensor], rule: Rule,
                  names: Mapping[Tensor, str], carried: Sequence[tuple[Tensor, Tensor]] = (),
                  batch: Symbol | None = None) -> TrainingStep:
    """The program of one step that minimises the loss by the rule.

    gradients: for each trained parameter the tensor that holds its gradient; names: what is
    called how (new tensors are named after their parameter and get out of the way of these);
    carried: states of the network with their next values; batch: the size that runs over samples.
    """
    writer = _Writer(rule, set(names.values()))
    for parameter, gradient in gradients.items():
        writer.add(parameter, gradient, names[parameter])
    updates = (*writer.updates.items(), *carried)
    wanted = program([loss, *(following for _, following in updates)])
    simple = simplify(normalise(wanted))
    step, counters = sampled(replace(simple, outputs=(loss,), updates=updates), batch, names)
    numbers = tuple((str(symbol), tensor) for symbol, tensor in writer.numbers.items())
    return TrainingStep(step, loss, tuple(writer.states), numbers, counters)


@dataclass(slots=True)
class _Writer:
    """Writes the rule once for every parameter, and what is shared (Adam's t) once for all."""

    rule: Rule
    taken: set[str]
    numbers: dict[Symbol, Tensor] = field(init=False)
    shared: dict[Symbol, Tensor] = field(init=False)
    states: list[Tensor] = field(default_factory=list)
    updates: dict[Tensor, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {s: self._tensor(str(s), (), (), "hyper") for s in self.rule.numbers}
        self.shared = {}
        scalars = [s for s in self.rule.targets if s not in self.rule.elementwise]
        self.shared = self._assigned(scalars, {}, "", (), ())

    def add(self, parameter: Tensor, gradient: Tensor, name: str) -> None:
        """The definitions of this parameter's next value and states."""
        own = [s for s in self.rule.targets if s in self.rule.elementwise]
        self._assigned(own, {w: parameter, g: gradient}, name, parameter.axes, parameter.letters)

    def _assigned(self, targets: list[Symbol], known: dict[Symbol, Tensor], name: str,
                  axes: tuple[Expr, ...], letters: tuple[Idx, ...]) -> dict[Symbol, Tensor]:
        """What each symbol is after the assignments to these targets."""
        suffix = f"_{name}" if name else ""
        carried = {s: self._tensor(f"{s}{suffix}", axes, letters, "state")
                   for s in self.rule.states if s in targets}
        self.states.extend(carried.values())
        newest = {**self.numbers, **self.shared, **known, **carried}
        for target, body in self.rule.assignments:
            if target not in targets:
                continue
            label = name if target == w else f"{target}{suffix}"
            again = "_next" if target in carried or target == w else ""
            made = self._tensor(f"{label}{again}", axes, letters, "intermediate")
            made.definition = Definition(made, letters, _entry(body, newest), where=made.where)
            newest[target] = made
        after = {s: newest[s] for s in targets}
        self.updates.update({carried[s]: after[s] for s in carried})
        if w in after:
            self.updates[known[w]] = after[w]
        return after

    def _tensor(self, name: str, axes: tuple[Expr, ...], letters: tuple[Idx, ...],
                role: Role) -> Tensor:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return Array(name, axes, letters, role, where="the optimizer")


def _entry(body: Expr, newest: Mapping[Symbol, Tensor]) -> Expr:
    """The body with each letter of the rule replaced by an entry of its tensor."""
    return body.xreplace({s: newest[s].at(*newest[s].letters) for s in body.free_symbols})
