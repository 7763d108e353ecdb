"""Networks on this machine: the one that comes with seedbed, folders of the user, caches."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import trained

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.engine.opening import open_store
from seedbed.models.checkpoint import read_card, save_backbone, weights_fingerprint
from seedbed.models.local_weights import local_networks
from seedbed.models.resolve import SHIPPED, backbone_fingerprint, backbone_folder, open_backbone


@pytest.fixture(autouse=True)
def no_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the weights on this machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("seedbed.models.local_weights.PACKAGED", {})
    monkeypatch.delenv("SEEDBED_WEIGHTS", raising=False)


def test_the_network_that_comes_with_seedbed_opens_by_its_name() -> None:
    net = open_backbone("small")
    assert net.architecture == "small(width=32)"
    assert net.size_px == 64
    assert len(net.classes) == 200
    assert not net.module.training
    assert open_backbone("small()").num_parameters == net.num_parameters
    assert backbone_fingerprint("small") == backbone_fingerprint(SHIPPED["small"])
    assert backbone_folder("small") == SHIPPED["small"]


def test_its_card_states_terms_and_accuracy_and_its_files_are_small() -> None:
    card = read_card(SHIPPED["small"])
    assert "image-net.org" in str(card["terms_of_use"])
    assert card["source_metrics"]["top1"] == pytest.approx(42.91)  # pyright: ignore
    assert sum(p.stat().st_size for p in SHIPPED["small"].iterdir()) < 4_000_000
    assert len(weights_fingerprint(SHIPPED["small"])) == 20


def test_it_has_the_accuracy_of_its_card(real_data: Path, tmp_path: Path) -> None:
    """On every twentieth of the validation images of the source that it was scored on."""
    from seedbed.models.codes import logits

    part = _part_of_tiny_imagenet(real_data / "tiny-imagenet-200", tmp_path / "part", every=20)
    store = open_store(part, 64, Workspace(tmp_path))
    rows = np.flatnonzero(store.splits == 2)
    assert len(rows) == 500

    net = open_backbone("small")
    is_correct = logits(net, net.images(store, rows)).argmax(1).numpy() == store.leaves[rows]
    assert 36 < 100 * is_correct.mean() < 50


def _part_of_tiny_imagenet(whole: Path, part: Path, every: int) -> Path:
    """The data set with two training images of each class and some of the validation images."""
    (part / "val").mkdir(parents=True)
    shutil.copy(whole / "words.txt", part)
    for of_class in sorted((whole / "train").iterdir()):
        images = part / of_class.relative_to(whole) / "images"
        images.mkdir(parents=True)
        for image in sorted((of_class / "images").iterdir())[:2]:
            shutil.copy(image, images)
    lines = sorted((whole / "val/val_annotations.txt").read_text().splitlines())[::every]
    (part / "val/val_annotations.txt").write_text("\n".join(lines))
    (part / "val/images").mkdir()
    for line in lines:
        shutil.copy(whole / "val/images" / line.split("\t")[0], part / "val/images")
    return part


def test_other_settings_have_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="has no published weights"):
        open_backbone("small(width=16)", images_px=32)
    monkeypatch.chdir(tmp_path)
    save_backbone(trained().backbone, _new_folder(tmp_path / "small"))
    # A folder of this name has priority.
    assert open_backbone("small").architecture == "small(width=4)"


def _new_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_folders_and_caches_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_networks() == ["small"]
    folder = _new_folder(tmp_path / "weights")
    monkeypatch.setenv("SEEDBED_WEIGHTS", str(folder))
    save_backbone(trained().backbone, _new_folder(folder / "mine"))
    assert local_networks() == ["small", str(folder / "mine")]
    (folder / "notes.txt").write_text("nothing")
    torch.save({}, folder / "mobilenet_v2-7ebf99e0.pth")
    torch.save({}, folder / "squeezenet1_1-b8a52dc0.pth")
    (tmp_path / "hub" / "models--timm--resnet10t.c3_in1k").mkdir(parents=True)
    networks = local_networks()
    assert networks[:2] == ["small", str(folder / "mine")]
    assert "mobilenet_v2" in networks
    assert "torchvision('squeezenet1_1')" in networks
    assert "timm('resnet10t.c3_in1k')" in networks
