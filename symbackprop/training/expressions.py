"""Expressions as a table of nodes from a closed vocabulary: what a saved model is written in.

    Table ::= [Node ...]                    a node's arguments are numbers of earlier nodes
    Node  ::= ["integer", "12"] | ["rational", "1", "3"] | ["float", sign, "man", exp, precision]
            | ["size", "N"] | ["index", "n", length] | ["index", "n", first, last]
            | ["constant", name] | ["tensor", number, index ...]
            | ["sum" | "max" | "min" | "lse", body, index ...]
            | ["part", body, index, lower, upper] | [word, argument ...]

Words are the keys of `WORDS`, each one SymPy class.  Reading looks words up in that table and
calls nothing else: no text is parsed or evaluated.  Nodes are rebuilt as they were, without
SymPy's automatic evaluation, so that formulas print as before.  Tables have no nesting, hence no
recursion, and a subexpression that occurs twice is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
from sympy import Basic, Expr, Float, Idx, Integer, Rational, Sum, Symbol, Tuple
from sympy.functions.elementary.piecewise import ExprCondPair

from symbackprop.declare import size
from symbackprop.errors import InputError, ProgramError
from symbackprop.functions import Iverson, expm1, leaky_relu, relu, sigmoid, softplus
from symbackprop.notation import Element, LogSumExp, Maximum, Minimum, Tensor, TensorSymbol, extent

__all__ = ["Reader", "Writer"]

Node = list[Any]

WORDS: dict[str, type[Basic]] = {
    **{kind.__name__: kind for kind in (
        sympy.Add, sympy.Mul, sympy.Pow, sympy.exp, sympy.log, sympy.Abs, sympy.sign,
        sympy.sin, sympy.cos, sympy.tan, sympy.asin, sympy.acos, sympy.atan, sympy.atan2,
        sympy.sinh, sympy.cosh, sympy.tanh, sympy.asinh, sympy.acosh, sympy.atanh,
        sympy.erf, sympy.erfc, sympy.gamma, sympy.loggamma, sympy.floor, sympy.ceiling, sympy.Mod,
        sympy.Max, sympy.Min, sympy.Heaviside, sympy.KroneckerDelta, sympy.Piecewise, ExprCondPair,
        sympy.Eq, sympy.Ne, sympy.Lt, sympy.Le, sympy.Gt, sympy.Ge, sympy.And, sympy.Or, sympy.Not,
        relu, leaky_relu, sigmoid, softplus, expm1, Iverson)},
}
REDUCTIONS: dict[str, type[Basic]] = {"max": Maximum, "min": Minimum, "lse": LogSumExp}
CONSTANTS: dict[str, Basic] = {
    "pi": sympy.pi, "e": sympy.E, "infinity": sympy.oo, "-infinity": -sympy.oo,
    "golden": sympy.GoldenRatio, "gamma": sympy.EulerGamma,
    "true": sympy.true, "false": sympy.false,
}
_WORD_OF = {kind: word for word, kind in WORDS.items()}
_WORD_OF_REDUCTION = {kind: word for word, kind in REDUCTIONS.items()}
_NAME_OF_CONSTANT = {value: name for name, value in CONSTANTS.items()}


@dataclass(slots=True)
class Writer:
    """Appends expressions to a table; tensors are written as their number."""

    tensors: dict[Tensor, int]
    table: list[Node] = field(default_factory=list)
    known: dict[tuple[type, Basic], int] = field(default_factory=dict)

    def write(self, expr: Basic) -> int:
        """The number of the expression's node."""
        stack = [(expr, False)]
        while stack:
            node, finished = stack.pop()
            key = (type(node), node)  # SymPy holds 2 == 2.0
            if key in self.known:
                continue
            if finished:
                self.known[key] = len(self.table)
                self.table.append(self._node(node))
            else:
                stack.append((node, True))
                stack.extend((part, False) for part in reversed(_parts(node)))
        return self.known[(type(expr), expr)]

    def _node(self, node: Basic) -> Node:
        parts = [self.known[(type(part), part)] for part in _parts(node)]
        match node:
            case TensorSymbol():
                return ["tensor", self.tensors[node.tensor]]
            case Element():
                return ["tensor", self.tensors[node.tensor], *parts]
            case Idx():
                return ["index", str(node.label), *parts]
            case Integer():
                return ["integer", str(int(node))]
            case _ if node in _NAME_OF_CONSTANT:
                return ["constant", _NAME_OF_CONSTANT[node]]
            case Rational():
                return ["rational", str(node.p), str(node.q)]
            case Float():
                sign, mantissa, exponent, _ = node._mpf_
                return ["float", sign, str(mantissa), exponent, node._prec]
            case Symbol():
                return ["size", node.name]
            case Sum():
                return [_sum_word(node), *parts]
        word = _WORD_OF_REDUCTION.get(type(node)) or _WORD_OF.get(type(node))
        if word is None:
            raise ProgramError(f"{node} cannot be saved: the file grammar has no "
                               f"{type(node).__name__}; it has {', '.join(WORDS)}")
        return [word, *parts]


