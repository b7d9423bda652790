"""simplify(program): the same values by shorter, stable definitions; normal form in and out.

One pass visits the definitions in order, so that what a body reads is already in its best form:

    inline      copies, numbers and system temporaries that are read once
    rules       rows of algebra and stability on the body; sums of exponentials through lse
    sums        rows on the indices of a sum
    shorten     common factors out, or multiplied out and collected
    fold        a part that some definition computes already becomes its element
    share       one definition for each distinct right-hand side

Passes are repeated until nothing changes (rarely more than twice); then what no output needs
is dropped.  What the user named stays whole; no rule costs more than linear time in the program.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sympy import Add, Expr, Function, Idx, Mul, Sum

from symbackprop.conditions import joined_conditions
from symbackprop.indexing import bound_indices, canonical, fingerprint, free_indices
from symbackprop.lookthrough import LookThrough
from symbackprop.normal import temporary
from symbackprop.notation import (
    Definition,
    Element,
    Program,
    Tensor,
    TensorSymbol,
    elements_in,
    tensors_in,
)
from symbackprop.readers import consumers, is_sensitivity, pruned, trivial
from symbackprop.reductions import reduced
from symbackprop.rewriting import Steps, noted, rewrite
from symbackprop.rules.across import unshifted as written_out
from symbackprop.rules.algebra import ALGEBRA
from symbackprop.rules.definitions import copied, folded, taken_over
from symbackprop.rules.facts import FACTS, ordered
from symbackprop.rules.forms import shortest, weight
from symbackprop.rules.indices import summed, unshifted
from symbackprop.rules.known import at
from symbackprop.rules.stability import STABILITY
from symbackprop.rules.sums import apart
from symbackprop.rules.totals import Totals

RULES = (*STABILITY, *ALGEBRA, *FACTS)
Spelling = tuple[object, ...]
ROUNDS = 4
INLINED_WEIGHT = 60
SHIFT_WEIGHT = 18


def simplify(program: Program, keep: Collection[Tensor] = (), settled: int = 0,
             steps: Steps = None, collect: bool = True) -> Program:
    """The program in its shortest stable form found by the rules; every output keeps its value.

    keep: tensors that formulas must go on reading (never looked through);
    settled: how many leading definitions are in final form already;
    steps: takes each application of a rule, with the element in whose definition it was;
    collect: False leaves sums and products as the rules before have them.
    """
    finished: set[Spelling] = set()
    for _ in range(ROUNDS):
        after = pruned(_passed(program, frozenset(keep), settled, steps, finished, collect))
        settled = min(settled, _common_length(program, after))
        if after.definitions == program.definitions:
            break
        program = after
    return program


def _common_length(before: Program, after: Program) -> int:
    pairs = zip(before.definitions, after.definitions, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), len(after.definitions))


def _passed(program: Program, keep: frozenset[Tensor], settled: int, steps: Steps,
            finished: set[Spelling], collect: bool) -> Program:
    wanted = {*program.outputs, *(t for pair in program.updates for t in pair)}
    state = _Pass(keep, frozenset(wanted), consumers(program), steps, finished,
                  collect)
    for place, definition in enumerate(program.definitions):
        state.visit(definition, final=place < settled)
    return replace(program, definitions=tuple(state.made))


@dataclass(slots=True)
class _Pass:
    """What one pass knows at a definition: those before it, by target, by shape, and to inline."""

    keep: frozenset[Tensor]
    wanted: frozenset[Tensor]
    consumers: dict[Tensor, list[tuple[Definition, Expr]]]
    steps: Steps
    finished: set[Spelling]
    collect: bool
    made: list[Definition] = field(default_factory=list)
    known: dict[Tensor, Definition] = field(default_factory=dict)
    inlined: dict[Tensor, Definition] = field(default_factory=dict)
    shapes: dict[Spelling, Definition] = field(default_factory=dict)
    parts: dict[Spelling, tuple[Definition, tuple[Idx, ...]]] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    exponentials: LookThrough = field(init=False)

    def __post_init__(self) -> None:
        self.exponentials = LookThrough(self.keep, RULES, self.steps, new=self._new)

    def visit(self, definition: Definition, final: bool) -> None:
        if final:
            self._record(definition, canonical(definition))
            return
        start = len(self.steps or ())
        definition = self._improved(definition)
        shape = canonical(definition)
        same = self.shapes.get(shape)
        if same is not None:
            copy = copied(definition, same)
            noted(self.steps, "same definition", _right_side(definition), copy)
            definition = replace(definition, body=copy, over=(), op="map")
        self._attribute(start, definition.element)
        if self._inlinable(definition):
            self.inlined[definition.target] = definition
        else:
            self._record(definition, shape)

    def _attribute(self, start: int, element: Expr) -> None:
        """Steps that have no place yet are of the definition of this element."""
        if self.steps is not None:
            self.steps[start:] = [step if step.target is not None else replace(step, target=element)
                                  for step in self.steps[start:]]

    def _record(self, definition: Definition, shape: Spelling) -> None:
        self.made.append(definition)
        self.known[definition.target] = definition
        self.exponentials.record(definition)
        self.totals.record(definition)
        self.shapes.setdefault(shape, definition)
        if definition.op == "map" and (isinstance(definition.body, Function) or (
                is_sensitivity(definition) and not trivial(definition.body))):
            part, order = fingerprint(definition.body)
            if set(order) == set(definition.indices):
                self.parts.setdefault(part, (definition, order))

    def _improved(self, definition: Definition) -> Definition:
        body = self._with_inlined(definition.body)
        if definition.op == "map" and isinstance(body, (Element, TensorSymbol)):
            definition = self._taken_over(replace(definition, body=body))
            body = definition.body
        if (definition.op, definition.over, body) in self.finished:
            return replace(definition, body=body)
        body = self._ordered(self.exponentials.stable(body), definition)
        body = rewrite(body, RULES, self.steps)
        improved = replace(definition, body=body)
        if improved.op == "sum":
            improved = self._apart(summed(improved, self.steps, self.totals))
        elif improved.op == "lse":
            improved = self._unshifted(improved)
        body = improved.body
        if self.collect and improved.op in ("map", "sum"):
            body = shortest(body, self.steps)
            body = rewrite(body, RULES, self.steps) if body != improved.body else body
        body = folded(body, self.parts, self.steps)
        self.finished.add((improved.op, improved.over, body))
        return replace(improved, body=body)

    def _apart(self, definition: Definition) -> Definition:
        """A product of smaller sums, each with a definition of its own, where a sum is one."""
        body = apart(definition.body, definition.over, self.steps) if self.collect else None
        if body is None:
            return definition
        sums = [f for f in Mul.make_args(body) if isinstance(f, Sum)]
        made = {node: self._new(temporary(
            node.function, tuple(i for i in definition.indices if i in free_indices(node)),
            bound_indices(node), "sum", "s", definition.where)) for node in sums}
        return replace(definition, body=body.xreplace(made), over=(), op="map")

    def _taken_over(self, definition: Definition) -> Definition:
        """A copy of a system temporary that nobody else reads is defined like it."""
        source = self.known.get(definition.body.tensor)
        if source is None or source.target.name is not None:
            return definition
        if source.target in self.wanted or len(self.consumers.get(source.target, [])) != 1:
            return definition
        places = definition.body.indices if isinstance(definition.body, Element) else ()
        if set(places) != set(definition.indices) or len(places) != len(definition.indices):
            return definition
        self.shapes.pop(canonical(source), None)
        made = taken_over(definition, source, places)
        noted(self.steps, "copy taken over", definition.body, _right_side(made))
        return made

    def _inlinable(self, definition: Definition) -> bool:
        target, body = definition.target, definition.body
        if definition.op != "map" or target in self.wanted or target.name is not None:
            return False
        if isinstance(body, (Element, TensorSymbol)):
            return True
        if any(reader.op in ("max", "min") for reader, _ in self.consumers.get(target, ())):
            return False  # the derivative of a maximum compares it with these very numbers
        if trivial(body) or self._is_shift(body):
            return True
        return not self._has_a_line(definition) and self._read_once(target) and (
            weight(body) <= INLINED_WEIGHT)

    def _has_a_line(self, definition: Definition) -> bool:
        """A sensitivity, or a pre-activation (an affine map of a sum): worth a name."""
        if is_sensitivity(definition) and definition.adjoint_of is not None:
            primal = self.known.get(definition.adjoint_of)
            return primal is None or not isinstance(primal.body, Function)
        return any(
            self.known[t].op == "sum" for t in tensors_in(definition.body) if t in self.known)

    def _is_shift(self, body: Expr) -> bool:
        """c + lse: written out everywhere, so that the shift cancels in exp(f + c − lse)."""
        return isinstance(body, Add) and weight(body) <= SHIFT_WEIGHT and any(
            isinstance(t, (Element, TensorSymbol)) and t.tensor in self.known
            and self.known[t.tensor].op == "lse" for t in body.args)

    def _read_once(self, target: Tensor) -> bool:
        """Read by one element that carries every index of its reader: nothing is computed twice."""
        readers = self.consumers.get(target, [])
        if len(readers) != 1:
            return False
        reader, element = readers[0]
        return {*reader.indices, *reader.over} <= {*free_indices(element)}

    def _with_inlined(self, body: Expr) -> Expr:
        found = [e for e in elements_in(body) if e.tensor in self.inlined]
        if not found:
            return body
        contents = {e: at(e, self.inlined[e.tensor], self.inlined[e.tensor].body) for e in found}
        for element, content in contents.items():
            noted(self.steps, "read once", element, content)
        return joined_conditions(body.xreplace(contents))

    def _ordered(self, body: Expr, definition: Definition) -> Expr:
        """A[i, j] for A[j, i] of a symmetric tensor that is not differentiated by."""
        letters = (*definition.indices, *definition.over)
        return body.xreplace({
            e: noted(self.steps, "symmetric access", e, ordered(e, letters))
            for e in elements_in(body)
            if e.tensor.has_fact("symmetric") and e.tensor not in self.keep})

    def _unshifted(self, definition: Definition) -> Definition:
        before = definition
        definition = written_out(definition, self.exponentials)
        if definition is not before:
            noted(self.steps, "shift of a log-sum-exp", _right_side(before),
                  _right_side(definition))
        constant, rest = unshifted(definition)
        kept = tuple(i for i in definition.indices if i in free_indices(rest))
        if constant == 0 and kept == definition.indices:
            return definition
        element = self._new(temporary(rest, kept, definition.over, "lse", "lse", definition.where))
        body = constant + element
        noted(self.steps, "shifted exponents", _right_side(definition), body)
        return replace(definition, body=body, over=(), op="map")

    def _new(self, definition: Definition) -> Expr:
        self.visit(definition, final=False)
        return self._with_inlined(definition.element)


def _right_side(definition: Definition) -> Expr:
    return reduced(definition.op, definition.body, definition.over)
