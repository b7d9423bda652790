"""Stages of a proximal operator, and what is counted from a centre c in place of 0.

    prox of f(w − c) at v  =  c + prox of f at v − c

So norms around a centre, and the entries within them, are minimised over w − c: w = c, entry by
entry or block by block, is then as exact as a zero is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from sympy import Add, And, Expr, Gt, Idx, Lt, Not, Or, S, expand
from sympy.logic.boolalg import Boolean, to_dnf

from symbackprop.errors import DerivationError
from symbackprop.minimising import Case, Convex, v, w
from symbackprop.notation import Tensor
from symbackprop.separation import Block, Term
from symbackprop.splitting import Piece

__all__ = ["Stage", "apart", "centred", "check_centres", "lies_within", "meet", "moved_back",
           "spoken"]


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens to the entries or blocks of one level: w = value where lower ≤ v ≤ upper.

    For a norm, v is the norm and a value is the factor by which the block shrinks.
    """

    blocks: tuple[Block, ...]
    function: Convex
    cases: tuple[Case, ...]

    @property
    def is_norm(self) -> bool:
        """Whether blocks shrink by their norm, and not entries one by one."""
        return len(self.blocks) > 1 or bool(self.blocks[0].inner)


def centred(terms: Sequence[Term]) -> Iterator[Term]:
    """The terms, those of entries as functions of w − c where they meet a norm around c."""
    norms = [block for term in terms if term.is_norm for block in term.blocks]
    for term in terms:
        (block, *_), function = term.blocks, term.function
        centres = {norm.centre for norm in norms if meet(norm, block)}
        if term.is_norm or centres <= {S.Zero}:
            yield term
            continue
        check_centres(block, centres)
        (centre,) = centres
        moved = expand(function.xreplace({w: w + centre}))
        yield Term(Add(*(part for part in Add.make_args(moved) if part.has(w))),
                   (replace(block, centre=centre),))


def apart(terms: Sequence[Term]) -> Iterator[Term]:
    """The terms, those of entries once for each piece that the parts of all terms cut theirs into.

    f where A, g everywhere   ⇒   f where A, g where A, g where not A
    """
    parts: dict[Tensor, dict[Boolean, None]] = {}
    for block in (block for term in terms for block in term.blocks):
        parts.setdefault(block.tensor, {})[block.where] = None
    pieces = {tensor: _pieces(tuple(own)) for tensor, own in parts.items()}
    for term in terms:
        (block, *_) = term.blocks
        for piece in (block.where,) if term.is_norm else pieces[block.tensor][block.where]:
            yield term if piece == block.where else replace(
                term, blocks=(replace(block, where=piece),))


def _pieces(parts: tuple[Boolean, ...]) -> dict[Boolean, list[Boolean]]:
    """Each part as pieces, of which no two have an index in common."""
    if not any(_holds(one, other) for one, other in combinations(parts, 2)):
        return {part: [part] for part in parts}
    cells: list[tuple[Boolean, frozenset[Boolean]]] = []  # each with the parts that it lies in
    for place, part in enumerate(parts):
        cut = [cell for one, owners in cells for cell in (
            (And(one, part), owners | {part}), (And(one, Not(part)), owners))]
        cut.append((And(part, Not(Or(*parts[:place]))), frozenset({part})))
        simple = ((_simple(one), owners) for one, owners in cut)
        cells = [(one, owners) for one, owners in simple if one != S.false]
    return {part: [one for one, owners in cells if part in owners] for part in parts}


def check_centres(block: Block, centres: Iterable[Expr]) -> None:
    """Raises DerivationError where norms that have entries in common have several centres."""
    if len(shown := sorted(map(str, centres))) > 1:
        raise DerivationError(f"norms of {spoken(block.tensor)} around {' and around '.join(shown)}"
                              " meet: operators compose where all are taken around one centre")


def moved_back(stage: Stage) -> Stage:
    """A stage of entries as it acts on v, where it was derived for v − c."""
    centre = stage.blocks[0].centre
    if stage.is_norm or centre == 0:
        return stage
    old, new = {w: w - centre}, {v: v - centre}
    return Stage(stage.blocks, Convex(
        tuple(Piece(p.lower + centre, p.upper + centre, p.value.xreplace(old))
              for p in stage.function.pieces),
        tuple(replace(k, place=k.place + centre) for k in stage.function.kinks)), tuple(
        Case(expand(c.value.xreplace(new) + centre), c.lower + centre, c.upper + centre)
        for c in stage.cases))


def meet(one: Block, other: Block) -> bool:
    """Whether two blocks may have entries in common: not where no index is in both."""
    return one.tensor is other.tensor and _holds(one.where, other.where)


def lies_within(small: Block, large: Block) -> bool:
    """Whether each index of the one block is one of the other block of the same tensor."""
    return not _holds(small.where, Not(large.where))


def _holds(*conditions: Boolean) -> bool:
    """Whether conditions on indices may hold together."""
    return bool(_simple(And(*conditions)) != S.false)


def _simple(condition: Boolean) -> Boolean:
    """The condition as an Or of the cases that some integers within the extents fulfil."""
    cases = to_dnf(condition.replace(Gt, lambda a, b: a >= b + 1).replace(
        Lt, lambda a, b: a <= b - 1))
    inside = And(*(And(i >= i.lower, i <= i.upper) for i in condition.atoms(Idx)))
    return Or(*(case.simplify() for case in Or.make_args(cases)
                if And(case, inside).simplify() != S.false))


def spoken(tensor: Tensor) -> str:
    """A parameter as its user knows it: by its name, or by where it was made."""
    return tensor.name or f"{tensor.hint} (declared at {tensor.where})"
