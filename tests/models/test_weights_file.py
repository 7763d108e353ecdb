"""Weights files as training scripts, hubs and failed downloads leave them."""

from __future__ import annotations

import argparse
import functools
import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny import digits_store, same_weights, weights_of

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.store import Store
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.codes import codes
from seedbed.models.resolve import backbone_fingerprint, open_backbone
from seedbed.models.zoo import BACKBONES

Tensors = dict[str, torch.Tensor]
RESNET = "timm('test_resnet')"


def _network(classes: int = 3, seed: int = 7) -> Tensors:
    names = [str(i) for i in range(classes)]
    state = BACKBONES.make(RESNET).build(names, 32, seed).module.state_dict()
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _headless(tensors: Tensors) -> Tensors:
    return {name: t for name, t in tensors.items() if not name.startswith("fc.")}


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}{name}": t for name, t in tensors.items()}


def _open(path: Path | str) -> Backbone:
    return open_backbone(f"timm('test_resnet', size_px=32, weights={str(path)!r})")


def _body(net: Backbone) -> Tensors:
    return _headless(weights_of(net.module))


NETWORK, OTHER = _network(), _network(seed=8)


@pytest.mark.parametrize(
    "prefix",
    ["model.", "net.", "module._orig_mod.", "_orig_mod.module.model.", "lightning.backbone."],
)
def test_prefixes_of_wrappers_are_removed(prefix: str, tmp_path: Path) -> None:
    torch.save({"state_dict": _under(prefix, NETWORK), "epoch": 3}, tmp_path / "a.ckpt")
    net = _open(tmp_path / "a.ckpt")
    assert same_weights(weights_of(net.module), NETWORK)
    assert net.classes == ("0", "1", "2")


@functools.cache
def few_images() -> Store:
    """Forty images of two classes, for networks that take long."""
    levels = np.arange(40) % 2
    noise = np.random.default_rng(0).integers(0, 100, (40, 32, 32, 3))
    images = (noise + 150 * levels[:, None, None, None]).astype(np.uint8)
    source = sb.Source.from_arrays(list(images), ["dark" if not v else "light" for v in levels])
    return sb.pack(source, Path(tempfile.mkdtemp()) / "few.store", size_px=32)


SELF_SUPERVISED: dict[str, Any] = {
    "headless": _headless(NETWORK),
    "MoCo v2": {
        "state_dict": {
            **_under("module.encoder_q.", _headless(NETWORK)),
            "module.encoder_q.fc.0.weight": torch.ones(96, 96),
            "module.encoder_q.fc.2.weight": torch.ones(128, 96),
            **_under("module.encoder_k.", _headless(OTHER)),
            "module.queue": torch.ones(128, 9),
        },
        "optimizer": {"state": {0: {"momentum": torch.ones(3)}}},
    },
    "DINO": {
        "student": _under("module.backbone.", _headless(OTHER)),
        "teacher": {
            **_under("backbone.", _headless(NETWORK)),
            "head.mlp.0.weight": torch.ones(4, 96),
        },
        "dino_loss": {"center": torch.zeros(1, 9)},
        "epoch": 100,
    },
    "detector": {
        "model": {**_under("backbone.", _headless(NETWORK)), "neck.conv.weight": torch.ones(2, 2)}
    },
    "projection": {**_headless(NETWORK), "projection_head.0.weight": torch.ones(8, 96)},
}


@pytest.mark.parametrize("kind", SELF_SUPERVISED)
def test_a_network_without_a_head_gives_codes(kind: str, tmp_path: Path) -> None:
    torch.save(SELF_SUPERVISED[kind], tmp_path / "a.pth")
    net = _open(tmp_path / "a.pth")
    assert same_weights(_body(net), _headless(NETWORK))
    assert net.classes == ()
    images = net.images(digits_store(32), np.arange(4))
    assert codes(net, images).shape == (4, 96)


