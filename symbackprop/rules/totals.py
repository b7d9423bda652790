"""Sums whose value is known from a definition: Σ_q f where s = Σ_q f stands before, and softmax.

With m[n] = (Σ_j h[n,j])/J before it, Σ_j (h[n,j] − m[n]) is J·m[n] − J·m[n] = 0; and where
p[n,k] = exp(z[n,k] − lse_k z[n,k]) stands, or is written out, Σ_k p[n,k] is 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sympy import Add, Expr, Idx, Integer, Mul, exp

from symbackprop.indexing import fingerprint, free_indices
from symbackprop.notation import Definition, Element, Tensor, TensorSymbol, elements_in

LARGEST_PART = 12  # factors and terms of a summand that is remembered
Key = tuple[object, frozenset[int]]


@dataclass(slots=True)
class Totals:
    """The sums that are known so far, by the shape of the summand; and every log-sum-exp.

    Sums are looked at only once somebody asks for one: `pending` holds them until then.
    """

    known: dict[Key, tuple[Expr, tuple[Idx, ...]]] = field(default_factory=dict)
    lses: dict[Tensor, Definition] = field(default_factory=dict)
    readers: dict[Tensor, list[Key]] = field(default_factory=dict)
    pending: list[Definition] = field(default_factory=list)
    softmaxes: set[Tensor] = field(default_factory=set)

    def record(self, definition: Definition) -> None:
        """Remembers a sum, a multiple of one, a log-sum-exp, or a softmax."""
        body = definition.body
        if definition.op == "lse":
            self.lses[definition.target] = definition
        elif definition.op == "sum" or (definition.op == "map" and isinstance(body, Mul)):
            self.pending.append(definition)
        elif definition.op == "map" and self.lses and isinstance(body, exp):
            letters = self.of_softmax(body)
            if letters:
                self._add(definition.element, letters, Integer(1))
                self.softmaxes.add(definition.target)

    def _look(self) -> None:
        for definition in self.pending:
            if definition.op == "sum":
                self._record_sum(definition)
            elif self.readers:
                self._record_multiple(definition)
        self.pending.clear()

    def _record_sum(self, definition: Definition) -> None:
        number, inside = _apart(definition.body, definition.over)
        if len(inside.args) <= LARGEST_PART and not elements_in(number):
            self._add(inside, definition.over, definition.element / number)

    def _add(self, inside: Expr, over: tuple[Idx, ...], total: Expr) -> None:
        spelling, order = fingerprint(inside)
        if set(over) <= set(order) and {*free_indices(total)} <= set(order):
            key = spelling, frozenset(order.index(i) for i in over)
            self.known.setdefault(key, (total, order))
            for element in elements_in(total):
                self.readers.setdefault(element.tensor, []).append(key)

    def _record_multiple(self, definition: Definition) -> None:
        """m = c·s: what is s for us is m/c from now on."""
        number, element = definition.body.as_coeff_Mul()
        if not isinstance(element, (Element, TensorSymbol)):
            sizes, inside = _apart(definition.body, definition.indices)
            number, element = (sizes, inside) if not elements_in(sizes) else (number, element)
        if not isinstance(element, (Element, TensorSymbol)) or definition.target.name is None:
            return
        places = element.indices if isinstance(element, Element) else ()
        for key in self.readers.get(element.tensor, ()):
            total, order = self.known[key]
            (read,) = elements_in(total)
            letters = read.indices if isinstance(read, Element) else ()
            if set(places) == set(definition.indices) and len(set(letters)) == len(places):
                mapping = dict(zip(places, letters, strict=True))
                whole = definition.element.xreplace(mapping) / number
                self.known[key] = total.xreplace({read: whole}), order

    def of_softmax(self, body: Expr) -> tuple[Idx, ...]:
        """The indices over which exp(f − lse f) sums to one; none if it is no softmax."""
        terms = Add.make_args(body.args[0])
        for term in terms:
            element = -term
            if not isinstance(element, (Element, TensorSymbol)) or element.tensor not in self.lses:
                continue
            definition = self.lses[element.tensor]
            spelling, order = fingerprint(Add(*(t for t in terms if t is not term)))
            wanted, source = fingerprint(definition.body)
            places = dict(zip(source, order, strict=False))
            given = element.indices if isinstance(element, Element) else ()
            same = spelling == wanted and set(definition.over) <= set(source) and all(
                places.get(i) == at for i, at in zip(definition.indices, given, strict=True))
            if same:
                return tuple(places[i] for i in definition.over)
        return ()

    def total(self, body: Expr, over: tuple[Idx, ...]) -> Expr | None:
        """Σ body over the indices, where it is known from a definition."""
        self._look()
        outside, inside = _apart(body, over)
        if isinstance(inside, exp) and self.lses and set(self.of_softmax(inside)) == set(over):
            return outside
        spelling, order = fingerprint(inside)
        if not set(over) <= set(order):
            return None
        found = self.known.get((spelling, frozenset(order.index(i) for i in over)))
        if found is None:
            return None
        return outside * found[0].xreplace(dict(zip(found[1], order, strict=True)))

    def is_softmax(self, factor: Expr) -> bool:
        """Whether a factor may be a softmax, by name or written out."""
        return isinstance(factor, exp) or (
            isinstance(factor, Element) and factor.tensor in self.softmaxes)


def _apart(body: Expr, over: tuple[Idx, ...]) -> tuple[Expr, Expr]:
    """The factors of a body that carry none of the indices, and the others."""
    free = [f for f in Mul.make_args(body) if not f.has(*over)] if over else []
    return Mul(*free), Mul(*(f for f in Mul.make_args(body) if f not in free))
