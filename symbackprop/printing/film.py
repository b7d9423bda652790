"""A line on the blackboard, simplified rule by rule: what the steps form shows.

Each row takes a whole right-hand side, with its sums within it, to a shorter one of the same
value; the first that changes the line makes the next frame, until none does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sympy import Eq, Expr, Idx, Mul, Sum

from symbackprop.functions import Iverson
from symbackprop.indexing import bound_indices
from symbackprop.normal import postorder, temporary
from symbackprop.notation import Element, Tensor, elements_in
from symbackprop.printing.index import right_hand_side
from symbackprop.rewriting import Step, Steps, rewrite
from symbackprop.rules.declared import in_words, used
from symbackprop.rules.forms import SHORTENING, shortest, weight
from symbackprop.rules.indices import summed
from symbackprop.rules.sums import is_whole, with_factors_outside, with_like_letters
from symbackprop.simplification import RULES

LONGEST = 12  # frames of one line
HEAVIEST = 250  # a body that weighs more is left to the engine

Frame = tuple[str, Expr]  # the names of the rules, and the body after them
Names = Mapping[Tensor, str]
Row = Callable[[Expr, Names], list[Frame]]


def frames(body: Expr, names: Names) -> Iterator[Frame]:
    """The body after one rule after another; all of them are equal in value."""
    for _ in range(LONGEST):
        if weight(body) > HEAVIEST:
            return
        made = next((found for row in _ROWS if (found := row(body, names))), None)
        if made is None:
            return
        yield from made
        body = made[-1][1]


def _changed(reason: str, before: Expr, after: Expr) -> list[Frame]:
    return [(reason, after)] if after != before else []


def _by(made: Callable[[Expr, Steps], Expr]) -> Row:
    def row(body: Expr, names: Names) -> list[Frame]:
        steps: list[Step] = []
        after = made(body, steps)
        return _changed(_told(steps, names), body, after)

    return row


def _shortened(body: Expr, names: Names) -> list[Frame]:
    """What is tried on the whole line is a frame of its own, and what it lets one collect."""
    steps: list[Step] = []
    after = shortest(body, steps)
    made: list[Frame] = []
    for step in steps:
        if step.rule in _WHOLE:
            made.append((step.rule, step.after))
            steps = steps[steps.index(step) + 1:]
    return [*made, *_changed(_told(steps, names), made[-1][1] if made else body, after)]


def _told(steps: list[Step], names: Names) -> str:
    return ", ".join(dict.fromkeys(_reason(step, names) for step in steps))


def _reason(step: Step, names: Names) -> str:
    """The name of a rule; of a declared fact, which one it is."""
    fact = used(step)
    return in_words(names.get(fact[0], str(fact[0].symbol)), fact[1]) if fact else step.rule


def over_sums(body: Expr, steps: Steps = None) -> Expr:
    """The rows on indices, at every sum within the body."""
    new: dict[Expr, Expr] = {}
    for node in postorder(body):
        args = tuple(new.get(arg, arg) for arg in node.args)
        current = node if args == node.args else node.func(*args)
        new[node] = _summed(current, steps) if isinstance(current, Sum) else current
    return new[body]


def _in_their_brackets(body: Expr, names: Names) -> list[Frame]:
    """[k = e]·f(e) → [k = e]·f(k), where f(k) stands in the line too and e is no letter."""
    read = {*elements_in(body)}
    new: dict[Expr, Expr] = {}
    made: list[str] = []
    for node in postorder(body):
        args = tuple(new.get(arg, arg) for arg in node.args)
        current = node if args == node.args else node.func(*args)
        for letter, place in _pinned(current):
            met = {e: e.xreplace({place: letter}) for factor in current.args
                   for e in elements_in(factor) if not isinstance(factor, Iverson)}
            if any(e != other and other in read for e, other in met.items()):
                current = Mul(*(f if isinstance(f, Iverson) else f.xreplace(met)
                                for f in current.args))
                made.append(f"{letter} for {place} beside its bracket")
        new[node] = current
    return _changed(", ".join(dict.fromkeys(made)), body, new[body])


def _pinned(product: Expr) -> list[tuple[Idx, Expr]]:
    """(k, e) for each bracket [k = e] among the factors, where e is read from data."""
    sides = [f.args[0].args for f in Mul.make_args(product)
             if isinstance(f, Iverson) and isinstance(f.args[0], Eq)] if product.is_Mul else []
    pairs = [(a, b) if isinstance(a, Idx) else (b, a) for a, b in sides]
    return [(k, e) for k, e in pairs if isinstance(k, Idx) and isinstance(e, Element)]


def _summed(total: Sum, steps: Steps) -> Expr:
    if not is_whole(total):
        return total
    definition = temporary(total.function, (), bound_indices(total), "sum")
    after = summed(definition, steps)
    return total if after is definition else right_hand_side(after)


_WHOLE = frozenset(row.name for row in SHORTENING)
_ROWS: tuple[Row, ...] = (
    _by(with_factors_outside),
    _by(with_like_letters),
    _by(over_sums),
    _by(lambda line, steps: rewrite(line, RULES, steps)),
    _in_their_brackets,
    _shortened,
)
