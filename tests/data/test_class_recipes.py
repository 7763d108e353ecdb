"""Recipes on small trees and rows, against slow and obvious versions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.data.hierarchy import Distances, from_paths
from seedbed.data.recipes import RECIPES, Recipe, TrainingRows, relabelled_leaves
from seedbed.data.recipes.budget import evenly
from seedbed.data.view import make_view

LEAVES = [f"{f}/{k}/{v}" for f in "pq" for k in "abc" for v in "xyz"] + ["r/a", "r/b"]
TREE = from_paths(LEAVES)


def _kept(recipe: str, seed: int = 0) -> set[str]:
    return {
        leaf
        for leaf, c in relabelled_leaves(LEAVES, TREE, Recipe(recipe), seed).items()
        if c is not None
    }


def test_distances_are_those_of_the_tree() -> None:
    distances = Distances(LEAVES, TREE)
    for i, leaf in enumerate(LEAVES):
        assert distances.from_class(i).tolist() == [TREE.distance(leaf, other) for other in LEAVES]


@pytest.mark.parametrize("seed", range(4))
def test_siblings_are_the_nearest_and_spread_the_farthest(seed: int) -> None:
    siblings, spread = (
        _kept("classes(num=3, pick='siblings')", seed),
        _kept("classes(num=3, pick='spread')", seed),
    )
    # two under r, whose nearest is elsewhere
    assert max(TREE.distance(a, b) for a, b in itertools.combinations(siblings, 2)) <= 5
    assert len({leaf[0] for leaf in spread}) == 3  # one of each family
    assert siblings & spread  # both begin with the class of lowest rank
    assert len({frozenset(_kept("classes(num=3, pick='siblings')", s)) for s in range(8)}) > 1


def test_under_and_exclude_are_complements() -> None:
    assert _kept("under(synsets=['p', 'q/a'])") == {
        leaf for leaf in LEAVES if leaf.startswith(("p/", "q/a/"))
    }
    assert _kept("exclude(synsets=['p', 'q/a'])") == set(LEAVES) - _kept(
        "under(synsets=['p', 'q/a'])"
    )
    with pytest.raises(UsageError, match="unknown class 'z' in the hierarchy"):
        _kept("under(synsets=['z'])")
    with pytest.raises(UsageError, match="no class lies under n02084071"):
        _kept("under(synsets=['n02084071'])")
    assert _kept("exclude(synsets=['n02084071'])") == set(LEAVES)
    with pytest.raises(UsageError, match="the classes of target 'voc' are not known here"):
        _kept("exclude(target='voc')")


def test_the_minimal_split_takes_the_node_nearest_to_half() -> None:
    # 9 of 20; p before q
    assert _kept("split(kind='minimal', half='a')") == {leaf for leaf in LEAVES if leaf[0] == "p"}
    assert _kept("split(kind='minimal', half='b')") == {leaf for leaf in LEAVES if leaf[0] != "p"}
    assert len(_kept("split(kind='random', half='a')", 5)) == 9


@pytest.mark.parametrize("seed", range(5))
def test_budgets_are_exact_and_even(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 30, 12)
    labels = np.repeat(np.arange(12), sizes).astype(np.int32)
    rows = TrainingRows(
        labels=labels,
        hashes=rng.integers(0, 2**63, len(labels), dtype=np.uint64),
        classes=tuple(LEAVES[:12]),
    )
    for total in (12, 50, int(sizes.sum())):
        wide = RECIPES.make(f"budget(images={total}, favour='classes')").select(
            rows, Draw(seed=seed, purpose="sample/budget")
        )
        quotas = np.bincount(labels[wide], minlength=12)
        assert quotas.sum() == total
        assert all(q == s or q >= quotas.max() - 1 for q, s in zip(quotas, sizes, strict=True))
        deep = RECIPES.make(f"budget(images={total}, favour='examples')").select(
            rows, Draw(seed=seed, purpose="sample/budget")
        )
        quotas = np.bincount(labels[deep], minlength=12)
        assert quotas.sum() == total
        used = quotas > 0
        assert all(
            q == s or q >= quotas.max() - 1 for q, s in zip(quotas[used], sizes[used], strict=True)
        )
        assert used.sum() <= np.count_nonzero(np.bincount(labels[wide], minlength=12))
    with pytest.raises(UsageError, match="asks for more images than there are"):
        RECIPES.make(f"budget(images={sizes.sum() + 1}, favour='classes')").select(
            rows, Draw(seed=0, purpose="x")
        )
    with pytest.raises(UsageError, match="less than one image for each of 12 classes"):
        RECIPES.make("budget(images=11, favour='classes')").select(rows, Draw(seed=0, purpose="x"))


def test_evenly_is_giving_one_by_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        sizes, ranks = rng.integers(0, 9, 6), rng.permutation(6)
        total = int(rng.integers(0, sizes.sum() + 1))
        slow = np.zeros(6, np.int64)
        while slow.sum() < total:
            open_ = [c for c in range(6) if slow[c] < sizes[c]]
            slow[min(open_, key=lambda c: (slow[c], ranks[c]))] += 1
        assert evenly(sizes, total, ranks).tolist() == slow.tolist()


def test_an_imbalance_falls_geometrically(toy_store) -> None:
    sizes = np.sort(make_view(toy_store, "imbalance(ratio=4)").class_sizes)[::-1]
    smallest = make_view(toy_store).class_sizes.min()
    expected = np.maximum(
        1, np.floor(smallest * 4.0 ** (-np.arange(len(sizes)) / (len(sizes) - 1)) + 0.5)
    )
    assert sizes.tolist() == expected.astype(int).tolist()


def test_shuffled_labels_keep_the_class_sizes(toy_store) -> None:
    plain, shuffled = make_view(toy_store), make_view(toy_store, "shuffle_labels(fraction=0.5)")
    assert shuffled.class_sizes.tolist() == plain.class_sizes.tolist()
    changed = (plain.labels != shuffled.labels).mean()
    assert 0.4 < changed <= 0.5
    assert (shuffled.leaves == plain.leaves).all()
    assert (shuffled.held_out()[1] == plain.held_out()[1]).all()


def test_a_control_drops_as_many_images(toy_store) -> None:
    theirs = make_view(toy_store, "classes(fraction=0.7) | images(fraction=0.5)", 2)
    ours = make_view(toy_store, "like(recipe='classes(fraction=0.7) | images(fraction=0.5)')", 2)
    assert len(ours.rows) == len(theirs.rows)
    # with four images a class, chance may empty one
    assert len(ours.classes) <= len(theirs.classes)
    dropped = set(toy_store.classes) - set(theirs.classes)
    kept_of_dropped = dropped & set(
        make_view(toy_store, "like(recipe='classes(fraction=0.7)')", 2).classes
    )
    assert kept_of_dropped == dropped
    with pytest.raises(UsageError, match="of the 2 classes that the recipe keeps"):
        relabelled_leaves(LEAVES, TREE, Recipe("like(recipe='classes(num=2)')"), 0)
    with pytest.raises(UsageError, match="there is no control for a recipe that changes labels"):
        make_view(toy_store, "like(recipe='shuffle_labels(fraction=0.5)')")


def test_fewer_classes_of_unlike_size_are_warned_of() -> None:
    from tiny import scratch

    from seedbed.data.pack import pack

    store = pack("toy(per_class=4, test_per_class=2)", scratch() / "warned.store", size_px=8).store
    view = make_view(store, "bottom_up(depth=1) | images(per_class=2)")
    assert [(s.recipe, s.num_classes) for s in view.steps] == [("bottom_up", 5), ("images", 5)]
    assert view.steps[-1].num_images == 10
    assert view.steps[-1].entropy_bits == pytest.approx(np.log2(5))
    unlike = make_view(
        store, "exclude(synsets=['polygon/triangle', 'polygon/rectangle']) | bottom_up(depth=1)"
    )
    assert unlike.steps[-1].entropy_bits < np.log2(5)
