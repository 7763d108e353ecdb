"""Recipes *(plug-ins)*: which images and labels of a source an arm keeps.

Three kinds, one method each. Applied left to right, joined by `|`; each sees the classes that the
one before left.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seedbed.base.call import parse_calls
from seedbed.base.randomness import Draw
from seedbed.base.registry import Registry
from seedbed.data.hierarchy import Hierarchy


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """The n training images that an image recipe chooses from; labels count 0..num_classes-1."""

    labels: np.ndarray  # int32 [n]
    hashes: np.ndarray  # uint64 [n], of the ids
    classes: tuple[str, ...]

    @property
    def class_sizes(self) -> np.ndarray:
        """int64 [num_classes]."""
        return np.bincount(self.labels, minlength=len(self.classes))


class ClassRecipe(ABC):
    """Maps each class to a class id or to nothing; holds for every split."""

    @abstractmethod
    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        """{leaf: class id, or None where dropped}; needs no images; the order of the leaves does
        not matter."""

    def note(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> str:
        """What a reader must know of this label set, or nothing."""
        return ""


class ImageRecipe(ABC):
    """Thins the training rows; pixels, labels and the other splits stay."""

    @abstractmethod
    def select(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        """bool [n]: which of the rows stay; at one seed nested in its size."""

    def note(self, rows: TrainingRows) -> str:
        """What a reader must know of this selection ("3 classes had fewer ..."), or nothing."""
        return ""


class LabelRecipe(ABC):
    """Changes the labels of training rows; leaf labels are kept beside."""

    @abstractmethod
    def assign(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        """int32 [n]: the new label of each row."""


AnyRecipe = ClassRecipe | ImageRecipe | LabelRecipe

RECIPES: Registry[AnyRecipe] = Registry("recipe", "seedbed.recipes")
RECIPES.add("bottom_up", "seedbed.data.recipes.bottom_up:BottomUp")
RECIPES.add("budget", "seedbed.data.recipes.budget:Budget")
RECIPES.add("classes", "seedbed.data.recipes.classes:Classes")
RECIPES.add("exclude", "seedbed.data.recipes.exclude:Exclude")
RECIPES.add("imbalance", "seedbed.data.recipes.imbalance:Imbalance")
RECIPES.add("images", "seedbed.data.recipes.images:Images")
RECIPES.add("like", "seedbed.data.recipes.like:Like")
RECIPES.add("only", "seedbed.data.recipes.only:Only")
RECIPES.add("shuffle_labels", "seedbed.data.recipes.shuffle_labels:ShuffleLabels")
RECIPES.add("split", "seedbed.data.recipes.split:Split")
RECIPES.add("top_down", "seedbed.data.recipes.top_down:TopDown")
RECIPES.add("under", "seedbed.data.recipes.under:Under")


@dataclass(frozen=True)
class Recipe:
    """Recipes applied left to right: `Recipe("classes(num=50) | images(per_class=100)")`;
    `Recipe("")` keeps everything."""

    text: str = ""

    @cached_property
    def steps(self) -> tuple[tuple[str, AnyRecipe], ...]:
        """(name, plug-in) of each step; raises UsageError for what cannot be read, an unknown name
        or key."""
        where = f"the recipe {self.text!r}"
        return tuple(
            (call.name, RECIPES.make(call, where)) for call in parse_calls(self.text, "recipe")
        )


def relabelled_leaves(
    leaves: Sequence[str], hierarchy: Hierarchy | None, recipe: Recipe, seed: int
) -> dict[str, str | None]:
    """What the class recipes of `recipe` do to leaf labels alone, without images: {leaf: class id
    or None}."""
    result: dict[str, str | None] = {leaf: leaf for leaf in leaves}
    for name, step in recipe.steps:
        if isinstance(step, ClassRecipe):
            left = sorted({c for c in result.values() if c is not None})
            new = step.relabel(left, hierarchy, Draw(seed=seed, purpose=f"sample/{name}"))
            result = {leaf: None if c is None else new[c] for leaf, c in result.items()}
    return result
