"""Images in memory become sources, and are predicted as their files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import seedbed as sb
from seedbed.base.errors import UsageError
from seedbed.data.array_images import to_image


def _images(num: int = 12, side: int = 10) -> np.ndarray:
    """Noise of two brightnesses in turn: uint8 [num, side, side, 3]."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 90, (num, side, side, 3), dtype=np.uint8)
    images[1::2] += 150
    return images


LABELS = ["dark", "light"] * 6


@pytest.mark.parametrize("kind", ["array", "tensor", "floats", "pillow", "sizes"])
def test_images_in_memory_are_packed_as_they_are(kind: str, tmp_path: Path) -> None:
    images = _images()
    values: Any = {
        "array": images,
        "tensor": torch.from_numpy(images).permute(0, 3, 1, 2),
        "floats": images / 255,
        "pillow": [Image.fromarray(i) for i in images],
        "sizes": [images[0], *map(torch.from_numpy, images[1:].transpose(0, 3, 1, 2))],
    }[kind]
    source = sb.Source.from_arrays(values, LABELS)
    store = sb.pack(source, tmp_path / "a.store", size_px=10)
    np.testing.assert_array_equal(store.pixels, images)
    assert store.classes == ("dark", "light")
    assert store.ids.tolist() == [f"{i:02d}" for i in range(12)]
    assert [store.classes[leaf] for leaf in store.leaves] == LABELS


def test_ids_classes_and_splits_are_those_of_the_user(tmp_path: Path) -> None:
    ids = [f"img{9 - i % 10}-{i}" for i in range(12)]
    splits = ["train"] * 6 + ["valid"] * 2 + ["test"] * 4
    source = sb.Source.from_arrays(
        _images(), np.arange(12) % 2, ids, classes=["dark", "light"], splits=splits, name="mine"
    )
    assert source.name == "mine"
    assert source.ids.tolist() == sorted(ids)
    store = sb.pack(source, tmp_path / "a.store", size_px=10)
    assert store.card["splits"] == {"train": 6, "val": 2, "test": 4}
    for id_, pixels, leaf in zip(store.ids, store.pixels, store.leaves, strict=True):
        place = ids.index(id_)
        np.testing.assert_array_equal(pixels, _images()[place])
        assert store.classes[leaf] == LABELS[place]


def test_the_same_arrays_are_the_same_data(tmp_path: Path) -> None:
    one, other = (sb.Source.from_arrays(_images(), LABELS) for _ in range(2))
    assert one.listing == other.listing
    changed = _images()
    changed[3, 0, 0, 0] += 1
    assert sb.Source.from_arrays(changed, LABELS).listing != one.listing
    assert sb.Source.from_arrays(_images(), LABELS[::-1]).listing != one.listing


def test_transfer_takes_a_source_of_arrays(tmp_path: Path) -> None:
    source = sb.Source.from_arrays(_images(40), ["dark", "light"] * 20)
    measured = sb.transfer(
        "small(width=4, weights='random', size_px=8)", source, "probe(c=[10.0])", workspace=tmp_path
    )
    assert measured.metrics["top1"] == 100


class _Photos(Dataset[Any]):
    """A data set whose items have more than an image and a label."""

    classes = ("dark", "light")

    def __init__(self, noise: bool = False) -> None:
        self.noise = noise

    def __len__(self) -> int:
        return 12

    def __getitem__(self, place: int) -> tuple[Image.Image, int, str]:
        image = _images()[place]
        if self.noise:
            image = image + np.random.default_rng().integers(0, 5, image.shape, dtype=np.uint8)
        return Image.fromarray(image), place % 2, "extra"


@pytest.mark.parametrize("kind", ["photos", "tensors", "list", "labels apart"])
def test_torch_data_sets_become_sources(kind: str, tmp_path: Path) -> None:
    tensors = torch.from_numpy(_images()).permute(0, 3, 1, 2)
    labels = torch.arange(12) % 2
    dataset, options = {
        "photos": (_Photos(), {}),
        "tensors": (TensorDataset(tensors, labels), {"classes": ["dark", "light"]}),
        "list": ([(Image.fromarray(i), la) for i, la in zip(_images(), LABELS, strict=True)], {}),
        "labels apart": (tensors, {"labels": LABELS}),
    }[kind]
    store = sb.pack(sb.Source.from_dataset(dataset, **options), tmp_path / "a.store", size_px=10)
    np.testing.assert_array_equal(store.pixels, _images())
    assert [store.classes[leaf] for leaf in store.leaves] == LABELS


