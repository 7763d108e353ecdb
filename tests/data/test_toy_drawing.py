"""The drawn source: an image is a function of its class, seed and size; only outlines tell classes
apart."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from seedbed.data.toy_drawing import TREE, render, uniform

NUM_CLASSES = len(TREE)


def _seeds(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.uint64)


def test_tree_has_families_kinds_and_variants() -> None:
    paths = [name.split("/") for name in TREE]
    assert {len(path) for path in paths} == {3}
    assert len(set(TREE)) == NUM_CLASSES
    families, kinds = {path[0] for path in paths}, {tuple(path[:2]) for path in paths}
    assert 1 < len(families) < len(kinds) < NUM_CLASSES


@pytest.mark.parametrize("size_px", [16, 32, 64])
def test_every_class_renders(size_px: int) -> None:
    pixels = render(np.arange(NUM_CLASSES), _seeds(NUM_CLASSES), size_px)
    assert pixels.shape == (NUM_CLASSES, size_px, size_px, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std(axis=(1, 2, 3)).min() > 1


def test_rendering_is_deterministic() -> None:
    classes, seeds = np.arange(NUM_CLASSES), _seeds(NUM_CLASSES)
    assert np.array_equal(render(classes, seeds), render(classes, seeds))


@pytest.mark.parametrize("size_px", [13, 32])
def test_an_image_does_not_depend_on_its_batch(size_px: int) -> None:
    count = 5 * NUM_CLASSES
    classes = np.random.default_rng(0).integers(0, NUM_CLASSES, count)
    seeds = np.random.default_rng(1).integers(0, 2**64, count, dtype=np.uint64)
    batch = render(classes, seeds, size_px)
    for i in range(count):
        alone = render(classes[i : i + 1], seeds[i : i + 1], size_px)[0]
        assert np.array_equal(batch[i], alone), TREE[classes[i]]


def test_different_seeds_give_different_images() -> None:
    pixels = render(np.full(500, 3), _seeds(500), 16)
    assert len(np.unique(pixels.reshape(500, -1), axis=0)) == 500


def test_classes_differ_with_the_scene_held_fixed() -> None:
    classes, seeds = np.tile(np.arange(NUM_CLASSES), 20), np.repeat(_seeds(20), NUM_CLASSES)
    pixels = render(classes, seeds).reshape(20, NUM_CLASSES, -1).astype(np.float32)
    for index in range(NUM_CLASSES):
        others = np.delete(pixels, index, axis=1)
        distances = np.abs(others - pixels[:, index : index + 1]).mean(axis=(0, 2))
        assert distances.min() > 1, TREE[index]


def test_colour_does_not_tell_the_class() -> None:
    # The mean colour of a class differs from that of all only as the mean of num_per_class draws
    # would.
    num_per_class = 200
    classes = np.repeat(np.arange(NUM_CLASSES), num_per_class)
    pixels = render(classes, _seeds(len(classes)), 16)
    colours = pixels.mean(axis=(1, 2)).reshape(NUM_CLASSES, num_per_class, 3)
    error = colours.std(axis=1) / num_per_class**0.5
    z = (colours.mean(axis=1) - colours.mean(axis=(0, 1))) / error
    assert np.abs(z).max() < 4.5
    assert 0.7 < z.std() < 1.3


def test_uniform_numbers_are_uniform_and_independent_of_near_seeds() -> None:
    numbers = uniform(_seeds(4000), 0, 8)[:, :, 0, 0]
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.abs(numbers.mean(axis=1) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(numbers) - np.eye(8)).max() < 0.08
    assert abs(np.corrcoef(numbers[0, :-1], numbers[0, 1:])[0, 1]) < 0.08


@pytest.mark.parametrize(
    ("classes", "seeds", "size_px", "message"),
    [
        ([NUM_CLASSES], [0], 32, "positions in TREE"),
        ([-1], [0], 32, "positions in TREE"),
        ([0, 1], [0], 32, "one length"),
        ([0], [0], 4, "at least 8"),
    ],
)
def test_invalid_arguments_are_refused(
    classes: list[int], seeds: list[int], size_px: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        render(np.array(classes), np.array(seeds, np.uint64), size_px)


def test_no_images_can_be_rendered() -> None:
    assert render(np.array([], np.int64), _seeds(0)).shape == (0, 32, 32, 3)


def test_images_are_those_of_published_results() -> None:
    """Results and keys depend on these pixels: another drawing needs another REVISION of toy()."""
    pixels = render(np.arange(NUM_CLASSES), _seeds(NUM_CLASSES), 32)
    assert zlib.crc32(pixels.tobytes()) == 2068387350