def test_what_was_used_of_a_file_stands_in_the_card(tmp_path: Path) -> None:
    torch.save(SELF_SUPERVISED["DINO"], tmp_path / "a.pth")
    facts = _open(tmp_path / "a.pth").card["weights_file"]
    assert facts["entry"] == "teacher"
    assert facts["other_entries"] == ["student"]
    assert facts["prefix"] == "backbone."
    assert facts["left_out"] == "head.mlp.0.weight"


def test_another_entry_can_be_named(tmp_path: Path) -> None:
    torch.save(SELF_SUPERVISED["DINO"], tmp_path / "a.pth")
    student = f"{tmp_path / 'a.pth'}#student"
    net = _open(student)
    assert same_weights(_body(net), _headless(OTHER))
    assert net.card["weights"] == student
    call = "timm('test_resnet', size_px=32, weights={!r})"
    keys = {
        backbone_fingerprint(call.format(str(tmp_path / "a.pth"))),
        backbone_fingerprint(call.format(student)),
    }
    assert len(keys) == 2
    with pytest.raises(UsageError, match="unknown entry 'techer'") as caught:
        _open(f"{tmp_path / 'a.pth'}#techer")
    assert "teacher" in caught.value.hint


def test_an_ema_beside_the_weights_is_named_and_can_be_chosen(tmp_path: Path) -> None:
    torch.save({"state_dict": NETWORK, "state_dict_ema": OTHER, "epoch": 1}, tmp_path / "a.pth")
    net = _open(tmp_path / "a.pth")
    assert same_weights(weights_of(net.module), NETWORK)
    assert net.card["weights_file"]["other_entries"] == ["state_dict_ema"]
    net = _open(f"{tmp_path / 'a.pth'}#state_dict_ema")
    assert same_weights(weights_of(net.module), OTHER)


def test_several_networks_of_unknown_names_must_be_chosen_from(tmp_path: Path) -> None:
    torch.save({"left": NETWORK, "right": OTHER}, tmp_path / "a.pth")
    with pytest.raises(UsageError, match="holds several networks: left, right") as caught:
        _open(tmp_path / "a.pth")
    assert "a.pth#left" in caught.value.hint
    assert same_weights(weights_of(_open(f"{tmp_path / 'a.pth'}#right").module), OTHER)


def test_safetensors_are_read_whatever_the_suffix(tmp_path: Path) -> None:
    save_file(NETWORK, tmp_path / "pytorch_model.bin")
    assert same_weights(weights_of(_open(tmp_path / "pytorch_model.bin").module), NETWORK)


