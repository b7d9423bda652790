"""proximal(penalty): argmin_w ½‖v − w‖² + t·R(w) as definitions, derived from the formula R.

    R = lam·Σ|w|      w ← v − lam·t  if v > lam·t
                          0          if |v| ≤ lam·t
                          v + lam·t  if v < −lam·t

The formula is taken apart into functions of one entry or of the norm of a block
(`separation.py`), each is minimised piece by piece (`minimising.py`), and the levels are put
together (`composing.py`).  No penalty is known by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Gt, Le, Lt, Piecewise, S, Symbol, sqrt

from symbackprop.arrays import Array
from symbackprop.broadcasting import finite_number
from symbackprop.composing import Stage, composed
from symbackprop.constraints import Constraint, indicator
from symbackprop.declare import indices, parameter, scalar, size, tensor_of
from symbackprop.errors import DeclarationError, DerivationError, InputError
from symbackprop.interpreter import evaluate
from symbackprop.minimising import Case, t, v
from symbackprop.notation import Definition, Program, Tensor, elements_in, tensors_in
from symbackprop.pending import Pending
from symbackprop.printing.operators import page, squares
from symbackprop.separation import Term, inlined, separated

__all__ = ["Proximal", "operator", "proximal"]


@dataclass(frozen=True, slots=True, eq=False)
class Proximal:
    """The operator of a penalty: stages from entries to blocks; print it, or apply it to arrays.

    conditions: expressions in hypers that must be at least 0, such as lam.
    """

    terms: tuple[Term, ...]
    stages: tuple[Stage, ...]
    conditions: tuple[Expr, ...]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parameters that it acts on, in order of declaration."""
        found = {block.tensor for stage in self.stages for block in stage.blocks}
        return tuple(sorted(found, key=lambda tensor: tensor.serial))

    def at(self, known: Mapping[Tensor, float | None]) -> Proximal:
        """This operator, or that of the same formula whose cases are sorted for these hypers.

        Raises DerivationError where the formula is not convex there.
        """
        if self.holds(known):
            return self
        found = operator(self.terms, known)
        if not found.holds(known):
            raise DerivationError(f"the operator needs {self.needs(known)}")
        return found

    def holds(self, known: Mapping[Tensor, float | None]) -> bool:
        """Whether all conditions hold at these values of hypers (a missing one is no obstacle)."""
        return all(_value(c, known) >= 0 for c in self.conditions)

    def needs(self, known: Mapping[Tensor, float | None]) -> str:
        """The conditions that fail, in words."""
        failing = (c for c in self.conditions if not _value(c, known) >= 0)
        return " and ".join(f"{c} ≥ 0" for c in failing)

    def definitions(self, given: Mapping[Tensor, Tensor], steps: Mapping[Tensor, Expr]
                    ) -> dict[Tensor, Tensor]:
        """For each parameter the tensor that holds its w, where given holds its v; steps: its t.

        Raises DerivationError where parameters within one norm have steps of their own.
        """
        newest = dict(given)
        for stage in self.stages:
            newest |= _applied(stage, newest, steps)
        return newest

    def __call__(self, given: Any, step: float = 1.0, **hypers: float) -> NDArray[np.float64]:
        """w for an array v, in float64; hypers by name, their defaults where left out.

        Raises InputError for another number of axes, or hypers that there are none of, and
        DerivationError for several parameters, or where the formula is not convex.
        """
        return _evaluated(self, given, step, hypers)

    def text(self) -> str:
        """The cases, one to a line."""
        return page(self.stages).text()

    formula = text

    def latex(self) -> str:
        """The cases as a LaTeX body, an align* environment of amsmath."""
        return page(self.stages).latex()

    def subdifferential(self) -> str:
        """∂R: the slope where there is one, and the interval of slopes at a kink."""
        return page(self.stages).slopes()

    def _repr_latex_(self) -> str:
        return self.latex()

    __str__ = text
    __repr__ = text


