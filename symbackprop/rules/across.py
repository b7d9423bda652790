"""Rows about what one definition means in another: e = exp(z), s = Σ e, d = z − max z.

Each takes what is known of the definitions so far, and a body that reads them.
"""

from __future__ import annotations

from dataclasses import replace

from sympy import Add, Expr, Mul, Piecewise, exp, expand_mul, log, tanh

from symbackprop.conditions import beside_ties_replaced
from symbackprop.functions import expm1, sigmoid
from symbackprop.indexing import free_indices
from symbackprop.normal import kinds, postorder
from symbackprop.notation import Definition, Element, TensorSymbol, elements_in
from symbackprop.rewriting import Steps, noted, rewrite
from symbackprop.rules.facts import with_norms
from symbackprop.rules.forms import weight
from symbackprop.rules.known import LARGEST, Known, Passage, at, factors, tensor_of
from symbackprop.rules.zeros import ZEROS

LEVELS = 3


def _within_branches(known: Known, body: Expr) -> Expr:
    """{√x if x > 0} for {s if x > 0} with s = √x: what is undefined there stays masked."""
    if not (known.partials and Piecewise in kinds(body)):
        return body
    replaced = {}
    for node in body.atoms(Piecewise):
        inner = {e: at(e, *known.partials[e.tensor]) for value, _ in node.args
                 for e in elements_in(value) if e.tensor in known.partials}
        replaced[node] = noted(known.steps, "masked branch", node, node.func(
            *((beside_ties_replaced(value, inner), condition) for value, condition in node.args)))
    return body.xreplace(replaced)


def _norms(known: Known, body: Expr) -> Expr:
    """√s is root(s) where s is a sum of squares by definition."""
    return with_norms(body, known.norms, known.steps)


def _through_logs(known: Known, body: Expr) -> Expr:
    """log of an element whose definition is an exponential or a sigmoid: log e^u = u."""
    if log not in kinds(body):
        return body
    replaced = {}
    for node in postorder(body):
        if isinstance(node, log):
            inner = {e: _logged(known, e, LEVELS) for e in factors(node.args[0])
                     if tensor_of(e) in known.logs}
            own: Steps = None if known.steps is None else []
            read = noted(own, "log of an exponential", node, node.xreplace(inner))
            candidate = rewrite(read, known.rules, own) if inner else node
            if not any(is_logarithmic(known, left.args[0]) or left.args[0].has(
                    exp, sigmoid, tanh) for left in candidate.atoms(log)):
                replaced[node] = candidate
                known.keep_steps(own)
    return body.xreplace(replaced) if replaced else body


def _logged(known: Known, element: Expr, levels: int) -> Expr:
    """The content of an element, and of those that are factors in it, a few levels deep."""
    definition, body = known.logs[element.tensor]
    if levels:
        body = body.xreplace({e: _logged(known, e, levels - 1) for e in factors(body)
                              if tensor_of(e) in known.logs})
    return at(element, definition, body) if weight(body) <= LARGEST else element


def _cancelled(known: Known, body: Expr) -> Expr:
    """d − lse + top with d = z − top is z − lse: a shift is written out where it cancels."""
    if not known.shifts:
        return body
    new: dict[Expr, Expr] = {}
    for node in postorder(body):
        args = tuple(new.get(arg, arg) for arg in node.args)
        current = node if args == node.args else node.func(*args)
        if isinstance(current, Add) and any(e.tensor in known.lses for term in current.args
                                            for e in _atoms(term)):
            for term in current.args:
                current = noted(known.steps, "shift cancelled", current,
                                _without_shift(known, current, term))
        new[node] = current
    return new[body]


def _without_shift(known: Known, total: Expr, term: Expr) -> Expr:
    found = [e for e in _atoms(term) if e.tensor in known.shifts]
    if len(found) != 1:
        return total
    content = at(found[0], *known.shifts[found[0].tensor])
    parts = Add.make_args(expand_mul(term.xreplace({found[0]: content})))
    trial = Add(*(other for other in Add.make_args(total) if other != term), *parts)
    most = len(Add.make_args(total)) + len(parts) - 3
    return trial if len(Add.make_args(trial)) <= most else total


def _vanishing(known: Known, body: Expr) -> Expr:
    """h·e^u with h = e^f is e^(f + u) where f has an exponential: h is 0 where e^u overflows."""
    if not any(e.tensor in known.maps for e in elements_in(body)):
        return body
    return body.replace(lambda node: isinstance(node, Mul), lambda node: noted(
        known.steps, "exponent of a vanishing factor", node, _merged(known, node)))


