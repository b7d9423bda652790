"""Rows of algebra on scalar bodies: kinked functions, brackets, complements."""

from __future__ import annotations

from sympy import Abs, Expr, Gt, Max, Min, Mul, exp, sign, tanh

from symbackprop.functions import expm1, relu, sigmoid
from symbackprop.rewriting import Hole, Rule

t, a = Hole("t"), Hole("a")


def _sign_of_expm1(node: Expr) -> Expr | None:
    """c·(e^t − 1) > 0 where c·t > 0, for a number c."""
    number, rest = node.args[0].as_coeff_Mul()
    if not (node.args[1] == 0 and isinstance(rest, expm1)):
        return None
    return rest.args[0] > 0 if number > 0 else rest.args[0] < 0


ALGEBRA: tuple[Rule, ...] = (
    Rule("relu", Max(0, t), relu(t), "relu(t) = max(0, t) by definition; its derivative at 0 is 0"),
    Rule("negative part", Min(0, t), -relu(-t), "min(0, t) = −max(0, −t)"),
    Rule("sign of relu", Gt(relu(t), 0), Gt(t, 0), "relu(t) > 0 if and only if t > 0"),
    Rule("sign of an exponential less one", Gt(expm1(t) * a, 0), Gt(t * a, 0),
         "e^t − 1 has the sign of t", by=_sign_of_expm1, where="a is a number",
         needs=frozenset([expm1])),
    Rule("exponentials combine", Mul(exp(t), exp(a), evaluate=False), exp(t + a),
         "e^t·e^a = e^(t + a)"),
    Rule("sign times modulus", sign(t) * Abs(t), t, "sign(t)·|t| = t"),
    Rule("sign times itself", t * sign(t), Abs(t), "t·sign(t) = |t|"),
)

#: Tried on a derivative, and kept where the whole line gets shorter.
COMPLEMENT: tuple[Rule, ...] = (
    Rule("complement of sigmoid", sigmoid(t), 1 - sigmoid(-t),
         "sigmoid(−t) = e^−t/(1 + e^−t) = 1 − sigmoid(t)",
         when=lambda found: found[t].could_extract_minus_sign(),
         where="t is written with a minus; kept where the line gets shorter"),
)

#: How a function is written through the name of its mirror image, where a line has that name.
NAMED: tuple[Rule, ...] = (
    Rule("sigmoid by a named sigmoid", sigmoid(t), 1 - sigmoid(-t),
         "sigmoid(t) + sigmoid(−t) = 1", where="sigmoid(−t) has a name in the printed lines"),
    Rule("sigmoid by a named tanh", sigmoid(t), (1 + tanh(t / 2)) / 2,
         "1 + tanh(t/2) = 2·sigmoid(t)", where="tanh(t/2) has a name in the printed lines"),
    Rule("tanh by a named sigmoid", tanh(t), 2 * sigmoid(2 * t) - 1,
         "tanh(t) = 2·sigmoid(2·t) − 1", where="sigmoid(2·t) has a name in the printed lines"),
    Rule("tanh by a named mirror image", tanh(t), 1 - 2 * sigmoid(-2 * t),
         "tanh(t) = 1 − 2·sigmoid(−2·t)", where="sigmoid(−2·t) has a name in the printed lines"),
)
