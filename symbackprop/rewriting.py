"""The engine: rules are rows (name, left, right, when, why); it knows shapes, no mathematics.

A pattern is a SymPy expression whose free symbols are `Hole`s.  A hole matches any expression,
everywhere the same.  Sums and products match in any order, and what a pattern leaves of them
stays:  the rule  exp(t)·sigmoid(−t) → sigmoid(t)  fires inside  3·x·exp(t)·sigmoid(−t).
A rule that does not match leaves its input alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sympy import Add, Expr, Function, Mul, Symbol

from symbackprop.normal import kinds, postorder

Bindings = Mapping[Expr, Expr]
LIMIT = 20


class Hole(Symbol):  # type: ignore[misc]
    """A variable of a pattern; real, like everything in a body."""

    def __new__(cls, name: str, **assumptions: bool) -> Hole:
        made: Hole = Symbol.__xnew__(cls, name, **({"real": True} | assumptions))
        return made


@dataclass(frozen=True, slots=True)
class Rule:
    """left → right wherever `when` holds; `why` is a one-line proof or a source.

    domain: an interval for each hole on which the row is checked numerically; by: computes the
    right side of an expression of left's kind, where left stands for any number of terms;
    needs: functions without which no expression can match, those of left if not given;
    where: in words, when it holds, if not always.
    """

    name: str
    left: Expr
    right: Expr
    why: str
    when: Callable[[Bindings], bool] | None = None
    domain: tuple[float, float] = (-3.0, 3.0)
    by: Callable[[Expr], Expr | None] | None = None
    needs: frozenset[type] | None = None
    where: str = ""

    def __post_init__(self) -> None:
        if self.needs is None:
            object.__setattr__(self, "needs", frozenset(_functions(self.left)))

    def apply(self, expr: Expr) -> Expr | None:
        """The expression with this rule applied at its root, or None where it does not match."""
        if self.by is not None:
            return self.by(expr)
        for bindings, rest in match(self.left, expr):
            if self.when is None or self.when(bindings):
                return expr.func(filled(self.right, bindings), *rest) if rest else filled(
                    self.right, bindings)
        return None

    def __str__(self) -> str:
        return f"{self.name}: {self.left} → {self.right}"


@dataclass(frozen=True, slots=True)
class Step:
    """One application of a rule: what stood there before, and after; in whose definition, if any.

    A reduction stands there as Sum, Maximum, Minimum or LogSumExp over its indices.
    """

    rule: str
    before: Expr
    after: Expr
    target: Expr | None = None


Steps = list[Step] | None


def noted(steps: Steps, rule: str, before: Expr, after: Expr) -> Expr:
    """What stands there after a rule; recorded, where steps are wanted and something changed."""
    if steps is not None and after != before:
        steps.append(Step(rule, before, after))
    return after


def rewrite(expr: Expr, rules: Sequence[Rule], steps: Steps = None, passes: int = LIMIT) -> Expr:
    """The expression with the rules applied bottom up until none fires; steps are recorded."""
    for _ in range(passes):
        new: dict[Expr, Expr] = {}
        present = kinds(expr)
        possible = _possible(rules, present)
        for node in postorder(expr) if possible else ():
            args = tuple(new.get(arg, arg) for arg in node.args)
            current = node if args == node.args else node.func(*args)
            new[node] = made = _settled(current, possible, steps)
            if made is not current and not present >= (fresh := kinds(made)):
                present |= fresh
                possible = _possible(rules, present)
        if new.get(expr, expr) == expr:
            break
        expr = new[expr]
    return expr


def _possible(rules: Sequence[Rule], present: frozenset[type]) -> dict[type, list[Rule]]:
    """The rules that can match where nodes of these types are, by the type of their left sides."""
    found: dict[type, list[Rule]] = {}
    for rule in rules:
        if rule.left.func in present and (rule.needs is None or rule.needs <= present):
            found.setdefault(rule.left.func, []).append(rule)
    return found


def _functions(expr: Expr) -> set[type]:
    return set(map(type, expr.atoms(Function)))


def _settled(node: Expr, rules: Mapping[type, Sequence[Rule]], steps: Steps) -> Expr:
    for _ in range(LIMIT):
        for rule in rules.get(type(node), ()):
            after = rule.apply(node)
            if after is not None and after != node:
                node = noted(steps, rule.name, node, after)
                break
        else:
            break
    return node


def filled(pattern: Expr, bindings: Bindings) -> Expr:
    """The pattern with its holes filled."""
    return pattern.xreplace(dict(bindings))


def match(pattern: Expr, expr: Expr) -> Iterator[tuple[Bindings, tuple[Expr, ...]]]:
    """All ways to match at the root: the holes' contents, and what the pattern leaves of a sum."""
    if isinstance(pattern, (Add, Mul)) and isinstance(expr, pattern.func):
        yield from _match_any_order(_hardest_first(pattern.args), expr.args, {}, rest=True)
    else:
        for bindings in _match(pattern, expr, {}):
            yield bindings, ()


def _match(pattern: Expr, expr: Expr, bindings: Bindings) -> Iterator[Bindings]:
    if isinstance(pattern, Hole):
        if pattern in bindings:
            if bindings[pattern] == expr:
                yield bindings
        elif all(getattr(expr, f"is_{fact}") for fact in _asked(pattern)):
            yield {**bindings, pattern: expr}
    elif not pattern.free_symbols:
        if pattern == expr:
            yield bindings
    elif isinstance(pattern, Mul) and pattern.args[0] == -1 and len(pattern.args) == 2:
        yield from _match(pattern.args[1], -expr, bindings)
    elif isinstance(expr, pattern.func):
        if isinstance(pattern, (Add, Mul)):
            for found, _ in _match_any_order(_hardest_first(pattern.args), expr.args, bindings,
                                             rest=False):
                yield found
        elif len(pattern.args) == len(expr.args):
            yield from _match_in_order(pattern.args, expr.args, bindings)


def _asked(hole: Hole) -> list[str]:
    return [fact for fact in ("positive", "negative") if hole.assumptions0.get(fact)]


def _match_in_order(patterns: Sequence[Expr], args: Sequence[Expr], bindings: Bindings
                    ) -> Iterator[Bindings]:
    if not patterns:
        yield bindings
        return
    for found in _match(patterns[0], args[0], bindings):
        yield from _match_in_order(patterns[1:], args[1:], found)


def _match_any_order(patterns: Sequence[Expr], args: Sequence[Expr], bindings: Bindings,
                     rest: bool) -> Iterator[tuple[Bindings, tuple[Expr, ...]]]:
    if not patterns:
        if rest or not args:
            yield bindings, tuple(args)
        return
    if len(patterns) > len(args):
        return
    for place, arg in enumerate(args):
        for found in _match(patterns[0], arg, bindings):
            others = (*args[:place], *args[place + 1 :])
            yield from _match_any_order(patterns[1:], others, found, rest)


def _hardest_first(patterns: Sequence[Expr]) -> list[Expr]:
    return sorted(patterns, key=lambda p: (isinstance(p, Hole), len(p.free_symbols) > 0))
