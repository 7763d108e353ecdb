"""Reference codes: the images that a network's targets are compared with.

In: penultimate codes of diverse images, such as those that the network was trained on. Out: a small
file, and a search for the file of a network: in the workspace, in the network's folder, or among
those that come with seedbed. Only codes are kept; no image can be restored from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from seedbed.base.artifacts import default_permissions
from seedbed.base.errors import BadDataError, UsageError
from seedbed.models.checkpoint import CARD_CODES, read_card
from seedbed.models.resolve import backbone_fingerprint, backbone_folder

MAX_REFERENCE_CODES = 2048
_FOLDER = "reference-codes"
_SHIPPED = Path(__file__).parent / "shipped" / _FOLDER
_SOURCE = "source"  # of the metadata: what the images are
_LEVELS = 255


@dataclass(frozen=True, kw_only=True)
class ReferenceCodes:
    """Codes float32 [n, d], and what they are of, in words."""

    codes: torch.Tensor
    source: str
    of_pretraining: bool = False  # of the very data that the network was trained on


def write_reference_codes(path: Path, codes: torch.Tensor, source: str) -> None:
    """Write codes float [n, d] with 8 bits for each value, between the least and the largest of its
    code."""
    from safetensors.torch import save_file

    low, high = codes.float().aminmax(dim=1, keepdim=True)
    step = (high - low).clamp_min(torch.finfo(torch.float32).tiny) / _LEVELS
    tensors = {
        "codes": ((codes - low) / step).round().clamp(0, _LEVELS).to(torch.uint8),
        "low": low[:, 0].contiguous(),
        "step": step[:, 0].contiguous(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    with default_permissions(temporary):
        save_file(tensors, temporary, {_SOURCE: source})
    temporary.replace(path)


def read_reference_codes(path: Path, source: str = "") -> ReferenceCodes:
    """Read codes that `write_reference_codes` or a pre-training wrote.

    `source`: what they are of, where the file does not say. Raises BadDataError for another file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            codes = file.get_tensor("codes").float()
            if "step" in file.keys():  # noqa: SIM118  not a dict
                codes = codes * file.get_tensor("step")[:, None] + file.get_tensor("low")[:, None]
            source = (file.metadata() or {}).get(_SOURCE, source)
    except (OSError, SafetensorError) as error:
        raise BadDataError(
            f"{path} holds no reference codes: {error}",
            "Make them: seedbed reference-codes BACKBONE DATA.",
        ) from None
    return ReferenceCodes(codes=codes, source=source)


def reference_path(workspace: Path, backbone: str) -> Path:
    """Where a workspace keeps the reference codes of the network with these weights."""
    return workspace / _FOLDER / f"{backbone_fingerprint(backbone)}.safetensors"


def find_reference_codes(workspace: Path, backbone: str) -> ReferenceCodes | None:
    """The reference codes of a network by its path or call string, or None.

    Those of the workspace come first, then those of its folder, then those of seedbed.
    """
    path = reference_path(workspace, backbone)
    if path.is_file():
        return read_reference_codes(path)
    folder = backbone_folder(backbone)
    if folder is not None and (folder / CARD_CODES).is_file():
        source = str(read_card(folder).get("source") or "")
        reference = read_reference_codes(folder / CARD_CODES, source)
        return replace(reference, of_pretraining=True)
    shipped = _SHIPPED / path.name
    return read_reference_codes(shipped) if shipped.is_file() else None


def sample_rows(num_images: int, num: int, seed: int = 0) -> np.ndarray:
    """Rows of the images whose codes are kept: int64 [min(num, num_images)], ascending.

    Raises UsageError unless `num` lies in 2..2048.
    """
    if not 2 <= num <= MAX_REFERENCE_CODES:
        raise UsageError(f"num = {num} must lie in 2..{MAX_REFERENCE_CODES}")
    order = np.random.default_rng(seed).permutation(num_images)
    return np.sort(order[:num])
