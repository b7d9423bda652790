"""verify(program): the sentences that every program obeys, each with a message of its own.

    what is read stands before · one definition for a tensor · indices on the left are distinct and
    fit its axes · names are unique · facts are consistent · every body obeys `bodies.py`

Linear in the program, no recursion: 10,000 definitions take a second or two.
"""

from __future__ import annotations

from collections.abc import Iterable

from sympy import Expr, Idx

from symbackprop.bodies import Access, Findings, check_body, declared, fail
from symbackprop.bounds import at_least_zero
from symbackprop.errors import ProgramError
from symbackprop.notation import Definition, Program, Tensor, extent, tensors_in

__all__ = ["verify", "verify_loss"]

_INPUTS = ("data", "parameter", "state", "hyper", "noise")
_FACTS_OF_DATA = ("one_hot", "simplex", "label")
_CONTRADICTIONS = (
    ("one_hot", "label"), ("simplex", "label"), ("one_hot", "positive"), ("label", "positive"),
)


def verify(program: Program) -> None:
    """Raises ProgramError at the first sentence that the program breaks.

    The message says what is wrong, where it was written and what to write instead.

    >>> import symbackprop as sb
    >>> n, i = sb.indices("n i", sb.size("N"), 3)
    >>> x = sb.data("x", n, i)
    >>> verify(sb.program(sb.define("y", (n, i), 2*x[n, i])))
    """
    findings = Findings()
    _check_order(program)
    for definition in program:
        _check_left(definition)
        check_body(definition, findings)
    tensors = dict.fromkeys((*program.inputs, *(d.target for d in program)))
    _check_names(tensors, findings)
    for tensor in tensors:
        _check_facts(tensor)
    _check_sizes(program, tensors, findings)
    _check_coverage(program, findings)
    _check_updates(program)


def verify_loss(program: Program) -> None:
    """Raises ProgramError where an output is no scalar, so that it cannot be a loss."""
    for output in program.outputs:
        if output.rank:
            letters = ", ".join(map(str, output.letters))
            raise ProgramError(
                f"{declared(output)} has the axes [{letters}], but a loss is one number; "
                f"sum over them, e.g. Sum({output.name or output.hint}[{letters}], {letters})"
            )


def _check_order(program: Program) -> None:
    """What is read is an input or stands before; nothing is defined twice, or by itself."""
    defined: dict[Tensor, Definition] = {}
    own = {d.target for d in program}
    for definition in program:
        target = definition.target
        if target in defined:
            fail(definition, f"{declared(target)} is defined a second time",
                 f"one definition is at {defined[target].where}; give this one another name")
        if target.role in _INPUTS:
            fail(definition, f"the {target.role} {declared(target)} is given a definition",
                 "define a new tensor with sb.define")
        for tensor in tensors_in(definition.body):
            if tensor is target:
                fail(definition, f"{declared(target)} is defined by itself",
                     "what a definition reads must be defined before it")
            if tensor in own and tensor not in defined:
                fail(definition, f"{declared(tensor)} is read before it is defined",
                     "collect the definitions with sb.program, which orders them")
            _check_source(tensor, own, definition)
        defined[target] = definition
    for output in program.outputs:
        if output not in own and output.role not in _INPUTS:
            raise ProgramError(f"the output {declared(output)} has no definition in this program; "
                               "collect it with sb.program")


def _check_source(tensor: Tensor, own: set[Tensor], definition: Definition) -> None:
    if tensor not in own and tensor.role not in _INPUTS:
        fail(definition, f"{declared(tensor)} is read, but this program does not define it",
             "make it with sb.define, and collect the program with sb.program")


def _check_left(definition: Definition) -> None:
    """The indices on the left are distinct and have the extents of the tensor's axes."""
    indices, target = definition.indices, definition.target
    if len(indices) != target.rank:
        fail(definition, f"the left has {len(indices)} indices, but {declared(target)} has "
             f"{target.rank} axes", "write one index for each axis")
    every = [*indices, *definition.over]
    for place, index in enumerate(every):
        if not isinstance(index, Idx) or index.upper is None or index.lower is None:
            fail(definition, f"{index} is no index with an extent",
                 f"make it with sb.indices({str(index)!r}, extent)")
        if str(index) in [str(other) for other in every[:place]]:
            fail(definition, f"the letter {index} stands for two axes",
                 "give each axis an index of its own")
    for axis, index in enumerate(indices):
        if extent(index) != target.axes[axis]:
            fail(definition, f"the index {index} runs over {extent(index)}, but axis {axis} of "
                 f"{declared(target)} has {target.axes[axis]} entries",
                 "use an index of that extent")
        if index.lower != 0:
            fail(definition, f"the index {index} on the left begins at {index.lower}",
                 "indices count from 0; shift it on the right")


