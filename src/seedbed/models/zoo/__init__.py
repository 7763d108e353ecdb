"""Backbones by name *(plug-ins)*: `build(classes, size_px) -> Backbone`, with random weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.registry import Registry

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone


class Architecture(ABC):
    """A network by name; a frozen dataclass of its settings."""

    revision: ClassVar[int] = 1  # raised by hand when the same settings build another network

    @abstractmethod
    def build(self, classes: Sequence[str], size_px: int) -> Backbone:
        """The network with a head for these classes and its layer table at this input size; weights are not yet set."""


BACKBONES: Registry[Architecture] = Registry("backbone", "seedbed.backbones")
BACKBONES.add("small", "seedbed.models.zoo.small:Small")
