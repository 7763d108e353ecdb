"""YOLO's form: data.yaml as people have it, layouts without one, odd lines, orientation tags."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from box_trees import HEIGHT, WIDTH, write_images, write_texts, yolo_line
from format_trees import label_of_ids, open_error, split_of_ids
from hypothesis import given
from hypothesis import strategies as st
from voc_tree import boxes_of_image, marks_of_images

from seedbed.data.annotations import Boxes
from seedbed.data.formats import open_source, parse_data

CAT, DOG = (8.0, 12.0, 24.0, 36.0), (32.0, 0.0, 64.0, 48.0)
YAML = "train: images/train\nval: images/val\nnc: 2\nnames: [cat, dog]\n"


def _write(root: Path, files: dict[str, str]) -> Path:
    """Images with their label files: path of an image -> text of its labels, by `labels/`."""
    write_images(root, list(files))
    texts = {
        f"{path.replace('images', 'labels').rpartition('.')[0]}.txt": text
        for path, text in files.items()
    }
    write_texts(root, texts)
    return root


def _split_tree(root: Path, yaml: str | None = YAML) -> Path:
    _write(
        root,
        {
            "images/train/a.png": yolo_line(0, CAT) + yolo_line(1, DOG),
            "images/train/b.png": "",
            "images/val/c.png": yolo_line(1, DOG),
        },
    )
    write_images(root, ["images/train/d.png"])
    if yaml is not None:
        write_texts(root, {"data.yaml": yaml})
    return root


def test_shares_become_px_and_images_without_labels_stay(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    assert parse_data(str(root)).name == parse_data(str(root / "data.yaml")).name == "yolo"
    source = open_source(str(root))
    assert split_of_ids(source) == {
        "images/train/a.png": "train",
        "images/train/b.png": "train",
        "images/train/d.png": "train",
        "images/val/c.png": "val",
    }
    assert source.classes == ("cat", "dog")
    assert boxes_of_image(source, "images/train/a.png") == [
        ("cat", list(CAT), False),
        ("dog", list(DOG), False),
    ]
    assert source.notes == (
        "1 image with an empty label file: images/train/b.png",
        "1 image without a label file: images/train/d.png",
        "2 images without a box",
    )
    assert source.skipped == ()
    assert open_source(str(root / "data.yaml")).ids.tolist() == source.ids.tolist()


@pytest.mark.parametrize(
    ("yaml", "note"),
    [
        (YAML, ""),
        ("train: ./images/train/\nval: images/val\nnames: {0: cat, 1: dog}\n", ""),
        ("path: .\ntrain: [images/train]\nvalid: images\\val\nnames: ['cat', 'dog']\n", ""),
        # Roboflow's ../ means the folder of the file
        ("train: ../images/train\nval: ../images/val\nnames:\n- cat\n- dog\n", ""),
        # from another computer
        (
            "train: /content/set/images/train\nval: C:\\set\\images\\val\nnames: [cat, dog]\n",
            "",
        ),
        (
            "path: /content/set\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n",
            "has path: /content/set, which does not exist",
        ),
        (
            YAML + "test: images/test  # optional\n",
            "test: images/test of",
        ),
        ("train: train.txt\nval: images/val\nnames: [cat, dog]\n", ""),
    ],
)
def test_yaml_files_as_people_have_them(yaml: str, note: str, tmp_path: Path) -> None:
    root = _split_tree(tmp_path, yaml)
    listed = ["./images/train/a.png", "/content/set/images/train/b.png", "images/train/d.png"]
    if "train.txt" in yaml:
        write_texts(root, {"train.txt": "\n".join(listed)})
    source = open_source(str(root))
    assert list(split_of_ids(source).values()) == ["train"] * 3 + ["val"]
    assert source.classes == ("cat", "dog")
    assert len([n for n in source.notes if "data.yaml" in n]) == bool(note)
    assert note in " ".join(source.notes)


def test_path_of_a_yaml_file_elsewhere(tmp_path: Path) -> None:
    _split_tree(tmp_path / "sets/pets", None)
    write_texts(tmp_path, {"cfg/pets.yaml": f"path: ../sets/pets\n{YAML}"})
    source = open_source(str(tmp_path / "cfg/pets.yaml"))
    assert source.ids[0] == "images/train/a.png"
    write_texts(tmp_path, {"cfg/other.yaml": YAML})
    assert "several files that describe" in open_error(str(tmp_path / "cfg")).message
    (tmp_path / "cfg/pets.yaml").unlink()
    error = open_error(str(tmp_path / "cfg"))
    assert "has train: images/train, and there is no such folder" in error.message


def test_words_of_yaml_are_names(tmp_path: Path) -> None:
    yaml = "train: images/train\nval: images/val\nnames: [no, 007]\n"
    assert open_source(str(_split_tree(tmp_path, yaml))).classes == ("007", "no")


def test_validation_images_that_are_the_training_images_are_told(tmp_path: Path) -> None:
    """Beginners' files name one folder twice."""
    yaml = "train: images/train\nval: images/train\nnames: [cat, dog]\n"
    source = open_source(str(_split_tree(tmp_path, yaml)))
    assert set(split_of_ids(source).values()) == {"train"}
    assert source.notes[0] == (
        f"val of {tmp_path}/data.yaml has the images of train: read as train alone"
    )
    assert [str(row) for row in source.skipped] == [
        "1 .png file not read (in no split of the YAML file): images/val/c.png",
        "1 .txt file not read (not an image): labels/val/c.txt",
    ]
    yaml = "train: images/train\nval: images\nnames: [cat, dog]\n"
    error = open_error(str(_split_tree(tmp_path, yaml)))
    assert "in two splits: train and val" in error.message


