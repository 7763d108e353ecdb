"""Files that are not read are counted and named, and no image is overlooked by its suffix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seedbed as sb
from seedbed.base.errors import BadDataError
from seedbed.cli import main
from seedbed.data.formats import open_source
from seedbed.data.image_suffixes import has_image_suffix, image_suffixes
from seedbed.data.skipped_files import HIDDEN, NO_IMAGE, SkippedCounter, SkippedFiles


def _write_images(folder: Path, suffix: str = ".png", num: int = 3, seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(num):
        pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}{suffix}")


def _with_litter(root: Path) -> Path:
    _write_images(root / "cats")
    _write_images(root / "dogs", seed=1)
    (root / "cats" / "Thumbs.db").write_bytes(b"x")
    (root / "cats" / "0.txt").write_text("0 0.5 0.5 1 1")
    (root / "dogs" / "1.txt").write_text("0 0.5 0.5 1 1")
    (root / "dogs" / "LICENSE").write_text("free")
    (root / "dogs" / "._0.png").write_bytes(b"Mac")
    (root / ".DS_Store").write_bytes(b"x")
    return root


def _row(reason: str, suffix: str, num: int, example: str) -> SkippedFiles:
    return SkippedFiles(reason=reason, suffix=suffix, num=num, example=example)


def test_a_folder_counts_files_by_reason_and_suffix(tmp_path: Path) -> None:
    source = open_source(_with_litter(tmp_path))
    assert source.num_images == 6
    assert source.skipped == (
        _row(NO_IMAGE, ".txt", 2, "cats/0.txt"),
        _row(HIDDEN, ".png", 1, "dogs/._0.png"),
        _row(NO_IMAGE, "", 1, "dogs/LICENSE"),
        _row(NO_IMAGE, ".db", 1, "cats/Thumbs.db"),
    )


def test_the_sentence_names_the_number_the_suffix_and_the_first() -> None:
    assert str(_row(NO_IMAGE, ".txt", 2, "a.txt")) == (
        "2 .txt files not read (not an image): the first is a.txt"
    )
    assert str(_row(HIDDEN, "", 1, "LICENSE")) == (
        "1 file without a suffix not read (hidden): LICENSE"
    )
    counter = SkippedCounter()
    counter.add("b/X.MOV")
    counter.add("a/y.mov")
    assert counter.rows() == (_row(NO_IMAGE, ".mov", 2, "a/y.mov"),)
    counter.add("a/y.mov", "too long")
    counter.remove(["b/X.MOV", "c"])
    assert counter.rows() == (_row("too long", ".mov", 1, "a/y.mov"),)


@pytest.mark.parametrize("command", ["pack", "inspect", "audit"])
def test_commands_name_the_files_that_they_do_not_read(
    command: str, tmp_path: Path, capsys: Any
) -> None:
    data = str(_with_litter(tmp_path / "photos"))
    options = {
        "pack": [str(tmp_path / "a.store"), "--size-px", "8"],
        "inspect": [],
        "audit": ["--workspace", str(tmp_path / "work")],
    }[command]
    assert main([command, data, *options]) == 0
    assert (
        "2 .txt files not read (not an image): the first is cats/0.txt" in capsys.readouterr().out
    )
    assert main([command, data, *options, "--json"]) == 0
    skipped = json.loads(capsys.readouterr().out)["skipped"]
    assert skipped[0] == {
        "reason": "not an image",
        "suffix": ".txt",
        "num": 2,
        "example": "cats/0.txt",
    }
    assert sum(row["num"] for row in skipped) == 5


def test_a_store_learns_of_new_litter_without_being_packed_again(tmp_path: Path) -> None:
    photos = _with_litter(tmp_path / "photos")
    sb.pack(photos, tmp_path / "a.store", size_px=8)
    (photos / "notes.docx").write_bytes(b"x")
    store = sb.pack(photos, tmp_path / "a.store", size_px=8)
    assert _row(NO_IMAGE, ".docx", 1, "notes.docx") in store.skipped
    for path in photos.rglob("*"):
        if path.is_file() and (path.suffix != ".png" or path.name.startswith("._")):
            path.unlink()
    assert sb.pack(photos, tmp_path / "a.store", size_px=8).skipped == []


def test_predict_names_them_too(tmp_path: Path, capsys: Any) -> None:
    store = sb.pack("digits()", tmp_path / "digits.store", size_px=8)
    sb.transfer(
        "small(width=4, weights='random')",
        store,
        "probe(c=[10.0])",
        train_per_class=10,
        workspace=tmp_path / "work",
        out=tmp_path / "model",
    )
    photos = tmp_path / "photos"
    _write_images(photos, num=2)
    (photos / "list.csv").write_text("a,b")
    assert main(["predict", str(tmp_path / "model"), str(photos)]) == 0
    assert f"1 .csv file not read (not an image): {photos}/list.csv" in capsys.readouterr().out
    assert main(["predict", str(tmp_path / "model"), str(photos), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["path"] for row in rows if "skipped" in row] == [f"{photos}/list.csv"]
    assert len(rows) == 3
    with pytest.raises(BadDataError, match=r"contains no images: 1 \.csv file not read"):
        (photos / "0.png").unlink()
        (photos / "1.png").unlink()
        sb.load(tmp_path / "model").predict(photos)


@pytest.mark.parametrize("suffix", [".avif", ".jp2", ".jpe", ".mpo", ".tif", ".webp", ".pnm"])
def test_a_class_of_another_suffix_is_a_class(suffix: str, tmp_path: Path) -> None:
    if suffix not in Image.registered_extensions():
        pytest.skip(f"this Pillow does not know {suffix}")
    _write_images(tmp_path / "cats", ".jpg")
    _write_images(tmp_path / "dogs", ".jpg", seed=1)
    _write_images(tmp_path / "owls", suffix, seed=2)
    store = sb.pack(tmp_path, tmp_path / "a.store", size_px=8)
    assert store.classes == ("cats", "dogs", "owls")
    assert store.class_sizes().tolist() == [3, 3, 3]
    assert store.skipped == []


def test_photographs_of_telephones_are_images_even_without_their_package() -> None:
    assert {".heic", ".heif", ".avif", ".jp2"} <= image_suffixes()
    assert has_image_suffix("IMG_1.HEIC")
    assert not any(map(has_image_suffix, ["a.mp4", "a.pdf", "a.eps", "a.ico", "a.h5", "a", ".png"]))


def test_a_class_that_cannot_be_read_is_named_with_the_package(tmp_path: Path) -> None:
    _write_images(tmp_path / "photos" / "cats", ".jpg")
    _write_images(tmp_path / "photos" / "dogs", ".jpg", seed=1)
    (tmp_path / "photos" / "cats" / "broken.jpg").write_bytes(b"\xff\xd8no")
    owls = tmp_path / "photos" / "owls"
    owls.mkdir()
    for i in range(2):
        # The beginning of a HEIC file with no contents: no package reads it.
        (owls / f"{i}.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(16))
    with pytest.raises(BadDataError, match=r"all of class 'owls': owls/0\.heic: "):
        sb.pack(tmp_path / "photos", tmp_path / "a.store", size_px=8)


def test_a_lone_folder_of_classes_stays_in_their_names(tmp_path: Path) -> None:
    _write_images(tmp_path / "animals" / "cats")
    _write_images(tmp_path / "animals" / "dogs", seed=1)
    source = open_source(tmp_path)
    assert source.classes == ("animals/cats", "animals/dogs")
    assert source.notes == ()


def test_the_only_folder_in_a_folder_is_entered_and_named(tmp_path: Path) -> None:
    outer = tmp_path / "download"
    for split in ("train", "val"):
        _write_images(outer / "PetImages" / split / "cats")
        _write_images(outer / "PetImages" / split / "dogs", seed=1)
    (outer / ".DS_Store").write_bytes(b"x")
    source = open_source(outer)
    assert source.classes == ("cats", "dogs")
    assert source.notes == (f"{outer / 'PetImages'} is read, the only folder in {outer}",)
    assert open_source("download", folder=tmp_path).classes == ("cats", "dogs")
    (outer / "README.md").write_text("pets")
    assert open_source(outer).classes == ("cats", "dogs")
    inner = tmp_path / "split"
    _write_images(inner / "train" / "cats")
    _write_images(inner / "train" / "dogs", seed=1)
    assert open_source(inner).classes == ("cats", "dogs")
    assert open_source(inner).notes == ()


def test_splits_are_never_classes(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        _write_images(tmp_path / "pets" / split / "cats")
        _write_images(tmp_path / "pets" / split / "dogs", seed=1)
    _write_images(tmp_path / "other")
    with pytest.raises(BadDataError, match="train and valid, which are splits and no classes"):
        open_source(tmp_path)
    assert open_source(tmp_path / "pets").classes == ("cats", "dogs")
