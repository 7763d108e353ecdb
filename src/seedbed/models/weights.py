"""Find and load weights of published or own checkpoints.

In: a file, or the place where weights are published. Out: tensors loaded into a backbone; an error
names tensors that do not fit. Downloads need weights='download'. Published weights are looked up in
an installed package, the folder SEEDBED_WEIGHTS, torch's hub folder, then the Hugging Face cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.models.backbone import Backbone, replace_heads
from seedbed.models.matching_names import is_of_head, match_names
from seedbed.models.packaged_weights import PackagedWeights
from seedbed.models.weights_file import Weights, WeightsFile

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True, kw_only=True)
class Published:
    """Published weights of a network."""

    name: str
    url: str | None = None
    hub: str | None = None  # a repository on the Hugging Face hub
    licence: str
    classes: tuple[str, ...] = ()  # of the head, if they are known
    package: PackagedWeights | None = None  # a Python package that brings them
    hub_files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")  # in the repository
    # Whether the last layer gives a vector to compare with texts, and no scores of classes.
    is_embedding: bool = False

    @property
    def file_name(self) -> str:
        """Name of the file after a download."""
        return (
            self.url.rsplit("/", 1)[-1]
            if self.url
            else f"{(self.hub or self.name).rsplit('/', 1)[-1]}.safetensors"
        )


def find_cached(published: Published) -> Path | None:
    """The file of published weights on this machine, or None; that of a package comes first."""
    from torch import hub

    if published.package and (path := published.package.find()) is not None:
        return path

    folders = [os.environ.get("SEEDBED_WEIGHTS"), str(Path(hub.get_dir()) / "checkpoints")]
    names = [
        published.file_name,
        *(f"{Path(published.file_name).stem}{suffix}" for suffix in SUFFIXES),
    ]
    for folder in filter(None, folders):
        for name in names:
            if (path := expand_user(folder) / name).is_file():
                return path
    return _in_hub_cache(published) if published.hub else None


def _in_hub_cache(published: Published) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    assert published.hub is not None
    for name in published.hub_files:
        if isinstance(path := try_to_load_from_cache(published.hub, name), str):
            return Path(path)
    return None


def download(published: Published) -> Path:
    """Download published weights into their usual cache; raises BadDataError with instructions for
    a manual download on failure."""
    try:
        if published.hub:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(published.hub, published.hub_files[0]))
        if published.url:
            from torch import hub

            path = Path(hub.get_dir()) / "checkpoints" / published.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            hub.download_url_to_file(published.url, str(path), progress=sys.stderr.isatty())
            return path
    except Exception as error:  # a download may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadDataError(
            f"cannot download the weights of {published.name}: {reason}",
            manual_instructions(published),
        ) from None
    raise BadDataError(
        f"{published.name} has no published weights", "Give your own file: weights='FILE'."
    )


def download_instruction(published: Published) -> str:
    """One sentence: which file to download from where, and where to put it."""
    origin = published.url or (
        f"https://huggingface.co/{published.hub}" if published.hub else "its authors"
    )
    if published.hub and not published.url:
        file = f"{published.hub_files[0]} from {origin}, save it as {published.file_name}"
    else:
        file = f"{published.file_name} from {origin}"
    return (
        f"Download {file}, and put it into the folder that the environment variable "
        "SEEDBED_WEIGHTS names"
    )


def manual_instructions(published: Published) -> str:
    """Instructions for missing weights."""
    package = f"{published.package.instruction}. Or: " if published.package else ""
    return (
        f"{package}{download_instruction(published)}; or give its path: weights='FILE'. "
        "weights='download' downloads it; weights='random' uses random weights."
    )


def resolve(weights: str | None, published: Published | None, what: str) -> WeightsFile | None:
    """Resolve a `weights` setting to a file; None for random weights.

    "cached" and None look up published weights; "FILE#ENTRY" names an entry of a file. `what` names
    the network in messages. Raises UsageError for a missing file, BadDataError if no weights are
    cached.
    """
    if weights == "random":
        return None
    if weights in (None, "cached", "download"):
        if published is None:
            raise UsageError(
                f"{what} has no published weights",
                "Train one: seedbed pretrain STORE --backbone CALL --out DIR; then name DIR.",
            )
        if path := find_cached(published):
            return WeightsFile(path)
        if weights == "download":
            return WeightsFile(download(published))
        raise BadDataError(
            f"there are no weights of {what} on this machine", manual_instructions(published)
        )
    file = WeightsFile.parse(weights)
    if file is None:
        raise UsageError(
            f"there is no weights file {weights!r}",
            "Valid: a file, FILE#ENTRY, 'random', 'cached' or 'download'.",
        )
    return file


def load_weights(
    backbone: Backbone, weights: Weights, where: str, *, keep_head: bool
) -> dict[str, Any]:
    """Load tensors into the network of a backbone in place, with (`keep_head`) or without the head.

    A file without a head, as self-supervised training leaves it, gives the network a head of no
    class. Parts that only a training used are left out.

    Args:
        weights: as they were read; `where` is the file, for messages.

    Returns:
        Facts for the card: the entry and the prefix of the file that were used, the other entries,
        and what was left out.

    Raises:
        BadDataError: a tensor of the network is missing, or a tensor of the file has no
            counterpart; the message names the first.
    """
    matched = match_names(backbone, dict(weights.tensors))
    tensors = matched.tensors
    if keep_head:
        replace_heads(backbone.module, backbone.heads, num_classes_in(backbone, tensors), 0)
    else:
        tensors = {name: t for name, t in tensors.items() if not is_of_head(backbone, name)}
    has_head = keep_head and f"{backbone.heads[0]}.weight" in tensors
    state = backbone.module.state_dict()
    expected = {name for name in state if has_head or not is_of_head(backbone, name)}
    _check_tensors(backbone, tensors, expected, where)
    known = {name: t for name, t in tensors.items() if name in state}
    backbone.module.load_state_dict(known, strict=False)
    facts = {
        "entry": weights.entry,
        "prefix": matched.prefix,
        "other_entries": list(weights.others),
        "left_out": _first_names(list(matched.ignored)) if matched.ignored else "",
    }
    return {name: value for name, value in facts.items() if value}


def num_classes_in(backbone: Backbone, tensors: Mapping[str, torch.Tensor]) -> int:
    """Number of classes of the head in a weights file; 0 if it has no head."""
    weight = tensors.get(f"{backbone.heads[0]}.weight")
    return 0 if weight is None else len(weight)


def _check_tensors(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], expected: set[str], where: str
) -> None:
    """Raise BadDataError for missing and unknown tensors, and for wrong shapes."""
    state = backbone.module.state_dict()
    missing = sorted(n for n in expected - tensors.keys() if not n.endswith("num_batches_tracked"))
    extra = sorted(tensors.keys() - state.keys())
    misshapen = sorted(n for n in expected & tensors.keys() if state[n].shape != tensors[n].shape)
    faults = []
    if misshapen:
        name = misshapen[0]
        faults.append(f"{name} is {tuple(tensors[name].shape)}, not {tuple(state[name].shape)}")
    if missing:
        faults.append(f"missing: {_first_names(missing)}")
    if extra:
        faults.append(f"not of this network: {_first_names(extra)}")
    if faults:
        raise BadDataError(
            "; ".join([f"the weights in {where} are not of {backbone.architecture}", *faults]),
            "Name the network of these weights: timm('NAME', weights='FILE') or "
            "torchvision('NAME', weights='FILE').",
        )


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
