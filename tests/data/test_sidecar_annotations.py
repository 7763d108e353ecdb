"""Annotations next to their images, without image sets, as LabelImg and Roboflow write them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from format_trees import open_error
from PIL import Image
from voc_tree import (
    boxes_of_image,
    four_images,
    move_next_to_images,
    object_xml,
    scenes_tree,
    write_image,
)

from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.voc_layout import VocFolder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return four_images(tmp_path / "VOC2007")


def test_annotations_next_to_images_need_no_image_sets(tree: Path, tmp_path: Path) -> None:
    move_next_to_images(tree)
    Image.new("RGB", (20, 20)).save(tree / "nobody looked at this.jpg")
    source = open_source(str(tree))
    assert source.ids.tolist() == ["a.png", "b.png", "d.png", "ümläut 7.jpg"]
    assert boxes_of_image(source, "a.png") == [
        ("cat", [0, 0, 10, 20], False),
        ("dog", [4, 5, 5, 6], False),
    ]
    assert source.notes == (f"1 image of {tree} without an annotation left out",)
    store = pack(source, tmp_path / "own.store").store
    assert set(store.splits.tolist()) == {TRAIN, TEST}
    assert store.notes == [
        *source.notes,
        "test images are 20% of the images, by content hash within each class",
    ]


def test_annotations_in_folders_of_splits(tree: Path, tmp_path: Path) -> None:
    """Roboflow exports such folders."""
    for name, split in (("train", TRAIN), ("valid", VAL), ("test", TEST)):
        root = tmp_path / "export" / name
        scenes_tree(root, 3, 0, 0)
        move_next_to_images(root)
        assert open_source(str(root)).splits.tolist() == [TRAIN] * 3
        assert split in open_source(str(tmp_path / "export")).splits
    source = open_source(str(tmp_path / "export"))
    assert source.splits.tolist() == [TEST] * 3 + [TRAIN] * 3 + [VAL] * 3
    assert source.ids[0] == "test/scene_000.png"


def test_an_annotations_folder_needs_no_image_sets(tree: Path) -> None:
    for path in (tree / "ImageSets/Main").iterdir():
        path.unlink()
    (tree / "ImageSets/Main").rmdir()
    (tree / "ImageSets").rmdir()
    source = open_source(str(tree))
    assert source.num_images == 4
    assert source.ids[0] == "JPEGImages/a.png"


def test_other_xml_files_are_not_annotations(tmp_path: Path, make_tree) -> None:
    root = make_tree({"cats": 3, "dogs": 3})
    (root / "thumbs.xml").write_text("<index/>")
    (root / "annotations.xml").write_text("<annotations><image/></annotations>")  # CVAT's own form
    (root / "cats" / "list.xml").write_text("<annotation/>")
    source = open_source(str(root))
    assert source.classes == ("cats", "dogs")
    assert source.num_images == 6


def test_two_images_of_one_annotation_are_named(tmp_path: Path) -> None:
    write_image(tmp_path / "x", "a", [object_xml("cat", (1, 1, 9, 9))])
    move_next_to_images(tmp_path / "x")
    Image.new("RGB", (20, 20)).save(tmp_path / "x" / "a.jpg")
    assert "a.xml is the annotation of two images" in open_error(str(tmp_path / "x")).message


def test_annotations_without_an_image_are_counted(tree: Path) -> None:
    (tree / "JPEGImages" / "more.png").write_bytes((tree / "JPEGImages" / "a.png").read_bytes())
    (tree / "Annotations" / "gone.xml").write_text("<annotation></annotation>")
    assert open_source(str(tree)).notes == (
        f"1 image of {tree} in no image set left out",
        f"1 annotation of {tree} without an image left out",
    )
    (tree / "JPEGImages" / "more.png").unlink()
    move_next_to_images(tree)
    (tree / "a.xml").rename(tree / "a.XML")
    source = open_source(str(tree))
    assert source.num_images == 4
    assert source.notes == (f"1 annotation of {tree} without an image left out",)


def test_annotation_folders_in_lower_case_are_read(tree: Path) -> None:
    for path in (tree / "ImageSets/Main").iterdir():
        path.unlink()
    (tree / "ImageSets/Main").rmdir()
    (tree / "ImageSets").rmdir()
    (tree / "JPEGImages").rename(tree / "images")
    (tree / "Annotations").rename(tree / "annotations")
    assert open_source(str(tree)).ids.tolist() == [
        "images/a.png",
        "images/b.png",
        "images/d.png",
        "images/ümläut 7.jpg",
    ]


def test_splits_may_have_any_of_their_names(tree: Path) -> None:
    scenes_tree(tree / "export" / "valid", 2, 0, 0)
    move_next_to_images(tree / "export" / "valid")
    folder = VocFolder.find(tree / "export")
    assert (
        folder.images("valid")
        == folder.images("val")
        == folder.images("validation")
        == ["valid/scene_000", "valid/scene_001"]
    )


def test_one_annotation_of_two_folders_is_refused(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        (tmp_path / "x" / split).mkdir(parents=True)
        Image.new("RGB", (64, 48)).save(tmp_path / "x" / split / "0.png")
    write_image(tmp_path / "y", "0", [object_xml("cat", (1, 1, 9, 9))])
    (tmp_path / "y" / "Annotations").rename(tmp_path / "x" / "Annotations")
    assert (
        "is the annotation of two images, train/0.png and valid/0.png"
        in open_error(f"voc({str(tmp_path / 'x')!r})").message
    )


def test_annotations_in_utf_16_are_recognised(tree: Path) -> None:
    move_next_to_images(tree)
    for path in tree.glob("*.xml"):
        path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    assert open_source(str(tree)).num_images == 4


@pytest.mark.parametrize(
    ("images", "annotations"),
    [
        ("images", "annots"),  # as in the kangaroo data set
        ("images", "xmls"),
        ("Images", "Annotation"),
        ("img", "xml"),
        ("imgs", "labels"),
        ("JPEGImages", "bboxes"),
        ("pictures of ours", "annotations"),
        ("images", "images"),
        ("images/deep", "annots"),
        ("images/train", "annots/train"),
        ("train/images", "train/labels"),
        ("", "annots"),
    ],
)
def test_annotations_in_a_folder_beside_that_of_the_images(
    images: str, annotations: str, tree: Path, tmp_path: Path
) -> None:
    root = tmp_path / "set"
    for old, new in (("JPEGImages", images), ("Annotations", annotations)):
        (root / new).mkdir(parents=True, exist_ok=True)
        for path in (tree / old).iterdir():
            path.rename(root / new / path.name)
    assert parse_data(str(root)).name == "voc"
    source = open_source(str(root))
    prefix = f"{images}/" if images else ""
    assert source.ids.tolist() == [
        f"{prefix}{n}" for n in ("a.png", "b.png", "d.png", "ümläut 7.jpg")
    ]
    assert boxes_of_image(source, f"{prefix}a.png")[0] == ("cat", [0, 0, 10, 20], False)
    assert source.notes == ()


def test_the_file_beside_the_image_comes_before_other_folders(tree: Path) -> None:
    move_next_to_images(tree)
    (tree / "annots").mkdir()
    (tree / "annots" / "a.xml").write_text("<annotation></annotation>")
    assert len(boxes_of_image(open_source(str(tree)), "a.png")) == 2


def test_a_kangaroo_set_is_packed_for_detection(tree: Path, tmp_path: Path) -> None:
    (tree / "JPEGImages").rename(tree / "images")
    (tree / "Annotations").rename(tree / "annots")
    shutil.rmtree(tree / "ImageSets")
    store = pack(str(tree), tmp_path / "k.store").store
    assert store.annotation_kind == "boxes"
    assert store.classes == ("cat", "dog")
