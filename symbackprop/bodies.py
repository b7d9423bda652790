"""The sentences about one body: every index bound once, every access inside its tensor.

Each function here checks one kind of node and says what, where and what to write instead.
The walk is an explicit stack over (node, indices that run there).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

from sympy import (
    Basic,
    Derivative,
    Dummy,
    Expr,
    Idx,
    Indexed,
    IndexedBase,
    Integral,
    KroneckerDelta,
    Limit,
    MatrixExpr,
    MatrixSymbol,
    Piecewise,
    Product,
    S,
    Subs,
    Sum,
    Symbol,
    Tuple,
)
from sympy import Integer as SymPyInteger
from sympy.core.numbers import ComplexInfinity, ImaginaryUnit, Infinity, NaN, NegativeInfinity
from sympy.logic.boolalg import BooleanAtom
from sympy.matrices.expressions.matexpr import MatrixElement

from symbackprop.bounds import Interval, at_least_zero, bounds
from symbackprop.errors import ProgramError
from symbackprop.indexing import bound_indices, free_indices
from symbackprop.notation import Definition, Element, Reduction, Tensor, TensorSymbol, extent
from symbackprop.pending import Pending

Ranges = tuple[tuple[Idx, Interval], ...]


@dataclass(frozen=True, slots=True)
class Access:
    """An index expression on an axis, and the values that it takes."""

    tensor: Tensor
    axis: int
    index: Expr
    last: Expr
    definition: Definition


@dataclass(slots=True)
class Findings:
    """What the bodies of a program use: for the sentences about the program as a whole."""

    sizes: dict[Symbol, Definition] = field(default_factory=dict)
    accesses: list[Access] = field(default_factory=list)
    covered: set[tuple[Tensor, int]] = field(default_factory=set)


def check_body(definition: Definition, findings: Findings) -> None:
    """Every node of a body obeys its sentence; raises ProgramError at the first that does not."""
    outer: Ranges = tuple(
        (i, (i.lower, i.upper)) for i in (*definition.indices, *definition.over)
    )
    stack: list[tuple[Basic, Ranges]] = [(definition.body, outer)]
    seen = set()
    while stack:
        node, ranges = stack.pop()
        if (node, ranges) in seen:
            continue
        seen.add((node, ranges))
        refused = next((row for row in REFUSED if isinstance(node, row[0])), None)
        if refused is not None:
            fail(definition, f"{node} is {refused[1]}", refused[2])
        stack.extend(_visit(node, ranges, definition, findings))


def _visit(
    node: Basic, ranges: Ranges, definition: Definition, findings: Findings
) -> Iterator[tuple[Basic, Ranges]]:
    """Checks one node; gives the nodes below it with the indices that run there."""
    match node:
        case Idx():
            _check_index(node, ranges, definition)
        case TensorSymbol():
            if node.tensor.rank:
                letters = ", ".join(map(str, node.tensor.letters))
                fail(definition, f"the tensor {node} stands without indices",
                     f"write {node}[{letters}]")
        case Pending():
            fail(definition, f"the penalty at {node.place} is not written out",
                 "collect the program with sb.program(loss)")
        case Symbol():
            _check_symbol(node, definition, findings)
        case Element():
            _check_element(node, dict(ranges), definition, findings)
            yield from ((index, ranges) for index in node.indices)
        case Sum() | Reduction():
            _check_lifted(node, definition)
            yield node.args[0], _bound_here(node, ranges, definition, findings)
        case Piecewise():
            if node.args[-1].args[1] != S.true:
                fail(definition, f"{node} has no value where no condition holds",
                     "end it with (value, True)")
            yield from ((part, ranges) for pair in node.args for part in pair.args
                        if not isinstance(part, BooleanAtom))
        case BooleanAtom():
            fail(definition, f"{node} is a truth value, not a number",
                 "write 1 or 0, or sb.Iverson(condition)")
        case KroneckerDelta():
            yield from ((arg, ranges) for arg in node.args[:2])
        case _:
            yield from ((arg, ranges) for arg in node.args)


def _check_index(index: Idx, ranges: Ranges, definition: Definition) -> None:
    known = [i for i, _ in ranges]
    if index in known:
        return
    for other in known:
        if str(other) == str(index):
            fail(definition, f"the index {index} runs over {_extent(index)} on the right, but "
                 f"{other} over {_extent(other)} where it is bound",
                 "use one index made by one sb.indices call in both places")
    if index.lower is None or index.upper is None:
        fail(definition, f"the index {index} has no extent",
             f"make it with sb.indices({str(index)!r}, extent)")
    left = ", ".join(map(str, definition.indices)) or "none"
    fail(definition, f"the index {index} on the right is neither bound by a sum nor on the left "
         f"(there: {left})", f"write Sum(…, {index}), or put {index} on the left")


def _extent(index: Idx) -> str:
    return str(extent(index)) if index.upper is not None else "no extent"


def _check_symbol(symbol: Symbol, definition: Definition, findings: Findings) -> None:
    if isinstance(symbol, Dummy):
        fail(definition, f"{symbol} is a Dummy, which no call can give a value",
             f"declare it: {symbol.name} = sb.hyper({symbol.name!r})")
    if symbol.is_integer and symbol.is_positive:
        findings.sizes.setdefault(symbol, definition)
        return
    remedy = f"declare it: {symbol} = sb.hyper({symbol.name!r}, default), or sb.parameter(…)"
    if symbol.is_real is not True:
        fail(definition, f"{symbol} is a complex SymPy symbol that was never declared", remedy)
    fail(definition, f"{symbol} is a SymPy symbol that was never declared", remedy)


def _bound_here(
    node: Expr, ranges: Ranges, definition: Definition, findings: Findings
) -> Ranges:
    """The indices that run inside a Sum or Maximum; each must be an Idx, and bound once."""
    indices = bound_indices(node)
    limits = node.limits if isinstance(node, Sum) else tuple(Tuple(i) for i in indices)
    left = set(definition.indices)
    inner = dict(ranges)
    taken = {str(i) for i in inner if i not in left}
    what = type(node).__name__
    for index, limit in zip(indices, limits, strict=True):
        if not isinstance(index, Idx):
            fail(definition, f"{what} runs over {index}, which is a plain symbol",
                 f"make it with sb.indices({str(index)!r}, extent)")
        if index.lower is None or index.upper is None:
            fail(definition, f"{what} runs over {index}, which has no extent",
                 f"make it with sb.indices({str(index)!r}, extent)")
        if str(index) in taken:
            fail(definition, f"the index {index} is bound twice in {what}",
                 "give the inner sum an index of its own")
        taken.add(str(index))
        for other in [i for i in inner if str(i) == str(index)]:
            del inner[other]
        inner[index] = _limits(index, limit, definition, findings)
    return tuple(inner.items())


def _check_lifted(node: Expr, definition: Definition) -> None:
    """SymPy moves a Piecewise out of inner sums, past the very index that its condition reads."""
    pieces = node.args[0]
    if not isinstance(pieces, Piecewise):
        return
    inner = {i for value, _ in pieces.args for part in value.atoms(Sum, Reduction)
             for i in bound_indices(part)} - set(bound_indices(node))
    for index in (i for _, condition in pieces.args for i in free_indices(condition)):
        if index in inner:
            fail(definition, "SymPy has moved a Piecewise out of the inner sum over "
                 f"{index}, which its condition reads", "give the inner sum a name: s = "
                 f"sb.define('s', (…), Sum(Piecewise(…), {index})), and write s[…] in its place")


def _limits(
    index: Idx, limit: Tuple, definition: Definition, findings: Findings
) -> Interval:
    low, high = (limit[1], limit[2]) if len(limit) == 3 else (index.lower, index.upper)
    for end in (low, high):
        for symbol in sorted(end.free_symbols, key=str):
            if isinstance(symbol, Idx) or not (symbol.is_integer and symbol.is_positive):
                fail(definition, f"the sum over {index} ends at {end}, which depends on {symbol}",
                     f"sum over all {index} and multiply by sb.Iverson(condition)")
            findings.sizes.setdefault(symbol, definition)
        if end.is_integer is not True:
            fail(definition, f"the sum over {index} ends at {end}, which is no integer",
                 f"write integers or sizes, e.g. Sum(…, ({index}, 0, 9))")
    if (low, high) == (index.lower, index.upper):
        return low, high  # all of it, be it empty: N − 1 steps of N = 1 rows
    if not (at_least_zero(low - index.lower) and at_least_zero(index.upper - high)
            and at_least_zero(high - low + 1)):
        fail(definition, f"the sum over {index} from {low} to {high} cannot be shown to lie in "
             f"its range {index.lower} … {index.upper}",
             f"write limits inside it, or Sum(…, {index})")
    return low, high


def _check_element(
    element: Element, ranges: dict[Idx, Interval], definition: Definition, findings: Findings
) -> None:
    tensor = element.tensor
    if len(element.indices) != tensor.rank:
        fail(definition, f"{element} has {len(element.indices)} indices, but "
             f"{declared(tensor)} has {tensor.rank} axes", "write one index for each axis")
    for axis, index in enumerate(element.indices):
        if type(index) is Idx and ranges.get(index) == (SymPyInteger(0), tensor.axes[axis] - 1):
            findings.covered.add((tensor, axis))
            continue
        last = _check_access(element, axis, index, ranges, definition)
        findings.accesses.append(Access(tensor, axis, index, last, definition))


def _check_access(
    element: Element, axis: int, index: Expr, ranges: dict[Idx, Interval], definition: Definition
) -> Expr:
    """The greatest value of an index expression, after it was shown to lie inside the axis."""
    for inner in sorted(index.atoms(Element), key=str):
        if not inner.tensor.has_fact("label"):
            fail(definition, f"{element} gathers through {inner}, which has no fact label",
                 f"declare it as data with facts=[sb.label({element.tensor.axes[axis]})]")
    if index.is_integer is not True:
        fail(definition, f"the index {index} in {element} is no integer",
             "make it of sb.indices, integers and sizes, e.g. 2*u + a, not u/2")
    for loose in sorted((a for a in index.atoms(Idx) if a not in ranges), key=str):
        _check_index(loose, tuple(ranges.items()), definition)
    length = element.tensor.axes[axis]
    found = bounds(index, ranges)
    place = f"axis {axis} of {declared(element.tensor)} has {length} entries, 0 … {length - 1}"
    if found is None:
        fail(definition, f"the index {index} in {element} has no bounds that can be shown; {place}",
             "write it as a sum of indices, integers and sizes, e.g. 2*u + a")
    low, high = found
    if not at_least_zero(low):
        fail(definition, f"the index {index} in {element} goes down to {low}; {place}",
             "count from 0, e.g. shift the index")
    if not at_least_zero(length - 1 - high):
        fail(definition, f"the index {index} in {element} goes up to {high}; {place}",
             "use an index of that extent, or declare a longer axis")
    return high


def declared(tensor: Tensor) -> str:
    """A tensor as the user knows it: its name and where it was declared."""
    return f"{tensor.name or 'the unnamed ' + tensor.hint} (declared at {tensor.where})"


def fail(definition: Definition, problem: str, remedy: str) -> NoReturn:
    """Raises the ProgramError: place, left-hand side, what is wrong, what to write instead."""
    raise ProgramError(f"{definition.where}: in {definition.element} = …, {problem}; {remedy}")


_PLAIN = "tensors come from sb.data and sb.parameter, and are indexed: W[i, j]"
REFUSED: tuple[tuple[type | tuple[type, ...], str, str], ...] = (
    (NaN, "not a number", "write finite numbers"),
    ((Infinity, NegativeInfinity, ComplexInfinity), "infinite", "write finite numbers"),
    (ImaginaryUnit, "complex", "all tensors are real; write real numbers"),
    ((Indexed, IndexedBase), "a plain SymPy IndexedBase", _PLAIN),
    ((MatrixSymbol, MatrixElement, MatrixExpr), "a SymPy matrix", _PLAIN),
    (Integral, "an integral", "write its value, or a Sum over an index"),
    (Derivative, "a derivative that is not worked out",
     "call .doit() on a plain function first, or use sb.derive"),
    ((Limit, Subs, Product), "not part of the notation",
     "write it with Sum, Piecewise and functions"),
)
