"""PASCAL VOC's layout: boxes from 1, difficult ones, tags that are missing, names of any kind,
lists by class, persons."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from voc_tree import HEIGHT, WIDTH, object_xml, scenes_tree, write_image, write_sets

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Boxes, Marks
from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack
from seedbed.data.source import TEST, TRAIN, VAL, Source
from seedbed.data.voc_annotations import to_edges, to_voc_boxes
from seedbed.data.voc_layout import ACTIONS, VocFolder, read_persons
from seedbed.tasks.catalogue.detection import Detection


def boxes_of(source: Source, name: str) -> list[tuple[str, list[float], bool]]:
    """Class, edges and difficulty of each box of an image."""
    found = source.annotations
    assert isinstance(found, Boxes)
    row = source.ids.tolist().index(name)
    return [
        (source.classes[found.labels[i]], found.corners[i].tolist(), bool(found.difficult[i]))
        for i in found.boxes_of_image(row)
    ]


def marks_of(source: Source) -> dict[str, dict[str, int]]:
    found = source.annotations
    assert isinstance(found, Marks)
    return {
        str(i): dict(zip(source.classes, row.tolist(), strict=True))
        for i, row in zip(source.ids, found.marks, strict=True)
    }


def refused(call: str) -> BadDataError:
    with pytest.raises(BadDataError) as caught:
        open_source(call)
    return caught.value


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Four images: two to learn from, one to validate on, one to test on; a cat, a dog, a difficult
    dog."""
    root = tmp_path / "VOC2007"
    write_image(
        root,
        "a",
        [object_xml("cat", (1, 1, 10, 20)), object_xml("dog", (5, 6, 5, 6), difficult=None)],
    )
    write_image(root, "b", [object_xml("dog", (2, 3, 64, 48), difficult=1)])
    write_image(root, "ümläut 7", [object_xml("cat", (1.5, 2.5, 30.25, 40.75))], suffix=".jpg")
    write_image(root, "d", [])
    write_sets(
        root,
        {
            "train": ["a", "b"],
            "val": ["ümläut 7"],
            "test": ["d"],
            "trainval": ["a", "b", "ümläut 7"],
        },
    )
    return root


def test_boxes_are_counted_from_one_and_their_ends_belong_to_them(tree: Path) -> None:
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
    assert boxes_of(source, "JPEGImages/a.png") == [
        ("cat", [0, 0, 10, 20], False),
        ("dog", [4, 5, 5, 6], False),
    ]
    assert boxes_of(source, "JPEGImages/b.png") == [("dog", [1, 2, 64, 48], True)]
    assert boxes_of(source, "JPEGImages/ümläut 7.jpg") == [("cat", [0.5, 1.5, 30.25, 40.75], False)]
    assert boxes_of(source, "JPEGImages/d.png") == []


def test_edges_and_pixels_are_each_others_inverse() -> None:
    box = np.array([[1.0, 1.0, 1.0, 1.0], [3.5, 2.0, 10.0, 20.0]])
    assert to_edges(box).tolist()[0] == [0, 0, 1, 1]
    assert np.array_equal(to_voc_boxes(to_edges(box)), box)


def test_a_store_keeps_the_files_and_the_boxes(tree: Path, tmp_path: Path) -> None:
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


def test_boxes_of_an_image_that_cannot_be_read_go_with_it(tree: Path, tmp_path: Path) -> None:
    (tree / "JPEGImages/b.png").write_bytes(b"no image")
    store = pack(open_source(str(tree)), tmp_path / "voc.store", allow_unreadable=0.5).store
    found = store.annotations
    assert isinstance(found, Boxes)
    assert store.ids.tolist() == ["JPEGImages/a.png", "JPEGImages/d.png", "JPEGImages/ümläut 7.jpg"]
    assert found.rows.tolist() == [0, 0, 2]
    assert not found.difficult.any()


