"""Weights of published and own checkpoints, and modules of users."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny import random_pixels, same_weights, weights_of
from torch import nn

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.images import Resident
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.codes import codes
from seedbed.models.resolve import open_backbone
from seedbed.models.zoo import BACKBONES

NET = "mobilenet_v3_small"


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hide all weights except those that a test writes."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("SEEDBED_WEIGHTS", raising=False)
    monkeypatch.setattr("seedbed.models.weights._in_hub_cache", lambda _repository: None)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Weights as torchvision publishes them, for 1,000 classes."""
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(3)
    return mobilenet_v3_small(weights=None).state_dict()


def test_published_weights_are_found_in_torchs_cache(empty_caches: Path, published) -> None:
    empty_caches.mkdir(parents=True)
    torch.save(published, empty_caches / "mobilenet_v3_small-047dcff4.pth")
    net = open_backbone(NET)
    assert same_weights(weights_of(net.module), published)
    assert len(net.classes) == 1000
    assert net.classes[0] == "n01440764"
    assert (net.size_px, net.preprocessing.store_px) == (224, 256)
    assert "ImageNet" in net.card["licence"]
    assert not net.module.training


def test_missing_weights_say_which_file_to_put_where() -> None:
    with pytest.raises(
        BadDataError, match="no weights of mobilenet_v3_small on this machine"
    ) as caught:
        open_backbone(NET)
    for words in (
        "mobilenet_v3_small-047dcff4.pth",
        "https://download.pytorch.org/",
        "SEEDBED_WEIGHTS",
        "weights='FILE'",
    ):
        assert words in caught.value.hint


def test_a_failed_download_says_the_same() -> None:
    with pytest.raises(BadDataError, match="cannot download the weights of torchvision") as caught:
        open_backbone(f"{NET}(weights='download')")
    assert "mobilenet_v3_small-047dcff4.pth" in caught.value.hint


