"""Where a task stands on the map of size and similarity, and what the lecture's rule says of such a
place.

In: how many labels there are, and how alike the images are to what a network was trained on. Out:
the scenario with its reasons, and the rule's candidate among those that were measured. The rule is
that of the cs231n lectures: few labels, a linear readout (of the last codes where the images are
    similar, of an earlier layer where they are not); many labels, fine-tune the whole network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seedbed.advice.candidate import Entry
from seedbed.readout.similarity import SIMILAR_BELOW, Similarity

LARGE_FROM = 2_000  # labelled images; docs/own-images.md says what it rests on


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Small or large, similar or different, and why."""

    size: Literal["small", "large"]
    similarity: Literal["similar", "different", "unknown"]
    num_known: int
    measured: Similarity | None
    compared_with: str  # whose images the target was compared with
    shared_classes: tuple[str, ...] = ()  # classes of the target that the network was trained on
    # transferability scores by backbone
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        size = f"{self.num_known:,} labelled images are {self.size} (large from {LARGE_FROM:,} on)"
        if self.measured is None or self.measured.position is None:
            return f"{size}; how alike they are to what the networks saw is not known: {self.compared_with}."
        return (
            f"{size}; they are {self.similarity} {'to' if self.similarity == 'similar' else 'from'} {self.compared_with}: "
            f"{self.measured.position:.2f} on a scale from 0, the same kind of image, to 1, handwritten digits "
            f"(similar below {SIMILAR_BELOW:g})."
        )

    def evidence(self) -> dict[str, Any]:
        """What the JSON document says of it."""
        found = self.measured
        return {
            "num_known": self.num_known,
            "large_from": LARGE_FROM,
            "compared_with": self.compared_with,
            "position": found.position if found else None,
            "similar_below": SIMILAR_BELOW,
            "proxy_a_distance": found.proxy_a_distance if found else None,
            "kid": found.kid if found else None,
            "kid_error": found.kid_error if found and np.isfinite(found.kid_error) else None,
            "shared_classes": list(self.shared_classes),
            "scores": self.scores,
        }


def size_of(num_known: int) -> Literal["small", "large"]:
    return "large" if num_known >= LARGE_FROM else "small"


def rule_words(scenario: Scenario) -> str:
    """What the lecture says of such a place."""
    if scenario.size == "large":
        return "fine-tune the whole network"
    if scenario.similarity == "different":
        return "a linear readout of an earlier layer"
    unknown = (
        " (if the images are similar, which is not known)"
        if scenario.similarity == "unknown"
        else ""
    )
    return f"a linear readout of the last codes{unknown}"


def by_rule(
    scenario: Scenario, entries: Sequence[Entry], backbone: str, layers: Sequence[str]
) -> Entry | None:
    """The measured candidate of a backbone that the rule means; None where it was not measured.
    "Earlier" is the middle of the layers."""
    own = [e for e in entries if e.backbone == backbone]
    if scenario.size == "large":
        return max((e for e in own if e.kind == "finetune"), key=lambda e: e.accuracy, default=None)
    probes = {e.layer: e for e in own if e.kind == "probe"}
    if scenario.similarity == "different":
        return probes.get(layers[len(layers) // 2])
    return next((e for e in probes.values() if e.is_top), None)
