"""Read the tensors of a weights file as people have them.

In: a file of safetensors or PyTorch, of any training script. Out: named tensors, and which part of
the file they are. PyTorch files are read with `weights_only`: no code in them is executed. What is
no weights file (a web page, a pointer of Git LFS, half a download) is recognised by its first
bytes.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seedbed.base.errors import BadDataError, UsageError, unknown
from seedbed.base.paths import expand_user
from seedbed.base.spec import file_fingerprint, fingerprint

# Entries under which training scripts keep the tensors, the preferred ones first.
_ENTRIES = (
    "state_dict", "model_state_dict", "state_dict_ema", "model_ema", "model", "net", "network",
    "weights", "params", "ema", "ema_state_dict", "teacher", "target_encoder", "module", "encoder",
    "backbone", "student",
)  # fmt: skip
# Entries that hold no network.
_NO_NETWORK = re.compile(r"optim|sched|scaler|loss|criterion|metric|buffer|rng|queue", re.I)
# Prefixes that wrappers of modules add to all names.
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_MAX_DEPTH = 3


@dataclass(frozen=True)
class Weights:
    """Tensors by name, the entry of the file that they are, and other entries with tensors."""

    tensors: dict[str, torch.Tensor]
    entry: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeightsFile:
    """A file, and the entry of it that the user names: `FILE#teacher`; empty for the usual one."""

    path: Path
    entry: str = ""

    @staticmethod
    def parse(text: str) -> WeightsFile | None:
        """The file that a text names, with an entry after `#`; None if there is no such file."""
        # os.path.isfile returns False for a text that is too long for a path.
        if os.path.isfile(path := expand_user(text)):  # noqa: PTH113
            return WeightsFile(path)
        name, mark, entry = text.rpartition("#")
        if mark and os.path.isfile(path := expand_user(name)):  # noqa: PTH113
            return WeightsFile(path, entry)
        return None

    def __str__(self) -> str:
        return f"{self.path}#{self.entry}" if self.entry else str(self.path)

    def fingerprint(self) -> str:
        """Fingerprint of the content, and of the entry if one is named."""
        content = file_fingerprint(self.path)
        return fingerprint([content, self.entry]) if self.entry else content

    def read(self) -> Weights:
        """Read the tensors, without the wrappers of training scripts.

        Raises BadDataError for a file that is damaged, holds no tensors or values that are no
        numbers, or would execute code; UsageError for an entry that it does not have.
        """
        _refuse_other_content(self.path)
        content = _load_safetensors(self.path) or _load_pickle(self.path)
        weights = _choose_entry(content, self.entry, self)
        tensors = _strip_prefixes(weights.tensors)
        _refuse_no_numbers(tensors, self)
        return Weights(tensors, weights.entry, weights.others)


def _refuse_other_content(path: Path) -> None:
    """Raise BadDataError for files that are not weights, by their first bytes."""
    with path.open("rb") as file:
        start = file.read(512)
    text = start.lstrip().lower()
    kind, hint = "", "Download the file again."
    if not start:
        kind = "is empty"
    elif start.startswith(b"version https://git-lfs"):
        kind, hint = "is a pointer of Git LFS, not the file itself", "Fetch the file: git lfs pull."
    elif text.startswith((b"<!doctype", b"<html", b"<?xml")):
        kind = "is a web page, not weights"
        hint = "Download the file again; the page may ask for a login or a licence."
    elif start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        kind, hint = "is compressed", "Unpack it first."
    if kind:
        raise BadDataError(f"{path} {kind}", hint)


def _load_safetensors(path: Path) -> dict[str, torch.Tensor] | None:
    """The tensors of a safetensors file, whatever its suffix; None for another file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with path.open("rb") as file:
        start = file.read(9)
    is_safetensors = path.suffix == ".safetensors" or start[8:9] == b"{"
    if not is_safetensors:
        return None
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path, error) from None


def _load_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # Warnings about the protocol of the pickle; unreadable files are an error below.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is None:
            raise _damaged(path, KeyError()) from None
        raise BadDataError(
            f"{path} holds other objects than tensors ({named[1]}), and reading these would "
            "execute code",
            "If you trust the file, save its tensors alone where it came from: "
            "torch.save(model.state_dict(), FILE), or as safetensors.",
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> BadDataError:
    # An unpickler's KeyError is a bare number.
    words = str(error).splitlines()[0] if str(error) and not isinstance(error, KeyError) else ""
    reason = words or "it is not a file of PyTorch or safetensors, or it is damaged"
    cut = ("central directory", "not fully covered", "header too")
    if any(words in reason for words in cut) or _is_half_a_zip(path):
        reason = f"it is incomplete, {path.stat().st_size:,} bytes"
    return BadDataError(
        f"the weights in {path} cannot be read: {reason}", "Download or save the file again."
    )


def _is_half_a_zip(path: Path) -> bool:
    """Whether a file begins as PyTorch's do, and has no end."""
    with path.open("rb") as file:
        return file.read(2) == b"PK" and not zipfile.is_zipfile(path)


def _choose_entry(content: Any, entry: str, file: WeightsFile) -> Weights:
    """The tensors of the named entry, or of the usual one."""
    entries = _find_entries(content)
    if entry:
        if entry not in entries:
            raise unknown("entry", entry, sorted(entries), str(file.path))
        return Weights(entries[entry], entry, tuple(sorted(entries.keys() - {entry})))
    chosen = _usual_entry(content)
    if chosen not in entries:
        networks = [name for name in entries if not _NO_NETWORK.search(name)]
        if len(networks) > 1:
            example = f"{file.path}#{networks[0]}"
            raise UsageError(
                f"{file.path} holds several networks: {', '.join(networks)}",
                f"Name one: weights={example!r}.",
            )
        if not networks:
            raise BadDataError(
                f"{file.path} holds no named tensors",
                "Save a state_dict: torch.save(model.state_dict(), FILE).",
            )
        chosen = networks[0]
    others = sorted(n for n in entries.keys() - {chosen} if n and not _NO_NETWORK.search(n))
    return Weights(entries[chosen], chosen, tuple(others))


def _find_entries(
    content: Any, path: str = "", depth: int = 0
) -> dict[str, dict[str, torch.Tensor]]:
    """Dotted path of each mapping that holds tensors by name -> these tensors."""
    if not isinstance(content, Mapping) or depth > _MAX_DEPTH:
        return {}
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    entries = {path: tensors} if tensors else {}
    for name, value in content.items():
        if isinstance(name, str) and isinstance(value, Mapping):
            entries |= _find_entries(value, f"{path}.{name}" if path else name, depth + 1)
    return entries


def _usual_entry(content: Any) -> str:
    """Path of the entry that training scripts use."""
    path: list[str] = []
    while isinstance(content, Mapping) and (
        key := next((k for k in _ENTRIES if isinstance(content.get(k), Mapping)), None)
    ):
        path.append(key)
        content = content[key]
    return ".".join(path)


def _strip_prefixes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Remove prefixes that all names have, until none is left."""
    while prefix := next((p for p in _PREFIXES if all(n.startswith(p) for n in tensors)), None):
        tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _refuse_no_numbers(tensors: Mapping[str, torch.Tensor], file: WeightsFile) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            num = int((~torch.isfinite(tensor)).sum())
            raise BadDataError(
                f"{file}: {num:,} of the {tensor.numel():,} values of {name} are not finite",
                "The training diverged, or the file is damaged: use another checkpoint.",
            )
