"""Networks that are used for their features today, by short names: each stands for one network of
timm with its weights. `size_px` chooses another input size, where the network allows it.

`seedbed list backbones` and the page on networks give licences and sizes. Weights are never fetched
unless you write weights='download'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seedbed.models.zoo.bridges import TIMM, Bridge
from seedbed.models.zoo.classic import Classic


@dataclass(frozen=True)
class _Modern(Classic):
    """A network of timm by a short name."""

    bridge: ClassVar[Bridge] = TIMM


@dataclass(frozen=True)
class DINOv2Small(_Modern):
    """DINOv2 ViT-S/14 (Oquab et al. 2023), self-supervised on 142 million images, without a head;
    384-d codes, twice that with layer 'cls+patch_mean'."""

    plain_name: ClassVar[str] = "dinov2_small"
    library_name: ClassVar[str] = "vit_small_patch14_dinov2.lvd142m"


@dataclass(frozen=True)
class DINOv2Base(_Modern):
    """DINOv2 ViT-B/14 (Oquab et al. 2023), self-supervised on 142 million images, without a head;
    768-d codes."""

    plain_name: ClassVar[str] = "dinov2_base"
    library_name: ClassVar[str] = "vit_base_patch14_dinov2.lvd142m"


@dataclass(frozen=True)
class DINOv3Small(_Modern):
    """DINOv3 ViT-S/16 (Simeoni et al. 2025), self-supervised on 1.7 billion images, without a head;
    384-d codes."""

    plain_name: ClassVar[str] = "dinov3_small"
    library_name: ClassVar[str] = "vit_small_patch16_dinov3.lvd1689m"


@dataclass(frozen=True)
class DINOv3ConvNeXtTiny(_Modern):
    """DINOv3 ConvNeXt-T (Simeoni et al. 2025), distilled from a larger network, without a head;
    768-d codes."""

    plain_name: ClassVar[str] = "dinov3_convnext_tiny"
    library_name: ClassVar[str] = "convnext_tiny.dinov3_lvd1689m"


@dataclass(frozen=True)
class SigLIP2Base(_Modern):
    """SigLIP 2 ViT-B/16 (Tschannen et al. 2025), the image tower, trained on images and texts,
    without a head; 768-d codes."""

    plain_name: ClassVar[str] = "siglip2_base"
    library_name: ClassVar[str] = "vit_base_patch16_siglip_224.v2_webli"


@dataclass(frozen=True)
class CLIPBase(_Modern):
    """CLIP ViT-B/16 (Radford et al. 2021), the image tower, trained on images and texts; 768-d
    codes before its projection."""

    plain_name: ClassVar[str] = "clip_base"
    library_name: ClassVar[str] = "vit_base_patch16_clip_224.openai"


@dataclass(frozen=True)
class ConvNeXtTiny(_Modern):
    """ConvNeXt-T (Liu et al. 2022), ImageNet-12k, then ImageNet-1k; 768-d codes."""

    plain_name: ClassVar[str] = "convnext_tiny"
    library_name: ClassVar[str] = "convnext_tiny.in12k_ft_in1k"


@dataclass(frozen=True)
class EVA02Small(_Modern):
    """EVA-02 ViT-S/14 (Fang et al. 2023), ImageNet-22k, then ImageNet-1k, 336 px; 384-d codes."""

    plain_name: ClassVar[str] = "eva02_small"
    library_name: ClassVar[str] = "eva02_small_patch14_336.mim_in22k_ft_in1k"


@dataclass(frozen=True)
class MobileNetV4Small(_Modern):
    """MobileNetV4-S (Qin et al. 2024), ImageNet-1k, fast on a CPU; 1280-d codes."""

    plain_name: ClassVar[str] = "mobilenet_v4_small"
    library_name: ClassVar[str] = "mobilenetv4_conv_small.e2400_r224_in1k"


@dataclass(frozen=True)
class MobileNetV4Medium(_Modern):
    """MobileNetV4-M (Qin et al. 2024), ImageNet-1k; 1280-d codes."""

    plain_name: ClassVar[str] = "mobilenet_v4_medium"
    library_name: ClassVar[str] = "mobilenetv4_conv_medium.e500_r224_in1k"


@dataclass(frozen=True)
class EfficientNetB0(_Modern):
    """EfficientNet-B0 (Tan and Le 2019), ImageNet-1k; 1280-d codes."""

    plain_name: ClassVar[str] = "efficientnet_b0"
    library_name: ClassVar[str] = "efficientnet_b0.ra_in1k"


@dataclass(frozen=True)
class EfficientNetV2Small(_Modern):
    """EfficientNetV2-S (Tan and Le 2021), ImageNet-21k, then ImageNet-1k, 300 px; 1280-d codes."""

    plain_name: ClassVar[str] = "efficientnet_v2_small"
    library_name: ClassVar[str] = "tf_efficientnetv2_s.in21k_ft_in1k"
