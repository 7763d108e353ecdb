"""Families: the outcomes of one table, by training budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedbed.api.studies import ask
from seedbed.base.errors import UsageError
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.verdicts.families import answer_families, families
from seedbed.verdicts.pairs import Pair
from seedbed.verdicts.questions import QUESTIONS
from seedbed.verdicts.questions.arms_question import ArmsQuestion
from seedbed.verdicts.questions.contrasts import Contrasts


def _study(folder: Path, **budgets: object) -> Study:
    return Study(
        name="budgets",
        source="toy(per_class=2, test_per_class=1)",
        arms={
            "all": "",
            "longer": {"images_seen": budgets.pop("longer")},
            "random": {"init": "random"},
        },
        reference="all",
        targets={"other": "toy(per_class=2, test_per_class=1, seed=1)"},
        methods={"probe": "probe(readout='knn', k=[1])"},
        backbone="small(width=2)",
        seeds=2,
        folder=folder,
        **budgets,  # pyright: ignore[reportArgumentType]
    )


@pytest.mark.parametrize(
    ("longer", "seen"),
    [
        (
            512,
            {
                128: {"all": 128, "longer": 512, "random": 0},
                256: {"all": 256, "longer": 512, "random": 0},
            },
        ),
        (
            [384, 512],
            {
                128: {"all": 128, "longer": 384, "random": 0},
                256: {"all": 256, "longer": 512, "random": 0},
            },
        ),
    ],
)
def test_an_arm_with_other_budgets_is_compared_rank_by_rank(
    tmp_path: Path, shared_workspace: Path, longer: object, seen: dict
) -> None:
    results = run_study(
        _study(tmp_path, longer=longer, images_seen=[256, 128]),
        workspace=shared_workspace,
        executor="inline",
        device="cpu",
    )
    measured = {
        f.images_seen: {arm: rows[0].images_seen for arm, rows in f.rows.items()}
        for f in families(results)
        if f.target == "other" and f.images_seen
    }
    assert measured == seen
    answers = [
        a for a in answer_families(results, "contrasts") if a.target == "other" and a.images_seen
    ]
    assert [(a.images_seen, a.arm) for a in answers] == [
        (128, "longer"),
        (128, "random"),
        (256, "longer"),
        (256, "random"),
    ]
    mentions_images_seen = ["'longer', which saw" in a.sentence for a in answers]
    assert mentions_images_seen == [True, False, True, False]


def test_budgets_without_a_counterpart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another arm has 3") as caught:
        _study(tmp_path, longer=[128, 256], images_seen=[64, 128, 256])
    assert "[arms] longer: 2 training budgets" in str(caught.value)
    assert "compared by rank" in str(caught.value)


def _study_with_drawn_classes(folder: Path, seeds: list[int]) -> Study:
    """Arms whose two classes are drawn with each seed: every seed has other test images."""
    return Study(
        name="drawn",
        source="toy(per_class=3, test_per_class=2)",
        arms={"all": "classes(num=2)", "half": "classes(num=2) | images(fraction=0.5)"},
        reference="all",
        targets={"other": "toy(per_class=2, test_per_class=1, seed=1)"},
        methods={"probe": "probe(readout='knn', k=[1])"},
        backbone="small(width=2)",
        images_seen=64,
        seeds=seeds,
        folder=folder,
    )


def test_classes_drawn_with_each_seed_are_compared_seed_by_seed(
    tmp_path: Path, shared_workspace: Path
) -> None:
    results = run_study(
        _study_with_drawn_classes(tmp_path, [0, 1, 2]),
        workspace=shared_workspace,
        executor="inline",
        device="cpu",
    )
    by_target = {a.target: a for a in answer_families(results, "contrasts")}
    assert set(by_target) == {"source", "other"}
    assert "new test images" not in by_target["source"].sentence
    assert "new test images" in by_target["other"].sentence


def test_a_missing_seed_does_not_change_what_is_comparable(
    tmp_path: Path, shared_workspace: Path
) -> None:
    results = run_study(
        _study_with_drawn_classes(tmp_path, [0, 1, 2]),
        workspace=shared_workspace,
        executor="inline",
        device="cpu",
    )
    without = replace(
        results, outcomes=tuple(o for o in results.outcomes if (o.arm, o.seed) != ("half", 0))
    )
    assert {(a.target, a.arm, a.num_seeds) for a in answer_families(without, "contrasts")} == {
        ("source", "half", 2),
        ("other", "half", 2),
    }


def test_arms_with_other_labels_are_not_compared(tmp_path: Path, shared_workspace: Path) -> None:
    study = replace(
        _study_with_drawn_classes(tmp_path, [0, 1]),
        arms={"all": "", "families": "bottom_up(depth=1)"},
    )
    results = run_study(study, workspace=shared_workspace, executor="inline", device="cpu")
    assert {a.target for a in answer_families(results, "contrasts")} == {"other"}


def test_a_comparison_is_not_repeated_in_the_other_direction() -> None:
    arms = {"all": "", "without": "classes(num=3)", "like": "like(recipe='classes(num=3)')"}
    study = Study(name="s", source="toy()", arms=arms, reference="all", targets={"d": "digits()"})
    assert Contrasts().pairs(study, "d") == [
        Pair("without", "all"),
        Pair("like", "all"),
        Pair("without", "like"),
    ]
    assert Contrasts().pairs(replace(study, reference="without"), "d") == [
        Pair("all", "without"),
        Pair("like", "without"),
    ]


def _study_and_pairs(name: str, **arms: Any) -> tuple[Study, list[tuple[str, str]]]:
    """A study with these arms added to its question's arms, and the pairs that are compared."""
    study = ask(name)
    study = replace(study, arms={**study.arms, **arms})
    question = QUESTIONS.get(name)()
    assert isinstance(question, ArmsQuestion)
    pairs = question.pairs(study, "digits")
    return study, [(pair.arm, pair.reference) for pair in pairs]


def test_noisy_labels_are_compared_with_clean_images_only() -> None:
    _, pairs = _study_and_pairs("label-noise")
    assert {
        ("noisy30", "clean"),
        ("noisy30", "less30"),
        ("noisy60", "less60"),
        ("less60", "clean"),
    } <= set(pairs)
    assert not [pair for pair in pairs if pair[0] == "noisy10" and pair[1] != "clean"]


def test_checkpoints_are_compared_with_each_other(tmp_path: Path) -> None:
    _, pairs = _study_and_pairs(
        "compare-checkpoints", mine={"weights": "a"}, other={"weights": "b"}
    )
    assert {("mine", "fresh"), ("other", "fresh"), ("other", "mine")} <= set(pairs) and (
        "mine",
        "other",
    ) not in pairs


def test_a_source_is_not_added_to_itself() -> None:
    with pytest.raises(UsageError, match="would be added to itself"):
        ask("blind-addition", ["toy()", "toy()"])
