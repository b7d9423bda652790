"""What the user writes: sizes, indices, data, parameters, hypers, definitions and facts.

    N = size("N");  n, i, j = indices("n i j", N, 64, 32)
    x = data("x", n, i);  W = parameter("W", i, j)
    h = define("h", (n, j), tanh(Sum(x[n, i]*W[i, j], i)))

Every axis may be an Idx, a size or an int.  Tensors of rank 0 come back as their SymPy symbol.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from sympy import Expr, Idx, Integer, Symbol

from symbackprop.arrays import Array
from symbackprop.broadcasting import finite_number, is_scalar, scalar_operand
from symbackprop.errors import DeclarationError, where
from symbackprop.laws import AtInference, Law
from symbackprop.notation import Definition, Fact, Role, Tensor, TensorSymbol, extent

_NAME = re.compile(r"[^\W\d][\w'′]*\Z")
_LETTERS = "ijklmpqrstuv"
LARGEST_EXTENT = 2**31 - 1  # what BLAS can count

positive = Fact("positive")


def one_hot(axis: Idx | int = -1) -> Fact:
    """The fact that entries are 0 or 1 and sum to one along an axis (an index, or its position)."""
    return _axis_fact("one_hot", axis)


def simplex(axis: Idx | int = -1) -> Fact:
    """The fact that entries are at least 0 and sum to one along an axis (probabilities)."""
    return _axis_fact("simplex", axis)


def symmetric(first: Idx | int = -2, second: Idx | int = -1) -> Fact:
    """The fact that a tensor does not change when two axes are exchanged."""
    return _axis_fact("symmetric", first, second)


def label(classes: Idx | Expr | int) -> Fact:
    """The fact that entries are integers 0 … classes − 1, fit to be an index (a gather)."""
    return Fact("label", (), _extent_of(classes))


def size(name: str) -> Symbol:
    """A symbolic extent such as the batch length N: a positive integer; one name is one size.

    >>> size("N") == size("N")
    True
    """
    return Symbol(_checked_name(name), integer=True, positive=True)


def indices(names: str, *extents: Any) -> Any:
    """Indices by name, one extent (int, size or Idx) for each; a tuple, or the one index alone.

    >>> n, i = indices("n i", size("N"), 64)
    >>> i.upper
    63
    """
    if not isinstance(names, str):
        raise DeclarationError(f"indices({names!r}, …): the names come first, as one text; write "
                               "e.g. sb.indices('n i', N, 64)")
    letters = [_checked_name(name) for name in re.split(r"[\s,]+", names.strip())]
    if len(letters) != len(extents):
        raise DeclarationError(
            f"indices({names!r}, …) names {len(letters)} indices but gives {len(extents)} extents; "
            "write one extent for each, e.g. sb.indices('n i', N, 64)"
        )
    made: dict[str, Idx] = {}
    for letter, given in zip(letters, extents, strict=True):
        index = Idx(Symbol(letter, integer=True), _extent_of(given))
        if made.setdefault(letter, index) != index:
            raise DeclarationError(f"indices({names!r}, …) gives {letter!r} two different extents")
    found = tuple(made[letter] for letter in letters)
    return found[0] if len(found) == 1 else found


def data(name: str, *axes: Any, facts: Sequence[Fact | str] = ()) -> Any:
    """An input array; rows are samples where its first axis is the batch size.

    axes: Idx, sizes or ints; facts: e.g. [sb.one_hot(k)], checked when the array arrives.

    >>> n, k = indices("n k", size("N"), 10)
    >>> y = data("y", n, k, facts=[one_hot(k)])
    """
    return declare(name, axes, "data", facts)


def parameter(name: str, *axes: Any, facts: Sequence[Fact | str] = (),
              trainable: bool = True) -> Any:
    """An array that training changes, if it is trainable; axes are Idx, sizes or ints."""
    if not isinstance(trainable, bool):
        raise DeclarationError(f"parameter({name!r}, …): trainable must be True or False, not "
                               f"{trainable!r}")
    made = declare(name, axes, "parameter", facts)
    tensor_of(made).trainable = trainable
    return made


def hyper(name: str, default: float | None = None) -> Symbol:
    """A run-time scalar such as λ or a learning rate; changing its value never recompiles."""
    number = finite_number(default)
    if default is not None and number is None:
        raise DeclarationError(f"hyper({name!r}, …): the default must be a finite number, not "
                               f"{default!r}; write e.g. sb.hyper({name!r}, 1e-4)")
    made = declare(name, (), "hyper", ())
    made.tensor.default = number
    return made


def define(name: str | None, free: Idx | Sequence[Idx], body: Any, inference: Any = None) -> Any:
    """A named intermediate: name[free indices] = body, a scalar SymPy expression of elements.

    inference: the body that stands for it outside of training (`symbackprop.inference`), e.g. a
    running mean for the mean of a batch; without one it is the same.
    Raises DeclarationError for a body that is not scalar, or free indices that repeat.

    >>> from sympy import Sum, tanh
    >>> n, i, j = indices("n i j", size("N"), 64, 32)
    >>> x, W = data("x", n, i), parameter("W", i, j)
    >>> h = define("h", (n, j), tanh(Sum(x[n, i]*W[i, j], i)))
    """
    letters = tuple(free) if isinstance(free, (tuple, list)) else (free,)
    for index in letters:
        if not isinstance(index, Idx):
            raise DeclarationError(f"define({name!r}, …): {index!r} is no index; make it with "
                                   "sb.indices, e.g. sb.define('h', (n, j), …)")
    if len(set(letters)) != len(letters):
        raise DeclarationError(f"define({name!r}, {letters}, …): an index stands twice on the "
                               "left; each axis of the new tensor needs an index of its own")
    axes = tuple(extent(index) for index in letters)
    law = None if inference is None else AtInference(
        scalar(inference, f"define({name!r}, …, inference=…)"))
    return attach(name, axes, letters, scalar(body, f"define({name!r}, …)"), law=law)


def attach(name: str | None, axes: tuple[Expr, ...], letters: tuple[Idx, ...], body: Expr,
           hint: str = "t", numbered: bool = True, law: Law | None = None) -> Any:
    """A new intermediate with its definition; its symbol where the rank is 0."""
    checked = None if name is None else _checked_name(name)
    tensor = Array(checked, axes, letters, "intermediate", hint=hint, numbered=numbered,
                   where=where(), law=law)
    tensor.definition = Definition(tensor, letters, body, where=tensor.where)
    return tensor if axes else tensor.symbol


def twin(tensor: Tensor) -> Array:
    """An intermediate, without a definition as yet, that is named as this tensor and has its
    axes, letters and facts."""
    return Array(tensor.name, tensor.axes, tensor.letters, "intermediate", tensor.facts,
                 tensor.hint, numbered=tensor.numbered, where=tensor.where)


def declare(name: str, axes: Sequence[Any], role: Role, facts: Sequence[Fact | str]) -> Any:
    """A tensor without a definition: data, parameter, hyper or state."""
    name = _checked_name(name)
    if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = tuple(axes[0])
    extents = tuple(_extent_of(axis) for axis in axes)
    letters = tuple(axis if isinstance(axis, Idx) else None for axis in axes)
    several = (facts,) if isinstance(facts, (str, Fact)) or facts is None else facts
    resolved = tuple(_resolved(fact, axes, name) for fact in several)
    tensor = Array(name, extents, _with_letters(letters, extents), role, resolved, name,
                   where=where())
    return tensor if extents else tensor.symbol


def tensor_of(given: Any, what: str = "this") -> Tensor:
    """The tensor behind what a user hands over: a tensor, or the symbol of a rank-0 one."""
    if isinstance(given, Tensor):
        return given
    if isinstance(given, TensorSymbol):
        return given.tensor
    raise DeclarationError(f"{what}: expected a tensor, found {given!r} of type "
                           f"{type(given).__name__}; make it with sb.data, sb.parameter or "
                           "sb.define")


def scalar(body: Any, what: str, remedy: str = "") -> Expr:
    """The body as a SymPy expression, or an error that says what to write."""
    if isinstance(body, Tensor):
        raise DeclarationError(f"{what}: the tensor {body.name or body.hint} stands without "
                               f"indices; write {body.name or body.hint}{list(body.letters)}")
    if not is_scalar(body):
        shown = repr(body) if len(repr(body)) < 80 else f"a {type(body).__name__}"
        raise DeclarationError(f"{what}: {shown} is not a scalar SymPy expression{remedy}")
    return scalar_operand(body)


def _with_letters(given: tuple[Idx | None, ...], extents: tuple[Expr, ...]) -> tuple[Idx, ...]:
    taken = {str(index) for index in given if index is not None}
    made = []
    for index, length in zip(given, extents, strict=True):
        if index is None:
            own = str(length).lower() if isinstance(length, Symbol) else None
            free = [c for c in (*([own] if own else []), *_LETTERS) if c not in taken]
            index = Idx(Symbol(free[0], integer=True), length)
            taken.add(free[0])
        made.append(index)
    return tuple(made)


def _axis_fact(kind: str, *axes: Idx | int) -> Fact:
    for axis in axes:
        if not isinstance(axis, (Idx, Integral)) or isinstance(axis, bool):
            raise DeclarationError(f"{kind}({axis!r}): the axis is an index of the tensor or its "
                                   f"position; write e.g. sb.{kind}(k)")
    return Fact(kind, axes)  # an Idx among the axes is resolved at declaration


def _resolved(fact: Fact | str, axes: Sequence[Any], name: str) -> Fact:
    known = {"one_hot": one_hot(), "simplex": simplex(), "symmetric": symmetric(),
             "positive": positive}
    if isinstance(fact, str) and fact in known:
        fact = known[fact]
    if not isinstance(fact, Fact):
        raise DeclarationError(f"{name}: {fact!r} is no fact; write sb.one_hot(k), sb.simplex(k), "
                               "sb.label(V), sb.positive or sb.symmetric(i, j)")
    places = []
    for axis in fact.axes:
        if isinstance(axis, Idx) and axis not in axes:
            raise DeclarationError(f"{name}: the fact {fact.kind}({axis}) speaks of an index that "
                                   f"is none of its axes {tuple(axes)}")
        place = list(axes).index(axis) if isinstance(axis, Idx) else int(axis)
        if not -len(axes) <= place < len(axes):
            raise DeclarationError(f"{name}: the fact {fact} needs axis {place}, but {name} has "
                                   f"{len(axes)} axes")
        places.append(place % len(axes))
    return Fact(fact.kind, tuple(places), fact.extent)


def _extent_of(axis: Any) -> Expr:
    if isinstance(axis, Idx):
        return extent(axis)
    if isinstance(axis, Integral) and not isinstance(axis, bool) and int(axis) > 0:
        if int(axis) > LARGEST_EXTENT:
            raise DeclarationError(f"an axis has at most {LARGEST_EXTENT} entries, not {axis}")
        return Integer(int(axis))
    if isinstance(axis, Expr) and axis.is_integer and axis.is_nonpositive is not True and all(
            s.is_integer and s.is_positive and not isinstance(s, Idx) for s in axis.free_symbols):
        return axis
    raise DeclarationError(f"an axis must be an index, a size or a positive int, not {axis!r}; "
                           "make a size with sb.size('N')")


def _checked_name(name: Any) -> str:
    if isinstance(name, str) and name.isidentifier():
        name = unicodedata.normalize("NFKC", name)  # as Python reads the keyword in f(ŷ=…)
    if isinstance(name, str) and _NAME.match(name):
        return name
    raise DeclarationError(f"{name!r} is no name: use letters, digits and _, not beginning with a "
                           "digit, e.g. 'W1'")
