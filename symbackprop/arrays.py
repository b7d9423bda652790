"""Tensors as arrays: x[n, i] and x @ W + b, NumPy's rules, all of it shorthand for definitions.

    (x @ W + b)[n, j]  =  Σ_i x[n, i]·W[i, j] + b[j]

Every operation makes an unnamed tensor with a definition; `folding.py` later writes those that
are read once into the definition that reads them.  Letters: an axis keeps its letter where no
other axis has it, so that a definition reads as if written by hand.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, NoReturn

from sympy import Abs, Expr, Idx, Integer, Mul, Sum, SympifyError, sympify

from symbackprop.broadcasting import (
    NotScalarError,
    axes_of,
    common_shape,
    free_letter,
    letters_for,
    product_letters,
    scalar_operand,
)
from symbackprop.errors import DeclarationError, where
from symbackprop.indexing import free_indices
from symbackprop.notation import Definition, Element, Maximum, Minimum, Tensor, extent

__all__ = ["Array"]

_UFUNCS = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
    "divide": operator.truediv, "power": operator.pow, "matmul": operator.matmul,
}


class Array(Tensor):
    """A tensor of rank 1 or more: x[n, i] is an entry, x @ W + b and x.sum(axis=0) are tensors.

    >>> import symbackprop as sb
    >>> N = sb.size("N")
    >>> x, W, b = sb.data("x", N, 64), sb.parameter("W", 64, 32), sb.parameter("b", 32)
    >>> (x @ W + b).shape
    (N, 32)
    >>> x[3, 5]
    x[3, 5]
    """

    __slots__ = ()
    _op_priority = 1000.0  # SymPy leaves `expr*W` to our __rmul__

    @property
    def shape(self) -> tuple[Expr, ...]:
        """The extents of all axes, each an integer or a size."""
        return self.axes

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.rank

    @property
    def T(self) -> Array:
        """The tensor with its axes reversed."""
        letters = letters_for(self.axes, [self])
        transposed: Array = made(letters[::-1], read(self, letters))
        return transposed

    def __getitem__(self, indices: Any) -> Element:
        given = indices if isinstance(indices, tuple) else (indices,)
        if len(given) != self.rank:
            raise DeclarationError(f"{self._spoken} has {self.rank} axes (declared at "
                                   f"{self.where}), not {len(given)}; write {self._indexed}")
        return Element(self.symbol, *(self._index(i) for i in given))

    def _index(self, given: Any) -> Expr:
        if isinstance(given, slice) or given is None or given is Ellipsis:
            raise DeclarationError(f"{self._spoken}[…] takes one index for each axis, no slices "
                                   f"and no new axes; write {self._indexed}")
        try:
            expr = None if isinstance(given, (bool, str)) else sympify(given, strict=True)
        except NotScalarError as error:
            raise DeclarationError(f"{self._spoken}[…]: the tensor {given._spoken} is no index; "
                                   f"gather through entries: {given._indexed}") from error
        except SympifyError:
            expr = None
        if not isinstance(expr, Expr) or expr.is_integer is not True:
            raise DeclarationError(
                f"{self._spoken}[…]: {given!r} is no integer; an index is made of sb.indices, "
                "integers, sizes, and entries of integer data with the fact sb.label(V)"
            )
        return expr

    @property
    def _spoken(self) -> str:
        return self.name or f"the unnamed tensor {self.hint}"

    @property
    def _indexed(self) -> str:
        return f"{self.name or self.hint}[{', '.join(map(str, self.letters))}]"

    def __add__(self, other: Any) -> Any:
        return mapped(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return mapped(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return mapped(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return mapped(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return mapped(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return mapped(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return mapped(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return mapped(operator.truediv, other, self)

    def __pow__(self, other: Any) -> Any:
        return mapped(operator.pow, self, other)

    def __rpow__(self, other: Any) -> Any:
        return mapped(operator.pow, other, self)

    def __matmul__(self, other: Any) -> Any:
        return product(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return product(other, self)

    def __neg__(self) -> Any:
        return mapped(operator.neg, self)

    def __pos__(self) -> Array:
        return self

    def __abs__(self) -> Any:
        return mapped(Abs, self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Σ over an axis, several, or all; a rank-0 result is a SymPy symbol."""
        return reduced(self, axis, keepdims, Sum)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The mean over an axis, several, or all."""

        def mean(body: Expr, *over: Idx) -> Expr:
            return Sum(body, *over) / Mul(*map(extent, over))

        return reduced(self, axis, keepdims, mean)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The maximum over an axis, several, or all; its derivative splits between ties."""
        return reduced(self, axis, keepdims, Maximum)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The minimum over an axis, several, or all; its derivative splits between ties."""
        return reduced(self, axis, keepdims, Minimum)

    @property
    def __sympy__(self) -> NoReturn:  # sympify asks for this first, and == never does
        raise NotScalarError(
            f"{self._spoken} is a whole tensor, and SymPy works on its entries: write "
            f"{self._indexed} inside sb.define, or the function of sb, e.g. sb.exp for sympy.exp"
        )

    def _entries_only(self, *_: Any) -> NoReturn:
        raise DeclarationError(f"{self._spoken} cannot be compared as a whole, nor rounded; take "
                               f"its entries, e.g. sb.Iverson({self._indexed} > 0) in sb.define")

    __lt__ = __le__ = __gt__ = __ge__ = __mod__ = __floordiv__ = __divmod__ = _entries_only
    __rmod__ = __rfloordiv__ = __rdivmod__ = __round__ = __floor__ = __ceil__ = _entries_only

    def __bool__(self) -> bool:
        raise DeclarationError(f"{self._spoken} is a tensor of symbols, neither true nor false")

    def __iter__(self) -> Iterator[Any]:
        raise DeclarationError(f"{self._spoken} cannot be looped over; write one definition for "
                               f"all entries, with indices: {self._indexed}")

    def __len__(self) -> int:
        if self.axes[0].is_Integer:
            return int(self.axes[0])
        raise DeclarationError(f"{self._spoken} has {self.axes[0]} entries, known in a call only")

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise DeclarationError(f"{self._spoken} holds symbols, no numbers; use sb, not NumPy")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [i.item() if isinstance(i, Real) and hasattr(i, "item") else i for i in inputs]
        if method == "__call__" and ufunc.__name__ in _UFUNCS and not options:
            return _UFUNCS[ufunc.__name__](*map(operand, plain))
        return self.__array_function__(ufunc)

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        name = function.__name__
        raise DeclarationError(f"np.{name} works on numbers; for {self._spoken} write "
                               f"{self._spoken}.{name}(…) or sb.{name}, if there is one, or "
                               "sb.define")


def made(letters: tuple[Idx, ...], body: Expr, hint: str = "t", numbered: bool = True) -> Any:
    """A new unnamed tensor with its definition; its symbol where the rank is 0: a loss, L."""
    axes = tuple(map(extent, letters))
    hint, numbered = (hint, numbered) if letters else ("L", False)
    place = where()
    tensor = Array(None, axes, letters, "intermediate", hint=hint, numbered=numbered, where=place)
    tensor.definition = Definition(tensor, letters, body, where=place)
    return tensor if axes else tensor.symbol


def read(array: Tensor, indices: tuple[Expr, ...]) -> Expr:
    """The entry at these indices; an unnamed view such as W.T is looked through."""
    definition = array.definition
    if array.name is None and definition is not None and isinstance(definition.body, Element):
        return definition.body.xreplace(dict(zip(definition.indices, indices, strict=True)))
    return array.at(*indices)


def entry(given: Array | Expr, letters: tuple[Idx, ...]) -> Expr:
    """The entry that an operand contributes to a result with these letters, by broadcasting."""
    if not isinstance(given, Array):
        return given
    last = letters[len(letters) - given.rank :]
    return read(given, tuple(i if extent(i) == e else Integer(0)
                             for i, e in zip(last, given.axes, strict=True)))


def operand(given: Any) -> Array | Expr:
    """A tensor or a scalar expression, or an error that says what to write."""
    return given if isinstance(given, Array) else scalar_operand(given)


def mapped(function: Callable[..., Expr], *given: Any, hint: str = "t") -> Any:
    """The function applied entry by entry, under NumPy's broadcasting; of scalars, a scalar."""
    operands = [operand(g) for g in given]
    arrays = [o for o in operands if isinstance(o, Array)]
    if not arrays:
        return function(*operands)
    for scalar in operands:
        if not isinstance(scalar, Array) and (loose := free_indices(scalar)):
            raise DeclarationError(
                f"{scalar} has the free index {loose[0]} and meets the whole tensor "
                f"{arrays[0]._spoken}; write it with indices, {arrays[0]._indexed}, in sb.define"
            )
    spoken = " and ".join(a._spoken for a in arrays)
    shape = common_shape([a.axes for a in arrays], spoken)
    letters = letters_for(shape, arrays)
    return made(letters, function(*(entry(o, letters) for o in operands)), hint)


