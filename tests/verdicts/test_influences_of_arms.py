"""Influence is told of one arm at a time: nets of another size or another network are no part of
it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedbed.api.studies import ask
from seedbed.data.pack import pack
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.verbs.studies import _doubts
from seedbed.verdicts.findings import findings
from seedbed.verdicts.findings.influences import class_names
from seedbed.verdicts.questions import answer
from seedbed.writeup.summary import summarise
from seedbed.writeup.tables import family_tables


def test_arms_that_draw_other_numbers_of_classes_are_not_pooled(tmp_path: Path) -> None:
    study = Study(
        name="two",
        source="toy(per_class=2, test_per_class=1)",
        arms={"half": "classes(fraction=0.5)", "few": "classes(num=20)"},
        reference="half",
        targets={"digits": "digits(train_per_class=2)"},
        question="class-influence",
        backbone="small(width=2)",
        images_seen=16,
        seeds=10,
        folder=tmp_path,
    )
    results = run_study(study, workspace=tmp_path / "work", executor="inline", device="cpu")
    told = [f for f in findings(results, answer(results)) if f.kind == "influence"]
    assert [f.arm for f in told] == ["half", "few"]
    assert all(f.details.get("num_nets", 10) == 10 for f in told)


@pytest.mark.parametrize(
    ("arms", "seeds", "reason"),
    [
        (
            {"half": "classes(fraction=0.5)", "random": {"init": "random"}},
            3,
            "('half', probe, 16 images seen) the influence of classes cannot be estimated: "
            "it takes 8 nets",
        ),
        ({"half": "", "random": {"init": "random"}}, 2, "no arm draws its classes at random"),
    ],
)
def test_where_there_is_nothing_to_rank_the_short_answer_says_so(
    tmp_path: Path, arms: dict[str, Any], seeds: int, reason: str
) -> None:
    study = Study(
        name="few",
        source="toy(per_class=2, test_per_class=1)",
        arms=arms,
        reference="half",
        targets={"digits": "digits(train_per_class=2)"},
        question="class-influence",
        backbone="small(width=2)",
        images_seen=16,
        seeds=seeds,
        folder=tmp_path,
    )
    results = run_study(study, workspace=tmp_path / "work", executor="inline", device="cpu")
    answers = answer(results)
    found = findings(results, answers)
    [told] = [f for f in found if f.kind == "influence"]
    assert told.verdict == "refused" and reason in told.sentence
    assert told.sentence in [
        brief.title for brief in summarise(family_tables(results, answers), found)
    ]


def test_classes_of_one_word_are_told_apart(make_tree, tmp_path: Path) -> None:
    store = pack(
        str(make_tree({"a/other": 2, "b/other": 2, "c/ring": 2}, root="photos")),
        tmp_path / "s.store",
        size_px=8,
    ).store
    names = class_names(store)
    assert len(set(names.values())) == 3 and names["a/other"] == "a/other"


def test_too_few_nets_are_told_before_they_are_trained(tmp_path: Path) -> None:
    study = ask("class-influence", folder=tmp_path)
    assert _doubts(study) == []
    assert "3 nets: influence takes 8 at least" in _doubts(replace(study, seeds=3))[0]
    assert "one seed: no interval" in _doubts(replace(study, seeds=1))[0]
