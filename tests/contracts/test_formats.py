"""The same checks over every registered format. A new one brings an example below."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seedbed.data.annotations import NO_LABEL, Relevance
from seedbed.data.formats import FORMATS, Format, parse_data
from seedbed.data.image_files import EncodedPixels
from seedbed.data.source import SPLITS, Source, from_records


def _tiny_imagenet(root: Path, encode: Callable[..., bytes]) -> str:
    for synset in ("n01", "n02"):
        (root / "train" / synset / "images").mkdir(parents=True)
        for i in range(3):
            (root / "train" / synset / "images" / f"{synset}_{i}.JPEG").write_bytes(
                encode(i, (16, 16), "JPEG")
            )
    (root / "val" / "images").mkdir(parents=True)
    for i in range(2):
        (root / "val" / "images" / f"val_{i}.JPEG").write_bytes(encode(10 + i, (16, 16), "JPEG"))
    (root / "val" / "val_annotations.txt").write_text(
        "val_0.JPEG\tn01\t0\t0\t1\t1\nval_1.JPEG\tn02\t0\t0\t1\t1\n"
    )
    (root / "wnids.txt").write_text("n01\nn02\n")
    return f"tiny_imagenet({str(root)!r})"


def _folder(root: Path, encode: Callable[..., bytes]) -> str:
    for label in ("a/x", "a/y", "b"):
        (root / label).mkdir(parents=True)
        for i in range(3):
            (root / label / f"{i}.png").write_bytes(encode(i))
    return f"folder({str(root)!r})"


def _tar(path: Path, files: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path.read_bytes()


def _ilsvrc(root: Path, encode: Callable[..., bytes]) -> str:
    root.mkdir()
    inner = {}
    for k, synset in enumerate(("n01440764", "n01443537")):
        files = {f"{synset}_{i}.JPEG": encode(10 * k + i, (16, 16), "JPEG") for i in range(3)}
        inner[f"{synset}.tar"] = _tar(root / "inner.tar", files)
    (root / "inner.tar").unlink()
    _tar(root / "ILSVRC2012_img_train.tar", inner)
    _tar(
        root / "ILSVRC2012_img_val.tar",
        {f"ILSVRC2012_val_{i:08d}.JPEG": encode(90 + i, (16, 16), "JPEG") for i in (1, 2)},
    )
    (root / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\nILSVRC2012_val_00000001,n01440764 1 2 3 4"
        " \nILSVRC2012_val_00000002,n01443537 1 2 3 4 \n"
    )
    (root / "LOC_synset_mapping.txt").write_text(
        "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"
    )
    return f"ilsvrc({str(root)!r})"


def _manifest(root: Path, encode: Callable[..., bytes]) -> str:
    _folder(root, encode)
    rows = [
        f"{label}/{i}.png,{label},{'test' if i == 2 else 'train'}"
        for label in ("a/x", "a/y", "b")
        for i in range(3)
    ]
    (root / "all.csv").write_text("\n".join(["path,label,split", *rows]) + "\n")
    return f"manifest({str(root / 'all.csv')!r})"


def _imagefolder(root: Path, encode: Callable[..., bytes]) -> str:
    for split, first in (("train", 0), ("test", 6)):
        names = [f"{i}.jpg" for i in range(first, first + 6)]
        _listed(root / split, names, encode)
        rows = [f"{name},{('cat', 'dog')[i % 2]}" for i, name in enumerate(names)]
        (root / split / "metadata.csv").write_text("\n".join(["file_name,label", *rows]))
    return f"imagefolder({str(root)!r})"


def _webdataset(root: Path, encode: Callable[..., bytes]) -> str:
    root.mkdir()
    for shard, first in (("train-000", 0), ("train-001", 3), ("val-000", 6)):
        files = {}
        for i in range(first, first + 3):
            files |= {
                f"{i:04d}.jpg": encode(i, (16, 16), "JPEG"),
                f"{i:04d}.cls": str(i % 2).encode(),
            }
        _tar(root / f"{shard}.tar", files)
    (root / "classes.txt").write_text("cat\ndog\n")
    return f"webdataset({str(root)!r})"


def _huggingface(root: Path, encode: Callable[..., bytes]) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root.mkdir()
    features = {
        "image": {"_type": "Image"},
        "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
    }
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.int64()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    for split, first in (("train", 0), ("test", 6)):
        images = [{"bytes": encode(i), "path": f"{i}.png"} for i in range(first, first + 6)]
        table = pa.Table.from_pydict({"image": images, "label": [0, 1] * 3}, schema=schema)
        pq.write_table(table, root / f"{split}-00000-of-00001.parquet", row_group_size=2)
    return f"huggingface({str(root)!r})"


def _torchvision(root: Path, encode: Callable[..., bytes]) -> str:
    for k, label in enumerate(("Forest", "River")):
        (root / "eurosat" / "2750" / label).mkdir(parents=True)
        for i in range(3):
            (root / "eurosat" / "2750" / label / f"{label}_{i}.jpg").write_bytes(
                encode(10 * k + i, (16, 16), "JPEG")
            )
    return f"torchvision('EuroSAT', {str(root)!r})"


def _listed(root: Path, files: list[str], encode: Callable[..., bytes]) -> list[str]:
    for i, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(encode(i, (16, 16), "JPEG"))
    return files


def _sun397(root: Path, encode: Callable[..., bytes]) -> str:
    classes = ("a/abbey", "c/church/indoor", "c/church/outdoor")
    files = _listed(root, [f"{folder}/sun_{i}.jpg" for folder in classes for i in range(4)], encode)
    (root / "ClassName.txt").write_text("".join(f"/{folder}\n" for folder in classes))
    (root / "Training_01.txt").write_text("".join(f"/{file}\n" for file in files[::2]))
    (root / "Testing_01.txt").write_text("".join(f"/{file}\n" for file in files[1::2]))
    return f"sun397({str(root)!r})"


def _cub200(root: Path, encode: Callable[..., bytes]) -> str:
    classes = ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    files = _listed(
        root / "images", [f"{folder}/{i}.jpg" for folder in classes for i in range(4)], encode
    )
    (root / "images.txt").write_text("".join(f"{i} {file}\n" for i, file in enumerate(files, 1)))
    (root / "image_class_labels.txt").write_text(
        "".join(f"{i} {1 + (i > 4)}\n" for i in range(1, 9))
    )
    (root / "classes.txt").write_text(
        "".join(f"{i} {folder}\n" for i, folder in enumerate(classes, 1))
    )
    (root / "train_test_split.txt").write_text("".join(f"{i} {i % 2}\n" for i in range(1, 9)))
    return f"cub200({str(root)!r})"


def _mit67(root: Path, encode: Callable[..., bytes]) -> str:
    files = _listed(
        root / "Images",
        [f"{room}/{i}.jpg" for room in ("bar", "tv_studio") for i in range(4)],
        encode,
    )
    (root / "TrainImages.txt").write_text("\r\n".join(files[::2]))
    (root / "TestImages.txt").write_text("\r\n".join(files[1::2]))
    return f"mit67({str(root)!r})"


def _flowers102(root: Path, encode: Callable[..., bytes]) -> str:
    from scipy.io import savemat

    _listed(root / "jpg", [f"image_{i:05d}.jpg" for i in range(1, 7)], encode)
    savemat(root / "imagelabels.mat", {"labels": np.array([1, 102] * 3, np.uint8)})
    savemat(
        root / "setid.mat",
        {"trnid": np.array([1, 2]), "valid": np.array([3, 4]), "tstid": np.array([5, 6])},
    )
    return f"flowers102({str(root)!r})"


def _voc(root: Path, encode: Callable[..., bytes]) -> str:
    _listed(root / "JPEGImages", [f"{i}.jpg" for i in range(6)], encode)
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for i in range(6):
        name = ("cat", "dog")[i % 2]
        (root / "Annotations" / f"{i}.xml").write_text(
            f"<annotation><object><name>{name}</name>{box}</object></annotation>"
        )
    (root / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n2\n3\n")
    (root / "ImageSets" / "Main" / "test.txt").write_text("4\n5\n")
    return f"voc({str(root)!r})"


def _coco(root: Path, encode: Callable[..., bytes]) -> str:
    for split, first in (("train", 0), ("valid", 4)):
        files = _listed(root / split, [f"{i}.jpg" for i in range(first, first + 4)], encode)
        images = [{"id": i, "file_name": f, "width": 16, "height": 16} for i, f in enumerate(files)]
        boxes = [
            {"id": i, "image_id": i, "category_id": 1 + i % 2, "bbox": [1, 1, 8, 8]}
            for i in range(4)
        ]
        categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
        document = {"images": images, "annotations": boxes, "categories": categories}
        (root / split / "_annotations.coco.json").write_text(json.dumps(document))
    return f"coco({str(root)!r})"


def _yolo(root: Path, encode: Callable[..., bytes]) -> str:
    for split, first in (("train", 0), ("val", 4)):
        _listed(root / "images" / split, [f"{i}.jpg" for i in range(first, first + 4)], encode)
        (root / "labels" / split).mkdir(parents=True)
        for i in range(first, first + 4):
            (root / "labels" / split / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.25 0.5\n")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return f"yolo({str(root)!r})"


def _holidays(root: Path, encode: Callable[..., bytes]) -> str:
    _listed(
        root / "jpg",
        [f"{number}.jpg" for number in (100000, 100001, 100002, 100100, 100101)],
        encode,
    )
    return f"holidays({str(root)!r})"


def _oxford(root: Path, encode: Callable[..., bytes]) -> str:
    _listed(root / "oxbuild_images", [f"all_souls_{i:06d}.jpg" for i in range(4)], encode)
    lists = {
        "query": "oxc1_all_souls_000000 2.5 2.5 12 12",
        "good": "all_souls_000000",
        "ok": "all_souls_000001",
        "junk": "all_souls_000002",
    }
    (root / "gt").mkdir()
    for kind, line in lists.items():
        (root / "gt" / f"all_souls_1_{kind}.txt").write_text(line)
    return f"oxford({str(root)!r})"


def _ukbench(root: Path, encode: Callable[..., bytes]) -> str:
    _listed(root / "full", [f"ukbench{i:05d}.jpg" for i in range(8)], encode)
    return f"ukbench({str(root)!r})"


EXAMPLES: dict[str, Callable[[Path, Callable[..., bytes]], str]] = {
    "coco": _coco,
    "cub200": _cub200,
    "digits": lambda root, encode: "digits()",
    "flowers102": _flowers102,
    "folder": _folder,
    "holidays": _holidays,
    "huggingface": _huggingface,
    "ilsvrc": _ilsvrc,
    "imagefolder": _imagefolder,
    "manifest": _manifest,
    "mit67": _mit67,
    "oxford": _oxford,
    "sun397": _sun397,
    "tiny_imagenet": _tiny_imagenet,
    "torchvision": _torchvision,
    "toy": lambda root, encode: "toy(per_class=2, test_per_class=1)",
    "ukbench": _ukbench,
    "voc": _voc,
    "webdataset": _webdataset,
    "yolo": _yolo,
}


@pytest.fixture(params=sorted(EXAMPLES))
def call(request: pytest.FixtureRequest, tmp_path: Path, encode) -> str:
    """A call of each format, with files where it needs some."""
    return EXAMPLES[request.param](tmp_path / "data", encode)


def _read(call: str) -> Source:
    return FORMATS.make(call).read()


def test_every_registered_format_has_an_example() -> None:
    assert set(EXAMPLES) == set(FORMATS.names())


def test_the_class_is_a_format_with_a_summary(call: str) -> None:
    name = call.split("(")[0]
    assert issubclass(FORMATS.get(name), Format)
    assert next(row["summary"] for row in FORMATS.describe() if row["name"] == name)


def test_reading_twice_gives_the_same_records(call: str) -> None:
    one, two = _read(call), _read(call)
    assert one.ids.tolist() == two.ids.tolist()
    assert one.leaves.tolist() == two.leaves.tolist()
    assert one.splits.tolist() == two.splits.tolist()
    assert one.listing == two.listing
    assert (one.annotations and one.annotations.digest()) == (
        two.annotations and two.annotations.digest()
    )


def test_ids_are_unique_sorted_posix_paths(call: str) -> None:
    ids = _read(call).ids.tolist()
    assert ids == sorted(set(ids))
    assert not [i for i in ids if i.startswith("/") or "\\" in i or ".." in i.split("/")]


def test_columns_index_sorted_classes_and_splits(call: str) -> None:
    source = _read(call)
    assert list(source.classes) == sorted(set(source.classes))
    assert (
        (source.class_sizes > 0).all()
        if source.annotations is None
        else (source.leaves == NO_LABEL).all()
    )
    assert source.splits.max() < len(SPLITS)
    assert set(source.names) <= set(source.classes)
    if source.hierarchy:
        assert {source.hierarchy.depth(c) > 0 for c in source.classes} == {True}


def test_rows_of_answers_are_images_that_are_searched(call: str) -> None:
    source = _read(call)
    given = source.annotations
    if not isinstance(given, Relevance):
        pytest.skip("has no queries")
    gallery = set(given.gallery.tolist())
    assert set(given.rows.tolist()) <= gallery <= set(range(source.num_images))
    assert set(given.of_query[given.values > 0].tolist()) == set(range(len(given.queries)))
    assert len(set(zip(given.of_query.tolist(), given.rows.tolist(), strict=True))) == len(
        given.rows
    )


def test_each_row_has_pixels_of_its_own_whatever_the_batch(call: str) -> None:
    pixels = _read(call).pixels
    together = pixels.load(np.array([4, 0, 2]), 16)
    assert together.pixels.shape == (3, 16, 16, 3)
    for place, row in enumerate((4, 0, 2)):
        alone = pixels.load(np.array([row]), 16)
        assert (alone.pixels[0] == together.pixels[place]).all()
        assert alone.checksums[0] == together.checksums[place]


def test_records_in_another_order_are_the_same_source(call: str) -> None:
    source = _read(call)
    if source.annotations is not None:
        pytest.skip("has no single labels")
    records = [
        (i, source.classes[c], int(s))
        for i, c, s in zip(source.ids, source.leaves, source.splits, strict=True)
    ]
    again = from_records(source.name, records[::-1], pixels=source.pixels, listing=source.listing)
    assert again.ids.tolist() == source.ids.tolist()
    assert again.leaves.tolist() == source.leaves.tolist()


def test_a_part_of_its_reader_reads_the_same_bytes(call: str) -> None:
    """What a worker process is given: pickled, and of some rows alone."""
    pixels = _read(call).pixels
    if not isinstance(pixels, EncodedPixels):
        pytest.skip("not of encoded images")
    rows = np.array([4, 0, 2])
    part = pickle.loads(pickle.dumps(pixels.part(rows)))
    assert [part.read(i) for i in range(3)] == [pixels.read(row) for row in rows]


def test_a_plain_path_goes_to_the_format_that_reads_it(call: str) -> None:
    name, arguments = call.split("(")[0], FORMATS.make(call)
    path = next((getattr(arguments, field) for field in FORMATS.get(name).paths), None)
    if path is None or name == "torchvision":  # a set of torchvision's is asked for by its name
        pytest.skip("has no path of its own")
    assert parse_data(path).name == name