def proximal(penalty: Any, variable: Any = None) -> Proximal:
    """The proximal operator of a penalty, a constraint, or a list of them that act together.

    penalty: an expression of parameters, hypers and fixed data; variable: for plain SymPy, the
    symbol to minimise over.  Raises DerivationError where the formula is not convex or does not
    separate, saying why, and DeclarationError for what is no penalty.

    >>> import symbackprop as sb
    >>> print(proximal(sb.penalties.l1(0.1)))
    w ← v − lam·t  if v > lam·t
        0          if |v| ≤ lam·t
        v + lam·t  if v < −lam·t
    >>> print(proximal(sb.penalties.group_lasso(0.1)))
    s[i] ← √(Σ_j v[i,j]²)
    w[i,j] ← v[i,j]·(1 − lam·t/s[i])  if s[i] > lam·t
             0                        if s[i] ≤ lam·t
    """
    several = list(penalty) if isinstance(penalty, (list, tuple)) else [penalty]
    if variable is not None:
        several = [_adopted(one, variable) for one in several]
    ranks = [one.rank for given in several for one in (
        (given,) if isinstance(given, Constraint) else getattr(given, "atoms", lambda _: ())(
            Pending))]
    standins: dict[str, Tensor] = {}
    expr = Add(*(_formula(one, max(ranks, default=0), standins) for one in several))
    terms = separated(inlined(expr))
    if not terms:
        raise DerivationError(f"{penalty!r} reads no parameter")
    return operator(terms, {})


def operator(terms: Sequence[Term], known: Mapping[Tensor, float | None]) -> Proximal:
    """The operator of terms, its cases sorted for these values of hypers."""
    stages, conditions = composed(terms, known)
    return Proximal(tuple(terms), stages, conditions)


def _formula(given: Any, rank: int, standins: dict[str, Tensor]) -> Expr:
    """A penalty or constraint as an expression; weights that are not known yet are called w."""

    def found(tensors: Sequence[Any]) -> list[Tensor]:
        return [getattr(one, "tensor", one) if not isinstance(one, str) else standins.setdefault(
            one, _standin(one, rank)) for one in tensors or ("w",)]

    if isinstance(given, Constraint):
        program = Program((), tuple(found(given.tensors)))
        chosen = replace(given, tensors=program.outputs)
        return Add(*map(indicator, chosen.definitions(program.outputs[0], ())))
    expr = scalar(given, "proximal(…)", ", nor a constraint; write e.g. sb.penalties.l1(0.1, W)")
    return expr.xreplace({pending: Add(*(pending.total(one, ()) for one in found(pending.tensors)))
                          for pending in sorted(expr.atoms(Pending), key=lambda p: p.serial)})


def _standin(name: str, rank: int) -> Tensor:
    letters = indices("i j k l", *map(size, "IJKL"))[:rank]
    return tensor_of(parameter(name, *letters))


def _adopted(expr: Any, variable: Any) -> Expr:
    """Plain real symbols: the variable becomes a parameter, any other a hyper."""
    if type(variable) is not Symbol or variable.is_real is not True:
        raise DeclarationError(f"proximal(…): the variable must be a SymPy symbol that is real, "
                               f"not {variable!r}; write Symbol('w', real=True)")
    plain = sorted((s for s in scalar(expr, "proximal(…)").free_symbols if type(s) is Symbol),
                   key=str)
    new = {s: Array(s.name, (), (), "parameter" if s == variable else "hyper").symbol
           for s in plain}
    return expr.xreplace(new)


def _value(condition: Expr, known: Mapping[Tensor, float | None]) -> float:
    values = {e: known.get(e.tensor, e.tensor.default) for e in elements_in(condition)}
    if any(value is None for value in values.values()):
        return 0.0
    return float(condition.subs(values))


def _applied(stage: Stage, newest: Mapping[Tensor, Tensor], steps: Mapping[Tensor, Expr]
             ) -> dict[Tensor, Tensor]:
    """The tensors after a stage: entries by their cases, blocks times a factor."""
    found = {}
    factor = _shrinking(stage, newest, steps) if stage.is_norm else None
    for block in stage.blocks:
        before = newest[block.tensor]
        letters = block.letters or before.letters
        entry = before.at(*letters)
        body = block.centre + factor * (entry - block.centre) if factor is not None else \
            _selected(stage.cases, entry, steps[block.tensor])
        if block.where != S.true:
            body = Piecewise((body, block.where), (entry, True))
        found[block.tensor] = _defined("u", letters, body)
    return found


