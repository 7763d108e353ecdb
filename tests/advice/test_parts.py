"""Arena, scenario, curve and clock, by themselves."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import digits_store, trained

from seedbed.advice.candidate import Entry, short
from seedbed.advice.contender import Contender
from seedbed.advice.evidence import scenario_of, shared_with_source
from seedbed.advice.learning_curve import LearningCurve, learning_curve
from seedbed.advice.scenario import LARGE_FROM, Scenario, by_rule, rule_words, size_of
from seedbed.advice.task_by_size import Arena, rough
from seedbed.advice.time_budget import Clock
from seedbed.readout.similarity import Similarity
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.classification import HeldOut


def _arena(per_class: int | None = 10) -> Arena:
    return Arena(lambda size: digits_store(size), Classification(train_per_class=per_class), 0)


def _contender(per_class: int | None = 10) -> Contender:
    return Contender(
        name="net", backbone=trained().backbone, arena=_arena(per_class), num_rough=500
    )


def test_every_size_has_the_same_images_in_the_same_parts() -> None:
    arena = _arena()
    small, large = arena.task(8), arena.task(16)
    assert large.store.size_px == 16
    for part in ("train", "validation", "test"):
        assert np.array_equal(
            small.store.hashes[getattr(small, part)], large.store.hashes[getattr(large, part)]
        )
    assert small.fold is not None
    assert np.array_equal(small.fold, large.fold)
    assert arena.task(8) is small


def test_a_first_look_has_some_of_every_class_and_no_others_folds() -> None:
    whole = _arena(None).task(8)
    part = rough(whole, 100)
    assert len(part.known) == 100
    assert set(part.known.tolist()) <= set(whole.known.tolist())
    assert set(part.train.tolist()) <= set(whole.train.tolist())
    assert np.bincount(whole.labels(part.known)).tolist() == [10] * 10
    assert rough(whole, 10_000) is whole
    few = _arena(10).task(8)
    thinned = rough(few, 50)
    assert thinned.fold is not None
    assert few.fold is not None
    of_image = dict(zip(few.known.tolist(), few.fold.tolist(), strict=True))
    assert [of_image[row] for row in thinned.known.tolist()] == thinned.fold.tolist()


def _scenario(num: int, position: float | None) -> Scenario:
    measured = Similarity(proxy_a_distance=1.0, kid=0.1, kid_error=0.01, position=position)
    word = "unknown" if position is None else measured.word
    return Scenario(
        size=size_of(num), similarity=word, num_known=num, measured=measured, compared_with="x"
    )  # pyright: ignore


def _entry(kind: str, layer: str | None, accuracy: float, is_top: bool = False) -> Entry:
    import torch

    labels = torch.zeros(100, dtype=torch.int64)
    scores = torch.zeros(100, 2)
    scores[: int(accuracy), 0], scores[int(accuracy) :, 1] = 1, 1
    return Entry(
        backbone="net",
        method=f"{kind} {layer}",
        kind=kind,  # pyright: ignore
        layer=layer,
        is_top=is_top,
        held_out=HeldOut(scores=scores, labels=labels),
        positions=np.arange(100),
        images=np.arange(100, dtype=np.uint64),
        seconds=1.0,
        num_folds=1,
    )


def test_the_lectures_rule_has_four_places() -> None:
    layers = ["a", "b", "c"]
    entries = [
        _entry("probe", "a", 50),
        _entry("probe", "b", 60),
        _entry("probe", "c", 70, is_top=True),
        _entry("finetune", None, 65),
    ]

    def chosen(num: int, position: float) -> str:
        found = by_rule(_scenario(num, position), entries, "net", layers)
        assert found is not None
        return found.method

    assert chosen(LARGE_FROM - 1, 0.1) == "probe c"
    assert chosen(LARGE_FROM - 1, 0.9) == "probe b"
    assert chosen(LARGE_FROM, 0.1) == chosen(LARGE_FROM, 0.9) == "finetune None"
    assert by_rule(_scenario(LARGE_FROM, 0.1), entries[:3], "net", layers) is None
    assert by_rule(_scenario(10, 0.1), entries, "other", layers) is None
    assert "earlier layer" in rule_words(_scenario(10, 0.9))
    assert "last codes" in rule_words(_scenario(10, None))


def test_scores_and_similarity_are_told_of_networks() -> None:
    contender = _contender()
    unknown = scenario_of([contender], {"net": None})
    assert (unknown.similarity, unknown.size) == ("unknown", "small")
    assert set(unknown.scores["net"]) == {"logme", "h_score", "knn", "leep", "nce"}
    assert "not known" in unknown.sentence


def test_similarity_is_measured_with_the_codes_of_a_card(tmp_path) -> None:
    from seedbed.trials.steps import save_arrays

    contender = _contender()
    save_arrays(tmp_path / "codes.safetensors", {"codes": trained().card_codes})
    found = scenario_of([contender], {"net": tmp_path})
    assert found.measured is not None
    # The network was trained on digits, so that its own kind and what stands for far are one.
    assert found.measured.kid < 0.3
    assert found.compared_with.startswith("what net was trained on")


def test_classes_that_a_network_knows_are_found_by_their_names() -> None:
    from dataclasses import replace

    contender = _contender()
    assert shared_with_source(contender) == ()
    contender.backbone = replace(
        contender.backbone, classes=("n02206856", "n02219486", *(f"n0{i}" for i in range(8)))
    )
    assert shared_with_source(contender) == ()  # classes that are no synsets of WordNet say nothing
    contender.backbone = replace(contender.backbone, classes=("n02206856", "n02219486"))
    assert shared_with_source(contender) == ()


def test_the_curve_rises_and_says_what_twice_the_labels_would_buy() -> None:
    curve = learning_curve(_contender(None), "pool")
    means = [float(np.mean(values)) for values in curve.accuracies]
    assert curve.num_images == tuple(sorted(curve.num_images))
    assert means[-1] > means[0]
    assert curve.doubling is not None
    assert curve.doubling_interval is not None
    assert curve.doubling_interval[0] <= curve.doubling <= curve.doubling_interval[1]
    assert curve.doubling < means[-1] - means[0]
    assert f"Twice the labels ({curve.num_images[-1]:,} learnt from to" in curve.sentence
    assert curve.law[-1][0] == pytest.approx(2 * curve.num_images[-1])


def test_a_curve_of_too_few_images_says_why() -> None:
    curve = learning_curve(_contender(2), "pool")
    assert curve.doubling is None
    assert curve.why
    assert "cannot be told" in curve.sentence
    assert isinstance(curve, LearningCurve)


def test_names_are_short_in_sentences_and_calls_stay_whole() -> None:
    assert short("runs/big/net/") == "net"
    assert short("timm('a/b')") == "timm('a/b')"
    assert short("small") == "small"


def test_time_runs_out() -> None:
    clock = Clock(minutes=0.0)
    assert clock.left() == 0.0
    assert Clock(minutes=1.0).left(0.5) == pytest.approx(30, abs=1)
