"""What the documentation holds works: the study files load, and ask what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.trials.study_file import load_study
from seedbed.verdicts.questions import QUESTIONS

STUDIES = sorted((Path(__file__).parent.parent / "docs" / "studies").glob("*.toml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_files_of_the_docs_load(path: Path) -> None:
    study = load_study(path)
    assert study.question in QUESTIONS.names()
    plain = (
        "tiny-imagenet-to-cifar10",
        "bccd-detection",
        "class-influence-check",
        "networks-for-advice",
        "shipped-network",
    )
    assert path.stem.startswith((study.question, *plain))
    assert path.read_text().startswith("#")


def test_there_are_study_files_of_the_paper() -> None:
    assert {"fine-or-coarse", "num-classes", "unrelated-data", "class-influence"} <= {
        path.stem for path in STUDIES
    }
