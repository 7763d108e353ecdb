"""Tiny ImageNet on a small tree of its layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source, parse_data
from seedbed.data.pack import pack
from seedbed.data.source import TRAIN, VAL

SYNSETS = ("n01443537", "n02124075", "n07749582")


@pytest.fixture
def tiny(tmp_path: Path, encode) -> Path:
    root = tmp_path / "tiny-imagenet-200"
    for number, synset in enumerate(SYNSETS):
        folder = root / "train" / synset / "images"
        folder.mkdir(parents=True)
        for i in range(3):
            (folder / f"{synset}_{i}.JPEG").write_bytes(encode(10 * number + i, (64, 64), "JPEG"))
        (root / "train" / synset / f"{synset}_boxes.txt").write_text(
            f"{synset}_0.JPEG\t0\t0\t63\t63\n"
        )
    for split in ("val", "test"):
        (root / split / "images").mkdir(parents=True)
        for i in range(6):
            (root / split / "images" / f"{split}_{i}.JPEG").write_bytes(
                encode(100 + i, (64, 64), "JPEG")
            )
    rows = (f"val_{i}.JPEG\t{SYNSETS[i % 3]}\t0\t32\t44\t62\n" for i in range(6))
    (root / "val" / "val_annotations.txt").write_text("".join(rows))
    (root / "wnids.txt").write_text("\n".join(SYNSETS) + "\n")
    (root / "words.txt").write_text(
        "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\n"
    )
    return root


def test_the_layout_is_recognised(tiny: Path) -> None:
    assert parse_data(str(tiny)).name == "tiny_imagenet"


def test_synsets_are_classes_and_validation_comes_from_the_annotations(tiny: Path) -> None:
    source = open_source(str(tiny))
    assert source.classes == SYNSETS
    assert [int((source.splits == s).sum()) for s in (TRAIN, VAL)] == [9, 6]
    label = dict(zip(source.ids, source.leaves, strict=True))
    assert [SYNSETS[label[f"val/images/val_{i}.JPEG"]] for i in range(6)] == [*SYNSETS, *SYNSETS]


def test_the_unlabelled_test_images_are_left_out(tiny: Path) -> None:
    assert not [i for i in open_source(str(tiny)).ids if i.startswith("test/")]


def test_words_name_the_classes(tiny: Path) -> None:
    source = open_source(str(tiny))
    assert dict(source.names) == {
        "n01443537": "goldfish, Carassius auratus",
        "n02124075": "Egyptian cat",
    }
    assert source.named("n07749582") == "n07749582"


def test_validation_serves_as_test_once_packed(tiny: Path, tmp_path: Path) -> None:
    store = pack(str(tiny), tmp_path / "tiny.store", size_px=16).store
    assert store.card["splits"] == {"train": 9, "val": 0, "test": 6}
    assert store.card["derived_splits"]


def test_pixels_belong_to_their_ids(tiny: Path, tmp_path: Path) -> None:
    from seedbed.data.decode import decode

    store = pack(str(tiny), tmp_path / "tiny.store", size_px=16).store
    for row, name in enumerate(store.ids):
        assert (store.pixels[row] == decode((tiny / name).read_bytes(), 16)[0]).all()


def test_missing_annotations_are_named(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").unlink()
    with pytest.raises(BadDataError, match=r"val_annotations.txt is missing"):
        open_source(str(tiny), format_name="tiny_imagenet")


def test_a_validation_image_without_a_label_is_named(tiny: Path, encode) -> None:
    (tiny / "val" / "images" / "stray.JPEG").write_bytes(encode(7, (64, 64), "JPEG"))
    with pytest.raises(BadDataError, match=r"stray.JPEG has no label"):
        open_source(str(tiny))


def test_a_validation_class_without_a_training_folder_is_named(tiny: Path) -> None:
    with (tiny / "val" / "val_annotations.txt").open("a") as file:
        file.write("val_0.JPEG\tn09999999\t0\t0\t1\t1\n")
    with pytest.raises(BadDataError, match="'n09999999'"):
        open_source(str(tiny))


def test_an_annotated_image_that_is_missing_is_reported(tiny: Path, tmp_path: Path) -> None:
    (tiny / "val" / "images" / "val_3.JPEG").unlink()
    try:
        packed = pack(str(tiny), tmp_path / "tiny.store", size_px=16, allow_unreadable=0.5)
    except BadDataError as error:
        assert "val_3.JPEG" in str(error)
        return
    assert packed.num_unreadable == 1


def test_a_listed_class_without_images_is_refused(tiny: Path) -> None:
    with (tiny / "wnids.txt").open("a") as file:
        file.write("n09999999\n")
    with pytest.raises(BadDataError, match="n09999999"):
        open_source(str(tiny))


def test_changed_annotations_change_the_listing(tiny: Path) -> None:
    before = open_source(str(tiny)).listing
    path = tiny / "val" / "val_annotations.txt"
    path.write_text(
        path.read_text().replace(f"val_0.JPEG\t{SYNSETS[0]}", f"val_0.JPEG\t{SYNSETS[1]}")
    )
    assert open_source(str(tiny)).listing != before


def test_the_real_archive_opens(real_data: Path) -> None:
    source = open_source(str(real_data / "tiny-imagenet-200"))
    assert len(source.classes) == 200
    assert {len(c) for c in source.classes} == {9}
    assert set(source.names) == set(source.classes)
