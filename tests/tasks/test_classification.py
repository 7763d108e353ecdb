"""Classification tasks: fixed splits, few labels, and test labels that nobody reads before
scoring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import digits_store, trained

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.spec import build
from seedbed.data.source import TEST
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.methods import METHODS, Context

_QUICK = "images_seen=64, learning_rates=[0.1, 0.2], batch_size=16"
METHOD_CALLS = (
    "probe()",
    "probe(layer=['stage3', 'pool'], readout='knn')",
    "probe_augmented(c=[1.0, 10.0])",
    f"finetune({_QUICK})",
    f"finetune({_QUICK}, stages=1, l2_sp=0.01)",
    f"scratch({_QUICK})",
)


def _known(task: ClassificationTask) -> set[int]:
    return {*task.train.tolist(), *task.validation.tolist()}


def test_splits_are_disjoint_and_fixed() -> None:
    task, again = (TASKS.make("classification()").load(digits_store(), seed) for seed in (0, 1))
    parts = [set(rows.tolist()) for rows in (task.train, task.validation, task.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1797
    assert parts[2] == set(np.flatnonzero(digits_store().splits == TEST).tolist())
    assert task.fingerprint == again.fingerprint
    assert np.array_equal(task.train, again.train)


def test_validation_is_a_fifth_of_each_class() -> None:
    task, leaves = Classification().load(digits_store(), 0), digits_store().leaves
    for c in range(10):
        kept, aside = (
            int((leaves[task.train] == c).sum()),
            int((leaves[task.validation] == c).sum()),
        )
        assert aside == int(np.floor((kept + aside) * 0.2 + 0.5))


def test_a_validation_split_that_is_there_is_used(make_store) -> None:
    store = make_store(["a", "b"] * 9, ["train"] * 10 + ["val"] * 4 + ["test"] * 4)
    task = Classification().load(store, 0)
    assert [part.tolist() for part in (task.train, task.validation, task.test)] == [
        list(range(10)),
        [10, 11, 12, 13],
        [14, 15, 16, 17],
    ]


def test_few_labels_are_drawn_anew_with_each_seed_and_nested_in_their_number() -> None:
    leaves = digits_store().leaves
    few, more, other = (
        Classification(train_per_class=n).load(digits_store(), seed)
        for n, seed in ((4, 0), (9, 0), (4, 1))
    )
    assert _known(few) < _known(more)
    assert _known(few) != _known(other)
    assert few.fingerprint != other.fingerprint
    assert np.array_equal(few.test, other.test)
    for task, n in ((few, 4), (more, 9)):
        assert np.bincount(leaves[sorted(_known(task))]).tolist() == [n] * 10
        assert len(task.validation) == 10 * max(1, int(np.floor(n * 0.2 + 0.5)))


def test_few_labels_are_drawn_from_training_and_validation_images(make_store) -> None:
    store = make_store(["a", "b"] * 9, ["train"] * 4 + ["val"] * 10 + ["test"] * 4)
    assert len(_known(Classification(train_per_class=7).load(store, 0))) == 14


def test_wrong_numbers_of_labels_are_refused() -> None:
    with pytest.raises(UsageError, match="train_per_class = 1"):
        build(Classification, {"train_per_class": 1}, "here")
    with pytest.raises(
        UsageError, match="train_per_class=500: class '.' of .* has 1[34]. training images"
    ) as caught:
        Classification(train_per_class=500).load(digits_store(), 0)
    assert "Give at most" in caught.value.hint


def test_a_class_without_training_images_is_named(make_store) -> None:
    with pytest.raises(BadDataError, match="class 'b' of .* has no training image"):
        Classification().load(
            make_store(["a", "a", "a", "b", "a"], ["train", "train", "train", "test", "test"]), 0
        )


def test_no_test_images_is_an_error(make_store) -> None:
    with pytest.raises(BadDataError, match="has no test images"):
        Classification().load(make_store(["a", "b"] * 4, ["train"] * 8), 0)


def test_overlapping_splits_are_a_fault(make_store) -> None:
    store = make_store(["a", "b"] * 4, ["train"] * 6 + ["test"] * 2)
    with pytest.raises(AssertionError, match="overlap"):
        ClassificationTask(
            store=store, train=np.array([0, 1, 6]), validation=np.array([2]), test=np.array([6, 7])
        )


def test_test_labels_are_refused() -> None:
    task = Classification().load(digits_store(), 0)
    assert np.array_equal(task.labels(task.train), digits_store().leaves[task.train])
    with pytest.raises(AssertionError, match="scoring alone"):
        task.labels(np.array([task.train[0], task.test[0]]))


class _Guarded(np.ndarray):
    """Labels that tell when those of forbidden rows are read."""

    forbidden: np.ndarray

    def __array_finalize__(self, parent) -> None:
        self.forbidden = getattr(parent, "forbidden", np.zeros(0, np.int64))

    def __getitem__(self, index):
        touched = np.arange(len(self))[index]
        if np.isin(touched, self.forbidden).any():
            raise PermissionError("a test label was read")
        return np.asarray(self)[index]


def _guarded_store(forbidden: np.ndarray) -> Store:
    store = Store(digits_store().path)
    leaves = store.leaves.view(_Guarded)
    leaves.forbidden = forbidden
    store.__dict__["leaves"] = leaves
    return store


@pytest.mark.parametrize("call", METHOD_CALLS)
def test_test_labels_are_never_touched_before_scoring(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Classification(train_per_class=5).load(digits_store(), 0)
    store = _guarded_store(whole.test)
    task = replace(whole, store=store)
    with pytest.raises(PermissionError):
        _ = store.leaves[whole.test[:1]]
    real = ClassificationTask.score

    def score(self: ClassificationTask, *given):
        self.store.__dict__["leaves"] = digits_store().leaves
        return real(self, *given)

    monkeypatch.setattr(ClassificationTask, "score", score)
    measured = METHODS.make(call).run(trained().backbone, task, Context(seed=0))
    assert len(measured.predictions["labels"]) == len(whole.test)


@pytest.mark.parametrize("call", METHOD_CALLS)
def test_other_test_labels_give_the_same_predictions(call: str) -> None:
    task = Classification(train_per_class=5).load(digits_store(), 0)
    store = Store(digits_store().path)
    leaves = store.leaves.copy()
    leaves[task.test] = (leaves[task.test] + 3) % 10
    store.__dict__["leaves"] = leaves
    other = replace(task, store=store)
    a, b = (METHODS.make(call).run(trained().backbone, t, Context(seed=0)) for t in (task, other))
    assert np.array_equal(a.predictions["ranked"], b.predictions["ranked"])
    assert a.facts == b.facts
    assert a.metrics != b.metrics


@pytest.mark.parametrize("call", METHOD_CALLS)
def test_a_target_with_one_training_image_per_class_is_measured_or_refused(
    call: str, make_tree, tmp_path
) -> None:
    """Two images per class: one to learn from, one to be tested on, none to validate. No NaN may
    come of it."""
    from seedbed.data.pack import pack

    store = pack(str(make_tree({"a": 2, "b": 2, "c": 2})), tmp_path / "s.store", size_px=8).store
    try:
        task = Classification().load(store, 0)
    except BadDataError as error:
        assert "validat" in str(error)
        return
    measured = METHODS.make(call).run(trained().backbone, task, Context(seed=0))
    assert all(np.isfinite(v) for v in measured.facts["validation_top1"].values())
