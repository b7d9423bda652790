"""One training step as one Program: forward, gradients, and the optimizer's rule per parameter.

    h[n,j] = tanh(…)                      what the loss needs
    ∂W1[i,j] = Σ_n x[n,i]·δ1[n,j]         what derive adds
    v_W1_next[i,j] = momentum·v_W1[i,j] + ∂W1[i,j]
    W1_next[i,j] = W1[i,j] − rate·v_W1_next[i,j]
    updates: v_W1 ← v_W1_next, W1 ← W1_next

The compiler knows no optimizer: it sees definitions, and pairs (tensor, its next value).  What a
rule assigns for its own use only, such as a clipped gradient, is written out where it is read: a
pass over memory costs more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Idx, Integer, Sum, Symbol

from symbackprop.arrays import Array
from symbackprop.broadcasting import letters_for
from symbackprop.collect import program
from symbackprop.normal import normalise
from symbackprop.notation import Definition, Program, Role, Tensor
from symbackprop.rules.forms import weight
from symbackprop.sampling import Counters, sampled
from symbackprop.simplification import simplify
from symbackprop.training.loop import Plan
from symbackprop.training.projecting import Projecting
from symbackprop.training.rules import (
    ALL,
    ENTRY,
    PARAMETER,
    Rule,
    factor,
    g,
    is_weight,
    total,
    totals_in,
    w,
)

HEAVIEST = 40

Owner = Tensor | None
Place = tuple[Owner, Symbol]
Passed = Callable[[Mapping[Tensor, Expr], Mapping[Tensor, str]], Mapping[Tensor, Expr]]


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A program with updates; states start at zero; which number is which tensor's.

    numbers: (letter of the rule, tensor); factors: (parameter, the tensor of its rate's factor);
    results: parameter -> states of the rule that nobody reads, by letter;
    counters: the integers that noise is drawn from, if there is some.
    """

    program: Program
    loss: Tensor
    states: tuple[Tensor, ...]
    numbers: tuple[tuple[str, Tensor], ...]
    factors: tuple[tuple[Tensor, Tensor], ...] = ()
    results: Mapping[Tensor, Tensor] = field(default_factory=dict)
    counters: Counters | None = None

    def begun(self, plan: Plan, dtype: str) -> dict[Tensor, NDArray[Any]]:
        """The rule's states as they begin, and what noise is drawn from."""
        zeros = {t: np.zeros([int(axis) for axis in t.axes], dtype) for t in self.states}
        return zeros if self.counters is None else {
            **zeros, **self.counters.arrays(plan.seed, plan.rows, plan.steps)}


def training_step(loss: Tensor, gradients: Mapping[Tensor, Tensor], rule: Rule,
                  names: Mapping[Tensor, str], weights: Collection[Tensor] = (),
                  passed: Passed = Projecting().passed,
                  carried: Sequence[tuple[Tensor, Tensor]] = (), batch: Symbol | None = None
                  ) -> TrainingStep:
    """The program of one step that minimises the loss by the rule.

    gradients: for each trained parameter the tensor that holds its gradient; names: what is
    called how (new tensors are named after their parameter and get out of the way of these);
    weights: the parameters for which the rule's `is_weight` is 1; passed: what becomes of the last
    values that the rule gives to parameters; carried: states of the network with their next
    values; batch: the size that runs over samples.
    """
    writer = _Writer(rule, gradients, names, weights, passed)
    writer.write()
    updates = (*writer.updates(), *carried)
    wanted = program([loss, *writer.shared, *(following for _, following in updates)])
    simple = simplify(normalise(wanted), keep=writer.scalars)
    step, counters = sampled(replace(simple, outputs=(loss,), updates=updates), batch, names)
    numbers = tuple((s.name, tensor) for s, tensor in writer.numbers.items())
    return TrainingStep(step, loss, tuple(writer.carried.values()), numbers,
                        tuple(writer.factors.items()), writer.results(), counters)


