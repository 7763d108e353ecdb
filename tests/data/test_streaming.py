"""Images that do not fit in memory, and images decoded on the fly: the same batches as resident
ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import built, random_pixels

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data import loader
from seedbed.data.images import Images, Resident
from seedbed.data.loader import Stream, open_images
from seedbed.data.pack import pack
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.store import Store
from seedbed.data.streaming import Streamed
from seedbed.models.codes import codes

ROWS, LABELS = np.array([9, 2, 2, 30, 7, 0, 39, 12, 5, 6]), np.arange(10) % 3


@pytest.fixture
def stores(make_tree, tmp_path: Path) -> tuple[Store, Store]:
    """The same photographs as pixels and encoded."""
    photos = make_tree({"a": 20, "b": 20})
    plain = pack(str(photos), tmp_path / "plain.store", size_px=16).store
    return plain, pack(str(photos), tmp_path / "encoded.store", size_px=16, encoded=True).store


def _batches(images: Images, augmentation: str) -> list[torch.Tensor]:
    stream = Stream(images, 4, 5, augmentation)  # pyright: ignore[reportArgumentType]
    batches = [stream.batch(step) for step in (0, 1, 2, 7, 3)]
    return [t for batch in batches for t in batch] + [batch.clone() for batch in images.plain(3)]


@pytest.mark.parametrize("augmentation", ["crop", "resized_crop"])
def test_streamed_batches_are_resident_batches(augmentation: str) -> None:
    pixels = random_pixels(40, 12)
    resident, streamed = (kind(pixels, ROWS, LABELS) for kind in (Resident, Streamed))
    for a, b in zip(
        _batches(resident, augmentation), _batches(streamed, augmentation), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize("augmentation", ["crop", "resized_crop"])
def test_an_encoded_store_gives_the_batches_of_a_packed_one(
    stores: tuple[Store, Store], augmentation: str
) -> None:
    preprocessing = Preprocessing(size_px=16)
    plain, encoded = (open_images(store, ROWS, LABELS, preprocessing) for store in stores)
    assert "resident" in plain.loading
    assert "decoded on the fly" in encoded.loading
    for a, b in zip(_batches(plain, augmentation), _batches(encoded, augmentation), strict=True):
        assert torch.equal(a, b)


def test_an_encoded_store_holds_the_files_bytes(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    plain, encoded = stores
    assert encoded.is_encoded
    assert not plain.is_encoded
    assert encoded.ids.tolist() == plain.ids.tolist()
    assert encoded.checksums.tolist() == plain.checksums.tolist()
    for row in (0, 17, 39):
        assert encoded.encoded(row) == (tmp_path / "photos" / encoded.ids[row]).read_bytes()


def test_unreadable_images_leave_no_gap_in_a_store(make_tree, tmp_path: Path) -> None:
    photos = make_tree({"a": 6, "b": 6}, damaged=["a/001.png", "b/005.png"])
    results = [
        pack(str(photos), tmp_path / f"{e}.store", size_px=16, encoded=e, allow_unreadable=0.5)
        for e in (False, True)
    ]
    assert [m.num_unreadable for m in results] == [2, 2]
    plain, encoded = (m.store for m in results)
    assert len(plain.pixels) == plain.num_images == encoded.num_images == 10
    images = [
        next(open_images(s, np.arange(10), None, Preprocessing(size_px=16)).plain(10))
        for s in (plain, encoded)
    ]
    assert torch.equal(*images)


def test_loading_depends_on_free_memory(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, preprocessing = stores[0], Preprocessing(size_px=16)
    num_bytes = 10 * 16 * 16 * 3
    monkeypatch.setattr(loader, "free_bytes", lambda _device: 2 * num_bytes)
    assert isinstance(open_images(store, ROWS, None, preprocessing), Resident)
    monkeypatch.setattr(loader, "free_bytes", lambda _device: 2 * num_bytes - 2)
    assert isinstance(open_images(store, ROWS, None, preprocessing), Streamed)


def test_codes_of_streamed_images_equal_those_of_resident_ones() -> None:
    pixels, net = random_pixels(700, 8), built()
    rows = np.random.default_rng(0).permutation(700)
    assert torch.equal(
        codes(net, Resident(pixels, rows, None)), codes(net, Streamed(pixels, rows, None))
    )


def test_a_store_of_another_size_is_refused(stores: tuple[Store, Store]) -> None:
    with pytest.raises(
        UsageError, match="packed at 16 px, and the network takes images packed at 37 or 32 px"
    ):
        open_images(stores[0], ROWS, None, Preprocessing(size_px=32, crop=0.875))


def test_a_network_that_crops_gets_the_centre(stores: tuple[Store, Store]) -> None:
    store = stores[0]
    whole = next(open_images(store, ROWS, None, Preprocessing(size_px=16)).plain(10))
    centre = next(open_images(store, ROWS, None, Preprocessing(size_px=14, crop=0.875)).plain(10))
    assert torch.equal(centre, whole[:, :, 1:15, 1:15])


def test_an_image_damaged_after_packing_is_named(stores: tuple[Store, Store]) -> None:
    encoded = stores[1]
    file = encoded.path / "encoded.bin"
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(BadDataError, match="can no longer be decoded"):
        next(open_images(encoded, ROWS, None, Preprocessing(size_px=16)).plain(4))


def test_generated_images_cannot_be_packed_encoded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoded images to keep"):
        pack("digits()", tmp_path / "x.store", encoded=True)


@pytest.mark.parametrize("encoded", [False, True])
def test_worker_processes_pack_the_same_store(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: bool
) -> None:
    photos = make_tree({"a": 40, "b": 40}, damaged=["a/003.png"])
    one = pack(
        str(photos),
        tmp_path / "one.store",
        size_px=16,
        workers=1,
        encoded=encoded,
        allow_unreadable=0.1,
    )
    monkeypatch.setattr("seedbed.data.write_store._MIN_IMAGES_FOR_PROCESSES", 8)
    two = pack(
        str(photos),
        tmp_path / "two.store",
        size_px=16,
        workers=2,
        encoded=encoded,
        allow_unreadable=0.1,
    )
    assert one.store.digest == two.store.digest
    name = "encoded.bin" if encoded else "pixels.npy"
    assert (one.store.path / name).read_bytes() == (two.store.path / name).read_bytes()
    assert (one.store.path / "unreadable.csv").read_text() == (
        two.store.path / "unreadable.csv"
    ).read_text()
