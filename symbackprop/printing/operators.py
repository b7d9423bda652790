"""Proximal operators in print: what becomes of v, case by case; and the slopes of what is derived.

    w[i,j] ← v[i,j] − lam·t  if v[i,j] > lam·t          ∂R/∂w[i,j] = lam          if w[i,j] > 0
             0               if |v[i,j]| ≤ lam·t                     [−lam, lam]  if w[i,j] = 0
             v[i,j] + lam·t  if v[i,j] < −lam·t                      −lam         if w[i,j] < 0
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Abs, Add, Expr, Idx, Piecewise, S, Sum, Symbol, diff, fraction, oo, sqrt
from sympy.logic.boolalg import Boolean

from symbackprop.arrays import Array
from symbackprop.composing import Stage
from symbackprop.minimising import Case, Kink, t, v, w
from symbackprop.notation import Definition, Program, Tensor, tensors_in
from symbackprop.printing.formula import Formula, beside, bracket, cases, quotient, word
from symbackprop.printing.latex import latex
from symbackprop.printing.text import POWER, PRODUCT, formula, piece
from symbackprop.separation import Block

__all__ = ["Page", "Rule", "page", "squares"]

Pairs = list[tuple[Formula, Formula | None]]
_END = {oo: "∞", -oo: "−∞"}


@dataclass(frozen=True, slots=True)
class Rule:
    """left ← a value for each of several cases in the number v; elsewhere it stays as it is."""

    left: Expr
    cases: tuple[Case, ...]
    v: Expr = S.Zero
    where: Boolean = S.true
    otherwise: Expr = S.Zero


@dataclass(frozen=True, slots=True)
class Page:
    """The rules of an operator, the stages behind them, and what everything is called."""

    rules: tuple[Rule, ...]
    stages: tuple[tuple[Stage, Expr, Expr, Expr], ...]
    names: Mapping[Tensor, str]

    def text(self) -> str:
        """One line for each case, conditions under each other."""
        return "\n".join(_lines(f"{self._shown(rule.left)} ← ", [
            (value.text, None if condition is None else condition.text)
            for value, condition in self._pairs(rule)]) for rule in self.rules)

    def latex(self) -> str:
        """The same as a body for amsmath, an align* environment."""
        rows = []
        for rule in self.rules:
            pairs = self._pairs(rule)
            right = cases(pairs) if len(pairs) > 1 else pairs[0][0]
            left = latex(formula(rule.left, self.names))
            rows.append(rf"{left} &\leftarrow {latex(right)}")
        return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"

    def slopes(self) -> str:
        """The subdifferential: slopes where there is one, intervals of them at kinks."""
        numbers = {id(stage): str(k) for k, (stage, *_) in enumerate(self.stages, 1)}
        only = len(numbers) == 1
        return "\n".join(_lines(f"∂R{'' if only else numbers[id(stage)]}/∂{self._shown(entry)} = ",
                                self._slopes(stage, x, direction))
                         for stage, x, entry, direction in self.stages)

    def _shown(self, expr: Expr) -> str:
        return formula(expr, self.names).text

    def _pairs(self, rule: Rule) -> Pairs:
        """Value and condition of each case, from the greatest v to the least."""
        found: Pairs = []
        for case in reversed(rule.cases):
            conditions = [_between(case, rule.v, self.names)]
            if rule.where != S.true:
                conditions.append(formula(rule.where, self.names))
            known = [c for c in conditions if c is not None]
            found.append((_value(case.value, rule.v, self.names), _both(known) if known else None))
        if rule.where != S.true:
            found.append((formula(rule.otherwise, self.names), None))
        return found

    def _slopes(self, stage: Stage, x: Expr, direction: Expr) -> list[tuple[str, str | None]]:
        """From the greatest x to the least; x is the entry, or the norm of its block."""
        kinks = {kink.place: kink for kink in stage.function.kinks if kink.low != kink.high
                 and not (stage.is_norm and kink.place == kink.high == 0)}
        found: list[tuple[str, str | None]] = []
        for part in reversed(stage.function.pieces):
            if part.upper in kinks:
                found.append(self._kink(kinks[part.upper], x, direction))
            slope = diff(part.value, w).xreplace({w: x}) * direction
            end = part.lower if part.lower in kinks or part.lower != 0 else -oo
            inside = _between(Case(S.Zero, end if stage.is_norm else part.lower, part.upper), x,
                              self.names, strict=True)
            found.append((self._shown(slope), inside.text if inside else None))
        first = kinks.get(stage.function.pieces[0].lower)
        if first is not None:
            found.append(self._kink(first, x, direction))
        return found

    def _kink(self, kink: Kink, x: Expr, direction: Expr) -> tuple[str, str]:
        place = f"{self._shown(x)} = {self._shown(kink.place)}"
        low, high = (_END.get(end) or self._shown(end) for end in (kink.low, kink.high))
        if direction != 1 and kink.place == 0:
            return f"any g with ‖g‖ ≤ {high}", place
        left, right = "(" if kink.low == -oo else "[", ")" if kink.high == oo else "]"
        toward = "" if direction == 1 else f"·{self._shown(direction)}"
        return f"{left}{low}, {high}{right}{toward}", place


def page(stages: Sequence[Stage]) -> Page:
    """The rules of stages: parameters by their names, v for what was there, s for norms."""
    tensors = list(dict.fromkeys(b.tensor for stage in stages for b in stage.blocks))
    letters = _Letters(_named([*tensors, *_read(stages)]))
    newest = {one: letters.new("v", one.axes, one.letters) for one in tensors}
    rules: list[Rule] = []
    shown: list[tuple[Stage, Expr, Expr, Expr]] = []
    for place, stage in enumerate(stages):
        later = {b.tensor for other in stages[place + 1:] for b in other.blocks}
        norm: Expr | None = None
        if stage.is_norm:
            outer = stage.blocks[0].outer
            norm = letters.new("s", tuple(i.upper + 1 for i in outer), outer).at(*outer)
            total = Add(*(squares(b, newest[b.tensor]) for b in stage.blocks))
            rules.append(Rule(norm, (Case(sqrt(total), -oo, oo),)))
        for block in stage.blocks:
            own = block.tensor
            entry, before = own.at(*block.letters), newest[own].at(*block.letters)
            if own in later:
                newest[own] = letters.new("u", own.axes, block.letters)
            after = newest[own].at(*block.letters) if own in later else entry
            number = before if norm is None else norm
            new = {v: number, t: letters.step}
            start, scale = (S.Zero, S.One) if norm is None else (
                block.centre, before - block.centre)
            rules.append(Rule(after, tuple(
                Case(start + scale * c.value.xreplace(new),
                     *(end.xreplace(new) for end in (c.lower, c.upper)))
                for c in stage.cases), number, block.where, before))
            shown.append((stage, *((entry, entry, S.One) if norm is None else (
                norm, entry, (entry - block.centre) / norm))))
    return Page(tuple(rules), tuple(shown), letters.names)


class _Letters:
    """Tensors of the page that have no name yet get one: v, u, s, s2, …"""

    def __init__(self, names: dict[Tensor, str]) -> None:
        self.names = names
        self.step = Symbol("τ" if "t" in names.values() else "t", positive=True)

    def new(self, name: str, axes: tuple[Expr, ...], letters: tuple[Idx, ...]) -> Tensor:
        """A tensor by this name, or the next one that is free."""
        made = Array(None, axes, letters, "data", hint=name)
        taken = set(self.names.values())
        tried = itertools.chain([name], (f"{name}{k}" for k in itertools.count(2)))
        self.names[made] = next(one for one in tried if one not in taken)
        return made


def squares(block: Block, tensor: Tensor) -> Expr:
    """Σ (w − centre)² over the entries of each block of a tensor."""
    square = (tensor.at(*block.letters) - block.centre)**2
    if block.where != S.true:
        square = Piecewise((square, block.where), (S.Zero, True))
    return Sum(square, *block.along) if block.along else square


def _read(stages: Sequence[Stage]) -> list[Tensor]:
    """Hypers and data in the cases and pieces of stages."""
    found: dict[Tensor, None] = {}
    for stage in stages:
        parts = [e for c in stage.cases for e in (c.value, c.lower, c.upper)]
        parts += [piece.value for piece in stage.function.pieces]
        parts += [block.centre for block in stage.blocks]
        found |= {t: None for part in parts for t in tensors_in(part)}
    return list(found)


def _named(tensors: Sequence[Tensor]) -> dict[Tensor, str]:
    body = Add(*(one.at(*one.letters) for one in tensors))
    total = Array(None, (), (), "intermediate")
    return Program((Definition(total, (), body),), (total,)).names


def _value(value: Expr, v: Expr, names: Mapping[Tensor, str]) -> Formula:
    """The value of a case; v + t·λ begins with v, also within a quotient."""
    above, below = fraction(value)
    rest = above - v
    if rest == 0 or rest.has(v) or not above.has(v) or below.has(v):
        return formula(value, names)
    minus = rest.could_extract_minus_sign()
    line = beside(formula(v, names), " − " if minus else " + ",
                  piece(-rest if minus else rest, names).within(PRODUCT))
    return line if below == 1 else quotient(bracket(line), piece(below, names).within(POWER))


def _both(conditions: Sequence[Formula]) -> Formula:
    if len(conditions) == 1:
        return conditions[0]
    return beside(conditions[0], word(" and "), conditions[1])


def _between(case: Case, x: Expr, names: Mapping[Tensor, str], strict: bool = False
             ) -> Formula | None:
    """x > a, x < b, |x| ≤ b or a ≤ x ≤ b; nothing where x may be any number."""
    lower, upper = case.lower, case.upper
    shown, low, high = (None if e in _END else formula(e, names) for e in (x, lower, upper))
    assert shown is not None
    at_most = " < " if strict or (low is None and case.value.has(x)) else " ≤ "
    if high is None:
        return None if low is None else beside(shown, " > ", low)
    if low is None:
        return beside(shown, at_most, high)
    if (lower + upper).expand() == 0:
        return beside(formula(Abs(x), names), at_most, high)
    return beside(low, at_most, shown, at_most, high)


def _lines(left: str, pairs: Sequence[tuple[str, str | None]]) -> str:
    width = max(len(value) for value, _ in pairs)
    lines = []
    for place, (value, condition) in enumerate(pairs):
        start = left if place == 0 else " " * len(left)
        if len(pairs) == 1:
            lines.append(start + value)
        else:
            reason = "otherwise" if condition is None else f"if {condition}"
            lines.append(f"{start}{value:{width}}  {reason}")
    return "\n".join(lines)
