"""Penalties: plain sums over the tensors that they name, or over all weights and no biases.

    l1                  λ Σ|w|
    l2                  λ Σ w²
    elastic_net         λ1 Σ|w| + λ2 Σ w²
    huber               λ Σ h(w),   h(w) = w²/2 for |w| ≤ δ,  δ·(|w| − δ/2) elsewhere
    group_lasso         λ Σ_g ‖w_g‖                              a group g: all that leaves an input
    sparse_group_lasso  λ1 Σ|w| + λ2 Σ_g ‖w_g‖
    orthogonality       λ Σ_{j,k} (Σ_i W[i,j]·W[i,k] − [j = k])²
    smoothness          λ Σ (w[i + 1] − w[i])²
    elementwise         λ Σ f(w) for any f

Any other penalty is an expression of its own, added to the loss: `L + lam*Sum(…)`.  A strength λ
given as a number becomes a hyper, which is changed at run time without compiling again; strengths
by tensor are a dict, `l2({"W1": 1e-3, V: 1e-4})`.  No formula here is known to anything else: what
it does in training, and its proximal operator, are derived from the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sympy import Abs, Add, Expr, Idx, KroneckerDelta, Le, Piecewise, Sum, sqrt

from symbackprop.arrays import Array, made, read
from symbackprop.broadcasting import axes_of, is_scalar, letters_for, scalar_operand
from symbackprop.errors import DeclarationError
from symbackprop.indexing import fresh
from symbackprop.notation import Definition, Tensor
from symbackprop.pending import Pending, Total, hyper_of
from symbackprop.pending import weights as weights
from symbackprop.weighing import check_axis, group

__all__ = ["elastic_net", "elementwise", "group_lasso", "huber", "l1", "l2", "orthogonality",
           "smoothness", "sparse_group_lasso"]


def l1(strength: Any, *tensors: Any) -> Expr:
    """λ Σ|w|, with derivative 0 at 0; tensors or their names, none for all weights.

    >>> import symbackprop as sb
    >>> W = sb.parameter("W", 64, 32)
    >>> print(sb.program(sb.penalties.l1(1e-3, W)))
    L = lam·Σ_{i,j} |W[i,j]|
    """
    return _penalty("l1", strength, _entries(Abs), tensors)


def l2(strength: Any, *tensors: Any) -> Expr:
    """λ Σ w²; tensors or their names, none for all weights."""
    return _penalty("l2", strength, _entries(_square), tensors)


def elastic_net(strength1: Any, strength2: Any, *tensors: Any) -> Expr:
    """λ1 Σ|w| + λ2 Σ w²; tensors or their names, none for all weights."""
    return (_penalty("elastic_net", strength1, _entries(Abs), tensors, hint="lam1")
            + _penalty("elastic_net", strength2, _entries(_square), tensors, hint="lam2"))


def huber(strength: Any, delta: Any, *tensors: Any) -> Expr:
    """λ Σ h(w) with h(w) = w²/2 for |w| ≤ δ, and δ·(|w| − δ/2) elsewhere (Huber 1964); δ > 0.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.penalties.huber(0.1, 1, sb.parameter("w", 5))))
    L = lam·Σ_i {w[i]²/2 if delta ≥ |w[i]|; delta·(|w[i]| − delta/2) otherwise}
    """
    width = hyper_of(delta, "delta", "the width δ of a Huber penalty", "sb.penalties.huber(0.1, 1)",
                     "positive")

    def each(w: Expr) -> Expr:
        return Piecewise((w**2 / 2, Le(Abs(w), width)), (width * (Abs(w) - width / 2), True))

    return _penalty("huber", strength, _entries(each), tensors)


def elementwise(strength: Any, function: Callable[[Expr], Any], *tensors: Any) -> Expr:
    """λ Σ f(w) for any SymPy expression f; tensors or their names, none for all weights.

    Raises DeclarationError where λ is no scalar, a tensor is none, or f(w) is no scalar.

    >>> import symbackprop as sb
    >>> w = sb.parameter("w", 5)
    >>> print(sb.program(sb.penalties.elementwise(0.1, lambda t: t**4, w)))
    L = lam·Σ_i w[i]⁴
    """
    if not callable(function):
        raise DeclarationError(f"a penalty's function is a function of an entry, not {function!r}; "
                               "write e.g. lambda w: abs(w)**3")
    return _penalty("elementwise", strength, _entries(function), tensors)


def group_lasso(strength: Any, *tensors: Any, axis: Any = "input") -> Expr:
    """λ Σ_g ‖w_g‖, where a group g is all that leaves an input (Yuan and Lin 2006, of one size).

    axis: "input", so that inputs, and channels of them, are left out as a whole; "unit", all that
    enters a unit; or along which axes a group lies, an int or a tuple of ints.  What is an input
    follows from how the loss reads a weight (`weighing.py`); a vector is one group.

    >>> import symbackprop as sb
    >>> W = sb.parameter("W", 64, 32)
    >>> print(sb.program(sb.penalties.group_lasso(1e-3, W)))
    L = lam·Σ_i √(Σ_j W[i,j]²)
    """
    return _penalty("group_lasso", strength, _groups(axis, "group_lasso"), tensors, 2,
                    late=isinstance(axis, str))


def sparse_group_lasso(strength1: Any, strength2: Any, *tensors: Any, axis: Any = "input") -> Expr:
    """λ1 Σ|w| + λ2 Σ_g ‖w_g‖: zeros within groups, and groups of zeros (Simon et al. 2013)."""
    name = "sparse_group_lasso"
    return (_penalty(name, strength1, _entries(Abs), tensors, 2, hint="lam1")
            + _penalty(name, strength2, _groups(axis, name), tensors, 2, "lam2",
                       isinstance(axis, str)))


def orthogonality(strength: Any, *tensors: Any) -> Expr:
    """λ ‖WᵀW − I‖²: how far the columns of W are from orthonormal; all axes but the last are rows.

    Raises DeclarationError for a tensor without two axes.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.penalties.orthogonality(0.1, sb.parameter("W", 5, 3))))
    L = lam·Σ_{j,k} (Σ_i W[i,j]·W[i,k] − [j = k])²
    """

    def total(tensor: Tensor, _readers: Sequence[Definition]) -> Expr:
        if tensor.rank < 2:
            raise DeclarationError(f"orthogonality is of the columns of a matrix; {_spoken(tensor)}"
                                   f" has {tensor.rank} axes")
        *rows, j = letters_for(tensor.axes, [tensor])
        k = _next(j, rows)
        products = Sum(read(tensor, (*rows, j)) * read(tensor, (*rows, k)), *rows)
        return Sum((products - KroneckerDelta(j, k))**2, j, k)

    return _penalty("orthogonality", strength, total, tensors, 2)


def smoothness(strength: Any, *tensors: Any, axis: int = -1) -> Expr:
    """λ Σ (w[i + 1] − w[i])², over neighbours along an axis.

    Raises DeclarationError for an axis with one entry or a length that is not known.

    >>> import symbackprop as sb
    >>> print(sb.program(sb.penalties.smoothness(0.1, sb.parameter("w", 5))))
    L = lam·Σ_{i=0..3} (w[1 + i] − w[i])²
    """

    def total(tensor: Tensor, _readers: Sequence[Definition]) -> Expr:
        _check_axes(tensor, "smoothness")
        place, *more = axes_of(axis, tensor.rank, f"smoothness of {_spoken(tensor)}")
        if more:
            raise DeclarationError(f"smoothness runs along one axis, not {axis!r}")
        if not tensor.axes[place].is_Integer or tensor.axes[place] < 2:
            raise DeclarationError(f"smoothness compares neighbours: axis {axis} of "
                                   f"{_spoken(tensor)} has {tensor.axes[place]} entries")
        letters = letters_for(tensor.axes, [tensor])
        moved = tuple(i + int(at == place) for at, i in enumerate(letters))
        short = (letters[place], 0, tensor.axes[place] - 2)
        return Sum((read(tensor, moved) - read(tensor, letters))**2,
                   *(short if at == place else i for at, i in enumerate(letters)))

    return _penalty("smoothness", strength, total, tensors, 1)


def _penalty(name: str, strength: Any, total: Total, tensors: tuple[Any, ...],
             rank: int = 0, hint: str = "lam", late: bool = False) -> Expr:
    """λ Σ total(W) over tensors, or those that are found where the loss is taken.

    late: whether the total depends on what reads a tensor, which is known there.
    """
    if isinstance(strength, Mapping):
        if tensors or not strength:
            raise DeclarationError("strengths by tensor are a dict that names the tensors, e.g. "
                                   f'sb.penalties.l2({{"W1": 1e-3, "W2": 1e-4}}), not '
                                   f"{dict(strength)!r} with tensors beside it")
        return Add(*(_penalty(name, one, total, (tensor,), rank, hint, late)
                     for tensor, one in strength.items()))
    for tensor in tensors:
        if not isinstance(tensor, (Array, str)) and not hasattr(tensor, "tensor"):
            raise DeclarationError(
                f"a penalty takes a strength and then tensors or their names, not {tensor!r}; "
                f'write e.g. sb.penalties.{name}(1e-4, "W1", V)')
    scale = hyper_of(strength, hint, "the strength of a penalty", f"sb.penalties.{name}(1e-4, …)")
    if not tensors or any(isinstance(tensor, str) for tensor in tensors):
        return scale * Pending(total, tensors, rank)
    now = made((), Add(*(total(getattr(t, "tensor", t), ()) for t in tensors)), "R")
    return scale * (Pending(total, tensors, rank) if late else now)


def _entries(function: Callable[[Expr], Any]) -> Total:
    def total(tensor: Tensor, _readers: Sequence[Definition]) -> Expr:
        letters = letters_for(tensor.axes, [tensor])
        try:
            value = function(read(tensor, letters))
        except TypeError as error:
            raise DeclarationError(f"a penalty's function takes no SymPy scalar ({error}); write "
                                   "it with functions of sb or SymPy, not NumPy") from error
        if not is_scalar(value):
            raise DeclarationError(f"a penalty's function must give a scalar, not {value!r}; write "
                                   "e.g. lambda w: abs(w)**3")
        return Sum(scalar_operand(value), *letters) if letters else scalar_operand(value)

    return total


def _groups(axis: Any, name: str) -> Total:
    check_axis(axis, name)

    def total(tensor: Tensor, readers: Sequence[Definition]) -> Expr:
        _check_axes(tensor, name)
        places = group(axis, tensor, readers, f"{name} of {_spoken(tensor)}")
        letters = letters_for(tensor.axes, [tensor])
        along = [letters[place] for place in places]
        norm = sqrt(Sum(read(tensor, letters)**2, *along)) if along else Abs(read(tensor, letters))
        others = [i for i in letters if i not in along]
        return Sum(norm, *others) if others else norm

    return total


def _check_axes(tensor: Tensor, name: str) -> None:
    if not tensor.rank:
        raise DeclarationError(f"{name} runs along an axis, and {_spoken(tensor)} is one number")


def _next(index: Idx, taken: list[Idx]) -> Idx:
    """The letter after that of an index: k for j."""
    known = {str(i) for i in (*taken, index)}
    letter = next((c for c in "kjlmpq" if c not in known), None)
    found = None if letter is None else Idx(letter, index.upper + 1)
    return found or fresh(index, [*taken, index])


def _spoken(tensor: Tensor) -> str:
    return f"{tensor.name or tensor.hint} (declared at {tensor.where})"


def _square(w: Expr) -> Expr:
    return w**2
