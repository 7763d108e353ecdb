"""MIT-67 on a small tree of its layout: what is read, and what each error says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from format_trees import (
    Encode,
    edit_file,
    label_of_ids,
    open_error,
    split_of_ids,
    write_file,
)

from seedbed.data.formats import open_source
from seedbed.data.pack import pack

ROOMS: Mapping[str, tuple[str, ...]] = {
    "kitchen": ("int474.jpg", "cocina fr\u00eda 2.jpg", "spare.jpg", "k 3.jpg"),
    "tv_studio": ("\u5ba4.jpg", "tv_studio_1b_70_.jpg", "spare.jpg", "studio.gif.jpg"),
}


def _write_mit67(root: Path, encode: Encode) -> Path:
    """Two classes of four images: two for training, one in no list, one for test. The lists have
    Windows line ends; GIF and PNG files have the suffix .jpg."""
    kinds = ("JPEG", "PNG", "JPEG", "GIF")
    for k, (room, files) in enumerate(ROOMS.items()):
        for i, (file, kind) in enumerate(zip(files, kinds, strict=True)):
            write_file(root / "Images" / room / file, encode(10 * k + i, (16, 16), kind))
    train = "\r\n".join(f"{room}/{file}" for room, files in ROOMS.items() for file in files[:2])
    test = "\r\n".join(f"{room}/{files[3]}" for room, files in ROOMS.items())
    (root / "TrainImages.txt").write_bytes(train.encode())
    (root / "TestImages.txt").write_bytes(f"{test}\r\n".encode())
    return root


def test_reading_mit67(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(_write_mit67(tmp_path / "in", encode)))
    assert source.classes == ("kitchen", "tv_studio")
    assert source.names == {"tv_studio": "tv studio"}
    training = {
        f"Images/{room}/{file}": "train" for room, files in ROOMS.items() for file in files[:2]
    }
    assert split_of_ids(source) == training | {
        f"Images/{room}/{files[3]}": "test" for room, files in ROOMS.items()
    }
    assert label_of_ids(source)["Images/tv_studio/\u5ba4.jpg"] == "tv_studio"
    packed = pack(source, tmp_path / "x.store", size_px=8)
    assert (packed.store.num_images, packed.num_unreadable) == (6, 0)


@pytest.mark.parametrize("name", ["Images", "TrainImages.txt", "TestImages.txt"])
def test_a_missing_part_of_mit67_is_named(tmp_path: Path, encode: Encode, name: str) -> None:
    root = _write_mit67(tmp_path, encode)
    shutil.rmtree(root / name) if name == "Images" else (root / name).unlink()
    error = open_error(f"mit67({str(root)!r})" if name == "Images" else str(root))
    assert (
        f"{root} has no folder Images/"
        if name == "Images"
        else f"cannot read {root / name}: No such file"
    ) in error.message
    assert "web.mit.edu/torralba/www/indoor.html" in error.hint


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "TrainImages.txt",
            "int474",
            "int475",
            "TrainImages.txt, line 1 names 'Images/kitchen/int475.jpg', which is not in",
        ),
        (
            "TrainImages.txt",
            "kitchen/int474",
            "Images/kitchen/int474",
            "line 1: 'Images/kitchen/int474.jpg' is not a class and a file",
        ),
        (
            "TrainImages.txt",
            "kitchen/int474",
            "int474",
            "line 1: 'int474.jpg' is not a class and a file",
        ),
        (
            "TrainImages.txt",
            "kitchen/int474.jpg",
            "../TestImages.txt",
            "names an image of class '..', of which no image is listed for test",
        ),
        (
            "TestImages.txt",
            "k 3.jpg",
            "int474.jpg",
            "TestImages.txt, line 1, for test, names 'Images/kitchen/int474.jpg', which",
        ),
        (
            "TestImages.txt",
            "kitchen/k 3.jpg",
            "",
            "names an image of class 'kitchen', of which no image is listed for test",
        ),
    ],
)
def test_faults_of_mit67_are_named(
    tmp_path: Path, encode: Encode, name: str, old: str, new: str, message: str
) -> None:
    root = _write_mit67(tmp_path, encode)
    edit_file(root / name, old, new)
    error = open_error(str(root))
    assert message in error.message
    assert "web.mit.edu/torralba/www/indoor.html" in error.hint


def test_a_class_without_listed_images_is_named(tmp_path: Path, encode: Encode) -> None:
    """Both lists may have been cut off; hidden folders are no classes."""
    root = _write_mit67(tmp_path, encode)
    for name in (".Trash", "__MACOSX"):
        (root / "Images" / name).mkdir()
    assert open_source(str(root)).num_images == 6
    (root / "Images" / "winecellar").mkdir()
    error = open_error(str(root))
    assert (
        "has a folder 'winecellar', of which neither TrainImages.txt nor TestImages.txt names an "
        "image" in error.message
    )


def test_missing_images_of_mit67_are_counted(tmp_path: Path, encode: Encode) -> None:
    root = _write_mit67(tmp_path, encode)
    shutil.rmtree(root / "Images" / "kitchen")
    (root / "Images" / "kitchen" / "k 3.jpg").mkdir(parents=True)
    error = open_error(str(root))
    assert "'Images/kitchen/cocina fr\u00eda 2.jpg'" in error.message
    assert "No such file or directory (3 of 6 images are missing)" in error.message
