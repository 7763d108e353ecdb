"""Tiny studies: three classes of ten random images at 8 px, 64 images seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny  # noqa: F401  one thread

from seedbed.base.artifacts import Workspace
from seedbed.trials.plan import Plan
from seedbed.trials.planner import make_plan
from seedbed.trials.study import Study
from seedbed.trials.study_file import load_study

TOML = """\
reference = "all"
seeds = 2

[source]
data = "photos"
size_px = 8

[pretraining]
backbone = "small(width=2)"
images_seen = 64
batch_size = 16

[arms]
all = ""
half = "images(fraction=0.5)"
random = { init = "random" }

[targets]
cells = "cells"

[methods]
probe = "probe(c=[1.0])"
"""


@pytest.fixture(autouse=True)
def short_measurements_of_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a study will cost is told from batches of eight images, for a twentieth of a second."""
    monkeypatch.setattr("seedbed.trials.cost._MEASURE_S", 0.05)
    monkeypatch.setattr("seedbed.trials.cost._BATCH", 8)


@pytest.fixture
def toml() -> str:
    return TOML


@pytest.fixture
def write_study(tmp_path: Path, make_tree) -> Callable[..., Path]:
    """A maker of study files beside their data: `write_study(("old", "new"), ...)` replaces parts
    of the text."""

    def write(*changes: tuple[str, str], name: str = "small.toml") -> Path:
        if not (tmp_path / "photos").exists():
            make_tree({"a": 10, "b": 10, "c": 10})
            make_tree({"train/x": 6, "train/y": 6, "test/x": 4, "test/y": 4}, root="cells")
        text = TOML
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def make_study(write_study) -> Callable[..., Study]:
    return lambda *changes, **options: load_study(write_study(*changes, **options))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture
def plan_of(make_study, workspace: Workspace) -> Callable[..., Plan]:
    return lambda *changes, **options: make_plan(make_study(*changes, **options), workspace)
