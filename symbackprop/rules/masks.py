"""Rows about weights beside exponentials: what a mask leaves out must not set the scale.

    m·e^z / Σ m·e^z = e^(z + log m − lse),  lse = log Σ e^(z + log m):

where m is 0 the exponent is −∞, and a large logit that is masked never overflows.  A weight that
may be negative keeps its place, and only its zeros go into the exponent: log [m ≠ 0].
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from sympy import Add, Expr, Integer, Mul, Ne, Piecewise, S, exp

from symbackprop.functions import Iverson, xlogy
from symbackprop.notation import Element, Tensor, TensorSymbol, elements_in
from symbackprop.rules.known import Passage

FACTS = ("one_hot", "simplex", "positive")


def is_weight(factor: Expr, keep: Collection[Tensor]) -> bool:
    """Whether it is data, or a bracket of data, that nothing is differentiated by."""
    fixed = all(e.tensor.role == "data" and e.tensor not in keep for e in elements_in(factor))
    return fixed and isinstance(factor, (Iverson, Element, TensorSymbol))


def into_exponent(product: Expr, fits: Callable[[Expr], bool]) -> Expr:
    """m·e^z = e^(z + log m) for the weights that fit; log 0 = −∞."""
    raised = next((f for f in Mul.make_args(product) if isinstance(f, exp)), None)
    weights = [f for f in Mul.make_args(product) if fits(f)] if raised is not None else []
    if raised is None or not weights:
        return product
    zeros = [w if _is_nonnegative(w) else Iverson(Ne(w, 0)) for w in weights]
    exponent = raised.args[0] + Add(*(xlogy(Integer(1), zero) for zero in zeros))
    signed = [w for w in weights if not _is_nonnegative(w)]
    kept = [f for f in Mul.make_args(product) if f is not raised and f not in weights]
    return Mul(exp(exponent), *signed, *kept)


def _is_nonnegative(weight: Expr) -> bool:
    return isinstance(weight, Iverson) or any(weight.tensor.has_fact(kind) for kind in FACTS)


def kind_of(weight: Expr) -> object:
    """What a weight has in common with itself at other indices: its tensor, or being a bracket."""
    return Iverson if isinstance(weight, Iverson) else weight.tensor


def unbranched(body: Expr, keep: Collection[Tensor]) -> Expr:
    """{e^z if c; 0 otherwise} = [c]·e^z for a condition on data; e^z goes on into the exponent."""
    def opened(node: Expr) -> Expr:
        (value, condition), *rest = (pair.args for pair in node.args)
        zero = len(rest) == 1 and rest[0] == (S.Zero, S.true)
        raised = any(isinstance(f, exp) for f in Mul.make_args(value))
        whole = zero and raised and is_weight(Iverson(condition), keep)
        return Iverson(condition) * value if whole else node

    return body.replace(lambda node: isinstance(node, Piecewise), opened)


MASKS: tuple[Passage, ...] = (
    Passage("mask in the exponent", "m·e^z", "m·e^(z + log [m ≠ 0]), or e^(z + log m) for m ≥ 0",
            "m is data, or a bracket of data, that nothing is differentiated by, in a sum of "
            "exponentials that is divided by", "e^log m = m, and log 0 = −∞; left is ∞·0 where "
            "what is masked sets the scale", into_exponent),
    Passage("branch or zero", "{e^z if c; 0 otherwise}", "[c]·e^z", "c is a condition on data, "
            "and e^z goes on into the exponent", "[c] is 1 where c holds, else 0", unbranched),
)
