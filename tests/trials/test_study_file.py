"""A study that is written reads back as the same study."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

import seedbed as sb
from seedbed.base.errors import UsageError
from seedbed.data.formats import open_source
from seedbed.engine.data_spec import DataSpec
from seedbed.models.zoo import BACKBONES
from seedbed.trials.arms import Arm, Pretraining
from seedbed.trials.study import Study
from seedbed.trials.study_file import load_study, parse_study, write_study

ARMS = {
    "recipe": "images(fraction=0.5)",
    "recipes": "classes(num=2) | images(per_class=3)",
    "quoted": "classes(without=['a\"b', \"c'd\", 'e\\\\f'])",
    "table": {
        "recipe": "images(fraction=0.5)",
        "images_seen": 32,
        "drops": [0.5],
        "decay": "steps",
    },
    "settings": {"backbone": "small(width=3)", "optimiser": "adamw", "learning_rate": 1e-4},
    "share": {"recipe": "images(total=9)", "budget_share": 0.375},
    "random": {"init": "random"},
    "random network": {"init": "random", "backbone": "small(width=3)"},
    "folder": {"weights": "runs/net"},
    "file": {"weights": "~/net.pth", "backbone": "resnet18(stem='small')"},
    "download": {"weights": "download", "backbone": "timm('resnet18')"},
    "an Arm": Arm(images_seen=(7,), early_stopping=2, augmentation="resized_crop"),
}
STUDIES = {
    "shorthands": {"backbone": "small(width=2)", "images_seen": [64, 128], "size_px": 16},
    "pretraining": {
        "pretraining": Pretraining(
            decay="steps", drops=(0.5, 0.75), weight_decay=1e-5, warmup=0.0, batch_size=16
        )
    },
    "nested": {"sample_seeds": 2, "init_seeds": [3, 1]},
    "seeds": {"seeds": [5, 6]},
    "settings": {"threads": 2, "margin": 0.5, "question": "contrasts", "fine_labels": True},
    "sources": {
        "source": {"first": "a/", "second": "b"},
        "hierarchy": {"first": "wordnet"},
    },
    "source": {"source": DataSpec(data='my "photos" \\ 1/', size_px=64, hierarchy="tree.csv")},
    "methods": {"methods": {"SVM, all": "probe(c=[1.0])", "finetune": "finetune()"}},
    "targets": {
        "targets": {
            "path": "cells (v2)/",
            "call": "folder('cells', size_px=16, train_per_class=3, metric='mean_class_accuracy')",
            "path with settings": DataSpec(data="cells/", size_px=16, train_per_class=3),
            "own source": "source(recipe=\"classes(names=['a', 'b'])\")",
            "source of it": "source",
            "two domains": "folder('sketches', labelled='photos')",
            "two domains, paths": DataSpec(data="sketches", labelled="photos"),
            "retrieval": "folder('photos', learn_on='digits()')",
        }
    },
}


def _study(folder: Path, **settings: object) -> Study:
    usual = {
        "name": "written",
        "source": "photos",
        "arms": {"all": "", "half": "images(fraction=0.5)"},
        "reference": "all",
        "targets": {"cells": "cells"},
        "folder": folder,
    }
    return Study(**{**usual, **settings})  # pyright: ignore[reportArgumentType]


def _read_back(study: Study) -> Study:
    """The study of the text, each of its fields the same but for its comments."""
    again = parse_study(write_study(study), study.folder / f"{study.name}.toml")
    assert again == study
    for f in fields(Study):
        if f.compare:
            assert getattr(again, f.name) == getattr(study, f.name), f.name
    return again


@pytest.mark.parametrize("arm", ARMS)
def test_every_kind_of_arm_reads_back(arm: str, tmp_path: Path) -> None:
    again = _read_back(_study(tmp_path, arms={"all": "", arm: ARMS[arm]}))
    assert write_study(again) == write_study(_read_back(again))


@pytest.mark.parametrize("settings", STUDIES)
def test_every_setting_reads_back(settings: str, tmp_path: Path) -> None:
    (tmp_path / "cells (v2)").mkdir()
    study = _study(tmp_path, **STUDIES[settings])
    assert write_study(_read_back(study)) == write_study(study)


def test_a_folder_with_parentheses_is_not_written_as_a_call(tmp_path: Path) -> None:
    (tmp_path / "cells(2)").mkdir()
    spec = DataSpec(data="cells(2)", size_px=16)
    assert _read_back(_study(tmp_path, targets={"cells": spec})).targets["cells"] == spec


def test_a_store_is_written_as_its_path(tmp_path: Path) -> None:
    store = sb.pack("digits()", tmp_path / "digits.store", size_px=16)
    text = write_study(_study(tmp_path, source=store, targets={"digits": store}))
    again = parse_study(text, tmp_path / "written.toml")
    assert again.source.data == str(store.path) == again.targets["digits"].data


def test_objects_that_no_file_can_name_are_refused(tmp_path: Path) -> None:
    network = BACKBONES.make("small(width=2)").build(["a", "b"], 8, 0)
    for settings, message in (
        ({"source": open_source("digits()")}, "the source is a Source given as an object"),
        ({"targets": {"d": open_source("digits()")}}, "the target 'd' is a Source"),
        ({"arms": {"all": "", "mine": network}}, "the arm 'mine' is a network given as an object"),
        ({"source": DataSpec(data="photos", recipe="images(total=3)")}, "the source has recipe"),
    ):
        with pytest.raises(UsageError, match=message):
            write_study(_study(tmp_path, **settings))


def test_comments_are_written_where_they_belong_and_cannot_add_lines(tmp_path: Path) -> None:
    comments = {
        "": "Is half enough?\nRun it.",
        "arms": "Two arms.",
        "arms.half": "every\nsecond = image",
        "margin": "points",
    }
    study = _study(tmp_path, comments=comments)
    _read_back(study)
    lines = write_study(study).split("\n")
    assert lines[:2] == ["# Is half enough?", "# Run it."]
    assert lines[lines.index("# Two arms.") - 1].startswith("[arms]")
    assert 'half = "images(fraction=0.5)"   # every second = image' in lines
    assert "margin    = 1.0            # points" in lines
    assert write_study(replace(study, seeds=5)).startswith("# Is half enough?")


def test_a_study_moves_with_its_folder(tmp_path: Path) -> None:
    study = _study(tmp_path / "here", arms={"all": "", "mine": {"weights": "net"}})
    path = tmp_path / "written.toml"
    path.write_text(write_study(study), encoding="utf-8")
    assert load_study(path).arms["mine"].weights == "net"
    assert load_study(path).folder == tmp_path


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ('{ data = "cells", sizepx = 16 }', "line 9: unknown key 'sizepx' in .targets. cells"),
        ('{ data = "cells", size_px = 2 }', "line 9: .targets. cells: size_px = 2"),
        ('{ first = "a", second = "b" }', "line 9: .targets. cells: a target cannot be a table"),
    ],
)
def test_a_target_as_a_table_is_checked(target: str, message: str, tmp_path: Path) -> None:
    text = write_study(_study(tmp_path)).replace('cells = "cells"', f"cells = {target}")
    number = 1 + text.split("\n").index(f"cells = {target}")
    with pytest.raises(UsageError, match=message.replace("line 9", f"line {number}")):
        parse_study(text, tmp_path / "written.toml")
