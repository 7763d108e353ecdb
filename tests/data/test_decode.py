"""Decoding of images of all kinds, sizes and orientations."""

from __future__ import annotations

import io
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seedbed.data import decode as decode_module
from seedbed.data.decode import decode

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _halves(width: int, height: int, left: Any = RED, right: Any = BLUE) -> Image.Image:
    """Left half of one colour, right half of another."""
    image = Image.new("RGB", (width, height), left)
    image.paste(right, (width // 2, 0, width, height))
    return image


def _waves(width: int, height: int) -> Image.Image:
    """Smooth waves, which JPEG changes little."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = np.stack([np.sin(9 * x + 2 * y), np.cos(7 * y), np.sin(8 * (x - y))], axis=-1)
    return Image.fromarray((127 + 120 * waves).astype(np.uint8))


def _is_near(pixel: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= tolerance)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_an_image_of_the_target_size_is_not_changed(kind: str) -> None:
    image = _halves(16, 16)
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels, width, height = decode(_encode(image, kind, **options), 16)
    assert (pixels == np.asarray(image)).all()
    assert (width, height) == (16, 16)


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show: what is stored left is shown on top
    pixels, width, height = decode(_encode(_halves(64, 32), "JPEG", exif=exif, quality=95), 16)
    assert _is_near(pixels[2, 8], RED)
    assert _is_near(pixels[13, 8], BLUE)
    assert (width, height) == (64, 32)


def test_cmyk_becomes_rgb() -> None:
    pixels, _, _ = decode(_encode(_halves(32, 32).convert("CMYK"), "JPEG", quality=95), 16)
    assert _is_near(pixels[8, 2], RED)
    assert _is_near(pixels[8, 13], BLUE)


def test_transparency_is_shown_on_white() -> None:
    rgba = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    rgba.paste((255, 0, 0, 255), (0, 0, 8, 16))
    pixels, _, _ = decode(_encode(rgba, "PNG"), 16)
    assert tuple(pixels[8, 2]) == RED
    assert tuple(pixels[8, 12]) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_shown_on_white(kind: str) -> None:
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 255, 0, 0] + [0] * 762)
    image.paste(1, (0, 0, 8, 16))
    pixels, _, _ = decode(_encode(image, kind, transparency=0), 16)
    assert tuple(pixels[8, 2]) == RED
    assert tuple(pixels[8, 12]) == (255, 255, 255)


def test_grey_with_alpha_and_one_bit_images_are_read() -> None:
    assert tuple(decode(_encode(Image.new("LA", (8, 8), (200, 0)), "PNG"), 8)[0][4, 4]) == (
        255,
        255,
        255,
    )
    assert tuple(decode(_encode(Image.new("1", (8, 8), 1), "PNG"), 8)[0][4, 4]) == (255, 255, 255)


def test_a_transparent_rgb_colour_is_shown_on_white() -> None:
    pixels, _, _ = decode(_encode(_halves(16, 16), "PNG", transparency=BLUE), 16)
    assert tuple(pixels[8, 2]) == RED
    assert tuple(pixels[8, 12]) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    grey = np.linspace(0, 65535, 16 * 16).reshape(16, 16).astype(np.uint16)
    pixels, _, _ = decode(_encode(Image.fromarray(grey), kind), 16)
    assert (pixels[..., 0] == grey >> 8).all()
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_the_first_frame_of_an_animated_gif_is_read() -> None:
    data = _encode(
        Image.new("RGB", (16, 16), RED),
        "GIF",
        save_all=True,
        append_images=[Image.new("RGB", (16, 16), BLUE)],
    )
    assert tuple(decode(data, 16)[0][8, 8]) == RED


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90), (31, 90)])
def test_the_centre_is_cropped(width: int, height: int) -> None:
    image = Image.new("RGB", (width, height), BLUE)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    image.paste(
        RED, (left, top, left + side + (width - side) % 2, top + side + (height - side) % 2)
    )
    pixels, found_width, found_height = decode(_encode(image, "PNG"), 15)
    assert (found_width, found_height) == (width, height)
    assert _is_near(pixels.reshape(-1, 3).mean(axis=0), RED, 9)


def test_a_small_image_is_enlarged() -> None:
    pixels, width, height = decode(_encode(_halves(4, 2), "PNG"), 16)
    assert pixels.shape == (16, 16, 3)
    assert (width, height) == (4, 2)
    assert _is_near(pixels[8, 0], RED)
    assert _is_near(pixels[8, 15], BLUE)


def test_one_pixel_is_an_image() -> None:
    assert (decode(_encode(Image.new("RGB", (1, 1), RED), "PNG"), 8)[0] == RED).all()


@pytest.mark.parametrize("size", [(1024, 768), (1023, 769), (768, 1024)])
def test_a_jpeg_decoded_at_reduced_scale_is_near_the_full_image(size: tuple[int, int]) -> None:
    image = _waves(*size)
    from_jpeg, width, height = decode(_encode(image, "JPEG", quality=95), 32)
    from_png, _, _ = decode(_encode(image, "PNG"), 32)
    assert (width, height) == size
    assert np.abs(from_jpeg.astype(int) - from_png).mean() < 2
    assert np.abs(from_jpeg.astype(int) - from_png).max() < 10


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.2, 0.7, 0.95])
def test_a_truncated_file_is_refused_with_a_reason(kind: str, share: float) -> None:
    data = _encode(Image.effect_noise((200, 200), 80).convert("RGB"), kind)
    with pytest.raises(ValueError, match=r".") as caught:
        decode(data[: int(len(data) * share)], 32)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty file"), (b"hello", "not an image"), (b"\xff\xd8\xff\xe0", "."), (b"GIF89a", ".")],
)
def test_data_that_are_no_image_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(data, 16)


def test_a_decompression_bomb_is_refused() -> None:
    image = Image.new("1", (20_000, 20_000))
    with pytest.raises(ValueError, match="too many"):
        decode(_encode(image, "PNG"), 16)


def test_decoding_does_not_change_the_callers_warnings() -> None:
    before = list(warnings.filters)
    decode(_encode(_halves(16, 16), "PNG"), 16)
    assert list(warnings.filters) == before


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="warning filters may be per thread")
def test_decoding_in_threads_does_not_change_the_callers_warnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A enters, B enters, A leaves, B leaves: catch_warnings is not thread safe, and pack decodes
    in threads."""
    before = list(warnings.filters)
    inside = {name: threading.Event() for name in "AB"}
    leave = {name: threading.Event() for name in "AB"}

    def waiting(data: bytes, size_px: int, fit: str, white: float | None) -> str:
        name = threading.current_thread().name
        inside[name].set()
        leave[name].wait(10)
        return name

    monkeypatch.setattr(decode_module, "_decode_with_pillow", waiting)
    threads = {name: threading.Thread(target=decode, args=(b"x", 8), name=name) for name in "AB"}
    with warnings.catch_warnings():
        for name in "AB":
            threads[name].start()
            assert inside[name].wait(10)
        for name in "AB":
            leave[name].set()
            threads[name].join(10)
        after = list(warnings.filters)
    assert after == before


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.full((9, 9), -0.5, np.float32), "pixels from -0.5"),
        (np.full((9, 9), 70_000, np.int32), "pixels from 70000 to 70000"),
        (np.full((9, 9), -1, np.int32), "pixels from -1"),
    ],
)
def test_pixels_without_a_known_range_are_refused(pixels: np.ndarray, reason: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF")
    with pytest.raises(ValueError, match=reason):
        decode(buffer.getvalue(), 8)


@pytest.mark.parametrize("size", [(1024, 768), (700, 500), (333, 600)])
@pytest.mark.parametrize("size_px", [32, 64, 224])
def test_reduced_decoding_is_near_full_decoding_by_pillow(
    size: tuple[int, int], size_px: int
) -> None:
    """The bound in docs/reference/formats.md: 12 of 255 on average over the image, for textures far
    rougher than photographs."""
    rough = Image.effect_noise(size, 60).convert("RGB")
    image = Image.blend(_waves(*size), rough, 0.4)
    data = _encode(image, "JPEG", quality=90)
    reduced = decode(data, size_px)[0].astype(int)
    side = min(size)
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    with Image.open(io.BytesIO(data)) as full:
        expected = full.convert("RGB").resize(
            (size_px, size_px), Image.Resampling.BILINEAR, (left, top, left + side, top + side)
        )
    difference = np.abs(reduced - np.asarray(expected))
    assert difference.mean() < 12
    # no colour is shifted
    assert np.abs(reduced.mean(axis=(0, 1)) - np.asarray(expected).mean(axis=(0, 1))).max() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_squash_and_pad_keep_the_whole_image(kind: str) -> None:
    image = _halves(96, 48)
    squashed, _, _ = decode(
        _encode(image, kind, **({"quality": 95} if kind == "JPEG" else {})), 16, "squash"
    )
    assert _is_near(squashed[8, 1], RED)
    assert _is_near(squashed[8, 14], BLUE)
    assert _is_near(squashed[0, 1], RED)
    padded, _, _ = decode(
        _encode(image, kind, **({"quality": 95} if kind == "JPEG" else {})), 16, "pad"
    )
    assert (padded[:4] == 0).all()
    assert (padded[12:] == 0).all()
    assert _is_near(padded[8, 1], RED)
    assert _is_near(padded[8, 14], BLUE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_that_of_pillow(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encode(_waves(64, 64), "JPEG", exif=exif, quality=95)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(
            ImageOps.exif_transpose(image).resize((16, 16), Image.Resampling.BILINEAR)
        ).astype(int)
    assert np.abs(decode(data, 16)[0].astype(int) - expected).mean() < 4


def test_a_huge_jpeg_is_read_at_reduced_scale() -> None:
    data = _encode(Image.new("RGB", (12_000, 12_000), RED), "JPEG", quality=50)
    pixels, width, height = decode(data, 16)
    assert (width, height) == (12_000, 12_000)
    assert _is_near(pixels[8, 8], RED)


def test_a_very_wide_image_is_cropped_to_its_centre() -> None:
    pixels, width, height = decode(_encode(_halves(4000, 2), "PNG"), 16)
    assert (width, height) == (4000, 2)
    assert {tuple(p) for p in pixels.reshape(-1, 3)} >= {RED, BLUE}


def test_an_unreadable_heic_file_names_the_extra_to_install() -> None:
    with pytest.raises(ValueError, match=r"pip install 'seedbed\[heic\]'"):
        decode(b"\x00\x00\x00\x18ftypheic" + b"\x00" * 64, 16)


def test_an_avif_image_is_read_where_pillow_can() -> None:
    from PIL import features

    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    pixels, _, _ = decode(_encode(_halves(64, 64), "AVIF", quality=95), 16)
    assert _is_near(pixels[8, 2], RED, 20)
    assert _is_near(pixels[8, 13], BLUE, 20)


@pytest.mark.parametrize("fit", ["crop_bicubic", "squash_bicubic", "pad_bicubic"])
def test_bicubic_rules_resize_as_pillow_does(fit: Any) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    pixels, *_ = decode(_encode(image, "PNG"), 24, fit)
    cubic = Image.Resampling.BICUBIC
    expected = {
        "crop_bicubic": image.resize((24, 24), cubic, box=(15, 0, 105, 90)),
        "squash_bicubic": image.resize((24, 24), cubic),
        "pad_bicubic": image.resize((24, 18), cubic),
    }[fit]
    shown = pixels[3:21] if fit == "pad_bicubic" else pixels
    assert (shown == np.asarray(expected)).all()
    other, *_ = decode(_encode(image, "PNG"), 24, fit.removesuffix("_bicubic"))
    assert (other != pixels).any()


def test_a_bicubic_rule_decodes_jpeg_at_twice_the_size_or_more() -> None:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = _encode(coarse.resize((512, 512)), "JPEG", quality=95)
    full = np.asarray(Image.open(io.BytesIO(data)).resize((64, 64), Image.Resampling.BICUBIC), int)
    errors = {
        fit: np.abs(decode(data, 64, fit)[0].astype(int) - full).mean()
        for fit in ("crop", "crop_bicubic")
    }
    assert errors["crop_bicubic"] < 0.5 * errors["crop"]
