"""After a step of the optimizer: proximal operators of the penalties, projections on constraints.

    proximal SGD     w ← prox(w − rate·g, rate)          g: the gradient of the smooth part alone
    any optimizer    w ← projection of what its rule gives

A rule that says `prox(v, t)` leaves the terms with kinks out of its gradient: those addends of the
loss that read parameters, hypers and fixed data only.  Their operator is derived from the formula
(`proximity.py`), together with that of the constraints, so that the two are minimised as one.  It
is definitions like all others: the compiler sees nothing new, and a zero is exactly zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sympy import (
    Abs,
    Add,
    Expr,
    Function,
    Heaviside,
    Max,
    Min,
    Mul,
    Piecewise,
    Pow,
    S,
    log,
    sign,
)

from symbackprop.arrays import Array
from symbackprop.broadcasting import letters_for
from symbackprop.composing import has_kink
from symbackprop.derivation import derive
from symbackprop.errors import DerivationError, TrainingError
from symbackprop.functions import Iverson, leaky_relu, relu
from symbackprop.notation import Definition, Reduction, Tensor, TensorSymbol, tensors_in
from symbackprop.proximity import Proximal, operator
from symbackprop.separation import Term, inlined, separated
from symbackprop.training.constrained import refused, terms_of
from symbackprop.training.network import Network
from symbackprop.training.rules import Rule, w

__all__ = ["Projecting", "Split", "gradients_of", "is_proximal",
           "projecting", "prox", "split"]

KINKED = (Abs, Max, Min, Piecewise, Heaviside, sign, relu, leaky_relu, Iverson, Reduction)

Known = Mapping[Tensor, Definition]


class prox(Function):  # type: ignore[misc]  # noqa: N801  written like this in rules
    """prox(v, t): the minimum of ½‖v − w‖² + t·R(w), R the part of the loss that has kinks."""

    nargs = 2
    is_real = True


@dataclass(frozen=True, slots=True)
class Split:
    """A loss = smooth + the terms that have kinks; smooth is None where there are no such terms."""

    smooth: Tensor | None
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Projecting:
    """What the values that a rule gives to parameters pass through, and whose gradient g is.

    smooth: the part of the loss that is differentiated; None for the whole.
    """

    smooth: Tensor | None = None
    operator: Proximal | None = None

    def holds(self, hypers: Mapping[Tensor, float | None]) -> bool:
        """Whether the operator is that of these values of hypers."""
        return self.operator is None or self.operator.holds(hypers)

    def passed(self, values: Mapping[Tensor, Expr], names: Mapping[Tensor, str]
               ) -> dict[Tensor, Expr]:
        """Parameter -> the expression of its next value, from what the rule says of it."""
        steps = {p: body.args[1] if isinstance(body, prox) else S.One
                 for p, body in values.items()}
        plain = {p: body.args[0] if isinstance(body, prox) else body for p, body in values.items()}
        if any(body.has(prox) for body in (*plain.values(), *steps.values())):
            raise TrainingError("a rule may say prox(v, t) once, as the whole right side of the "
                                "last assignment of w: w ← prox(w − rate·g, rate)")
        if self.operator is None:
            return plain
        given = {p: _candidate(p, plain[p], f"{names[p]}_free") for p in self.operator.tensors}
        after = self.operator.definitions(given, steps)
        return {**plain, **{p: after[p].definition.body for p in given}}  # type: ignore[union-attr]


def split(network: Network) -> Split:
    """The loss as a smooth part and terms with kinks, each of a function of entries or norms.

    Raises DerivationError for an addend that has kinks, and does not separate or is not convex;
    one that reads data, and cannot be taken apart, is part of the smooth loss.
    """
    smooth: list[Expr] = []
    kinked: list[Term] = []
    loss, known = network.loss, {d.target: d for d in network.program}
    for addend in _addends(loss.symbol, known):
        found = _kinked(addend, known)
        kinked += found
        smooth += [] if found else [addend]
    if not kinked:
        return Split(None, ())
    rest = Array(None, (), (), "intermediate", hint="smooth", numbered=False, where=loss.where)
    rest.definition = Definition(rest, (), Add(*smooth), where=loss.where)
    return Split(rest, tuple(kinked))


def is_proximal(rule: Rule) -> bool:
    """Whether a rule says prox(v, t)."""
    return any(body.has(prox) for _, body in rule.assignments)


def projecting(network: Network, rule: Rule, trained: Collection[Tensor], parted: Split | None,
               hypers: Mapping[Tensor, float | None]) -> Projecting:
    """What values pass through under this rule, sorted for these values of hypers.

    Raises DerivationError where a formula is not convex at these values, or operators do not
    compose, and TrainingError where the rule moves no parameter itself.
    """
    parts = parted if parted is not None and is_proximal(rule) else Split(None, ())
    kept = {constraint: [term for term in terms_of(constraint, network.names)
                         if _acts(term, trained, network)] for constraint in network.constraints}
    acting = [term for term in parts.terms if _acts(term, trained, network)]
    acting += [term for terms in kept.values() for term in terms]
    if not acting:
        return Projecting(parts.smooth)
    if w not in rule.targets:
        raise TrainingError("this optimizer moves the parameters by itself and knows no "
                            "constraints; train with SGD, Adam or another that has a rule for w")
    try:
        return Projecting(parts.smooth, operator(acting, hypers))
    except DerivationError as error:
        found = refused(kept, network.names, hypers)
        if found is not None:
            raise found from error
        if not parts.terms:
            raise
        raise _without_operator("the terms of the loss that have kinks have", error) from error


def gradients_of(smooth: Tensor, trained: Collection[Tensor]) -> dict[Tensor, Tensor]:
    """The gradient of the smooth part by each parameter: 0 for one that it does not read."""
    read = _behind(smooth.symbol, {})
    wanted = [t for t in trained if t in read]
    found = dict(derive(smooth, wanted).gradients) if wanted else {}
    return {t: found[t] if t in found else _candidate(t, S.Zero, "zero") for t in trained}


def _acts(term: Term, trained: Collection[Tensor], network: Network) -> bool:
    """Whether the tensors of a term are trained: all of them, or none."""
    tensors = [block.tensor for block in term.blocks]
    moved = [tensor in trained for tensor in tensors]
    if any(moved) and not all(moved):
        names = " and ".join(network.names[t] for t in tensors)
        raise TrainingError(f"one norm is taken over {names}, of which only a part is trained")
    return all(moved)


def _addends(expr: Expr, known: Known) -> Iterator[Expr]:
    """The addends of a loss, through its named parts and through factors."""
    if isinstance(expr, Add):
        for part in expr.args:
            yield from _addends(part, known)
    elif isinstance(expr, TensorSymbol) and expr.tensor in known:
        yield from _addends(known[expr.tensor].body, known)
    elif isinstance(expr, Mul):
        parts = [a for a in expr.args if isinstance(a, (Add, TensorSymbol))
                 and any(t.role != "hyper" for t in _behind(a, known))]
        if len(parts) != 1 or (isinstance(parts[0], TensorSymbol) and parts[0].tensor not in known):
            yield expr
            return
        rest = Mul(*(a for a in expr.args if a is not parts[0]))
        yield from (rest * part for part in _addends(parts[0], known))
    else:
        yield expr


def _kinked(addend: Expr, known: Known) -> list[Term]:
    """The terms of an addend that has kinks and reads no batch; none for any other."""
    if not _fixed(addend, known):
        return []
    formula = inlined(addend, known)
    read = {t for t in tensors_in(formula) if t.role != "hyper"}
    if not any(t.role == "parameter" for t in read) or _is_smooth(formula):
        return []
    try:
        terms = separated(formula)
        kinked = any(has_kink(term) for term in terms)
    except DerivationError as error:
        if any(t.role == "data" for t in read):  # no penalty, but part of the loss
            return []
        raise _without_operator(f"the term {addend} of the loss has", error) from error
    if not kinked:
        return []
    try:
        if len(read) > 1:
            operator(terms, {})
    except DerivationError as error:
        raise _without_operator(f"the term {addend} of the loss has", error) from error
    return list(terms)


def _without_operator(what: str, error: DerivationError) -> DerivationError:
    return DerivationError(f"{what} no proximal operator: {error}; train with sb.optimizers.SGD, "
                           "which takes a subgradient at kinks")


def _is_smooth(formula: Expr) -> bool:
    """Whether nothing that reads a parameter can be a kink, a jump or a wall."""
    def moves(node: Expr) -> bool:
        return any(tensor.role == "parameter" for tensor in tensors_in(node))

    bases = [power.base for power in formula.atoms(Pow)
             if not (power.exp.is_Integer and power.exp > 0)]
    bases += [part.args[0] for part in formula.atoms(log)]
    return not any(moves(node) for node in formula.atoms(*KINKED)) and all(
        base.is_positive for base in bases if moves(base))


def _fixed(expr: Expr, known: Known) -> bool:
    """Whether an expression depends on parameters, hypers and data of known extents only."""
    return all(tensor.role in ("parameter", "hyper", "data") and all(
        axis.is_Integer for axis in tensor.axes) for tensor in _behind(expr, known))


def _behind(expr: Expr, known: Known) -> set[Tensor]:
    """The tensors without a definition that an expression depends on."""
    waiting, seen = tensors_in(expr), set[Tensor]()
    while waiting:
        tensor = waiting.pop()
        if tensor not in seen:
            seen.add(tensor)
            definition = known.get(tensor, tensor.definition)
            waiting += tensors_in(definition.body) if definition is not None else []
    return {tensor for tensor in seen if known.get(tensor, tensor.definition) is None}


def _candidate(like: Tensor, body: Expr, name: str) -> Tensor:
    letters = letters_for(like.axes, [like])
    made = Array(None, like.axes, letters, "intermediate", hint=name, numbered=False,
                 where="the optimizer")
    made.definition = Definition(made, letters, body, where=made.where)
    return made