def test_another_box_is_another_store(tree: Path, tmp_path: Path) -> None:
    first = pack(open_source(str(tree)), tmp_path / "voc.store").store
    before = first.digest
    write_image(tree, "a", [object_xml("cat", (1, 1, 11, 20))])
    assert pack(open_source(str(tree)), tmp_path / "voc.store").store.digest != before


def test_marks_follow_the_annotations_where_no_list_says(tree: Path) -> None:
    marks = marks_of(open_source(f"voc({str(tree)!r}, task='classification')"))
    assert marks["JPEGImages/a.png"] == {"cat": 1, "dog": 1}
    # a difficult one alone counts neither way
    assert marks["JPEGImages/b.png"] == {"cat": -1, "dog": 0}
    assert marks["JPEGImages/d.png"] == {"cat": -1, "dog": -1}


def test_marks_follow_the_lists_of_a_class_where_there_are_any(tree: Path) -> None:
    write_sets(tree, {"dog_train": ["a  0", "b -1"]}, end="\r\n")
    marks = marks_of(open_source(f"voc({str(tree)!r}, task='classification')"))
    assert marks["JPEGImages/a.png"] == {"cat": 1, "dog": 0}
    assert marks["JPEGImages/b.png"] == {"cat": -1, "dog": -1}


def test_a_list_of_a_class_that_leaves_an_image_out_is_named(tree: Path) -> None:
    write_sets(tree, {"dog_train": ["a 1"]})
    error = refused(f"voc({str(tree)!r}, task='classification')")
    assert "dog_train.txt does not name b" in error.message


def _persons(root: Path) -> Path:
    """Two images with persons, one of whom stands second in its annotation, after a horse."""
    done = "<actions><running>1</running><walking>0</walking></actions>"
    write_image(
        root,
        "p1",
        [object_xml("horse", (1, 1, 20, 20)), object_xml("person", (21, 11, 40, 30), extra=done)],
    )
    write_image(
        root,
        "p2",
        [object_xml("person", (1, 1, 64, 48), extra="<actions><reading>1</reading></actions>")],
    )
    write_image(
        root,
        "p3",
        [
            object_xml(
                "person",
                (3, 3, 20, 20),
                extra="<actions><walking>1</walking></actions>",
                difficult=1,
            )
        ],
    )
    write_sets(root, {"train": ["p1"], "val": ["p2"]})
    write_sets(root, {"train": ["p1 2"], "val": ["p2 1", "p3 1"]}, "Action")
    return root


def test_persons_by_the_lists_of_actions(tmp_path: Path) -> None:
    root = _persons(tmp_path / "VOC2012")
    write_sets(
        root,
        {
            "running_train": ["p1 2 1"],
            "walking_train": ["p1 2 0"],
            "reading_val": ["p2 1  1", "p3 1 -1"],
        },
        "Action",
    )
    source = open_source(f"voc({str(root)!r}, task='action')")
    assert len(source.classes) == 10
    marks = marks_of(source)
    assert list(marks) == [
        "JPEGImages/p1.png#002",
        "JPEGImages/p2.png#001",
        "JPEGImages/p3.png#001",
    ]
    assert {a for a, m in marks["JPEGImages/p1.png#002"].items() if m > 0} == {"running"}
    # the list says that it counts neither way
    assert marks["JPEGImages/p1.png#002"]["walking"] == 0
    assert marks["JPEGImages/p3.png#001"]["reading"] == -1
    assert source.splits.tolist() == [TRAIN, VAL, VAL]


def test_persons_by_their_annotations_where_there_are_no_lists(tmp_path: Path) -> None:
    marks = marks_of(open_source(f"voc({str(_persons(tmp_path / 'VOC2012'))!r}, task='action')"))
    assert marks["JPEGImages/p1.png#002"]["running"] == 1
    assert marks["JPEGImages/p1.png#002"]["walking"] == -1
    assert set(marks["JPEGImages/p3.png#001"].values()) == {0}  # a difficult person


