"""The check of an influence: its study file runs as written, and drops what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seedbed.base.artifacts import Workspace
from seedbed.trials.planner import make_plan
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.trials.study_file import load_study
from seedbed.verdicts.findings import findings
from seedbed.verdicts.questions import answer
from seedbed.writeup.influence_check import save_checks


@pytest.mark.slow
def test_the_check_of_a_ranking_is_a_study(tmp_path: Path) -> None:
    study = Study(
        name="ranked",
        source="toy(per_class=3, test_per_class=1)",
        arms={"half": "classes(fraction=0.5)", "random": {"init": "random"}},
        reference="half",
        targets={"digits": "digits(train_per_class=3)"},
        question="class-influence",
        methods={"probe": "probe(readout='knn', k=[1])"},
        backbone="small(width=2)",
        images_seen=16,
        seeds=12,
        folder=tmp_path,
    )
    results = run_study(study, workspace=tmp_path / "work", executor="inline", device="cpu")
    found = findings(results, answer(results))
    [influence] = [f for f in found if f.kind == "influence"]
    assert len(influence.details["classes"]) == 60
    [path] = save_checks(results, found)
    assert path.name == "ranked-check-digits.toml"
    assert save_checks(results, found) == []  # written once: it may have been changed by hand
    check = load_study(path)
    assert check.targets["digits"].train_per_class == 3
    plan = make_plan(check, Workspace.at(tmp_path / "work", check.folder))
    ranked = [row["label"] for row in influence.details["classes"]]
    kept = {arm: set(plan.views[arm, 0].classes) for arm in check.arms}
    assert kept["without-helpful"] == set(ranked[6:])
    assert kept["without-harmful"] == set(ranked[:-6])
    assert len(kept["like-harmful"]) == 54 and set(ranked[-6:]) <= kept["like-harmful"]
    assert len(kept["like-helpful"]) == 54 and set(ranked[:6]) <= kept["like-helpful"]
    assert "mostly noise" in path.read_text()
    measured = run_study(
        replace(check, images_seen=16, seeds=2),
        workspace=tmp_path / "work",
        executor="inline",
        device="cpu",
    )
    compared = {(a.arm, a.reference) for a in answer(measured) if a.target == "digits"}
    assert {
        ("without-harmful", "all"),
        ("without-harmful", "like-harmful"),
        ("without-helpful", "like-helpful"),
    } <= compared


@pytest.mark.slow
def test_targets_with_odd_names_and_paths_have_checks_too(tmp_path: Path, make_tree) -> None:
    odd = make_tree({"a": 4, "b": 4}, root="cells (v2)")
    study = Study(
        name="odd",
        source="toy(per_class=2, test_per_class=1)",
        arms={"half": "classes(fraction=0.5)", "random": {"init": "random"}},
        reference="half",
        targets={"cells (v2)": str(odd)},
        question="class-influence",
        methods={"probe": "probe(readout='knn', k=[1])"},
        backbone="small(width=2)",
        images_seen=16,
        seeds=10,
        folder=tmp_path,
    )
    results = run_study(study, workspace=tmp_path / "work", executor="inline", device="cpu")
    [path] = save_checks(results, findings(results, answer(results)))
    assert path.name == "odd-check-cells-v2-.toml"
    assert load_study(path).targets["cells (v2)"].data == str(odd)
