"""Data that could be misread without a word: splits by unusual names, labels of the wrong column,
turned photographs, deep images in memory, stores of data that have changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_trees import label_of_ids, split_of_ids, write_file, write_tar
from PIL import Image
from voc_tree import object_xml

import seedbed as sb
from seedbed.base.errors import BadDataError
from seedbed.data.concatenated_sources import join
from seedbed.data.formats import open_source
from seedbed.data.source import TEST, TRAIN, VAL, find_split, split_of_file, split_of_folder

Encode = Callable[..., bytes]


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train-00000-of-00002.parquet", TRAIN),
        ("imagenet1k-validation-0000.tar", VAL),
        ("cifar10-test.parquet", TEST),
        ("crash_test_train.parquet", TRAIN),
        ("default/partial-test/0000.parquet", TEST),
        ("test/part0/0000.parquet", TEST),
        ("contest/latest.parquet", None),
        ("pretraining/0000.parquet", None),
    ],
)
def test_the_split_of_a_file_is_a_word_of_its_name_or_folders(path: str, split: int | None) -> None:
    assert split_of_file(path) == split
    assert find_split(path.rpartition("/")[2].partition(".")[0]) in (split, None)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("training_set", TRAIN),
        ("test_set", TEST),
        ("Valid-Images", VAL),
        ("train2017", TRAIN),
        ("testdata", TEST),
        ("dataset", None),
        ("contest", None),
        ("set", None),
    ],
)
def test_the_split_of_a_folder_allows_a_word_for_a_set(name: str, split: int | None) -> None:
    assert split_of_folder(name) == split


def test_class_folders_below_training_set_and_test_set_are_splits(make_tree: Any) -> None:
    root = make_tree({"training_set/cats": 3, "training_set/dogs": 3, "test_set/cats": 2})
    source = open_source(str(root))
    assert source.classes == ("cats", "dogs")
    assert split_of_ids(source)["test_set/cats/000.png"] == "test"


def _parquet(path: Path, encode: Encode, num: int = 6, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": encode(hash(str(path)) % 1000 + i), "path": None} for i in range(num)]
    table = {"image": images, "label": ["ab"[i % 2] for i in range(num)], **columns}
    pq.write_table(pa.table(table), path)


def test_a_renamed_split_folder_is_packed_again(tmp_path: Path, encode: Encode) -> None:
    for kind in ("parquet", "tar"):
        root = tmp_path / kind
        for folder in ("train", "extra"):
            if kind == "parquet":
                _parquet(root / folder / "0.parquet", encode)
                continue
            (root / folder).mkdir(parents=True)
            files = {f"{i}.png": encode(i + ord(folder[0])) for i in range(6)}
            write_tar(
                root / folder / "0.tar",
                files | {f"{i}.cls": b"ab"[i % 2 : i % 2 + 1] for i in range(6)},
            )
        call = f"{'huggingface' if kind == 'parquet' else 'webdataset'}('{root}')"
        source = open_source(call)
        assert any("without a split in the name" in note for note in source.notes)
        before = sb.pack(source, tmp_path / f"{kind}.store", size_px=8)
        assert before.card["derived_splits"]
        (root / "extra").rename(root / "test")
        after = sb.pack(call, tmp_path / f"{kind}.store", size_px=8)
        assert not after.card["derived_splits"] and after.card["splits"]["test"] == 6


def test_configurations_of_a_data_set_are_not_joined(tmp_path: Path, encode: Encode) -> None:
    for folder in ("full", "small"):
        _parquet(tmp_path / folder / "train" / "0000.parquet", encode)
    with pytest.raises(BadDataError, match="several configurations.*full, small"):
        open_source(f"huggingface('{tmp_path}')")
    assert open_source(f"huggingface('{tmp_path / 'small'}')").num_images == 6


def test_parquet_files_without_the_image_column_are_named(tmp_path: Path, encode: Encode) -> None:
    _parquet(tmp_path / "a.parquet", encode)
    pq.write_table(pa.table({"label": ["a"]}), tmp_path / "b.parquet")
    with pytest.raises(BadDataError, match=r"b\.parquet has no column 'image'"):
        open_source(f"huggingface('{tmp_path}')")


def test_groups_of_images_are_no_classes_where_a_table_has_labels(
    tmp_path: Path, encode: Encode
) -> None:
    lines = ["file_name,label"]
    for i, patient in enumerate(("p1", "p2", "p3", "p4")):
        for j in range(2):
            write_file(tmp_path / patient / f"{j}.png", encode(10 * i + j))
            lines.append(f"{patient}/{j}.png,{'benign' if i % 2 else 'malignant'}")
    write_file(tmp_path / "metadata.csv", "\n".join(lines))
    source = open_source(str(tmp_path))
    assert source.classes == ("benign", "malignant")
    assert label_of_ids(source)["p2/0.png"] == "benign"


def test_split_folders_in_the_paths_of_a_table_are_splits(tmp_path: Path, encode: Encode) -> None:
    lines = ["path,label"]
    for split in ("train", "test"):
        for i in range(4):
            write_file(tmp_path / split / f"{i}.png", encode(i + ord(split[1])))
            lines.append(f"{split}/{i}.png,{'ab'[i % 2]}")
    write_file(tmp_path / "list.csv", "\n".join(lines))
    source = open_source(f"manifest('{tmp_path / 'list.csv'}')")
    assert set(split_of_ids(source).values()) == {"train", "test"}
    assert any("split that a folder of the path names" in note for note in source.notes)


def test_an_open_quote_does_not_swallow_rows(tmp_path: Path, encode: Encode) -> None:
    for i in range(6):
        write_file(tmp_path / f"{i}.png", encode(i))
    lines = ["path,label", *(f"{i}.png,{'ab'[i % 2]}" for i in range(6))]
    lines[3] = '2.png,"a'
    write_file(tmp_path / "list.csv", "\n".join(lines))
    with pytest.raises(BadDataError, match="line 4.*has a line break"):
        open_source(f"manifest('{tmp_path / 'list.csv'}')")


def test_a_coordinate_is_no_label(tmp_path: Path, encode: Encode) -> None:
    lines = ["image,x,y,species"]
    for i in range(6):
        write_file(tmp_path / f"{i}.png", encode(i))
        lines.append(f"{i}.png,{7 * i},{i % 3},{'ab'[i % 2]}")
    write_file(tmp_path / "list.csv", "\n".join(lines))
    with pytest.raises(BadDataError, match="no label column") as caught:
        open_source(f"manifest('{tmp_path / 'list.csv'}')")
    assert "label_column='species'" in caught.value.hint
    named = open_source(f"manifest('{tmp_path / 'list.csv'}', label_column='species')")
    assert named.classes == ("a", "b")


def test_labels_of_several_words_in_a_list(tmp_path: Path, encode: Encode) -> None:
    for i in range(3):
        write_file(tmp_path / f"{i}.png", encode(i))
    write_file(tmp_path / "list.txt", "0.png great dane\n1.png pug\n2.png great dane\n")
    source = open_source(f"manifest('{tmp_path / 'list.txt'}')")
    assert source.num_images == 3 and source.classes == ("great dane", "pug")


def test_the_index_of_a_parquet_table_is_a_column(tmp_path: Path, encode: Encode) -> None:
    import pandas as pd

    for i in range(4):
        write_file(tmp_path / f"{i}.png", encode(i))
    frame = pd.DataFrame({"path": [f"{i}.png" for i in range(4)], "label": ["a", "b"] * 2})
    frame.set_index("path").to_parquet(tmp_path / "list.parquet")
    source = open_source(f"manifest('{tmp_path / 'list.parquet'}')")
    assert label_of_ids(source) == {f"{i}.png": "ab"[i % 2] for i in range(4)}


def test_voc_annotations_in_folders_with_years(tmp_path: Path, encode: Encode) -> None:
    for split in ("train2017", "val2017"):
        for i in range(3):
            write_file(tmp_path / split / f"{i}.jpg", encode(i, kind="JPEG"))
            box = object_xml("cat", (2, 2, 9, 9))
            write_file(tmp_path / split / f"{i}.xml", f"<annotation>{box}</annotation>")
    source = open_source(f"voc('{tmp_path}')")
    assert set(split_of_ids(source).values()) == {"train", "val"}


def test_a_turned_photograph_in_memory_is_upright(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "turned.jpg") as opened:
        of_memory = sb.predict("small", opened)
    [of_file] = sb.predict("small", tmp_path / "turned.jpg")
    assert of_memory[0].label == of_file.label
    assert of_memory[0].probability == pytest.approx(of_file.probability, abs=0.02)


def test_deep_images_are_scaled_in_memory_and_in_joined_sources(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4096, (8, 12, 16), dtype=np.uint16)
    for i, image in enumerate(values):
        folder = tmp_path / "photos" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    arrays = sb.Source.from_arrays(list(values), ["a", "b"] * 4)
    store = sb.pack(arrays, tmp_path / "arrays.store", size_px=8)
    assert store.white == 4095 and store.pixels.max() > 200
    files = open_source(str(tmp_path / "photos"))
    joined = join({"photos": files, "other": sb.Source.from_arrays(list(values), ["c", "d"] * 4)})
    store = sb.pack(joined, tmp_path / "joined.store", size_px=8)
    assert store.white == 4095 and store.pixels.max() > 200


def test_labels_are_those_of_the_items_where_a_transform_changes_them() -> None:
    class Swapped:
        targets = (0, 1, 0, 1)

        def __len__(self) -> int:
            return 4

        def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
            if not 0 <= i < 4:
                raise IndexError
            return np.full((8, 8, 3), 40 * i, np.uint8), 1 - self.targets[i]

    source = sb.Source.from_dataset(Swapped(), classes=["cat", "dog"])
    assert list(label_of_ids(source).values()) == ["dog", "cat", "dog", "cat"]


def test_each_named_file_has_its_prediction(tmp_path: Path, encode: Encode) -> None:
    write_file(tmp_path / "a.png", encode(1))
    path = tmp_path / "a.png"
    predictions = sb.predict("small", [path, path, path])
    assert [p.path for p in predictions] == [str(path)] * 3


def test_classes_without_training_images_are_noted(make_tree: Any, tmp_path: Path) -> None:
    root = make_tree({"train/a": 4, "train/b": 4, "test/a": 2, "test/b": 2, "test/c": 2})
    audit = sb.audit(root, workspace=tmp_path / "ws")
    assert any("test or validation images alone" in note and "c" in note for note in audit.notes)


def test_names_that_only_blanks_tell_apart_are_noted(make_tree: Any, tmp_path: Path) -> None:
    root = make_tree({"cat": 3, "cat ": 3, "caf\u00e9": 3, "cafe\u0301": 3})
    notes = sb.audit(root, workspace=tmp_path / "ws").notes
    assert sum("differ only in blanks" in note for note in notes) == 2


def test_words_that_are_added_later_reach_the_store(tmp_path: Path, encode: Encode) -> None:
    root = tmp_path / "tiny-imagenet-200"
    for synset in ("n01443537", "n01629819"):
        for i in range(3):
            write_file(root / "train" / synset / "images" / f"{i}.JPEG", encode(i, kind="JPEG"))
    write_file(root / "wnids.txt", "n01443537\nn01629819\n")
    write_file(root / "val" / "images" / "val_0.JPEG", encode(9, kind="JPEG"))
    write_file(root / "val" / "val_annotations.txt", "val_0.JPEG\tn01443537\t0\t0\t9\t9\n")
    call = f"tiny_imagenet('{root}')"
    before = sb.pack(call, tmp_path / "store", size_px=8)
    write_file(root / "words.txt", "n01443537\tgoldfish\nn01629819\tsalamander\n")
    after = sb.pack(call, tmp_path / "store", size_px=8)
    assert "n01443537" not in before.card["names"] or before.card["names"] == {}
    assert after.names["n01443537"] == "goldfish"


@pytest.mark.parametrize(
    ("content", "words"), [('{"version": 2', "store.json"), ("[]", "not complete"), ("{}", "not")]
)
def test_a_damaged_store_is_named(content: str, words: str, make_tree: Any, tmp_path: Path) -> None:
    sb.pack(make_tree({"a": 3, "b": 3}), tmp_path / "store", size_px=8)
    (tmp_path / "store" / "store.json").write_text(content)
    with pytest.raises(BadDataError, match=f"is damaged: .*{words}"):
        sb.transfer("small(width=2, weights='random')", tmp_path / "store")


def test_a_cut_off_pixel_file_is_named(make_tree: Any, tmp_path: Path) -> None:
    sb.pack(make_tree({"a": 3, "b": 3}), tmp_path / "store", size_px=8)
    pixels = tmp_path / "store" / "pixels.npy"
    pixels.write_bytes(pixels.read_bytes()[:300])
    with pytest.raises(BadDataError, match="is damaged: pixels"):
        _ = sb.Store.open(tmp_path / "store").pixels


@pytest.mark.parametrize(
    "change",
    [
        {"classes": None},
        {"size_px": "big"},
        {"preprocessing": {"size_px": 8, "colour": "red"}},
    ],
)
def test_a_damaged_card_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    sb.pretrain(
        "digits()", "small(width=2)", tmp_path / "net", images_seen=0, workspace=tmp_path / "ws"
    )
    card = tmp_path / "net" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | change))
    with pytest.raises(BadDataError, match=r"card\.json is damaged"):
        sb.transfer(tmp_path / "net", "digits()", workspace=tmp_path / "ws")


@pytest.mark.parametrize("content", [b'{"error": "no access"}', b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_file_of_another_kind_is_not_said_to_execute_code(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(BadDataError, match="not a file of PyTorch or safetensors") as caught:
        sb.transfer(f"resnet18(weights='{tmp_path / 'w.pth'}')", "digits()", workspace=tmp_path)
    assert "execute" not in str(caught.value)


def test_a_hierarchy_that_excel_saved_is_read(tmp_path: Path) -> None:
    (tmp_path / "tree.csv").write_bytes(
        "\ufeffchild;parent\r\ncat;animal\r\ncar;thing\r\n".encode()
    )
    from seedbed.data.hierarchy_files import open_hierarchy

    tree = open_hierarchy(str(tmp_path / "tree.csv"), ["cat", "car"])
    assert "animal" in tree.nodes and not any(node.startswith("\ufeff") for node in tree.nodes)


def test_odd_annotation_files_are_named(tmp_path: Path, encode: Encode) -> None:
    write_file(tmp_path / "voc" / "0.jpg", encode(0, kind="JPEG"))
    body = object_xml("cat", (2, 2, 9, 9))
    for head in (
        '<?xml version="1.0" encoding="no-such"?>',
        '<?xml version="1.0" encoding="gb2312"?>',
    ):
        write_file(tmp_path / "voc" / "0.xml", f"{head}<annotation>{body}</annotation>")
        with pytest.raises(BadDataError, match=r"0\.xml cannot be read as XML"):
            open_source(f"voc('{tmp_path / 'voc'}')")
    write_file(
        tmp_path / "voc" / "0.xml", f"<annotation>{body.replace('>9<', '>inf<')}</annotation>"
    )
    with pytest.raises(BadDataError, match=r"0\.xml: the box of object 1"):
        open_source(f"voc('{tmp_path / 'voc'}')")


def test_shards_with_a_wrong_range_are_named() -> None:
    for text in ("a-{5..2}.tar", "a-{0..99999999}.tar"):
        with pytest.raises(BadDataError, match="names the shards"):
            open_source(f"webdataset('{text}')")


def test_a_timm_network_at_another_size_is_exported(tmp_path: Path) -> None:
    net = "timm('test_vit', weights='random', size_px=64)"
    measured = sb.transfer(
        net,
        "digits()",
        "finetune(images_seen=32, learning_rates=[0.01], batch_size=16)",
        train_per_class=4,
        workspace=tmp_path / "ws",
    )
    assert sb.export(measured.model, tmp_path / "hub", format="timm") < 1e-3