def test_a_person_is_cut_out_with_half_as_much_again_around(tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    pixels_hw3 = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels_hw3[10:30, 20:40] = 255  # the person, 20 x 20 px: columns 21 to 40 from 1
    person = object_xml("person", (21, 11, 40, 30), extra="<actions><running>1</running></actions>")
    write_image(root, "p", [person], pixels_hw3)
    write_image(root, "q", [person], pixels_hw3)
    write_sets(root, {"train": ["p"], "test": ["q"]})
    write_sets(root, {"train": ["p 1"], "test": ["q 1"]}, "Action")
    found = (
        open_source(f"voc({str(root)!r}, task='action')").pixels.load(np.array([0]), 30).pixels[0]
    )
    # 30 x 30 px around the middle of the person: white from 5 to 25.
    assert found[:5].max() == found[:, 25:].max() == 0
    assert found[5:25, 5:25].min() == 255


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda root: (root / "Annotations/a.xml").unlink(),
            "a is in an image set, and has no annotation",
        ),
        (lambda root: (root / "JPEGImages/a.png").unlink(), "there is no JPEGImages/a.jpg"),
        (lambda root: (root / "Annotations/a.xml").write_text("<annotation>"), "is not XML"),
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
def test_what_is_wrong_is_named(tree: Path, change, message: str) -> None:
    change(tree)
    error = refused(str(tree))
    assert message in error.message
    assert error.hint


def test_a_development_kit_of_several_years_asks_which(tree: Path) -> None:
    assert parse_data(str(tree.parent)).name == "voc"
    assert VocFolder.find(tree.parent).root == tree
    scenes_tree(tree.parent / "VOC2012", 2, 1, 1)
    assert "VOC2007" in refused(str(tree.parent)).hint


def test_test_images_without_annotations_are_left_out(tree: Path) -> None:
    (tree / "Annotations/d.xml").unlink()
    source = open_source(str(tree))
    assert TEST not in source.splits  # as of the years 2008 on: val then serves as test
    assert source.num_images == 3


def test_trainval_is_learnt_from_where_it_stands_alone(tree: Path) -> None:
    for name in ("train", "val"):
        (tree / "ImageSets/Main" / f"{name}.txt").unlink()
    assert open_source(str(tree)).splits.tolist() == [TRAIN, TRAIN, TEST, TRAIN]


def test_an_image_is_taken_as_it_lies_there(tree: Path, tmp_path: Path) -> None:
    """Boxes are px of the file without its orientation tag."""
    from seedbed.data.detection_batches import ImageSize, WholeImages

    picture = Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tree / "JPEGImages" / "a.png", exif=exif)
    store = pack(open_source(str(tree)), tmp_path / "voc.store").store
    scenes = WholeImages(store, np.array([0]), ImageSize(short_px=24, long_px=100))
    assert scenes.images([0])[0].shape == (3, 24, 32)


def test_persons_of_one_photograph_fall_on_one_side(tmp_path: Path) -> None:
    """Thirty photographs with three persons each, no test set: crops that overlap are not learnt
    from and tested on."""
    root, names = tmp_path / "own", [f"p{i:02d}" for i in range(30)]
    done = "<actions><running>1</running></actions>"
    boxes = [(1, 1, 30, 40), (6, 4, 40, 44), (20, 2, 60, 46)]
    for name in names:
        write_image(root, name, [object_xml("person", box, extra=done) for box in boxes])
    write_sets(root, {"train": names})
    write_sets(root, {"train": [f"{name} {n}" for name in names for n in (1, 2, 3)]}, "Action")
    store = pack(
        open_source(f"voc({str(root)!r}, task='action')"), tmp_path / "store", size_px=16
    ).store
    splits: dict[str, set[int]] = {}
    for one, split in zip(store.ids, store.splits, strict=True):
        splits.setdefault(str(one).partition("#")[0], set()).add(int(split))
    assert len(splits) == 30
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {TRAIN, TEST}