def _check_names(tensors: Iterable[Tensor], findings: Findings) -> None:
    """Two tensors of one program, or a tensor and a size, never share a name."""
    named: dict[str, Tensor] = {}
    sizes = {s.name: d.where for s, d in findings.sizes.items()}
    for tensor in tensors:
        for axis in tensor.axes:
            sizes.update({s.name: tensor.where for s in axis.free_symbols})
        if tensor.name is None:
            continue
        other = named.setdefault(tensor.name, tensor)
        if other is not tensor:
            raise ProgramError(
                f"two tensors of this program are called {tensor.name}: one declared at "
                f"{other.where}, one at {tensor.where}; rename one of them"
            )
    for name, tensor in named.items():
        if name in sizes:
            raise ProgramError(
                f"{name} is a size (used at {sizes[name]}) and a tensor (declared at "
                f"{tensor.where}); rename one of them"
            )


def _check_facts(tensor: Tensor) -> None:
    """Facts speak of axes that exist, and neither of training nor against each other."""
    kinds = [fact.kind for fact in tensor.facts]
    for fact in tensor.facts:
        problem = ""
        if any(not 0 <= axis < tensor.rank for axis in fact.axes):
            problem = f"speaks of an axis that it has not; it has {tensor.rank} axes"
        elif fact.kind in _FACTS_OF_DATA and tensor.role == "parameter":
            problem = "would be broken by training; declare it as sb.data, or drop the fact"
        elif fact.kind == "symmetric":
            first, second = fact.axes
            if first == second:
                problem = "names one axis twice; write sb.symmetric(i, j)"
            elif tensor.axes[first] != tensor.axes[second]:
                problem = (f"exchanges axes of {tensor.axes[first]} and {tensor.axes[second]} "
                           "entries; they must be equal")
        if problem:
            raise ProgramError(f"{declared(tensor)}: the fact {fact} {problem}")
    for one, other in _CONTRADICTIONS:
        if one in kinds and other in kinds:
            raise ProgramError(f"{declared(tensor)}: the facts {one} and {other} contradict each "
                               "other; keep the one that holds")


def _check_sizes(program: Program, tensors: Iterable[Tensor], findings: Findings) -> None:
    """Every size is an extent of some input, or no call could know its value."""
    inputs = {s for t in program.inputs for axis in t.axes for s in axis.free_symbols}
    for size, definition in findings.sizes.items():
        if size not in inputs:
            fail(definition, f"the size {size} is no axis of any tensor that is given in a call",
                 f"declare data with that axis, or write sb.hyper({size.name!r}) for a number")
    for tensor in tensors:
        for axis in tensor.axes:
            if indices := sorted(axis.atoms(Idx), key=str):
                raise ProgramError(
                    f"{declared(tensor)} has an axis of length {axis}, which depends on the "
                    f"index {indices[0]}; give the axis a length that is enough for every "
                    f"{indices[0]}, and multiply by sb.Iverson(condition)")
            for size in sorted(axis.free_symbols - inputs, key=str):
                raise ProgramError(
                    f"{declared(tensor)} has the size {size}, which is no axis of any tensor that "
                    "is given in a call; declare data with that axis"
                )


def _check_coverage(program: Program, findings: Findings) -> None:
    """A plain index that is shorter than its axis is meant only if the rest is read elsewhere.

    Of derived programs only parts may be wanted, so this is asked of declared ones.
    """
    if any(d.op != "map" or d.adjoint_of is not None for d in program):
        return
    shorter: dict[tuple[Tensor, int], list[Access]] = {}
    for access in findings.accesses:
        if (access.tensor, access.axis) not in findings.covered:
            shorter.setdefault((access.tensor, access.axis), []).append(access)
    for (tensor, axis), found in shorter.items():
        length: Expr = tensor.axes[axis]
        plain = [a for a in found if type(a.index) is Idx and a.index.upper == a.last
                 and a.index.lower == 0]
        if plain and not any(at_least_zero(a.last - length + 1) for a in found):
            access = plain[0]
            fail(access.definition, f"the index {access.index} runs over {extent(access.index)}, "
                 f"but axis {axis} of {declared(tensor)} has {length} entries, and nothing reads "
                 "the rest", f"use an index of extent {length}, in a sum with limits if a part is "
                 f"meant: Sum(…, (i, 0, {access.last}))")


def _check_updates(program: Program) -> None:
    for target, following in program.updates:
        if target.axes != following.axes:
            raise ProgramError(f"{declared(target)} of shape {target.axes} is updated by "
                               f"{declared(following)} of shape {following.axes}")
        if target.role not in ("parameter", "state"):
            raise ProgramError(f"the {target.role} {declared(target)} is updated; only parameters "
                               "and states are")