def _roboflow(root: Path) -> dict[str, str]:
    for folder in ("train", "valid", "test"):
        _write(root, {f"{folder}/images/a.jpg": yolo_line(0, CAT)})
    yaml = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: ['cat']\n"
    write_texts(root, {"data.yaml": yaml, "README.roboflow.txt": "Annotated in YOLO format."})
    return {
        "test/images/a.jpg": "test",
        "train/images/a.jpg": "train",
        "valid/images/a.jpg": "val",
    }


def _roboflow_without_yaml(root: Path) -> dict[str, str]:
    expected = _roboflow(root)
    (root / "data.yaml").unlink()
    write_texts(root, {"classes.txt": "cat\n"})
    return expected


def _label_studio(root: Path) -> dict[str, str]:
    _write(root, {"images/a.jpg": yolo_line(0, CAT), "images/b.jpg": yolo_line(0, CAT)})
    write_texts(root, {"classes.txt": "cat\ndog\n", "notes.json": '{"categories": []}'})
    return {"images/a.jpg": "train", "images/b.jpg": "train"}


def _label_img(root: Path) -> dict[str, str]:
    """Labels beside the images."""
    write_images(root, ["a.jpg"])
    write_texts(root, {"a.txt": yolo_line(0, CAT), "classes.txt": "cat\n"})
    return {"a.jpg": "train"}


def _darknet(root: Path) -> dict[str, str]:
    """CVAT's YOLO 1.1."""
    write_images(root, ["obj_train_data/a.jpg", "obj_valid_data/b.jpg"])
    data = "classes = 1\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
    write_texts(
        root,
        {
            "obj_train_data/a.txt": yolo_line(0, CAT),
            "obj_valid_data/b.txt": yolo_line(0, CAT),
            "train.txt": "data/obj_train_data/a.jpg\n",
            "valid.txt": "data/obj_valid_data/b.jpg\n",
            "obj.data": data + "backup = backup/\n",
            "obj.names": "cat\n",
        },
    )
    return {"obj_train_data/a.jpg": "train", "obj_valid_data/b.jpg": "val"}


def _folders_of_splits(root: Path) -> dict[str, str]:
    _split_tree(root, None)
    for path in ("images/train/b.png", "images/train/d.png"):
        (root / path).unlink()
    (root / "labels/train/b.txt").unlink()
    for path in root.rglob("*.txt"):
        path.write_text(yolo_line(0, CAT))
    write_texts(root, {"labels/classes.txt": "cat\ndog"})
    return {"images/train/a.png": "train", "images/val/c.png": "val"}