def _move_beside(root: Path, folder: str = "") -> None:
    """As LabelImg leaves them: the .xml file beside its image, and no image sets."""
    (root / folder).mkdir(exist_ok=True)
    for path in [*(root / "JPEGImages").iterdir(), *(root / "Annotations").iterdir()]:
        path.rename(root / folder / path.name)
    for gone in ("JPEGImages", "Annotations", "ImageSets/Main", "ImageSets"):
        for path in (root / gone).glob("*.txt"):
            path.unlink()
        (root / gone).rmdir()


def test_annotations_beside_their_images_need_no_image_sets(tree: Path, tmp_path: Path) -> None:
    _move_beside(tree)
    Image.new("RGB", (20, 20)).save(tree / "nobody looked at this.jpg")
    source = open_source(str(tree))
    assert source.ids.tolist() == ["a.png", "b.png", "d.png", "ümläut 7.jpg"]
    assert boxes_of(source, "a.png") == [
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
    """As Roboflow exports them."""
    for name, split in (("train", TRAIN), ("valid", VAL), ("test", TEST)):
        root = tmp_path / "export" / name
        scenes_tree(root, 3, 0, 0)
        _move_beside(root)
        assert open_source(str(root)).splits.tolist() == [TRAIN] * 3
        assert split in open_source(str(tmp_path / "export")).splits
    source = open_source(str(tmp_path / "export"))
    assert source.splits.tolist() == [TEST] * 3 + [TRAIN] * 3 + [VAL] * 3
    assert source.ids[0] == "test/scene_000.png"


def test_an_annotations_folder_alone_needs_no_image_sets(tree: Path) -> None:
    for path in (tree / "ImageSets/Main").iterdir():
        path.unlink()
    (tree / "ImageSets/Main").rmdir()
    (tree / "ImageSets").rmdir()
    source = open_source(str(tree))
    assert source.num_images == 4
    assert source.ids[0] == "JPEGImages/a.png"


def test_lists_may_name_images_with_their_suffix(tree: Path) -> None:
    expected = open_source(str(tree))
    write_sets(tree, {"train": ["a.png", "b.png"], "val": ["ümläut 7.jpg"], "test": ["d.png"]})
    assert open_source(str(tree)).ids.tolist() == expected.ids.tolist()


def test_images_in_no_list_are_told(tree: Path) -> None:
    assert open_source(str(tree)).notes == ()
    write_sets(tree, {"train": ["a"]})
    (note,) = open_source(str(tree)).notes
    assert note == f"1 image of {tree} in no image set left out"


def test_advice_on_folders_of_ones_own_is_not_where_to_get_pascals(
    tree: Path, tmp_path: Path
) -> None:
    (tree / "Annotations/a.xml").unlink()
    assert "torchvision.datasets.VOCDetection" in refused(str(tree)).hint
    own = tree.rename(tmp_path / "my cells")
    hint = refused(str(own)).hint
    assert "ImageSets/Main/train.txt" in hint
    assert "torchvision" not in hint


def test_a_photograph_may_have_a_hash_in_its_name(tree: Path, tmp_path: Path) -> None:
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "png")):
        (tree / folder / f"a.{suffix}").rename(tree / folder / f"a#1.{suffix}")
    write_sets(tree, {"train": ["a#1", "b"], "trainval": ["a#1", "b", "ümläut 7"]})
    assert pack(open_source(str(tree)), tmp_path / "voc.store").store.ids[0] == "JPEGImages/a#1.png"


def test_lists_of_classes_of_trainval_are_heeded_where_it_stands_alone(tree: Path) -> None:
    for name in ("train", "val"):
        (tree / "ImageSets/Main" / f"{name}.txt").unlink()
    write_sets(tree, {"cat_trainval": ["a  0", "b -1", "ümläut 7  1"]})
    marks = marks_of(open_source(f"voc({str(tree)!r}, task='classification')"))
    assert [marks[f"JPEGImages/{name}"]["cat"] for name in ("a.png", "b.png", "ümläut 7.jpg")] == [
        0,
        -1,
        1,
    ]


