"""Write the tables of docs/reference/networks.md: every named network at its own input size.

Command: python docs/make_networks.py (a few seconds). A test compares the file with what this
gives.
"""

from __future__ import annotations

from pathlib import Path

import torch

from seedbed.models.backbone import Backbone
from seedbed.models.codes import pooling
from seedbed.models.zoo import BACKBONES

# Call -> input side, px, where the network has none of its own.
NETWORKS = {
    "small": 32,
    "alexnet": None,
    "alexnet(stem='small')": 32,
    "efficientnet_lite0": None,
    "vgg16": None,
    "inception_v3": None,
    "resnet18": None,
    "resnet18(stem='small')": 32,
    "resnet50": None,
    "mobilenet_v2": None,
    "mobilenet_v3_small": None,
    "xception": None,
    "inception_resnet_v2": None,
}
# Networks of which the page has a row, and no table of layers.
MODERN = (
    "clip_base",
    "convnext_tiny",
    "dinov2_base",
    "dinov2_small",
    "dinov3_convnext_tiny",
    "dinov3_small",
    "efficientnet_b0",
    "efficientnet_v2_small",
    "eva02_small",
    "mobilenet_v4_medium",
    "mobilenet_v4_small",
    "siglip2_base",
)
MARK = "<!-- made by docs/make_networks.py -->\n"
FILE = Path(__file__).parent / "reference" / "networks.md"


def tables() -> str:
    """All tables, as Markdown."""
    sizes = NETWORKS | dict.fromkeys(MODERN)
    built = {call: _built(call, size) for call, size in sizes.items()}
    rows = [_summary(call, net) for call, net in built.items()]
    columns = (
        "network",
        "input",
        "packed at",
        "mean, std (0..255)",
        "parameters, with 1,000 classes",
        "codes",
        "licence of its weights",
    )
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    return head + "".join(rows) + "".join(_layers(call, built[call]) for call in NETWORKS)


def _built(call: str, size: int | None) -> Backbone:
    architecture = BACKBONES.make(call)
    size = size or architecture.native_size_px() or 32
    # On the meta device, a network has shapes but no values, and is built at once.
    with torch.device("meta"):
        return architecture.build([str(i) for i in range(1000)], size)


def _summary(call: str, net: Backbone) -> str:
    architecture, preprocessing = BACKBONES.make(call), net.preprocessing
    published = architecture.published() if "stem" not in call else None
    licence = published.licence if published else "none published"
    scales = [
        "/".join(f"{v:.4g}" for v in (values[:1] if preprocessing.is_grey else values))
        for values in (preprocessing.mean, preprocessing.std)
    ]
    cells = (
        f"`{call}`",
        f"{net.size_px} px",
        f"{preprocessing.store_px} px",
        f"{scales[0]}, {scales[1]}",
        f"{net.num_parameters / 1e6:.1f} M",
        f"{net.layer().dim} of `{net.penultimate}`",
        licence,
    )
    return f"| {' | '.join(cells)} |\n"


def _layers(call: str, net: Backbone) -> str:
    rows = "".join(
        f"| `{la.name}` | {' x '.join(map(str, la.shape))} | {la.stride or ''} "
        f"| {'yes' if la.after_relu else 'no'} | {la.dim}, {pooling(la)} |\n"
        for la in net.layers
    )
    head = "| layer | shape | stride | after ReLU | code |\n|---|---|---|---|---|\n"
    return f"\n### {call}\n\n{head}{rows}"


def main() -> None:
    """Replace what stands below the mark."""
    text = FILE.read_text(encoding="utf-8")
    FILE.write_text(text[: text.index(MARK) + len(MARK)] + "\n" + tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
