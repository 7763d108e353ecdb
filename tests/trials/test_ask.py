"""A study asked from Python, of data that are given as they come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source
from seedbed.verdicts.questions import QUESTIONS


def test_one_data_set_needs_no_list(tmp_path: Path) -> None:
    study = sb.ask(
        "images-per-class",
        "toy(per_class=4)",
        "digits()",
        backbones="small(width=4)",
        folder=tmp_path,
    )
    assert study.source.data == "toy(per_class=4)" and study.targets["digits"].data == "digits()"
    assert study.pretraining.backbone == "small(width=4)"
    assert (
        sb.ask("images-per-class", folder=tmp_path, name="mine").results_folder
        == tmp_path / "mine.study"
    )


def test_a_store_stands_for_its_path(tmp_path: Path) -> None:
    store = sb.pack("digits()", tmp_path / "digits.store", size_px=16)
    study = sb.ask("images-per-class", store, [Path("digits.store")], folder=tmp_path)
    assert study.source.data == str(tmp_path / "digits.store") == study.targets["digits-store"].data


def test_what_is_not_there_or_has_no_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="there is no nothere/"):
        sb.ask("images-per-class", "nothere/", folder=tmp_path)
    with pytest.raises(BadDataError, match="there is no folder"):
        sb.ask("images-per-class", (), "folder('nothere/', train_per_class=5)", folder=tmp_path)
    for given in ([open_source("digits()")], open_source("digits()"), None, 3, ""):
        with pytest.raises(UsageError, match="not a path, a call string or a store"):
            sb.ask("images-per-class", given, folder=tmp_path)  # pyright: ignore[reportArgumentType]
    for name in ("x" * 300, f"folder('{'x' * 300}')", "~nobody-here/photos"):
        with pytest.raises(BadDataError, match="there is no"):
            sb.ask("images-per-class", name, folder=tmp_path)
    with pytest.raises(BadDataError, match="there is no source"):
        sb.ask("images-per-class", "source", folder=tmp_path)


@pytest.mark.parametrize(
    "data", ["toy(per_clas=4)", "toy(per_class='a')", "folder()", "torchvision('CIFAR1', 'new/')"]
)
def test_a_call_that_is_none_is_refused_by_every_question(data: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        sb.ask("images-per-class", data, folder=tmp_path)
    with pytest.raises(UsageError):
        sb.ask("label-noise", (), data, folder=tmp_path)


def test_data_to_be_downloaded_are_not_missing(tmp_path: Path) -> None:
    study = sb.ask(
        "images-per-class", (), "torchvision('CIFAR10', 'new/', download=True)", folder=tmp_path
    )
    assert list(study.targets) == ["CIFAR10"]


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_a_study_made_of_another_is_the_same_but_for_what_was_changed(
    name: str, tmp_path: Path
) -> None:
    study = sb.ask(name, folder=tmp_path)
    assert replace(study) == study
    changed = replace(study, seeds=2, size_px=16)
    assert changed.targets == study.targets and changed.seeds == (0, 1)
    assert changed.source.size_px == 16


def test_a_nested_study_can_be_changed_too(tmp_path: Path) -> None:
    arms = {"all": "", "half": "images(fraction=0.5)"}
    study = sb.Study(
        name="n",
        source="toy()",
        arms=arms,
        reference="all",
        targets={"d": "digits()"},
        sample_seeds=2,
        init_seeds=3,
    )
    assert replace(study, margin=2.0).draws == study.draws
    with pytest.raises(UsageError, match="'seeds' does not go together"):
        replace(study, seeds=5)


def test_a_study_is_not_its_results(tmp_path: Path) -> None:
    study = sb.ask("images-per-class", folder=tmp_path)
    for verb in (sb.answers, sb.findings, lambda what: sb.report(what, tmp_path / "page.html")):
        with pytest.raises(UsageError, match="a Study is not the results of a study"):
            verb(study)


def test_paths_within_calls_are_taken_from_the_folder(make_tree, tmp_path: Path) -> None:
    make_tree({"a/x": 4, "a/y": 4, "b/z": 4}, root="things")
    targets = ["folder('things', metric='mean_class_accuracy')", "source(recipe='classes(num=2)')"]
    study = sb.ask("fine-or-coarse", "folder('things')", targets, folder=tmp_path)
    assert study.targets["things"].data == f"folder('{tmp_path}/things')"
    assert "coarse2" in study.arms  # it was looked at
    assert study.targets["source-data"].is_study_source
