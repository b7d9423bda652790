"""The chain rule over the definitions that a reader sees, one definition at a time.

    T̄[t] = Σ_C Σ_c C̄[c]·∂C[c]/∂T[t]         C: the definitions that read T

`board(…)` writes a program as one does on a blackboard: what the user declared, and a line for
each pre-activation z and residual r within it.  `links(…)` differentiates every line of it by
what it reads, with a tensor of its own (a seed) in place of C̄: the sensitivity of the
output is not known yet.  All simplification within a link is that of the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Expr, Integer, Mul

from symbackprop.backprop import adjoints
from symbackprop.dependence import Dependence
from symbackprop.indexing import fingerprint, replace_indices
from symbackprop.likeness import exchanged, spelling
from symbackprop.normal import normalise, postorder, temporary
from symbackprop.notation import (
    Definition,
    Program,
    Reduction,
    Tensor,
    elements_in,
    tensors_in,
)
from symbackprop.printing.presentation import presented
from symbackprop.rewriting import Step
from symbackprop.rules.declared import Used, used
from symbackprop.rules.facts import is_sum_of_squares, with_norms
from symbackprop.simplification import simplify

__all__ = ["Chain", "Link", "board", "links"]

SPELLED = frozenset({"z", "r"})  # the hints of pre-activations and residuals


@dataclass(frozen=True, slots=True)
class Link:
    """What one definition C gives to the adjoint of a tensor T that it reads.

    share: an expression over the letters of T, linear in the entries of seed, which stand for
    those of C̄; C itself and all that it reads may stand in it; facts: what was declared of
    tensors in it, and is used there.
    """

    consumer: Definition
    source: Tensor
    seed: Tensor
    share: Expr
    facts: tuple[Used, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """The lines of a blackboard, and for each tensor the links through those that read it."""

    program: Program
    links: Mapping[Tensor, tuple[Link, ...]]

    def order(self, asked: Collection[Tensor]) -> list[Tensor]:
        """From the loss to what is asked for: a tensor stands as soon as its readers do."""
        last = {t: place for place, d in enumerate(self.program)
                for t in dict.fromkeys(e.tensor for e in elements_in(d.body))
                if t in self.links}
        first = {d.target: place for place, d in enumerate(self.program)}
        earliest = {t: min(first[link.consumer.target] for link in found)
                    for t, found in self.links.items() if found}
        reached = [t for t in last if t in earliest]
        inner = [t for t in reached if t not in asked or t in first]
        return sorted(reached, key=lambda t: (-earliest[t], t in inner, -first.get(t, -1)))


def board(normal: Program, kept: Collection[Tensor]) -> Program:
    """The program in normal form with its helpers written out, but for z's, r's and those kept."""
    wanted = tuple(d.target for d in normal if d.target in kept or d.target.hint in SPELLED)
    return _with_norms(presented(replace(normal, outputs=wanted), ()))


def _with_norms(program: Program) -> Program:
    """The program with root(s) for √s, where a line says that s is a sum of squares."""
    squares: set[Tensor] = set()
    made = []
    for definition in program:
        made.append(replace(definition, body=with_norms(definition.body, squares)))
        if is_sum_of_squares(definition.body, squares):
            squares.add(definition.target)
    return replace(program, definitions=tuple(made))


def links(program: Program, asked: Collection[Tensor]) -> Chain:
    """Every definition of the board differentiated by every tensor in it that leads to `asked`."""
    network = Dependence(program)
    active = {*asked, *(program.definitions[p].target for p in network.downstream(asked))}
    found: dict[Tensor, list[Link]] = {}
    alike: dict[object, tuple[list[Tensor], list[Link]]] = {}
    for definition in reversed(program.definitions):
        sources = [t for t in tensors_in(definition.body) if t in active]
        if sources and definition.target in active:
            key, tensors = spelling(definition.element, definition.body)
            key = key, definition.over, definition.op, tuple(t in sources for t in tensors)
            if key not in alike:
                alike[key] = tensors, _differentiated(definition, sources)
            for link in _transferred(*alike[key], definition, tensors):
                found.setdefault(link.source, []).append(link)
    return Chain(program, {t: tuple(those) for t, those in found.items()})


def _transferred(known: list[Tensor], links: Sequence[Link], definition: Definition,
                 tensors: list[Tensor]) -> list[Link]:
    """Those links, between tensors that are known, for a definition that is spelled alike."""
    if not links or links[0].consumer is definition:
        return list(links)
    other = dict(zip(known, tensors, strict=True))
    seed = _seed(definition.target)
    symbols = exchanged([*known, links[0].seed], [*tensors, seed])
    return [Link(definition, other[link.source], seed, link.share.xreplace(symbols),
                 tuple((other.get(tensor, tensor), kind) for tensor, kind in link.facts))
            for link in links]


def _differentiated(definition: Definition, sources: list[Tensor]) -> list[Link]:
    """∂(Σ_c seed[c]·C[c])/∂T for each source T, by one reverse sweep through one definition."""
    target = definition.target
    seed = _seed(target)
    letters = definition.indices
    total = temporary(seed.at(*letters) * definition.element, (), letters,
                      "sum" if letters else "map")
    normal = normalise(Program((definition,), (target,)))
    compared = tuple(d.target for d in normal if d.op in ("max", "min"))
    forward = simplify(replace(normal, outputs=(target, *compared)), keep=sources)
    made, found = adjoints(Program((*forward.definitions, total), ()), total.target, sources)
    whole = Program((*forward.definitions, *made), (target, *found.values()))
    steps: list[Step] = []
    best = simplify(whole, sources, len(forward.definitions), steps, collect=False)
    facts = dict.fromkeys(fact for step in steps if (fact := used(step)))
    links = []
    for source, adjoint in found.items():
        (line,) = presented(best, (target,), adjoint)
        mapping = dict(zip(line.indices, source.letters, strict=True))
        share = _without_minus(_through_output(line.body, definition))
        links.append(Link(definition, source, seed, replace_indices(share, mapping),
                          tuple(fact for fact in facts if fact[0] in tensors_in(share))))
    return links


def _seed(target: Tensor) -> Tensor:
    """What stands for the adjoint of a tensor."""
    return Tensor(None, target.axes, target.letters, "intermediate", hint="δ")


def _through_output(body: Expr, definition: Definition) -> Expr:
    """The body with the entries of C in place of the maximum, or other reduction, that C is."""
    if not isinstance(definition.body, Reduction):
        return body
    spelling, letters = fingerprint(definition.body)
    found = {}
    for node in postorder(body):
        if isinstance(node, Reduction):
            other, places = fingerprint(node)
            if other == spelling:
                at = dict(zip(letters, places, strict=True))
                found[node] = definition.target.at(*(
                    at[i] if i in at else Integer(0) for i in definition.indices))
    return body.xreplace(found) if found else body


def _without_minus(share: Expr) -> Expr:
    """−(y/p − (1 − y)/(1 − p)) → (1 − y)/(1 − p) − y/p, where half the terms are negative."""
    if isinstance(share, Add):
        return Add(*(_without_minus(term) for term in share.args))
    number, rest = share.as_coeff_Mul()
    for factor in Mul.make_args(rest) if number < 0 else ():
        negative = [term for term in Add.make_args(factor) if term.as_coeff_Mul()[0] < 0]
        if isinstance(factor, Add) and 2 * len(negative) >= len(factor.args):
            return -number * (rest / factor) * Add(*(-term for term in factor.args))
    sums = [factor for factor in Mul.make_args(share) if isinstance(factor, Add)]
    return share.xreplace({total: _without_minus(total) for total in sums}) if sums else share
