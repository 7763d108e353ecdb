"""COCO's form: layouts as they are exported, names of images, odd annotations, classification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_trees import HEIGHT, WIDTH, coco_document, write_images, write_json
from format_trees import label_of_ids, open_error, split_of_ids
from hypothesis import given
from hypothesis import strategies as st
from voc_tree import boxes_of_image, marks_of_images

from seedbed.data.annotations import Boxes
from seedbed.data.coco_files import read_coco_file
from seedbed.data.formats import open_source, parse_data
from seedbed.data.note_counter import NoteCounter
from seedbed.data.pack import pack

CAT, DOG = (1.0, 2.0, 11.0, 22.0), (30.5, 4.0, 60.0, 40.25)
BOXES = [(0, "cat", CAT), (0, "dog", DOG), (1, "dog", DOG)]


def _single(root: Path, **changes: Any) -> Path:
    """Three images, of which the last has no annotation, and one JSON file."""
    write_images(root, ["images/a.png", "images/b.png", "images/c.png"])
    document = coco_document(["a.png", "b.png", "c.png"], BOXES)
    write_json(root / "annotations.json", {**document, **changes})
    return root


def _edit(root: Path, change: Any) -> Path:
    path = root / "annotations.json"
    document = json.loads(path.read_text())
    change(document)
    write_json(path, document)
    return root


def test_boxes_become_edges_and_images_without_a_box_stay(tmp_path: Path) -> None:
    root = _single(tmp_path)
    assert parse_data(str(root)).name == "coco"
    source = open_source(str(root))
    assert source.ids.tolist() == ["images/a.png", "images/b.png", "images/c.png"]
    assert source.classes == ("cat", "dog")
    assert boxes_of_image(source, "images/a.png") == [
        ("cat", list(CAT), False),
        ("dog", list(DOG), False),
    ]
    assert boxes_of_image(source, "images/c.png") == []
    assert source.notes == ("1 image without a box",)
    assert source.skipped == ()
    assert set(split_of_ids(source).values()) == {"train"}


def _official(root: Path) -> dict[str, str]:
    for split, name in (("train", "a.jpg"), ("val", "b.jpg")):
        write_images(root, [f"{split}2017/{name}"])
        document = coco_document([name], [(0, "cat", CAT)])
        write_json(root / f"annotations/instances_{split}2017.json", document)
        # COCO's other files of the same images are not of boxes
        keypoints = coco_document([name], [(0, "dog", DOG)])
        write_json(root / f"annotations/person_keypoints_{split}2017.json", keypoints)
        write_json(root / f"annotations/captions_{split}2017.json", {"images": []})
    return {"train2017/a.jpg": "train", "val2017/b.jpg": "val"}


def _roboflow(root: Path) -> dict[str, str]:
    splits = {"train": "train", "valid": "val", "test": "test"}
    for folder in splits:
        # the same name in each folder, other images
        write_images(root, [f"{folder}/a.jpg"])
        document = coco_document(["a.jpg"], [(0, "cat", CAT)])
        write_json(root / folder / "_annotations.coco.json", document)
    return {f"{folder}/a.jpg": split for folder, split in splits.items()}


def _cvat(root: Path) -> dict[str, str]:
    write_images(root, ["images/sub/a.jpg", "images/b.jpg"])
    document = coco_document(["sub/a.jpg", "b.jpg"], [(0, "cat", CAT), (1, "cat", CAT)])
    write_json(root / "annotations/instances_default.json", document)
    return {"images/b.jpg": "train", "images/sub/a.jpg": "train"}


def _split_folders_of_images(root: Path) -> dict[str, str]:
    write_images(root, ["images/train/a.jpg", "images/test/b.jpg"])
    names = ["train/a.jpg", "test/b.jpg"]
    write_json(root / "all.json", coco_document(names, [(0, "cat", CAT), (1, "cat", CAT)]))
    return {"images/test/b.jpg": "test", "images/train/a.jpg": "train"}


def _files_by_split(root: Path) -> dict[str, str]:
    for split, name in (("train", "a.jpg"), ("val", "b.jpg"), ("test", "c.jpg")):
        write_images(root, [f"images/{name}"])
        write_json(root / f"annotations/{split}.json", coco_document([name], [(0, "cat", CAT)]))
    return {"images/a.jpg": "train", "images/b.jpg": "val", "images/c.jpg": "test"}


@pytest.mark.parametrize(
    "make", [_official, _roboflow, _cvat, _split_folders_of_images, _files_by_split]
)
def test_layouts_are_recognised_with_their_splits(make, tmp_path: Path) -> None:
    expected = make(tmp_path)
    assert parse_data(str(tmp_path)).name == "coco"
    source = open_source(str(tmp_path))
    assert split_of_ids(source) == expected
    assert source.classes == ("cat",)
    assert all(boxes_of_image(source, i) == [("cat", list(CAT), False)] for i in expected)


@pytest.mark.parametrize(
    "name",
    [
        "images/a b.png",
        r"images\a b.png",
        "a%20b.png",
        "/home/somebody/data/images/a b.png",
        r"C:\data\images\a b.png",
        "./a b.png",
        "../../images/a b.png",
        "images/1a2b3c4d-a b.png",
        "/data/upload/3/1a2b3c4d-a%20b.png",
        "/data/local-files/?d=images/a%20b.png",
        "https://example.org/images/a%20b.png?token=1",
    ],
)
def test_names_of_images_as_tools_write_them(name: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["images/a b.png"])
    write_json(tmp_path / "result.json", coco_document([name], [(0, "cat", CAT)]))
    source = open_source(str(tmp_path))
    assert source.ids.tolist() == ["images/a b.png"]
    assert source.notes == ()


def test_a_prefix_of_an_upload_may_be_a_part_of_the_file_name(tmp_path: Path) -> None:
    write_images(tmp_path, ["images/1a2b3c4d-a.png", "images/a.png"])
    document = coco_document(["images/1a2b3c4d-a.png"], [(0, "cat", CAT)])
    write_json(tmp_path / "result.json", document)
    assert open_source(str(tmp_path)).ids.tolist() == ["images/1a2b3c4d-a.png"]


def test_images_of_another_folder_are_not_taken_for_those_that_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, ["video2/1.png", "video2/2.png", "video3/7.png"])
    names = ["video1/1.png", "video2/1.png", "video2/2.png", "old/7.png"]
    boxes = [(i, "cat", CAT) for i in range(4)]
    write_json(tmp_path / "all.json", coco_document(names, boxes))
    source = open_source(str(tmp_path))
    assert source.ids.tolist() == ["video2/1.png", "video2/2.png", "video3/7.png"]
    assert source.notes == (
        "1 image that an annotation file names is not there: video1/1.png",
        "1 image matched by the name alone, in another folder than the annotation says: old/7.png "
        "as video3/7.png",
    )


def test_an_image_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    write_images(tmp_path, ["one/a.png", "two/a.png"])
    write_json(tmp_path / "all.json", coco_document(["a.png"], [(0, "cat", CAT)]))
    assert "'a.png' is there 2 times: one/a.png and two/a.png" in open_error(str(tmp_path)).message


def test_missing_and_unlisted_images_are_counted(tmp_path: Path) -> None:
    root = _single(tmp_path)
    (root / "images/b.png").unlink()
    write_images(root, ["images/new.png"])
    (root / "README.md").write_text("x")
    source = open_source(str(root))
    assert source.num_images == 2
    assert "1 image that an annotation file names is not there: b.png" in source.notes
    assert [str(row) for row in source.skipped] == [
        "1 .png file not read (in no annotation file): images/new.png",
        "1 .md file not read (not an image): README.md",
    ]
    for name in ("a", "c"):
        (root / f"images/{name}.png").unlink()
    error = open_error(str(root))
    assert "none of the 3 images" in error.message
    assert "annotations=" in error.hint


def test_categories_have_gaps_twins_and_empty_ones(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["categories"] += [{"id": 0, "name": "objects"}, {"id": 90, "name": " dog "}]
        document["annotations"][2]["category_id"] = 90

    source = open_source(str(_edit(_single(tmp_path), change)))
    assert source.classes == ("cat", "dog")
    assert source.empty_classes == ("objects",)
    assert boxes_of_image(source, "images/b.png") == [("dog", list(DOG), False)]
    assert "1 category name is there twice and read as one class: 'dog'" in source.notes[0]
    store = pack(source, tmp_path / "a.store").store
    assert store.empty_classes == ["objects"]


def test_crowds_are_difficult_as_in_the_evaluation_of_coco(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["annotations"][0] |= {
            "iscrowd": 1,
            "segmentation": {"counts": [0, 9], "size": [3, 3]},
        }

    source = open_source(str(_edit(_single(tmp_path), change)))
    assert boxes_of_image(source, "images/a.png")[0] == ("cat", list(CAT), True)
    assert source.notes[0].startswith(
        "1 crowd region is difficult: neither used for training nor scored: "
    )


def test_regions_without_a_box(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        one, two, three = document["annotations"]
        for row in (one, two, three):
            del row["bbox"]
        one["segmentation"] = [[1, 2, 5, 2, 5, 9], [3, 4, 11, 22, 4, 4]]
        two["segmentation"] = {"counts": "abc", "size": [48, 64]}

    source = open_source(str(_edit(_single(tmp_path), change)))
    assert boxes_of_image(source, "images/a.png") == [("cat", [1, 2, 11, 22], False)]
    path = tmp_path / "annotations.json"
    assert source.notes == (
        f"1 box around a polygon, where the annotation has no box: {path}, annotation 1",
        f"1 annotation has a mask (RLE) and no box, and is left out: {path}, annotation 4",
        f"1 annotation has no box and is left out: {path}, annotation 7",
        "2 images without a box",
    )


def test_boxes_without_area_are_left_out_and_those_outside_are_refused(tmp_path: Path) -> None:
    from seedbed.base.errors import BadDataError
    from seedbed.tasks.catalogue.detection import Detection

    def change(document: dict[str, Any]) -> None:
        document["annotations"][0]["bbox"] = [5, 5, 0, 9]
        document["annotations"][1]["bbox"] = [500, 5, 9, 9]

    source = open_source(str(_edit(_single(tmp_path), change)))
    assert source.notes[0].startswith("1 box without area left out: ")
    store = pack(source, tmp_path / "a.store").store
    assert store.box_faults.startswith("1 box outside of the image, the first with xmin 501")
    with pytest.raises(BadDataError, match="xmin 501"):
        Detection().load(store, 0)


def test_sizes_are_compared_with_the_files(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["images"][0] |= {"width": HEIGHT, "height": WIDTH}
        document["images"][1] |= {"width": 0, "height": 0}

    note = open_source(str(_edit(_single(tmp_path), change))).notes[0]
    assert note == (
        "1 image is of another size than the annotation says: images/a.png, 48 x 64 px in the "
        "annotation, 64 x 48 px in the file. Width and height are exchanged in 1 of these: the "
        "boxes may refer to the image as its orientation tag turns it"
    )


def test_boxes_of_turned_photographs_are_converted(tmp_path: Path) -> None:
    """Browsers show photographs upright; the size in the JSON file says so."""
    write_images(tmp_path, ["a.jpg"], tag=6)
    upright = coco_document(["a.jpg"], [(0, "cat", (0, 0, 8, 20))], size=(HEIGHT, WIDTH))
    write_json(tmp_path / "all.json", upright)
    source = open_source(str(tmp_path))
    # the upper left of the upright image is the lower left of the file
    assert boxes_of_image(source, "a.jpg") == [("cat", [0, HEIGHT - 8, 20, HEIGHT], False)]
    assert "converted to px of the file: a.jpg" in source.notes[0]
    write_json(tmp_path / "all.json", coco_document(["a.jpg"], [(0, "cat", CAT)]))
    source = open_source(str(tmp_path))
    assert boxes_of_image(source, "a.jpg") == [("cat", list(CAT), False)]
    assert "read as px of the file without it: a.jpg" in source.notes[0]


def test_classes_alone_are_labels_or_marks(tmp_path: Path) -> None:
    root = _single(tmp_path)
    source = open_source(f"coco({str(root)!r}, task='classification')")
    assert marks_of_images(source) == {
        "images/a.png": {"cat": 1, "dog": 1},
        "images/b.png": {"cat": -1, "dog": 1},
        "images/c.png": {"cat": -1, "dog": -1},
    }
    assert source.notes == ("1 image without a class",)

    def change(document: dict[str, Any]) -> None:
        del document["annotations"][1]
        for row in document["annotations"]:
            del row["bbox"]

    _edit(root, change)
    source = open_source(f"coco({str(root)!r}, task='classification')")
    assert source.annotations is None
    assert label_of_ids(source) == {"images/a.png": "cat", "images/b.png": "dog"}
    assert source.notes == (
        "no image shows two classes: each has one label",
        "1 image without a class is left out",
    )
    error = open_error(str(root))
    assert "no annotation has a box" in error.message
    assert "task='classification'" in error.hint


def test_a_class_that_only_a_crowd_shows_counts_neither_way(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["annotations"][0]["iscrowd"] = 1

    root = _edit(_single(tmp_path), change)
    marks = marks_of_images(open_source(f"coco({str(root)!r}, task='classification')"))
    assert marks["images/a.png"] == {"cat": 0, "dog": 1}


def test_a_file_may_be_named_instead_of_a_folder(tmp_path: Path) -> None:
    _files_by_split(tmp_path)
    file = tmp_path / "annotations/val.json"
    assert parse_data(str(file)).name == "coco"
    assert open_source(str(file)).ids.tolist() == ["images/b.jpg"]
    (tmp_path / "elsewhere").mkdir()
    file.rename(tmp_path / "elsewhere/val.json")
    call = f"coco({str(tmp_path / 'images')!r}, annotations={str(tmp_path / 'elsewhere')!r})"
    assert split_of_ids(open_source(call)) == {"b.jpg": "val"}
    assert "there is no" in open_error(f"coco({str(tmp_path)!r}, annotations='nope.json')").message
    empty = open_error(f"coco({str(tmp_path / 'images')!r})")
    assert "no annotation file in COCO's form" in empty.message


def test_test_images_without_annotations_are_left_out(tmp_path: Path) -> None:
    _files_by_split(tmp_path)
    write_json(tmp_path / "annotations/test.json", coco_document(["c.jpg"], []))
    source = open_source(str(tmp_path))
    assert split_of_ids(source) == {"images/a.jpg": "train", "images/b.jpg": "val"}
    assert "1 annotation file of test images without annotations left out" in source.notes[0]


def test_one_image_in_two_files_is_an_error_and_twice_in_one_is_joined(tmp_path: Path) -> None:
    _files_by_split(tmp_path)
    write_json(tmp_path / "annotations/val.json", coco_document(["a.jpg"], [(0, "cat", CAT)]))
    assert "images/a.jpg is in two annotation files" in open_error(str(tmp_path)).message
    root = tmp_path / "twice"
    write_images(root, ["a.png"])
    document = coco_document(["a.png", "a.png"], [(0, "cat", CAT), (1, "dog", DOG)])
    write_json(root / "all.json", document)
    source = open_source(str(root))
    assert [name for name, _, _ in boxes_of_image(source, "a.png")] == ["cat", "dog"]
    assert "boxes are joined: a.png" in source.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"][0].update(category_id=99), "category_id 99, which is no"),
        (lambda d: d["annotations"][0].pop("image_id"), "annotation 1 has no image_id"),
        (lambda d: d["annotations"][0].update(image_id=[7]), "annotation 1 has no image_id"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, 3]), "has the bbox [1, 2, 3]"),
        (lambda d: d["annotations"][0].update(bbox=[1, 2, "3", 4]), "has the bbox"),
        (
            lambda d: d["annotations"][0].update(bbox=[], segmentation=[["a"]]),
            "neither polygons nor a mask",
        ),
        (lambda d: d["images"][1].update(id=7), "two images have the id 7"),
        (lambda d: d["images"][1].pop("file_name"), "image 2 has no id or no file_name"),
        (lambda d: d["categories"][0].pop("name"), "category 1 has no id or no name"),
        (lambda d: d["categories"][0].update(name="a/b"), "has the name 'a/b'"),
        (lambda d: d["categories"][0].update(id=7), "'cat' and 'dog' have one id, 7"),
        (lambda d: d["annotations"].clear(), "no annotation has a box"),
    ],
)
def test_faults_of_a_file_are_named(change, message: str, tmp_path: Path) -> None:
    error = open_error(str(_edit(_single(tmp_path), change)))
    assert message in error.message
    assert error.hint


def test_annotations_of_images_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    root = _edit(_single(tmp_path), lambda d: d["annotations"][2].update(image_id=1))
    note = open_source(str(root)).notes[0]
    assert note.startswith("1 annotation of images that the file does not list left out")


@pytest.mark.parametrize("text", ["{", "[1]", '{"images": [], "annotations": []}'])
def test_files_that_are_not_of_the_form(text: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["cats/a.png", "dogs/b.png"])
    (tmp_path / "all.json").write_text(text)
    assert parse_data(str(tmp_path)).name == "folder"
    error = open_error(f"coco({str(tmp_path / 'all.json')!r})")
    assert "is not JSON" in error.message or "has no list" in error.message


def test_another_box_changes_the_digest(tmp_path: Path) -> None:
    root = _single(tmp_path)
    before = open_source(str(root)).listing
    _edit(root, lambda d: d["annotations"][0].update(bbox=[1, 2, 10, 21]))
    assert open_source(str(root)).listing != before


finite = st.floats(0, 60, allow_nan=False).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), finite, finite, finite, finite)))
def test_boxes_survive_a_round_trip_through_labelformat(tmp_path_factory, rows) -> None:
    """labelformat is an independent reader and writer of the same form."""
    module = pytest.importorskip("labelformat.formats.coco")
    folder = tmp_path_factory.mktemp("coco")
    boxes = [
        (image, ("cat", "dog")[label], (x, y, x + 0.5 + w, y + 0.5 + h))
        for image, label, x, y, w, h in rows
    ]
    write_json(folder / "in.json", coco_document(["a.png", "b.png", "c.png"], boxes))
    other = module.COCOObjectDetectionInput(input_file=folder / "in.json")
    module.COCOObjectDetectionOutput(output_file=folder / "out.json").save(label_input=other)
    expected = {
        label.image.filename: [
            (o.category.name, [o.box.xmin, o.box.ymin, o.box.xmax, o.box.ymax])
            for o in label.objects
        ]
        for label in other.get_labels()
    }
    for name in ("in.json", "out.json"):
        images = read_coco_file(folder / name, NoteCounter()).images
        assert {image.name for image in images} == expected.keys()
        for image in images:
            assert [box.label for box in image.boxes] == [n for n, _ in expected[image.name]]
            corners = np.array([box.corners for box in image.boxes]).reshape(-1, 4)
            others = np.array([c for _, c in expected[image.name]]).reshape(-1, 4)
            np.testing.assert_allclose(corners, others, atol=1e-9)


def test_bccd_has_the_same_boxes_in_this_form(real_data: Path, tmp_path: Path) -> None:
    voc = open_source(str(real_data / "BCCD"))
    assert isinstance(voc.annotations, Boxes)
    (tmp_path / "JPEGImages").symlink_to(real_data / "BCCD" / "JPEGImages")
    names = [str(i).rpartition("/")[2] for i in voc.ids]
    rows = zip(voc.annotations.rows, voc.annotations.labels, voc.annotations.corners, strict=True)
    boxes = [(int(row), voc.classes[k], tuple(corners)) for row, k, corners in rows]
    document = coco_document(names, boxes, list(voc.classes), (640, 480))
    write_json(tmp_path / "all.json", document)
    source = open_source(str(tmp_path))
    assert source.notes == ()
    assert source.ids.tolist() == voc.ids.tolist()
    assert isinstance(source.annotations, Boxes)
    assert source.annotations.rows.tolist() == voc.annotations.rows.tolist()
    assert source.annotations.labels.tolist() == voc.annotations.labels.tolist()
    np.testing.assert_allclose(source.annotations.corners, voc.annotations.corners, atol=1e-9)
