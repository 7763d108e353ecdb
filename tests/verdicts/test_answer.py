"""Answers: the fields of the contract, unrounded, and the sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedbed.verdicts.answer import Answer, Wording, answer_from_contrast
from seedbed.verdicts.contrasts import Contrast

WORSE = Contrast(
    arm="quarter",
    reference="all",
    difference=-1.4123,
    interval=(-1.91, -0.91),
    interval_90=(-1.8, -1.0),
    interval_seeds=(-1.85, -0.95),
    p_value=0.0012,
    significant=True,
    margin=1.0,
    verdict="worse",
    beyond_margin=False,
    num_seeds=3,
    seeds_needed=(2, 5),
    covers_images=True,
)


def changed(**fields: Any) -> Contrast:
    return Contrast(**(vars(WORSE) | fields))


def answer(contrast: Contrast = WORSE, **fields: Any) -> Answer:
    setting: dict[str, Any] = {
        "question": "images-per-class",
        "target": "cifar10",
        "method": "probe",
        "images_seen": 300_000,
        "metric": "top1",
        "unit": "percent",
        "converged": None,
    }
    return answer_from_contrast(contrast, **(setting | fields))


def test_fields_are_those_of_the_contract_in_order_and_unrounded() -> None:
    document = answer().to_dict()
    assert list(document) == [
        "question",
        "target",
        "method",
        "images_seen",
        "metric",
        "unit",
        "arm",
        "reference",
        "difference",
        "interval",
        "interval_90",
        "interval_seeds",
        "p_value",
        "significant",
        "margin",
        "verdict",
        "beyond_margin",
        "converged",
        "num_seeds",
        "seeds_needed",
        "sentence",
        "source_difference",
        "chance_false_worse",
        "chance_false_equivalent",
        "limiting_images",
    ]
    assert document["difference"] == -1.4123
    assert document["interval"] == [-1.91, -0.91]
    assert json.loads(json.dumps(document)) == document


def test_worse() -> None:
    assert answer().sentence == (
        "On cifar10 (probe, top1, 300,000 images seen), 'quarter' is worse than 'all' by 1.4 "
        "points (95 % interval 0.9 to 1.9, over new seeds and new test images; 3 seeds). Part of "
        "the interval lies within the margin of 1 point."
    )


def test_better_beyond_the_margin() -> None:
    contrast = changed(
        verdict="better",
        difference=2.0,
        interval=(1.5, 2.5),
        beyond_margin=True,
        margin=0.5,
        covers_images=False,
    )
    assert answer(contrast).sentence == (
        "On cifar10 (probe, top1, 300,000 images seen), 'quarter' is better than 'all' by 2.0 "
        "points (95 % interval 1.5 to 2.5, over new seeds; 3 seeds). The whole interval lies "
        "beyond the margin of 0.5 points."
    )


def test_equivalent() -> None:
    contrast = changed(
        verdict="equivalent",
        difference=-0.01,
        interval=(-0.6, 0.58),
        interval_90=(-0.5, 0.5),
        significant=False,
    )
    assert (
        "'quarter' is equivalent to 'all' within +-1 point (difference -0.01 points, 90 % interval "
        "-0.5 to 0.5, 95 % interval -0.6 to 0.6, over new seeds and new test images; 3 seeds)."
    ) in answer(contrast).sentence


def test_equivalent_with_a_significant_difference() -> None:
    contrast = changed(
        verdict="equivalent",
        difference=-0.5,
        interval=(-0.9, -0.1),
        interval_90=(-0.8, -0.2),
        significant=True,
    )
    assert answer(contrast).sentence.endswith(
        "The 95 % interval excludes 0: 'quarter' is worse by a small but significant difference."
    )


@pytest.mark.parametrize(
    "seeds_needed, end",
    [
        (
            (7, 40),
            "If the true difference is this large, about 7 to 40 seeds per arm would show it with "
            "80 % power.",
        ),
        (
            (9, 9),
            "If the true difference is this large, about 9 seeds per arm would show it with 80 % "
            "power.",
        ),
        (
            None,
            "More seeds can hardly show a difference this small, but may show that it lies within "
            "the margin.",
        ),
    ],
)
def test_undecided(seeds_needed: tuple[int, int] | None, end: str) -> None:
    contrast = changed(
        verdict="undecided",
        difference=-0.8,
        interval=(-2, 0.4),
        significant=False,
        seeds_needed=seeds_needed,
    )
    sentence = answer(contrast).sentence
    assert (
        "it is undecided whether 'quarter' differs from 'all' (difference -0.8 points, 95 %"
        in sentence
    )
    assert sentence.endswith(end)


def test_undecided_with_too_few_test_images() -> None:
    contrast = changed(
        verdict="undecided",
        difference=-0.8,
        interval=(-2, 0.4),
        significant=False,
        seeds_needed=None,
        limiting_images=364,
    )
    end = "no number of seeds shows it with 80 % power on 364 test images: more images are needed."
    assert answer(contrast).sentence.endswith(end)


def test_undecided_beyond_the_margin_without_a_number_of_seeds() -> None:
    contrast = changed(
        verdict="undecided",
        difference=-1.8,
        interval=(-4, 0.4),
        significant=False,
        seeds_needed=None,
    )
    assert answer(contrast).sentence.endswith(
        "More seeds alone can hardly show a difference of this size."
    )


def test_only_tiny_numbers_have_more_decimals() -> None:
    contrast = changed(
        verdict="better", difference=1.484, interval=(0.003, 2.965), interval_90=(0.2, 2.7)
    )
    assert "by 1.5 points (95 % interval 0.003 to 3.0, " in answer(contrast).sentence


def test_no_interval() -> None:
    contrast = changed(
        verdict="undecided",
        interval=None,
        interval_90=None,
        interval_seeds=None,
        p_value=None,
        num_seeds=1,
    )
    result = answer(contrast)
    assert result.to_dict()["interval"] is None
    assert result.sentence.endswith(
        "(difference -1.4 points; 1 seed). An interval needs at least 2 seeds in both arms."
    )


def test_training_time_is_mentioned_if_the_reference_had_not_converged() -> None:
    assert answer(converged=False).sentence.endswith("this may be an effect of training time.")
    assert "training time" not in answer(converged=True).sentence


def test_the_sentence_gives_the_difference_on_the_source() -> None:
    result = answer(wording=Wording(on_source=("source", -6.12)), converged=False)
    assert result.sentence.endswith(
        "margin of 1 point. On the source itself the difference was -6.1 points. The reference was "
        "still improving with longer training, so this may be an effect of training time."
    )
    assert result.source_difference == -6.12
    assert (
        "On all fine labels of the source the difference was 0.0 points."
        in answer(wording=Wording(on_source=("source_fine", 0.01))).sentence
    )


def test_the_sentence_says_if_each_arm_is_at_its_best_budget() -> None:
    assert answer(images_seen=None).sentence.startswith(
        "On cifar10 (probe, top1, each arm at its own best training budget), "
    )


def test_the_source_itself() -> None:
    sentence = answer(target="source", method="pretraining", images_seen=1).sentence
    assert sentence.startswith("On the source itself (top1, 1 image seen), 'quarter' is worse")


def test_checkpoints_and_descriptions() -> None:
    assert "this checkpoint ('quarter') is worse than 'all'" in answer(checkpoint=True).sentence
    assert (
        "this checkpoint ('quarter') is worse" in answer(changed(arm_is_checkpoint=True)).sentence
    )
    described = answer(wording=Wording(arm="a quarter of the images"))
    assert "a quarter of the images is worse than 'all'" in described.sentence
    assert described.arm == "quarter"
    assert "than this checkpoint ('all')" in answer(changed(reference_is_checkpoint=True)).sentence


def test_scores_have_no_unit_and_a_budget_of_zero_is_omitted() -> None:
    contrast = changed(difference=-0.1, interval=(-0.15, -0.05), margin=0.04)
    sentence = answer(contrast, unit="score", metric="ns_score", images_seen=0).sentence
    assert (
        "On cifar10 (probe, ns_score), 'quarter' is worse than 'all' by 0.10 (95 % interval 0.05 "
        "to 0.15" in sentence
    )
    assert sentence.endswith("within the margin of 0.04.")
