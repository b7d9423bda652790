"""What a Model is about: its data, outputs and loss as tensors, one program, and the batch axis.

The batch is the symbolic size on the first axis of the targets, or of the inputs where no target
has one; data without it is given once.  Names come from the one program of loss and outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sympy import Expr, Symbol

from symbackprop.averaging import inferred
from symbackprop.checks import verify
from symbackprop.collect import ordered, output_tensor, program
from symbackprop.constraints import Constraint
from symbackprop.declare import tensor_of
from symbackprop.errors import ProgramError
from symbackprop.laws import Carried, Distribution
from symbackprop.notation import Definition, Program, Tensor, tensors_in
from symbackprop.proximity import operator
from symbackprop.training.constrained import refused, terms_of

__all__ = ["Network", "described", "needed", "network"]


@dataclass(frozen=True, slots=True)
class Network:
    """Data tensors, outputs and loss; `program` defines loss and outputs as declared.

    predicted, measured: outputs and loss at inference, which `inference` defines; the same where
    nothing differs.  given: whatever both programs read, and the hypers of noise.
    constraints: tensors that are 1 where a condition on parameters holds; `whole` defines them too.
    """

    inputs: tuple[Tensor, ...]
    targets: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    loss: Tensor
    predicted: tuple[Tensor, ...]
    measured: Tensor
    program: Program
    inference: Program
    given: tuple[Tensor, ...]
    names: dict[Tensor, str]
    batch: Symbol | None
    constraints: tuple[Tensor, ...]
    whole: Program

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """Parameters in order of declaration."""
        return tuple(t for t in self.given if t.role == "parameter")

    @property
    def states(self) -> tuple[Tensor, ...]:
        """States in order of declaration."""
        return tuple(t for t in self.given if t.role == "state")

    @property
    def updates(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Each state with the tensor of its next value."""
        return tuple((t, t.law.following) for t in self.states if isinstance(t.law, Carried))

    @property
    def trained(self) -> tuple[Tensor, ...]:
        """The parameters that the loss reads, in order of declaration."""
        read = set(read_by(self.program, (self.loss,)))
        return tuple(t for t in self.parameters if t in read and t.trainable)

    @property
    def reached(self) -> tuple[Tensor, ...]:
        """Those of the trained parameters that the loss reads at inference."""
        read = set(read_by(self.inference, (self.measured,)))
        return tuple(t for t in self.trained if t in read)

    @property
    def hypers(self) -> tuple[Tensor, ...]:
        """Run-time scalars in order of declaration."""
        return tuple(t for t in self.given if t.role == "hyper")

    def has_batch(self, tensor: Tensor) -> bool:
        """Whether the first axis of this tensor is the batch."""
        return self.batch is not None and tensor.axes[:1] == (self.batch,)


def network(inputs: Any, targets: Any, output: Any, loss: Any, constraints: Any = ()) -> Network:
    """The network of these tensors; raises ProgramError where they do not belong together.

    Each argument is a tensor or a list of them, or their names in the program of the loss; targets
    and output may be None.  The loss may be an expression of rank-0 tensors.  constraints: values
    of `sb.constraints`.
    """
    minimised = output_tensor(loss)
    inputs, targets, output = (_named(g, minimised) for g in (inputs, targets, output))
    data, wanted = _data(inputs, "inputs"), _data(targets, "targets")
    outputs = tuple(tensor_of(given, "output") for given in output)
    if minimised.rank:
        raise ProgramError(
            f"loss: {minimised!r} has {minimised.rank} axes, but a loss is one number; sum over "
            f"its indices {', '.join(map(str, minimised.letters))}: sb.define('L', (), Sum(…))")
    return described(data, wanted, outputs, minimised, defined(constraints, minimised))


def described(inputs: tuple[Tensor, ...], targets: tuple[Tensor, ...],
              outputs: tuple[Tensor, ...], loss: Tensor, constraints: tuple[Tensor, ...] = (),
              at_inference: tuple[Tensor, ...] | None = None) -> Network:
    """The network of tensors that are known to be such, checked.

    at_inference: what loss and outputs are there, if that is known.
    """
    wanted = (loss, *outputs)
    measured, *predicted = inferred(wanted) if at_inference is None else at_inference
    carried = carried_by((*wanted, measured, *predicted))
    bare = program([*wanted, *carried.values()])
    whole = program([*wanted, *carried.values(), *constraints])
    meant = program([measured, *predicted]) if measured is not loss else bare
    for each in dict.fromkeys((whole, meant)):
        verify(each)
    given = _given(whole, meant, carried)
    names = Program(whole.definitions, given).names
    made = Network(inputs, targets, outputs, loss, tuple(predicted), measured, bare, meant, given,
                   names, _batch((*targets, *inputs)), constraints, whole)
    _check_data(made)
    _check_parameters(made)
    _check_constraints(made)
    return made


def carried_by(targets: tuple[Tensor, ...]) -> dict[Tensor, Tensor]:
    """The states that these tensors need, and that the updates of such need: the next values."""
    found: dict[Tensor, Tensor] = {}
    waiting = list(targets)
    while waiting:
        tensors = {t for d in ordered(waiting) for t in tensors_in(d.body)} | set(waiting)
        fresh = {t: t.law.following for t in tensors - found.keys() if isinstance(t.law, Carried)}
        found |= fresh
        waiting = list(fresh.values())
    return dict(sorted(found.items(), key=lambda pair: pair[0].serial))


