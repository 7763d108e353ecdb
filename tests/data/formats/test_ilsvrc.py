"""ILSVRC-2012 on small files of its layouts: tars, folders, development kit, Kaggle's lists."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from format_trees import (
    label_of_ids,
    write_tar,
)

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack

SYNSETS = ("n01440764", "n01443537")


def _meta_mat() -> bytes:
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


def _write_folders(root: Path, encode) -> Path:
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


def _write_with_devkit(root: Path, encode, packed: bool) -> Path:
    _write_folders(root, encode)
    truth = b"2\n1\n2\n"
    if packed:
        inner = "ILSVRC2012_devkit_t12/data/"
        files = {
            f"{inner}ILSVRC2012_validation_ground_truth.txt": truth,
            f"{inner}meta.mat": _meta_mat(),
        }
        write_tar(root / "ILSVRC2012_devkit_t12.tar.gz", files, "w:gz")
    else:
        folder = root / "ILSVRC2012_devkit_t12" / "data"
        folder.mkdir(parents=True)
        (folder / "ILSVRC2012_validation_ground_truth.txt").write_bytes(truth)
        (folder / "meta.mat").write_bytes(_meta_mat())
    return root


@pytest.mark.parametrize("packed", [True, False], ids=["packed kit", "unpacked kit"])
def test_ilsvrc_with_the_development_kit(tmp_path: Path, encode, packed: bool) -> None:
    source = open_source(
        str(_write_with_devkit(tmp_path / "in", encode, packed)), format_name="ilsvrc"
    )
    labels = label_of_ids(source)
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
    _write_folders(images, encode)
    (tmp_path / "in" / "LOC_val_solution.csv").write_text(
        "ImageId,PredictionString\n"
        + "".join(f"ILSVRC2012_val_{i:08d},{SYNSETS[i % 2]} 1 2 3 4 \n" for i in (1, 2, 3))
    )
    (tmp_path / "in" / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\n")
    source = open_source(str(tmp_path / "in"))
    assert source.num_images == 9
    assert label_of_ids(source)["val/ILSVRC2012_val_00000001.JPEG"] == SYNSETS[1]
    assert source.names == {SYNSETS[0]: "tench, Tinca tinca"}


def test_the_same_images_in_tars_and_in_folders_are_the_same_source(tmp_path: Path, encode) -> None:
    folders = _write_with_devkit(tmp_path / "folders", encode, packed=True)
    tars = tmp_path / "tars"
    tars.mkdir()
    shutil.copy(folders / "ILSVRC2012_devkit_t12.tar.gz", tars)
    inner = {}
    for synset in SYNSETS:
        write_tar(
            tmp_path / "inner.tar",
            {p.name: p.read_bytes() for p in sorted((folders / "train" / synset).iterdir())},
        )
        inner[f"{synset}.tar"] = (tmp_path / "inner.tar").read_bytes()
    write_tar(tars / "ILSVRC2012_img_train.tar", inner)
    write_tar(
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
    root = _write_with_devkit(tmp_path / "in", encode, packed=True)
    shutil.rmtree(root / remove) if (root / remove).is_dir() else (root / remove).unlink()
    with pytest.raises(BadDataError, match=message):
        open_source(f"ilsvrc({str(root)!r})")
