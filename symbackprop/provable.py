"""findings(program): what the formulas alone prove about a loss; what is not proven is not said.

    unread          the loss does not read a tensor             collected definitions
    no effect       L(W + c) = L(W) for every c                 changes carried through
    zero gradient   ∂L/∂W is the number 0 everywhere            the reverse sweep, simplified
    shift           L(b + c) = L(b), c equal along some axes    changes carried through
    scale           L(aᵖ·W, …) = L(W, …) for every a > 0        degrees of homogeneity
    linear          L is a polynomial of degree 1 in W          degrees through definitions
    quadratic       of degree 2: second derivatives constant    degrees through definitions
    convex          L is convex in the parameters named         composition rules

Every finding holds for all values of everything else (data obeying their facts), and carries its
argument in one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from sympy import Expr, Idx

from symbackprop.accurate import SPELLED, expm1, log1p, root, xlogy
from symbackprop.backprop import adjoints
from symbackprop.curvature import Curvature, curvatures, signs
from symbackprop.dependence import Dependence
from symbackprop.invariance import Shift, scalings, shifts
from symbackprop.normal import normalise
from symbackprop.notation import Program, Tensor
from symbackprop.printing.index import definition_text
from symbackprop.printing.text import text
from symbackprop.simplification import simplify

__all__ = ["Finding", "findings"]

Records = dict[Tensor, Curvature]
_WORD = re.compile(r"[\w′]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One proven sentence about a loss.

    kind: see the module; tensors: what it speaks of; proof: the argument, one line;
    along: for a shift, the indices along which the same number is added; powers: for a scaling,
    p of W → aᵖ·W for each tensor; given: hypers that the sentence takes to be at least 0.
    """

    kind: str
    tensors: tuple[Tensor, ...]
    statement: str
    proof: str
    along: tuple[Idx, ...] = ()
    powers: tuple[Fraction, ...] = ()
    given: tuple[Tensor, ...] = ()

    def __str__(self) -> str:
        return f"{self.statement}\n    because {self.proof}"


def findings(declared: Program, tensors: Sequence[Tensor] = ()) -> tuple[Finding, ...]:
    """What is proven about the loss of a program, as declared; tensors: others to ask about.

    >>> from sympy import Sum
    >>> import symbackprop as sb
    >>> n, i = sb.indices("n i", sb.size("N"), 3)
    >>> x, w = sb.data("x", n, i), sb.parameter("w", i)
    >>> L = sb.define("L", (), Sum(x[n, i]*w[i], n, i))
    >>> print(*findings(sb.program(L)))
    L is linear in w
        because degree in w: L 1
    """
    simplified = simplify(normalise(declared))
    bodies = tuple(replace(d, body=_written(d.body)) for d in simplified)
    proof = _Proof(replace(simplified, definitions=bodies), dict(declared.names))
    return (*proof.unread(tensors), *proof.zero_gradients(), *proof.shifts(),
            *proof.scalings(), *proof.polynomials(), *proof.convexities())


def _written(body: Expr) -> Expr:
    """√s for root(s), x·log y for xlogy(x, y): what rules about powers and logarithms know."""
    for function in (expm1, log1p, root, xlogy):
        if body.has(function):
            body = body.replace(function, SPELLED[function])
    return body


