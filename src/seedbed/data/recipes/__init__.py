"""Recipes *(plug-ins)*: which images and labels of a source an arm keeps.

In: a call string such as `classes(num=50) | images(per_class=100)`. Out: steps, applied left to
right to a selection; each sees the classes that the one before left. A step is a class recipe, an
image recipe or a label recipe, with one method to write; the other members say what scaling laws,
class influence, random controls and reports need to know of it, and have safe defaults.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from seedbed.base.call import parse_calls
from seedbed.base.randomness import Draw
from seedbed.base.registry import Registry
from seedbed.base.spec import call_of
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.matching_classes import LabelSet
from seedbed.data.selection import Selection, TrainingRows

Axis = Literal["images", "classes"]
Targets = Mapping[str, LabelSet]


class RecipeStep(ABC):
    """One step of a recipe. A plug-in derives from one of the three kinds below."""

    @abstractmethod
    def apply(self, selection: Selection, draw: Draw) -> Selection:
        """What this step leaves of a selection; each kind implements it."""

    @property
    def draws(self) -> bool:
        """Whether its result may differ from seed to seed; False promises that it never does."""
        return True

    @property
    def sampled_axis(self) -> Axis | None:
        """The size that it varies, where what it keeps is a random sample of the training images or
        of the classes, and nothing else changes: such arms enter scaling laws, and those that
        sample classes enter class influence. None: it does something else."""
        return None

    @property
    def control_for(self) -> Recipe | None:
        """The recipe that it is a random control for; None where it is no control."""
        return None

    @property
    def image_share(self) -> float | None:
        """The share of every class's training images that it keeps; None where it has no such
        share."""
        return None

    def excluded_nodes(self) -> Mapping[str, str]:
        """Nodes of the hierarchy whose classes it drops on purpose -> a word for each, or an empty
        one: reports list what was dropped and which remaining classes are near to it."""
        return {}

    def resolve(self, source: LabelSet, targets: Targets) -> RecipeStep:
        """A step of the same class, in which the name of a target is replaced by what that target's
        classes are in the source; the step itself where it names no target. Raises UsageError where
        they are not known."""
        return self

    def resolution_notes(self, source: LabelSet, targets: Targets) -> Sequence[str]:
        """What a reader must know of the targets that it names."""
        return ()


class ClassRecipe(RecipeStep):
    """Keeps, drops or merges classes, in every split."""

    @abstractmethod
    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        """{leaf: class id, or None where dropped}; without images; the order of the leaves must not
        matter."""

    def note(self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw) -> str:
        """What a reader must know of this label set, or an empty text."""
        return ""

    def num_images_to_drop(self, selection: Selection, draw: Draw) -> int:
        """How many training images to drop at random once the classes are relabelled."""
        return 0

    @property
    def class_distance(self) -> Literal["near", "far"] | None:
        """Whether the classes that it keeps lie near each other in the hierarchy or far apart; None
        where it does not choose them by distance."""
        return None

    def apply(self, selection: Selection, draw: Draw) -> Selection:
        classes, hierarchy = selection.classes, selection.store.hierarchy
        return (
            selection.with_note(self.note(classes, hierarchy, draw))
            .relabel(self.relabel(classes, hierarchy, draw))
            .drop_at_random(self.num_images_to_drop(selection, draw), draw)
        )


class ImageRecipe(RecipeStep):
    """Thins the training rows; pixels, labels and the other splits stay."""

    @abstractmethod
    def select(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        """Which of the rows stay: bool [n]. At one seed, a smaller selection is part of a larger
        one."""

    def note(self, rows: TrainingRows) -> str:
        """What a reader must know of this selection ("3 classes have fewer ..."), or an empty
        text."""
        return ""

    @property
    def over_more_classes(self) -> Recipe | None:
        """The recipe that keeps as many images, but of more classes; None where there is none."""
        return None

    def apply(self, selection: Selection, draw: Draw) -> Selection:
        rows = selection.training_rows
        return selection.with_rows(self.select(rows, draw)).with_note(self.note(rows))


class LabelRecipe(RecipeStep):
    """Changes the labels of training rows; the view still knows the leaf label of each row."""

    @abstractmethod
    def assign(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        """The new label of each row: int32 [n]."""

    @property
    def shuffled_share(self) -> float | None:
        """The share of the training images whose labels it permutes; None where it does something
        else."""
        return None

    def apply(self, selection: Selection, draw: Draw) -> Selection:
        return selection.with_labels(self.assign(selection.training_rows, draw))


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
class NamedStep:
    """A step with the name that it is registered by and its call as it was written. Equal: the same
    name and settings, however they were written."""

    name: str
    step: RecipeStep
    text: str = field(compare=False)

    def draw(self, seed: int) -> Draw:
        """The randomness of this step at a seed."""
        return Draw(seed=seed, purpose=f"sample/{self.name}")

    def resolve(self, source: LabelSet, targets: Targets) -> NamedStep:
        """See RecipeStep.resolve; the text changes with the step."""
        step = self.step.resolve(source, targets)
        is_same = step is self.step
        return self if is_same else NamedStep(self.name, step, str(call_of(step, self.name)))


@dataclass(frozen=True, eq=False)
class Recipe:
    """Steps applied left to right: `Recipe("classes(num=50) | images(per_class=100)")`;
    `Recipe("")` keeps everything.

    `str(recipe)` is the text as it was written. Two recipes are equal where their steps are equal,
    however they were written. Raises UsageError for a text that cannot be read and for an unknown
    name or key.
    """

    text: str = ""
    steps: tuple[NamedStep, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where = f"the recipe {self.text!r}"
        steps = tuple(
            NamedStep(call.name, RECIPES.make(call, where), str(call))
            for call in parse_calls(self.text, "recipe")
        )
        object.__setattr__(self, "steps", steps)

    @staticmethod
    def of(value: Recipe | str) -> Recipe:
        """A recipe from its text, or itself."""
        if isinstance(value, Recipe):
            return value
        if not isinstance(value, str):
            raise ValueError(f"recipe = {value!r} is not a text: write 'images(fraction=0.5)'")
        return Recipe(value)

    @staticmethod
    def join(steps: Sequence[NamedStep]) -> Recipe:
        """The recipe of these steps."""
        return Recipe(" | ".join(step.text for step in steps))

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.steps == other.steps

    def __hash__(self) -> int:
        return hash(tuple(step.name for step in self.steps))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[..., Any]) -> Any:
        """Let pydantic build a field of this type from text."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(cls.of)

    @property
    def is_empty(self) -> bool:
        """Whether it keeps everything."""
        return not self.steps

    @property
    def draws(self) -> bool:
        """Whether what it keeps may differ from seed to seed."""
        return any(named.step.draws for named in self.steps)

    @property
    def changes_labels(self) -> bool:
        """Whether some step changes the labels of training images."""
        return any(isinstance(named.step, LabelRecipe) for named in self.steps)

    @property
    def is_random_sample(self) -> bool:
        """Whether it keeps a random sample of images and classes and changes nothing else, so that
        arms differ in size alone; the empty recipe does."""
        return all(named.step.sampled_axis for named in self.steps)

    @property
    def samples_classes(self) -> bool:
        """Whether some step keeps a random sample of the classes."""
        return any(named.step.sampled_axis == "classes" for named in self.steps)

    @property
    def control_for(self) -> Recipe | None:
        """The recipe that it is the random control for: `R | rest` of `like(recipe='R') | rest`;
        None where it is no control."""
        if all(named.step.control_for is None for named in self.steps):
            return None
        return Recipe.join([inner for named in self.steps for inner in _controlled_steps(named)])

    @property
    def image_share(self) -> float | None:
        """The share of every class's images that it keeps, where it does nothing else."""
        only = self._only_step
        return None if only is None else only.image_share

    @property
    def shuffled_share(self) -> float | None:
        """The share of the images whose labels it permutes, where it does nothing else."""
        only = self._only_step
        return only.shuffled_share if isinstance(only, LabelRecipe) else None

    @property
    def over_more_classes(self) -> Recipe | None:
        """The recipe that spends as many images on more classes, where it does nothing else."""
        only = self._only_step
        return only.over_more_classes if isinstance(only, ImageRecipe) else None

    @property
    def class_distance(self) -> Literal["near", "far"] | None:
        """Whether the classes are chosen near each other in the hierarchy, or far apart."""
        steps = (named.step for named in self.steps if isinstance(named.step, ClassRecipe))
        return next((step.class_distance for step in steps if step.class_distance), None)

    @property
    def _only_step(self) -> RecipeStep | None:
        return self.steps[0].step if len(self.steps) == 1 else None

    def excluded_nodes(self) -> dict[str, str]:
        """Nodes of the hierarchy that its steps exclude -> a word for each, or an empty one."""
        return {
            node: word for named in self.steps for node, word in named.step.excluded_nodes().items()
        }

    def resolve(self, source: LabelSet, targets: Targets) -> Recipe:
        """The recipe with each `exclude(target='NAME')` of a target replaced by the nodes of the
        source that its classes are. Raises UsageError where they are not known."""
        steps = [named.resolve(source, targets) for named in self.steps]
        is_same = all(new is old for new, old in zip(steps, self.steps, strict=True))
        return self if is_same else Recipe.join(steps)

    def resolution_notes(self, source: LabelSet, targets: Targets) -> list[str]:
        """What a reader must know of the targets that it names: classes that the source does not
        have, say."""
        return [
            note for named in self.steps for note in named.step.resolution_notes(source, targets)
        ]