def _merged(known: Known, product: Expr) -> Expr:
    for factor in product.args:
        base, power = factor.as_base_exp()
        if tensor_of(base) in known.maps:
            content = at(base, *known.maps[base.tensor])
            rest = [f for f in product.args if f != factor]
            growing = next((f for f in rest if _grows(known, f)), None)
            doubled = isinstance(content, exp) and _grows(known, content.args[0])
            if doubled and growing is not None and not power.could_extract_minus_sign():
                others = Mul(*(f for f in rest if f != growing))
                return others * _times(known, power * content.args[0], factor,
                                       rewrite(growing, known.rules))
    return product


def _times(known: Known, exponent: Expr, h: Expr, growing: Expr) -> Expr:
    """h·growing for h = e^exponent; e^u − 1 = tanh(u/2)·(e^u + 1) keeps its digits at u = 0."""
    match growing:
        case exp():
            return exp(exponent + growing.args[0])
        case expm1():
            u = growing.args[0]
            return tanh(u / 2) * (exp(exponent + u) + h)
        case Add():
            return Add(*(_times(known, exponent, h, term) for term in growing.args))
        case Mul():
            found = [f for f in growing.args if _grows(known, f)]
            if found:
                rest = Mul(*(f for f in growing.args if f != found[0]))
                return rest * _times(known, exponent, h, found[0])
    if tensor_of(growing) in known.maps and _grows(known, growing):
        return _times(known, exponent, h, at(growing, *known.maps[growing.tensor]))
    return h * growing


def _grows(known: Known, expr: Expr) -> bool:
    """Whether an exponential is a factor somewhere in a sum of products."""
    def is_exponential(node: Expr) -> bool:
        if isinstance(node, (Element, TensorSymbol)) and node.tensor in known.maps:
            return isinstance(known.maps[node.tensor][1], exp)
        return isinstance(node, (exp, expm1))

    return any(is_exponential(f) for term in Add.make_args(expr)
               for part in Mul.make_args(term) for f in Add.make_args(part))


def is_logarithmic(known: Known, body: Expr) -> bool:
    """Whether exponentials or their quotients are factors: then log may lead through it."""
    return any(isinstance(node, (exp, expm1, sigmoid, tanh)) or tensor_of(node) in known.logs
               for node in factors(body))


def _atoms(term: Expr) -> list[Expr]:
    """The elements that are factors of a term."""
    return [f for f in Mul.make_args(term) if isinstance(f, (Element, TensorSymbol))]


#: Applied to every body in this order, before the rows of algebra and stability.
ACROSS: tuple[Passage, ...] = (
    Passage("masked branch", "{s if c; g otherwise}", "{f(x) if c; g otherwise}",
            "s = f(x) is not finite everywhere, e.g. √x, 1/x, log x",
            "the value of s where c fails is never computed, so that no 0·∞ leaks out of it",
            _within_branches),
    Passage("log of an exponential", "log p", "u", "p = e^u·… is an exponential or a sigmoid",
            "log e^u = u; left is −∞ where e^u underflows", _through_logs),
)

#: Applied after the sums of exponentials.
AFTER: tuple[Passage, ...] = (
    Passage("norm of a named sum", "√s", "root(s)", "s is a sum of squares",
            "root(s) = √s; the derivative of left at 0 is 0/0", _norms),
    Passage("shift cancelled", "d − lse + c", "z − lse", "d = z − c",
            "z − c + c = z; left loses the digits of c", _cancelled),
    Passage("exponent of a vanishing factor", "h·e^u", "e^(f + u)",
            "h = e^f, and f has an exponential, e.g. f = −e^u",
            "e^f·e^u = e^(f + u); left is 0·∞ where e^u overflows", _vanishing),
    *ZEROS,
)


def unshifted(definition: Definition, known: Known) -> Definition:
    """lse_k of elements whose definitions have terms without k is taken of their contents."""
    inner = {e: at(e, *known.shifts[e.tensor]) for e in elements_in(definition.body)
             if e.tensor in known.shifts}
    if not inner:
        return definition
    content = expand_mul(definition.body.xreplace(inner))
    over = set(definition.over)
    if all(over & set(free_indices(term)) for term in Add.make_args(content)):
        return definition
    return replace(definition, body=content)
