"""What every registered transfer method owes."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import digits_store, domains_store, same_weights, trained, weights_of

from seedbed.tasks.catalogue.adaptation import Adaptation
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.task import Task
from seedbed.transfers.methods import METHODS, Context

_FEW = "(images_seen=64, learning_rates=[0.1], batch_size=16)"
QUICK = {"probe_augmented": "probe_augmented(c=[10.0])", "finetune": f"finetune{_FEW}", "scratch": f"scratch{_FEW}"}


def _task(name: str) -> Task:
    if METHODS.get(name).adapts:
        return Adaptation().load(domains_store(), 0)
    return Classification(train_per_class=5).load(digits_store(), 0)


@pytest.mark.parametrize("name", METHODS.names())
def test_the_same_seed_gives_the_same_measurement(name: str) -> None:
    method, task = METHODS.make(QUICK.get(name, name)), _task(name)
    before = weights_of(trained().backbone.module)
    first, again = (method.run(trained().backbone, task, Context(seed=3)) for _ in range(2))
    assert first.metrics == again.metrics
    assert first.facts == again.facts
    assert all(np.array_equal(first.predictions[k], again.predictions[k]) for k in first.predictions)
    assert same_weights(weights_of(trained().backbone.module), before)  # the backbone is lent, not given


@pytest.mark.parametrize("name", METHODS.names())
def test_a_measurement_is_whole(name: str) -> None:
    task = _task(name)
    measured = METHODS.make(QUICK.get(name, name)).run(trained().backbone, task, Context(seed=0))
    assert measured.primary in measured.metrics
    assert all(0 <= value <= 100 for value in measured.metrics.values())
    assert np.array_equal(measured.predictions["ids"], task.store.hashes[task.test])
    assert np.array_equal(measured.predictions["labels"], task.store.leaves[task.test] % 10)
    assert measured.model is not None  # it can be kept, and predicts
    assert measured.model.classes == task.classes
    assert measured.predictions["ranked"].shape == (len(task.test), 5)
    assert measured.metrics["top1"] == pytest.approx(
        100 * (measured.predictions["ranked"][:, 0] == measured.predictions["labels"]).mean()
    )


@pytest.mark.parametrize("name", METHODS.names())
def test_it_says_what_it_is(name: str) -> None:
    row = next(r for r in METHODS.describe() if r["name"] == name)
    assert row["summary"]
    assert isinstance(METHODS.get(name).revision, int)
    assert METHODS.make(name).num_images_trained() >= 0