@pytest.mark.parametrize(
    "make",
    [
        _roboflow,
        _roboflow_without_yaml,
        _label_studio,
        _label_img,
        _darknet,
        _folders_of_splits,
    ],
)
def test_layouts_are_recognised_with_their_splits(make, tmp_path: Path) -> None:
    expected = make(tmp_path)
    assert parse_data(str(tmp_path)).name == "yolo"
    source = open_source(str(tmp_path))
    assert split_of_ids(source) == expected
    assert source.classes == ("cat",)
    for image in expected:
        assert boxes_of_image(source, image) == [("cat", list(CAT), False)]
    assert not any("classes are named by their numbers" in note for note in source.notes)
    assert not [row for row in source.skipped if row.example.endswith(("a.txt", "classes.txt"))]


def test_classes_without_names_are_numbers(tmp_path: Path) -> None:
    source = open_source(str(_split_tree(tmp_path, None)))
    assert source.classes == ("0", "1")
    assert source.notes[0].startswith("classes are named by their numbers")
    yaml = "train: images/train\nval: images/val\nnc: 3\n"
    source = open_source(str(_split_tree(tmp_path, yaml)))
    assert (source.classes, source.empty_classes) == (("0", "1"), ("2",))


def test_a_polygon_becomes_the_box_around_it(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    write_texts(root, {"labels/val/c.txt": "1 0.5 0.25 0.75 0.5 0.25 1.0\n"})
    source = open_source(str(root))
    assert boxes_of_image(source, "images/val/c.png") == [("dog", [16, 12, 48, 48], False)]
    assert any(note.startswith("1 box around a polygon: ") for note in source.notes)


def test_keypoints_are_no_polygon_where_the_yaml_file_says_so(tmp_path: Path) -> None:
    root = _split_tree(tmp_path, f"{YAML}kpt_shape: [2, 3]\n")
    line = yolo_line(1, DOG).strip()
    write_texts(root, {"labels/val/c.txt": f"{line} 0.1 0.1 2 0.2 0.2 0\n"})
    source = open_source(str(root))
    assert boxes_of_image(source, "images/val/c.png") == [("dog", list(DOG), False)]
    assert any("1 label with keypoints, of which the box is read" in n for n in source.notes)


def test_boxes_without_area_are_left_out(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    write_texts(root, {"labels/val/c.txt": "1 0.5 0.5 0 0.5\n"})
    source = open_source(str(root))
    assert boxes_of_image(source, "images/val/c.png") == []
    assert f"1 box without area left out: {root}/labels/val/c.txt, line 1" in source.notes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "c.txt, line 2: 2 is not the number of a class"),
        ("-1 0.5 0.5 0.1 0.1", "-1 is not the number of a class"),
        ("0.5 0.5 0.5 0.1 0.1", "0.5 is not the number of a class"),
        ("1 0.5 0.5 0.1 0.1 0.93", "has six numbers: a class, a box, and a confidence"),
        ("1 0.5 0.5 0.1", "c.txt, line 2 has 4 numbers"),
        ("1 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "has 8 numbers"),
        ("dog 0.5 0.5 0.1 0.1", "'dog 0.5 0.5 0.1 0.1' is not a class and a box"),
        ("1 nan 0.5 0.1 0.1", "is not a class and a box"),
        (
            "1 320 240 30 30\n1 0.5 1.2 0.1 0.1",
            "2 labels have values outside of 0 to 1, the first in",
        ),
    ],
)
def test_faults_of_a_line_are_named(line: str, message: str, tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    write_texts(root, {"labels/val/c.txt": f"\n{line}\n"})
    error = open_error(str(root))
    assert message in error.message
    assert error.hint


def test_small_excesses_of_rounding_are_read(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    write_texts(root, {"labels/val/c.txt": "1.0 0.5 0.5 1.0002 1\n"})
    assert len(boxes_of_image(open_source(str(root)), "images/val/c.png")) == 1


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images/train\nnc: 3\nnames: [cat, dog]\n", "nc is 3, and names has 2 names"),
        ("train: images/train\nnc: two\n", "nc is 'two'"),
        ("train: images/train\nnames: {cat: 0}\n", "names has the key 'cat'"),
        ("train: images/train\nnames: [a/b, dog]\n", "has the name 'a/b'"),
        ("train: images/train\nnames: [{a: b}]\n", "names is [{'a': 'b'}]"),
        ("train: {a: b}\nnames: [cat, dog]\n", "train is {'a': 'b'}"),
        ("train: nowhere\nnames: [cat, dog]\n", "has train: nowhere, and there is no such"),
        ("train: list.txt\nnames: [cat, dog]\n", "names 1 images that are not in"),
        (YAML + "kpt_shape: many\n", "kpt_shape is 'many'"),
    ],
)
def test_faults_of_a_yaml_file_are_named(yaml: str, message: str, tmp_path: Path) -> None:
    root = _split_tree(tmp_path, yaml)
    write_texts(root, {"list.txt": "images/train/zebra.png\n"})
    error = open_error(str(root))
    assert message in error.message
    assert error.hint


