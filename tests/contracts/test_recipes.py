"""The same checks over every registered recipe. A new one brings examples below."""

from __future__ import annotations

import itertools
from dataclasses import fields

import numpy as np
import pytest

from seedbed.base.call import Call
from seedbed.base.randomness import Draw
from seedbed.base.spec import call_of
from seedbed.data.recipes import (
    RECIPES,
    ClassRecipe,
    ImageRecipe,
    LabelRecipe,
    Recipe,
    TrainingRows,
)
from seedbed.data.source import SPLITS, TRAIN
from seedbed.data.store import Store
from seedbed.data.view import make_view

# Calls that fit toy(); of an image recipe in ascending size, so that nesting can be checked.
EXAMPLES = {
    "bottom_up": ["bottom_up(depth=1)", "bottom_up(depth=2)", "bottom_up(depth=3)"],
    "budget": ["budget(images=150, favour='classes')", "budget(images=150, favour='examples')"],
    "classes": [
        "classes(num=7)",
        "classes(fraction=0.4)",
        "classes(num=7, pick='siblings')",
        "classes(num=7, pick='spread')",
    ],
    "exclude": ["exclude(synsets=['polygon'])"],
    "imbalance": ["imbalance(ratio=3)"],
    "like": [
        "like(recipe='bottom_up(depth=2)')",
        "like(recipe='classes(fraction=0.7) | images(fraction=0.5)')",
    ],
    "only": ["only(source='polygon')"],
    "shuffle_labels": ["shuffle_labels(fraction=0.3)"],
    "split": ["split(kind='minimal', half='a')", "split(kind='random', half='b')"],
    "top_down": ["top_down(rounds=1)"],
    "under": ["under(synsets=['polygon'])"],
    "images": [
        "images(per_class=1)",
        "images(fraction=0.5)",
        "images(total=150)",
        "images(per_class=3)",
    ],
}
NOT_NESTED = {"budget"}  # exempt by contract
CALLS = [call for calls in EXAMPLES.values() for call in calls]


def _of_kind(kind: type) -> list[str]:
    return [call for call in CALLS if isinstance(RECIPES.make(call), kind)]


def _rows(store: Store) -> tuple[np.ndarray, TrainingRows]:
    rows = np.flatnonzero(store.splits == TRAIN)
    return rows, TrainingRows(
        labels=store.leaves[rows], hashes=store.hashes[rows], classes=store.classes
    )


def _shuffled(rows: TrainingRows) -> tuple[np.ndarray, TrainingRows]:
    order = np.random.default_rng(0).permutation(len(rows.labels))
    return order, TrainingRows(
        labels=rows.labels[order], hashes=rows.hashes[order], classes=rows.classes
    )


def test_every_registered_recipe_has_an_example_and_a_summary() -> None:
    assert set(EXAMPLES) == set(RECIPES.names())
    assert all(row["summary"] for row in RECIPES.describe())


@pytest.mark.parametrize("call", CALLS)
def test_a_recipe_is_of_exactly_one_kind(call: str) -> None:
    assert (
        sum(
            isinstance(RECIPES.make(call), kind) for kind in (ClassRecipe, ImageRecipe, LabelRecipe)
        )
        == 1
    )


@pytest.mark.parametrize("call", CALLS)
def test_the_same_seed_gives_the_same_view(toy_store: Store, call: str) -> None:
    one, two = (make_view(Store.open(toy_store.path), call, seed=3) for _ in range(2))
    assert one.fingerprint == two.fingerprint
    assert one.rows.tolist() == two.rows.tolist()


@pytest.mark.parametrize("call", CALLS)
def test_views_hold_training_rows_alone_and_classes_that_have_some(
    toy_store: Store, call: str
) -> None:
    view = make_view(toy_store, call, seed=1)
    assert (toy_store.splits[view.rows] == TRAIN).all()
    assert (np.diff(view.rows) > 0).all()
    assert (view.class_sizes > 0).all()
    assert list(view.classes) == sorted(set(view.classes))
    assert (toy_store.splits[view.held_out()[0]] == SPLITS.index("test")).all()


@pytest.mark.parametrize("call", CALLS)
def test_a_step_differs_from_seed_to_seed_only_if_it_says_that_it_draws(
    toy_store: Store, call: str
) -> None:
    recipe = Recipe(call)
    views = {make_view(toy_store, recipe, seed).fingerprint for seed in range(4)}
    assert (len(views) > 1) == recipe.draws


