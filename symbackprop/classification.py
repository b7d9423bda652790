"""Losses of classes: cross-entropies from probabilities or logits, and hinge losses.

    cross_entropy = −1/N Σ_n Σ_k c[k]·y[n,k]·log p[n,k]       c: class weights, 1 where none

From logits z it is written with p = softmax(z) or sigmoid(z); rules then find the stable form.
Targets say by their facts what they are: one-hot rows, integer labels, or numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sympy import Eq, Expr, Integer, KroneckerDelta, Piecewise, Sum, log

from symbackprop.arrays import Array, made, read
from symbackprop.broadcasting import finite_number, free_letter, letters_for, scalar_operand, shown
from symbackprop.elementwise import sigmoid, softmax
from symbackprop.errors import DeclarationError
from symbackprop.functions import relu
from symbackprop.means import (
    averaged,
    in_range,
    mean_of,
    mean_over,
    one_sample,
    placed,
    scalar_of,
    with_last,
)
from symbackprop.notation import Tensor, extent

__all__ = ["binary_cross_entropy", "classes_axis", "cross_entropy", "hinge", "squared_hinge"]

MOST_CLASSES = 64  # whose weights are written into the formula


def binary_cross_entropy(prediction: Any, target: Any, logits: bool = False, smoothing: Any = 0,
                         class_weights: Any = None, sample_weights: Any = None) -> Expr:
    """−1/N Σ (c₁·y·log p + c₀·(1 − y)·log(1 − p)), p from 0 to 1, targets y from 0 to 1.

    logits: the prediction is z, and p = sigmoid(z); smoothing ε: y becomes (1 − ε)·y + ε/2;
    class_weights: the pair c₀, c₁; sample_weights: a tensor with one number for each sample.
    The sum is divided by N, not by the sum of the weights, as in Keras and with the pos_weight of
    torch's BCEWithLogitsLoss, which is c₁ beside c₀ = 1.
    """
    p = sigmoid(prediction) if logits else prediction
    epsilon = _smoothing("binary_cross_entropy", smoothing)
    zero, one = (_class_weight("binary_cross_entropy", class_weights, Integer(2), Integer(k))
                 for k in (0, 1))

    def each(p: Expr, y: Expr) -> Expr:
        smooth = (1 - epsilon) * y + epsilon / 2
        return -(one * smooth * log(p) + zero * (1 - smooth) * log(1 - p))

    return mean_of("binary_cross_entropy", p, target, each, sample_weights)


def cross_entropy(prediction: Any, target: Any, logits: bool = False, smoothing: Any = 0,
                  class_weights: Any = None, sample_weights: Any = None) -> Expr:
    """−1/N Σ_n Σ_k y log p for one-hot rows y, or −1/N Σ_n log p[n, y[n]] for integer labels y.

    prediction: probabilities, or, with logits=True, what softmax makes probabilities of; target:
    the same shape, or the shape without the classes and the fact sb.label(number of classes).
    The classes lie along the axis that the target was declared one-hot in, or that its labels
    lack, by default the last one.  A vector that was declared one-hot is one sample.
    smoothing ε: y becomes (1 − ε)·y + ε/K (Szegedy et al. 2016); class_weights: numbers, a dict
    class -> number, or a tensor of shape (K,), by which the terms of a class are multiplied;
    sample_weights: a tensor with one number for each sample.  The sum is divided by N, not by the
    sum of the weights: so does Keras, while torch's CrossEntropyLoss(weight=c) and scikit-learn
    divide by Σ_n c[y[n]], which differs from batch to batch; theirs is this loss times
    N/Σ_n c[y[n]].
    Raises DeclarationError where shapes do not fit.

    >>> import symbackprop as sb
    >>> N = sb.size("N")
    >>> p, y = sb.data("p", N, 10), sb.data("y", N, facts=[sb.label(10)])
    >>> print(sb.program(sb.losses.cross_entropy(p, y)))
    L = −(Σ_n log(p[n,y[n]]))/N
    """
    name = "cross_entropy"
    epsilon = _smoothing(name, smoothing)
    _check_classes(name, prediction, target)
    axis = _axis(prediction, target)
    if logits:
        prediction = softmax(prediction, axis)
    if _has_labels(name, prediction, target):
        return _label_cross_entropy(prediction, target, epsilon, class_weights, sample_weights)
    if (class_weights is None and epsilon == 0) or not isinstance(prediction, Array):
        return mean_of(name, prediction, target, lambda p, y: -y * log(p), sample_weights,
                       one=one_sample(target), last=axis)
    classes = prediction.axes[axis]
    k = letters_for(prediction.axes, [a for a in (prediction, target)
                                      if isinstance(a, Array)])[axis]
    weight = _class_weight(name, class_weights, classes, k)
    return mean_of(name, prediction, target,
                   lambda p, y: -weight * ((1 - epsilon) * y + epsilon / classes) * log(p),
                   sample_weights, one=one_sample(target), last=axis)


def hinge(score: Any, target: Any, margin: Any = 1, sample_weights: Any = None) -> Expr:
    """1/N Σ max(0, 1 − y·s) for two classes, 1/N Σ_n Σ_{k≠y} max(0, 1 + s[n,k] − s[n,y]) for more.

    Two classes: the target has the shape of the scores and holds −1 and 1, or 0 and 1 if it
    was declared with the fact sb.label(2).  More: one-hot rows, or integer labels with
    the fact sb.label(K) (Weston & Watkins 1999).  margin: what stands for 1, at least 0.

    >>> import symbackprop as sb
    >>> s, y = sb.data("s", sb.size("N")), sb.data("y", sb.size("N"))
    >>> print(sb.program(sb.losses.hinge(s, y)))
    L = (Σ_n relu(1 − s[n]·y[n]))/N
    """
    return _hinge("hinge", score, target, margin, sample_weights, 1)


def squared_hinge(score: Any, target: Any, margin: Any = 1, sample_weights: Any = None) -> Expr:
    """The hinge loss with each max(0, …) squared."""
    return _hinge("squared_hinge", score, target, margin, sample_weights, 2)


def _hinge(name: str, score: Any, target: Any, margin: Any, sample_weights: Any,
           power: int) -> Expr:
    gap = in_range(f"{name}: the margin", margin, "not_negative")
    if _has_labels(name, score, target):
        letters, axis = letters_for(score.axes, [score, target]), _axis(score, target)
        label = read(target, placed(letters, axis))
        own = read(score, placed(letters, axis, label))
        others = 1 - KroneckerDelta(letters[axis], label)
        missed = others * relu(gap + read(score, letters) - own)**power
        return averaged(name, with_last(letters, axis), missed, sample_weights)
    if isinstance(score, Array) and _is_one_hot(target):
        letters, axis = letters_for(score.axes, [score, target]), _axis(score, target)
        other = free_letter(extent(letters[axis]), [], letters)
        chosen = placed(letters, axis, other)
        own = Sum(read(target, chosen) * read(score, chosen), other)
        return mean_of(name, score, target, lambda s, y: (1 - y) * relu(gap + s - own)**power,
                       sample_weights, one=one_sample(target), last=axis)
    two = isinstance(target, Array) and target.has_fact("label")
    return mean_of(name, score, target,
                   lambda s, y: relu(gap - (2 * y - 1 if two else y) * s)**power, sample_weights)


def _is_one_hot(target: Any) -> bool:
    return isinstance(target, Array) and target.has_fact("one_hot")


def classes_axis(target: Tensor, axes: Sequence[Expr]) -> int | None:
    """Where the classes lie in an output of these axes, from the end; None if nowhere.

    That is the axis that a target was declared one-hot (or a simplex) in; or the axis that labels
    lack and that is as long as they have classes, the last one where several are.
    """
    for fact in target.facts:
        if fact.kind in ("one_hot", "simplex"):
            return fact.axes[0] - target.rank
        if fact.kind == "label":
            return next((place for place in range(-1, -1 - len(axes), -1)
                         if placed(axes, place) == target.axes and axes[place] == fact.extent),
                        None)
    return None


def _axis(prediction: Any, target: Any) -> int:
    known = isinstance(prediction, Array) and isinstance(target, Array) and (
        target.has_fact("label") or target.axes == prediction.axes)
    found = classes_axis(target, prediction.axes) if known else None
    return -1 if found is None else found


def _has_labels(name: str, prediction: Any, target: Any) -> bool:
    """Whether the target has integer labels, and the shape of the prediction without classes."""
    if not isinstance(prediction, Array) or not isinstance(target, Array) \
            or not target.has_fact("label"):
        return False
    if classes_axis(target, prediction.axes) is None and target.axes == prediction.axes[:-1]:
        classes = next(fact.extent for fact in target.facts if fact.kind == "label")
        raise DeclarationError(f"{name}: the labels {shown(target)} name {classes} classes, but "
                               f"the last axis of {shown(prediction)} has {prediction.axes[-1]}")
    return classes_axis(target, prediction.axes) is not None


def _check_classes(name: str, prediction: Any, target: Any) -> None:
    """Refuses labels of another shape, and targets that miss the axis of the classes."""
    if not isinstance(prediction, Array) or not isinstance(target, Array):
        return
    if target.axes == prediction.axes[:-1] and not target.has_fact("label"):
        raise DeclarationError(
            f"{name}: {shown(target)} has no axis for the classes of {shown(prediction)}; "
            f"declare integer labels with facts=[sb.label({prediction.axes[-1]})]"
        )
    if (target.axes != prediction.axes[:-1] and target.has_fact("label")
            and classes_axis(target, prediction.axes) is None):
        raise DeclarationError(
            f"{name}: the labels {shown(target)} need the shape of {shown(prediction)}"
            f" without its last axis, {prediction.axes[:-1]}"
        )


def _label_cross_entropy(prediction: Array, target: Array, epsilon: Expr, class_weights: Any,
                         sample_weights: Any) -> Expr:
    """−1/N Σ_n (1 − ε)·c[y]·log p[n,y] − ε/K/N Σ_n Σ_k c[k]·log p[n,k]."""
    name, axis = "cross_entropy", _axis(prediction, target)
    letters, classes = letters_for(prediction.axes, [prediction, target]), prediction.axes[axis]
    rows, k = placed(letters, axis), letters[axis]
    label = read(target, rows)

    def term(place: Expr) -> Expr:
        weight = _class_weight(name, class_weights, classes, place)
        return -weight * log(read(prediction, placed(letters, axis, place)))

    loss = mean_over(name, rows, (1 - epsilon) * term(label), sample_weights)
    if epsilon != 0:  # a sum of its own: SymPy takes the cases of c[k] out of a sum within a sum
        loss += mean_over(name, (*rows, k), epsilon / classes * term(k), sample_weights)
    return made((), loss)


def _smoothing(name: str, given: Any) -> Expr:
    epsilon = scalar_of(f"{name}: the smoothing", given)
    if epsilon.is_number and not (epsilon.is_nonnegative and (1 - epsilon).is_positive):
        raise DeclarationError(f"{name}: the smoothing is a number from 0 to below 1, not "
                               f"{given!r}")
    return epsilon


def _class_weight(name: str, given: Any, classes: Expr, place: Expr) -> Expr:
    """The weight of the class at a place: an index, a label or a number."""
    if given is None:
        return Integer(1)
    if isinstance(given, Array) and given.axes == (classes,):
        return read(given, (place,))
    wanted = f"{name}: class_weights are one number of at least 0 for each of the {classes} " \
             "classes"
    if isinstance(given, Array):
        raise DeclarationError(f"{wanted}, or a tensor of shape ({classes},), not {shown(given)}")
    several = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    if isinstance(given, Mapping):
        several = [given.get(k) for k in range(len(given))]
    numbers = [finite_number(one) for one in several]
    if Integer(len(numbers)) != classes or any(one is None or one < 0 for one in numbers):
        raise DeclarationError(f"{wanted}, not {given!r}")
    if len(numbers) > MOST_CLASSES:
        raise DeclarationError(f"{name}: {len(numbers)} class_weights are too many to be written "
                               f"into a formula; declare c = sb.data('c', {classes})")
    exact = [scalar_operand(one) for one in several]
    if place.is_Integer:
        return exact[int(place)]
    return Piecewise(*((one, Eq(place, k)) for k, one in enumerate(exact[:-1])), (exact[-1], True))