def product(left: Any, right: Any) -> Any:
    """left @ right by NumPy's rules: Σ over the last axis of left and the last but one of right."""
    a, b = operand(left), operand(right)
    if not isinstance(a, Array) or not isinstance(b, Array):
        scalar = b if isinstance(a, Array) else a
        raise DeclarationError(f"@ multiplies two tensors; {scalar} is a scalar: write *")
    spoken = f"{a._spoken} @ {b._spoken}"
    summed = b.axes[max(b.rank - 2, 0)]
    if a.axes[-1] != summed:
        raise DeclarationError(
            f"{spoken}: the shapes {a.axes} and {b.axes} do not fit: the last axis of {a._spoken} "
            f"(declared at {a.where}) has {a.axes[-1]} entries, but {b._spoken} (declared at "
            f"{b.where}) needs {summed}"
        )
    batch, rows, columns, over = product_letters(a, b, spoken)
    body = _stacked(a, batch, (*rows, over)) * _stacked(b, batch, (over, *columns))
    return made((*batch, *rows, *columns), Sum(body, over))


def _stacked(array: Array, batch: tuple[Idx, ...], matrix: tuple[Idx, ...]) -> Expr:
    """The entry of one factor of @: its batch axes broadcast, its last two do not."""
    used = batch[len(batch) - (array.rank - len(matrix)) :]
    lead = [i if extent(i) == e else Integer(0) for i, e in zip(used, array.axes, strict=False)]
    return read(array, (*lead, *matrix))


def reduced(array: Array, axis: Any, keepdims: bool, function: Callable[..., Expr]) -> Any:
    """function(entry, *indices of these axes) over the other axes; keepdims leaves extents of 1."""
    places = axes_of(axis, array.rank, array._spoken)
    letters = letters_for(array.axes, [array])
    over = tuple(letters[place] for place in places)
    body = function(read(array, letters), *over) if over else array.at(*letters)
    kept = list(letters)
    for place in places:
        kept[place] = free_letter(Integer(1), [], kept)
    remaining = tuple(i for place, i in enumerate(kept) if keepdims or place not in places)
    return made(remaining, body)
