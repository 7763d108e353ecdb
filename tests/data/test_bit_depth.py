"""Images of more than 8 bits are scaled by the bit depth of their data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seedbed as sb
from seedbed.data.bit_depth import peak
from seedbed.data.decode import to_8_bits, white_value
from seedbed.data.formats import open_source


def _grey(seed: int, largest: int, kind: type = np.uint16) -> np.ndarray:
    """Grey values 0..largest, both of which occur."""
    values = np.random.default_rng(seed).integers(0, largest + 1, (16, 16)).astype(kind)
    values[0, 0], values[0, 1] = 0, largest
    return values


def _write(folder: Path, suffix: str, largest: int, kind: type = np.uint16) -> None:
    for label, seed in (("a", 0), ("b", 10)):
        (folder / label).mkdir(parents=True)
        for i in range(3):
            values = _grey(seed + i, largest, kind)
            Image.fromarray(values).save(folder / label / f"{i}{suffix}")


@pytest.mark.parametrize(
    ("peaks", "white"),
    [
        ([200.0, 255.0], 255),
        ([256.0], 1023),
        ([4000.0, 3.0], 4095),
        ([4096.0], 16383),
        ([40000.0], 65535),
        ([0.25, 1.0], 1),
        ([70000.0], 70000),
    ],
)
def test_white_is_that_of_the_least_bit_depth(peaks: list[float], white: float) -> None:
    assert white_value(peaks) == white


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("largest", "white"), [(255, 255), (1000, 1023), (4095, 4095)])
def test_few_bits_in_sixteen_fill_the_range(
    largest: int, white: int, suffix: str, encoded: bool, tmp_path: Path
) -> None:
    _write(tmp_path / "photos", suffix, largest)
    store = sb.pack(tmp_path / "photos", tmp_path / "a.store", size_px=16, encoded=encoded)
    assert store.white == white
    assert f"images of more than 8 bits are scaled so that {white:,} is white" in store.notes
    if encoded:
        from seedbed.data.audit import _pixels

        pixels = _pixels(store, np.arange(6))
    else:
        pixels = store.pixels
    expected = np.rint(_grey(0, largest) * (255 / white)).astype(np.uint8)
    np.testing.assert_array_equal(pixels[0], np.repeat(expected[:, :, None], 3, 2))
    assert pixels.max() == round(largest * 255 / white)


def test_sixteen_bits_are_what_they_were(tmp_path: Path) -> None:
    _write(tmp_path / "photos", ".png", 65535)
    store = sb.pack(tmp_path / "photos", tmp_path / "a.store", size_px=16)
    assert store.white is None
    assert "white" not in store.card
    np.testing.assert_array_equal(store.pixels[0, :, :, 0], _grey(0, 65535) >> 8)


def test_the_bit_depth_is_that_of_the_set_not_of_an_image(tmp_path: Path) -> None:
    _write(tmp_path / "photos", ".png", 300)
    Image.fromarray(_grey(99, 4000)).save(tmp_path / "photos" / "a" / "bright.png")
    store = sb.pack(tmp_path / "photos", tmp_path / "a.store", size_px=16)
    assert store.white == 4095
    by_id = dict(zip(store.ids, store.pixels, strict=True))
    assert by_id["a/0.png"].max() == round(300 * 255 / 4095)
    assert by_id["a/bright.png"].max() == round(4000 * 255 / 4095)


@pytest.mark.parametrize(("scale", "white"), [(1.0, 1), (255.0, 255), (4000.0, 4095)])
def test_floating_point_values_are_scaled_by_the_range_of_the_set(
    scale: float, white: int, tmp_path: Path
) -> None:
    for label, seed in (("a", 0), ("b", 10)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3):
            values = (_grey(seed + i, 200) / 200 * scale).astype(np.float32)
            Image.fromarray(values).save(tmp_path / "photos" / label / f"{i}.tif")
    store = sb.pack(tmp_path / "photos", tmp_path / "a.store", size_px=16)
    assert store.white == white
    assert abs(int(store.pixels.max()) - round(scale * 255 / white)) <= 1


def test_values_without_a_range_are_refused_with_the_reason() -> None:
    for values, reason in (
        (np.array([[-1.0, 2.0]], np.float32), "pixels from -1 to 2 have no known range"),
        (np.array([[np.nan, 2.0]], np.float32), "some pixels are no numbers"),
        (np.array([[0, 70000]], np.int32), "pixels from 0 to 70000 have no known range"),
    ):
        with pytest.raises(ValueError, match=reason):
            to_8_bits(Image.fromarray(values))


def test_eight_bit_images_have_no_peak(encode) -> None:
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        assert peak(encode(0, kind=kind)) is None
    assert peak(b"") is None
    assert peak(b"II*\0 damaged") is None


def test_predict_scales_as_the_data_set_did(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for label, offset in (("dark", 0), ("light", 2500)):
        (photos / label).mkdir(parents=True)
        for i in range(8):
            values = _grey(i, 1500) + np.uint16(offset)
            Image.fromarray(values.astype(np.uint16)).save(photos / label / f"{i}.png")
    sb.transfer(
        "small(width=4, weights='random')",
        sb.pack(photos, tmp_path / "a.store", size_px=16),
        "probe(c=[10.0])",
        workspace=tmp_path / "work",
        out=tmp_path / "model",
    )
    model = sb.load(tmp_path / "model")
    assert model.card["white"] == 4095
    predictions = model.predict(photos)
    assert [p.label for p in predictions] == ["dark"] * 8 + ["light"] * 8


def test_a_joined_source_has_one_bit_depth(tmp_path: Path) -> None:
    from seedbed.data.concatenated_sources import join

    _write(tmp_path / "one", ".png", 1000)
    _write(tmp_path / "two", ".png", 4000)
    source = join({"one": open_source(tmp_path / "one"), "two": open_source(tmp_path / "two")})
    assert sb.pack(source, tmp_path / "a.store", size_px=16).white == 4095


def test_an_audit_names_images_of_nearly_one_colour(tmp_path: Path, encode) -> None:
    photos = tmp_path / "photos"
    for label, first in (("a", 0), ("b", 10)):
        (photos / label).mkdir(parents=True)
        for i in range(3):
            (photos / label / f"{i}.png").write_bytes(encode(first + i))
    dark = np.random.default_rng(0).integers(0, 16, (32, 32, 3)).astype(np.uint8)
    Image.fromarray(dark).save(photos / "a" / "dark.png")
    Image.new("RGB", (20, 20), (200, 30, 30)).save(photos / "b" / "red.png")
    assert sb.audit(photos, workspace=tmp_path / "work").flat == ["a/dark.png", "b/red.png"]