def _shrinking(stage: Stage, newest: Mapping[Tensor, Tensor], steps: Mapping[Tensor, Expr]
               ) -> Expr:
    """The factor of a block, whose norm gets a definition."""
    total = Add(*(squares(block, newest[block.tensor]) for block in stage.blocks))
    several = {steps[block.tensor] for block in stage.blocks}
    if len(several) > 1 and any(case.value.has(t) for case in stage.cases):
        names = " and ".join(b.tensor.name or b.tensor.hint for b in stage.blocks)
        raise DerivationError(f"{names} stand within one norm, so that they need one rate")
    outer = stage.blocks[0].outer
    norm = _defined("s", outer, sqrt(total))
    factor = _defined("f", outer, _selected(stage.cases, norm.at(*outer), several.pop()))
    return factor.at(*outer)


def _selected(cases: Sequence[Case], entry: Expr, step: Expr) -> Expr:
    """The cases as one expression; where v is no number, it is that of a case that depends on v."""
    last = next((k for k in reversed(range(len(cases))) if cases[k].value.has(v)), 0)
    pairs = [(case.value, Gt(*_sides(case.lower))) for case in reversed(cases[last + 1:])]
    pairs += [(case.value, (Lt if case.value.has(v) else Le)(*_sides(case.upper)))
              for case in cases[:last]]
    body = Piecewise(*pairs, (cases[last].value, True))
    return body.xreplace({v: entry, t: step})


def _sides(bound: Expr) -> tuple[Expr, Expr]:
    """v and a bound; v − bound and 0 for a sum, as SymPy turns w < c − λ·t round without end."""
    return (v - bound, S.Zero) if bound.is_Add else (v, bound)


def _defined(hint: str, letters: tuple[Any, ...], body: Expr) -> Tensor:
    made = Array(None, tuple(i.upper + 1 for i in letters), letters, "intermediate", hint=hint,
                 where="the proximal operator")
    made.definition = Definition(made, letters, body, where=made.where)
    return made


def _evaluated(whole: Proximal, given: Any, step: float, hypers: Mapping[str, float]
               ) -> NDArray[np.float64]:
    if len(whole.tensors) != 1:
        raise DerivationError("this operator acts on several parameters together; compile its "
                              "definitions")
    (tensor,) = whole.tensors
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"v must be an array of numbers, found {given!r}") from error
    if tensor.rank not in (0, array.ndim):
        raise InputError(f"v has {array.ndim} axes; this operator acts on {tensor.rank}")
    known = _hypers(whole, hypers)
    before = tensor_of(parameter("v", *(array.shape if not tensor.rank else tensor.letters)))
    if finite_number(step) is None or step <= 0:
        raise InputError(f"the step t must be a number above 0, found {step!r}")
    width = Array("t", (), (), "hyper")
    after = whole.at(known).definitions({tensor: before}, {tensor: width.symbol})[tensor]
    program = Program(_behind(after), (after,))
    read = set(program.inputs)
    values = {**known, before: array, width: float(step)}
    return np.asarray(evaluate(program, {k: x for k, x in values.items() if k in read})[after])


def _hypers(whole: Proximal, given: Mapping[str, float]) -> dict[Tensor, float | None]:
    names = page(whole.stages).names
    known = {names[h]: h for term in whole.terms for h in tensors_in(term.function)
             if h.role == "hyper"}
    for name in given:
        if name not in known:
            raise InputError(f"this operator has no hyper {name!r}; it has "
                             f"{', '.join(known) or 'none'}")
        if finite_number(given[name]) is None:
            raise InputError(f"{name} must be a finite number, found {given[name]!r}")
    return {h: given.get(name, h.default) for name, h in known.items()}


def _behind(target: Tensor) -> tuple[Definition, ...]:
    """The definitions that a tensor needs, in order."""
    found: dict[Tensor, Definition] = {}
    waiting = [target]
    while waiting:
        definition = waiting.pop().definition
        if definition is not None:
            found.pop(definition.target, None)
            found[definition.target] = definition
            waiting += tensors_in(definition.body)
    return tuple(reversed(found.values()))
