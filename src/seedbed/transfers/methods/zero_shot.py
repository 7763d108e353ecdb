"""zero_shot(): classify by the names of the classes alone, with a CLIP-like network.

Each class is the mean text embedding of its name in several prompts (Radford et al. 2021); an
image gets the class whose embedding is most similar to its own. No label is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from seedbed.base.errors import UsageError
from seedbed.data.store import Store
from seedbed.models.backbone import Backbone
from seedbed.models.text_tower import has_text_tower, text_tower
from seedbed.readout.heads import LinearHead
from seedbed.readout.model import Model
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method

# The seven prompts that OpenAI's CLIP repository selects for ImageNet.
PROMPTS = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
_NO_WORD = re.compile(r"n\d{8}|\d+")


@dataclass(frozen=True)
class ZeroShot(Method):
    """Classify by the names of the classes alone, with the text tower of a CLIP-like network; no
    labelled image is used. `prompts`: texts with {} for the name."""

    revision: ClassVar[int] = 1

    prompts: tuple[str, ...] = PROMPTS

    def __post_init__(self) -> None:
        if not self.prompts or any("{}" not in prompt for prompt in self.prompts):
            raise ValueError(
                f"prompts = {list(self.prompts)}: give one or more texts with {{}} for the name of "
                "the class, such as 'a photo of a {}.'"
            )

    def check(self, backbone: Backbone) -> None:
        if not has_text_tower(backbone):
            text_tower(backbone)  # raises the error

    def needs_training_images(self) -> bool:
        return False

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        names = class_names(task.store, task.classes)
        model = zero_shot_model(backbone, task.classes, names, self.prompts)
        scores = model.scores(backbone.images(task.store, task.test))
        facts: dict[str, Any] = {
            "num_train": 0,
            "num_prompts": len(self.prompts),
            "class_names": ", ".join(names[:10]) + (", ..." if len(names) > 10 else ""),
        }
        return task.score(scores.numpy(), facts, model)


def zero_shot_model(
    backbone: Backbone,
    classes: Sequence[str],
    names: Sequence[str],
    prompts: Sequence[str] = PROMPTS,
) -> Model:
    """The model whose head is made of the names of the classes."""
    tower, layer = text_tower(backbone), backbone.layer()
    head = LinearHead([layer.dim], len(classes), normalise=True)
    head.weight = tower.class_weights(names, prompts) * tower.scale
    head.bias = torch.zeros(len(classes))
    return Model(backbone=backbone, classes=tuple(classes), head=head, layers=(layer.name,))


def class_names(store: Store, classes: Sequence[str]) -> list[str]:
    """The words for classes: the first name of each in the data or its hierarchy, else its label.

    Raises UsageError for labels that are numbers, for which no words are known.
    """
    tree = store.hierarchy
    words = {**(tree.names if tree else {}), **store.names}
    names = [words.get(label, label).split(",")[0].replace("_", " ").strip() for label in classes]
    numbers = [name for name in names if _NO_WORD.fullmatch(name)]
    if numbers:
        raise UsageError(
            f"zero_shot() needs the names of the classes, and {numbers[0]!r} of {store.name} is a "
            "number",
            "Name the folders by words; or, for synsets, give the hierarchy: "
            'hierarchy = "wordnet", or seedbed pack --hierarchy wordnet.',
        )
    return names
