"""The influence finding: one arm at a time, and the reasons why there may be none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seedbed.api.studies import ask
from seedbed.data.pack import pack
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.verbs.studies import _limits
from seedbed.verdicts.findings import findings
from seedbed.verdicts.findings.influences import class_names
from seedbed.verdicts.questions import answer
from seedbed.writeup.summary import summarise
from seedbed.writeup.tables import family_tables


def test_arms_with_different_numbers_of_classes_are_not_pooled(
    tmp_path: Path, shared_workspace: Path
) -> None:
    study = Study(
        name="two",
        source="toy(per_class=2, test_per_class=1)",
        arms={"half": "classes(fraction=0.5)", "few": "classes(num=20)"},
        reference="half",
        targets={"digits": "digits(train_per_class=2)"},
        question="class-influence",
        methods={"probe": "probe(readout='knn', k=[1])"},
        backbone="small(width=2)",
        images_seen=16,
        seeds=10,
        folder=tmp_path,
    )
    results = run_study(study, workspace=shared_workspace, executor="inline", device="cpu")
    influences = [f for f in findings(results, answer(results)) if f.kind == "influence"]
    assert [f.arm for f in influences] == ["half", "few"]
    assert all(f.details.get("num_nets", 10) == 10 for f in influences)


@pytest.mark.parametrize(
    ("arms", "seeds", "reason"),
    [
        (
            {"half": "classes(fraction=0.5)", "random": {"init": "random"}},
            3,
            "('half', probe, 16 images seen), the influence of classes cannot be estimated: it "
            "needs at least 8 networks",
        ),
        ({"half": "", "random": {"init": "random"}}, 2, "no arm draws its classes at random"),
    ],
)
def test_the_summary_says_why_there_is_no_ranking(
    tmp_path: Path, shared_workspace: Path, arms: dict[str, Any], seeds: int, reason: str
) -> None:
    study = Study(
        name="few",
        source="toy(per_class=2, test_per_class=1)",
        arms=arms,
        reference="half",
        targets={"digits": "digits(train_per_class=2)"},
        question="class-influence",
        methods={"probe": "probe(readout='knn', k=[1])"},
        backbone="small(width=2)",
        images_seen=16,
        seeds=seeds,
        folder=tmp_path,
    )
    results = run_study(study, workspace=shared_workspace, executor="inline", device="cpu")
    answers = answer(results)
    all_findings = findings(results, answers)
    [influence] = [f for f in all_findings if f.kind == "influence"]
    assert influence.verdict == "refused" and reason in influence.sentence
    assert influence.sentence in [
        entry.title for entry in summarise(family_tables(results, answers), all_findings)
    ]


def test_classes_with_the_same_name_are_called_by_their_labels(make_tree, tmp_path: Path) -> None:
    store = pack(
        str(make_tree({"a/other": 2, "b/other": 2, "c/ring": 2}, root="photos")),
        tmp_path / "s.store",
        size_px=8,
    ).store
    names = class_names(store)
    assert len(set(names.values())) == 3 and names["a/other"] == "a/other"


def test_too_few_networks_cause_a_warning_before_training(tmp_path: Path) -> None:
    study = ask("class-influence", folder=tmp_path)
    assert _limits(study) == []
    assert "3 networks: influence needs at least 8" in _limits(replace(study, seeds=3))[0]
    assert "one seed: no interval" in _limits(replace(study, seeds=1))[0]
