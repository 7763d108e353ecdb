"""A user's own images from the command line: train and keep, predict, look for like ones, hand on;
odd data too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import cli

NET = "small(width=4, weights='random', size_px=16)"


def _folder(root: Path, sizes: dict[str, int], seed: int = 0, shift: float = 0.0) -> Path:
    """Images of classes that differ in colour."""
    generator = np.random.default_rng(seed)
    colours = np.random.default_rng(99).uniform(40, 215, (len(sizes), 3))
    for (name, num), colour in zip(sizes.items(), colours, strict=True):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(num):
            pixels = colour + shift + generator.normal(0, 25, (20, 24, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/, a model/ that was trained on them, and a workspace ws/."""
    folder = tmp_path_factory.mktemp("own")
    photos = _folder(folder / "photos", {"a": 12, "b": 12, "c": 12})
    status, document, _ = cli(
        "transfer",
        NET,
        photos,
        "probe(c=[10.0])",
        "--out",
        folder / "model",
        "--workspace",
        folder / "ws",
    )
    assert status == 0
    assert document["model"] == str(folder / "model")
    assert document["value"] > 60
    return folder


@pytest.fixture
def model(folder: Path) -> Path:
    return folder / "model"


def test_predictions_name_each_image_and_what_cannot_be_read(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    new = _folder(tmp_path / "new", {"a": 2, "b": 2, "c": 2}, seed=5)
    (new / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    status, document, _ = cli("predict", model, new)
    assert status == 0
    assert [Path(row["path"]).name for row in document if row["error"]] == ["broken.jpg"]
    read = [row for row in document if not row["error"]]
    assert len(read) == 6
    assert sum(row["label"] == Path(row["path"]).parent.name for row in read) >= 4
    assert all(
        sum(t["probability"] for t in row["top5"]) == pytest.approx(1, abs=1e-4) for row in read
    )  # three classes: all are told
    assert all(
        row["top5"][0] == {"label": row["label"], "probability": row["probability"]} for row in read
    )
    status, document, _ = cli("predict", model, new / "broken.jpg")
    assert (status, document["error"]["kind"]) == (3, "data")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere", tmp_path / "empty"):
        assert cli("predict", model, path)[0] == 3
    status, document, _ = cli("predict", folder / "photos", new)
    assert status == 3
    assert "is not a model" in document["error"]["message"]
    assert "seedbed transfer small DATA" in document["error"]["hint"]


def test_the_nearest_image_of_an_image_is_itself(model: Path, folder: Path, tmp_path: Path) -> None:
    photos, query = folder / "photos", folder / "photos" / "b" / "3.png"
    status, document, _ = cli(
        "similar", model, photos, query, "--num", "4", "--workspace", folder / "ws"
    )
    assert status == 0
    near = document[0]["neighbours"]
    assert near[0]["id"] == "b/3.png"
    assert near[0]["similarity"] == pytest.approx(1, abs=1e-4)
    assert [n["similarity"] for n in near] == sorted((n["similarity"] for n in near), reverse=True)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    status, document, _ = cli(
        "similar", model, photos, query, tmp_path / "broken.jpg", "--workspace", folder / "ws"
    )
    assert [bool(row["error"]) for row in document] == [False, True]
    assert (
        cli("similar", model, photos, query, "--num", "999", "--workspace", folder / "ws")[0] == 2
    )


def test_an_export_says_how_well_it_agrees(model: Path, tmp_path: Path) -> None:
    status, document, _ = cli("export", model, tmp_path / "m.onnx")
    assert status == 0
    assert document["max_abs_difference"] < 1e-4
    assert cli("export", model, tmp_path / "m.onnx")[0] == 2
    (tmp_path / "mine.pt2.json").write_text("mine")
    assert cli("export", model, tmp_path / "mine.pt2", "--format", "torch-export")[0] == 2
    assert (tmp_path / "mine.pt2.json").read_text() == "mine"
    assert list(tmp_path.glob("mine*")) == [tmp_path / "mine.pt2.json"]
    for name, words in (("m.tflite", "does not say which format"), ("mm", "does not say")):
        status, document, _ = cli("export", model, tmp_path / name)
        assert (status, (tmp_path / name).exists()) == (2, False)
        assert words in document["error"]["message"]
    assert cli("export", model, tmp_path / "m.onnx2", "--format", "onx")[0] == 2
    assert cli("export", model, tmp_path / "mm.pt2", "--format", "onnx")[0] == 2
    status, document, _ = cli("export", model, tmp_path / "mm.pt2")
    assert (status, document["format"]) == (0, "torch-export")
    status, document, _ = cli("export", model, tmp_path / "m", "--format", "timm")
    assert status == 2
    assert "finetune(stages=0)" in document["error"]["hint"]


def test_a_model_is_a_backbone_too(model: Path, folder: Path) -> None:
    status, document, _ = cli(
        "transfer",
        model,
        folder / "photos",
        "probe(readout='knn')",
        "--workspace",
        folder / "ws",
        "--train-per-class",
        "4",
    )
    assert status == 0
    assert document["facts"]["num_train"] == 12
    assert document["facts"]["num_folds"] > 1


def test_labels_of_another_domain_are_named_on_the_command_line(tmp_path: Path) -> None:
    day, night = (
        _folder(tmp_path / n, {"a": 15, "b": 15}, seed=s, shift=v)
        for n, s, v in (("day", 0, 0.0), ("night", 1, -60.0))
    )
    arguments = ["transfer", NET, night, "adapt(kind='coral')", "--workspace", tmp_path / "ws"]
    status, document, _ = cli(*arguments, "--labelled", day, "--out", tmp_path / "adapted")
    assert status == 0
    assert document["facts"]["num_unlabelled"] == 24
    assert cli("predict", tmp_path / "adapted", night)[0] == 0
    status, document, _ = cli(*arguments)
    assert status == 2
    assert "labelled='day/'" in document["error"]["hint"]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"many": 80, "few": 6}, "unlike"),
        ({f"c{i:02d}": 5 for i in range(40)}, "many classes, five images each"),
        ({"a": 2, "b": 2}, "two images each"),
        ({"a": 30, "b": 2, "c": 3}, "one class with two images"),
    ],
)
@pytest.mark.parametrize(
    "method",
    [
        "probe()",
        "probe(readout='knn')",
        "finetune(images_seen=96, learning_rates=[0.1], batch_size=16)",
    ],
)
def test_odd_data_are_measured_or_refused_with_reason(
    sizes: dict[str, int], words: str, method: str, tmp_path: Path
) -> None:
    photos = _folder(tmp_path / "photos", sizes)
    status, document, _ = cli(
        "transfer", NET, photos, method, "--out", tmp_path / "m", "--workspace", tmp_path / "ws"
    )
    if status:
        assert document["error"]["kind"] == "data", words
        assert "too few images" in document["error"]["message"]
        assert not (tmp_path / "m").exists()
        return
    assert 0 <= document["value"] <= 100
    assert all(
        np.isfinite(v) for v in document["facts"]["validation_top1"].values() if v is not None
    )
    status, found, _ = cli("predict", tmp_path / "m", photos)
    assert status == 0
    assert all(0 < row["probability"] <= 1 for row in found)


def test_classes_of_unlike_size_can_be_weighed_alike(tmp_path: Path) -> None:
    photos = _folder(tmp_path / "photos", {"many": 80, "few": 10})
    target = f"folder('{photos}', metric='mean_class_accuracy')"
    status, document, _ = cli("transfer", NET, target, "probe()", "--workspace", tmp_path / "ws")
    assert status == 0
    assert document["metric"] == "mean_class_accuracy"
    status, document, _ = cli(
        "advise",
        target,
        "--backbone",
        NET,
        "--minutes",
        "0.02",
        "--out",
        tmp_path / "o",
        "--workspace",
        tmp_path / "ws",
    )
    assert status == 0
    assert "mean_class_accuracy" in document["recommendation"]["test"]["metrics"]