@pytest.mark.parametrize("call", CALLS)
def test_a_sample_of_images_or_classes_is_drawn_and_keeps_labels(
    toy_store: Store, call: str
) -> None:
    recipe = Recipe(call)
    axes = {named.step.sampled_axis for named in recipe.steps} - {None}
    if not axes:
        return
    assert recipe.draws and recipe.is_random_sample and axes <= {"images", "classes"}
    view, plain = make_view(toy_store, call), make_view(toy_store)
    assert set(view.classes) <= set(plain.classes)
    assert len(view.rows) < len(plain.rows)


@pytest.mark.parametrize("call", CALLS)
def test_two_spellings_of_a_call_are_one_recipe(call: str) -> None:
    [named] = Recipe(call).steps
    spelled_out = {f.name: getattr(named.step, f.name) for f in fields(named.step) if f.init}
    spelled_out = {k: list(v) if isinstance(v, tuple) else v for k, v in spelled_out.items()}
    again = Recipe(f" {Call(name=named.name, args=tuple(spelled_out.values()))} ")
    assert again == Recipe(call) and hash(again) == hash(Recipe(call))
    assert Recipe(str(call_of(named.step, named.name))) == Recipe(call)
    assert str(Recipe(call)) == call
    assert Recipe(f"{call} | {call}") != Recipe(call) != Recipe("")


@pytest.mark.parametrize("call", CALLS)
def test_what_names_no_target_is_resolved_already(toy_store: Store, call: str) -> None:
    recipe = Recipe(call)
    assert recipe.resolve(toy_store, {"polygon": toy_store}) is recipe
    assert recipe.resolution_notes(toy_store, {"polygon": toy_store}) == []


@pytest.mark.parametrize("call", _of_kind(ClassRecipe))
@pytest.mark.parametrize("seed", [0, 1])
def test_a_class_recipe_answers_for_each_leaf_in_any_order(
    toy_store: Store, call: str, seed: int
) -> None:
    recipe, draw = RECIPES.make(call), Draw(seed=seed, purpose="sample")
    answer = dict(recipe.relabel(toy_store.classes, toy_store.hierarchy, draw))
    assert set(answer) == set(toy_store.classes)
    assert dict(recipe.relabel(toy_store.classes[::-1], toy_store.hierarchy, draw)) == answer
    assert dict(RECIPES.make(call).relabel(toy_store.classes, toy_store.hierarchy, draw)) == answer


@pytest.mark.parametrize("call", _of_kind(ImageRecipe))
def test_an_image_recipe_answers_for_each_row_in_any_order(toy_store: Store, call: str) -> None:
    recipe, draw = RECIPES.make(call), Draw(seed=2, purpose="sample")
    _, rows = _rows(toy_store)
    kept = recipe.select(rows, draw)
    assert kept.dtype == bool
    assert 0 < kept.sum() <= len(kept) == len(rows.labels)
    order, shuffled = _shuffled(rows)
    assert (recipe.select(shuffled, draw) == kept[order]).all()


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in EXAMPLES
        if isinstance(RECIPES.make(EXAMPLES[n][0]), ImageRecipe) and n not in NOT_NESTED
    ],
)
def test_image_recipes_are_nested_in_their_size(toy_store: Store, name: str) -> None:
    _, rows = _rows(toy_store)
    drawn = [
        RECIPES.make(call).select(rows, Draw(seed=5, purpose="sample")) for call in EXAMPLES[name]
    ]
    for smaller, larger in itertools.pairwise(drawn):
        assert not (smaller & ~larger).any()


@pytest.mark.parametrize("call", _of_kind(ImageRecipe))
def test_an_image_recipe_leaves_labels_and_held_out_rows_alone(toy_store: Store, call: str) -> None:
    view, plain = make_view(toy_store, call), make_view(toy_store)
    # a class that is left without an image is none any more
    kept = np.array(view.classes)[view.labels]
    assert (kept == np.array(toy_store.classes)[toy_store.leaves[view.rows]]).all()
    rows, labels = plain.held_out()
    assert (
        view.held_out()[0].tolist()
        == rows[np.isin(labels, np.flatnonzero(np.isin(plain.classes, view.classes)))].tolist()
    )


@pytest.mark.parametrize("call", CALLS)
def test_settings_are_frozen_and_the_rows_untouched(toy_store: Store, call: str) -> None:
    recipe = RECIPES.make(call)
    with pytest.raises(AttributeError):
        recipe.anything = 1  # pyright: ignore
    _, rows = _rows(toy_store)
    before = rows.labels.copy(), rows.hashes.copy()
    make_view(toy_store, Recipe(call))
    assert (rows.labels == before[0]).all()
    assert (rows.hashes == before[1]).all()