@dataclass(slots=True)
class _Writer:
    """Writes each assignment once for every parameter, and what is shared (Adam's t) once for all.

    newest: what a letter stands for by now, for a parameter, or for all of them (None).
    """

    rule: Rule
    gradients: Mapping[Tensor, Tensor]
    names: Mapping[Tensor, str]
    weights: Collection[Tensor]
    passed: Passed
    taken: set[str] = field(init=False)
    scopes: Mapping[Symbol, int] = field(init=False)
    numbers: dict[Symbol, Tensor] = field(init=False)
    factors: dict[Tensor, Tensor] = field(default_factory=dict)
    carried: dict[Place, Tensor] = field(default_factory=dict)
    following: dict[Place, Tensor] = field(default_factory=dict)
    newest: dict[Place, Expr] = field(default_factory=dict)
    shared: list[Tensor] = field(default_factory=list)  # first, so that products may use them
    scalars: list[Tensor] = field(default_factory=list)  # computed once, not for every entry

    def __post_init__(self) -> None:
        self.taken = set(self.names.values())
        self.scopes = self.rule.scopes
        self.numbers = {s: self._tensor(s.name, None, "hyper") for s in self.rule.numbers}
        self.newest.update({(None, s): made.symbol for s, made in self.numbers.items()})
        self._carry(ALL, None)
        read = {s for _, body in self.rule.assignments for s in body.free_symbols}
        for parameter, gradient in self.gradients.items():
            letters = _letters(parameter)
            self.newest[parameter, w] = parameter.at(*letters)
            self.newest[parameter, g] = gradient.at(*letters)
            self.newest[parameter, is_weight] = Integer(parameter in self.weights)
            if factor in read:
                made = self._tensor(f"factor_{self.names[parameter]}", None, "hyper")
                self.factors[parameter] = made
                self.newest[parameter, factor] = made.symbol
            self._carry(PARAMETER, parameter)
            self._carry(ENTRY, parameter)

    def _carry(self, scope: int, owner: Owner) -> None:
        """The tensors of the states of this scope."""
        for state in (s for s in self.rule.states if self.scopes[s] == scope):
            made = self._tensor(self._called(state, owner), owner if scope == ENTRY else None,
                                "state")
            self.carried[owner, state] = made
            self.newest[owner, state] = made.at(*_letters(made))

    def write(self) -> None:
        """All assignments, each for all its owners before the next."""
        last = {target: place for place, (target, _) in enumerate(self.rule.assignments)}
        for place, (target, body) in enumerate(self.rule.assignments):
            owners = (None,) if self.scopes[target] == ALL else tuple(self.gradients)
            made: dict[Owner, Expr] = {o: self._written(body, o) for o in owners}
            if target == w and last[target] == place:
                own = {o: e for o, e in made.items() if o is not None}
                made.update(self.passed(own, self.names).items())
            for owner, expr in made.items():
                self._assign(target, expr, owner, last[target] == place)

    def _assign(self, target: Symbol, body: Expr, owner: Owner, is_last: bool) -> None:
        is_entry = self.scopes[target] == ENTRY
        is_next = is_last and (target == w or (owner, target) in self.carried)
        if is_entry and not is_next and weight(body) <= HEAVIEST:
            self.newest[owner, target] = body
            return
        label = self.names[owner] if target == w and is_next and owner is not None else (
            self._called(target, owner))
        made = self._tensor(f"{label}_next" if is_next else label, owner if is_entry else None)
        letters = _letters(made)
        made.definition = Definition(made, letters, body, where=made.where)
        self.newest[owner, target] = made.at(*letters)
        self.shared.extend([made] if owner is None else [])
        self.scalars.extend([] if made.axes else [made])
        if is_next:
            self.following[owner, target] = made

    def _written(self, body: Expr, owner: Owner) -> Expr:
        """The body with what each total and each letter stands for."""
        body = body.xreplace({part: self._total(part, owner) for part in totals_in(body)})
        found = {s: self.newest.get((owner, s), self.newest.get((None, s)))
                 for s in body.free_symbols}
        return body.xreplace({s: value for s, value in found.items() if value is not None})

    def _total(self, part: Expr, owner: Owner) -> Expr:
        """Σ over the entries of the parameter, or of all parameters: a number with a definition."""
        owners = (owner,) if isinstance(part, total) else tuple(self.gradients)
        body = Add(*(_sum(self._written(part.args[0], one), one) for one in owners
                     if one is not None))
        made = Array(None, (), (), "intermediate", hint="total", where="the optimizer")
        made.definition = Definition(made, (), body, where=made.where)
        return made.symbol

    def updates(self) -> list[tuple[Tensor, Tensor]]:
        """(old, next): what is shared, then each parameter's states and itself."""
        old = dict(self.carried)
        old.update(((parameter, w), parameter) for parameter in self.gradients)
        places = [(owner, s) for owner in (None, *self.gradients) for s in self.rule.targets]
        return [(old[place], self.following[place]) for place in places if place in self.following]

    def results(self) -> dict[Tensor, Tensor]:
        """parameter -> the state of a rule that nothing reads: what the rule is asked for."""
        read = {s for _, body in self.rule.assignments for s in body.free_symbols}
        return {owner: tensor for (owner, s), tensor in self.carried.items()
                if owner is not None and s not in read}

    def _called(self, symbol: Symbol, owner: Owner) -> str:
        return f"{symbol}_{self.names[owner]}" if owner is not None else str(symbol)

    def _tensor(self, name: str, like: Owner, role: Role = "intermediate") -> Tensor:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        axes, letters = ((), ()) if like is None else (like.axes, _letters(like))
        return Array(name, axes, letters, role, where="the optimizer")


def _letters(tensor: Tensor) -> tuple[Idx, ...]:
    """An index for each axis, no two alike."""
    return letters_for(tensor.axes, [tensor])


def _sum(body: Expr, parameter: Tensor) -> Expr:
    letters = _letters(parameter)
    return Sum(body, *letters) if letters else body
