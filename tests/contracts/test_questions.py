"""What every registered question owes."""

from __future__ import annotations

import importlib
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.transfers.methods.finetune import Finetune
from seedbed.transfers.methods.probe import Probe
from seedbed.trials import fine_labels
from seedbed.trials.planner import make_plan
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.trials.study_file import load_study, write_study
from seedbed.verdicts.findings import findings
from seedbed.verdicts.pairs import Pair, with_controls
from seedbed.verdicts.questions import QUESTIONS, Question, answer, question

TWO_SOURCES = {"blind-addition"}  # questions about two sources

# those that bring parts of the source as targets
OWN_TARGETS = {"exclude-target", "unrelated-data"}


# with more arms than others: these take seconds
LONG = {"unrelated-data", "fine-or-coarse", "granularity", "num-classes", "label-noise"}


TOY = "toy(per_class=8, test_per_class=4)"


def _small_sources(name: str) -> list[str]:
    return [TOY, "digits()"] if name in TWO_SOURCES else [TOY]


def _sources(name: str, *sources: str) -> list[str]:
    return [*sources, "another"] if name in TWO_SOURCES else list(sources)


def _printed(study: Study, folder: Path) -> Study:
    """The study of the file that is printed."""
    path = folder / f"{study.name}.toml"
    path.write_text(write_study(study), encoding="utf-8")
    return load_study(path)


def _user_targets(study: Study) -> dict[str, object]:
    """Those that the user named: a question may bring parts of the source besides."""
    return {name: t.data for name, t in study.targets.items() if not t.is_study_source}


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_its_study_file_loads_as_printed(name: str, tmp_path: Path) -> None:
    built = question(name).study([], [], folder=tmp_path)
    study = _printed(built, tmp_path)
    assert study == built and study.folder == built.folder
    text = write_study(built)
    assert study.question == name
    assert study.reference in study.arms
    assert len(study.arms) >= 2
    assert len(study.seeds) >= 2
    assert text.startswith("#")
    assert "seedbed study run" in text
    assert set(tomllib.loads(text)) <= {
        "question",
        "reference",
        "seeds",
        "margin",
        "source",
        "pretraining",
        "arms",
        "targets",
        "methods",
    }


@pytest.fixture(params=["quick", pytest.param("printed", marks=pytest.mark.slow)])
def methods(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether methods run as printed, or are quick: each gives the result of a nearest-neighbour
    probe, and a probe of the fine labels sees two images of each."""
    if request.param == "quick":
        real, quick = Probe.run, Probe(readout="knn", k=(1,))
        for method in (Probe, Finetune):
            monkeypatch.setattr(method, "run", lambda _, *arguments: real(quick, *arguments))
        monkeypatch.setattr(fine_labels, "PROBE_PER_LEAF", 2)
    return request.param


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in QUESTIONS.names()],
)
def test_it_runs_as_printed_and_answers_on_every_target(
    name: str,
    methods: str,
    tmp_path: Path,
    shared_workspace: Path,
) -> None:
    """The file of a small source with small budgets: every arm, target and method of it, to the
    answers and findings."""
    targets = [] if name in OWN_TARGETS else ["digits(train_per_class=3)"]
    built = question(name).study(_small_sources(name), targets, ["small(width=2)"], tmp_path)
    study = _printed(built, tmp_path)
    calls = {
        method: re.sub(r"images_seen=[0-9_]+", "images_seen=16", call)
        for method, call in study.methods.items()
    }
    arms = {
        arm: replace(spec, images_seen=(16, 48)) if spec.images_seen else spec
        for arm, spec in study.arms.items()
    }
    budgets = (32, 96)[: len(study.pretraining.images_seen)]
    seeds = 8 if len(study.seeds) > 8 else 2
    study = replace(
        study,
        arms=arms,
        methods=calls,
        size_px=16,
        pretraining=replace(study.pretraining, images_seen=budgets),
        seeds=seeds,
    )
    results = run_study(
        study, workspace=shared_workspace / methods, executor="inline", device="cpu"
    )
    assert not results.failures and results.num_left == 0
    answers = answer(results)
    assert {a.question for a in answers} == {name}
    assert {a.target for a in answers} >= set(study.targets)
    assert all(a.sentence for a in answers)
    found = findings(results, answers)
    assert any(f.kind == "false_verdicts" for f in found)
    assert all(f.sentence and f.to_dict() for f in found)


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_the_data_sets_given_stand_in_its_file(name: str, tmp_path: Path) -> None:
    odd = 'my "photos" \\ 1/'
    targets = ["targets/cells/", "folder('b c/', size_px=16)"]
    study = _printed(question(name).study(_sources(name, odd), targets, folder=tmp_path), tmp_path)
    data = study.source.data
    assert (next(iter(data.values())) if isinstance(data, dict) else data) == odd
    assert _user_targets(study) == {"cells": "targets/cells/", "b-c": "folder('b c/')"}


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_it_refuses_too_many_sources_and_targets_of_one_name(name: str) -> None:
    with pytest.raises(UsageError, match=r"takes (one source|two sources), not 3"):
        question(name).study(["a", "b", "c"], [])
    with pytest.raises(UsageError, match="same name"):
        question(name).study(_sources(name, "a"), ["x/cells", "y/cells"])


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_a_target_called_source_does_not_break_its_file(name: str, tmp_path: Path) -> None:
    built = question(name).study(_sources(name, "a"), ["somewhere/source"], folder=tmp_path)
    study = _printed(built, tmp_path)
    assert list(_user_targets(study)) == ["source-data"]


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_it_can_be_crossed_with_networks(name: str, tmp_path: Path) -> None:
    networks = ["small(width=4)", "small(width=2)"]
    study = _printed(question(name).study(_small_sources(name), [], networks, tmp_path), tmp_path)
    plan = make_plan(study, Workspace.at(tmp_path / "work", study.folder))
    of_arm = {arm: study.arms[arm].pretraining(study.pretraining).backbone for arm in study.arms}
    assert set(of_arm.values()) == set(networks)
    assert list(of_arm.values()).count("small(width=2)") == len(study.arms) // 2
    assert {cell.arm for cell in plan.cells} == set(study.arms)
    if name not in (
        "compare-architectures",
        "compare-checkpoints",
        "contrasts",
        "class-influence",
    ):  # those compare networks with each other
        for target in study.targets:
            for pair in _pairs_of(name, study, target):
                assert of_arm[pair.arm] == of_arm[pair.reference], pair


def _pairs_of(name: str, study: Study, target: str) -> list[Pair]:
    """The pairs that a question asks for."""
    module = importlib.import_module(f"seedbed.verdicts.questions.{name.replace('-', '_')}")
    return getattr(module, "_pairs", with_controls)(study, target)


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_it_is_a_question_with_a_summary(name: str) -> None:
    assert isinstance(question(name), Question)
    assert next(r for r in QUESTIONS.describe() if r["name"] == name)["summary"].endswith("?")


def test_an_unknown_question_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown question 'image-per-class'") as caught:
        question("image-per-class")
    assert "Did you mean 'images-per-class'?" in caught.value.hint
