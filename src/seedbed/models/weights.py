"""Weights of published or own checkpoints: found, read, fitted into a network.

In: a file, or where weights are published. Out: tensors in a backbone; every tensor of the file has
its place, or an error says which has not. Files are safetensors, or PyTorch's, read with
weights-only loading: nothing in them is executed. Nothing is downloaded unless that is asked for.
Knows nothing of what the networks are for.

Searched, in this order: the folder SEEDBED_WEIGHTS, torch's hub folder, the Hugging Face cache.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.models.backbone import Backbone, replace_heads

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# what training scripts wrap tensors in
_WRAPPERS = ("state_dict", "model_state_dict", "state_dict_ema", "model_ema", "model")
_PREFIXES = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before a name
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights as their authors publish them."""

    name: str
    url: str | None = None
    hub: str | None = None  # a repository of the Hugging Face hub
    licence: str
    classes: tuple[str, ...] = ()  # of its head, where they are known

    @property
    def file_name(self) -> str:
        """What the file is called where people download it."""
        return (
            self.url.rsplit("/", 1)[-1]
            if self.url
            else f"{(self.hub or self.name).rsplit('/', 1)[-1]}.safetensors"
        )


def find_cached(published: Published) -> Path | None:
    """The file of published weights, if it lies on this machine."""
    from torch import hub

    folders = [os.environ.get("SEEDBED_WEIGHTS"), str(Path(hub.get_dir()) / "checkpoints")]
    names = [
        published.file_name,
        *(f"{Path(published.file_name).stem}{suffix}" for suffix in SUFFIXES),
    ]
    for folder in filter(None, folders):
        for name in names:
            if (path := expand_user(folder) / name).is_file():
                return path
    return _in_hub_cache(published.hub) if published.hub else None


def _in_hub_cache(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in _HUB_FILES:
        if isinstance(found := try_to_load_from_cache(repository, name), str):
            return Path(found)
    return None


def download(published: Published) -> Path:
    """Fetch published weights into their usual cache; raises BadDataError, with what to do by hand,
    when that fails."""
    try:
        if published.hub:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(published.hub, _HUB_FILES[0]))
        if published.url:
            from torch import hub

            path = Path(hub.get_dir()) / "checkpoints" / published.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            hub.download_url_to_file(published.url, str(path), progress=sys.stderr.isatty())
            return path
    except Exception as error:  # a network may fail in any way
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadDataError(
            f"cannot download the weights of {published.name}: {reason}",
            manual_instructions(published),
        ) from None
    raise BadDataError(
        f"{published.name} has no published weights", "Give a file of your own: weights='FILE'."
    )


def download_instruction(published: Published) -> str:
    """Which file to get from where, and where to put it: a sentence."""
    origin = published.url or (
        f"https://huggingface.co/{published.hub}" if published.hub else "its authors"
    )
    renamed = f"{_HUB_FILES[0]} from {origin}, save it as {published.file_name}"
    file = (
        renamed if published.hub and not published.url else f"{published.file_name} from {origin}"
    )
    return (
        f"Get {file}, and put it into a folder that the environment variable SEEDBED_WEIGHTS names"
    )


def manual_instructions(published: Published) -> str:
    """What to do where weights are not there."""
    return f"{download_instruction(published)}; or give its path: weights='FILE'. weights='download' fetches it; weights='random' does without."


