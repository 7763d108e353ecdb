"""Adaptation tasks: labels of one domain, test images of another, whose own labels nobody reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import digits_store, domains_store, trained

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.source import TEST, TRAIN
from seedbed.data.store import Store
from seedbed.engine.data_spec import read_target
from seedbed.tasks.catalogue.adaptation import Adaptation
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.classification import ClassificationTask
from seedbed.transfers.methods import METHODS, Context

_QUICK = "images_seen=64, learning_rates=[0.1], batch_size=16"
CALLS = (
    "adapt(kind='coral')",
    f"adapt(kind='deep_coral', {_QUICK})",
    f"adapt(kind='dann', {_QUICK})",
    f"adapt(kind='source_only', {_QUICK})",
    "probe(c=[10.0])",
)


def _is_target(store: Store) -> np.ndarray:
    return np.array([c.startswith("target/") for c in store.classes])[store.leaves]


def test_each_part_is_of_its_domain() -> None:
    store = domains_store()
    task, target = Adaptation().load(store, 0), _is_target(store)
    assert task.classes == tuple("0123456789")
    assert not target[task.known].any()
    assert task.unlabelled is not None
    assert target[task.test].all()
    assert target[task.unlabelled].all()
    assert set(store.splits[task.test].tolist()) == {TEST}
    assert set(store.splits[task.unlabelled].tolist()) == {TRAIN}
    assert np.bincount(task.labels(task.train)).min() > 50
    with pytest.raises(AssertionError, match="unlabelled"):
        task.labels(task.unlabelled[:1])


@pytest.mark.parametrize("call", CALLS)
def test_no_label_of_the_target_changes_what_is_learnt(call: str) -> None:
    task = Adaptation().load(domains_store(), 0)
    store = Store(domains_store().path)
    leaves = store.leaves.copy()
    target = _is_target(store)
    place = np.array([store.classes.index(c) for c in store.classes])
    of_target = np.flatnonzero([c.startswith("target/") for c in store.classes])
    leaves[target] = of_target[
        (np.searchsorted(of_target, place[leaves[target]]) + 3) % len(of_target)
    ]
    store.__dict__["leaves"] = leaves
    other = replace(task, store=store)
    a, b = (METHODS.make(call).run(trained().backbone, t, Context(seed=0)) for t in (task, other))
    assert np.array_equal(a.predictions["ranked"], b.predictions["ranked"])
    assert a.facts == b.facts
    assert a.metrics != b.metrics


@pytest.mark.parametrize("call", CALLS)
def test_other_unlabelled_images_change_what_adapts(call: str) -> None:
    task = Adaptation().load(domains_store(), 0)
    assert task.unlabelled is not None
    fewer: ClassificationTask = replace(task, unlabelled=task.unlabelled[:100])
    a, b = (METHODS.make(call).run(trained().backbone, t, Context(seed=0)) for t in (task, fewer))
    scores = [m.model.scores(trained().backbone.images(task.store, task.test)) for m in (a, b)]  # pyright: ignore
    looks = "source_only" not in call and "probe" not in call
    assert bool((scores[0] != scores[1]).any()) == looks


def test_a_target_says_where_its_labels_come_from() -> None:
    from pathlib import Path

    data = read_target(
        "folder('night/', labelled='day/', metric='mean_class_accuracy')", "night", Path()
    )
    assert str(data.single_label_task()) == "adaptation(metric='mean_class_accuracy')"
    assert data.data == {"labelled": "day/", "target": "folder('night/')"}
    with pytest.raises(UsageError, match="cannot be combined with train_per_class"):
        read_target("folder('night/', labelled='day/', train_per_class=5)", "night", Path())


def test_other_classes_and_lone_stores_are_told(make_store) -> None:
    with pytest.raises(BadDataError, match="does not hold two domains"):
        Adaptation().load(digits_store(), 0)
    store = make_store(["labelled/a"] * 6 + ["target/b"] * 6, ["train", "train", "test"] * 4)
    with pytest.raises(
        BadDataError, match="class 'b' of the target is not a class of the labelled images"
    ):
        Adaptation().load(store, 0)
    with pytest.raises(UsageError, match="needs labels of one domain"):
        METHODS.make("adapt()").run(
            trained().backbone, Classification(train_per_class=5).load(digits_store(), 0), Context()
        )