@dataclass(slots=True)
class _Proof:
    """One simplified program in normal form whose definitions all lead to its loss."""

    program: Program
    names: dict[Tensor, str]
    network: Dependence = field(init=False)
    declared: frozenset[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.declared = frozenset(self.names)
        self.network = Dependence(self.program)
        own = self.program.names
        taken = set(self.names.values())
        self.names |= {t: name for t, name in own.items()
                       if t not in self.names and name not in taken}
        self.names |= {t: f"{name}′" for t, name in own.items() if t not in self.names}

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return self.names[self.program.outputs[0]]

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters of the program, in order of declaration."""
        return [t for t in self.program.inputs if t.role == "parameter"]

    def unread(self, tensors: Sequence[Tensor]) -> Iterator[Finding]:
        """Tensors that were asked about, and parameters that simplification removed."""
        read = {*self.program.inputs, *(d.target for d in self.program)}
        for tensor in dict.fromkeys(tensors):
            if tensor not in read:
                name = self.names.get(tensor) or tensor.name or tensor.hint
                known = ", ".join(self.names[t] for t in self.program.inputs)
                yield Finding("unread", (tensor,), f"{self.loss} does not read {name}",
                              f"its definitions read {known} only")

    def shifts(self) -> Iterator[Finding]:
        """Shifts that the loss does not see: any shift, or one of a parameter along some axes.

        Data with facts are left out: shifted, they would break what the simplifier relied on.
        """
        free = [t for t in self.program.inputs if t.role == "data" and not t.facts]
        for tensor in (*self.parameters, *free):
            for shift in shifts(self.network, tensor, 0 if tensor in free else tensor.rank):
                names = self._names_with(shift)
                name, proof = names[tensor], self._changes(shift, names)
                if not shift.along:
                    yield Finding("no effect", (tensor,),
                                  f"{self.loss} does not depend on the value of {name}", proof)
                    continue
                entry = text(tensor.at(*tensor.letters), names)
                every = ", ".join(map(str, shift.along))
                yield Finding("shift", (tensor,),
                              f"{name} is not identifiable: adding {text(shift.by, names)} to "
                              f"{entry} for all {every} leaves {self.loss} unchanged", proof,
                              along=shift.along)

    def _names_with(self, shift: Shift) -> dict[Tensor, str]:
        """The names of the program, and those of what is added and of sums in changes."""
        names = dict(self.names)
        added: list[tuple[Tensor, str]] = [(shift.by.tensor, "c")]
        added += [(d.target, f"u{i}") for i, d in enumerate(shift.made.values(), 1)]
        for tensor, name in added:
            while name in names.values():
                name += "′"
            names[tensor] = name
        return names

    def _changes(self, shift: Shift, names: dict[Tensor, str]) -> str:
        lines = [f"{text(d.element, names)} changes by {text(change, names)}"
                 for d, change in shift.changes.values()]
        sums = [f"where {definition_text(d, names)}" for d in shift.made.values()]
        said = [*_short(lines), *_short(sums), f"{self.loss} does not change"]
        return "; ".join(said) + self._where(shift.changes, lines)

    def zero_gradients(self) -> Iterator[Finding]:
        """Parameters and real data by which the derivative is the number 0."""
        asked = tuple(t for t in self.program.inputs
                      if t.role in ("parameter", "data") and not t.has_fact("label"))
        forward = self.program
        (loss,) = forward.outputs
        made, found = adjoints(forward, loss, asked)
        outputs = tuple(found.values())
        whole = replace(forward, definitions=(*forward.definitions, *made),
                        outputs=(*forward.outputs, *outputs))
        best = simplify(whole, keep=asked, settled=len(forward.definitions))
        zeros = {d.target for d in best if d.op == "map" and d.body == 0}
        for tensor, gradient in found.items():
            if gradient in zeros:
                name = self.names[tensor]
                yield Finding("zero gradient", (tensor,),
                              f"∂{self.loss}/∂{name} is zero everywhere",
                              "every path of the chain rule to it has a factor that simplifies "
                              "to 0")

    def scalings(self) -> Iterator[Finding]:
        """Groups of parameters that can be rescaled together."""
        for solution in scalings(self.program):
            lines = [f"{self.names[t]} → {_power(p)}·{self.names[t]}" for t, p in solution.items()]
            yield Finding(
                "scale", tuple(solution),
                f"{', '.join(lines)} leaves {self.loss} unchanged for every a > 0",
                "terms of a sum scale alike, relu(a·t) = a·relu(t), and the powers of a cancel "
                f"in {self.loss}", powers=tuple(solution.values()))

    def polynomials(self) -> Iterator[Finding]:
        """Groups in which the loss is a polynomial of degree 1 or 2."""
        for degree, kind in ((1, "linear"), (2, "quadratic")):
            for group, records in self._groups(partial(_is_polynomial, degree)):
                last = records[self.program.outputs[0]]
                if last.degree != degree:
                    continue
                named = self._listed(group)
                steps = [f"{self.names[t]} {record.degree}" for t, record in records.items()]
                more = "" if degree == 1 else ": its second derivatives do not depend on " + (
                    "it" if len(group) == 1 else "them")
                yield Finding(kind, group, f"{self.loss} is {kind} in {named}{more}",
                              f"degree in {named}: {', '.join(_short(steps))}"
                              + self._where(records, _short(steps)))

    def convexities(self) -> Iterator[Finding]:
        """Groups in which the loss is convex, by composition of definitions."""
        for group, records in self._groups(lambda record: record.convex):
            last = records[self.program.outputs[0]]
            if last.affine:
                continue
            given = tuple(sorted(last.given, key=lambda t: t.serial))
            where = f" where {', '.join(f'{self.names[t]} ≥ 0' for t in given)}" if given else ""
            yield Finding("convex", group,
                          f"{self.loss} is convex in {self._listed(group)}{where}",
                          self._composition(records), given=given)

    def _composition(self, records: Records) -> str:
        affine = [self.names[t] for t, record in records.items() if record.affine]
        lines = [f"{', '.join(_short(affine))} affine"] if affine else []
        for definition in self.program:
            record = records.get(definition.target)
            if record is not None and not record.affine:
                shape = "convex" if record.convex else "concave"
                lines.append(f"{definition_text(definition, self.names)} {shape}")
        return "; ".join(_short(lines)) + self._where(self.names, _short(lines))

    def _where(self, tensors: Iterable[Tensor], lines: Sequence[str]) -> str:
        """The lines of those tensors that are spoken of and that nobody declared."""
        spoken = {word for line in lines for word in _WORD.findall(line)}
        begun = {line.split("[")[0].split(" =")[0] for line in lines if " = " in line}
        wanted = [d for d in self.program if d.target in tensors and d.target not in self.declared
                  and self.names[d.target] in spoken - begun]
        return "; where " + "; ".join(definition_text(d, self.names) for d in wanted) if (
            wanted) else ""

    def _groups(self, holds: Callable[[Curvature], bool]
                ) -> Iterator[tuple[tuple[Tensor, ...], Records]]:
        """The widest runs of parameters, in order of declaration, of whose loss something holds.

        What holds of a group holds of its part, so that two ends moving forward find all runs.
        """
        parameters, constants = self.parameters, signs(self.program)
        first, last_found = 0, None
        for end in range(1, len(parameters) + 1):
            found = None
            while first < end and found is None:
                group = tuple(parameters[first:end])
                records = curvatures(self.network, group, constants)
                if records and holds(records[self.program.outputs[0]]):
                    found = group, records
                else:
                    first += 1
            if last_found and (found is None or found[0][0] is not last_found[0][0]):
                yield last_found
            last_found = found
        if last_found:
            yield last_found

    def _listed(self, group: tuple[Tensor, ...]) -> str:
        names = [self.names[t] for t in group]
        joined = ", ".join(names[:-1]) + " and " if len(names) > 1 else ""
        return f"{joined}{names[-1]}" + (" together" if len(names) > 1 else "")


def _is_polynomial(most: int, record: Curvature) -> bool:
    return record.degree is not None and record.degree <= most


def _power(power: Fraction) -> str:
    return "a" if power == 1 else f"a^{power}" if power.denominator == 1 else f"a^({power})"


def _short(lines: Sequence[str], most: int = 8) -> list[str]:
    """The lines, or the first and the last of many."""
    return list(lines) if len(lines) <= most else [*lines[: most // 2], "…", *lines[-most // 2 :]]
