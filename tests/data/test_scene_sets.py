"""SUN397, CUB-200-2011, MIT-67 and the 102 flowers on small trees of their true layouts: what is
read, and what each error says."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source, parse_data
from seedbed.data.image_lists import read_lines
from seedbed.data.pack import pack
from seedbed.data.source import SPLITS, Source

Encode = Callable[..., bytes]


def _splits_of(source: Source) -> dict[str, str]:
    return {id_: SPLITS[s] for id_, s in zip(source.ids, source.splits, strict=True)}


def _labels_of(source: Source) -> dict[str, str]:
    return {id_: source.classes[c] for id_, c in zip(source.ids, source.leaves, strict=True)}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_bytes().decode()
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode())


def _refused(call: str) -> BadDataError:
    with pytest.raises(BadDataError) as caught:
        open_source(call)
    return caught.value


# ---- lists ----


def test_lines_of_a_list_keep_all_but_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        "\ufeffkitchen/a b.jpg\r\n\r\nbar/caf\u00e9 \u5ba4.jpg \r\nbar/x\u0085\u2028y.jpg".encode()
    )
    lines = read_lines(path, "")
    assert [line.text for line in lines] == [
        "kitchen/a b.jpg",
        "bar/caf\u00e9 \u5ba4.jpg",
        "bar/x\u0085\u2028y.jpg",
    ]
    assert [line.place for line in lines] == [f"{path}, line {i}" for i in (1, 3, 4)]


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("a/1.jpg\na/caf\u00e9.jpg\n".encode("latin-1"))
    with pytest.raises(BadDataError, match=r"list\.txt, line 2: b'a/caf\\xe9\.jpg' is not UTF-8"):
        read_lines(tmp_path / "list.txt", "")
    (tmp_path / "list.txt").write_bytes(b"\r\n\n")
    with pytest.raises(BadDataError, match=r"list\.txt is empty"):
        read_lines(tmp_path / "list.txt", "")
    with pytest.raises(BadDataError, match="cannot read .*: Is a directory"):
        read_lines(tmp_path, "")


# ---- SUN397 ----

SUN_CLASSES = ("a/abbey", "c/church/indoor", "c/church/outdoor", "c/control_tower/outdoor")


def _sun(root: Path, encode: Encode, lists: str = "") -> Path:
    """Four classes of five images: partition p trains on the images p and p + 1 modulo 5, and tests
    on the next two."""
    for k, folder in enumerate(SUN_CLASSES):
        for i in range(5):
            _write(root / folder / f"sun_{i}.jpg", encode(10 * k + i, (16, 16), "JPEG"))
    (root / "ClassName.txt").write_text("".join(f"/{folder}\n" for folder in SUN_CLASSES))
    for p in (1, 2):
        for kind, first in (("Training", p), ("Testing", p + 2)):
            lines = [
                f"/{folder}/sun_{i % 5}.jpg" for folder in SUN_CLASSES for i in (first, first + 1)
            ]
            _write(root / lists / f"{kind}_{p:02d}.txt", "\n".join(lines).encode())
    return root


@pytest.mark.parametrize("lists", ["", "Partitions"])
def test_sun397_by_its_first_partition(tmp_path: Path, encode: Encode, lists: str) -> None:
    source = open_source(str(_sun(tmp_path / "in", encode, lists)))
    assert source.name == str(tmp_path / "in")
    assert source.classes == ("abbey", "church/indoor", "church/outdoor", "control_tower/outdoor")
    splits = {1: "train", 2: "train", 3: "test", 4: "test"}
    assert _splits_of(source) == {
        f"{folder}/sun_{i}.jpg": split for folder in SUN_CLASSES for i, split in splits.items()
    }
    assert _labels_of(source)["c/church/indoor/sun_4.jpg"] == "church/indoor"
    assert source.named("control_tower/outdoor") == "outdoor control tower"
    assert source.named("abbey") == "abbey"


def test_a_nested_class_of_sun397_lies_under_what_it_is_of(tmp_path: Path, encode: Encode) -> None:
    hierarchy = open_source(str(_sun(tmp_path, encode))).hierarchy
    assert hierarchy is not None
    assert hierarchy.chain("church/indoor") == (".", "church", "church/indoor")
    assert hierarchy.chain("abbey") == (".", "abbey")
    assert hierarchy.distance("church/indoor", "church/outdoor") == 2


def test_another_partition_of_sun397_is_another_source(tmp_path: Path, encode: Encode) -> None:
    root = str(_sun(tmp_path, encode))
    one, two = open_source(root), open_source(f"sun397({root!r}, partition=2)")
    assert sorted(_splits_of(two))[:2] == ["a/abbey/sun_0.jpg", "a/abbey/sun_2.jpg"]
    assert one.name != two.name
    assert one.listing != two.listing
    for wrong in (0, 11):
        with pytest.raises(UsageError, match=f"partition = {wrong}: there are ten, 1 to 10"):
            open_source(f"sun397({root!r}, partition={wrong})")
    error = _refused(f"sun397({root!r}, partition=3)")
    assert "has no Training_03.txt" in error.message
    assert "vision.princeton.edu/projects/2010/SUN" in error.hint


def test_lists_beside_the_tree_of_sun397(tmp_path: Path, encode: Encode) -> None:
    """Both archives unpacked into one folder; Partitions.zip has ClassName.txt too."""
    tree = _sun(tmp_path / "SUN397", encode, "Partitions")
    shutil.move(tree / "Partitions", tmp_path / "Partitions")
    shutil.move(tree / "ClassName.txt", tmp_path / "Partitions")
    assert parse_data(str(tmp_path)).name == "sun397"
    assert parse_data(str(tree)).name == "folder"
    source = open_source(str(tmp_path))
    assert source.ids[0] == "a/abbey/sun_1.jpg"
    assert source.num_images == 16


def test_sun397_without_its_lists_is_no_image_folder(tmp_path: Path, encode: Encode) -> None:
    root = _sun(tmp_path, encode, "Partitions")
    shutil.rmtree(root / "Partitions")
    error = _refused(str(root))
    assert f"{root} has no Training_01.txt, and none in Partitions/" in error.message
    assert "Partitions.zip" in error.hint
    (root / "ClassName.txt").unlink()
    assert "has no ClassName.txt" in _refused(f"sun397({str(root)!r})").message


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "Training_01.txt",
            "abbey/sun_1",
            "abbey/sun_9",
            "Training_01.txt, line 1 names 'a/abbey/sun_9.jpg', which is not in",
        ),
        (
            "Training_01.txt",
            "/a/abbey/sun_1",
            "/a/abbay/sun_1",
            "Training_01.txt, line 1: '/a/abbay/sun_1.jpg' is in no class of",
        ),
        (
            "Training_01.txt",
            "/a/abbey/sun_1",
            "../a/abbey/sun_1",
            "line 1: '../a/abbey/sun_1.jpg' is in no class of",
        ),
        ("Training_01.txt", "/a/abbey/sun_1", "/a/abbey/x\\sun_1", "is not the path of an image"),
        (
            "Training_01.txt",
            "/a/abbey/sun_1.jpg\n",
            "",
            "names 1 images of class 'abbey' and 2 of 'church/indoor'",
        ),
        (
            "Training_01.txt",
            "/a/abbey/sun_1.jpg\n/a/abbey/sun_2.jpg\n",
            "",
            "names no image of class 'abbey' of",
        ),
        (
            "Testing_01.txt",
            "abbey/sun_3",
            "abbey/sun_2",
            "Testing_01.txt, line 1, for test, names 'a/abbey/sun_2.jpg', which",
        ),
        ("ClassName.txt", "/a/abbey", "abbey", "ClassName.txt, line 1: 'abbey' is not a class"),
        (
            "ClassName.txt",
            "/c/church/outdoor",
            "/c/church/indoor",
            "ClassName.txt, line 3: class 'church/indoor' is there twice",
        ),
        (
            "ClassName.txt",
            "/a/abbey",
            "/c/church",
            "line 2: class 'church/indoor' is below 'church', which is a class too",
        ),
        (
            "ClassName.txt",
            "/a/abbey",
            "/a/abbey\n/z/zoo/inner",
            "names no image of class 'zoo/inner'",
        ),
    ],
)
def test_what_is_wrong_with_sun397_is_named(
    tmp_path: Path, encode: Encode, name: str, old: str, new: str, message: str
) -> None:
    root = _sun(tmp_path, encode)
    _edit(root / name, old, new)
    error = _refused(str(root))
    assert message in error.message
    assert "vision.princeton.edu/projects/2010/SUN" in error.hint


# ---- CUB-200-2011 ----

BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross")


def _cub(root: Path, encode: Encode) -> Path:
    """Two species of three images, the first of each for test; one file name has spaces and an
    accent."""
    files = [
        f"{bird}/{name}" for bird in BIRDS for name in ("a_1.jpg", "b \u00e9 2.jpg", "c_3.jpg")
    ]
    for i, file in enumerate(files):
        _write(root / "images" / file, encode(i, (16, 16), "JPEG"))
    (root / "images.txt").write_text(
        "".join(f"{i} {file}\n" for i, file in enumerate(files, 1)), encoding="utf-8"
    )
    (root / "image_class_labels.txt").write_text("1 1\n2 1\n3 1\n4 2\n5 2\n6 2\n")
    (root / "classes.txt").write_text(f"1 {BIRDS[0]}\n2 {BIRDS[1]}\n")
    (root / "train_test_split.txt").write_text("1 0\n2 1\n3 1\n4 0\n5 1\n6 1\n")
    (root / "bounding_boxes.txt").write_text("".join(f"{i} 1.0 1.0 8.0 8.0\n" for i in range(1, 7)))
    return root


def test_cub_by_its_tables(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(_cub(tmp_path, encode)))
    assert source.classes == BIRDS
    assert source.named(BIRDS[0]) == "Black footed Albatross"
    splits = _splits_of(source)
    assert splits["images/001.Black_footed_Albatross/a_1.jpg"] == "test"
    assert splits["images/002.Laysan_Albatross/b \u00e9 2.jpg"] == "train"
    assert sorted(splits.values()) == ["test"] * 2 + ["train"] * 4
    assert {label.split(".")[0] for label in _labels_of(source).values()} == {"001", "002"}
    assert all(label in id_ for id_, label in _labels_of(source).items())
    assert pack(source, tmp_path / "x.store", size_px=8).num_unreadable == 0


def test_the_tables_of_cub_with_windows_line_ends_are_the_same_source(
    tmp_path: Path, encode: Encode
) -> None:
    root = _cub(tmp_path, encode)
    before = open_source(str(root))
    for path in root.glob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    after = open_source(str(root))
    assert (_splits_of(after), _labels_of(after), after.listing) == (
        _splits_of(before),
        _labels_of(before),
        before.listing,
    )


@pytest.mark.parametrize(
    "name",
    ["images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt", "images"],
)
def test_a_missing_part_of_cub_is_named(tmp_path: Path, encode: Encode, name: str) -> None:
    root = _cub(tmp_path, encode)
    shutil.rmtree(root / name) if name == "images" else (root / name).unlink()
    error = _refused(f"cub200({str(root)!r})")
    assert (
        f"{root} has no folder images/"
        if name == "images"
        else f"cannot read {root / name}: No such file"
    ) in error.message
    assert "data.caltech.edu (CUB-200-2011)" in error.hint


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "images.txt",
            "1 001",
            "one 001",
            "images.txt, line 1: 'one 001.Black_footed_Albatross/a_1.jpg' is not a row of this table",
        ),
        ("images.txt", "2 001", "1 001", "images.txt, line 2: number 1 is there twice, first in"),
        (
            "images.txt",
            "a_1.jpg",
            "a_9.jpg",
            "line 1 names 'images/001.Black_footed_Albatross/a_9.jpg', which is not in",
        ),
        (
            "images.txt",
            "c_3.jpg",
            "a_1.jpg",
            "line 3, for train, names 'images/001.Black_footed_Albatross/a_1.jpg', which",
        ),
        ("images.txt", "a_1.jpg", "../a_1.jpg", "is not the path of an image"),
        ("image_class_labels.txt", "6 2\n", "", "images.txt, line 6: image 6 has no row in"),
        (
            "train_test_split.txt",
            "6 1\n",
            "6 1\n7 1\n",
            "train_test_split.txt, line 7: image 7 has no row in",
        ),
        (
            "train_test_split.txt",
            "1 0",
            "1 2",
            "train_test_split.txt, line 1: '2' is neither 1 (training) nor 0 (test)",
        ),
        (
            "train_test_split.txt",
            "1 0",
            "1 1",
            "names an image of class '001.Black_footed_Albatross', of which no image is listed for test",
        ),
        (
            "image_class_labels.txt",
            "1 1",
            "1 0",
            "image_class_labels.txt, line 1: class 0 is not in classes.txt, which has 2",
        ),
        (
            "image_class_labels.txt",
            "1 1",
            "1 2",
            "images.txt, line 1: the image is in folder '001.Black_footed_Albatross', but",
        ),
        (
            "classes.txt",
            "2 002.Laysan_Albatross\n",
            "2 002.Laysan_Albatross\n3 003.Sooty_Albatross\n",
            "line 3: class 3 ('003",
        ),
        (
            "classes.txt",
            "1 001.Black_footed_Albatross\n",
            "",
            "image_class_labels.txt, line 1: class 1 is not in classes.txt",
        ),
    ],
)
def test_what_is_wrong_with_cub_is_named(
    tmp_path: Path, encode: Encode, name: str, old: str, new: str, message: str
) -> None:
    root = _cub(tmp_path, encode)
    _edit(root / name, old, new)
    error = _refused(f"cub200({str(root)!r})")
    assert message in error.message
    assert "data.caltech.edu (CUB-200-2011)" in error.hint


def test_two_numbers_of_one_species_are_named(tmp_path: Path, encode: Encode) -> None:
    root = _cub(tmp_path, encode)
    _edit(root / "classes.txt", f"2 {BIRDS[1]}\n", f"2 {BIRDS[1]}\n3 {BIRDS[0]}\n")
    _edit(root / "image_class_labels.txt", "3 1", "3 3")
    assert (
        f"classes.txt, line 3: class {BIRDS[0]!r} is there twice, first in"
        in _refused(str(root)).message
    )


def test_the_same_images_split_otherwise_must_be_packed_again(
    tmp_path: Path, encode: Encode
) -> None:
    root = _cub(tmp_path, encode)
    before = open_source(str(root))
    _edit(root / "train_test_split.txt", "2 1", "2 0")
    after = open_source(str(root))
    assert after.ids.tolist() == before.ids.tolist()
    assert after.listing != before.listing


def test_tables_of_cubs_names_are_not_all_cubs(tmp_path: Path, encode: Encode) -> None:
    """NABirds has them, with other numbers."""
    root = _cub(tmp_path, encode)
    assert parse_data(str(root)).name == "cub200"
    _edit(root / "images.txt", "1 001.Black_footed_Albatross", "0000139e-21dc-4d0c-bfe1 0817")
    assert parse_data(str(root)).name == "folder"


# ---- MIT-67 ----

ROOMS: Mapping[str, tuple[str, ...]] = {
    "kitchen": ("int474.jpg", "cocina fr\u00eda 2.jpg", "spare.jpg", "k 3.jpg"),
    "tv_studio": ("\u5ba4.jpg", "tv_studio_1b_70_.jpg", "spare.jpg", "studio.gif.jpg"),
}


def _mit(root: Path, encode: Encode) -> Path:
    """Two rooms of four images: two for training, one in no list, one for test. Windows line ends;
    GIF and PNG called .jpg."""
    kinds = ("JPEG", "PNG", "JPEG", "GIF")
    for k, (room, files) in enumerate(ROOMS.items()):
        for i, (file, kind) in enumerate(zip(files, kinds, strict=True)):
            _write(root / "Images" / room / file, encode(10 * k + i, (16, 16), kind))
    train = "\r\n".join(f"{room}/{file}" for room, files in ROOMS.items() for file in files[:2])
    test = "\r\n".join(f"{room}/{files[3]}" for room, files in ROOMS.items())
    (root / "TrainImages.txt").write_bytes(train.encode())
    (root / "TestImages.txt").write_bytes(f"{test}\r\n".encode())
    return root


def test_mit67_by_its_lists(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(_mit(tmp_path / "in", encode)))
    assert source.classes == ("kitchen", "tv_studio")
    assert source.names == {"tv_studio": "tv studio"}
    wanted = {
        f"Images/{room}/{file}": "train" for room, files in ROOMS.items() for file in files[:2]
    }
    assert _splits_of(source) == wanted | {
        f"Images/{room}/{files[3]}": "test" for room, files in ROOMS.items()
    }
    assert _labels_of(source)["Images/tv_studio/\u5ba4.jpg"] == "tv_studio"
    packed = pack(source, tmp_path / "x.store", size_px=8)
    assert (packed.store.num_images, packed.num_unreadable) == (6, 0)


@pytest.mark.parametrize("name", ["Images", "TrainImages.txt", "TestImages.txt"])
def test_a_missing_part_of_mit67_is_named(tmp_path: Path, encode: Encode, name: str) -> None:
    root = _mit(tmp_path, encode)
    shutil.rmtree(root / name) if name == "Images" else (root / name).unlink()
    error = _refused(f"mit67({str(root)!r})" if name == "Images" else str(root))
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
def test_what_is_wrong_with_mit67_is_named(
    tmp_path: Path, encode: Encode, name: str, old: str, new: str, message: str
) -> None:
    root = _mit(tmp_path, encode)
    _edit(root / name, old, new)
    error = _refused(str(root))
    assert message in error.message
    assert "web.mit.edu/torralba/www/indoor.html" in error.hint


def test_a_room_that_the_lists_of_mit67_leave_out_is_named(tmp_path: Path, encode: Encode) -> None:
    """As when both lists end too early; what systems leave behind is no room."""
    root = _mit(tmp_path, encode)
    for name in (".Trash", "__MACOSX"):
        (root / "Images" / name).mkdir()
    assert open_source(str(root)).num_images == 6
    (root / "Images" / "winecellar").mkdir()
    error = _refused(str(root))
    assert (
        "has a folder 'winecellar', of which neither TrainImages.txt nor TestImages.txt names an image"
        in error.message
    )


def test_how_many_images_are_not_there_is_told(tmp_path: Path, encode: Encode) -> None:
    root = _mit(tmp_path, encode)
    shutil.rmtree(root / "Images" / "kitchen")
    (root / "Images" / "kitchen" / "k 3.jpg").mkdir(parents=True)
    error = _refused(str(root))
    assert "'Images/kitchen/cocina fr\u00eda 2.jpg'" in error.message
    assert "No such file or directory (3 of 6 images are missing)" in error.message


# ---- the 102 flowers ----

FLOWER_LABELS = (102, 1, 1, 102, 60, 60, 60, 1, 102)  # one-based, of the images 1 to 9
FLOWER_SETS: Mapping[str, tuple[int, ...]] = {
    "trnid": (3, 1, 5),
    "valid": (9, 7, 2),
    "tstid": (4, 6, 8),
}
FLOWER_NAMES = {1: "pink primrose", 60: "pink-yellow dahlia?", 102: "blackberry lily"}
FLOWER_SPLITS = {"trnid": "train", "valid": "val", "tstid": "test"}


def _flowers(root: Path, encode: Encode, labels: object = FLOWER_LABELS, **sets: object) -> Path:
    for i in range(1, len(FLOWER_LABELS) + 1):
        _write(root / "jpg" / f"image_{i:05d}.jpg", encode(i, (16, 16), "JPEG"))
    savemat(root / "imagelabels.mat", {"labels": np.array(labels, np.uint8)})
    savemat(
        root / "setid.mat",
        {
            key: np.array(ids, np.uint16)
            for key, ids in {**FLOWER_SETS, **sets}.items()
            if ids is not None
        },
    )
    return root


def test_flowers_by_their_tables(tmp_path: Path, encode: Encode) -> None:
    source = open_source(str(_flowers(tmp_path, encode)))
    assert source.classes == tuple(sorted(FLOWER_NAMES.values()))
    file = "jpg/image_{:05d}.jpg".format
    assert _labels_of(source) == {
        file(i): FLOWER_NAMES[label] for i, label in enumerate(FLOWER_LABELS, 1)
    }
    assert _splits_of(source) == {
        file(i): FLOWER_SPLITS[key] for key, ids in FLOWER_SETS.items() for i in ids
    }
    row = source.ids.tolist().index(file(6))
    wanted = np.asarray(Image.open(io.BytesIO(encode(6, (16, 16), "JPEG"))))
    assert np.array_equal(source.pixels.load(np.array([row]), 16).pixels[0], wanted)


def test_flowers_by_torchvision_are_the_same_images_labels_and_splits(
    tmp_path: Path, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision's root is the folder that holds flowers-102/; it checks the tables' checksums,
    which a small tree cannot have."""
    _flowers(tmp_path / "flowers-102", encode)
    call = f"torchvision('Flowers102', {str(tmp_path)!r})"
    error = _refused(call)
    assert "torchvision does not find Flowers102" in error.message
    assert "download=True" in error.hint
    monkeypatch.setattr("torchvision.datasets.flowers102.check_integrity", lambda *_: True)
    theirs, ours = open_source(call), open_source(f"flowers102({str(tmp_path)!r})")
    assert theirs.classes == ours.classes
    prefixes = {"trnid": "train", "valid": "val", "tstid": "test"}
    for key, numbers in FLOWER_SETS.items():
        for i, number in enumerate(numbers):
            there, here = f"{prefixes[key]}/{i:07d}", f"jpg/image_{number:05d}.jpg"
            assert _splits_of(theirs)[there] == _splits_of(ours)[here] == FLOWER_SPLITS[key]
            assert (
                _labels_of(theirs)[there]
                == _labels_of(ours)[here]
                == FLOWER_NAMES[FLOWER_LABELS[number - 1]]
            )
            rows = [
                source.ids.tolist().index(id_) for source, id_ in ((theirs, there), (ours, here))
            ]
            pixels = [
                s.pixels.load(np.array([row]), 16).pixels
                for s, row in zip((theirs, ours), rows, strict=True)
            ]
            assert np.array_equal(*pixels)


