"""Folds: stratified, near duplicates together, every class learnt from in every fold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tiny import digits_store

from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.folds import FEW_IMAGES, NUM_FOLDS, assign_folds, is_small, small_task_folds


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 30)), min_size=1, max_size=120))
def test_groups_stay_together_and_every_class_can_be_learnt(rows: list[tuple[int, int]]) -> None:
    labels, groups = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], np.uint64)
    fold = assign_folds(labels, groups, 5)
    assert fold.min() >= -1
    assert fold.max() < NUM_FOLDS
    for group in np.unique(groups):
        assert len(set(fold[(groups == group) & (fold >= 0)].tolist())) <= 1
    for label in np.unique(labels):
        for k in range(NUM_FOLDS):
            assert (fold[labels == label] != k).any()  # something of the class is learnt from


def test_folds_are_stratified_and_a_function_of_contents() -> None:
    generator = np.random.default_rng(0)
    labels, groups = (
        np.repeat([0, 1, 2], [50, 23, 7]),
        generator.integers(2**63, size=80, dtype=np.uint64),
    )
    fold = assign_folds(labels, groups, 3)
    for label, size in ((0, 50), (1, 23), (2, 7)):
        counts = np.bincount(fold[labels == label], minlength=NUM_FOLDS)
        assert counts.sum() == size
        assert counts.max() - counts.min() <= 1
    # remainders of the classes are dealt where there is least
    assert np.ptp(np.bincount(fold)) <= 1
    order = generator.permutation(80)
    assert np.array_equal(assign_folds(labels[order], groups[order], 3), fold[order])


def test_few_labels_are_cross_validated_and_many_are_not() -> None:
    assert is_small(np.zeros(FEW_IMAGES - 1, int), 1)
    assert not is_small(np.zeros(FEW_IMAGES, int), 1)
    assert is_small(np.repeat([0, 1], [FEW_IMAGES, 5]), 2)
    few, many = (
        Classification(train_per_class=5).load(digits_store(), 0),
        Classification().load(digits_store(), 0),
    )
    assert len(few.folds()) == NUM_FOLDS
    assert len(many.folds()) == 1
    known = few.known
    held = np.concatenate([held for _, held in few.folds()])
    assert sorted(held.tolist()) == list(range(len(known)))  # each image is held out once
    for learnt, out in few.folds():
        assert not set(learnt.tolist()) & set(out.tolist())
        assert np.bincount(few.labels(known[out]), minlength=10).tolist() == [1] * 10


def test_one_group_of_a_class_is_always_learnt_from() -> None:
    fold = assign_folds(np.array([0, 0, 0, 1, 1]), np.array([7, 7, 7, 1, 2], np.uint64), 2)
    assert fold[:3].tolist() == [-1, -1, -1]
    assert small_task_folds(np.array([0, 1]), np.array([1, 2], np.uint64), 2) is None


def test_a_validation_split_that_is_there_is_used(make_store) -> None:
    store = make_store(["a", "b"] * 9, ["train"] * 10 + ["val"] * 4 + ["test"] * 4)
    assert len(Classification().load(store, 0).folds()) == 1
