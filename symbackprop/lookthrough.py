"""Exponentials across definitions: what e = exp(z), s = Σ e, p = e/s mean for each other.

A body that reads such definitions is tried with their contents in place, sums as exp(lse), and
the trial is kept where no bare exponential is left in it: e/s becomes exp(z − lse), log s becomes
lse, and Σ e·v over s becomes Σ exp(z − lse)·v.  What is kept never overflows; what is not kept
stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from sympy import Add, Expr, Mul, Piecewise, Pow, Rational, exp, expand_mul, log, tanh

from symbackprop.functions import root, sigmoid
from symbackprop.indexing import free_indices
from symbackprop.normal import postorder, temporary
from symbackprop.notation import Definition, Element, Tensor, TensorSymbol, elements_in
from symbackprop.rewriting import Rule, Steps, noted, rewrite
from symbackprop.rules.exponentials import logarithm, turned
from symbackprop.rules.facts import is_sum_of_squares
from symbackprop.rules.forms import weight

LARGEST = 60
TRIED = 120
LEVELS = 3
Contents = dict[Tensor, tuple[Definition, Expr]]


@dataclass(slots=True)
class LookThrough:
    """What is known of exponentials so far; `new` visits a definition and gives its element."""

    keep: Collection[Tensor]
    rules: Sequence[Rule]
    new: Callable[[Definition], Expr]
    steps: Steps = None
    maps: Contents = field(default_factory=dict)
    sums: Contents = field(default_factory=dict)
    logs: Contents = field(default_factory=dict)
    shifts: Contents = field(default_factory=dict)
    partials: Contents = field(default_factory=dict)
    norms: set[Tensor] = field(default_factory=set)
    lses: set[Tensor] = field(default_factory=set)
    made: dict[Tensor, Expr] = field(default_factory=dict)

    def record(self, definition: Definition) -> None:
        """Remembers what kind of exponential, shift or norm a definition is."""
        target, body = definition.target, definition.body
        if definition.op == "lse":
            self.lses.add(target)
        if definition.op in ("map", "sum") and is_sum_of_squares(body):
            self.norms.add(target)
        self._record_partial(definition)
        shiftable = definition.op == "map" and isinstance(body, Add) and definition.indices
        if target in self.keep or definition.op not in ("map", "sum") or not (
                shiftable or self.maps or self.sums or self.logs or body.has(exp, sigmoid, tanh)):
            return
        if weight(body) <= LARGEST and self._bare(body):
            content = body.xreplace({e: self._at(e, *self.maps[e.tensor])
                                     for e in _factors(body) if _tensor(e) in self.maps})
            if weight(content) <= LARGEST:
                (self.maps if definition.op == "map" else self.sums)[target] = definition, content
        elif definition.op == "map" and self._is_logarithmic(body):
            self.logs[target] = definition, body
        elif shiftable and any(
                len(free_indices(term)) < len(definition.indices) for term in body.args):
            self.shifts[target] = definition, body

    def _is_logarithmic(self, body: Expr) -> bool:
        """Whether exponentials or their quotients are factors: then log may lead through it."""
        return _tensor(body) is None and any(
            isinstance(node, (exp, sigmoid, tanh)) or _tensor(node) in self.logs
            for node in _factors(body))

    def _record_partial(self, definition: Definition) -> None:
        """What is not finite everywhere, or reads such: no branch may leave it to another line."""
        body = definition.body
        if definition.op != "map" or definition.target in self.keep or isinstance(body, Piecewise):
            return
        inner = {e: self._at(e, *self.partials[e.tensor]) for e in elements_in(body)
                 if e.tensor in self.partials} if self.partials else {}
        if (inner or body.has(exp, log) or any(not power.args[1].is_Integer or _is_below(power)
                                               for power in body.atoms(Pow))):
            content = body.xreplace(inner)
            if weight(content) <= LARGEST:
                self.partials[definition.target] = definition, content

    def _within_branches(self, body: Expr) -> Expr:
        """{√x if x > 0} for {s if x > 0} with s = √x: what is undefined there stays masked."""
        replaced = {}
        for node in body.atoms(Piecewise):
            inner = {e: self._at(e, *self.partials[e.tensor]) for value, _ in node.args
                     for e in elements_in(value) if e.tensor in self.partials}
            replaced[node] = noted(self.steps, "masked branch", node, node.func(
                *((value.xreplace(inner), condition) for value, condition in node.args)))
        return body.xreplace(replaced)

    def stable(self, body: Expr) -> Expr:
        """The body with exponentials of other definitions in it, wherever that makes it safe."""
        if self.partials and body.has(Piecewise):
            body = self._within_branches(body)
        if body.has(log):
            body = self._through_logs(body)
        if self.maps or self.sums:
            body = self._through(body)
        if self.norms and body.has(Pow):
            body = body.replace(self._is_norm, lambda node: noted(
                self.steps, "norm of a named sum", node, root(node.args[0])))
        return self._cancelled(body) if self.shifts else body

    def _is_norm(self, node: Expr) -> bool:
        return (isinstance(node, Pow) and node.args[1] == Rational(1, 2)
                and _tensor(node.args[0]) in self.norms)

    def _bare(self, body: Expr) -> bool:
        """Whether an exponential that can overflow is a factor somewhere in a rational body."""
        return any(self._is_open(node) for node in _factors(body))

    def _is_open(self, node: Expr) -> bool:
        if isinstance(node, exp):
            return not self._is_safe(node)
        return _tensor(node) in self.maps or _tensor(node) in self.sums

    def _is_safe(self, node: Expr) -> bool:
        """exp(z − lse) is at most one."""
        terms = Add.make_args(expand_mul(node.args[0]))
        return len(terms) > 1 and any(term.could_extract_minus_sign() and any(
            e.tensor in self.lses for e in elements_in(term)) for term in terms)

    def _through(self, body: Expr) -> Expr:
        """The whole body tried, else its parts."""
        found = [e for e in elements_in(body) if self._is_open(e)]
        if not found or isinstance(body, (Element, TensorSymbol)):
            return body
        more = [e for e in elements_in(body) if e.tensor in self.logs]
        bound = len(found) + len(more) > 1 or any(isinstance(node, log) or _is_below(node)
                                      for node in postorder(body))
        if bound and weight(body) <= TRIED:
            for chosen in (found, [*found, *more]) if more else (found,):
                own: Steps = None if self.steps is None else []
                read = body.xreplace({e: noted(own, "exponentials written out", e,
                                               self._content(e)) for e in chosen})
                trial = rewrite(read, self.rules, own)
                trial = self._all_turned(trial, own)
                if not any(self._is_open(node) for node in postorder(trial)):
                    self._keep(own)
                    return trial
        return body.func(*(self._through(arg) if isinstance(arg, Expr) else arg
                           for arg in body.args))

    def _all_turned(self, body: Expr, steps: Steps) -> Expr:
        """e^z/(ε + e^lse) is e^(z − lse)/(1 + ε·e^−lse)."""
        return body.replace(lambda node: isinstance(node, Mul), lambda *factors: noted(
            steps, "quotient by a sum of exponentials", Mul(*factors), self._turned(Mul(*factors))))

    def _keep(self, steps: Steps) -> None:
        """The steps of a trial that is kept."""
        if self.steps is not None and steps:
            self.steps.extend(steps)

    def _turned(self, node: Expr) -> Expr:
        if not any(isinstance(f, exp) and not self._is_safe(f) for f in node.args):
            return node
        return turned(node, lambda _, leaf, power: power == 1 and any(
            e.tensor in self.lses for e in elements_in(leaf))) or node

    def _at(self, element: Expr, definition: Definition, body: Expr) -> Expr:
        """A body at the indices of an element of its definition."""
        if not definition.indices:
            return body
        return body.xreplace(dict(zip(definition.indices, element.indices, strict=True)))

    def _content(self, element: Expr) -> Expr:
        """What an element of an exponential stands for, sums written exp(lse)."""
        if element.tensor in self.sums:
            definition, body = self.sums[element.tensor]
            return self._at(element, definition, self._summed(definition, body))
        definition, body = {**self.logs, **self.maps}[element.tensor]
        inner = {e: self._content(e) for e in elements_in(body) if e.tensor in self.sums}
        return self._at(element, definition, body.xreplace(inner))

    def _summed(self, definition: Definition, body: Expr) -> Expr:
        """Σ e^f is exp(lse f), and Σ e^f·g is exp(lse f)·Σ exp(f − lse f)·g."""
        if definition.target in self.made:
            return self.made[definition.target]
        self.made[definition.target] = definition.element
        body = rewrite(body, self.rules)
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
        self.made[definition.target] = found
        return found

    def _through_logs(self, body: Expr) -> Expr:
        """log of an element whose definition is an exponential or a sigmoid: log e^u = u."""
        replaced = {}
        for node in postorder(body):
            if isinstance(node, log):
                inner = {e: self._logged(e, LEVELS) for e in elements_in(node)
                         if e.tensor in self.logs}
                own: Steps = None if self.steps is None else []
                read = noted(own, "log of an exponential", node, node.xreplace(inner))
                candidate = rewrite(read, self.rules, own) if inner else node
                if all(left.is_number for left in candidate.atoms(log)):
                    replaced[node] = candidate
                    self._keep(own)
        return body.xreplace(replaced) if replaced else body

    def _logged(self, element: Expr, levels: int) -> Expr:
        """The content of an element, and of those that are factors in it, a few levels deep."""
        definition, body = self.logs[element.tensor]
        if levels:
            body = body.xreplace({e: self._logged(e, levels - 1) for e in _factors(body)
                                  if _tensor(e) in self.logs})
        return self._at(element, definition, body) if weight(body) <= LARGEST else element

    def _cancelled(self, body: Expr) -> Expr:
        """d − lse + top with d = z − top is z − lse: a shift is written out where it cancels."""
        new: dict[Expr, Expr] = {}
        for node in postorder(body):
            args = tuple(new.get(arg, arg) for arg in node.args)
            current = node if args == node.args else node.func(*args)
            if isinstance(current, Add) and any(e.tensor in self.lses for term in current.args
                                                for e in _atoms(term)):
                for term in current.args:
                    current = noted(self.steps, "shift cancelled", current,
                                    self._without_shift(current, term))
            new[node] = current
        return new[body]

    def _without_shift(self, total: Expr, term: Expr) -> Expr:
        found = [e for e in _atoms(term) if e.tensor in self.shifts]
        if len(found) != 1:
            return total
        content = self._at(found[0], *self.shifts[found[0].tensor])
        parts = Add.make_args(expand_mul(term.xreplace({found[0]: content})))
        trial = Add(*(other for other in Add.make_args(total) if other != term), *parts)
        most = len(Add.make_args(total)) + len(parts) - 3
        return trial if len(Add.make_args(trial)) <= most else total

    def unshifted(self, definition: Definition) -> Definition:
        """lse_k of elements whose definitions have terms without k is taken of their contents."""
        inner = {e: self._at(e, *self.shifts[e.tensor]) for e in elements_in(definition.body)
                 if e.tensor in self.shifts}
        if not inner:
            return definition
        content = expand_mul(definition.body.xreplace(inner))
        over = set(definition.over)
        if all(over & set(free_indices(term)) for term in Add.make_args(content)):
            return definition
        return replace(definition, body=content)


def _atoms(term: Expr) -> list[Expr]:
    """The elements that are factors of a term."""
    return [f for f in Mul.make_args(term) if isinstance(f, (Element, TensorSymbol))]


def _is_below(node: Expr) -> bool:
    return isinstance(node, Pow) and node.args[1].could_extract_minus_sign()


def _factors(body: Expr) -> list[Expr]:
    """What sums, products and powers are made of, however deep they nest."""
    found, stack = [], [body]
    while stack:
        node = stack.pop()
        if isinstance(node, (Add, Mul)):
            stack.extend(node.args)
        elif isinstance(node, Pow):
            stack.append(node.args[0])
        else:
            found.append(node)
    return found


def _tensor(node: Expr) -> Tensor | None:
    """The tensor that a node is an entry of, if it is one."""
    return node.tensor if isinstance(node, (Element, TensorSymbol)) else None