def test_a_stray_xml_file_makes_no_annotations(tmp_path: Path, make_tree) -> None:
    root = make_tree({"cats": 3, "dogs": 3})
    (root / "thumbs.xml").write_text("<index/>")
    (root / "annotations.xml").write_text("<annotations><image/></annotations>")  # CVAT's own form
    (root / "cats" / "list.xml").write_text("<annotation/>")
    source = open_source(str(root))
    assert source.classes == ("cats", "dogs")
    assert source.num_images == 6


def test_one_list_of_any_name_is_learnt_from(tree: Path) -> None:
    """As CVAT exports it."""
    expected = open_source(str(tree)).ids.tolist()
    for path in (tree / "ImageSets/Main").iterdir():
        path.unlink()
    write_sets(tree, {"default": ["a", "b", "d", "ümläut 7"]})
    source = open_source(str(tree))
    assert source.ids.tolist() == expected
    assert source.splits.tolist() == [TRAIN] * 4


def test_two_images_of_one_annotation_are_named(tmp_path: Path) -> None:
    write_image(tmp_path / "x", "a", [object_xml("cat", (1, 1, 9, 9))])
    _move_beside(tmp_path / "x")
    Image.new("RGB", (20, 20)).save(tmp_path / "x" / "a.jpg")
    assert "a.xml is the annotation of two images" in refused(str(tmp_path / "x")).message


def test_notes_of_a_store_are_those_of_its_source_now(tree: Path, tmp_path: Path) -> None:
    assert pack(open_source(str(tree)), tmp_path / "v.store").store.notes == []
    Image.new("RGB", (20, 20)).save(tree / "JPEGImages" / "new.png")
    again = pack(open_source(str(tree)), tmp_path / "v.store")
    assert again.images_per_s is None  # nothing was packed
    assert again.store.notes == [f"1 image of {tree} in no image set left out"]
    (tree / "JPEGImages" / "new.png").unlink()
    assert pack(open_source(str(tree)), tmp_path / "v.store").store.notes == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("p1 7 1", "names object 7 of p1, whose annotation has 2"),
        ("p1 1", "'p1' is not an image and the number of its object"),
        ("p1 two 1", "'p1 two' is not an image and the number"),
    ],
)
def test_persons_that_are_not_there_are_named(tmp_path: Path, line: str, message: str) -> None:
    root = _persons(tmp_path / "VOC2012")
    write_sets(root, {"running_train": [line]}, "Action")
    with pytest.raises(BadDataError) as caught:
        read_persons(VocFolder.find(root), "train")
    assert message in caught.value.message
    assert refused(f"voc({str(root)!r}, task='action')").message == caught.value.message


def test_numbers_of_persons_have_one_spelling(tmp_path: Path) -> None:
    root = _persons(tmp_path / "VOC2012")
    write_sets(root, {"running_train": ["p1  02  1"]}, "Action")
    ((image, number), marks), *others = read_persons(VocFolder.find(root), "train").items()
    assert (image, number, others) == ("p1", 2, [])
    assert dict(zip(ACTIONS, marks.tolist(), strict=True))["running"] == 1


def test_annotations_without_an_image_and_in_capitals_are_seen(tree: Path) -> None:
    (tree / "JPEGImages" / "more.png").write_bytes((tree / "JPEGImages" / "a.png").read_bytes())
    (tree / "Annotations" / "gone.xml").write_text("<annotation></annotation>")
    assert open_source(str(tree)).notes == (
        f"1 image of {tree} in no image set left out",
        f"1 annotation of {tree} without an image left out",
    )
    (tree / "JPEGImages" / "more.png").unlink()
    _move_beside(tree)
    (tree / "a.xml").rename(tree / "a.XML")
    source = open_source(str(tree))
    assert source.num_images == 4
    assert source.notes == (f"1 annotation of {tree} without an image left out",)


