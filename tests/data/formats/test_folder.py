"""Image folders: splits, hierarchies, unusual names, links."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from format_trees import open_error, split_of_ids

from seedbed.base.errors import BadDataError, SeedbedError
from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack
from seedbed.data.source import SPLITS, Source


def _read(path: Path) -> Source:
    return open_source(str(path))


def _split_sizes(source: Source) -> dict[str, int]:
    return {name: int((source.splits == i).sum()) for i, name in enumerate(SPLITS)}


def test_one_folder_per_class(make_tree) -> None:
    source = _read(make_tree({"cats": 3, "dogs": 2}))
    assert source.classes == ("cats", "dogs")
    assert source.ids.tolist() == [
        "cats/000.png",
        "cats/001.png",
        "cats/002.png",
        "dogs/000.png",
        "dogs/001.png",
    ]
    assert source.leaves.tolist() == [0, 0, 0, 1, 1]
    assert source.hierarchy is None


def test_folders_of_any_depth_give_labels_and_a_hierarchy(make_tree) -> None:
    source = _read(
        make_tree({"animals/dogs/husky": 1, "animals/cats": 1, "cars": 1, "a/b/c/d/e/f": 1})
    )
    assert source.classes == ("a/b/c/d/e/f", "animals/cats", "animals/dogs/husky", "cars")
    assert source.hierarchy is not None
    assert source.hierarchy.depth("animals/dogs/husky") == 3
    assert source.named("animals/dogs/husky") == "husky"
    assert source.named("cars") == "cars"


@pytest.mark.parametrize(
    ("val", "test"),
    [("val", "test"), ("valid", "testing"), ("validation", "Test"), ("VAL", "TEST")],
)
def test_splits_at_the_top_are_recognised(make_tree, val: str, test: str) -> None:
    source = _read(make_tree({"train/a": 3, "train/b/x": 3, f"{val}/a": 2, f"{test}/b/x": 1}))
    assert _split_sizes(source) == {"train": 6, "val": 2, "test": 1}
    assert source.classes == ("a", "b/x")


def test_train_with_a_lone_val(make_tree) -> None:
    assert _split_sizes(_read(make_tree({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1}))) == {
        "train": 4,
        "val": 2,
        "test": 0,
    }


def test_classes_that_are_called_train_and_test_are_classes(make_tree) -> None:
    source = _read(make_tree({"train": 2, "plane": 2, "test": 2}))
    assert source.classes == ("plane", "test", "train")
    assert _split_sizes(source)["train"] == 6


@pytest.mark.parametrize("loose", ["loose.png", "train/loose.png", "val/loose.png"])
def test_an_image_without_a_class_folder_is_named(make_tree, encode, loose: str) -> None:
    root = make_tree({"train/a": 2, "train/b": 2, "val/a": 2})
    (root / loose).write_bytes(encode(99))
    with pytest.raises(BadDataError, match="1 of 7 images") as caught:
        _read(root)
    assert loose in caught.value.message
    assert "cats/1.jpg" in caught.value.hint


def test_images_at_the_root_alone_are_refused(make_tree, encode) -> None:
    root = make_tree({})
    (root / "a.jpg").write_bytes(encode(1))
    with pytest.raises(BadDataError, match=r"'a.jpg' is in no class folder"):
        _read(root)


@pytest.mark.parametrize("counts", [{}, {"empty": 0, "void": 0}])
def test_no_images_is_an_error(make_tree, counts: dict[str, int]) -> None:
    with pytest.raises(BadDataError, match="no images in"):
        _read(make_tree(counts))


def test_one_class_is_refused_by_name(make_tree) -> None:
    source = _read(make_tree({"cats": 3}))
    with pytest.raises(BadDataError, match=r"one class only \('cats'\)"):
        pack(source, source.name + ".store")


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"there is no .*nowhere"):
        _read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["my-photos", "my photos/2024", "caf\u00e9/\u732b", "n" * 300, "lambda: 1", "a | b"]
)
def test_a_text_that_is_neither_path_nor_call_raises_a_seedbed_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeedbedError):
        open_source(text)


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(BadDataError, match="is a file, not a folder"):
        _read(tmp_path / "photos.zip")


def test_unusual_folder_names_are_class_names(make_tree, encode) -> None:
    names = [
        "caf\u00e9",
        "\u732b",
        "a b",
        "it's",
        'quo"te',
        "comma,semi;",
        "#1 [x]*?",
        "per|cent%20",
        "-dash",
        "\U0001f431",
        "new\nline",
        "x" * 200,
    ]
    root = make_tree(dict.fromkeys(names, 1))
    (root / "a b" / "1.tar.JPEG").write_bytes(encode(5))
    source = _read(root)
    assert source.classes == tuple(sorted(names))
    assert "a b/1.tar.JPEG" in source.ids


def test_unusual_class_names_are_packed(make_tree, tmp_path: Path) -> None:
    names = ["caf\u00e9", "\u732b", 'a "b", c', "new\nline"]
    store = pack(str(make_tree(dict.fromkeys(names, 3))), tmp_path / "s.store", size_px=8).store
    assert store.classes == tuple(sorted(names))
    assert store.num_images == 12


def test_a_name_that_is_not_utf8_is_packed_or_named(make_tree, tmp_path: Path, encode) -> None:
    root = make_tree({"a": 3, "b": 3})
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/a/\xff\xfe.png")).write_bytes(encode(77))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    try:
        packed = pack(str(root), tmp_path / "s.store", size_px=8, allow_unreadable=0.5)
    except BadDataError as error:
        assert "png" in str(error)
        return
    assert packed.store.num_images + packed.num_unreadable == 7


def test_composed_and_decomposed_accents_are_two_classes(make_tree) -> None:
    root = make_tree({"caf\u00e9": 1, "cafe\u0301": 1, "x": 1})
    assert len(_read(root).classes) == len(os.listdir(root))


def test_hidden_files_and_other_files_are_ignored(make_tree, encode) -> None:
    root = make_tree({"a": 2, "b": 2, ".thumbnails": 2, "__MACOSX": 2})
    for name in ("a/._1.jpg", "a/.hidden.png", ".DS_Store"):
        (root / name).write_bytes(encode(8))
    for name in ("a/notes.txt", "b/labels.csv", "a/Thumbs.db"):
        (root / name).write_text("x")
    source = _read(root)
    assert source.classes == ("a", "b")
    assert source.num_images == 4


def test_a_link_to_a_folder_above_is_followed_once(make_tree) -> None:
    root = make_tree({"a": 2, "b": 2})
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    assert _read(root).num_images == 4


def test_a_link_to_itself_is_skipped(make_tree) -> None:
    root = make_tree({"a": 2, "b": 2})
    (root / "loop").symlink_to(root / "loop")
    assert _read(root).num_images == 4


def test_a_class_folder_that_is_a_link_is_read(make_tree) -> None:
    elsewhere = make_tree({"cats": 2}, root="elsewhere")
    root = make_tree({"dogs": 2})
    (root / "cats").symlink_to(elsewhere / "cats", target_is_directory=True)
    assert _read(root).classes == ("cats", "dogs")


def test_a_dangling_link_is_listed_and_reported_when_packed(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 3, "b": 3})
    (root / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    packed = pack(str(root), tmp_path / "s.store", size_px=8, allow_unreadable=0.5)
    assert packed.num_unreadable == 1
    assert packed.unreadable is not None
    assert "a/gone.png" in packed.unreadable.read_text()


def test_the_listing_depends_on_names_sizes_and_times(make_tree, encode) -> None:
    root = make_tree({"a": 2, "b": 2})
    listings = [_read(root).listing]
    assert _read(root).listing == listings[0]
    os.utime(root / "a" / "000.png", ns=(1, 1))
    listings.append(_read(root).listing)
    (root / "a" / "000.png").rename(root / "a" / "renamed.png")
    listings.append(_read(root).listing)
    (root / "b" / "new.png").write_bytes(encode(50))
    listings.append(_read(root).listing)
    assert len(set(listings)) == 4


def test_a_path_is_read_as_folder_and_a_call_by_its_format(make_tree) -> None:
    root = make_tree({"a": 2, "b": 2})
    assert parse_data(str(root)).name == "folder"
    assert parse_data(f"folder({str(root)!r})").args == (str(root),)
    assert parse_data("digits").name == parse_data("digits()").name == "digits"
    assert parse_data("no-such-folder").name == "folder"


@pytest.mark.parametrize("part", ["hymenoptera", "cifar10"])
def test_real_folders_open(real_data: Path, part: str) -> None:
    source = _read(real_data / part)
    assert len(source.classes) == {"hymenoptera": 2, "cifar10": 10}[part]
    assert _split_sizes(source)["train"] > 0
    assert source.ids.tolist() == sorted(set(source.ids))


def test_a_folder_next_to_the_splits_is_refused(make_tree) -> None:
    root = make_tree({"train/a": 2, "train/b": 2, "test/a": 1, "unlabeled": 3})
    with pytest.raises(BadDataError, match="'unlabeled'") as caught:
        open_source(str(root))
    assert "train/" in caught.value.hint


@pytest.mark.parametrize(
    "folders",
    [
        ("train2017", "val2017"),
        ("train", "val"),
        ("images/train", "images/val"),
    ],
)
def test_splits_without_annotations_are_no_classes(folders, make_tree) -> None:
    """A set with boxes whose annotation files are missing."""
    root = make_tree(dict.fromkeys(folders, 2))
    error = open_error(str(root))
    assert "which are splits and no classes" in error.message
    assert error.hint


def test_splits_with_a_year_hold_classes(make_tree) -> None:
    source = open_source(
        str(make_tree({"train2017/cats": 2, "train2017/dogs": 2, "val2017/cats": 2}))
    )
    assert source.classes == ("cats", "dogs")
    assert set(split_of_ids(source).values()) == {"train", "val"}


def test_one_class_may_be_called_as_a_split(make_tree) -> None:
    assert open_source(str(make_tree({"train": 2, "bus": 2}))).classes == ("bus", "train")
