"""What every registered question owes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from seedbed.base.errors import UsageError
from seedbed.trials.study import Study, load_study
from seedbed.verdicts.questions import QUESTIONS, Question, question


def _loaded(text: str, folder: Path) -> Study:
    path = folder / "asked.toml"
    path.write_text(text)
    return load_study(path)


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_its_study_file_loads_as_printed(name: str, tmp_path: Path) -> None:
    text = question(name).study([], [])
    study = _loaded(text, tmp_path)
    assert study.question == name
    assert study.reference in study.arms
    assert len(study.arms) >= 2
    assert study.arms[study.reference].recipe == ""
    assert study.arms[study.reference].init == "pretrained"
    assert len(study.seeds) >= 2
    assert text.startswith("#")
    assert "seedbed study run" in text
    assert set(tomllib.loads(text)) <= {
        "question",
        "reference",
        "seeds",
        "margin",
        "threads",
        "source",
        "pretraining",
        "arms",
        "targets",
        "methods",
    }


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_the_data_sets_given_stand_in_its_file(name: str, tmp_path: Path) -> None:
    odd = 'my "photos" \\ 1/'
    study = _loaded(question(name).study([odd], ["targets/cells/", "folder('b c/', size_px=16)"]), tmp_path)
    assert study.source.data == odd
    assert [t.data for t in study.targets.values()] == ["targets/cells/", "folder('b c/')"]
    assert list(study.targets) == ["cells", "folder"]


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_it_refuses_two_sources_and_targets_of_one_name(name: str) -> None:
    with pytest.raises(UsageError, match="one source, not 2"):
        question(name).study(["a", "b"], [])
    with pytest.raises(UsageError, match="same name"):
        question(name).study(["a"], ["x/cells", "y/cells"])


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_a_target_called_source_does_not_break_its_file(name: str, tmp_path: Path) -> None:
    study = _loaded(question(name).study(["a"], ["somewhere/source"]), tmp_path)
    assert len(study.targets) == 1


@pytest.mark.parametrize("name", QUESTIONS.names())
def test_it_is_a_question_with_a_summary(name: str) -> None:
    assert isinstance(question(name), Question)
    assert next(r for r in QUESTIONS.describe() if r["name"] == name)["summary"].endswith("?")


def test_an_unknown_question_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown question 'image-per-class'") as caught:
        question("image-per-class")
    assert "Did you mean 'images-per-class'?" in caught.value.hint
