"""A recipe as an object: its text, when two are equal, and what it answers about itself."""

from __future__ import annotations

import copy
import pickle

import pytest

from seedbed.base.errors import UsageError
from seedbed.base.spec import call_of
from seedbed.data.recipes import RECIPES, Recipe
from seedbed.trials.arms import Arm, read_arm


def test_its_text_is_what_was_written() -> None:
    text = " images(5)|classes( num = 4 ) "
    recipe = Recipe(text)
    assert str(recipe) == text
    assert [named.text for named in recipe.steps] == ["images(5)", "classes(num=4)"]
    assert str(Recipe.join(recipe.steps)) == "images(5) | classes(num=4)"
    assert Recipe.of(recipe) is recipe and Recipe.of(text) == recipe


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("images(5)", "images(per_class=5)"),
        ("classes(num=3)", "classes(num=3, pick='random')"),
        ("images(fraction=1)", "images(fraction=1.0)"),
        ("exclude(['a', 'b'])", "exclude(synsets=('a', 'b'))"),
        ("like('images(5)')", "like(recipe=' images( per_class=5 )')"),
        ("", "  "),
        ("images(5) | (classes(4) | images(2))", "images(5)|classes(4)|images(2)"),
    ],
)
def test_recipes_are_equal_however_they_were_written(one: str, other: str) -> None:
    assert Recipe(one) == Recipe(other) and hash(Recipe(one)) == hash(Recipe(other))
    assert Arm(recipe=one) == Arm(recipe=other)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("images(5)", "images(6)"),
        ("images(per_class=5)", "images(total=5)"),
        ("images(5) | classes(4)", "classes(4) | images(5)"),
        ("like('images(5)')", "images(5)"),
        ("like('images(5)')", "like('images(6)')"),
        ("", "images(5)"),
    ],
)
def test_other_recipes_differ(one: str, other: str) -> None:
    assert Recipe(one) != Recipe(other)
    assert Recipe(one) != one


def test_the_empty_recipe_keeps_everything() -> None:
    assert Recipe().is_empty and Recipe().is_random_sample
    assert not Recipe().draws and not Recipe().samples_classes
    assert not Recipe("images(5)").is_empty


@pytest.mark.parametrize(
    ("text", "is_random_sample", "samples_classes"),
    [
        ("images(5)", True, False),
        ("images(5) | classes(4)", True, True),
        ("classes(fraction=0.5, pick='random')", True, True),
        ("split(kind='random', half='a')", True, True),
        ("budget(images=9, favour='examples')", True, False),
        ("classes(num=4, pick='spread')", False, False),
        ("classes(names=['a', 'b'])", False, False),
        ("classes(4) | bottom_up(depth=1)", False, True),
        ("imbalance(ratio=2)", False, False),
        ("like('classes(4)')", False, False),
    ],
)
def test_what_is_a_random_sample(text: str, is_random_sample: bool, samples_classes: bool) -> None:
    assert Recipe(text).is_random_sample == is_random_sample
    assert Recipe(text).samples_classes == samples_classes


@pytest.mark.parametrize(
    ("control", "recipe"),
    [
        ("like('images(5)')", "images(per_class=5)"),
        ("like(recipe='classes(4) | images(5)') | images(2)", "classes(4) | images(5) | images(2)"),
        ("images(9) | like('classes(4)')", "images(9) | classes(4)"),
        ("like('') | images(9)", "images(9)"),
        ("images(5)", None),
        ("", None),
    ],
)
def test_what_it_is_a_control_for(control: str, recipe: str | None) -> None:
    assert Recipe(control).control_for == (None if recipe is None else Recipe(recipe))


def test_shares_are_of_one_step_alone() -> None:
    assert Recipe("images(fraction=0.7)").image_share == 0.7
    assert Recipe("images(7)").image_share is None
    assert Recipe("images(fraction=0.7) | classes(4)").image_share is None
    assert Recipe("shuffle_labels(0.3)").shuffled_share == 0.3
    assert Recipe("images(fraction=0.7) | shuffle_labels(0.3)").shuffled_share is None
    assert Recipe("images(fraction=0.7)").shuffled_share is None


def test_the_same_budget_over_more_classes() -> None:
    few = Recipe("budget(9, 'examples')")
    assert few.over_more_classes == Recipe("budget(images=9, favour='classes')")
    assert Recipe("budget(9, 'classes')").over_more_classes is None
    assert Recipe("images(total=9)").over_more_classes is None


def test_how_far_apart_its_classes_are() -> None:
    assert Recipe("images(9) | classes(4, pick='siblings')").class_distance == "near"
    assert Recipe("classes(num=4, pick='spread')").class_distance == "far"
    assert Recipe("classes(4)").class_distance is None


def test_it_survives_copies_and_pickling() -> None:
    recipe = Recipe("like('images(5)') | classes(4)")
    assert copy.deepcopy(recipe) == recipe == pickle.loads(pickle.dumps(recipe))


def test_errors_come_when_it_is_made() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'image'"):
        Recipe("image(5)")
    with pytest.raises(UsageError, match="cannot read the recipe"):
        Recipe("images(5")
    with pytest.raises(UsageError, match=r"recipe = 5 is not a text"):
        read_arm({"recipe": 5}, "[arms] half")
    with pytest.raises(UsageError, match=r"unknown key 'perclass'"):
        read_arm({"recipe": "images(perclass=5)"}, "[arms] half")


def test_the_call_of_a_step_holds_what_is_not_default() -> None:
    assert str(call_of(RECIPES.make("classes(4, pick='random')"), "classes")) == "classes(num=4)"
    exclude = RECIPES.make("exclude(synsets=('a', 'b'))")
    assert str(call_of(exclude, "exclude")) == "exclude(synsets=['a', 'b'])"
