"""Embeddings of texts by the text tower of a CLIP-like network.

In: texts. Out: vectors of length one, to be compared with those of images; class weights made of
class names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_BLOCK = 256  # texts embedded at once


@dataclass(frozen=True, kw_only=True)
class TextTower:
    """A CLIP-like model of open_clip and its tokenizer."""

    model: Any
    tokenizer: Any

    @property
    def scale(self) -> float:
        """The factor of a cosine similarity in a score."""
        return float(self.model.logit_scale.detach().exp())

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings of length one: float32 [k, d]."""
        parts: list[torch.Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(texts), _BLOCK):
                tokens = self.tokenizer(list(texts[start : start + _BLOCK]))
                parts.append(self.model.encode_text(tokens, normalize=True))
        return torch.cat(parts).float().clone()

    def class_weights(self, names: Sequence[str], prompts: Sequence[str]) -> torch.Tensor:
        """The mean embedding of each class over the prompts, of length one: float32 [d, K]."""
        texts = [prompt.format(name) for name in names for prompt in prompts]
        means = self.embed(texts).view(len(names), len(prompts), -1).mean(1)
        return nn.functional.normalize(means, dim=1).T.contiguous()
