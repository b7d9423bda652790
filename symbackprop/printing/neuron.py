"""The form "neuron": the chain of factors that leads from the loss to one weight.

    ∂L/∂W1[i,j] = Σ_{n,k} ∂L/∂z[n,k]·∂z[n,k]/∂h[n,j]·∂h[n,j]/∂W1[i,j]           chain rule
                = Σ_{n,k} ((p[n,k] − y[n,k])/N)·W2[j,k]·((1 − h[n,j]²)·x[n,i])   each factor
                = …                                                             simplified

Indices that a factor couples are summed over; one that it only hands on keeps its letter.  The
chain begins at the loss, or at the first tensor that several definitions read: the adjoint of
that one is a sum over its readers, and has a block of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sympy import Eq, Expr, Idx, Integer, Mul, Sum

from symbackprop.chain import Chain, Link
from symbackprop.functions import Iverson
from symbackprop.indexing import bound_indices, free_indices, fresh, replace_indices, unshadowed
from symbackprop.notation import Definition, Element, Reduction, Tensor, elements_in, tensors_in
from symbackprop.printing.film import over_sums
from symbackprop.printing.formula import (
    Formula,
    Piece,
    beside,
    big,
    entry,
    joined,
    name,
    number,
    quotient,
)
from symbackprop.printing.lines import Line
from symbackprop.printing.naming import derivative, partial
from symbackprop.printing.presentation import put_in
from symbackprop.printing.text import ATOM, PRODUCT, SUM, UNARY, formula, piece
from symbackprop.rules.forms import READ, factored, weight
from symbackprop.rules.sums import with_factors_outside

LONGEST = 5  # factors; a longer chain begins at a sensitivity with a name
WRITTEN = 46  # the weight of sensitivities that are still written out in a last line

Places = tuple[Expr, ...]


class Factor(NamedTuple):
    """∂C[above]/∂T[below], and its value."""

    link: Link
    above: Places
    below: Places
    value: Expr


@dataclass(slots=True)
class Neuron:
    """Writes a block for each weight; names, final and asked as in `Steps`.

    places: the entry of each weight that is wanted, else every weight is written with its letters.
    """

    chain: Chain
    loss: Tensor
    names: Mapping[Tensor, str]
    final: Mapping[Tensor, Definition]
    places: Mapping[Tensor, Places]
    waiting: dict[Tensor, Places] = field(default_factory=dict)
    asked: frozenset[Tensor] = frozenset()
    factors: dict[object, Factor] = field(default_factory=dict)
    written: dict[Expr, Piece] = field(default_factory=dict)

    def lines(self, asked: Sequence[Tensor]) -> list[Line]:
        """A block for each weight, and for each tensor at which chains meet."""
        self.asked = frozenset(asked)
        self.waiting = {t: self.places.get(t, t.letters) for t in asked}
        done: set[Tensor] = set()
        made: list[Line] = []
        while self.waiting:
            tensor = next(iter(self.waiting))
            places = self.waiting.pop(tensor)
            if tensor not in done:
                done.add(tensor)
                made += self._block(tensor, places)
        return made

    def _block(self, tensor: Tensor, places: Places) -> list[Line]:
        if tensor is self.loss:
            left = self._partial(tensor, (), tensor, ())
            return [Line(left, number("1"), "the loss itself", tensor)]
        left = self._partial(self.loss, (), tensor, places)
        paths = [self._path(link, places) for link in self.chain.links.get(tensor, ())]
        paths.sort(key=self._direct)
        values = [self._valued(path, places) for path in paths]
        named = [value if self._direct(path) else self._named(path, places)
                 for path, value in zip(paths, values, strict=True)]
        chained = not all(map(self._direct, paths))
        lines = [Line(left, _total(named), "chain rule", tensor)] if chained else []
        lines.append(Line(None if lines else left, _total(values),
                          "each factor" if lines else f"derivative of {self.names[self.loss]}",
                          tensor))
        ends = {path[-1].link.consumer.target for path in paths} - {self.loss}
        last = self._last(tensor, places, ends) if tensor in self.asked else None
        if last is not None:
            shown = formula(last, self.names)
            if shown.text != lines[-1].right.text:
                lines.append(Line(None, shown, "simplified", tensor, last))
        return lines

    def _direct(self, path: Sequence[Factor]) -> bool:
        """Whether the loss itself reads the tensor, as a penalty does: there is no chain."""
        return len(path) == 1 and path[0].link.consumer.target is self.loss

    def _path(self, link: Link, places: Places) -> list[Factor]:
        """The factors from a weight up to the loss, or to where several chains meet."""
        found = [self._factor(link, places, _letters(places))]
        taken = [*_letters(places), *_letters(found[0].above)]
        while True:
            target = found[-1].link.consumer.target
            above = self.chain.links.get(target, ())
            long = len(found) >= LONGEST and target in self.final
            if target is self.loss or len(above) != 1 or long:
                break
            found.append(self._factor(above[0], found[-1].above, taken))
            taken += _letters(found[-1].above)
        if target is not self.loss:
            self.waiting.setdefault(target, target.letters)
        return found

    def _factor(self, link: Link, places: Places, taken: Sequence[Idx]) -> Factor:
        """∂C/∂T at these places; letters that are taken matter where the share binds them."""
        above, marks = _marks(link, places, taken)
        bound = {i for total in link.share.atoms(Sum, Reduction) for i in bound_indices(total)}
        key = (id(link), places, above, frozenset(taken) if bound.intersection(taken) else None)
        if key not in self.factors:
            value = _value(link, places, marks, taken)
            self.factors[key] = Factor(link, above, places, value)
        return self.factors[key]

    def _partial(self, above: Tensor, at: Places, below: Tensor, places: Places) -> Formula:
        if not at and partial(self.names[above]):  # of a derivative: one of a higher order
            called = name(derivative(self.names[above], self.names[below]))
            return entry(called, [formula(i, {}) for i in places]) if places else called
        return quotient(*(beside("∂", formula(tensor.at(*where), self.names))
                          for tensor, where in ((above, at), (below, places))))

    def _named(self, path: Sequence[Factor], places: Places) -> Piece:
        """Σ ∂L/∂z·∂z/∂h·∂h/∂w."""
        factors = [Piece(self._partial(f.link.consumer.target, f.above, f.link.source, f.below),
                         ATOM) for f in reversed(path)]
        return _summed([*self._outermost(path), *factors], path, places)

    def _valued(self, path: Sequence[Factor], places: Places) -> Piece:
        """Σ of the product of the factors' values; those that are 1 are left out."""
        over = _over(path, places)
        first = self._outermost(path)
        shown = [self._shown(unshadowed(f.value, over)) for f in reversed(path) if f.value != 1]
        one = [] if first or shown else [piece(Integer(1), self.names)]
        return _summed([*first, *shown, *one], path, places)

    def _shown(self, value: Expr) -> Piece:
        if value not in self.written:
            self.written[value] = piece(value, self.names)
        return self.written[value]

    def _outermost(self, path: Sequence[Factor]) -> list[Piece]:
        """∂L/∂T where a chain does not begin at the loss."""
        last = path[-1]
        target = last.link.consumer.target
        return [] if target is self.loss else [
            Piece(self._partial(self.loss, (), target, last.above), ATOM)]

    def _last(self, tensor: Tensor, places: Places, ends: Set[Tensor]) -> Expr | None:
        """The derivative as it ends up, sensitivities written out as far as that is short, and
        no farther than the chain goes: weights of one layer end at the same."""
        if tensor not in self.final:
            return None
        body = self.final[tensor].body
        read = {line.target: line for line in self.final.values()
                if line.target in tensors_in(body)}
        below = {line.target: line for of, line in self.final.items() if of not in ends}
        opened = {t: replace(line, body=_opened(line, below)) for t, line in read.items()}
        for contents in (opened, read):
            replaced = put_in(body, contents, tensor.letters)
            if sum(map(weight, replaced.values())) <= WRITTEN:
                body = with_factors_outside(body.xreplace(replaced))
                break
        mapping = dict(zip(tensor.letters, places, strict=True))
        return unshadowed(replace_indices(body, mapping), _letters(places))