def test_seedbed_weights_is_searched_first(
    tmp_path: Path, published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_WEIGHTS", str(tmp_path))
    save_file(published, tmp_path / "mobilenet_v3_small-047dcff4.safetensors")
    assert same_weights(weights_of(open_backbone(NET).module), published)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_a_file_of_a_user_with_another_number_of_classes(
    tmp_path: Path, wrapper: str | None, prefix: str
) -> None:
    state = (
        BACKBONES.make("resnet18(stem='small')")
        .build(["cat", "dog", "owl"], 32, 7)
        .module.state_dict()
    )
    named = {f"{prefix}{name}": t for name, t in state.items()}
    torch.save({wrapper: named, "epoch": 3} if wrapper else named, tmp_path / "mine.pth")
    net = open_backbone(
        f"resnet18(stem='small', size_px=32, weights={str(tmp_path / 'mine.pth')!r})"
    )
    assert same_weights(weights_of(net.module), state)
    assert net.classes == ("0", "1", "2")
    assert net.size_px == 32


def test_weights_of_another_network_name_the_misfits(tmp_path: Path, published) -> None:
    torch.save(published, tmp_path / "mine.pth")
    with pytest.raises(BadDataError, match=r"are not of resnet18\(\); missing: "):
        open_backbone(f"resnet18(weights={str(tmp_path / 'mine.pth')!r})")
    incomplete = {k: v for k, v in published.items() if "features.1." not in k}
    torch.save(incomplete, tmp_path / "incomplete.pth")
    with pytest.raises(BadDataError, match=r"missing: features\.1\.block"):
        open_backbone(f"{NET}(weights={str(tmp_path / 'incomplete.pth')!r})")


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"fc.weight": Evil()}))
    torch.save({"fc.weight": Evil()}, tmp_path / "evil2.pth")
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(BadDataError, match="would execute|cannot be read"):
            open_backbone(f"resnet18(weights={str(tmp_path / name)!r})")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("data", [b"", b"not weights"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_named(tmp_path: Path, data: bytes, suffix: str) -> None:
    (tmp_path / f"bad{suffix}").write_bytes(data)
    with pytest.raises(BadDataError, match=r"bad\."):
        open_backbone(f"resnet18(weights={str(tmp_path / f'bad{suffix}')!r})")


def test_a_file_without_a_card_asks_for_its_network(tmp_path: Path, published) -> None:
    torch.save(published, tmp_path / "x.pth")
    with pytest.raises(UsageError, match="weights file without a card"):
        open_backbone(tmp_path / "x.pth")
    with pytest.raises(UsageError, match="there is no weights file 'nowhere.pth'"):
        open_backbone("resnet18(weights='nowhere.pth')")


def test_weights_can_be_random() -> None:
    net = open_backbone("mobilenet_v3_small(weights='random', size_px=64)")
    assert net.card["weights"] == "random, seed 0"
    assert net.size_px == 64
    assert net.preprocessing.crop == 1.0


class Mine(nn.Module):
    """A module as a user writes it: a functional ReLU, a residual, batch norm, dropout."""

    def __init__(self, num_classes: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(8, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(x + self.block(x))
        return self.out(self.drop(x.mean((2, 3))))


@pytest.fixture
def wrapped() -> Backbone:
    torch.manual_seed(0)
    return Backbone.wrap(
        Mine(), size_px=16, classes=["a", "b", "c", "d"], mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4]
    )


def test_a_module_of_a_user_is_a_backbone(wrapped: Backbone) -> None:
    table = {layer.name: layer for layer in wrapped.layers}
    assert wrapped.heads == ("out",)
    assert table["stem"].after_relu  # through its batch norm
    assert table["stem"].tap == "norm"
    assert not table["block"].after_relu  # it enters a sum
    assert wrapped.penultimate == "penultimate" or table[wrapped.penultimate].dim == 8
    images = Resident(random_pixels(5, 16), np.arange(5), None, "cpu", wrapped.preprocessing)
    x = next(images.plain(5))
    assert x[2, 1, 3, 4].item() == pytest.approx(
        (random_pixels(5, 16)[2, 3, 4, 1] / 255 - 0.5) / 0.3, rel=1e-4
    )
    module = wrapped.module.eval()
    with torch.no_grad():
        stem = torch.relu(module.norm(module.stem(x)))
        last = torch.relu(stem + module.block(stem)).mean((2, 3))
    assert torch.allclose(codes(wrapped, images, "stem"), stem.mean((2, 3)), atol=1e-5)
    assert torch.allclose(codes(wrapped, images), last, atol=1e-5)


def test_a_module_of_a_user_is_saved_and_loaded_with_its_class(
    wrapped: Backbone, tmp_path: Path
) -> None:
    save_backbone(wrapped, tmp_path)
    with pytest.raises(BadDataError, match=r"a module of your own \(Mine\)"):
        load_backbone(tmp_path)
    again = load_backbone(tmp_path, module=Mine(7))
    images = Resident(random_pixels(5, 16), np.arange(5), None, "cpu", wrapped.preprocessing)
    assert torch.equal(codes(again, images), codes(wrapped, images))
    assert again.classes == ("a", "b", "c", "d")
    assert again.preprocessing == wrapped.preprocessing


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "expected is a tensor"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2)),
            "does not accept images of 16 px",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(768, 2), nn.Softmax(1)),
            "do not come from a last Linear",
        ),
    ],
    ids=["a map", "another size", "no head"],
)
def test_an_unsuitable_module_is_rejected(module: nn.Module, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Backbone.wrap(module, size_px=16)


def test_the_number_of_names_is_the_number_of_scores() -> None:
    with pytest.raises(UsageError, match="3 classes are named, but the module returns 4"):
        Backbone.wrap(Mine(), size_px=16, classes=["a", "b", "c"])


def test_any_submodule_is_a_layer_by_its_path() -> None:
    net = BACKBONES.make("resnet18(stem='small')").build(["a", "b"], 32)
    inner = net.layer("layer1.0.conv1")
    # after its own batch norm and ReLU
    assert (inner.shape, inner.after_relu) == ((64, 32, 32), True)
    second = net.layer("layer1.0.conv2")
    assert not second.after_relu  # it enters the sum with the shortcut
    with pytest.raises(UsageError, match="unknown layer 'layer1.0.conv3'"):
        net.layer("layer1.0.conv3")
    vgg = Backbone.wrap(
        nn.Sequential(conv := nn.Conv2d(3, 3, 3, padding=1), conv, nn.Flatten(), nn.Linear(768, 2)),
        size_px=16,
    )
    with pytest.raises(UsageError, match="called 2 times"):
        vgg.layer("0")
