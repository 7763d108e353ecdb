"""Find, read and load weights of published or own checkpoints.

In: a file, or the place where weights are published. Out: tensors loaded into a backbone; an error
names tensors that do not fit. Files are safetensors, or PyTorch files, which are read with
`weights_only`: no code in them is executed. Downloads need weights='download'. Published weights
are looked up in the folder SEEDBED_WEIGHTS, in torch's hub folder, then in the Hugging Face cache.
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
from seedbed.models.packaged_weights import PackagedWeights

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# Keys under which training scripts store the tensors.
_WRAPPERS = ("state_dict", "model_state_dict", "state_dict_ema", "model_ema", "model")
# Prefixes of names by DataParallel and torch.compile.
_PREFIXES = ("module.", "_orig_mod.")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, kw_only=True)
class Published:
    """Published weights of a network."""

    name: str
    url: str | None = None
    hub: str | None = None  # a repository on the Hugging Face hub
    licence: str
    classes: tuple[str, ...] = ()  # of the head, if they are known
    package: PackagedWeights | None = None  # a Python package that brings them

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
    return _in_hub_cache(published.hub) if published.hub else None


def _in_hub_cache(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in _HUB_FILES:
        if isinstance(path := try_to_load_from_cache(repository, name), str):
            return Path(path)
    return None


def download(published: Published) -> Path:
    """Download published weights into their usual cache; raises BadDataError with instructions for
    a manual download on failure."""
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
        file = f"{_HUB_FILES[0]} from {origin}, save it as {published.file_name}"
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


def resolve(weights: str | None, published: Published | None, what: str) -> Path | None:
    """Resolve a `weights` setting to a file; None for random weights.

    "cached" and None look up published weights. `what` names the network in messages. Raises
    UsageError for a missing file, BadDataError if no weights are cached.
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
            return path
        if weights == "download":
            return download(published)
        raise BadDataError(
            f"there are no weights of {what} on this machine", manual_instructions(published)
        )
    path = expand_user(weights)
    # os.path.isfile returns False for a text that is too long for a path; Path.is_file raises.
    if not os.path.isfile(path):  # noqa: PTH113
        raise UsageError(
            f"there is no weights file {weights!r}",
            "Valid: a file, 'random', 'cached' or 'download'.",
        )
    return path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a weights file by name, without the wrappers of training scripts.

    Raises BadDataError for a file that is damaged, holds no tensors, or would execute code.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            # Warnings about the protocol of the pickle; unreadable files are an error below.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise BadDataError(
            f"{path} holds other objects than tensors, and reading these would execute code",
            "Save the tensors only: torch.save(model.state_dict(), FILE), or as safetensors.",
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError) as error:
        raise _damaged(path, error) from None
    while isinstance(content, Mapping) and (
        key := next((k for k in _WRAPPERS if isinstance(content.get(k), Mapping)), None)
    ):
        content = content[key]
    items = content.items() if isinstance(content, Mapping) else ()
    tensors = {str(name): value for name, value in items if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BadDataError(
            f"{path} holds no named tensors",
            "Save a state_dict: torch.save(model.state_dict(), FILE).",
        )
    return _strip_prefixes(tensors)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return _strip_prefixes(load_file(path))
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> BadDataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BadDataError(
        f"the weights in {path} cannot be read: {reason}", "Download or save the file again."
    )


def _strip_prefixes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Remove a prefix that all names have."""
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def load_weights(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], where: str, *, keep_head: bool
) -> None:
    """Load tensors into the network of a backbone in place, with (`keep_head`) or without the head.

    Raises BadDataError, which names the first misfits, if a tensor of the network is missing, or a
    tensor of the file has no counterpart. Auxiliary classifiers, which are used in training only,
    are ignored. `where` is the file, for messages.
    """
    tensors = _converted_names(backbone, dict(tensors))
    if keep_head:
        num_classes = num_classes_in_weights(backbone, tensors, where)
        replace_heads(backbone.module, backbone.heads, num_classes, 0)
    else:
        tensors = {name: t for name, t in tensors.items() if not _is_of_head(backbone, name)}
    state = backbone.module.state_dict()
    expected = {name for name in state if keep_head or not _is_of_head(backbone, name)}
    _check_tensors(backbone, tensors, expected, where)
    known = {name: t for name, t in tensors.items() if name in state}
    backbone.module.load_state_dict(known, strict=False)


def _is_of_head(backbone: Backbone, name: str) -> bool:
    return name.startswith(tuple(f"{head}." for head in backbone.heads))


def _check_tensors(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], expected: set[str], where: str
) -> None:
    """Raise BadDataError for missing and unknown tensors, and for wrong shapes."""
    state = backbone.module.state_dict()
    missing = sorted(n for n in expected - tensors.keys() if not n.endswith("num_batches_tracked"))
    extra = sorted(n for n in tensors.keys() - state.keys() if not n.lower().startswith("aux"))
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


def num_classes_in_weights(
    backbone: Backbone, tensors: Mapping[str, torch.Tensor], where: str
) -> int:
    """Number of classes of the head in a weights file."""
    name = f"{backbone.heads[0]}.weight"
    if name not in tensors:
        raise BadDataError(
            f"the weights in {where} have no {name!r}, the head of {backbone.architecture}",
            f"They hold: {_first_names(sorted(tensors))}. Name the network of these weights.",
        )
    return len(tensors[name])


def _converted_names(
    backbone: Backbone, tensors: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The tensors by their names in this network; timm converts the names in files of authors."""
    expected = backbone.module.state_dict().keys()
    convert: Any = getattr(
        sys.modules.get(type(backbone.module).__module__), "checkpoint_filter_fn", None
    )
    if convert is None or tensors.keys() >= expected:
        return tensors
    try:
        return dict(convert(tensors, backbone.module))
    # Weights of another network, which timm cannot convert.
    except (KeyError, RuntimeError, TypeError, ValueError, AttributeError, IndexError):
        return tensors


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
