"""The drawn source: a picture is a function of its own class, seed and size; only outlines tell
classes apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seedbed.data.drawing import TREE, contact_sheet, main, render
from seedbed.data.drawing_scene import SceneSettings, uniform

NUM_CLASSES = len(TREE)


def _seeds(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.uint64)


def test_tree_has_families_kinds_and_variants() -> None:
    paths = [leaf.name.split("/") for leaf in TREE]
    assert {len(path) for path in paths} == {3}
    assert len({leaf.name for leaf in TREE}) == NUM_CLASSES
    families, kinds = {path[0] for path in paths}, {tuple(path[:2]) for path in paths}
    assert 1 < len(families) < len(kinds) < NUM_CLASSES


@pytest.mark.parametrize("size_px", [16, 32, 64])
def test_every_class_renders(size_px: int) -> None:
    pixels = render(np.arange(NUM_CLASSES), _seeds(NUM_CLASSES), size_px)
    assert pixels.shape == (NUM_CLASSES, size_px, size_px, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std(axis=(1, 2, 3)).min() > 1


def test_rendering_is_deterministic() -> None:
    classes = np.arange(NUM_CLASSES)
    assert np.array_equal(
        render(classes, _seeds(NUM_CLASSES)), render(classes, _seeds(NUM_CLASSES))
    )


@pytest.mark.parametrize("size_px", [13, 32])
def test_a_picture_does_not_depend_on_its_batch(size_px: int) -> None:
    count = 5 * NUM_CLASSES
    classes = np.random.default_rng(0).integers(0, NUM_CLASSES, count)
    seeds = np.random.default_rng(1).integers(0, 2**64, count, dtype=np.uint64)
    batch = render(classes, seeds, size_px)
    for index in range(count):
        alone = render(classes[index : index + 1], seeds[index : index + 1], size_px)[0]
        assert np.array_equal(batch[index], alone), TREE[classes[index]].name


def test_different_seeds_give_different_pictures() -> None:
    pixels = render(np.full(500, 3), _seeds(500), 16)
    assert len(np.unique(pixels.reshape(500, -1), axis=0)) == 500


def test_classes_differ_with_the_scene_held_fixed() -> None:
    seeds = np.repeat(_seeds(20), NUM_CLASSES)
    pixels = (
        render(np.tile(np.arange(NUM_CLASSES), 20), seeds)
        .reshape(20, NUM_CLASSES, -1)
        .astype(np.float32)
    )
    for index in range(NUM_CLASSES):
        others = np.delete(pixels, index, axis=1)
        distances = np.abs(others - pixels[:, index : index + 1]).mean(axis=(0, 2))
        assert distances.min() > 1, TREE[index].name


def test_colour_does_not_tell_the_class() -> None:
    # The mean colour of a class differs from that of all only as the mean of num_per_class draws
    # would.
    num_per_class = 200
    classes = np.repeat(np.arange(NUM_CLASSES), num_per_class)
    colours = (
        render(classes, _seeds(len(classes)), 16)
        .mean(axis=(1, 2))
        .reshape(NUM_CLASSES, num_per_class, 3)
    )
    error = colours.std(axis=1) / num_per_class**0.5
    z = (colours.mean(axis=1) - colours.mean(axis=(0, 1))) / error
    assert np.abs(z).max() < 4.5
    assert 0.7 < z.std() < 1.3


def test_scene_settings_are_obeyed() -> None:
    plain = SceneSettings(texture=0.0, clutter=0.0, noise=(0.0, 0.0), chroma=0.0)
    picture = render(np.array([0]), _seeds(1), 32, plain)[0]
    assert np.array_equal(picture[..., 0], picture[..., 1])
    assert len(np.unique(picture[0])) == 1


def test_uniform_draws_are_uniform_and_independent_of_near_seeds() -> None:
    draws = uniform(_seeds(4000), 0, 8)[:, :, 0, 0]
    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.abs(draws.mean(axis=1) - 0.5).max() < 0.02
    assert np.abs(np.corrcoef(draws) - np.eye(8)).max() < 0.08
    assert abs(np.corrcoef(draws[0, :-1], draws[0, 1:])[0, 1]) < 0.08


@pytest.mark.parametrize(
    ("classes", "seeds", "size_px", "message"),
    [
        ([NUM_CLASSES], [0], 32, "positions in TREE"),
        ([-1], [0], 32, "positions in TREE"),
        ([0, 1], [0], 32, "one length"),
        ([0], [0], 4, "at least 8"),
    ],
)
def test_mistakes_are_named(
    classes: list[int], seeds: list[int], size_px: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        render(np.array(classes), np.array(seeds, np.uint64), size_px)


def test_no_pictures_is_not_a_mistake() -> None:
    assert render(np.array([], np.int64), _seeds(0)).shape == (0, 32, 32, 3)


def test_contact_sheet_is_written_as_png(tmp_path: Path) -> None:
    assert contact_sheet(16, 2).dtype == np.uint8
    out = tmp_path / "sheet.png"
    assert main([str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert out.stat().st_size < 200_000
    assert main([]) == 2
