"""The transfer scenario of a task, and the cs231n rule of thumb for it.

In: the number of labelled images, and their similarity to the images a network was trained on. Out:
the scenario with its evidence, and the measured candidate that the rule recommends. The rule
(cs231n lecture notes, "Transfer learning"): with few labels train a linear classifier on frozen
features, of the penultimate layer if the images are similar, of an earlier layer if they are not;
with many labels fine-tune the whole network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seedbed.advice.candidate import Candidate
from seedbed.readout.similarity import SIMILAR_BELOW, Similarity

# labelled images; docs/explanation/advice.md gives the measurements behind it
LARGE_FROM = 2_000


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Small or large data set, similar or different images, and the evidence."""

    size: Literal["small", "large"]
    similarity: Literal["similar", "different", "unknown"]
    num_labelled: int
    measured: Similarity | None
    # the images that the target was compared with, or why there are none
    compared_with: str
    # classes of the target that the network was trained on
    shared_classes: tuple[str, ...] = ()
    # transferability scores by backbone
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        size = (
            f"The data set is {self.size}: {self.num_labelled:,} labelled images "
            f"({LARGE_FROM:,} or more count as large)."
        )
        if self.measured is None or self.measured.position is None:
            unknown = "Its similarity to the pre-training images is unknown"
            return f"{size} {unknown}: {self.compared_with}."
        preposition = "to" if self.similarity == "similar" else "from"
        return (
            f"{size} Its images are {self.similarity} {preposition} {self.compared_with}: "
            f"distance {self.measured.position:.2f}, where 0 is the same kind of image and 1 is "
            f"handwritten digits (below {SIMILAR_BELOW:g} counts as similar)."
        )

    def evidence(self) -> dict[str, Any]:
        """The evidence as a JSON document."""
        measured = self.measured
        has_error = measured is not None and np.isfinite(measured.kid_error)
        return {
            "num_known": self.num_labelled,
            "large_from": LARGE_FROM,
            "compared_with": self.compared_with,
            "position": measured.position if measured else None,
            "similar_below": SIMILAR_BELOW,
            "proxy_a_distance": measured.proxy_a_distance if measured else None,
            "kid": measured.kid if measured else None,
            "kid_error": measured.kid_error if measured and has_error else None,
            "shared_classes": list(self.shared_classes),
            "scores": self.scores,
        }


def size_class(num_labelled: int) -> Literal["small", "large"]:
    return "large" if num_labelled >= LARGE_FROM else "small"


def rule_in_words(scenario: Scenario) -> str:
    """The rule of thumb for a scenario."""
    if scenario.size == "large":
        return "fine-tune the whole network"
    if scenario.similarity == "different":
        return "train a linear classifier on an earlier layer"
    condition = (
        " (if the images are similar, which is unknown)" if scenario.similarity == "unknown" else ""
    )
    return f"train a linear classifier on the penultimate layer{condition}"


def candidate_of_rule(
    scenario: Scenario, candidates: Sequence[Candidate], backbone: str, layers: Sequence[str]
) -> Candidate | None:
    """The measured candidate of a backbone that the rule recommends; None if it was not measured.

    "An earlier layer" is the middle one of `layers`.
    """
    of_backbone = [c for c in candidates if c.backbone == backbone]
    if scenario.size == "large":
        fine_tuned = (c for c in of_backbone if c.kind == "finetune")
        return max(fine_tuned, key=lambda c: c.accuracy, default=None)
    probes = {c.layer: c for c in of_backbone if c.kind == "probe"}
    if scenario.similarity == "different":
        return probes.get(layers[len(layers) // 2])
    return next((c for c in probes.values() if c.is_penultimate), None)
