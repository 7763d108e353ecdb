"""What users get wrong: each mistake has an exit status, a message that names the value, a hint
that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny import cli

STUDY = """\
reference = "{reference}"
seeds = 2
[source]
data = "{source}"
size_px = 8
[pretraining]
backbone = "small(width=2)"
images_seen = 32
{key} = 16
[arms]
all = ""
other = "{recipe}"
[targets]
target = "{target}"
"""


@pytest.fixture
def run(tmp_path: Path, make_tree) -> Callable[..., tuple[int, dict[str, str]]]:
    """Run a study with one thing changed: exit status and error."""
    make_tree({"a": 6, "b": 6})

    def go(**changes: str) -> tuple[int, dict[str, str]]:
        values = {
            "reference": "all",
            "source": "photos",
            "key": "batch_size",
            "recipe": "images(fraction=0.5)",
            "target": "photos",
        }
        (tmp_path / "s.toml").write_text(STUDY.format(**(values | changes)))
        status, document, _ = cli(
            "study", "run", tmp_path / "s.toml", "--executor", "inline", "--device", "cpu"
        )
        assert set(document) == {"error"}
        assert not (tmp_path / "seedbed-work" / "backbones").exists()  # nothing was trained
        return status, document["error"]

    return go


DATA = {
    "an empty folder": ({}, (), "no images in", "Expected images in folders by class"),
    "folders without images": (
        {"a": 0, "b": 0},
        (),
        "no images in",
        "Expected images in folders by class",
    ),
    "one class only": ({"cats": 6}, (), "one class only ('cats')", "at least two classes"),
    "a class with one image": (
        {"a": 6, "lonely": 1},
        (),
        "class 'lonely'",
        "add images, or remove its folder",
    ),
    "2 % damaged files": (
        {"a": 50, "b": 50},
        ("a/007.png", "b/001.png"),
        "2 of 100 images are unreadable (2.0%",
        "--allow-unreadable 0.02",
    ),
    "images without a label": ({"": 5}, (), "have no label", "cats/1.jpg"),
}


@pytest.mark.parametrize("as_", ["pack", "source", "target"])
@pytest.mark.parametrize("case", DATA)
def test_bad_data(case: str, as_: str, make_tree, tmp_path: Path, run) -> None:
    counts, damaged, message, hint = DATA[case]
    root = make_tree(counts, root="bad", damaged=damaged)
    if as_ == "pack":
        status, document, _ = cli("pack", root, tmp_path / "bad.store")
        error = document["error"]
        assert not (tmp_path / "bad.store").exists()
    else:
        status, error = run(**{as_: "bad"})
        assert f"[{as_}" in error["message"]
    assert (status, error["kind"]) == (3, "data")
    assert message in error["message"]
    assert "bad" in error["message"] or "unreadable" in error["message"]
    assert hint in error["hint"]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["pretrain", "digits()", "--optimiser", "adam", "--out", "x"],
            "optimiser = 'adam'",
            "Did you mean 'adamw'? Valid for optimiser:",
        ),
        (
            ["transfer", "resnet18(weights='random')", "digits()", "probe(readout='knnn')"],
            "readout = 'knnn'",
            "Did you mean 'knn'?",
        ),
        (
            ["transfer", "resnet18(weights='random')", "digits()", "knn()"],
            "unknown method 'knn'",
            "It is probe(readout='knn') here.",
        ),
        (
            [
                "codes",
                "alexnet(weights='random')",
                "digits()",
                "--layer",
                "features.99",
                "--out",
                "x.safetensors",
            ],
            "features.99",
            "Submodules: features.0",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_is_right(
    arguments: list[str], message: str, hint: str, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, document, _ = cli(*arguments)
    assert status == 2
    assert message in document["error"]["message"]
    assert hint in document["error"]["hint"]


def test_a_wrong_value_of_an_arm_is_told_with_what_is_right() -> None:
    from seedbed.base.errors import UsageError
    from seedbed.trials.arms import read_arm

    with pytest.raises(UsageError) as caught:
        read_arm({"recipe": "", "optimiser": "adam"}, "[arms] half")
    assert "Did you mean 'adamw'? Valid for optimiser: 'sgd', 'adamw'." in caught.value.hint


def test_damaged_files_are_listed_and_may_be_allowed(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 50, "b": 50}, damaged=("a/007.png", "b/001.png"))
    _, document, _ = cli("pack", root, tmp_path / "s.store")
    listed = tmp_path / "s.store.unreadable.csv"
    assert str(listed) in document["error"]["hint"]
    assert [line.split(",")[0] for line in listed.read_text().splitlines()] == [
        "id",
        "a/007.png",
        "b/001.png",
    ]
    status, document, _ = cli("pack", root, tmp_path / "s.store", "--allow-unreadable", 0.02)
    assert (status, document["num_unreadable"], document["num_images"]) == (0, 2, 98)
    assert Path(document["unreadable"]).is_file()


STUDIES = {
    "missing source": ({"source": "no/where"}, 3, "no/where", "Check the path"),
    "missing target": ({"target": "no/where"}, 3, "no/where", "Check the path"),
    "unknown recipe": (
        {"recipe": "imags(total=4)"},
        2,
        "unknown recipe 'imags'",
        "Did you mean 'images'?",
    ),
    "unknown key": (
        {"key": "batchsize"},
        2,
        "unknown key 'batchsize' in [pretraining]",
        "Did you mean 'batch_size'?",
    ),
    "code in a recipe": (
        {"recipe": "images(total=__import__('os').getpid())"},
        2,
        "__import__('os').getpid()",
        "Arguments may be numbers",
    ),
    "reference is no arm": ({"reference": "everything"}, 2, "'everything'", "Valid: all, other"),
    "too many images": ({"recipe": "images(total=400)"}, 2, "images(total=400)", "Give 2 to"),
    "no tree": ({"recipe": "bottom_up(depth=1)"}, 2, "other", ""),
    "unknown class": (
        {"recipe": "classes(names=['a', 'c'])"},
        2,
        "unknown class 'c'",
        "Valid: a, b",
    ),
    "one class left": ({"recipe": "classes(names=['a'])"}, 3, "leaves 1 class", "at least two"),
    "too few labels": (
        {"target": "folder('photos', train_per_class=99)"},
        2,
        "train_per_class=99",
        "Give at most",
    ),
    "unknown format": (
        {"target": "foldr('photos')"},
        2,
        "unknown format 'foldr'",
        "Did you mean 'folder'?",
    ),
}


@pytest.mark.parametrize("case", STUDIES)
def test_bad_studies(case: str, run) -> None:
    changes, wanted, message, hint = STUDIES[case]
    status, error = run(**changes)
    assert status == wanted, error
    assert message in error["message"]
    assert hint in error["hint"]
    assert error["hint"]


def test_a_study_error_names_file_and_line(run, tmp_path: Path) -> None:
    _, error = run(recipe="imags(total=4)")
    assert error["message"].startswith(f"{tmp_path / 's.toml'}, line 12: ")


def test_no_room_while_packing(make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    root = make_tree({"a": 6, "b": 6})
    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    status, document, _ = cli("pack", root, tmp_path / "s.store")
    assert (status, document["error"]["kind"]) == (1, "storage")
    assert (
        f"no space left on the disk while writing {tmp_path / 's.store'}"
        in document["error"]["message"]
    )
    assert "Free some space" in document["error"]["hint"]
    assert not list(tmp_path.glob("s.store*"))


def test_no_room_while_saving_a_backbone(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As safetensors says it: an exception of its own, no OSError."""
    from safetensors import SafetensorError

    def full(*args, **kwargs):
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    cli("pack", make_tree({"a": 6, "b": 6}), tmp_path / "s.store", "--size-px", 8)
    monkeypatch.setattr("safetensors.torch.save_file", full)
    call = [
        "pretrain",
        tmp_path / "s.store",
        "--backbone",
        "small(width=2)",
        "--out",
        tmp_path / "net",
        "--images-seen",
        0,
    ]
    status, document, _ = cli(*call, "--device", "cpu")
    assert (status, document["error"]["kind"]) == (1, "storage")
    assert "no space left" in document["error"]["message"]
    assert not list(tmp_path.glob("net*"))


def test_no_room_while_writing_results(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    make_tree({"a": 6, "b": 6})
    values = {
        "reference": "all",
        "source": "photos",
        "key": "batch_size",
        "recipe": "images(fraction=0.5)",
        "target": "photos",
    }
    (tmp_path / "s.toml").write_text(STUDY.format(**values))
    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    status, document, _ = cli(
        "study", "run", tmp_path / "s.toml", "--executor", "inline", "--device", "cpu"
    )
    assert (status, document["error"]["kind"]) == (1, "storage")
    assert "results.parquet" in document["error"]["message"]


def test_no_permission_is_said(make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args, **kwargs):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(np.lib.format, "open_memmap", refused)
    status, document, _ = cli("pack", make_tree({"a": 6, "b": 6}), tmp_path / "s.store")
    assert (status, document["error"]["kind"]) == (1, "storage")
    assert "no permission to write" in document["error"]["message"]
