"""The table "What people have on disk" of docs/reference/formats.md: each row is tested on a tree
that the test makes, and the table has no other rows."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from format_trees import label_of_ids, split_of_ids, write_file, write_tar
from PIL import Image, features
from torch.utils.data import TensorDataset
from voc_tree import object_xml

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source
from seedbed.models.resolve import open_backbone

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"
Case = Callable[[Path], None]
CASES: dict[str, Case] = {}


def row(words: str) -> Callable[[Case], Case]:
    """Register the test of a row, by the words of its first cell."""

    def add(case: Case) -> Case:
        CASES[words] = case
        return case

    return add


def _image(seed: int, size: tuple[int, int] = (16, 12)) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def _encoded(seed: int, kind: str = "PNG", size: tuple[int, int] = (16, 12)) -> bytes:
    buffer = io.BytesIO()
    _image(seed, size).save(buffer, kind)
    return buffer.getvalue()


def _classes(root: Path, counts: dict[str, int], suffix: str = "png", kind: str = "PNG") -> Path:
    for seed, (label, num) in enumerate(counts.items()):
        for i in range(num):
            write_file(root / label / f"{i}.{suffix}", _encoded(100 * seed + i, kind))
    return root


def _xml(folder: Path, stem: str, seed: int, size: tuple[int, int] = (16, 12)) -> None:
    body = object_xml("cat", (2, 2, 9, 9))
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    write_file(folder / f"{stem}.xml", f"<annotation>{stated}{body}</annotation>")


def _coco(images: list[str]) -> str:
    return json.dumps(
        {
            "images": [
                {"id": i, "file_name": name, "width": 16, "height": 12}
                for i, name in enumerate(images)
            ],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": [2, 2, 6, 6], "iscrowd": 0}
                for i in range(len(images))
            ],
            "categories": [{"id": 1, "name": "cat"}],
        }
    )


@row("classes in `.jpg`, `.jpe`, `.mpo`, `.jp2`, `.webp` and `.avif`")
def _(root: Path) -> None:
    kinds = {"jpg": "JPEG", "jpe": "JPEG", "mpo": "MPO", "jp2": "JPEG2000", "webp": "WEBP"}
    if features.check("avif"):
        kinds["avif"] = "AVIF"
    for suffix, kind in kinds.items():
        _classes(root, {suffix: 3}, suffix, kind)
    assert open_source(str(root)).classes == tuple(sorted(kinds))
    assert sb.pack(root, root.parent / "store", size_px=8).num_images == 3 * len(kinds)


@row("a class whose files cannot be read, such as HEIC without its package")
def _(root: Path) -> None:
    _classes(root, {"cats": 3, "dogs": 3})
    for i in range(3):
        write_file(root / "phone" / f"{i}.heic", b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(BadDataError, match="all of class 'phone'") as caught:
        sb.pack(root, root.parent / "store", size_px=8)
    assert "heic" in caught.value.message.lower() or "HEIC" in str(caught.value)


@row("files that are not images, beside the images")
def _(root: Path) -> None:
    _classes(root, {"cats": 3, "dogs": 3})
    write_file(root / "cats" / "notes.docx", b"x")
    write_file(root / "labels.psd2", b"x")
    skipped = {str(line) for line in open_source(str(root)).skipped}
    assert len(skipped) == 2 and any(".docx" in line for line in skipped)


@row("`train/` and `valid/`, each with `_annotations.coco.json` (Roboflow)")
def _(root: Path) -> None:
    for split, num in (("train", 4), ("valid", 2)):
        names = [f"{split}{i}.jpg" for i in range(num)]
        for i, name in enumerate(names):
            write_file(root / split / name, _encoded(i, "JPEG"))
        write_file(root / split / "_annotations.coco.json", _coco(names))
    source = open_source(str(root))
    assert source.classes == ("cat",) and source.annotations is not None
    assert sorted(set(split_of_ids(source).values())) == ["train", "val"]


@row("`images/train/` and `labels/train/` (YOLO)")
def _(root: Path) -> None:
    for split, num in (("train", 4), ("val", 2)):
        for i in range(num):
            write_file(root / "images" / split / f"{i}.jpg", _encoded(i, "JPEG"))
            write_file(root / "labels" / split / f"{i}.txt", "0 0.5 0.5 0.4 0.4\n")
    write_file(root / "data.yaml", "train: images/train\nval: images/val\nnames: [cat]\n")
    source = open_source(str(root))
    assert source.classes == ("cat",) and source.annotations is not None
    assert len(source.annotations.rows) == 6  # pyright: ignore[reportAttributeAccessIssue]


@row("class folders in `train/` and `val/` (YOLO-classify, Kaggle)")
def _(root: Path) -> None:
    _classes(root, {"train/cats": 3, "train/dogs": 3, "val/cats": 2, "val/dogs": 2})
    source = open_source(str(root))
    assert source.classes == ("cats", "dogs")
    assert split_of_ids(source)["val/cats/0.png"] == "val"


@row("`train2017/`, `val2017/` and `annotations/instances_*.json`")
def _(root: Path) -> None:
    for split in ("train", "val"):
        names = [f"{i:012d}.jpg" for i in range(3)]
        for i, name in enumerate(names):
            write_file(root / f"{split}2017" / name, _encoded(i, "JPEG"))
        write_file(root / "annotations" / f"instances_{split}2017.json", _coco(names))
    source = open_source(str(root))
    assert set(split_of_ids(source).values()) == {"train", "val"} and source.num_images == 6


@row("one folder around `train/` and `val/`, as archives unpack")
def _(root: Path) -> None:
    _classes(root / "dataset-v3", {"train/cats": 3, "train/dogs": 3, "val/cats": 2, "val/dogs": 2})
    source = open_source(str(root))
    assert source.classes == ("cats", "dogs")
    assert any("dataset-v3 is read, the only folder" in note for note in source.notes)


@row("`train/` and `test/` beside other folders")
def _(root: Path) -> None:
    _classes(root, {"train/cats": 3, "train/dogs": 3, "test/cats": 2, "extra/dogs": 2})
    with pytest.raises(BadDataError, match="'extra', whose images are in no split"):
        open_source(str(root))


@row("`train/` and `test/` with `metadata.csv`")
def _(root: Path) -> None:
    for split in ("train", "test"):
        lines = ["file_name,label"]
        for i in range(4):
            write_file(root / split / f"{i}.png", _encoded(i))
            lines.append(f"{i}.png,{'cat' if i % 2 else 'dog'}")
        write_file(root / split / "metadata.csv", "\n".join(lines))
    source = open_source(str(root))
    assert source.classes == ("cat", "dog") and set(split_of_ids(source).values()) == {
        "train",
        "test",
    }


@row("`images/` and `annots/*.xml` (kangaroo)")
def _(root: Path) -> None:
    for i in range(5):
        write_file(root / "images" / f"{i}.jpg", _encoded(i, "JPEG"))
        _xml(root / "annots", str(i), i)
    source = open_source(str(root))
    assert source.classes == ("cat",) and source.num_images == 5


@row("VOC annotations whose `<size>` is not that of the file")
def _(root: Path) -> None:
    for i in range(5):
        write_file(root / "images" / f"{i}.jpg", _encoded(i, "JPEG"))
        _xml(root / "annots", str(i), i, (12, 16) if i == 0 else (16, 12))
    assert any("size" in note and "1" in note for note in open_source(str(root)).notes)


@row("WebDataset keys with dots: `012_v1.5.jpg`")
def _(root: Path) -> None:
    files = {}
    for i in range(4):
        files[f"{i:03d}_v1.{i}.jpg"] = _encoded(i, "JPEG")
        files[f"{i:03d}_v1.{i}.cls"] = b"ab"[i % 2 : i % 2 + 1]
    root.mkdir()
    write_tar(root / "train.tar", files)
    assert open_source(str(root / "train.tar")).num_images == 4


@row("WebDataset samples without an image")
def _(root: Path) -> None:
    root.mkdir()
    files = {"0.png": _encoded(0), "0.cls": b"a", "1.png": _encoded(1), "1.cls": b"b"}
    write_tar(root / "train.tar", files | {"2.mp4": b"x", "2.cls": b"a"})
    source = open_source(str(root / "train.tar"))
    assert source.num_images == 2 and sum(line.num for line in source.skipped) >= 1


@row("two WebDataset members of one name")
def _(root: Path) -> None:
    import tarfile

    root.mkdir()
    with tarfile.open(root / "train.tar", "w") as tar:
        for i in (0, 0, 1):
            for name, data in ((f"{i}.png", _encoded(i)), (f"{i}.cls", b"a")):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    with pytest.raises(BadDataError, match=r"0\.(png|cls)"):
        open_source(str(root / "train.tar"))


@row("8- or 12-bit values in 16-bit images")
def _(root: Path) -> None:
    rng = np.random.default_rng(0)
    for label in "ab":
        (root / label).mkdir(parents=True)
        for i in range(3):
            values = rng.integers(0, 4096, (12, 16), dtype=np.uint16)
            Image.fromarray(values).save(root / label / f"{i}.png")
    store = sb.pack(root, root.parent / "store", size_px=8)
    assert store.white == 4095
    assert store.pixels.mean() > 100  # scaled as 16 bits, they would be below 16


@row("images that decode to nearly black")
def _(root: Path) -> None:
    for label in "ab":
        (root / label).mkdir(parents=True)
        for i in range(4):
            pixels = np.full((12, 16, 3), i % 3, np.uint8)
            Image.fromarray(pixels).save(root / label / f"{i}.png")
    audit = sb.audit(root, workspace=root.parent / "ws")
    assert audit.flat  # pyright: ignore[reportAttributeAccessIssue]


def _table(root: Path, text: str, name: str = "labels.csv") -> Any:
    for i in range(4):
        write_file(root / "pictures" / f"{i}.png", _encoded(i))
    write_file(root / name, text)
    return open_source(f"manifest('{root / name}')")


@row("a table with `;`, blanks around labels and a comment line")
def _(root: Path) -> None:
    lines = ["# exported", "path;label"]
    lines += [f"pictures/{i}.png; {'cat' if i % 2 else 'dog'} " for i in range(4)]
    source = _table(root, "\n".join(lines))
    assert source.classes == ("cat", "dog") and any("blanks" in n for n in source.notes)


@row("a table with `\\` in paths")
def _(root: Path) -> None:
    lines = ["path,label", *(f"pictures\\{i}.png,{'ab'[i % 2]}" for i in range(4))]
    assert label_of_ids(_table(root, "\n".join(lines)))["pictures/1.png"] == "b"


@row("a table without a header")
def _(root: Path) -> None:
    source = _table(root, "\n".join(f"pictures/{i}.png,{'ab'[i % 2]}" for i in range(4)))
    assert source.num_images == 4 and source.classes == ("a", "b")


@row("Parquet labels that are -100, NaN, empty or lists")
def _(root: Path) -> None:
    root.mkdir()
    images = [{"bytes": _encoded(i), "path": None} for i in range(3)]
    for labels in ([0, 1, -100], [0.0, 1.0, float("nan")], ["a", "b", ""], [[0], [1], [2]]):
        pq.write_table(pa.table({"image": images, "label": labels}), root / "a.parquet")
        with pytest.raises(BadDataError, match=r"a\.parquet"):
            open_source(str(root / "a.parquet"))


@row("a data set on Hugging Face, in a bucket or at a web address")
def _(root: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for label in "ab":
        for i in range(2):
            memory.pipe(f"/bucket-of-a-row/{label}/{i}.png", _encoded(i + 10 * ord(label)))
    os.environ["SEEDBED_DOWNLOADS"] = str(root / "copies")
    try:
        assert open_source("memory://bucket-of-a-row").classes == ("a", "b")
    finally:
        del os.environ["SEEDBED_DOWNLOADS"]
        memory.rm("/bucket-of-a-row", recursive=True)


@row("arrays, and a torch `Dataset`")
def _(root: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 12, 16, 3), dtype=np.uint8)
    source = sb.Source.from_arrays(images, ["a", "b"] * 4)
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    data_set = TensorDataset(tensors, torch.arange(8) % 2)
    other = sb.Source.from_dataset(data_set, classes=["a", "b"])
    assert source.classes == other.classes == ("a", "b")
    loaded = [s.pixels.load(np.arange(8), 8).pixels for s in (source, other)]
    assert (loaded[0] == loaded[1]).all()


@row("names in any script, on a terminal that has ASCII alone")
def _(root: Path) -> None:
    _classes(root, {"猫": 3, "собака": 3})
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "seedbed.cli", "inspect", str(root)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"\\u732b" in done.stdout


def _small_weights(root: Path) -> dict[str, torch.Tensor]:
    root.mkdir()
    return open_backbone("small(width=2, weights='random', size_px=8)").module.state_dict()


def _open(path: Path) -> Any:
    return open_backbone(f"small(width=2, size_px=8, weights={str(path)!r})")


@row("weights under `model.`, `module._orig_mod.` or in an entry `state_dict`")
def _(root: Path) -> None:
    tensors = _small_weights(root)
    for prefix in ("model.", "module._orig_mod."):
        torch.save({"state_dict": {prefix + n: t for n, t in tensors.items()}}, root / "w.pth")
        opened = _open(root / "w.pth").module.state_dict()
        assert all(torch.equal(opened[name], tensor) for name, tensor in tensors.items())


@row("weights without a head")
def _(root: Path) -> None:
    tensors = _small_weights(root)
    torch.save({n: t for n, t in tensors.items() if not n.startswith("head.")}, root / "w.pth")
    net = _open(root / "w.pth")
    assert net.classes == ()
    with pytest.raises(UsageError, match="needs a classifier"):
        sb.transfer(net, "digits()", "as_is()", workspace=root / "ws")


@row("a pointer of Git LFS, a web page or half a file in place of weights")
def _(root: Path) -> None:
    tensors = _small_weights(root)
    torch.save(tensors, root / "whole.pth")
    whole = (root / "whole.pth").read_bytes()
    contents = {
        "LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "web page": b"<!DOCTYPE html><html></html>",
        "incomplete": whole[: len(whole) // 2],
    }
    for words, data in contents.items():
        (root / "w.pth").write_bytes(data)
        with pytest.raises(BadDataError, match=words):
            _open(root / "w.pth")


@row("weights with NaN")
def _(root: Path) -> None:
    tensors = _small_weights(root)
    name = next(iter(tensors))
    torch.save(tensors | {name: torch.full_like(tensors[name], float("nan"))}, root / "w.pth")
    with pytest.raises(BadDataError, match="not finite"):
        _open(root / "w.pth")


@pytest.mark.parametrize("words", CASES)
def test_a_row_of_the_table(words: str, tmp_path: Path) -> None:
    CASES[words](tmp_path / "tree")


def test_the_table_has_these_rows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.split("## What people have on disk")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)
    assert [cells for cells in rows if not cells.startswith(("what you have", "---"))] == list(
        CASES
    )