def test_folders_in_small_letters_are_annotations_too(tree: Path) -> None:
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


def test_what_is_doubtful_in_annotations_is_told(tree: Path, tmp_path: Path) -> None:
    write_image(tree, "a", [object_xml("cat", (9, 9, 9999, 20)), object_xml("Dog", (1, 1, 5, 5))])
    store = pack(open_source(str(tree)), tmp_path / "v.store").store
    assert store.source_notes == [
        "classes 'Dog' and 'dog' differ only in capitals",
        "1 box outside of the image, the first with xmin 9, ymin 9, xmax 9999, ymax 20 in JPEGImages/a.png, which is 64 x 48 px",
    ]
    with pytest.raises(BadDataError, match="xmax 9999") as caught:
        Detection().load(store, 0)
    assert caught.value.hint.startswith("Correct them.")


@pytest.mark.parametrize(
    ("name", "form"), [("1.txt", "YOLO's"), ("_annotations.coco.json", "COCO's")]
)
def test_boxes_in_other_forms_say_what_to_do(tmp_path: Path, name: str, form: str) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "1.jpg")
    (tmp_path / name).write_text("0 0.5 0.5 0.1 0.1")
    hint = refused(str(tmp_path)).hint
    assert form in hint
    assert "PASCAL VOC" in hint


def test_splits_go_by_any_of_their_names(tree: Path) -> None:
    scenes_tree(tree / "export" / "valid", 2, 0, 0)
    _move_beside(tree / "export" / "valid")
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
        in refused(f"voc({str(tmp_path / 'x')!r})").message
    )


def test_lists_that_lie_elsewhere_are_not_passed_over(tree: Path) -> None:
    for path in (tree / "ImageSets/Main").iterdir():
        path.rename(tree / "ImageSets" / path.name)
    assert "there is no image set" in refused(str(tree)).message


def test_annotations_in_utf_16_are_recognised(tree: Path) -> None:
    _move_beside(tree)
    for path in tree.glob("*.xml"):
        path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    assert open_source(str(tree)).num_images == 4


def test_a_list_may_be_named_by_its_path(tree: Path, tmp_path: Path) -> None:
    folder = VocFolder.find(tree)
    path = tmp_path / "some.txt"
    path.write_text("d\na.png\n", encoding="utf-8")
    assert folder.images(str(path)) == ["d", "a"]
    write_sets(tree, {"cat_train": ["a  0", "b -1"]})
    # the other sets have no list of cats
    assert folder.flags("cat", str(path)) == {"a": 0, "b": -1}
    _move_beside(tree)
    path.write_text("a\nnope\n")
    with pytest.raises(BadDataError, match=r"some\.txt names 'nope'"):
        VocFolder.find(tree).images(str(path))


def test_an_image_may_be_called_as_if_it_had_a_suffix(tree: Path) -> None:
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "png")):
        (tree / folder / f"a.{suffix}").rename(tree / folder / f"a.jpg.{suffix}")
    write_sets(tree, {"train": ["a.jpg", "b.png"]})
    assert VocFolder.find(tree).images("train") == ["a.jpg", "b"]


def test_persons_of_a_list_are_those_of_their_sets(tmp_path: Path) -> None:
    """Each by its own set's lists, or by its annotation where that set has none."""
    root = _persons(tmp_path / "VOC2012")
    write_sets(root, {"running_train": ["p1 2 -1"]}, "Action")
    (tmp_path / "l.txt").write_text("p1\np2\n")
    found = read_persons(VocFolder.find(root), str(tmp_path / "l.txt"))
    assert sorted(found) == [("p1", 2), ("p2", 1)]
    assert dict(zip(ACTIONS, found["p1", 2].tolist(), strict=True))["running"] == -1
    assert dict(zip(ACTIONS, found["p2", 1].tolist(), strict=True))["reading"] == 1
