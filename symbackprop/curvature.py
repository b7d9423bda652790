"""What a loss is in some parameters: a polynomial of bounded degree, convex, or nothing known.

Each definition gets a record from those of what it reads: an upper bound of the polynomial
degree, whether it is surely convex, surely concave, its sign.  Convexity follows the composition
rules of disciplined convex programming (Grant, Boyd & Ye, "Disciplined convex programming",
2006): a sum of convex terms is convex, a nondecreasing convex function of a convex one, any
convex function of an affine one, a maximum and a log-sum-exp of convex ones.  What no rule
shows is not claimed.

    z affine   ⇒   lse z convex   ⇒   Σ y·(lse − z) convex for y ≥ 0   ⇒   so is the loss

Hypers such as λ are taken to be at least 0 where that is needed, and then named in `given`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from sympy import Abs, Add, Expr, Max, Min, Mul, Piecewise, Pow, exp, expand_mul, log

from symbackprop.accurate import logaddexp
from symbackprop.dependence import Dependence
from symbackprop.functions import branches, leaky_relu, relu, softplus
from symbackprop.normal import postorder
from symbackprop.notation import Definition, Element, Program, Tensor, TensorSymbol

__all__ = ["Curvature", "curvatures", "signs"]

Known = Mapping[Tensor, "Curvature"]
Nodes = Mapping[Expr, "Curvature"]
Row = Callable[[Expr, "list[Curvature]"], "Curvature"]


@dataclass(frozen=True, slots=True)
class Curvature:
    """What is sure of an expression in some variables.

    degree: at most this, None for no polynomial; sign: 1 for ≥ 0, −1 for ≤ 0, 0 for unknown;
    squares: a sum of squares of affine terms; given, sign_given: the hypers taken to be ≥ 0.
    """

    degree: int | None = None
    convex: bool = False
    concave: bool = False
    sign: int = 0
    squares: bool = False
    given: frozenset[Tensor] = frozenset()
    sign_given: frozenset[Tensor] = frozenset()

    @property
    def constant(self) -> bool:
        """Whether no variable is in it."""
        return self.degree == 0

    @property
    def affine(self) -> bool:
        """Whether it is a polynomial of degree 0 or 1."""
        return self.degree is not None and self.degree <= 1

    @property
    def shown(self) -> bool:
        """Whether anything is sure but the sign."""
        return self.convex or self.concave or self.degree is not None


UNKNOWN = Curvature()
VARIABLE = Curvature(1, True, True)


def curvatures(network: Dependence, variables: Collection[Tensor], constants: Known
               ) -> dict[Tensor, Curvature] | None:
    """The records of all definitions that depend on the variables, or None at a dead end.

    network: of a program in normal form, every definition of which leads to the loss;
    constants: the records of all its tensors without variables, as `signs` gives them.
    """
    found: dict[Tensor, Curvature] = {}
    own = {t: replace(VARIABLE, sign=_declared_sign(t.at(*t.letters))) for t in variables}
    known = ChainMap(found, own, dict(constants))
    for place in network.downstream(variables):
        definition = network.program.definitions[place]
        record = _reduced(definition, _best(definition.body, known))
        if not record.shown:
            return None
        found[definition.target] = record
    return found


def signs(program: Program) -> dict[Tensor, Curvature]:
    """The records of all definitions where nothing varies: what is known of their signs."""
    found: dict[Tensor, Curvature] = {}
    for definition in program:
        found[definition.target] = _reduced(definition, _of_body(definition.body, found))
    return found


def _best(body: Expr, known: Known) -> Curvature:
    """The record of a body, multiplied out where it shows nothing as it stands."""
    record = _of_body(body, known)
    if record.convex or record.concave:
        return record
    other = _of_body(expand_mul(_one_softplus(body)), known)
    return other if other.convex or other.concave else record


def _one_softplus(body: Expr) -> Expr:
    """softplus(−t) = softplus(t) − t: y·softplus(−t) + (1 − y)·softplus(t) is softplus(t) − y·t."""
    turned = {node: softplus(-node.args[0]) + node.args[0] for node in postorder(body)
              if isinstance(node, softplus) and node.args[0].could_extract_minus_sign()}
    return body.xreplace(turned)


def _reduced(definition: Definition, body: Curvature) -> Curvature:
    match definition.op:
        case "lse":  # of terms ≥ 0 it is ≥ 0 too; of terms ≤ 0 nothing is known
            risen = replace(body, sign=max(body.sign, 0), squares=False)
            return risen if body.constant else replace(risen, degree=None, concave=False)
        case "max" | "min" if not body.constant:
            largest = definition.op == "max"
            return Curvature(None, body.convex and largest, body.concave and not largest,
                             body.sign, False, body.given, body.sign_given)
    return body


def _of_body(body: Expr, known: Known) -> Curvature:
    nodes: dict[Expr, Curvature] = {}
    for node in postorder(body):
        nodes[node] = _of_node(node, nodes, known)
    return nodes[body]


def _of_node(node: Expr, nodes: Nodes, known: Known) -> Curvature:
    if isinstance(node, (Element, TensorSymbol)):
        return known.get(node.tensor) or _constant(node)
    if isinstance(node, Piecewise):
        return _piecewise(node, nodes)
    parts = [nodes[arg] for arg in node.args if arg in nodes]
    row = ROWS.get(type(node))
    if row is not None and parts:
        return row(node, parts)
    return _constant(node) if all(part.constant for part in parts) else UNKNOWN


def _declared_sign(node: Expr) -> int:
    positive, negative = getattr(node, "is_nonnegative", None), getattr(
        node, "is_nonpositive", None)
    return 1 if positive else -1 if negative else 0


def _constant(node: Expr) -> Curvature:
    sign = _declared_sign(node)
    if sign == 0 and isinstance(node, TensorSymbol) and node.tensor.role == "hyper":
        return Curvature(0, True, True, 1, sign_given=frozenset({node.tensor}))
    return Curvature(0, True, True, sign, squares=sign == 1)


def _piecewise(node: Piecewise, nodes: Nodes) -> Curvature:
    """Branches chosen by data only: what holds of every branch."""
    parts = [nodes[value] for value, _ in branches(node)]
    if not all(nodes[condition].constant for _, condition in branches(node)):
        return UNKNOWN
    return replace(_sum(node, parts), squares=False)


def _sum(node: Expr, parts: list[Curvature]) -> Curvature:
    signs = {part.sign for part in parts}
    degrees = [part.degree for part in parts if part.degree is not None]
    moving = [part for part in parts if not part.constant]
    return Curvature(
        max(degrees) if len(degrees) == len(parts) else None,
        all(part.convex for part in parts), all(part.concave for part in parts),
        signs.pop() if len(signs) == 1 else 0,
        all(part.squares for part in parts) and not any(p.sign_given for p in parts),
        _joined(part.given for part in moving), _joined(part.sign_given for part in parts))


def _product(node: Expr, parts: list[Curvature]) -> Curvature:
    sign = reduce(lambda a, b: a * b, (part.sign for part in parts), 1)
    sign_given = _joined(part.sign_given for part in parts)
    moving = [part for part in parts if not part.constant]
    if len(moving) != 1:
        degrees = [part.degree for part in moving if part.degree is not None]
        total = sum(degrees) if len(degrees) == len(moving) else None
        flat = not moving
        return Curvature(total, flat, flat, sign, flat and sign == 1 and not sign_given,
                         sign_given=sign_given)
    scale = _product(node, [part for part in parts if part.constant])
    return _scaled(moving[0], scale, sign, sign_given)


def _scaled(part: Curvature, scale: Curvature, sign: int, sign_given: frozenset[Tensor]
            ) -> Curvature:
    """c·f: convex where c ≥ 0 and f is convex, or c ≤ 0 and f is concave."""
    if part.affine:
        return Curvature(part.degree, True, True, sign, sign_given=sign_given)
    convex = (part.convex and scale.sign == 1) or (part.concave and scale.sign == -1)
    concave = (part.concave and scale.sign == 1) or (part.convex and scale.sign == -1)
    return Curvature(part.degree, convex, concave, sign,
                     part.squares and scale.sign == 1 and not scale.sign_given,
                     part.given | scale.sign_given, sign_given)


def _power(node: Expr, parts: list[Curvature]) -> Curvature:
    base, exponent = parts[0], node.args[1]
    if all(part.constant for part in parts):
        even = exponent.is_Integer and exponent % 2 == 0
        return _signed(_constant(node), 1 if even else base.sign, base.sign_given)
    if not exponent.is_Rational:
        return UNKNOWN
    if exponent.is_Integer and exponent > 0:
        return _natural_power(base, int(exponent))
    given = base.given | base.sign_given
    if exponent < 0:  # 1/t is convex and nonincreasing where t > 0
        return Curvature(None, base.concave and base.sign == 1, sign=base.sign, given=given)
    if exponent * 2 == 1 and base.squares:  # a Euclidean norm
        return Curvature(None, True, sign=1, given=base.given)
    if exponent < 1:
        return Curvature(None, concave=base.concave, sign=1, given=base.given)
    return Curvature(None, base.convex and base.sign == 1, sign=1, given=given)


def _natural_power(base: Curvature, k: int) -> Curvature:
    degree = None if base.degree is None else k * base.degree
    if k % 2 == 0 and base.affine:
        return Curvature(degree, True, sign=1, squares=k == 2)
    rising = base.convex and base.sign == 1
    falling = base.concave and base.sign == -1 and k % 2 == 0
    return Curvature(degree, rising or falling, sign=1 if k % 2 == 0 else base.sign,
                     given=base.given | base.sign_given,
                     sign_given=frozenset() if k % 2 == 0 else base.sign_given)


def _signed(record: Curvature, sign: int, given: frozenset[Tensor]) -> Curvature:
    return record if record.sign else replace(
        record, sign=sign, sign_given=given, squares=sign == 1 and not given)


def _modulus(node: Expr, parts: list[Curvature]) -> Curvature:
    (part,) = parts
    if part.constant:
        return _constant(node)
    if part.affine:
        return Curvature(None, True, sign=1)
    return replace(part, degree=None) if part.sign == 1 else Curvature(sign=1)


def _largest(node: Expr, parts: list[Curvature]) -> Curvature:
    """Max is nondecreasing and convex, Min nondecreasing and concave."""
    both = _sum(node, parts)
    if both.constant:
        return _constant(node)
    top = isinstance(node, Max)
    return replace(both, degree=None, squares=False, convex=both.convex and top,
                   concave=both.concave and not top)


def _rising(sign: int, convex: bool = True) -> Row:
    """A nondecreasing function that is convex (or concave), of the sign that is given."""

    def row(node: Expr, parts: list[Curvature]) -> Curvature:
        if all(part.constant for part in parts):
            return _signed(_constant(node), sign, frozenset())
        (part,) = parts
        return Curvature(None, part.convex and convex, part.concave and not convex, sign,
                         given=part.given)

    return row


def _leaky(node: Expr, parts: list[Curvature]) -> Curvature:
    """leaky_relu(t, s) = max(t, s·t) for 0 ≤ s ≤ 1."""
    if all(part.constant for part in parts):
        return _constant(node)
    slope = node.args[1]
    kept = bool(slope.is_number and 0 <= slope <= 1)
    return Curvature(None, parts[0].convex and kept, given=parts[0].given)


def _log_add(node: Expr, parts: list[Curvature]) -> Curvature:
    """log(e^a + e^b + …) is convex and nondecreasing in each of a, b, …"""
    both = _sum(node, parts)
    return _constant(node) if both.constant else Curvature(None, both.convex, given=both.given)


def _joined(sets: Iterable[frozenset[Tensor]]) -> frozenset[Tensor]:
    return frozenset().union(*sets)


#: type of node → its row: (node, records of its arguments) → its record.
ROWS: dict[type, Row] = {
    Add: _sum, Mul: _product, Pow: _power, Abs: _modulus, Max: _largest, Min: _largest,
    exp: _rising(1), relu: _rising(1), softplus: _rising(1), log: _rising(0, convex=False),
    leaky_relu: _leaky, logaddexp: _log_add,
}
