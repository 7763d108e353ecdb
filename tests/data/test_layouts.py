"""Formats on small files of their true layouts: what each variant gives, and what each error
says."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.data.source import SPLITS, Source


def _split_of(source: Source) -> dict[str, str]:
    return {id_: SPLITS[s] for id_, s in zip(source.ids, source.splits, strict=True)}


def _label_of(source: Source) -> dict[str, str]:
    return {id_: source.classes[c] for id_, c in zip(source.ids, source.leaves, strict=True)}


def _tar(path: Path, files: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


SYNSETS = ("n01440764", "n01443537")


def _meta() -> bytes:
    """meta.mat as the development kit has it: two leaves under one inner synset."""
    from scipy.io import savemat

    kind = [
        (n, "O")
        for n in (
            "ILSVRC2012_ID",
            "WNID",
            "words",
            "gloss",
            "num_children",
            "children",
            "wordnet_height",
        )
    ]
    rows = np.zeros(3, dtype=kind)
    rows[0] = (1, SYNSETS[0], "tench, Tinca tinca", "", 0, np.array([]), 0)
    rows[1] = (2, SYNSETS[1], "goldfish", "", 0, np.array([]), 0)
    rows[2] = (1001, "n02512053", "fish", "", 2, np.array([1, 2]), 1)
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": rows})
    return buffer.getvalue()


def _unpacked(root: Path, encode) -> Path:
    """train/ and val/ unpacked."""
    for k, synset in enumerate(SYNSETS):
        (root / "train" / synset).mkdir(parents=True)
        for i in range(3):
            (root / "train" / synset / f"{synset}_{i}.JPEG").write_bytes(
                encode(10 * k + i, (16, 16), "JPEG")
            )
    (root / "val").mkdir()
    for i in (1, 2, 3):
        (root / "val" / f"ILSVRC2012_val_{i:08d}.JPEG").write_bytes(
            encode(90 + i, (16, 16), "JPEG")
        )
    return root


def _with_devkit(root: Path, encode, packed: bool) -> Path:
    _unpacked(root, encode)
    truth = b"2\n1\n2\n"
    if packed:
        inner = "ILSVRC2012_devkit_t12/data/"
        files = {
            f"{inner}ILSVRC2012_validation_ground_truth.txt": truth,
            f"{inner}meta.mat": _meta(),
        }
        _tar(root / "ILSVRC2012_devkit_t12.tar.gz", files, "w:gz")
    else:
        folder = root / "ILSVRC2012_devkit_t12" / "data"
        folder.mkdir(parents=True)
        (folder / "ILSVRC2012_validation_ground_truth.txt").write_bytes(truth)
        (folder / "meta.mat").write_bytes(_meta())
    return root


@pytest.mark.parametrize("packed", [True, False], ids=["packed kit", "unpacked kit"])
def test_ilsvrc_with_the_development_kit(tmp_path: Path, encode, packed: bool) -> None:
    source = open_source(str(_with_devkit(tmp_path / "in", encode, packed)), format_name="ilsvrc")
    labels = _label_of(source)
    assert [labels[f"val/ILSVRC2012_val_{i:08d}.JPEG"] for i in (1, 2, 3)] == [
        SYNSETS[1],
        SYNSETS[0],
        SYNSETS[1],
    ]
    assert labels[f"train/{SYNSETS[0]}/{SYNSETS[0]}_2.JPEG"] == SYNSETS[0]
    assert source.names == {SYNSETS[0]: "tench, Tinca tinca", SYNSETS[1]: "goldfish"}
    assert source.hierarchy is not None
    assert source.hierarchy.chain(SYNSETS[0]) == ("n02512053", SYNSETS[0])


def test_ilsvrc_as_kaggle_has_it(tmp_path: Path, encode) -> None:
    images = tmp_path / "in" / "ILSVRC" / "Data" / "CLS-LOC"
    _unpacked(images, encode)
    (tmp_path / "in" / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        + "".join(f"ILSVRC2012_val_{i:08d},{SYNSETS[i % 2]} 1 2 3 4 \n" for i in (1, 2, 3))
    )
    (tmp_path / "in" / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\n")
    source = open_source(str(tmp_path / "in"))
    assert source.num_images == 9
    assert _label_of(source)["val/ILSVRC2012_val_00000001.JPEG"] == SYNSETS[1]
    assert source.names == {SYNSETS[0]: "tench, Tinca tinca"}


def test_the_same_images_in_tars_and_in_folders_are_the_same_source(tmp_path: Path, encode) -> None:
    folders = _with_devkit(tmp_path / "folders", encode, packed=True)
    tars = tmp_path / "tars"
    tars.mkdir()
    shutil.copy(folders / "ILSVRC2012_devkit_t12.tar.gz", tars)
    inner = {}
    for synset in SYNSETS:
        _tar(
            tmp_path / "inner.tar",
            {p.name: p.read_bytes() for p in sorted((folders / "train" / synset).iterdir())},
        )
        inner[f"{synset}.tar"] = (tmp_path / "inner.tar").read_bytes()
    _tar(tars / "ILSVRC2012_img_train.tar", inner)
    _tar(
        tars / "ILSVRC2012_img_val.tar",
        {p.name: p.read_bytes() for p in sorted((folders / "val").iterdir())},
    )
    stores = [
        pack(f"ilsvrc({str(p)!r})", tmp_path / f"{p.name}.store", size_px=16).store
        for p in (folders, tars)
    ]
    assert stores[0].digest == stores[1].digest
    assert np.array_equal(stores[0].pixels, stores[1].pixels)


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("train", "has no ILSVRC2012_img_train.tar"),
        ("ILSVRC2012_devkit_t12.tar.gz", "has no ILSVRC2012_devkit_t12.tar.gz"),
    ],
)
def test_a_missing_part_of_ilsvrc_is_named(
    tmp_path: Path, encode, remove: str, message: str
) -> None:
    root = _with_devkit(tmp_path / "in", encode, packed=True)
    shutil.rmtree(root / remove) if (root / remove).is_dir() else (root / remove).unlink()
    with pytest.raises(BadDataError, match=message):
        open_source(f"ilsvrc({str(root)!r})")


def test_a_cut_off_archive_is_named(tmp_path: Path, encode) -> None:
    _tar(tmp_path / "train-0.tar", {f"{i}.jpg": encode(i, (16, 16), "JPEG") for i in range(9)})
    whole = (tmp_path / "train-0.tar").read_bytes()
    (tmp_path / "train-0.tar").write_bytes(b"not a tar at all" + whole[16:])
    with pytest.raises(BadDataError, match=r"train-0\.tar cannot be read as an uncompressed tar"):
        open_source(f"webdataset({str(tmp_path)!r})")


def _manifest(folder: Path, text: str, name: str = "all.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_manifest_by_its_columns_usual_names(make_tree) -> None:
    photos = make_tree({"a": 3, "b": 3})
    rows = [
        f"{i}.png,{c.upper()},{'validation' if i == 2 else 'train'}" for c in "ab" for i in range(3)
    ]
    path = _manifest(
        photos,
        "FileName,Class,Subset\n"
        + "\n".join(f"{c}/00{r}" for c, r in zip("aaabbb", rows, strict=True))
        + "\n",
    )
    source = open_source(path)
    assert source.classes == ("A", "B")
    assert _split_of(source) == {
        f"{c}/00{i}.png": "val" if i == 2 else "train" for c in "ab" for i in range(3)
    }


def test_a_manifest_in_parquet_with_named_columns_and_absolute_paths(
    make_tree, tmp_path: Path
) -> None:
    import pandas as pd

    photos = make_tree({"a": 3, "b": 3})
    files = sorted(photos.rglob("*.png"))
    table = pd.DataFrame({"where": [str(f) for f in files], "what": [f.parent.name for f in files]})
    table.to_parquet(tmp_path / "list.parquet")
    call = f"manifest({str(tmp_path / 'list.parquet')!r}, path_column='where', label_column='what', root={str(photos)!r})"
    source = open_source(call)
    assert sorted(source.ids) == [f"{c}/00{i}.png" for c in "ab" for i in range(3)]
    assert pack(source, tmp_path / "x.store", size_px=8).num_unreadable == 0


def test_an_image_that_a_manifest_lists_and_that_is_not_there_is_reported(
    make_tree, tmp_path: Path
) -> None:
    photos = make_tree({"a": 3, "b": 3})
    rows = "\n".join(f"{c}/00{i}.png,{c}" for c in "ab" for i in range(4))
    packed = pack(
        _manifest(photos, f"path,label\n{rows}\n"),
        tmp_path / "x.store",
        size_px=8,
        allow_unreadable=0.3,
    )
    assert packed.num_unreadable == 2
    assert packed.unreadable is not None
    assert "a/003.png,No such file" in packed.unreadable.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("where,label\na/000.png,a\n", "has no path column"),
        ("path,what\na/000.png,a\n", "has no label column"),
        ("path,label\na/000.png,a\na/000.png,b\n", "lists 'a/000.png' more than once"),
        ("path,label\na/000.png,\n", "row 1: 'label' is empty"),
        ("path,label,split\na/000.png,a,holdout\n", "'holdout' is no split"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_named(make_tree, text: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        open_source(_manifest(make_tree({"a": 3, "b": 3}), text))


def test_a_column_that_is_not_there_is_refused(make_tree) -> None:
    path = _manifest(make_tree({"a": 2, "b": 2}), "path,label\na/000.png,a\n")
    with pytest.raises(UsageError, match="unknown column 'lable'"):
        open_source(f"manifest({path!r}, label_column='lable')")


def _shards(root: Path, encode, label: str = ".json", value: object = "cat") -> Path:
    root.mkdir()
    for shard in ("train-000", "train-001"):
        files = {}
        for i in range(3):
            data = (
                json.dumps({"label": value if i else "dog", "w": 16})
                if label == ".json"
                else str(value)
            )
            files |= {
                f"x/{shard[-1]}{i}.png": encode(i + ord(shard[-1])),
                f"x/{shard[-1]}{i}{label}": data.encode(),
            }
        _tar(root / f"{shard}.tar", files)
    return root


def test_webdataset_shards_by_braces_with_json_labels(tmp_path: Path, encode) -> None:
    root = _shards(tmp_path / "w", encode)
    source = open_source(f"webdataset({str(root / 'train-{000..001}.tar')!r})")
    assert source.classes == ("cat", "dog")
    assert sorted(source.ids) == [f"train-00{s}/x/{s}{i}.png" for s in range(2) for i in range(3)]
    with pytest.raises(BadDataError, match="there is no shard"):
        open_source(f"webdataset({str(root / 'train-{000..004}.tar')!r})")


def test_a_sample_without_a_label_is_named(tmp_path: Path, encode) -> None:
    root = _shards(tmp_path / "w", encode)
    _tar(root / "train-002.tar", {"7.png": encode(7)})
    with pytest.raises(BadDataError, match="sample '7' has no label"):
        open_source(str(root))


def test_a_class_number_beyond_the_names_is_refused(tmp_path: Path, encode) -> None:
    root = _shards(tmp_path / "w", encode, ".cls", 5)
    (root / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(BadDataError, match="class 5 of 'x/00' has no name"):
        open_source(str(root))


def _parquet(path: Path, columns: dict, metadata: dict | None = None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)


def test_parquet_without_features_has_numbers_for_classes(tmp_path: Path, encode) -> None:
    images = [{"bytes": encode(i), "path": None} for i in range(4)]
    _parquet(
        tmp_path / "train.parquet",
        {"img": images, "fine_label": [3, 3, 8, 8], "coarse_label": [0, 0, 1, 1]},
    )
    source = open_source(str(tmp_path))
    assert source.classes == ("3", "8")
    coarse = open_source(f"huggingface({str(tmp_path)!r}, label_column='coarse_label')")
    assert coarse.classes == ("0", "1")
    assert coarse.listing != source.listing


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [{"bytes": b"x", "path": ""}] * 2, "what": [0, 1]}, "has no label column"),
        ({"text": ["a", "b"], "label": [0, 1]}, "has no image column"),
        ({"image": [{"bytes": b"x", "path": ""}] * 2, "label": [0, -1]}, "row 1: no label"),
    ],
)
def test_what_is_wrong_with_parquet_is_named(tmp_path: Path, columns: dict, message: str) -> None:
    _parquet(tmp_path / "train.parquet", columns)
    with pytest.raises(BadDataError, match=message):
        open_source(f"huggingface({str(tmp_path)!r})")


def test_images_that_lie_elsewhere_are_reported(tmp_path: Path, encode) -> None:
    images = [{"bytes": encode(i), "path": f"{i}.png"} for i in range(7)] + [
        {"bytes": None, "path": "7.png"}
    ]
    _parquet(tmp_path / "train.parquet", {"image": images, "label": ["a", "b"] * 4})
    packed = pack(str(tmp_path), tmp_path / "x.store", size_px=8, allow_unreadable=0.2)
    assert packed.num_unreadable == 1
    assert packed.unreadable is not None
    assert "stored elsewhere" in packed.unreadable.read_text()


def _cifar(root: Path) -> None:
    """CIFAR-10's own batches, in small."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        data = np.random.default_rng(i).integers(0, 256, (4, 3072), dtype=np.uint8)
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [0, 1, 2, 3]}))
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


