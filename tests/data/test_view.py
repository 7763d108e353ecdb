"""Views: row ids and labels that an arm keeps, at any size of the data."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.randomness import mix
from seedbed.data.recipes import RECIPES, ClassRecipe, LabelRecipe, Recipe, relabelled_leaves
from seedbed.data.selection import index_classes
from seedbed.data.source import TEST, TRAIN
from seedbed.data.view import make_view

LEAVES = [*["a/x"] * 10, *["a/y"] * 20, *["b/z"] * 30, *["c"] * 4]
PARENTS = {"a/x": ["a"], "a/y": ["a"], "b/z": ["b"], "a": ["."], "b": ["."], "c": ["."]}


@pytest.fixture
def store(make_store):
    """64 training rows of four classes in a tree, and 2 test rows of each."""
    leaves = [*LEAVES, *["a/x", "a/y", "b/z", "c"] * 2]
    return make_store(leaves, ["train"] * 64 + ["test"] * 8, parents=PARENTS)


def _ids(view) -> set[str]:
    return set(view.store.ids[view.rows])


def test_no_recipe_keeps_every_training_row(store) -> None:
    view = make_view(store)
    assert view.rows.tolist() == list(range(64))
    assert [view.classes[i] for i in view.labels] == LEAVES
    assert view.class_sizes.tolist() == [10, 20, 30, 4]
    assert view.notes == ()


def test_same_store_recipe_and_seed_give_the_same_view(store) -> None:
    views = [make_view(store, "images(fraction=0.5) | classes(num=3)", seed=4) for _ in range(2)]
    assert _ids(views[0]) == _ids(views[1])
    assert views[0].fingerprint == views[1].fingerprint
    assert (
        make_view(store, "images(fraction=0.5) | classes(num=3)", seed=5).fingerprint
        != views[0].fingerprint
    )


@pytest.mark.parametrize(
    ("key", "sizes"),
    [
        ("per_class", [1, 3, 12, 40]),
        ("fraction", [0.01, 0.3, 0.31, 0.9, 1.0]),
        ("total", [4, 5, 30, 64]),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_draws_are_nested_in_their_size(store, key: str, sizes: list[float], seed: int) -> None:
    drawn = [_ids(make_view(store, f"images({key}={size})", seed)) for size in sizes]
    for smaller, larger in itertools.pairwise(drawn):
        assert smaller <= larger
    assert len(drawn[0]) < len(drawn[-1])


def test_arms_are_paired(store) -> None:
    """An image drawn in one arm is drawn in the other wherever both keep as many of its class."""
    plain, merged, fewer = (
        make_view(store, f"{r}images(per_class=4)", 2)
        for r in ("", "classes(names=['a/x', 'c']) | ", "classes(num=3) | ")
    )
    for other in (merged, fewer):
        kept = {store.ids[i] for i in plain.rows if other.class_of_leaf[store.leaves[i]] >= 0}
        assert kept == _ids(other)


@pytest.mark.parametrize(
    "recipe",
    [
        "",
        "images(fraction=0.3)",
        "images(total=17)",
        "classes(num=2)",
        "bottom_up(depth=1) | images(per_class=6)",
        "images(per_class=6) | classes(num=3)",
    ],
)
def test_a_view_does_not_depend_on_the_order_of_rows(make_store, recipe: str) -> None:
    leaves, ids = np.array(LEAVES), np.array([f"{i:03d}" for i in range(64)])
    order = np.random.default_rng(0).permutation(64)
    one = make_view(
        make_store(leaves.tolist(), ids=ids.tolist(), parents=PARENTS, name="one"), recipe, 3
    )
    two = make_view(
        make_store(leaves[order].tolist(), ids=ids[order].tolist(), parents=PARENTS, name="two"),
        recipe,
        3,
    )
    assert {
        i: one.classes[c] for i, c in zip(one.store.ids[one.rows], one.labels, strict=True)
    } == {i: two.classes[c] for i, c in zip(two.store.ids[two.rows], two.labels, strict=True)}
    assert one.ids_sha256 == two.ids_sha256


def test_a_source_listed_in_another_order_gives_the_same_store(tmp_path: Path) -> None:
    from seedbed.data.memory_images import loaded_from_pixels
    from seedbed.data.pack import pack
    from seedbed.data.source import Pixels, from_records

    @dataclass(frozen=True)
    class Drawn(Pixels):
        light = True

        def load(self, rows, size_px, fit="crop"):
            return loaded_from_pixels(
                np.repeat(rows, 192).astype(np.uint8).reshape(-1, 8, 8, 3), 8, 8
            )

    records = [(f"{i:02d}", "ab"[i % 2], TRAIN) for i in range(20)]
    digests = []
    for name, listed in (("one", records), ("two", records[::-1])):
        source = from_records("drawn", list(listed), pixels=Drawn(), listing="x")
        digests.append(pack(source, tmp_path / f"{name}.store", size_px=8).store.digest)
    assert digests[0] == digests[1]


def test_recipes_apply_left_to_right(store) -> None:
    before = make_view(store, "images(per_class=5) | bottom_up(depth=1)")
    after = make_view(store, "bottom_up(depth=1) | images(per_class=5)")
    assert before.classes == after.classes == ("a", "b", "c")
    assert before.class_sizes.tolist() == [10, 5, 4]
    assert after.class_sizes.tolist() == [5, 5, 4]


def test_a_recipe_sees_the_classes_left_before_it(store) -> None:
    assert make_view(store, "bottom_up(depth=1) | classes(names=['a', 'c'])").classes == ("a", "c")
    with pytest.raises(UsageError, match="unknown class 'a/x'"):
        make_view(store, "bottom_up(depth=1) | classes(names=['a/x', 'c'])")


def test_leaf_labels_survive_a_merging(store) -> None:
    view = make_view(store, "bottom_up(depth=1)")
    assert [store.classes[i] for i in view.leaves] == LEAVES
    assert view.class_of_leaf.tolist() == [0, 0, 1, 2]
    assert [view.classes[i] for i in view.labels] == [leaf.split("/")[0] for leaf in LEAVES]


def test_a_class_recipe_holds_for_held_out_rows_too(store) -> None:
    rows, labels = make_view(store, "classes(names=['a/x', 'c'])").held_out()
    assert {
        (store.classes[store.leaves[r]], int(label)) for r, label in zip(rows, labels, strict=True)
    } == {("a/x", 0), ("c", 1)}
    assert (store.splits[rows] == TEST).all()


def test_an_image_recipe_leaves_held_out_rows_alone(store) -> None:
    assert len(make_view(store, "images(per_class=1)").held_out()[0]) == 8


def test_a_class_without_training_images_leaves_every_split(make_store) -> None:
    view = make_view(
        make_store(["a", "a", "b", "b", "only", "a"], ["train"] * 4 + ["test", "test"])
    )
    assert view.classes == ("a", "b")
    assert view.class_of_leaf.tolist() == [0, 1, -1]
    assert view.held_out()[0].tolist() == [5]
    assert "only" in view.notes[0]


def test_smaller_classes_are_said(store) -> None:
    notes = make_view(store, "images(per_class=15)").notes
    assert notes == ("2 of 4 classes have fewer than 15 images: all their images stay",)


def test_the_fingerprint_knows_the_view_not_the_recipe(make_store) -> None:
    store = make_store(["a"] * 20 + ["b"] * 20)
    texts = [
        "images(fraction=0.5)",
        "images(per_class=10)",
        "images(total=20)",
        "images(per_class=15) | images(per_class=10)",
    ]
    assert len({make_view(store, t, 1).fingerprint for t in texts}) == 1
    assert (
        make_view(store, "images(per_class=9)", 1).fingerprint
        != make_view(store, texts[0], 1).fingerprint
    )


def test_the_fingerprint_does_not_know_the_folder(make_store) -> None:
    one, two = (make_store(["a"] * 4 + ["b"] * 4, name=name) for name in ("one", "two"))
    assert make_view(one).fingerprint == make_view(two).fingerprint


def test_the_fingerprint_changes_with_a_label_a_row_and_a_class_name(store) -> None:
    view = make_view(store)
    labels = view.labels.copy()
    labels[0] = 1
    others = [
        replace(view, labels=labels),
        replace(view, rows=view.rows[:-1], labels=view.labels[:-1]),
        replace(view, classes=("q", *view.classes[1:])),
    ]
    assert len({view.fingerprint, *(o.fingerprint for o in others)}) == 4


def test_ids_sha256_is_that_of_the_sorted_ids(store) -> None:
    import hashlib

    view = make_view(store, "images(total=9)")
    assert view.ids_sha256 == hashlib.sha256("\n".join(sorted(_ids(view))).encode()).hexdigest()


def test_entropy_of_balanced_classes_is_the_logarithm_of_their_number(store) -> None:
    assert make_view(store, "images(per_class=4)").entropy_bits == pytest.approx(2.0)
    assert make_view(store).entropy_bits < 2


@pytest.mark.parametrize("recipe", ["classes(names=['c'])", "classes(names=[])"])
def test_fewer_than_two_classes_is_an_error(store, recipe: str) -> None:
    with pytest.raises(BadDataError, match=r"leaves [01] class"):
        make_view(store, recipe)


@pytest.mark.parametrize(
    "recipe",
    [
        "image(per_class=5)",
        "images(perclass=5)",
        "images()",
        "images(per_class=1, total=5)",
        "images(per_class=0)",
        "images(per_class=-1)",
        "images(per_class=True)",
        "images(fraction=0)",
        "images(fraction=1.5)",
        "images(fraction=1e999)",
        "images(total=3)",
        "images(total=65)",
        "images(total=99999999999999999999999999)",
        "classes(num=1)",
        "classes(num=5)",
        "classes(names=['q', 'c'])",
        "bottom_up()",
        "bottom_up(depth=0)",
        "i\u0307mages(per_class=5)",
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(store, recipe: str) -> None:
    with pytest.raises(UsageError):
        make_view(store, recipe)


def test_more_images_per_class_than_any_integer_keeps_all(store) -> None:
    with contextlib.suppress(UsageError):
        assert len(make_view(store, "images(per_class=99999999999999999999999999)").rows) == 64


def test_a_recipe_that_needs_a_tree_says_so(make_store) -> None:
    with pytest.raises(UsageError, match="needs a class hierarchy"):
        make_view(make_store(["a"] * 3 + ["b"] * 3), "bottom_up(depth=1)")


@dataclass(frozen=True)
class Swap(LabelRecipe):
    """Every label moves on by one row."""

    def assign(self, rows, draw):
        return np.roll(rows.labels, 1)


@dataclass(frozen=True)
class Same(ClassRecipe):
    """No class changes."""

    def relabel(self, leaves, hierarchy, draw):
        return MappingProxyType({leaf: leaf for leaf in leaves})


def test_a_label_recipe_changes_labels_and_nothing_else(store, add_entry_points) -> None:
    add_entry_points(RECIPES, swap=f"{__name__}:Swap")
    view, plain = make_view(store, "swap()"), make_view(store)
    assert view.rows.tolist() == plain.rows.tolist()
    assert view.leaves.tolist() == plain.leaves.tolist()
    assert view.labels.tolist() == np.roll(plain.labels, 1).tolist()
    assert view.fingerprint != plain.fingerprint


def test_a_class_recipe_may_return_any_mapping(store, add_entry_points) -> None:
    add_entry_points(RECIPES, same=f"{__name__}:Same")
    assert make_view(store, "same()").classes == make_view(store).classes


def test_index_classes_sorts_and_drops() -> None:
    classes, index = index_classes(("x", "y", "z"), {"x": "q", "y": None, "z": "p"})
    assert classes == ("p", "q")
    assert index.tolist() == [1, -1, 0]


def test_relabelled_leaves_agree_with_the_view(store) -> None:
    for text in (
        "classes(num=3) | bottom_up(depth=1)",
        "bottom_up(depth=1) | classes(num=2)",
        "images(per_class=3) | classes(fraction=0.5)",
    ):
        view = make_view(store, text, seed=6)
        leaves = relabelled_leaves(store.classes, store.hierarchy, Recipe(text), 6)
        assert [view.classes[i] if i >= 0 else None for i in view.class_of_leaf] == [
            leaves[c] for c in store.classes
        ]


def test_1_28_million_rows_are_counted_right(store_writer, tmp_path: Path) -> None:
    import pyarrow as pa

    n, num_classes = 1_280_000, 1_000
    hashes = mix(np.arange(n, dtype=np.uint64), 1)
    leaves = (mix(np.arange(n, dtype=np.uint64), 2) % np.uint64(num_classes)).astype(np.int32)
    splits = np.where(np.arange(n) % 20 == 0, TEST, TRAIN)
    ids = pa.array(np.arange(n)).cast(pa.string())
    store = store_writer(
        tmp_path / "big.store",
        [f"n{i:08d}" for i in range(num_classes)],
        leaves,
        splits,
        ids,
        hashes,
    )
    sizes = np.bincount(leaves[splits == TRAIN], minlength=num_classes)
    assert make_view(store).class_sizes.tolist() == sizes.tolist()
    assert make_view(store, "images(per_class=100)").class_sizes.tolist() == [100] * num_classes
    assert len(make_view(store, "images(total=123457)").rows) == 123_457
    half = make_view(store, "images(fraction=0.5)")
    assert half.class_sizes.tolist() == np.floor(sizes * 0.5 + 0.5).astype(int).tolist()
    assert (splits[half.rows] == TRAIN).all()
    fewer = make_view(store, "classes(num=100) | images(per_class=7)")
    assert fewer.class_sizes.tolist() == [7] * 100
    assert (
        len(fewer.held_out()[0])
        == np.isin(leaves[splits == TEST], np.flatnonzero(fewer.class_of_leaf >= 0)).sum()
    )