def _parts(node: Basic) -> list[Basic]:
    """The subexpressions that a node's row refers to, in order."""
    match node:
        case Element():
            return list(node.indices)
        case Idx():
            return [extent(node)] if node.lower == 0 else [node.lower, node.upper]
        case TensorSymbol() | Symbol():
            return []
        case Sum():
            return [node.function, *(part for limit in node.limits for part in _limit(node, limit))]
        case _ if type(node) in _WORD_OF_REDUCTION:
            return [node.args[0], *node.args[1]]
    return list(node.args)


def _sum_word(node: Sum) -> str:
    return "sum" if all(_is_whole(limit) for limit in node.limits) else "part"


def _limit(node: Sum, limit: Tuple) -> tuple[Basic, ...]:
    return (limit[0],) if _sum_word(node) == "sum" else tuple(limit)


def _is_whole(limit: Tuple) -> bool:
    index, lower, upper = limit
    return bool(lower == index.lower and upper == index.upper)


@dataclass(slots=True)
class Reader:
    """Rebuilds expressions from a table; `tensors` are those made so far, by number."""

    table: Sequence[Node]
    tensors: list[Tensor] = field(default_factory=list)
    made: dict[int, Basic] = field(default_factory=dict)

    def read(self, number: Any) -> Any:
        """The expression of a node; raises InputError for a table that breaks the grammar."""
        stack = [number]
        while stack:
            current = stack[-1]
            if current in self.made:
                stack.pop()
                continue
            waiting = [p for p in self._references(current) if p not in self.made]
            if waiting:
                stack.extend(waiting)
            else:
                self.made[current] = self._built(self.table[current])
        return self.made[number]

    def tensor(self, number: Any) -> Tensor:
        """The tensor of this number."""
        if not isinstance(number, int) or not 0 <= number < len(self.tensors):
            raise InputError(f"there is no tensor {number!r}")
        return self.tensors[number]

    def _references(self, number: Any) -> list[int]:
        if not isinstance(number, int) or isinstance(number, bool) \
                or not 0 <= number < len(self.table):
            raise InputError(f"there is no node {number!r}")
        first = {"tensor": 2, "index": 2}.get(self._word(number), 1)
        found = [] if self._word(number) in _LEAVES else self.table[number][first:]
        if any(not isinstance(p, int) or not 0 <= p < number for p in found):
            raise InputError(f"node {number} must refer to earlier nodes")
        return list(found)

    def _word(self, number: int) -> str:
        node = self.table[number]
        if not isinstance(node, list) or not node or not isinstance(node[0], str):
            raise InputError(f"node {number} is {node!r}, not a word with arguments")
        return node[0]

    def _built(self, node: Node) -> Basic:
        word, *rest = node
        if word in _LEAVES:
            return _LEAVES[word](*rest)
        if word == "tensor":
            return self._tensor(*rest)
        if word == "index":
            ends = Tuple(*(self.made[p] for p in rest[1:]))
            return Idx(Symbol(size(rest[0]).name, integer=True),
                       ends if len(ends) > 1 else ends[0])
        parts = [self.made[p] for p in rest]
        if word == "sum":
            return Sum(parts[0], *parts[1:])
        if word == "part":
            limits = [tuple(parts[k:k + 3]) for k in range(1, len(parts), 3)]
            return Sum(parts[0], *limits)
        if word in REDUCTIONS:
            return REDUCTIONS[word](*parts)
        if word in WORDS:
            return _unevaluated(WORDS[word], parts)
        raise InputError(f"{word!r} is no word of the file grammar")

    def _tensor(self, number: int, *indices: int) -> Expr:
        tensor = self.tensor(number)
        if len(indices) != tensor.rank:
            raise InputError(f"{tensor!r} is read with {len(indices)} indices")
        return tensor.at(*(self.made[i] for i in indices))


def _unevaluated(kind: type[Basic], parts: list[Basic]) -> Basic:
    if kind in (sympy.Add, sympy.Mul):
        return kind._from_args(parts)
    if kind in (sympy.And, sympy.Or, sympy.Not, ExprCondPair):
        return kind(*parts)
    return kind(*parts, evaluate=False)


def _float(sign: int, mantissa: str, exponent: int, precision: int) -> Float:
    whole = _whole(mantissa)
    return Float._new((int(sign), whole, int(exponent), whole.bit_length()), int(precision))


def _whole(digits: str) -> int:
    if not isinstance(digits, str) or not digits.lstrip("-").isdecimal() or len(digits) > 4000:
        raise InputError(f"{digits!r} is no integer")
    return int(digits)


def _constant(name: str) -> Basic:
    if name not in CONSTANTS:
        raise InputError(f"{name!r} is no constant of the file grammar")
    return CONSTANTS[name]


_LEAVES: dict[str, Callable[..., Basic]] = {
    "integer": lambda digits: Integer(_whole(digits)),
    "rational": lambda p, q: Rational(_whole(p), _whole(q)),
    "float": _float,
    "size": size,
    "constant": _constant,
}
