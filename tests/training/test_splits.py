"""split deals every row out once, with its share of each label; Folds are scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold, StratifiedKFold

import symbackprop as sb
from symbackprop.errors import InputError, TrainingError
from symbackprop.training.splits import Folds, rows_of, split

Y = np.random.default_rng(0).integers(0, 3, 200)


@given(rows=st.integers(5, 200), seed=st.integers(0, 99), kinds=st.integers(1, 6),
       shares=st.lists(st.floats(0.15, 1), min_size=1, max_size=4), whole=st.booleans())
def test_parts_are_disjoint_of_the_asked_sizes_and_fair_to_each_label(
        rows: int, seed: int, kinds: int, shares: list[float], whole: bool) -> None:
    y = np.random.default_rng(seed).integers(0, kinds, rows)
    sizes: list[Any] = [share / sum(shares) * (1.0 if seed % 2 else 0.8) for share in shares]
    if min(sizes) * rows < 1:
        return
    if whole:
        sizes = [int(size * rows) for size in sizes]
    parts = split(np.arange(rows), y, sizes=sizes, stratify=y, seed=seed)
    dealt = np.concatenate([numbers for numbers, _ in parts])
    assert len(set(dealt)) == len(dealt)
    if whole:
        assert [len(numbers) for numbers, _ in parts] == sizes
    elif sum(sizes) > 0.99:
        assert len(dealt) == rows
    for (numbers, labels), size in zip(parts, sizes, strict=True):
        assert abs(len(numbers) - (size if whole else size * rows)) <= 1
        np.testing.assert_array_equal(labels, y[numbers])
        for kind, total in enumerate(np.bincount(y)):
            assert abs((labels == kind).sum() - len(numbers) * total / rows) <= 1


def test_any_number_of_arrays_keep_their_rows_together_and_their_dtype() -> None:
    X, names = np.arange(20).reshape(10, 2), np.array(list("abcdefghij"))
    (A, a, same), (B, b, other) = sb.split(X, names, X.tolist(), sizes=(7, 3), seed=3)
    assert [len(part) for part in (A, a, same, B, b, other)] == [7, 7, 7, 3, 3, 3]
    for part, letters in ((A, a), (B, b)):
        assert ["abcdefghij"[row // 2] for row in part[:, 0]] == letters.tolist()
    np.testing.assert_array_equal(A, same)
    np.testing.assert_array_equal(sb.split(X, sizes=(7, 3), seed=3)[0][0], A)
    assert not np.array_equal(sb.split(X, sizes=(7, 3), seed=4)[0][0], A)


def test_one_hot_rows_and_names_are_strata_too() -> None:
    for labels in (np.eye(3)[Y], np.array(["a", "b", "c"])[Y]):
        train, test = split(Y, sizes=(0.75, 0.25), stratify=labels, seed=1)
        assert np.abs(np.bincount(train[0]) - 0.75 * np.bincount(Y)).max() <= 1
        assert len(test[0]) == 50


@pytest.mark.parametrize(("arrays", "options", "error", "words"), [
    ((), {}, InputError, ["give the arrays to split"]),
    ((Y, Y[:5]), {}, InputError, ["equal numbers of rows", "200, 5"]),
    ((3.0,), {}, InputError, ["array 1 has no rows"]),
    (([[1, 2], [3]],), {}, InputError, ["array 1 is no array"]),
    ((Y[:0],), {}, InputError, ["has no rows"]),
    ((Y,), {"sizes": 0.5}, TrainingError, ["shares such as", "found 0.5"]),
    ((Y,), {"sizes": "abc"}, TrainingError, ["shares such as"]),
    ((Y,), {"sizes": ()}, TrainingError, ["shares such as"]),
    ((Y,), {"sizes": (0.5, -0.1)}, TrainingError, ["shares such as"]),
    ((Y,), {"sizes": (True, 3)}, TrainingError, ["shares such as"]),
    ((Y,), {"sizes": (0.5, np.nan)}, TrainingError, ["shares such as"]),
    ((Y,), {"sizes": (0.9, 0.2)}, TrainingError, ["sum to more than 1"]),
    ((Y,), {"sizes": (100, 0.2)}, TrainingError, ["whole numbers, all of them"]),
    ((Y,), {"sizes": (150, 51)}, TrainingError, ["ask for 201 rows; there are 200"]),
    ((Y[:3],), {"sizes": (0.9, 0.1)}, TrainingError, ["would be empty"]),
    ((Y,), {"stratify": Y[:7]}, InputError, ["a label for each of 200 rows", "(7,)"]),
    ((Y[:2],), {"sizes": (1, 1), "stratify": [None, 1]}, InputError, ["can be put in order"]),
    ((Y,), {"seed": "x"}, TrainingError, ["seed must be"]),
])
def test_what_cannot_be_split_is_refused(arrays: Any, options: Any, error: Any,
                                         words: list[str]) -> None:
    with pytest.raises(error) as caught:
        split(*arrays, **options)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("count", [2, 3, 10])
def test_folds_without_a_seed_are_those_of_scikit_learn(count: int) -> None:
    for ours, theirs in ((Folds(count), KFold(count)),
                         (Folds(count, stratified=True), StratifiedKFold(count))):
        for found, expected in zip(ours.split(Y, Y), theirs.split(Y, Y), strict=True):
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("stratified", [False, True])
def test_shuffled_folds_hold_each_row_out_once(stratified: bool) -> None:
    pairs = list(Folds(7, seed=5, stratified=stratified).split(Y, Y))
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in pairs])),
                                  np.arange(200))
    assert {len(test) for _, test in pairs} <= {28, 29} or stratified
    if stratified:
        held = np.array([np.bincount(Y[test], minlength=3) for _, test in pairs])
        assert (np.ptp(held, axis=0) <= 1).all()
    assert not np.array_equal(pairs[0][1], next(iter(Folds(7, 6, stratified).split(Y, Y)))[1])


@pytest.mark.parametrize(("folds", "words"), [
    (7, ["folds must be a whole number, an object with split"]),
    ("kfold", ["pairs (training rows, held-out rows)"]),
    ([(1, 2)], ["rows are numbers from 0 to 199"]),
    ([([0, 1], [200])], ["rows are numbers from 0 to 199"]),
    ([([0, 1], [])], ["at least one"]),
    ([([0.5], [1])], ["rows are numbers"]),
    ([([0, 1], [2])], ["at least two"]),
])
def test_folds_that_are_none_are_refused(folds: Any, words: list[str]) -> None:
    with pytest.raises(TrainingError) as caught:
        rows_of(folds, Y, Y, 200)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Folds(1), "at least 2; found 1"), (lambda: Folds(2.0), "found 2.0"),  # type: ignore
    (lambda: list(Folds(5).split(Y[:4])), "5 folds need as many rows; found 4"),
    (lambda: list(Folds(5, stratified=True).split(Y)), "need a label for each row"),
    (lambda: list(Folds(3, stratified=True).split(Y[:4], [0, 0, 1, 1])), "none has more than 2"),
])
def test_folds_that_cannot_be_are_refused(make: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make()
