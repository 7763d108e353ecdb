"""open_clip(): the image towers of CLIP-like networks, with their text towers for zero_shot().

In: the name of a network of the package open_clip. Out: its image tower as a network whose
penultimate layer is the embedding that is compared with texts; and its text tower.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from seedbed.base.call import Call
from seedbed.base.errors import BadDataError, UsageError, unknown
from seedbed.base.randomness import stream
from seedbed.data.preprocessing import Channels, Preprocessing
from seedbed.models.layers import CONTAINER
from seedbed.models.text_embeddings import TextTower
from seedbed.models.zoo import Architecture

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone
    from seedbed.models.weights import Published
    from seedbed.models.weights_file import WeightsFile

_NUM_CLASSES = 1000  # of the head that is replaced
_VISUAL, _TOWER = "visual.", "tower."
_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
# The constants of OpenAI's CLIP, for networks without published weights.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_LICENCE = "as on the page of the weights"


class ImageTower(nn.Module):
    """An image tower and a linear head on its embedding."""

    def __init__(self, tower: nn.Module, dim: int) -> None:
        super().__init__()
        self.tower, self.embedding = tower, nn.Identity()
        self.head = nn.Linear(dim, _NUM_CLASSES)
        for path in ("", "transformer", "trunk"):
            if hasattr(tower, path) or not path:
                setattr(tower.get_submodule(path), CONTAINER, True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(self.tower(images)))


@dataclass(frozen=True)
class OpenClip(Architecture):
    """The image tower of a CLIP-like network of open_clip, such as open_clip('ViT-B-32'); its text
    tower serves zero_shot(). `tag` selects the published weights."""

    name: str
    weights: str | None = None
    tag: str = ""
    size_px: int | None = None

    def __post_init__(self) -> None:
        library = _library()
        if self.name not in library.list_models():
            raise unknown("open_clip network", self.name, library.list_models(), "open_clip(...)")
        tags = library.list_pretrained_tags_by_model(self.name)
        if self.tag and self.tag not in tags:
            raise unknown("tag", self.tag, tags, f"open_clip({self.name!r})")

    def build(self, classes: Sequence[str], size_px: int, seed: int = 0) -> Backbone:
        from seedbed.models.backbone import build_library_network

        if size_px != self.native_size_px():
            raise UsageError(
                f"open_clip({self.name!r}) takes images of {self.native_size_px()} px, not "
                f"{size_px} px",
                "Leave size_px out, and name a folder of images or a store of that size.",
            )
        return build_library_network(
            lambda: ImageTower(_create(self.name).visual, self._dim()),
            str(Call(name="open_clip", args=(self.name,))),
            classes,
            self._preprocessing(),
            seed,
        )

    def native_size_px(self) -> int:
        size: Any = self._config()["vision_cfg"].get("image_size", 224)
        return int(size if isinstance(size, int) else size[0])

    def published(self) -> Published | None:
        from seedbed.models.weights import Published

        config = self._pretrained()
        if not config:
            return None
        return Published(
            name=f"open_clip({self.name!r})",
            url=config.get("url") or None,
            hub=(config.get("hf_hub") or "").rstrip("/") or None,
            hub_files=_HUB_FILES,
            licence=_LICENCE,
            is_embedding=True,
        )

    def convert_weights(
        self, tensors: dict[str, torch.Tensor], module: nn.Module
    ) -> dict[str, torch.Tensor]:
        """Those of the image tower; the others are of the text tower."""
        visual = {
            _TOWER + name.removeprefix(_VISUAL): tensor
            for name, tensor in tensors.items()
            if name.startswith(_VISUAL)
        }
        return visual or tensors

    def text_tower(self, file: WeightsFile | None, seed: int = 0) -> TextTower:
        """The text tower with the weights of the same file; random weights for None.

        Raises BadDataError for a file without a text tower, or a tokenizer that is not installed.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream(seed, "init/text"))
            model = _create(self.name)
        if file is not None:
            tensors = file.read().tensors
            _load_text(model, tensors, str(file))
        try:
            tokenizer = _library().get_tokenizer(self.name)
        except Exception as error:  # tokenizers of the hub are fetched when they are missing
            raise BadDataError(
                f"the tokenizer of open_clip({self.name!r}) is not on this machine: {error}",
                "Fetch it once where there is a connection: "
                f"python -c \"import open_clip; open_clip.get_tokenizer('{self.name}')\".",
            ) from None
        return TextTower(model=model.eval(), tokenizer=tokenizer)

    def _dim(self) -> int:
        return int(self._config()["embed_dim"])

    def _config(self) -> dict[str, Any]:
        return _library().get_model_config(self.name)

    def _pretrained(self) -> dict[str, Any]:
        library = _library()
        tags = library.list_pretrained_tags_by_model(self.name)
        tag = self.tag or (tags[0] if tags else "")
        return library.get_pretrained_cfg(self.name, tag) if tag else {}

    def _preprocessing(self) -> Preprocessing:
        config = self._pretrained()
        form = Preprocessing.from_unit_range(
            self.native_size_px(),
            1.0,
            _channels(config.get("mean") or _MEAN),
            _channels(config.get("std") or _STD),
        )
        is_bilinear = config.get("interpolation") == "bilinear"
        return replace(form, interpolation="bilinear" if is_bilinear else "bicubic")


def _channels(values: Sequence[float]) -> Channels:
    red, green, blue = values
    return (red, green, blue)


def _library() -> Any:
    try:
        import open_clip
    except ImportError:
        raise UsageError(
            "open_clip(...) needs the package open_clip_torch",
            "Install it: pip install 'seedbed[clip]'.",
        ) from None
    return open_clip


def _create(name: str) -> Any:
    """Both towers with random weights, float32 on the CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _library().create_model(name, pretrained=None, precision="fp32", device="cpu")


def _load_text(model: nn.Module, tensors: dict[str, torch.Tensor], where: str) -> None:
    """Load all tensors but those of the image tower."""
    expected = {name for name in model.state_dict() if not name.startswith(_VISUAL)}
    needed = {name for name in expected if name != "attn_mask"}
    if missing := sorted(needed - tensors.keys()):
        raise BadDataError(
            f"the weights in {where} have no text tower: {missing[0]} is missing",
            "Name a file with both towers, as open_clip saves them.",
        )
    chosen = {name: tensors[name] for name in expected if name in tensors}
    model.load_state_dict(chosen, strict=False)