def test_a_random_transform_is_refused() -> None:
    with pytest.raises(UsageError, match="_Photos differs when it is read twice"):
        sb.Source.from_dataset(_Photos(noise=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": LABELS[:5]}, "12 images have 5 labels"),
        ({"ids": ["a"]}, "12 images have 1 ids"),
        ({"splits": ["train"] * 3}, "12 images have 3 splits"),
        ({"splits": ["dev"] * 12}, "'dev'"),
        ({"labels": [None] * 12}, "the label of image 0 is None"),
        ({"labels": [7] * 12, "classes": ["a"]}, "the label of image 0 is 7, and there are 1 cla"),
        ({"labels": [float("nan")] * 12}, "the label of image 0 is nan"),
        ({"images": np.zeros((12, 4, 4, 2), np.uint8)}, "image 0 has the shape"),
        ({"images": np.zeros((12, 4, 4, 3), np.int64)}, "image 0 has values of type int64"),
        ({"images": np.full((12, 4, 4, 3), 2.5)}, "floating-point values from 2.5 to 2.5"),
        ({"images": ["a.png"] * 12}, "image 0 is of type str, not an image"),
    ],
)
def test_wrong_input_is_named(change: dict[str, Any], message: str) -> None:
    arguments = {"images": _images(), "labels": LABELS, **change}
    with pytest.raises(UsageError, match=message):
        sb.Source.from_arrays(**arguments)


def test_two_images_of_one_id_are_refused() -> None:
    with pytest.raises(sb.BadDataError, match="two images of one id, 'a'"):
        sb.Source.from_arrays(_images(), LABELS, ["a"] * 12)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "I;16"])
def test_pillow_images_of_any_mode_are_taken(mode: str) -> None:
    image = Image.new(mode, (5, 4))
    assert to_image(image) is image


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    source = sb.Source.from_arrays(_images(40), ["dark", "light"] * 20)
    measured = sb.transfer(
        "small(width=4, weights='random', size_px=8)", source, "probe(c=[10.0])", workspace=folder
    )
    return measured.model


@pytest.mark.parametrize("kind", ["pillow", "array", "tensor", "batch", "mixed"])
def test_predict_takes_images_in_memory(kind: str, model: Any, tmp_path: Path) -> None:
    images = _images(4)
    files = [tmp_path / f"{i}.png" for i in range(4)]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file)
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2)
    values: Any = {
        "pillow": [Image.fromarray(i) for i in images],
        "array": list(images),
        "tensor": list(tensors / 255),
        "batch": tensors,
        "mixed": [files[0], images[1], Image.fromarray(images[2]), tensors[3]],
    }[kind]
    predictions = model.predict(values)
    assert [p.label for p in predictions] == ["dark", "light", "dark", "light"]
    expected = model.predict(files)
    for one, other in zip(predictions, expected, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-6)
    assert predictions[1].path == "image 1"
    assert sb.predict(model, values)[3].label == "light"
    with pytest.raises(UsageError, match="floating-point values"):
        model.predict(images * 1.5)


def test_one_image_is_enough(model: Any) -> None:
    [prediction] = model.predict(Image.fromarray(_images()[1]))
    assert prediction.label == "light"
    [prediction] = model.predict(_images()[0])
    assert prediction.label == "dark"


def test_similar_takes_images_in_memory(tmp_path: Path) -> None:
    store = sb.pack(sb.Source.from_arrays(_images(), LABELS), tmp_path / "a.store", size_px=10)
    network = "small(width=4, weights='random', size_px=10)"
    results = sb.similar(network, store, _images()[[4, 7]], num=1, workspace=tmp_path)
    assert [r.ids for r in results] == [("04",), ("07",)]
