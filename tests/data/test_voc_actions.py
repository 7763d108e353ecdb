"""Persons and their actions in PASCAL VOC's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from format_trees import open_error
from voc_tree import (
    HEIGHT,
    WIDTH,
    marks_of_images,
    object_xml,
    persons_tree,
    write_image,
    write_sets,
)

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.data.source import TEST, TRAIN, VAL
from seedbed.data.voc_layout import ACTIONS, VocFolder, read_persons


def test_persons_from_the_lists_of_actions(tmp_path: Path) -> None:
    root = persons_tree(tmp_path / "VOC2012")
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
    marks = marks_of_images(source)
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


def test_persons_without_lists_come_from_annotations(tmp_path: Path) -> None:
    marks = marks_of_images(
        open_source(f"voc({str(persons_tree(tmp_path / 'VOC2012'))!r}, task='action')")
    )
    assert marks["JPEGImages/p1.png#002"]["running"] == 1
    assert marks["JPEGImages/p1.png#002"]["walking"] == -1
    assert set(marks["JPEGImages/p3.png#001"].values()) == {0}  # a difficult person


def test_a_person_is_cropped_with_context(tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    pixels_hw3 = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels_hw3[10:30, 20:40] = 255  # the person, 20 x 20 px: columns 21 to 40 from 1
    person = object_xml("person", (21, 11, 40, 30), extra="<actions><running>1</running></actions>")
    write_image(root, "p", [person], pixels_hw3)
    write_image(root, "q", [person], pixels_hw3)
    write_sets(root, {"train": ["p"], "test": ["q"]})
    write_sets(root, {"train": ["p 1"], "test": ["q 1"]}, "Action")
    pixels = (
        open_source(f"voc({str(root)!r}, task='action')").pixels.load(np.array([0]), 30).pixels[0]
    )
    # 30 x 30 px around the middle of the person: white from 5 to 25.
    assert pixels[:5].max() == pixels[:, 25:].max() == 0
    assert pixels[5:25, 5:25].min() == 255


def test_persons_of_one_photograph_are_in_one_split(tmp_path: Path) -> None:
    """Thirty photographs with three persons each, no test set: overlapping crops must not be both
    training and test images."""
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
    assert all(len(parts) == 1 for parts in splits.values())
    assert {split for parts in splits.values() for split in parts} == {TRAIN, TEST}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("p1 7 1", "names object 7 of p1, whose annotation has 2"),
        ("p1 1", "'p1' is not an image and the number of its object"),
        ("p1 two 1", "'p1 two' is not an image and the number"),
    ],
)
def test_missing_persons_are_named(tmp_path: Path, line: str, message: str) -> None:
    root = persons_tree(tmp_path / "VOC2012")
    write_sets(root, {"running_train": [line]}, "Action")
    with pytest.raises(BadDataError) as caught:
        read_persons(VocFolder.find(root), "train")
    assert message in caught.value.message
    assert open_error(f"voc({str(root)!r}, task='action')").message == caught.value.message


def test_numbers_of_persons_may_have_leading_zeros(tmp_path: Path) -> None:
    root = persons_tree(tmp_path / "VOC2012")
    write_sets(root, {"running_train": ["p1  02  1"]}, "Action")
    ((image, number), marks), *others = read_persons(VocFolder.find(root), "train").items()
    assert (image, number, others) == ("p1", 2, [])
    assert dict(zip(ACTIONS, marks.tolist(), strict=True))["running"] == 1


def test_persons_of_a_list_come_from_their_sets(tmp_path: Path) -> None:
    """Each from the lists of its set, or from its annotation if that set has none."""
    root = persons_tree(tmp_path / "VOC2012")
    write_sets(root, {"running_train": ["p1 2 -1"]}, "Action")
    (tmp_path / "l.txt").write_text("p1\np2\n")
    persons = read_persons(VocFolder.find(root), str(tmp_path / "l.txt"))
    assert sorted(persons) == [("p1", 2), ("p2", 1)]
    assert dict(zip(ACTIONS, persons["p1", 2].tolist(), strict=True))["running"] == -1
    assert dict(zip(ACTIONS, persons["p2", 1].tolist(), strict=True))["reading"] == 1
