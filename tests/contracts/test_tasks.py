"""The same checks over every registered task. A new one brings an example below."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import digits_store, domains_store, dusk_store, holidays_tree, scenes_store, scratch

from seedbed.data.pack import pack
from seedbed.data.store import Store
from seedbed.metrics import METRICS
from seedbed.tasks.catalogue import TASKS, TaskSpec
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.detection import Detections, DetectionTask
from seedbed.tasks.domains import LABELLED, TARGET
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.tasks.task import Measurement, Task
from seedbed.testing import check_task


def _holidays_store() -> Store:
    path = scratch() / "holidays.store"
    if path.exists():
        return Store.open(path)
    root = holidays_tree(scratch() / "holidays")
    return pack(f"holidays({str(root)!r})", path, size_px=16).store


# Calls of tasks, and the store of each.
EXAMPLES: dict[str, Callable[[], Store]] = {
    "adaptation()": domains_store,
    "adaptation(metric='mean_class_accuracy')": domains_store,
    "classification()": digits_store,
    "classification(train_per_class=5)": digits_store,
    "classification(recipe='classes(num=4)', metric='mean_class_accuracy')": digits_store,
    "detection()": scenes_store,
    "detection(metric='map_voc10')": dusk_store,
    "multilabel()": lambda: scenes_store("classification"),
    "multilabel(metric='map_voc10')": lambda: scenes_store("classification"),
    "retrieval()": digits_store,
    "retrieval(metric='recall_at_1')": digits_store,
    "retrieval(metric='map_holidays')": _holidays_store,
}
# Labels of one domain, test images of another.
OF_TWO_DOMAINS = [
    "adaptation()",
    "adaptation(metric='mean_class_accuracy')",
    "detection(metric='map_voc10')",
]
calls = pytest.mark.parametrize("call", list(EXAMPLES))


def _load(call: str, seed: int = 0, **options: bool) -> Task:
    return TASKS.make(call).load(EXAMPLES[call](), seed, **options)


def _score(task: Task, seed: int = 0) -> Measurement:
    """The measurement of random predictions, in the form that each kind of task takes."""
    rng = np.random.default_rng(seed)
    if isinstance(task, ClassScoresTask):
        return task.score(rng.normal(size=(task.num_test, task.num_classes)), {"a": 1})
    if isinstance(task, DetectionTask):
        left = rng.integers(0, 30, (20, 2))
        detections = Detections(
            images=rng.integers(0, task.num_test, 20),
            labels=rng.integers(0, task.num_classes, 20).astype(np.int32),
            scores=rng.random(20),
            corners=np.concatenate([left, left + 20], axis=1).astype(np.float64),
        )
        return task.score(detections, {"a": 1})
    assert isinstance(task, RetrievalTask)
    order = rng.permutation(len(task.gallery))
    return task.score(lambda queries: np.tile(order, (len(queries), 1)), {"a": 1})


def _labels(task: Task) -> Callable[[np.ndarray], Any]:
    """How methods read what is known of some rows."""
    if isinstance(task, ClassScoresTask):
        return task.labels
    return task.boxes if isinstance(task, DetectionTask) else task.check_known


def _parts(task: Task) -> dict[str, np.ndarray]:
    parts = {"train": task.train, "validation": task.validation, "test": task.test}
    return parts if task.unlabelled is None else {**parts, "unlabelled": task.unlabelled}


def test_every_registered_task_has_an_example() -> None:
    assert {call.partition("(")[0] for call in EXAMPLES} == set(TASKS.names())


@pytest.mark.parametrize("name", TASKS.names())
def test_the_class_is_a_task_spec_with_a_summary(name: str) -> None:
    assert issubclass(TASKS.get(name), TaskSpec)
    assert next(row["summary"] for row in TASKS.describe() if row["name"] == name)


@calls
def test_it_keeps_the_contract_of_outside_packages(call: str) -> None:
    check_task(call, EXAMPLES[call]())


@calls
def test_parts_are_disjoint_rows_of_the_store(call: str) -> None:
    task = _load(call)
    parts = _parts(task)
    for name, rows in parts.items():
        assert rows.dtype == np.int64, name
        assert len(set(rows.tolist())) == len(rows), name
        assert not len(rows) or 0 <= rows.min() <= rows.max() < task.store.num_images, name
    for (one, a), (other, b) in itertools.combinations(parts.items(), 2):
        assert not set(a.tolist()) & set(b.tolist()), f"{one} and {other}"
    assert len(task.test) == task.num_test > 0
    assert task.known.tolist() == [*task.train.tolist(), *task.validation.tolist()]


@calls
def test_the_same_seed_gives_the_same_task(call: str) -> None:
    one, two = _load(call, 3), _load(call, 3)
    assert {name: rows.tolist() for name, rows in _parts(one).items()} == {
        name: rows.tolist() for name, rows in _parts(two).items()
    }
    assert one.fingerprint == two.fingerprint
    assert one.classes == two.classes


@calls
def test_another_seed_changes_drawn_tasks_alone(call: str) -> None:
    is_same = _load(call, 3).fingerprint == _load(call, 4).fingerprint
    assert is_same is not TASKS.make(call).is_drawn


@calls
def test_the_metrics_are_known_and_the_primary_one_is_first(call: str) -> None:
    task = _load(call)
    assert task.metrics[0] == task.primary
    assert len(set(task.metrics)) == len(task.metrics)
    assert set(task.metrics) <= set(METRICS)
    assert task.primary_metric is METRICS.get(task.primary)
    assert task.primary_metric.unit in ("percent", "score")
    assert task.primary_metric.higher_is_better
    assert task.primary in call or "metric=" not in call


@calls
def test_labels_of_the_test_cannot_be_read_before_scoring(call: str) -> None:
    task = _load(call)
    read = _labels(task)
    read(task.known)
    for rows in (task.test, task.unlabelled, task.test[-1:]):
        if rows is not None:
            with pytest.raises(AssertionError, match=r"in scoring alone|count as unlabelled"):
                read(rows)
            with pytest.raises(AssertionError, match=r"in scoring alone|count as unlabelled"):
                read(np.concatenate([task.known, rows]))


@calls
def test_folds_hold_out_known_images_without_those_that_are_trained_on(call: str) -> None:
    task = _load(call)
    folds, num_known = task.folds(), len(task.known)
    held_out = np.concatenate([validation for _, validation in folds])
    assert len(set(held_out.tolist())) == len(held_out)
    for train, validation in folds:
        assert not set(train.tolist()) & set(validation.tolist())
        assert set(train.tolist()) | set(validation.tolist()) <= set(range(num_known))
    if isinstance(task, ClassScoresTask | DetectionTask):
        assert all(len(train) and len(validation) for train, validation in folds)


@calls
def test_a_score_has_every_metric_and_what_it_is_computed_from(call: str) -> None:
    task = _load(call)
    measured = _score(task)
    assert tuple(measured.metrics) == task.metrics
    assert measured.primary == task.primary
    assert measured.task == task.fingerprint
    assert measured.num_test == task.num_test
    assert measured.facts["a"] == 1
    assert np.array_equal(measured.predictions["ids"], task.store.hashes[task.test])
    for name, value in measured.metrics.items():
        metric = METRICS.get(name)
        assert 0 <= value <= metric.highest
        assert metric.value(measured.predictions) == pytest.approx(value, abs=1e-4)
        assert len(metric.truth(measured.predictions)) == task.num_test
    assert measured.tested_on == task.primary_metric.counted_in[1]
    assert task.primary_metric.format(measured.metrics[task.primary]) in repr(measured)


@calls
def test_the_truth_of_the_test_does_not_depend_on_the_predictions(call: str) -> None:
    task = _load(call)
    one, two = _score(task, 1), _score(task, 2)
    truth = task.primary_metric.truth
    assert np.array_equal(truth(one.predictions), truth(two.predictions))


@calls
def test_results_are_written_where_an_official_scorer_reads_them(call: str, tmp_path: Path) -> None:
    task = _load(call)
    task.write_results(_score(task), tmp_path / "results")
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert bool(files) == (task.kind != "classification")


@calls
def test_the_fingerprint_depends_on_the_primary_metric_and_on_the_parts(call: str) -> None:
    name = call.partition("(")[0]
    same_store = [
        other
        for other, store in EXAMPLES.items()
        if other != call and other.partition("(")[0] == name and store is EXAMPLES[call]
    ]
    prints = {_load(other).fingerprint for other in same_store}
    assert _load(call).fingerprint not in prints


@pytest.mark.parametrize("call", OF_TWO_DOMAINS)
def test_a_task_of_two_domains_has_labelled_rows_and_unlabelled_rows_of_the_target(
    call: str,
) -> None:
    task = _load(call)
    domain = np.array([str(i).partition("/")[0] for i in task.store.ids])
    assert task.unlabelled is not None
    assert len(task.unlabelled)
    assert set(domain[task.known]) == {LABELLED}
    assert set(domain[task.unlabelled]) == set(domain[task.test]) == {TARGET}
    assert len(_labels(task)(task.known)) == len(task.known)
    assert not any("/" in label for label in task.classes)


@calls
def test_a_task_of_one_domain_has_no_unlabelled_rows(call: str) -> None:
    assert (_load(call).unlabelled is None) == (call not in OF_TWO_DOMAINS)


@calls
def test_methods_that_look_at_test_images_alone_get_the_same_test(call: str) -> None:
    assert np.array_equal(_load(call).test, _load(call, needs_training_images=False).test)
