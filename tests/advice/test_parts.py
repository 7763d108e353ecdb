"""Task by size, scenario, learning curve and clock, each on its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import digits_store, trained

from seedbed.advice.candidate import Candidate, short_name
from seedbed.advice.contender import Contender
from seedbed.advice.evidence import measure_scenario, shared_with_source
from seedbed.advice.learning_curve import LearningCurve, learning_curve
from seedbed.advice.scenario import (
    LARGE_FROM,
    Scenario,
    candidate_of_rule,
    rule_in_words,
    size_class,
)
from seedbed.advice.task_by_size import TaskBySize, subset_task
from seedbed.advice.time_budget import Clock
from seedbed.models.reference_codes import ReferenceCodes
from seedbed.readout.similarity import Similarity
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.class_scores import HeldOut


def _task_by_size(per_class: int | None = 10) -> TaskBySize:
    return TaskBySize(
        lambda size, fit: digits_store(size), Classification(train_per_class=per_class), 0
    )


def _contender(per_class: int | None = 10) -> Contender:
    return Contender(
        name="net", backbone=trained().backbone, tasks=_task_by_size(per_class), num_preliminary=500
    )


def test_every_size_has_the_same_images_in_each_split() -> None:
    tasks = _task_by_size()
    small, large = tasks.task(8, "crop"), tasks.task(16, "crop")
    assert large.store.size_px == 16
    for part in ("train", "validation", "test"):
        assert np.array_equal(
            small.store.hashes[getattr(small, part)], large.store.hashes[getattr(large, part)]
        )
    assert small.fold is not None
    assert np.array_equal(small.fold, large.fold)
    assert tasks.task(8, "crop") is small


def test_a_subset_is_balanced_over_classes_and_keeps_its_folds() -> None:
    whole = _task_by_size(None).task(8, "crop")
    part = subset_task(whole, 100)
    assert len(part.known) == 100
    assert set(part.known.tolist()) <= set(whole.known.tolist())
    assert set(part.train.tolist()) <= set(whole.train.tolist())
    assert np.bincount(whole.labels(part.known)).tolist() == [10] * 10
    assert subset_task(whole, 10_000) is whole
    few = _task_by_size(10).task(8, "crop")
    subset = subset_task(few, 50)
    assert subset.fold is not None
    assert few.fold is not None
    fold_of_row = dict(zip(few.known.tolist(), few.fold.tolist(), strict=True))
    assert [fold_of_row[row] for row in subset.known.tolist()] == subset.fold.tolist()


def _scenario(num: int, position: float | None) -> Scenario:
    measured = Similarity(proxy_a_distance=1.0, kid=0.1, kid_error=0.01, position=position)
    word = "unknown" if position is None else measured.word
    return Scenario(
        size=size_class(num),
        similarity=word,
        num_labelled=num,
        measured=measured,
        compared_with="x",
    )  # pyright: ignore


def _candidate(
    kind: str, layer: str | None, accuracy: float, is_penultimate: bool = False
) -> Candidate:
    import torch

    labels = torch.zeros(100, dtype=torch.int64)
    scores = torch.zeros(100, 2)
    scores[: int(accuracy), 0], scores[int(accuracy) :, 1] = 1, 1
    return Candidate(
        backbone="net",
        method=f"{kind} {layer}",
        kind=kind,  # pyright: ignore
        layer=layer,
        is_penultimate=is_penultimate,
        held_out=HeldOut(scores=scores, labels=labels),
        positions=np.arange(100),
        images=np.arange(100, dtype=np.uint64),
        seconds=1.0,
        num_folds=1,
    )


def test_the_cs231n_rule_covers_four_scenarios() -> None:
    layers = ["a", "b", "c"]
    candidates = [
        _candidate("probe", "a", 50),
        _candidate("probe", "b", 60),
        _candidate("probe", "c", 70, is_penultimate=True),
        _candidate("finetune", None, 65),
    ]

    def chosen(num: int, position: float) -> str:
        candidate = candidate_of_rule(_scenario(num, position), candidates, "net", layers)
        assert candidate is not None
        return candidate.method

    assert chosen(LARGE_FROM - 1, 0.1) == "probe c"
    assert chosen(LARGE_FROM - 1, 0.9) == "probe b"
    assert chosen(LARGE_FROM, 0.1) == chosen(LARGE_FROM, 0.9) == "finetune None"
    assert candidate_of_rule(_scenario(LARGE_FROM, 0.1), candidates[:3], "net", layers) is None
    assert candidate_of_rule(_scenario(10, 0.1), candidates, "other", layers) is None
    assert "earlier layer" in rule_in_words(_scenario(10, 0.9))
    assert "penultimate layer" in rule_in_words(_scenario(10, None))


def test_a_scenario_has_transferability_scores_of_each_network() -> None:
    contender = _contender()
    unknown = measure_scenario([contender], {"net": None})
    assert (unknown.similarity, unknown.size) == ("unknown", "small")
    assert set(unknown.scores["net"]) == {"logme", "h_score", "knn", "leep", "nce"}
    assert "similarity to the pre-training images is unknown" in unknown.sentence


def test_similarity_is_measured_with_stored_codes(tmp_path) -> None:
    contender = _contender()
    codes = torch.from_numpy(trained().card_codes).float()
    reference = ReferenceCodes(codes=codes, source="digits", of_pretraining=True)
    scenario = measure_scenario([contender], {"net": reference})
    assert scenario.measured is not None
    # The network was trained on digits, which also define what is far.
    assert scenario.measured.kid < 0.3
    assert scenario.compared_with.startswith("the pre-training images of net")


def test_classes_shared_with_pretraining_are_matched_by_name() -> None:
    from dataclasses import replace

    contender = _contender()
    assert shared_with_source(contender) == ()
    contender.backbone = replace(
        contender.backbone, classes=("n02206856", "n02219486", *(f"n0{i}" for i in range(8)))
    )
    assert (
        shared_with_source(contender) == ()
    )  # classes that are not synsets of WordNet are ignored
    contender.backbone = replace(contender.backbone, classes=("n02206856", "n02219486"))
    assert shared_with_source(contender) == ()


def test_the_learning_curve_rises_and_estimates_the_gain_from_twice_the_labels() -> None:
    curve = learning_curve(_contender(None), "pool")
    means = [float(np.mean(values)) for values in curve.accuracies]
    assert curve.num_images == tuple(sorted(curve.num_images))
    assert means[-1] > means[0]
    assert curve.doubling is not None
    assert curve.doubling_interval is not None
    assert curve.doubling_interval[0] <= curve.doubling <= curve.doubling_interval[1]
    assert curve.doubling < means[-1] - means[0]
    assert f"training images instead of {curve.num_images[-1]:,}, " in curve.sentence
    assert curve.law[-1][0] == pytest.approx(2 * curve.num_images[-1])


def test_a_curve_of_too_few_images_gives_the_reason() -> None:
    curve = learning_curve(_contender(2), "pool")
    assert curve.doubling is None
    assert curve.why
    assert "cannot be estimated" in curve.sentence
    assert isinstance(curve, LearningCurve)


def test_short_names_keep_call_strings_whole() -> None:
    assert short_name("runs/big/net/") == "net"
    assert short_name("timm('a/b')") == "timm('a/b')"
    assert short_name("small") == "small"


def test_the_clock_counts_down_to_zero() -> None:
    clock = Clock(minutes=0.0)
    assert clock.left() == 0.0
    assert Clock(minutes=1.0).left(0.5) == pytest.approx(30, abs=1)
