"""Contract of all registered transfer methods, on all kinds of tasks that they take."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from tiny import digits_store, domains_store, same_weights, scenes_store, trained, weights_of

from seedbed.base.errors import UsageError
from seedbed.metrics import METRICS
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import METHODS, Context, check_task

_FEW = "(images_seen=64, learning_rates=[0.1], batch_size=16)"
QUICK = {
    "detect": "detect(iterations=2, batch_size=2, learning_rates=[0.01], short_px=32, long_px=48)",
    "finetune": f"finetune{_FEW}",
    "probe_augmented": "probe_augmented(c=[10.0])",
    "retrieve": "retrieve(dim=8)",
    "scratch": f"scratch{_FEW}",
}
# zero_shot() needs a text tower and words for classes: its tests are in tests/transfers.
NAMES = [name for name in METHODS.names() if name != "zero_shot"]
PAIRS = [(name, task) for name in NAMES for task in METHODS.get(name).takes]


def _task(name: str) -> Any:
    match name:
        case "adaptation":
            return TASKS.make(name).load(domains_store(), 0)
        case "detection":
            return TASKS.make(name).load(scenes_store(), 0)
        case "multilabel":
            return TASKS.make(name).load(scenes_store("classification"), 0)
        case "retrieval":
            return TASKS.make(name).load(digits_store(), 0)
    return TASKS.make("classification(train_per_class=5)").load(digits_store(), 0)


def _measure(name: str, kind: str) -> Measurement:
    method = METHODS.make(QUICK.get(name, name))
    return method.run(trained().backbone, _task(kind), Context(seed=3))


_first_measurement = functools.cache(_measure)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_the_same_seed_gives_the_same_measurement(name: str, kind: str) -> None:
    before = weights_of(trained().backbone.module)
    first, again = _first_measurement(name, kind), _measure(name, kind)
    assert first.metrics == again.metrics
    assert first.facts == again.facts
    assert all(
        np.array_equal(first.predictions[k], again.predictions[k]) for k in first.predictions
    )
    # The backbone does not change.
    assert same_weights(weights_of(trained().backbone.module), before)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_measurement_is_complete(name: str, kind: str) -> None:
    task, measured = _task(kind), _first_measurement(name, kind)
    assert measured.primary == next(iter(measured.metrics)) == task.primary
    for name, value in measured.metrics.items():
        metric = METRICS.get(name)
        assert 0 <= value <= metric.highest
        assert metric.value(measured.predictions) == pytest.approx(value, abs=1e-4)
    assert np.array_equal(measured.predictions["ids"], task.store.hashes[task.test])
    assert measured.num_test == task.num_test
    assert measured.task == task.fingerprint
    if kind != "retrieval":  # where nothing is learnt there is nothing to keep
        assert measured.model.classes == task.classes  # it can be kept, and predicts
    if kind in ("classification", "adaptation"):
        assert np.array_equal(measured.predictions["labels"], task.store.leaves[task.test] % 10)
        assert measured.predictions["ranked"].shape == (len(task.test), 5)
        assert measured.metrics["top1"] == pytest.approx(
            100 * (measured.predictions["ranked"][:, 0] == measured.predictions["labels"]).mean()
        )


@pytest.mark.parametrize("name", METHODS.names())
def test_the_error_for_another_kind_of_task_lists_suitable_methods(name: str) -> None:
    method = METHODS.make(name)
    for task in set(TASKS.names()) - set(method.takes):
        with pytest.raises(UsageError) as caught:
            check_task(method, f"{name}()", task)
        able = [other for other in METHODS.names() if task in METHODS.get(other).takes]
        assert "labelled=" in caught.value.hint or all(
            f"{other}()" in caught.value.hint for other in able
        )


@pytest.mark.parametrize("name", METHODS.names())
def test_it_has_a_summary_a_revision_and_costs(name: str) -> None:
    row = next(r for r in METHODS.describe() if r["name"] == name)
    assert row["summary"]
    assert isinstance(METHODS.get(name).revision, int)
    assert METHODS.make(name).num_images_trained() >= 0
    assert METHODS.make(name).effort(32) > 0
