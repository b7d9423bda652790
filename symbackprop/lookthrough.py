"""Exponentials across definitions: what e = exp(z), s = Σ e, p = e/s mean for each other.

A body that reads such definitions is tried with their contents in place, sums as exp(lse), and
the trial is kept where no bare exponential is left in it: e/s becomes exp(z − lse), log s becomes
lse, and Σ e·v over s becomes Σ exp(z − lse)·v.  What is kept never overflows; what is not kept
stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sympy import Add, Expr, Mul, Piecewise, Pow, exp, expand_mul, log, tanh

from symbackprop.conditions import beside_ties, beside_ties_replaced
from symbackprop.functions import Iverson, sigmoid, xlogy
from symbackprop.indexing import free_indices
from symbackprop.normal import kinds, postorder, temporary
from symbackprop.notation import Definition, Element, Tensor, TensorSymbol, elements_in
from symbackprop.rewriting import Steps, noted, rewrite
from symbackprop.rules.across import ACROSS, AFTER, is_logarithmic
from symbackprop.rules.exponentials import logarithm, turned
from symbackprop.rules.facts import is_sum_of_squares
from symbackprop.rules.forms import weight
from symbackprop.rules.known import LARGEST, Known, at, factors, tensor_of
from symbackprop.rules.masks import into_exponent, is_weight, kind_of, unbranched
from symbackprop.rules.zeros import zero_of

TRIED = 120
ENTRIES = (Element, TensorSymbol)
Kinds = frozenset[object]


@dataclass(slots=True)
class LookThrough(Known):
    """What is known of exponentials so far; `new` visits a definition and gives its element."""

    new: Callable[[Definition], Expr] = field(kw_only=True)
    made: dict[tuple[Tensor, bool], tuple[Expr, Kinds]] = field(default_factory=dict)

    def record(self, definition: Definition) -> None:
        """Remembers what kind of exponential, shift or norm a definition is."""
        target, body = definition.target, definition.body
        if definition.op == "lse":
            self.lses.add(target)
        if definition.op in ("map", "sum") and is_sum_of_squares(body, self.norms):
            self.norms.add(target)
        self._record_partial(definition)
        self._record_zero(definition)
        shiftable = definition.op == "map" and isinstance(body, Add) and definition.indices
        if target in self.keep or definition.op not in ("map", "sum") or not (
                shiftable or self.maps or self.sums or self.logs or (
                    kinds(body) & {exp, sigmoid, tanh})):
            return
        if Piecewise in kinds(body):
            body = unbranched(body, self.keep)
        if weight(body) <= LARGEST and self._bare(body):
            content = body.xreplace({e: at(e, *self.maps[e.tensor])
                                     for e in factors(body) if tensor_of(e) in self.maps})
            if weight(content) <= LARGEST:
                (self.maps if definition.op == "map" else self.sums)[target] = definition, content
        elif definition.op == "map" and tensor_of(body) is None and is_logarithmic(self, body):
            self.logs[target] = definition, body
        elif shiftable and any(
                len(free_indices(term)) < len(definition.indices) for term in body.args):
            self.shifts[target] = definition, body

    def _record_zero(self, definition: Definition) -> None:
        """What is 0 where a base to a power that is no number is; and what has a logarithm."""
        if definition.op == "map" and definition.target not in self.keep:
            body = definition.body
            if log in kinds(body) and definition.target.name is None and weight(body) <= LARGEST:
                self.poles[definition.target] = definition, body
            for factor in Mul.make_args(definition.body):
                known = factor.as_base_exp()[0] if not isinstance(factor, xlogy) else factor
                open_power = isinstance(factor, Pow) and not factor.args[1].is_number
                if open_power or isinstance(factor, xlogy) or tensor_of(known) in self.zeros:
                    t = zero_of(self, factor)
                    if t is not None:
                        self.zeros[definition.target] = definition, t
                        return

    def _record_partial(self, definition: Definition) -> None:
        """What is not finite everywhere, or reads such: no branch may leave it to another line."""
        body = definition.body
        if definition.op != "map" or definition.target in self.keep or isinstance(body, Piecewise):
            return
        inner = {e: at(e, *self.partials[e.tensor]) for e in elements_in(body)
                 if e.tensor in self.partials} if self.partials else {}
        present = kinds(body)
        if inner or present & {exp, log} or (Pow in present and any(
                not power.args[1].is_Integer or _is_below(power) for power in body.atoms(Pow))):
            content = beside_ties_replaced(body, inner)
            if weight(content) <= LARGEST:
                self.partials[definition.target] = definition, content

    def stable(self, body: Expr) -> Expr:
        """The body with exponentials of other definitions in it, wherever that makes it safe."""
        for row in ACROSS:
            body = row.apply(self, body)
        if self.maps or self.sums:
            body = self._through(body, {})
        for row in AFTER:
            body = row.apply(self, body)
        return body

    def _bare(self, body: Expr) -> bool:
        """Whether an exponential that can overflow is a factor somewhere in a rational body."""
        return any(self._is_open(node) for node in factors(body))

    def _is_open(self, node: Expr) -> bool:
        if isinstance(node, exp):
            return not self._is_safe(node)
        return tensor_of(node) in self.maps or tensor_of(node) in self.sums

    def _is_safe(self, node: Expr) -> bool:
        """exp(z − lse) is at most one."""
        terms = Add.make_args(expand_mul(node.args[0]))
        return len(terms) > 1 and any(term.could_extract_minus_sign() and any(
            e.tensor in self.lses for e in elements_in(term)) for term in terms)

    def _through(self, body: Expr, known: dict[Expr, Expr]) -> Expr:
        """The whole body tried, then all of it but its exponents, else its parts.

        known: what parts of this body have become.
        """
        if isinstance(body, ENTRIES) or not self._open_in(body):
            return body
        if body not in known:
            found = self._tried(body, ENTRIES)
            raised = () if found is not None else body.atoms(exp)
            if raised:
                own = {e: exp(self._through(e.args[0], known)) for e in raised}
                found = self._tried(body.xreplace(own), (*ENTRIES, exp))
            known[body] = found if found is not None else body.func(*(
                self._through(arg, known) if isinstance(arg, Expr) else arg for arg in body.args))
        return known[body]

    def _open_in(self, body: Expr, under: tuple[type, ...] = ENTRIES) -> list[Expr]:
        """The elements of a body, but those under these kinds, that stand for exponentials."""
        return [e for e in beside_ties(body, under) if self._is_open(e) and not isinstance(e, exp)]

    def _tried(self, body: Expr, under: tuple[type, ...]) -> Expr | None:
        """The body with all that is open in it written out, if it is not open then."""
        found = self._open_in(body, under)
        more = [e for e in beside_ties(body, under) if tensor_of(e) in self.logs]
        bound = len(found) + len(more) > 1 or any(isinstance(node, log) or _is_below(node)
                                                  for node in postorder(body))
        if not found or not bound or weight(body) > TRIED:
            return None
        for chosen in (found, [*found, *more]) if more else (found,):
            own: Steps = None if self.steps is None else []
            below, masks = _below(body), set[object]()
            contents = {e: noted(own, "exponentials written out", e, self._content(
                e, e in below, masks)) for e in chosen}
            read = self._masked(beside_ties_replaced(body, contents), masks, own)
            trial = self._all_turned(rewrite(read, self.rules, own), own)
            if not any(map(self._is_open, beside_ties(trial, under))):
                self.keep_steps(own)
                return trial
        return None

    def _masked(self, body: Expr, kinds: set[object], steps: Steps) -> Expr:
        """The weights of the sums below as part of the exponents, in numerators too."""
        if not kinds:
            return body
        if Iverson in kinds:
            body = noted(steps, "branch or zero", body, unbranched(body, self.keep))
        return body.replace(lambda node: isinstance(node, Mul), lambda node: noted(
            steps, "mask in the exponent", node, into_exponent(
                node, lambda f: is_weight(f, self.keep) and kind_of(f) in kinds)))

    def _all_turned(self, body: Expr, steps: Steps) -> Expr:
        """e^z/(ε + e^lse) is e^(z − lse)/(1 + ε·e^−lse)."""
        return body.replace(lambda node: isinstance(node, Mul), lambda node: noted(
            steps, "quotient by a sum of exponentials", node, self._turned(node)))

    def _turned(self, node: Expr) -> Expr:
        if not any(isinstance(f, exp) and not self._is_safe(f) for f in node.args):
            return node
        return turned(node, lambda _, leaf, power: power == 1 and any(
            e.tensor in self.lses for e in elements_in(leaf))) or node

    def _content(self, element: Expr, below: bool, masks: set[object]) -> Expr:
        """What an element of an exponential stands for, sums written exp(lse)."""
        if element.tensor in self.sums:
            definition, body = self.sums[element.tensor]
            key = definition.target, below
            if key not in self.made:
                self.made[key] = definition.element, frozenset()
                self.made[key] = self._summed(definition, body, below)
            found, kinds = self.made[key]
            masks |= kinds
            return at(element, definition, found)
        definition, body = {**self.logs, **self.maps}[element.tensor]
        divided = _below(body)
        inner = {e: self._content(e, below or e in divided, masks) for e in elements_in(body)
                 if e.tensor in self.sums}
        return at(element, definition, beside_ties_replaced(body, inner))

    def _summed(self, definition: Definition, body: Expr, below: bool) -> tuple[Expr, Kinds]:
        """Σ e^f is exp(lse f), and Σ e^f·g is exp(lse f)·Σ exp(f − lse f)·g; also masks below."""
        body = rewrite(body, self.rules)

        def fits(factor: Expr) -> bool:
            return below and is_weight(factor, self.keep) and factor.has(*definition.over)

        masks = frozenset(kind_of(f) for f in Mul.make_args(body) if fits(f))
        return self._through_lse(definition, into_exponent(body, fits)), masks

    def _through_lse(self, definition: Definition, body: Expr) -> Expr:
        whole = logarithm(body)
        raised = [f for f in Mul.make_args(body) if isinstance(f, exp)]
        if whole is None and len(raised) != 1:
            return definition.element
        exponent = whole if whole is not None else raised[0].args[0]
        free = free_indices(exponent)
        over = tuple(i for i in definition.over if i in free)
        if not over:
            return definition.element
        kept = tuple(i for i in definition.indices if i in free)
        lse = self.new(temporary(exponent, kept, over, "lse", "lse", definition.where))
        found = exp(lse)
        if whole is None or over != definition.over:
            rest = Mul(*(f for f in Mul.make_args(body) if f not in raised))
            weighted = exp(exponent - lse) * (rest if whole is None else 1)
            found *= self.new(temporary(weighted, definition.indices, definition.over, "sum", "s",
                                        definition.where))
        return found

def _below(body: Expr) -> set[Expr]:
    """The elements that a body divides by, or takes the logarithm of."""
    return {e for node in postorder(body) if isinstance(node, log) or _is_below(node)
            for e in elements_in(node)}


def _is_below(node: Expr) -> bool:
    return isinstance(node, Pow) and node.args[1].could_extract_minus_sign()