def test_a_set_of_torchvisions_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _cifar(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    source = open_source(f"torchvision('CIFAR10', {str(tmp_path)!r})")
    assert source.num_images == 24
    assert source.classes == ("airplane", "automobile", "bird", "cat")
    assert sum(s == "test" for s in _split_of(source).values()) == 4
    from torchvision.datasets import CIFAR10

    wanted = np.asarray(CIFAR10(str(tmp_path), train=False)[2][0])
    row = source.ids.tolist().index("test/0000002")
    assert np.array_equal(source.pixels.load(np.array([row]), 32).pixels[0], wanted)


def test_a_set_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="does not find CIFAR10") as caught:
        open_source(f"torchvision('CIFAR10', {str(tmp_path)!r})")
    assert "download=True" in caught.value.hint
    with pytest.raises(UsageError, match="unknown torchvision data set 'CIFAR'"):
        open_source("torchvision('CIFAR')")


def test_files_of_one_name_in_several_folders_are_several_files(tmp_path: Path, encode) -> None:
    for k, split in enumerate(("train", "test")):
        (tmp_path / "p" / split).mkdir(parents=True)
        images = [{"bytes": encode(10 * k + i), "path": None} for i in range(4)]
        _parquet(
            tmp_path / "p" / split / "0000.parquet",
            {"image": images, "label": ["a", "a", "b", "b"]},
        )
        (tmp_path / "w" / split).mkdir(parents=True)
        files = {f"{i}.png": encode(10 * k + i) for i in range(4)} | {
            f"{i}.cls": b"ab"[i // 2 : i // 2 + 1] for i in range(4)
        }
        _tar(tmp_path / "w" / split / "000000.tar", files)
    for root, name in ((tmp_path / "p", "huggingface"), (tmp_path / "w", "webdataset")):
        source = open_source(str(root), format_name=name)
        assert source.num_images == len(set(source.ids)) == 8
        loaded = source.pixels.load(np.arange(8), 8).checksums
        assert len(set(loaded.tolist())) == 8
        assert sorted(set(_split_of(source).values())) == ["test", "train"]


def test_an_image_has_an_id_of_its_own() -> None:
    from seedbed.data.formats.digits import DigitPixels
    from seedbed.data.source import from_records

    with pytest.raises(BadDataError, match="two images of one id, 'x'"):
        from_records(
            "made", [("x", "a", 0), ("x", "b", 2), ("y", "b", 0)], pixels=DigitPixels(), listing=""
        )


@pytest.mark.parametrize("cut_at", ["between members", "in a header", "before the mark of the end"])
def test_an_archive_that_ends_too_early_is_not_a_shorter_one(
    tmp_path: Path, encode, cut_at: str
) -> None:
    """An interrupted download; Python's own reader takes each of these for a whole archive."""
    _tar(
        tmp_path / "train-0.tar",
        {f"{i}.jpg": encode(i, (16, 16), "JPEG") for i in range(9)}
        | {f"{i}.cls": b"0" for i in range(9)},
    )
    data = (tmp_path / "train-0.tar").read_bytes()
    end = len(data.rstrip(b"\0"))
    places = {
        "between members": 3 * 1024,
        "in a header": 3 * 1024 + 300,
        "before the mark of the end": -(-end // 512) * 512,
    }
    (tmp_path / "train-0.tar").write_bytes(data[: places[cut_at]])
    with pytest.raises(
        BadDataError, match=r"train-0\.tar cannot be read .*: it ends after [\d,]+ bytes"
    ):
        open_source(f"webdataset({str(tmp_path)!r})")


def test_a_part_of_a_parquet_folder_reads_its_own_files_alone(tmp_path: Path, encode) -> None:
    images = [encode(i) for i in range(12)]
    for k in range(3):
        rows = [{"bytes": data, "path": None} for data in images[4 * k : 4 * k + 4]]
        _parquet(tmp_path / f"train-{k}.parquet", {"image": rows, "label": [0, 0, 1, 1]})
    pixels = open_source(str(tmp_path)).pixels
    part = pickle.loads(pickle.dumps(pixels.part(np.arange(5, 8))))
    assert [Path(f).name for f in part.files] == ["train-1.parquet"]
    for k in (0, 2):
        (tmp_path / f"train-{k}.parquet").unlink()
    assert [part.read(i) for i in range(3)] == images[5:8]


def test_a_parquet_of_plain_bytes_is_sent_to_where_it_can_be_read(tmp_path: Path, encode) -> None:
    columns = {"id": ["p", "q", "r", "s"], "photo": [encode(i) for i in range(4)]}
    _parquet(tmp_path / "named.parquet", columns | {"category": ["a", "a", "b", "b"]})
    with pytest.raises(BadDataError, match="has no path column") as caught:
        open_source(str(tmp_path / "named.parquet"))
    assert "label_column='category'" in caught.value.hint
    _parquet(
        tmp_path / "raw.parquet",
        {"photo": [encode(i) for i in range(4)], "species": ["a", "a", "b", "b"]},
    )
    with pytest.raises(BadDataError) as caught:
        open_source(str(tmp_path / "raw.parquet"))
    assert (
        f"huggingface('{tmp_path}/raw.parquet', image_column='photo', label_column='species')"
        in caught.value.hint
    )
    source = open_source(caught.value.hint.partition("Its images are in it: ")[2].rstrip("."))
    assert source.classes == ("a", "b")
    assert pack(source, tmp_path / "s.store", size_px=8).num_unreadable == 0


def test_a_split_column_of_a_parquet_is_honoured(tmp_path: Path, encode) -> None:
    rows = {"image": [{"bytes": encode(i), "path": None} for i in range(8)], "label": [0, 1] * 4}
    _parquet(tmp_path / "all.parquet", rows | {"split": ["train"] * 6 + ["test"] * 2})
    assert [SPLITS[i] for i in open_source(str(tmp_path)).splits] == ["train"] * 6 + ["test"] * 2


def test_a_manifest_stays_one_whatever_else_its_table_holds(
    make_tree, tmp_path: Path, encode
) -> None:
    import pandas as pd

    root = make_tree({"a": 4, "b": 4})
    paths = sorted(str(p.relative_to(root)) for p in root.rglob("*.png"))
    table = pd.DataFrame(
        {
            "path": paths,
            "image_bytes": [b"x"] * 8,
            "label": ["a"] * 4 + ["b"] * 4,
            "split": ["train", "test"] * 4,
        }
    )
    table.to_parquet(root / "all.parquet")
    source = open_source(str(root / "all.parquet"))
    assert sorted(source.ids) == paths
    assert sorted(SPLITS[i] for i in source.splits) == ["test"] * 4 + ["train"] * 4


def test_a_manifest_whose_folder_is_wrong_says_so(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 2, "b": 2})
    lines = [f"{p.relative_to(root)},{p.parent.name}" for p in sorted(root.rglob("*.png"))]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    with pytest.raises(
        BadDataError, match=r"none of its first 4 images is in .*, for instance 'a/000\.png'"
    ) as caught:
        open_source(str(tmp_path / "list.csv"))
    assert "root='FOLDER'" in caught.value.hint
    assert (
        open_source(f"manifest({str(tmp_path / 'list.csv')!r}, root={str(root)!r})").num_images == 4
    )
