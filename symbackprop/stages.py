"""Stages of a proximal operator, and what is counted from a centre c in place of 0.

    prox of f(w − c) at v  =  c + prox of f at v − c

So norms around a centre, and the entries within them, are minimised over w − c: w = c, entry by
entry or block by block, is then as exact as a zero is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sympy import Add, And, Expr, S, expand

from symbackprop.errors import DerivationError
from symbackprop.minimising import Case, Convex, v, w
from symbackprop.notation import Tensor
from symbackprop.separation import Block, Term
from symbackprop.splitting import Piece

__all__ = ["Stage", "centred", "check_centres", "meet", "moved_back", "spoken"]


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
    return one.tensor is other.tensor and And(one.where, other.where).simplify() != S.false


def spoken(tensor: Tensor) -> str:
    """A parameter as its user knows it: by its name, or by where it was made."""
    return tensor.name or f"{tensor.hint} (declared at {tensor.where})"
