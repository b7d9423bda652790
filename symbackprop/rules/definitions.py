"""Rows about whole definitions: which are written in place, taken over, shared or folded back.

    A = f, B = f            gives   B = A                 one definition per right side
    h = f(x), B = f(x)·c    gives   B = h·c               what is computed already has a name
    δ = a·b, B = a·b + c    gives   B = δ + c             so has an adjoint
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sympy import Add, Expr, Function, Idx

from symbackprop.functions import Iverson
from symbackprop.indexing import fingerprint, fresh
from symbackprop.normal import postorder
from symbackprop.notation import Definition, Element
from symbackprop.rewriting import Steps, noted
from symbackprop.rules.across import unshifted
from symbackprop.rules.exponentials import logarithm, turned
from symbackprop.rules.facts import ordered
from symbackprop.rules.indices import unshifted as constant_out
from symbackprop.rules.known import Passage, at

Parts = Mapping[tuple[object, ...], tuple[Definition, tuple[Idx, ...]]]


def copied(definition: Definition, same: Definition) -> Expr:
    """The element of an earlier definition that differs in the letters of its indices only."""
    mapping = dict(zip(same.indices, definition.indices, strict=True))
    return same.target.at(*(mapping[i] for i in same.indices))


def taken_over(copy: Definition, source: Definition, places: tuple[Expr, ...]) -> Definition:
    """The definition of what it copies, in its own letters; bound ones that clash are renamed."""
    mapping = dict(zip(source.indices, places, strict=True))
    taken = [*mapping, *places]
    for index in source.over:
        mapping[index] = fresh(index, taken)  # by its letter: another i may have another extent
        taken.append(mapping[index])
    return replace(copy, body=source.body.xreplace(mapping), op=source.op,
                   over=tuple(mapping[i] for i in source.over))


def folded(body: Expr, parts: Parts, steps: Steps = None) -> Expr:
    """The body with each function or term that some definition computes already as its element."""
    replaced = {}
    terms = set(body.args) if isinstance(body, Add) else set()
    for node in postorder(body):
        if (isinstance(node, Function) and not isinstance(node, Iverson)) or (
                node in terms and not isinstance(node, Element)):
            part, order = fingerprint(node)
            found = parts.get(part)
            if found is not None:
                definition, places = found
                mapping = dict(zip(places, order, strict=True))
                replaced[node] = noted(steps, "folded", node, definition.target.at(
                    *(mapping[i] for i in definition.indices)))
    return body.xreplace(replaced) if replaced else body


#: By name, what stands in a definition is changed by these; the name is that of the steps.
DEFINITIONS: tuple[Passage, ...] = (
    Passage("read once", "A", "f", "A = f is unnamed and read once, a number, or a copy",
            "by definition", at),
    Passage("copy taken over", "B = A", "B = f", "A = f is unnamed and read by B only",
            "by definition", taken_over),
    Passage("same definition", "B = f", "B = A", "A = f, up to the letters of its indices",
            "names of indices do not matter", copied),
    Passage("folded", "f(x)", "h", "h = f(x), or an adjoint that is a term here, stands before, up "
            "to letters",
            "by definition", folded),
    Passage("symmetric access", "A[j, i]", "A[i, j]",
            "A was declared symmetric, and nothing is differentiated by it", "A[i, j] = A[j, i]",
            ordered),
)

#: Rows about log-sum-exp, the primitive behind softmax.
LOG_SUM_EXP: tuple[Passage, ...] = (
    Passage("exponentials written out", "e, s, s′", "exp(z), exp(lse), exp(lse)·Σ_q exp(f − lse)·g",
            "e = exp(z), s = Σ_q exp(f), s′ = Σ_q exp(f)·g, lse = log Σ_q exp(f); kept where no "
            "exponential is left that can overflow",
            "e^f = e^lse·e^(f − lse); left overflows where e^f does "
            "(Blanchard, Higham & Higham 2021)", logarithm),
    Passage("quotient by a sum of exponentials", "e^z·sigmoid(−logaddexp(lse, …))",
            "e^(z − lse)·sigmoid(−logaddexp(−lse, … − lse))", "e^z is not bounded",
            "e^z/(ε + e^lse) = e^(z − lse)/(1 + ε·e^−lse); left is ∞·0", turned),
    Passage("shifted exponents", "lse_q (f + c)", "c + lse_q f", "q not in c",
            "Σ_q e^(f + c) = e^c·Σ_q e^f", constant_out),
    Passage("shift of a log-sum-exp", "lse_q d", "lse_q (f + c)", "d = f + c, and q is not in c",
            "by definition; then c comes out", unshifted),
)