def _save(path: Path) -> bytes:
    torch.save(NETWORK, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "is empty"),
        ("lfs", "is a pointer of Git LFS"),
        ("html", "is a web page, not weights"),
        ("gzip", "is compressed"),
        ("half", r"it is incomplete, [\d,]+ bytes"),
        ("half safetensors", r"it is incomplete, [\d,]+ bytes"),
    ],
)
def test_what_is_no_weights_file_is_recognised(kind: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.safetensors" if "safetensors" in kind else "a.pth")
    whole = _save(tmp_path / "whole.pth")
    save_file(NETWORK, tmp_path / "whole.safetensors")
    path.write_bytes(
        {
            "empty": b"",
            "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
            "html": b"\n<!DOCTYPE html><html>Sign in</html>",
            "gzip": gzip.compress(whole),
            "half": whole[: len(whole) // 2],
            "half safetensors": (tmp_path / "whole.safetensors").read_bytes()[:100_000],
        }[kind]
    )
    with pytest.raises(BadDataError, match=message) as caught:
        _open(path)
    assert str(path) in caught.value.message


def test_other_objects_are_named_and_not_loaded(tmp_path: Path) -> None:
    torch.save({"state_dict": NETWORK, "args": argparse.Namespace(lr=1)}, tmp_path / "a.pth")
    with pytest.raises(BadDataError, match=r"other objects than tensors \(argparse\.Namespace\)"):
        _open(tmp_path / "a.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    tensors = {name: t.clone() for name, t in NETWORK.items()}
    tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = value
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(BadDataError, match=r"1 of the 9,216 values of layer1\.0\.conv1\.weight"):
        _open(tmp_path / "a.pth")


@pytest.fixture
def headless(tmp_path: Path) -> str:
    torch.save(_headless(NETWORK), tmp_path / "a.pth")
    return f"timm('test_resnet', size_px=32, weights={str(tmp_path / 'a.pth')!r})"


@pytest.mark.parametrize(
    "method", ["probe(c=[1.0])", "finetune(images_seen=32, learning_rates=[0.1], batch_size=16)"]
)
def test_methods_that_need_no_head_work(method: str, headless: str, tmp_path: Path) -> None:
    measured = sb.transfer(headless, few_images(), method, workspace=tmp_path)
    assert measured.metrics["top1"] > 0


def test_as_is_says_that_it_needs_a_head(headless: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="as_is\\(\\) needs a classifier, and .*a.pth has none"):
        sb.transfer(headless, digits_store(32), "as_is()", workspace=tmp_path)


def test_a_network_without_a_head_is_saved_and_compared(headless: str, tmp_path: Path) -> None:
    net = open_backbone(headless)
    (tmp_path / "net").mkdir()
    save_backbone(net, tmp_path / "net")
    again = load_backbone(tmp_path / "net")
    assert again.classes == ()
    assert same_weights(_body(again), _headless(NETWORK))
    [found] = sb.similar(again, few_images(), [np.zeros((8, 8), np.uint8)], num=1)
    assert found.ids
    advice = sb.advise(
        digits_store(32), [headless], minutes=0.001, train_per_class=5, workspace=tmp_path
    )
    assert set(advice.scenario.scores[headless]) == {"logme", "h_score", "knn"}


def test_dinov2_as_its_authors_publish_it(tmp_path: Path) -> None:
    import timm

    module = timm.create_model("vit_small_patch14_dinov2", img_size=28, num_classes=0)
    tensors = dict(module.state_dict())
    tensors["mask_token"] = torch.zeros(1, 384)
    torch.save(tensors, tmp_path / "dinov2_vits14_pretrain.pth")
    path = str(tmp_path / "dinov2_vits14_pretrain.pth")
    net = open_backbone(f"timm('vit_small_patch14_dinov2', size_px=28, weights={path!r})")
    assert net.classes == ()
    assert same_weights(
        {n: t for n, t in weights_of(net.module).items() if not n.startswith("head.")},
        dict(module.state_dict()),
    )
    assert net.layer("cls+patch_mean").dim == 768


def _numbered(num: int, tmp_path: Path) -> tuple[str, Path]:
    """A network of `num` unnamed outputs, and a data set whose classes are these numbers."""
    torch.save(_network(num), tmp_path / "a.pth")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2 * num, 16, 16, 3), dtype=np.uint8)
    source = sb.Source.from_arrays(
        images, [i % num for i in range(2 * num)], splits=["test"] * 2 * num
    )
    store = sb.pack(source, tmp_path / "numbers.store", size_px=32)
    return f"timm('test_resnet', size_px=32, weights={str(tmp_path / 'a.pth')!r})", store.path


def test_numbers_in_doubtful_order_are_refused(tmp_path: Path) -> None:
    network, store = _numbered(12, tmp_path)
    with pytest.raises(UsageError, match="12 outputs of the network have no names") as caught:
        sb.transfer(network, store, "as_is()", workspace=tmp_path)
    assert "as_is(order='numeric')" in caught.value.hint
    top1 = {}
    for order in ("numeric", "alphabetical"):
        measured = sb.transfer(network, store, f"as_is(order={order!r})", workspace=tmp_path)
        assert measured.facts["outputs_matched"] == (
            f"12 classes by the numbers of the outputs, in {order} order"
        )
        top1[order] = measured
    assert top1["numeric"].key != top1["alphabetical"].key


def test_ten_numbers_have_one_order(tmp_path: Path) -> None:
    network, store = _numbered(10, tmp_path)
    measured = sb.transfer(network, store, "as_is()", workspace=tmp_path)
    assert measured.facts["outputs_matched"].endswith("in numeric order")
