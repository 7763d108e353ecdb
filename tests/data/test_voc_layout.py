"""PASCAL VOC's layout: boxes from 1, difficult boxes, missing tags, unusual names, class lists."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from format_trees import open_error
from PIL import Image
from voc_tree import (
    HEIGHT,
    WIDTH,
    boxes_of_image,
    four_images,
    marks_of_images,
    move_next_to_images,
    object_xml,
    scenes_tree,
    write_image,
    write_sets,
)

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Boxes
from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.voc_annotations import to_edges, to_voc_boxes
from seedbed.data.voc_layout import VocFolder
from seedbed.tasks.catalogue.detection import Detection


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return four_images(tmp_path / "VOC2007")


def test_boxes_count_pixels_from_one_with_both_ends_included(tree: Path) -> None:
    source = open_source(str(tree))
    assert source.classes == ("cat", "dog")
    assert source.ids.tolist() == [
        "JPEGImages/a.png",
        "JPEGImages/b.png",
        "JPEGImages/d.png",
        "JPEGImages/ümläut 7.jpg",
    ]
    assert source.splits.tolist() == [TRAIN, TRAIN, TEST, VAL]
    assert (source.leaves == -1).all()
    # One pixel, (5, 6) to (5, 6), has sides of 1.
    assert boxes_of_image(source, "JPEGImages/a.png") == [
        ("cat", [0, 0, 10, 20], False),
        ("dog", [4, 5, 5, 6], False),
    ]
    assert boxes_of_image(source, "JPEGImages/b.png") == [("dog", [1, 2, 64, 48], True)]
    assert boxes_of_image(source, "JPEGImages/ümläut 7.jpg") == [
        ("cat", [0.5, 1.5, 30.25, 40.75], False)
    ]
    assert boxes_of_image(source, "JPEGImages/d.png") == []


def test_conversions_of_boxes_are_inverse() -> None:
    box = np.array([[1.0, 1.0, 1.0, 1.0], [3.5, 2.0, 10.0, 20.0]])
    assert to_edges(box).tolist()[0] == [0, 0, 1, 1]
    assert np.array_equal(to_voc_boxes(to_edges(box)), box)


def test_a_store_has_the_files_and_the_boxes(tree: Path, tmp_path: Path) -> None:
    source = open_source(str(tree))
    store = pack(source, tmp_path / "voc.store").store
    assert store.is_encoded
    assert store.annotation_kind == "boxes"
    assert isinstance(store.annotations, Boxes)
    assert source.annotations is not None
    assert store.annotations.digest() == source.annotations.digest()
    assert store.leaves.tolist() == [-1] * 4
    assert store.encoded(0) == (tree / "JPEGImages/a.png").read_bytes()
    assert store.sizes(np.arange(4)).tolist() == [[WIDTH, HEIGHT]] * 4


def test_boxes_of_unreadable_images_are_removed(tree: Path, tmp_path: Path) -> None:
    (tree / "JPEGImages/b.png").write_bytes(b"no image")
    store = pack(open_source(str(tree)), tmp_path / "voc.store", allow_unreadable=0.5).store
    boxes = store.annotations
    assert isinstance(boxes, Boxes)
    assert store.ids.tolist() == ["JPEGImages/a.png", "JPEGImages/d.png", "JPEGImages/ümläut 7.jpg"]
    assert boxes.rows.tolist() == [0, 0, 2]
    assert not boxes.difficult.any()


def test_another_box_changes_the_digest(tree: Path, tmp_path: Path) -> None:
    first = pack(open_source(str(tree)), tmp_path / "voc.store").store
    before = first.digest
    write_image(tree, "a", [object_xml("cat", (1, 1, 11, 20))])
    assert pack(open_source(str(tree)), tmp_path / "voc.store").store.digest != before


def test_marks_without_lists_come_from_annotations(tree: Path) -> None:
    marks = marks_of_images(open_source(f"voc({str(tree)!r}, task='classification')"))
    assert marks["JPEGImages/a.png"] == {"cat": 1, "dog": 1}
    # a difficult one alone counts neither way
    assert marks["JPEGImages/b.png"] == {"cat": -1, "dog": 0}
    assert marks["JPEGImages/d.png"] == {"cat": -1, "dog": -1}


def test_marks_come_from_the_lists_of_a_class(tree: Path) -> None:
    write_sets(tree, {"dog_train": ["a  0", "b -1"]}, end="\r\n")
    marks = marks_of_images(open_source(f"voc({str(tree)!r}, task='classification')"))
    assert marks["JPEGImages/a.png"] == {"cat": 1, "dog": 0}
    assert marks["JPEGImages/b.png"] == {"cat": -1, "dog": -1}


def test_a_class_list_without_an_image_of_the_set_is_named(tree: Path) -> None:
    write_sets(tree, {"dog_train": ["a 1"]})
    error = open_error(f"voc({str(tree)!r}, task='classification')")
    assert "dog_train.txt does not name b" in error.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: (root / "Annotations/a.xml").unlink(),
            "a is in an image set, and has no annotation",
        ),
        (lambda root: (root / "JPEGImages/a.png").unlink(), "there is no JPEGImages/a.jpg"),
        (
            lambda root: (root / "Annotations/a.xml").write_text("<annotation>"),
            "cannot be read as XML",
        ),
        (
            lambda root: write_image(root, "a", ["<object><name>cat</name></object>"]),
            "object 1 has no complete box",
        ),
        (
            lambda root: write_image(root, "a", [object_xml("cat", (9, 1, 8, 5))]),
            "ends before it begins: 9, 1, 8, 5",
        ),
        (
            lambda root: write_image(root, "a", [object_xml("", (1, 1, 8, 5))]),
            "object 1 has no name",
        ),
        (
            lambda root: write_image(root, "a", [object_xml("wood/ant", (1, 1, 8, 5))]),
            "has the name 'wood/ant'",
        ),
        (lambda root: write_sets(root, {"val": ["b"]}), "b is in two image sets"),
        (lambda root: write_sets(root, {"train": [""]}), "names no image"),
        (
            lambda root: (root / "ImageSets/Main/train.txt").write_bytes(b"\xff\xfe\xfa"),
            "is not UTF-8",
        ),
    ],
)
def test_faults_of_a_voc_folder_are_named(tree: Path, change, message: str) -> None:
    change(tree)
    error = open_error(str(tree))
    assert message in error.message
    assert error.hint


def test_a_development_kit_of_several_years_is_refused(tree: Path) -> None:
    assert parse_data(str(tree.parent)).name == "voc"
    assert VocFolder.find(tree.parent).root == tree
    scenes_tree(tree.parent / "VOC2012", 2, 1, 1)
    assert "VOC2007" in open_error(str(tree.parent)).hint


def test_test_images_without_annotations_are_left_out(tree: Path) -> None:
    (tree / "Annotations/d.xml").unlink()
    source = open_source(str(tree))
    assert TEST not in source.splits  # as of the years 2008 on: val then serves as test
    assert source.num_images == 3


def test_trainval_is_training_without_train_and_val(tree: Path) -> None:
    for name in ("train", "val"):
        (tree / "ImageSets/Main" / f"{name}.txt").unlink()
    assert open_source(str(tree)).splits.tolist() == [TRAIN, TRAIN, TEST, TRAIN]


def test_boxes_refer_to_the_image_without_its_orientation_tag(tree: Path, tmp_path: Path) -> None:
    """Boxes are in px of the file without its orientation tag."""
    from seedbed.data.detection_batches import ImageSize, WholeImages

    picture = Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tree / "JPEGImages" / "a.png", exif=exif)
    store = pack(open_source(str(tree)), tmp_path / "voc.store").store
    scenes = WholeImages(store, np.array([0]), ImageSize(short_px=24, long_px=100))
    assert scenes.images([0])[0].shape == (3, 24, 32)


def test_lists_may_name_images_with_suffixes(tree: Path) -> None:
    expected = open_source(str(tree))
    write_sets(tree, {"train": ["a.png", "b.png"], "val": ["ümläut 7.jpg"], "test": ["d.png"]})
    assert open_source(str(tree)).ids.tolist() == expected.ids.tolist()


def test_images_in_no_list_are_noted(tree: Path) -> None:
    assert open_source(str(tree)).notes == ()
    write_sets(tree, {"train": ["a"]})
    (note,) = open_source(str(tree)).notes
    assert note == f"1 image of {tree} in no image set left out"


def test_advice_differs_for_pascal_and_for_other_folders(tree: Path, tmp_path: Path) -> None:
    (tree / "Annotations/a.xml").unlink()
    assert "torchvision.datasets.VOCDetection" in open_error(str(tree)).hint
    folder = tree.rename(tmp_path / "my cells")
    hint = open_error(str(folder)).hint
    assert "ImageSets/Main/train.txt" in hint
    assert "torchvision" not in hint


def test_an_image_name_may_have_a_hash(tree: Path, tmp_path: Path) -> None:
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "png")):
        (tree / folder / f"a.{suffix}").rename(tree / folder / f"a#1.{suffix}")
    write_sets(tree, {"train": ["a#1", "b"], "trainval": ["a#1", "b", "ümläut 7"]})
    assert pack(open_source(str(tree)), tmp_path / "voc.store").store.ids[0] == "JPEGImages/a#1.png"


def test_class_lists_of_trainval_are_used_without_train_and_val(tree: Path) -> None:
    for name in ("train", "val"):
        (tree / "ImageSets/Main" / f"{name}.txt").unlink()
    write_sets(tree, {"cat_trainval": ["a  0", "b -1", "ümläut 7  1"]})
    marks = marks_of_images(open_source(f"voc({str(tree)!r}, task='classification')"))
    assert [marks[f"JPEGImages/{name}"]["cat"] for name in ("a.png", "b.png", "ümläut 7.jpg")] == [
        0,
        -1,
        1,
    ]


def test_a_single_image_set_of_any_name_is_training(tree: Path) -> None:
    """CVAT exports such a set."""
    expected = open_source(str(tree)).ids.tolist()
    for path in (tree / "ImageSets/Main").iterdir():
        path.unlink()
    write_sets(tree, {"default": ["a", "b", "d", "ümläut 7"]})
    source = open_source(str(tree))
    assert source.ids.tolist() == expected
    assert source.splits.tolist() == [TRAIN] * 4


def test_notes_of_a_store_are_updated_with_its_source(tree: Path, tmp_path: Path) -> None:
    assert pack(open_source(str(tree)), tmp_path / "v.store").store.notes == []
    Image.new("RGB", (20, 20)).save(tree / "JPEGImages" / "new.png")
    again = pack(open_source(str(tree)), tmp_path / "v.store")
    assert again.images_per_s is None  # nothing was packed
    assert again.store.notes == [f"1 image of {tree} in no image set left out"]
    (tree / "JPEGImages" / "new.png").unlink()
    assert pack(open_source(str(tree)), tmp_path / "v.store").store.notes == []


def test_doubtful_annotations_are_noted(tree: Path, tmp_path: Path) -> None:
    write_image(tree, "a", [object_xml("cat", (9, 9, 9999, 20)), object_xml("Dog", (1, 1, 5, 5))])
    store = pack(open_source(str(tree)), tmp_path / "v.store").store
    assert store.source_notes == [
        "classes 'Dog' and 'dog' differ only in capitals",
        "1 box outside of the image, the first with xmin 9, ymin 9, xmax 9999, ymax 20 in "
        "JPEGImages/a.png, which is 64 x 48 px",
    ]
    with pytest.raises(BadDataError, match="xmax 9999") as caught:
        Detection().load(store, 0)
    assert caught.value.hint.startswith("Correct them.")


def _state_size(path: Path, width: int, height: int) -> None:
    text = re.sub(r"<width>\d+</width><height>\d+</height>", "<w/>", path.read_text())
    size = f"<width>{width}</width><height>{height}</height>"
    path.write_text(text.replace("<w/>", size))


def test_sizes_of_annotations_are_compared_with_the_files(tree: Path, tmp_path: Path) -> None:
    before = open_source(str(tree))
    _state_size(tree / "Annotations/a.xml", 0, 0)  # 0 is not a size
    assert open_source(str(tree)).notes == ()
    _state_size(tree / "Annotations/a.xml", 128, 96)
    _state_size(tree / "Annotations/b.xml", HEIGHT, WIDTH)
    for call in (str(tree), f"voc({str(tree)!r})"):
        source = open_source(call)
        assert source.notes == (
            "2 images are of another size than the annotation says: the first is "
            "JPEGImages/a.png, 128 x 96 px in the annotation, 64 x 48 px in the file. Width and "
            "height are exchanged in 1 of these: the boxes may refer to the image as its "
            "orientation tag turns it",
        )
    assert source.listing == before.listing  # it is a note: no key changes
    assert open_source(f"voc({str(tree)!r}, task='classification')").notes == ()
    assert pack(source, tmp_path / "v.store").store.source_notes == list(source.notes)


def test_a_photograph_with_an_orientation_tag_has_the_size_of_its_file(tree: Path) -> None:
    picture = Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tree / "JPEGImages" / "a.png", exif=exif)
    assert open_source(str(tree)).notes == ()
    _state_size(tree / "Annotations/a.xml", HEIGHT, WIDTH)
    assert "exchanged in 1 of these" in open_source(str(tree)).notes[0]


def test_images_in_no_class_folder_name_the_format_of_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "1.jpg")
    assert "cats/1.jpg." in open_error(f"folder({str(tmp_path)!r})").hint
    for name, form in (("a.json", "coco("), ("1.xml", "voc("), ("1.txt", "yolo(")):
        (tmp_path / name).write_text("")
        assert f"they are read by {form}" in open_error(f"folder({str(tmp_path)!r})").hint


def test_image_sets_in_another_folder_are_refused(tree: Path) -> None:
    for path in (tree / "ImageSets/Main").iterdir():
        path.rename(tree / "ImageSets" / path.name)
    assert "there is no image set" in open_error(str(tree)).message


def test_a_list_may_be_named_by_its_path(tree: Path, tmp_path: Path) -> None:
    folder = VocFolder.find(tree)
    path = tmp_path / "some.txt"
    path.write_text("d\na.png\n", encoding="utf-8")
    assert folder.images(str(path)) == ["d", "a"]
    write_sets(tree, {"cat_train": ["a  0", "b -1"]})
    # the other sets have no list of cats
    assert folder.flags("cat", str(path)) == {"a": 0, "b": -1}
    move_next_to_images(tree)
    path.write_text("a\nnope\n")
    with pytest.raises(BadDataError, match=r"some\.txt names 'nope'"):
        VocFolder.find(tree).images(str(path))


def test_an_image_id_may_end_like_a_suffix(tree: Path) -> None:
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "png")):
        (tree / folder / f"a.{suffix}").rename(tree / folder / f"a.jpg.{suffix}")
    write_sets(tree, {"train": ["a.jpg", "b.png"]})
    assert VocFolder.find(tree).images("train") == ["a.jpg", "b"]