def _given(whole: Program, meant: Program, carried: Iterable[Tensor]) -> tuple[Tensor, ...]:
    read = {*whole.inputs, *meant.inputs, *carried}
    read |= {t for noise in read if isinstance(noise.law, Distribution)
             for parameter in noise.law.parameters for t in tensors_in(parameter)}
    return tuple(sorted(read, key=lambda t: t.serial))


def defined(given: Any, loss: Tensor) -> tuple[Tensor, ...]:
    """The conditions of constraints as tensors; raises ProgramError for what is no constraint."""
    several = tuple(given) if isinstance(given, (list, tuple)) else (given,) * (given is not None)
    for one in several:
        if not isinstance(one, Constraint):
            raise ProgramError("constraints are values such as sb.constraints.nonnegative() or "
                               f'sb.constraints.max_norm(3, "W1"), not {one!r}')
    known = program(loss).definitions if several else ()
    return tuple(tensor for one in several for tensor in one.definitions(loss, known))


def needed(whole: Program, targets: Iterable[Tensor]) -> tuple[Definition, ...]:
    """The definitions of a program that these tensors need, in its order."""
    wanted = set(targets)
    found = []
    for definition in reversed(whole.definitions):
        if definition.target in wanted:
            found.append(definition)
            wanted.update(tensors_in(definition.body))
    return tuple(reversed(found))


def read_by(whole: Program, targets: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors without a definition that these need."""
    definitions = needed(whole, targets)
    read = dict.fromkeys(t for d in definitions for t in tensors_in(d.body))
    made = {d.target for d in definitions}
    return tuple(t for t in dict.fromkeys((*read, *targets)) if t not in made)


def _named(given: Any, loss: Tensor) -> tuple[Any, ...]:
    """One or several as a tuple, each name replaced by the tensor of the loss that it names."""
    several = tuple(given) if isinstance(given, (list, tuple)) else (given,) * (given is not None)
    if not any(isinstance(one, str) for one in several):
        return several
    whole = program(loss)
    return tuple(whole[one] if isinstance(one, str) else one for one in several)


def _data(given: tuple[Any, ...], what: str) -> tuple[Tensor, ...]:
    found = tuple(tensor_of(one, what) for one in given)
    for tensor in found:
        if tensor.role != "data":
            name = tensor.name or tensor.hint
            raise ProgramError(f"{what}: {name} (declared at {tensor.where}) has the role "
                               f"{tensor.role}; {what} are declared by sb.data")
    return found


def _batch(data: tuple[Tensor, ...]) -> Symbol | None:
    firsts: list[Expr] = [tensor.axes[0] for tensor in data if tensor.axes]
    return next((axis for axis in firsts if isinstance(axis, Symbol)), None)


def _check_data(made: Network) -> None:
    """Every data tensor is an input or a target, once, and no output reads a target."""
    given = (*made.inputs, *made.targets)
    for tensor in given:
        if given.count(tensor) > 1:
            raise ProgramError(f"{tensor.name} stands twice among inputs and targets")
        if tensor not in made.names:
            raise ProgramError(f"neither the loss nor an output reads {tensor.name} (declared at "
                               f"{tensor.where}); leave it out of inputs and targets")
    for tensor in made.given:
        if tensor.role == "data" and tensor not in given:
            who = "the loss or an output" if tensor in made.program.inputs else "a constraint"
            raise ProgramError(f"{who} reads the data {tensor.name} (declared at "
                               f"{tensor.where}), which is neither among inputs nor targets; "
                               f"add it, e.g. inputs=[…, {tensor.name}]")
    read = read_by(made.inference, made.predicted)
    for tensor in made.targets:
        if tensor in read:
            raise ProgramError(f"an output reads the target {tensor.name}, so nothing could be "
                               f"predicted without it; make {tensor.name} an input")


def _check_constraints(made: Network) -> None:
    """Constraints speak of parameters that are trained, of hypers and of fixed data."""
    for tensor in read_by(made.whole, made.constraints):
        if tensor.role == "data" and made.has_batch(tensor):
            raise ProgramError(f"a constraint reads {made.names[tensor]}, which has a row for each "
                               "sample: constraints are conditions on parameters alone")
        if tensor.role == "parameter" and tensor not in {*made.program.inputs,
                                                         *made.inference.inputs}:
            raise ProgramError(f"a constraint reads the parameter {made.names[tensor]} (declared "
                               f"at {tensor.where}), which neither the loss nor an output reads")
    terms = {c: terms_of(c, made.names) for c in made.constraints}
    error = refused(terms, made.names, {})
    if error is not None:
        raise error
    if any(terms.values()):
        operator([term for own in terms.values() for term in own], {})


def _check_parameters(made: Network) -> None:
    kept = [t for t in read_by(made.program, (made.loss,)) if t.role == "parameter"]
    if kept and not made.trained:
        found = ", ".join(sorted(made.names[t] for t in kept))
        raise ProgramError(f"no parameter of the loss is trainable: {found}; leave "
                           "trainable=False out where one of them is declared")
    if not made.trained:
        raise ProgramError("the loss reads no parameter, so there is nothing to train; declare "
                           "some with sb.parameter or sb.layers.dense")
    for tensor in (*made.parameters, *made.states):
        for axis in tensor.axes:
            if not axis.is_Integer:
                raise ProgramError(
                    f"the {tensor.role} {made.names[tensor]} (declared at {tensor.where}) has an "
                    f"axis of length {axis}; a Model needs numbers there")
