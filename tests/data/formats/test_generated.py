"""Sources that need no files: scikit-learn's digits and the drawn toy set."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.base.errors import UsageError
from seedbed.data.formats import open_source
from seedbed.data.source import TEST, TRAIN

CALLS = ["digits()", "toy(per_class=3, test_per_class=1)"]
ROWS = np.array([0, 7, 33])


@pytest.mark.parametrize("call", CALLS)
def test_the_same_call_gives_the_same_ids_labels_and_pixels(call: str) -> None:
    a, b = open_source(call), open_source(call)
    assert a.ids.tolist() == b.ids.tolist() == sorted(set(a.ids))
    assert (a.leaves == b.leaves).all()
    assert a.listing == b.listing
    one, two = a.pixels.load(ROWS, 16), b.pixels.load(ROWS, 16)
    assert (one.pixels == two.pixels).all()
    assert (one.checksums == two.checksums).all()


@pytest.mark.parametrize("call", CALLS)
def test_pixels_do_not_depend_on_the_batch(call: str) -> None:
    pixels = open_source(call).pixels
    together = pixels.load(ROWS, 16).pixels
    for place, row in enumerate(ROWS):
        assert (pixels.load(np.array([row]), 16).pixels[0] == together[place]).all()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("size_px", [8, 33])
def test_pixels_have_the_requested_size(call: str, size_px: int) -> None:
    loaded = open_source(call).pixels.load(ROWS, size_px)
    assert loaded.pixels.shape == (3, size_px, size_px, 3)
    assert loaded.pixels.dtype == np.uint8
    assert not loaded.failures


def test_digits_are_the_1797_scans_with_their_labels() -> None:
    from sklearn.datasets import load_digits

    source = open_source("digits()")
    assert source.classes == tuple("0123456789")
    assert (source.leaves == load_digits().target).all()
    scan = source.pixels.load(np.array([5]), 8).pixels[0, :, :, 0]
    assert (scan == (load_digits().images[5] * 255 / 16).astype(np.uint8)).all()


def test_toy_has_a_hierarchy_of_three_levels() -> None:
    source = open_source("toy(per_class=2, test_per_class=1)")
    assert source.hierarchy is not None
    assert {source.hierarchy.depth(c) for c in source.classes} == {3}
    assert len({source.hierarchy.ancestor_at(c, 2) for c in source.classes}) < len(source.classes)


def test_toy_has_the_requested_number_of_images() -> None:
    source = open_source("toy(per_class=3, test_per_class=2)")
    for split, count in ((TRAIN, 3), (TEST, 2)):
        assert set(np.bincount(source.leaves[source.splits == split]).tolist()) == {count}


def test_a_larger_toy_contains_the_smaller_one() -> None:
    small, large = (open_source(f"toy(per_class={n}, test_per_class=1)") for n in (2, 5))
    position = {name: i for i, name in enumerate(large.ids)}
    rows = np.array([position[name] for name in small.ids[:40]])
    assert (large.pixels.load(rows, 16).pixels == small.pixels.load(np.arange(40), 16).pixels).all()


def test_another_seed_draws_other_images_under_the_same_ids() -> None:
    a, b = (open_source(f"toy(per_class=2, test_per_class=1, seed={s})") for s in (0, 1))
    assert a.ids.tolist() == b.ids.tolist()
    assert a.listing != b.listing
    assert (a.pixels.load(ROWS, 16).pixels != b.pixels.load(ROWS, 16).pixels).any()


def test_no_two_toy_images_are_alike() -> None:
    source = open_source("toy(per_class=3, test_per_class=2)")
    assert (
        len(set(source.pixels.load(np.arange(source.num_images), 16).checksums.tolist()))
        == source.num_images
    )


@pytest.mark.parametrize(
    "call",
    [
        "toy(per_class=1)",
        "toy(test_per_class=0)",
        "toy(perclass=4)",
        "digits(3)",
        "toy(per_class='many')",
    ],
)
def test_settings_out_of_range_are_refused(call: str) -> None:
    with pytest.raises(UsageError):
        open_source(call)
