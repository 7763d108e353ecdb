"""The decoder beside an exported model gives the pixels that `predict` sees, bit for bit."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seedbed.data.decode import FITS
from seedbed.models.checkpoint import save_backbone
from seedbed.models.zoo import BACKBONES
from seedbed.readout.export import _loader_text, export_model
from seedbed.readout.model import Model, load_model
from seedbed.readout.prediction import decode_files, decoded_images

EXIF_TURNED = 6


def _noise(width: int, height: int) -> Image.Image:
    """An image with detail at every scale, in which each kernel and each offset shows."""
    rng = np.random.default_rng(width * height)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int64)
    return Image.fromarray(
        np.clip(smooth + rng.integers(-40, 40, smooth.shape), 0, 255).astype(np.uint8)
    )


def _photos(folder: Path) -> list[Path]:
    folder.mkdir()
    large, small = _noise(611, 407), _noise(45, 30)
    exif = Image.Exif()
    exif[0x0112] = EXIF_TURNED
    large.save(folder / "large.jpg", quality=90)
    small.save(folder / "small.jpg")
    large.save(folder / "turned.jpg", exif=exif)
    large.convert("CMYK").save(folder / "cmyk.jpg")
    large.convert("L").save(folder / "grey.jpg")
    alpha = large.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
    alpha.save(folder / "alpha.png")
    large.convert("P").save(folder / "palette.png")
    deep = np.asarray(large.convert("L"), np.uint16) * 16  # 12 bits in 16
    Image.fromarray(deep).save(folder / "deep.png")
    large.save(folder / "photo.webp")
    return sorted(folder.iterdir())


def _model(size_px: int, crop: float, fit: str, white: float | None, folder: Path) -> Model:
    backbone = BACKBONES.make("small(width=2)").build(("a", "b"), size_px)
    backbone.preprocessing = replace(backbone.preprocessing, crop=crop)
    save_backbone(backbone, folder)
    model = load_model(folder)
    model.card = {"fit": fit, **({} if white is None else {"white": white})}
    return model


@pytest.mark.parametrize(
    ("size_px", "crop", "fit", "white"),
    [(64, 1.0, "crop", None), (224, 0.875, "crop_bicubic", 4095.0), (256, 1.0, "pad", 4095.0)]
    + [(64, 0.9, fit, 4095.0) for fit in FITS],
)
def test_the_decoder_beside_an_export_is_that_of_predict(
    size_px: int, crop: float, fit: Any, white: float | None, tmp_path: Path
) -> None:
    (tmp_path / "net").mkdir()
    model = _model(size_px, crop, fit, white, tmp_path / "net")
    (tmp_path / "load_image.py").write_text(_loader_text(model))
    paths = _photos(tmp_path / "photos")

    [part] = decode_files(paths, model.backbone, fit, white)
    assert not part.errors
    images = decoded_images(part, model.backbone)
    seen = np.concatenate([batch.numpy() for batch in images.plain(len(paths))])

    load_image = runpy.run_path(str(tmp_path / "load_image.py"))["load_image"]
    form = model.backbone.preprocessing
    for path, expected in zip(paths, seen, strict=True):
        pixels = load_image(str(path))
        assert (pixels.shape, pixels.dtype) == ((3, size_px, size_px), np.float32)
        normalised = (pixels - np.reshape(form.mean, (3, 1, 1))) / np.reshape(form.std, (3, 1, 1))
        assert np.abs(normalised - expected).max() < 1e-5, path.name


def test_the_decoder_beside_an_export_needs_nothing_of_seedbed(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    model = _model(64, 1.0, "crop", None, tmp_path / "net")
    export_model(model, tmp_path / "model.pt2", "torch-export")
    lines = (tmp_path / "model_load_image.py").read_text().splitlines()
    imports = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
    assert not any(name.startswith("seedbed") for name in imports)
    with pytest.raises(ValueError, match="not an image"):
        load_image = runpy.run_path(str(tmp_path / "model_load_image.py"))["load_image"]
        (tmp_path / "text.jpg").write_text("no image")
        load_image(str(tmp_path / "text.jpg"))