def test_a_missing_part_of_the_flowers_is_named(tmp_path: Path, encode: Encode) -> None:
    for name, message in (
        ("imagelabels.mat", "cannot read {}: No such file or directory"),
        ("setid.mat", "cannot read {}: No such file or directory"),
        ("jpg", "trnid, entry 2 names 'jpg/image_00001.jpg', which is not in"),
    ):
        root = _flowers(tmp_path / f"without-{name}", encode)
        shutil.rmtree(root / name) if name == "jpg" else (root / name).unlink()
        error = _refused(f"flowers102({str(root)!r})")
        assert message.format(root / name) in error.message
        assert "robots.ox.ac.uk/~vgg/data/flowers/102" in error.hint
        assert "torchvision('Flowers102', 'FOLDER', download=True)" in error.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": (0, *FLOWER_LABELS[1:])},
            "imagelabels.mat, labels, entry 1: 0 is not the number of a class",
        ),
        (
            {"labels": (*FLOWER_LABELS[:8], 103)},
            "imagelabels.mat, labels, entry 9: 103 is not the number of a class",
        ),
        ({"labels": (*FLOWER_LABELS, 1)}, "setid.mat names image 10 in no set (1 such images)"),
        (
            {"labels": FLOWER_LABELS[:8]},
            "setid.mat, valid, entry 1: 9 is not the number of an image that has a label",
        ),
        (
            {"tstid": (4, 6, 0)},
            "setid.mat, tstid, entry 3: 0 is not the number of an image that has a label",
        ),
        (
            {"tstid": (4, 6, 8, 1)},
            "setid.mat, tstid, entry 4, for test, names 'jpg/image_00001.jpg', which",
        ),
        ({"tstid": None}, "setid.mat has no 'tstid'; it has: trnid, valid"),
        ({"tstid": ()}, "setid.mat: 'tstid' is not a list of whole numbers"),
        (
            {"labels": (*FLOWER_LABELS[:7], 60, 102)},
            "of class 'pink primrose', of which no image is listed for test",
        ),
    ],
)
def test_what_is_wrong_with_the_flowers_is_named(
    tmp_path: Path, encode: Encode, changes: dict, message: str
) -> None:
    error = _refused(str(_flowers(tmp_path, encode, **changes)))
    assert message in error.message
    assert "robots.ox.ac.uk/~vgg/data/flowers/102" in error.hint


def test_a_table_of_the_flowers_that_is_cut_off_is_named(tmp_path: Path, encode: Encode) -> None:
    root = _flowers(tmp_path, encode)
    data = (root / "setid.mat").read_bytes()
    for cut in (len(data) - 30, 140, 60, 0):
        (root / "setid.mat").write_bytes(data[:cut])
        assert str(root / "setid.mat") in _refused(str(root)).message