def _opened(line: Definition, lines: Mapping[Tensor, Definition]) -> Expr:
    """What a sensitivity is, with those that it reads written out as far as that is short."""
    body = line.body
    while replaced := put_in(body, lines, line.indices):
        added = sum(weight(content) - READ for content in replaced.values())
        if weight(body) + added > WRITTEN + READ * len(replaced):  # and merging saves less
            break
        longer = with_factors_outside(body.xreplace(replaced))
        if weight(longer) > WRITTEN:
            break
        body = longer
    return body


def _marks(link: Link, places: Places, taken: Sequence[Idx]) -> tuple[Places, dict[int, Idx]]:
    """The entry of C that leads to this one of T; by axis, its letters that are not handed on."""
    seed, letters = link.seed, link.source.letters
    at = dict(zip(letters, places, strict=True))
    entries = [e for e in elements_in(link.share) if e.tensor is seed]
    above: list[Expr] = []
    marks: dict[int, Idx] = {}
    for axis, letter in enumerate(seed.letters):
        read = {e.indices[axis] for e in entries if isinstance(e, Element)}
        index = read.pop() if len(read) == 1 else None
        if index in letters:
            above.append(at[index])
        else:
            marks[axis] = fresh(letter, [*taken, *marks.values()])
            above.append(marks[axis])
    return tuple(above), marks


def _value(link: Link, places: Places, marks: Mapping[int, Idx], taken: Sequence[Idx]) -> Expr:
    """∂C/∂T from Σ_c seed[c]·∂C[c]/∂T[t]: seed[e] → [c = e], but for what e only hands on."""
    at = dict(zip(link.source.letters, places, strict=True))
    share = unshadowed(replace_indices(link.share, at), [*taken, *marks.values()])
    brackets = {e: Mul(*(Iverson(Eq(mark, e.indices[axis])) for axis, mark in marks.items()))
                for e in elements_in(share) if e.tensor is link.seed}
    return factored(over_sums(share.xreplace(brackets)))


def _summed(factors: Sequence[Piece], path: Sequence[Factor], places: Places) -> Piece:
    """The product of the factors, summed over the indices that the weight does not have."""
    over = _over(path, places)
    if len(factors) == 1 and not over:
        return factors[0]
    product = joined([factor.within(UNARY + 1) for factor in factors], "·")
    if not over:
        return Piece(product, PRODUCT)
    letters = [formula(index, {}) for index in over]
    return Piece(beside(big(beside("Σ"), letters), " ", product), PRODUCT)


def _over(path: Sequence[Factor], places: Places) -> list[Idx]:
    outside = set(_letters(places))
    return list(dict.fromkeys(i for f in reversed(path) for i in _letters(f.above)
                              if i not in outside))


def _total(pieces: Sequence[Piece]) -> Formula:
    """The sum of the pieces; one that begins with a minus is subtracted."""
    line: list[Formula | str] = []
    for part in pieces:
        shown = part.formula
        negative = shown.kind == "row" and shown.parts[0].text == "−" and part.strength > SUM
        if line:
            line.append(" − " if negative else " + ")
            shown = beside(*shown.parts[1:]) if negative else shown
        line.append(shown)
    return beside(*line)


def _letters(places: Places) -> list[Idx]:
    return [index for place in places for index in free_indices(place)]
