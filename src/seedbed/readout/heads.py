"""Heads: modules from the codes of a network to class scores, which are saved and exported with it.

In: codes [b, v, d] of v views of each image (one, or sixteen). Out: scores [b, K]. The settings of
a head are JSON values, and its tensors are its state dict.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from seedbed.readout.linear import LinearClassifier, normalise_rows
from seedbed.readout.neighbours import vote


def prepare_codes(
    codes: torch.Tensor, dims: Sequence[int], *, normalise: bool, power: bool
) -> torch.Tensor:
    """Prepare codes [..., d] of one or several concatenated layers (`dims`) for a readout.

    `normalise`: L2-normalise the part of each layer. `power`: then square the values with their
    signs, and normalise again.
    """
    if not normalise:
        return codes
    parts = [_normalise(part) for part in codes.split(list(dims), dim=-1)]
    if power:
        parts = [_normalise(part.sign() * part.square()) for part in parts]
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


def _normalise(codes: torch.Tensor) -> torch.Tensor:
    flat = codes.flatten(0, -2)
    return normalise_rows(flat).view(codes.shape)


class Head(nn.Module, ABC):
    """From codes of each view to scores."""

    def __init__(self, dims: Sequence[int], *, normalise: bool, power: bool) -> None:
        super().__init__()
        self.dims, self.normalise, self.power = [int(d) for d in dims], normalise, power

    def settings(self) -> dict[str, Any]:
        """The settings for `build_head`, which builds the head without its tensors."""
        return {
            "is": type(self).__name__,
            "dims": self.dims,
            "normalise": self.normalise,
            "power": self.power,
            **self.extra_settings(),
        }

    @abstractmethod
    def extra_settings(self) -> dict[str, Any]:
        """The settings of this class only."""

    @abstractmethod
    def scores(self, codes: torch.Tensor) -> torch.Tensor:
        """Scores [b, v, K] of prepared codes [b, v, d]."""

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Scores [b, K] of the codes [b, v, d] of a network, summed over the views."""
        return self.scores(
            prepare_codes(codes, self.dims, normalise=self.normalise, power=self.power)
        ).sum(1)


class LinearHead(Head):
    """A linear classifier: codes @ weight + bias."""

    weight: torch.Tensor  # float32 [d, K]
    bias: torch.Tensor  # float32 [K]

    def __init__(
        self, dims: Sequence[int], num_classes: int, *, normalise: bool = True, power: bool = False
    ) -> None:
        super().__init__(dims, normalise=normalise, power=power)
        self.register_buffer("weight", torch.zeros(sum(dims), num_classes))
        self.register_buffer("bias", torch.zeros(num_classes))

    @classmethod
    def from_classifier(
        cls, classifier: LinearClassifier, dims: Sequence[int], *, normalise: bool, power: bool
    ) -> LinearHead:
        head = cls(dims, classifier.weights.shape[1], normalise=normalise, power=power)
        head.weight, head.bias = classifier.weights.float(), classifier.intercept.float()
        return head

    def extra_settings(self) -> dict[str, Any]:
        return {"num_classes": int(self.bias.shape[0])}

    def scores(self, codes: torch.Tensor) -> torch.Tensor:
        return codes @ self.weight.to(codes) + self.bias.to(codes)


class NeighboursHead(Head):
    """Votes of the k nearest neighbours in a gallery, by cosine similarity."""

    gallery: torch.Tensor  # float32 [n, d], prepared
    labels: torch.Tensor  # int64 [n]

    def __init__(
        self,
        dims: Sequence[int],
        num_classes: int,
        num_gallery: int,
        k: int,
        *,
        normalise: bool = True,
        power: bool = False,
    ) -> None:
        super().__init__(dims, normalise=normalise, power=power)
        self.num_classes, self.k = num_classes, k
        self.register_buffer("gallery", torch.zeros(num_gallery, sum(dims)))
        self.register_buffer("labels", torch.zeros(num_gallery, dtype=torch.int64))

    @classmethod
    def from_gallery(
        cls,
        gallery: torch.Tensor,
        labels: torch.Tensor,
        num_classes: int,
        k: int,
        dims: Sequence[int],
        *,
        normalise: bool,
        power: bool,
    ) -> NeighboursHead:
        """A head on prepared codes [n, d] and labels int64 [n]."""
        head = cls(dims, num_classes, len(gallery), k, normalise=normalise, power=power)
        head.gallery, head.labels = gallery.float(), labels
        return head

    def extra_settings(self) -> dict[str, Any]:
        return {
            "num_classes": self.num_classes,
            "num_gallery": int(self.labels.shape[0]),
            "k": self.k,
        }

    def scores(self, codes: torch.Tensor) -> torch.Tensor:
        flat = normalise_rows(codes.flatten(0, 1))
        similarities, rows = torch.topk(flat @ normalise_rows(self.gallery.to(codes)).T, self.k)
        votes = vote(similarities, self.labels[rows], self.num_classes, self.k)
        return votes.view(*codes.shape[:2], self.num_classes)


_KINDS = {"LinearHead": LinearHead, "NeighboursHead": NeighboursHead}


def build_head(settings: dict[str, Any]) -> Head:
    """Build a head from its settings, without its tensors."""
    kind = _KINDS[settings["is"]]
    return kind(**{key: value for key, value in settings.items() if key != "is"})