def resolve(weights: str | None, published: Published | None, what: str) -> Path | None:
    """The file that a `weights` setting means, None for random weights; "cached" and None look for
    published ones.

    Raises UsageError for a file that is not there, BadDataError when nothing is cached.
    """
    if weights == "random":
        return None
    if weights in (None, "cached", "download"):
        if published is None:
            raise UsageError(
                f"{what} has no published weights",
                "Train one: seedbed pretrain STORE --backbone CALL --out DIR; then name DIR.",
            )
        if found := find_cached(published):
            return found
        if weights == "download":
            return download(published)
        raise BadDataError(
            f"there are no weights of {what} on this machine", manual_instructions(published)
        )
    path = expand_user(weights)
    if not os.path.isfile(path):  # noqa: PTH113  false, not an error, for a text too long to be a path
        raise UsageError(
            f"there is no weights file {weights!r}",
            "Valid: a file, 'random', 'cached' or 'download'.",
        )
    return path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file by name, as they stand in it but for wrappers of training
    scripts.

    Raises BadDataError for a file that is damaged, holds no tensors, or would have to be executed
    to be read.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            # of the pickle's protocol: what cannot be read is an error below
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise BadDataError(
            f"{path} holds more than tensors, and reading it would execute what it holds",
            "Save the tensors alone: torch.save(model.state_dict(), FILE), or as safetensors.",
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError) as error:
        raise _damaged(path, error) from None
    while isinstance(found, Mapping) and (
        inner := next((k for k in _WRAPPERS if isinstance(found.get(k), Mapping)), None)
    ):
        found = found[inner]
    tensors = (
        {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}
        if isinstance(found, Mapping)
        else {}
    )
    if not tensors:
        raise BadDataError(
            f"{path} holds no tensors by name",
            "Save a state_dict: torch.save(model.state_dict(), FILE).",
        )
    return _unprefixed(tensors)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return _unprefixed(load_file(path))
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> BadDataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadDataError(
        f"the weights in {path} cannot be read: {reason}", "Get or save the file again."
    )


def _unprefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def load_weights(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], where: str, *, keep_head: bool
) -> None:
    """Load tensors into a backbone's network in place, with the head of the file (`keep_head`) or
    without it.

    Raises BadDataError, naming the first strangers, unless every tensor of the body is in the file
    and every tensor of the file has its place; auxiliary classifiers, which answer in training
    only, are passed over.
    """
    tensors = _as_named_here(backbone, dict(tensors))
    if keep_head:
        replace_heads(
            backbone.module, backbone.heads, num_classes_in_weights(backbone, tensors, where), 0
        )
    else:
        tensors = {
            name: t
            for name, t in tensors.items()
            if not name.startswith(tuple(f"{h}." for h in backbone.heads))
        }
    own = backbone.module.state_dict()
    wanted = {
        n for n in own if keep_head or not n.startswith(tuple(f"{h}." for h in backbone.heads))
    }
    missing = sorted(n for n in wanted - tensors.keys() if not n.endswith("num_batches_tracked"))
    strange = sorted(n for n in tensors.keys() - own.keys() if not n.lower().startswith("aux"))
    unlike = sorted(n for n in wanted & tensors.keys() if own[n].shape != tensors[n].shape)
    if missing or strange or unlike:
        shapes = (
            f"; {unlike[0]} is {tuple(tensors[unlike[0]].shape)}, not {tuple(own[unlike[0]].shape)}"
            if unlike
            else ""
        )
        listed = f"; missing: {_few(missing)}" if missing else ""
        beside = f"; not of this network: {_few(strange)}" if strange else ""
        raise BadDataError(
            f"the weights in {where} are not of {backbone.architecture}{shapes}{listed}{beside}",
            "Name the network that they are of: timm('NAME', weights='FILE') or torchvision('NAME', weights='FILE').",
        )
    backbone.module.load_state_dict({n: t for n, t in tensors.items() if n in own}, strict=False)


def num_classes_in_weights(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], where: str
) -> int:
    """How many classes the head in a file has."""
    name = f"{backbone.heads[0]}.weight"
    if name not in tensors:
        raise BadDataError(
            f"the weights in {where} have no {name!r}, the head of {backbone.architecture}",
            f"They hold: {_few(sorted(tensors))}. Name the network that they are of.",
        )
    return len(tensors[name])


def _as_named_here(backbone: Backbone, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names as this network has them: timm knows how its authors' files differ."""
    own = backbone.module.state_dict().keys()
    convert: Any = getattr(
        sys.modules.get(type(backbone.module).__module__), "checkpoint_filter_fn", None
    )
    if convert is None or tensors.keys() >= own:
        return tensors
    try:
        return dict(convert(tensors, backbone.module))
    # a file of another network
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        return tensors


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