def test_a_yaml_file_that_is_not_yaml(tmp_path: Path) -> None:
    root = _split_tree(tmp_path, "names: [cat")
    assert "is not YAML" in open_error(f"yolo({str(root / 'data.yaml')!r})").message


def test_images_without_any_label_file_are_refused(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    shutil.rmtree(root / "labels")
    error = open_error(str(root))
    assert "has a label file" in error.message
    assert "labels/a.txt" in error.hint
    assert "there is no" in open_error("yolo('nope')").message


def test_label_files_without_an_image_are_counted(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    write_texts(root, {"labels/train/gone.txt": yolo_line(0, CAT)})
    assert [str(row) for row in open_source(str(root)).skipped] == [
        "1 .txt file not read (a label file without an image): labels/train/gone.txt"
    ]


@pytest.mark.parametrize("tag", range(2, 9))
def test_boxes_of_photographs_with_an_orientation_tag(tag: int, tmp_path: Path) -> None:
    """YOLO's programs read photographs upright; boxes here are px of the file."""
    from PIL import Image, ImageOps

    root = _split_tree(tmp_path)
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[8:24, 16:24] = 255
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(pixels).save(root / "images/val/c.png", exif=exif)
    with Image.open(root / "images/val/c.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))[..., 0]
    ys, xs = np.nonzero(upright)
    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
    line = yolo_line(1, box, (upright.shape[1], upright.shape[0]))
    write_texts(root, {"labels/val/c.txt": line})
    source = open_source(str(root))
    ((_, corners, _),) = boxes_of_image(source, "images/val/c.png")
    np.testing.assert_allclose(corners, [16, 8, 24, 24], atol=1e-5)
    assert any(note.startswith("1 image with an orientation tag") for note in source.notes)


def test_an_unreadable_image_is_left_to_packing(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    (root / "images/val/c.png").write_bytes(b"no image")
    assert open_source(str(root)).num_images == 4


def test_classes_alone_are_labels_or_marks(tmp_path: Path) -> None:
    root = _split_tree(tmp_path)
    call = f"yolo({str(root)!r}, task='classification')"
    assert marks_of_images(open_source(call))["images/train/a.png"] == {"cat": 1, "dog": 1}
    write_texts(root, {"labels/train/a.txt": yolo_line(0, CAT) * 2})
    source = open_source(call)
    assert label_of_ids(source) == {"images/train/a.png": "cat", "images/val/c.png": "dog"}


def test_folders_of_classes_are_folders(tmp_path: Path) -> None:
    """YOLO's classification sets have no label files."""
    for split in ("train", "val"):
        write_images(tmp_path, [f"{split}/{label}/0.png" for label in ("cat", "dog")])
    assert parse_data(str(tmp_path)).name == "folder"
    source = open_source(str(tmp_path))
    assert source.classes == ("cat", "dog")
    assert split_of_ids(source)["val/dog/0.png"] == "val"


def test_text_files_beside_images_of_classes_are_no_labels(tmp_path: Path) -> None:
    write_images(tmp_path, ["cats/0.png", "dogs/0.png"])
    write_texts(tmp_path, {"cats/0.txt": yolo_line(0, CAT), "notes.yaml": "names: [cats, dogs]\n"})
    assert parse_data(str(tmp_path)).name == "folder"


shares = st.integers(1, 40).map(lambda n: n / 100)


@given(st.lists(st.lists(st.tuples(st.integers(0, 1), shares, shares, shares, shares)), min_size=3))
def test_boxes_survive_a_round_trip_through_labelformat(tmp_path_factory, rows) -> None:
    """labelformat is an independent reader and writer of the same form."""
    module = pytest.importorskip("labelformat.formats.yolov8")
    root = tmp_path_factory.mktemp("yolo")
    rows = [[(0, 0.2, 0.2, 0.2, 0.2)], *rows]
    names = [f"images/{i}.png" for i in range(len(rows))]
    write_images(root, names, (40, 30))
    write_texts(root, {"data.yaml": "path: .\ntrain: images\nnames: {0: cat, 1: dog}\n"})
    for name, boxes in zip(names, rows, strict=True):
        lines = [f"{k} {x + w / 2} {y + h / 2} {w} {h}\n" for k, x, y, w, h in boxes]
        write_texts(root, {name.replace("images", "labels")[:-4] + ".txt": "".join(lines)})
    reader = module.YOLOv8ObjectDetectionInput(input_file=root / "data.yaml", input_split="train")
    expected = {
        f"images/{label.image.filename}": [
            (o.category.name, [o.box.xmin, o.box.ymin, o.box.xmax, o.box.ymax])
            for o in label.objects
        ]
        for label in reader.get_labels()
    }
    for written in (False, True):
        if written:
            shutil.rmtree(root / "labels")
            module.YOLOv8ObjectDetectionOutput(
                output_file=root / "data.yaml", output_split="train"
            ).save(label_input=_Labels(reader, expected, root))
        source = open_source(str(root))
        assert set(source.ids) == expected.keys()
        for image, others in expected.items():
            boxes = boxes_of_image(source, image)
            assert [name for name, _, _ in boxes] == [name for name, _ in others]
            np.testing.assert_allclose(
                np.array([c for _, c, _ in boxes]).reshape(-1, 4),
                np.array([c for _, c in others]).reshape(-1, 4),
                atol=1e-6,
            )


class _Labels:
    """What labelformat has read, for its writer, after the files are gone."""

    def __init__(self, reader, expected, root: Path) -> None:
        from labelformat.model.bounding_box import BoundingBox
        from labelformat.model.object_detection import ImageObjectDetection, SingleObjectDetection

        self._categories = list(reader.get_categories())
        self._images = list(reader.get_images())
        of_name = {category.name: category for category in self._categories}
        self._labels = [
            ImageObjectDetection(
                image=image,
                objects=[
                    SingleObjectDetection(category=of_name[name], box=BoundingBox(*corners))
                    for name, corners in expected[f"images/{image.filename}"]
                ],
            )
            for image in self._images
        ]

    def get_categories(self):
        return self._categories

    def get_images(self):
        return self._images

    def get_labels(self):
        return self._labels


def test_bccd_has_the_same_boxes_in_this_form(real_data: Path, tmp_path: Path) -> None:
    voc = open_source(str(real_data / "BCCD"))
    assert isinstance(voc.annotations, Boxes)
    (tmp_path / "images").symlink_to(real_data / "BCCD" / "JPEGImages")
    texts = {str(i).replace("JPEGImages", "labels")[:-4] + ".txt": "" for i in voc.ids}
    for row, k, corners in zip(
        voc.annotations.rows, voc.annotations.labels, voc.annotations.corners, strict=True
    ):
        name = str(voc.ids[row]).replace("JPEGImages", "labels")[:-4] + ".txt"
        texts[name] += yolo_line(int(k), tuple(corners), (640, 480))
    write_texts(tmp_path, {**texts, "classes.txt": "\n".join(voc.classes)})
    source = open_source(str(tmp_path))
    assert source.classes == voc.classes
    assert isinstance(source.annotations, Boxes)
    assert source.annotations.rows.tolist() == voc.annotations.rows.tolist()
    assert source.annotations.labels.tolist() == voc.annotations.labels.tolist()
    np.testing.assert_allclose(source.annotations.corners, voc.annotations.corners, atol=1e-4)