EVERYTHING = Recipe()


def _controlled_steps(named: NamedStep) -> tuple[NamedStep, ...]:
    """The steps that a control stands for; any other step itself."""
    recipe = named.step.control_for
    return (named,) if recipe is None else recipe.steps


def relabelled_leaves(
    leaves: Sequence[str], hierarchy: Hierarchy | None, recipe: Recipe, seed: int
) -> dict[str, str | None]:
    """What the class recipes of `recipe` do to leaf labels alone, without images: {leaf: class id
    or None}."""
    result: dict[str, str | None] = {leaf: leaf for leaf in leaves}
    for named in recipe.steps:
        if isinstance(named.step, ClassRecipe):
            remaining = sorted({c for c in result.values() if c is not None})
            class_of = named.step.relabel(remaining, hierarchy, named.draw(seed))
            result = {leaf: None if c is None else class_of[c] for leaf, c in result.items()}
    return result


def require_exactly_one(recipe: object, *names: str) -> None:
    """Raise ValueError unless exactly one of these settings is there, and it is positive (a
    fraction at most 1)."""
    settings = {name: value for name in names if (value := getattr(recipe, name)) is not None}
    if len(settings) != 1:
        raise ValueError(
            f"give exactly one of {', '.join(names)}, not {', '.join(settings) or 'none'}"
        )
    ((name, value),) = settings.items()
    if name == "fraction" and not 0 < value <= 1:
        raise ValueError(f"fraction = {value} is outside (0, 1]")
    if isinstance(value, int | float) and value <= 0:
        raise ValueError(f"{name} = {value} must be positive")


__all__ = [
    "EVERYTHING",
    "RECIPES",
    "ClassRecipe",
    "ImageRecipe",
    "LabelRecipe",
    "Recipe",
    "TrainingRows",
]
