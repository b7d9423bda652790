"""Terms at several levels are minimised one level after the other, from entries to larger blocks.

Theorem (Yu 2013, On decomposing the proximal map): if f is an increasing function of
the norm ‖w‖ and κ(c·w) = c·κ(w) for c > 0, then prox of f + κ is the prox of κ, then that of f.

    λ1 Σ|w| + λ2 ‖w‖:   u = soft threshold of v by t·λ1;   w = block shrinkage of u by t·λ2

By induction it holds for blocks within blocks (Jenatton and others 2011), where every level but
the last is positively homogeneous.  A square c·w² may stand anywhere: Σ c·w² = c·‖w‖² belongs to
the last level.  The prox of a function f of a norm points along v: it is the one of f on the
numbers s ≥ 0, at ‖v‖ (Beck 2017, First-order methods in optimization, theorem 6.18).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sympy import (
    Abs,
    Add,
    Expr,
    Float,
    Idx,
    Piecewise,
    Poly,
    Rational,
    S,
    Sum,
    Symbol,
    expand,
    fraction,
    together,
)
from sympy import oo as infinity
from sympy.core.relational import Relational

from symbackprop.assumed import Assumed, samples_of
from symbackprop.errors import DerivationError
from symbackprop.indexing import free_indices
from symbackprop.minimising import Case, Convex, Kink, bends, convex, in_words, v, w
from symbackprop.notation import Element, Reduction, Tensor, TensorSymbol
from symbackprop.separation import Block, Term
from symbackprop.splitting import Piece
from symbackprop.stages import (
    Stage,
    apart,
    centred,
    check_centres,
    lies_within,
    meet,
    moved_back,
    spoken,
)

__all__ = ["Stage", "composed", "has_kink"]


def has_kink(term: Term) -> bool:
    """Whether a term has a kink or a wall, so that a gradient would not do."""
    names = _Names({})
    function = names.written(term.function)
    if term.is_norm:  # a function of |w|, on both sides of 0
        function = function.xreplace({w: Abs(w)})
    return any(bends(one, Assumed(names.samples())) for one in _branches(function))


def _branches(function: Expr) -> Iterator[Expr]:
    """The function as it is where conditions on anything but w, such as i ≤ 1, hold or do not."""
    conditions = [r for cases in function.atoms(Piecewise) for r in cases.atoms(Relational)
                  if not r.has(w)]
    if not conditions:
        yield function
        return
    first = min(conditions, key=str)
    for holds in (S.true, S.false):
        yield from _branches(function.xreplace({first: holds}))


def composed(terms: Sequence[Term], known: Mapping[Tensor, float | None]
             ) -> tuple[tuple[Stage, ...], tuple[Expr, ...]]:
    """The stages that minimise ½‖v − w‖² + t·Σ terms, and the expressions that must be ≥ 0.

    known: values of hypers; where a case analysis cannot be decided for all, it is for these.
    Raises DerivationError for terms that are not convex, or blocks that overlap.
    """
    names = _Names(known)
    levels: dict[tuple[Block, ...], list[Expr]] = {}
    for term in apart(tuple(centred(terms))):
        levels.setdefault(term.blocks, []).append(names.written(term.function))
    order = sorted(levels, key=_size)
    _check_nested(order)
    stages: list[Stage] = []
    assumed = Assumed(names.samples())
    squares: dict[Block, Expr] = {}
    for place, blocks in enumerate(order):
        function = Add(*levels[blocks], *_square(blocks, squares))
        later = any(meet(one, block) for other in order[place + 1:]
                    for one in blocks for block in other)
        if later:
            function, square = _without_square(function, blocks, assumed)
            squares |= dict.fromkeys(blocks, square)
        stages.append(_stage(blocks, function, assumed))
    return (tuple(moved_back(names.given_back(stage)) for stage in stages),
            names.decided(assumed.conditions))


def _size(blocks: tuple[Block, ...]) -> tuple[int, int, bool]:
    first = blocks[0]
    return len(blocks), max(len(block.inner) for block in blocks), first.where == S.true


def _tensors(blocks: tuple[Block, ...]) -> list[Tensor]:
    return [block.tensor for block in blocks]


def _check_nested(order: Sequence[tuple[Block, ...]]) -> None:
    """Any two blocks of a tensor lie one within the other, or apart."""
    blocks = [(block, group) for group in order for block in group]
    for place, (small, group) in enumerate(blocks):
        for large, other in blocks[place + 1:]:
            if group is other or not meet(small, large):
                continue
            named = spoken(small.tensor)
            if not lies_within(small, large):
                raise DerivationError(
                    f"two terms act on parts of {named} that overlap, one {_place(small)} and one "
                    f"{_place(large)}: operators of norms compose where one part lies in the "
                    "other; write norms of parts that have no entry in common, e.g. "
                    "Sum(…, (i, 0, 1)) + Sum(…, (i, 2, 3))")
            check_centres(small, {small.centre, large.centre})
            within = set(_tensors(group)) <= set(_tensors(other))
            if not within or not set(small.inner) <= set(large.inner):
                raise DerivationError(
                    f"blocks of {named} overlap: the norms along {_letters(small)} and along "
                    f"{_letters(large)}; operators compose where blocks lie in blocks")


def _place(block: Block) -> str:
    return "everywhere" if block.where == S.true else f"where {block.where}"


def _is_entry(blocks: tuple[Block, ...]) -> bool:
    return len(blocks) == 1 and not blocks[0].inner


def _letters(block: Block) -> str:
    return ", ".join(map(str, block.along)) or "no index"


def _square(blocks: tuple[Block, ...], squares: dict[Block, Expr]) -> list[Expr]:
    """c·w² from the levels below, which must be one c for the whole norm."""
    below = {block: [b for b in squares if meet(b, block)] for block in blocks}
    found = {Add(*(squares[b] for b in within)) for within in below.values()}
    along = {i for block in blocks for i in block.along}
    parted = any(b.where != block.where for block, within in below.items() for b in within
                 if squares[b] != 0)
    if len(found) > 1 or parted or any(set(free_indices(c)) & along for c in found):
        raise DerivationError("the squares w² within one norm have different strengths: their "
                              "operators are not composed")
    for block in (b for within in below.values() for b in within):
        del squares[block]
    return [c * w**2 for c in found if c != 0]


def _without_square(function: Expr, blocks: tuple[Block, ...], assumed: Assumed
                    ) -> tuple[Expr, Expr]:
    """κ and c of a function κ(w) + c·w² with κ(a·w) = a·κ(w) for a > 0."""
    split = convex(function, assumed)
    squares = set()
    for piece in split.pieces:
        poly = Poly(piece.value, w) if piece.value.is_polynomial(w) else None
        if poly is None or poly.degree() > 2 or poly.coeff_monomial(1) != 0 or {
                piece.lower, piece.upper} - {-infinity, infinity, S.Zero}:
            raise DerivationError(
                f"{in_words(function)} of {spoken(blocks[0].tensor)} meets a norm of "
                "a larger block, and operators compose only where a function doubles as w does, "
                "as |w| and w ≥ 0 do (w² may be added)")
        squares.add(poly.coeff_monomial(w**2))
    if len(squares) > 1:
        raise DerivationError(f"{in_words(function)} has different squares on its pieces and meets "
                              "a norm of a larger block: their operators are not composed")
    (square,) = squares
    return function - square * w**2, square


def _stage(blocks: tuple[Block, ...], function: Expr, assumed: Assumed) -> Stage:
    if _is_entry(blocks):
        found = convex(function, assumed)
        return Stage(blocks, found, found.cases(assumed))
    found = convex(function + Piecewise((S.Zero, w >= 0), (infinity, True)), assumed)
    first = found.kinks[0]
    if first.place != 0:
        raise DerivationError(f"{in_words(function)} of a norm w is not convex: it is infinite "
                              f"below w = {first.place}")
    if not assumed.at_least(first.high, S.Zero):
        raise DerivationError(f"{in_words(function)} of a norm w is not convex: it falls from "
                              f"w = 0 on, with slope {first.high}")
    cases = found.cases(assumed)
    if cases[0].upper == 0:  # a norm is never below 0
        cases = (replace(cases[1], lower=-infinity), *cases[2:])
    return Stage(blocks, found, tuple(replace(c, value=_factor(c.value)) for c in cases))


def _factor(value: Expr) -> Expr:
    """value/v, as (1 − t·λ/v)/(1 + 2·t·μ)."""
    above, below = fraction(together(value))
    return expand(above / v) / expand(below)


@dataclass(slots=True)
class _Names:
    """Symbols for what is no symbol: c[i], i, sums; and the hypers, which are symbols already."""

    known: Mapping[Tensor, float | None]
    symbols: dict[Expr, Symbol] = field(default_factory=dict)
    hypers: dict[Symbol, None] = field(default_factory=dict)

    def written(self, function: Expr) -> Expr:
        """The function of w with a symbol for whatever else is no symbol or number in it."""
        new: dict[Expr, Expr] = {}
        stack = [function]
        while stack:
            node = stack.pop()
            if isinstance(node, Float):
                new[node] = Rational(str(node))
            elif isinstance(node, TensorSymbol) and node.tensor.role == "hyper":
                self.hypers[node] = None
            elif isinstance(node, (Element, TensorSymbol, Idx, Sum, Reduction)):
                new[node] = self._symbol(node)
            elif isinstance(node, Symbol) and node != w:
                self._size(node)
            else:
                stack.extend(node.args)
        return function.xreplace(new)

    def _symbol(self, node: Expr) -> Symbol:
        if node not in self.symbols:
            counts = isinstance(node, Idx) and node.lower.is_nonnegative
            signs = {"positive": True} if node.is_positive else (
                {"nonnegative": True} if counts or node.is_nonnegative else {"real": True})
            self.symbols[node] = Symbol(str(node), **signs)
        return self.symbols[node]

    def _size(self, symbol: Symbol) -> None:
        if not (symbol.is_integer and symbol.is_positive):
            raise DerivationError(f"{symbol} is a SymPy symbol that was never declared: write "
                                  f"{symbol} = sb.hyper({symbol.name!r}, 0.1)")
        self.symbols[symbol] = symbol

    def samples(self) -> dict[Symbol, Rational]:
        """Values at which cases are sorted."""
        return samples_of((*self.hypers, *self.symbols.values()),
                          {s: self.known.get(s.tensor, s.tensor.default) for s in self.hypers})

    def decided(self, conditions: Iterable[Expr]) -> tuple[Expr, ...]:
        """The conditions; raises DerivationError for one that is not about hypers alone."""
        back = {symbol: node for node, symbol in self.symbols.items()}
        for condition in conditions:
            if read := condition.free_symbols & set(back):
                index = next((n for n in map(back.get, read) if isinstance(n, Idx)), None)
                raise DerivationError(
                    f"whether {condition.xreplace(back)} ≥ 0 is not known, and the operator depends"
                    " on it; " + ("declare the data with facts=[sb.positive]" if index is None else
                                  f"write a term for each part of {index}, Sum(…, ({index}, 0, 1)) "
                                  f"+ Sum(…, ({index}, 2, 3))"))
        return tuple(conditions)

    def given_back(self, stage: Stage) -> Stage:
        """The stage with its own c[i] for every symbol."""
        back = {symbol: node for node, symbol in self.symbols.items()}
        return Stage(stage.blocks, _mapped(stage.function, back), tuple(
            Case(*(e.xreplace(back) for e in (c.value, c.lower, c.upper))) for c in stage.cases))


def _mapped(function: Convex, back: Mapping[Symbol, Expr]) -> Convex:
    def given_back(*exprs: Expr) -> list[Expr]:
        return [expr.xreplace(back) for expr in exprs]

    return Convex(tuple(Piece(*given_back(p.lower, p.upper, p.value)) for p in function.pieces),
                  tuple(Kink(*given_back(k.place, k.low, k.high)) for k in function.kinks))
