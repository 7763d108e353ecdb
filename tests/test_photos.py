"""The tutorial from a folder of photos to an exported model: every command of it, as printed, and
its Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedbed.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "tutorials" / "photos-to-model.md").read_text()

SHORTER = {
    "--minutes 1 ": "--minutes 0.05 ",
    "minutes=0.2": "minutes=0.05",
    "images_seen=2000": "images_seen=64",
}


def _photo(kind: int, seed: int) -> Image.Image:
    """Stripes across, stripes down, or blobs, in colours of their own, with noise."""
    generator = np.random.default_rng([kind, seed])
    y, x = np.mgrid[0:90, 0:120] / generator.uniform(6, 14)
    pattern = np.sin((x, y, np.hypot(x - 4, y - 4))[kind] * 2 + generator.uniform(0, 6))
    pixels = (
        128
        + 70 * pattern[..., None] * generator.uniform(0.3, 1, 3)
        + generator.normal(0, 20, (90, 120, 3))
    )
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind, name in enumerate(("across", "down", "rings")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(14):
            _photo(kind, i).save(tmp_path / "photos" / name / f"{i}.jpg")
    (tmp_path / "new-photos").mkdir()
    for kind in range(3):
        _photo(kind, 100).save(tmp_path / "new-photos" / f"{kind}.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seedbed.models.local_weights.PACKAGED", {})
    monkeypatch.delenv("SEEDBED_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture(params=["short", pytest.param("printed", marks=pytest.mark.slow)])
def page(request: pytest.FixtureRequest) -> str:
    """The page as printed, or with less time to advise in and shorter trainings."""
    text = PAGE
    if request.param == "short":
        for printed, short in SHORTER.items():
            assert printed in text, printed
            text = text.replace(printed, short)
    return text


def test_every_command_of_the_tutorial_runs(
    page: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = re.findall(r"^\$ (seedbed .*)$", page, re.MULTILINE)
    assert len(commands) == 8
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command
        assert capsys.readouterr().out, command
    for path in (
        "advice/report.html",
        "advice/model/card.json",
        "model/head.safetensors",
        "model.onnx",
        "model.onnx.json",
        "tuned.pt2",
    ):
        assert (photos / path).is_file()


@pytest.mark.slow
def test_its_python_runs(page: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "docs/tutorials/photos-to-model.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "Use small with" in printed
    assert printed.count("new-photos") == 3
    assert (photos / "python.onnx").is_file()
