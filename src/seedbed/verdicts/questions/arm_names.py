"""Describe an arm in the sentences of an answer: its name and its training data."""

from __future__ import annotations

from seedbed.trials.results import Results
from seedbed.verdicts.answer import quoted


def name_with_classes(results: Results, arm: str) -> str | None:
    """For example "'coarse' (73 classes of 5,000 images)", or "its random control 'like-73'"; None
    if there is nothing to add to the name."""
    spec = results.study.arms[arm]
    if not spec.trains:
        return f"{quoted(arm)} (no pre-training)" if spec.init == "random" else None
    if spec.recipe.control_for is not None:
        return f"its random control {quoted(arm)}"
    if (counts := training_counts(results, arm)) is None:
        return None
    num_classes, num_images = counts
    return f"{quoted(arm)} ({num_classes:,} classes of {num_images:,} images)"


def training_counts(results: Results, arm: str) -> tuple[int, int] | None:
    """The numbers of classes and of images that an arm was trained on, if they are known."""
    for outcome in results.outcomes:
        if outcome.arm == arm and outcome.num_train_images:
            return outcome.num_train_classes, outcome.num_train_images
    return None
