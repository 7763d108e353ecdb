"""Near classes that `exclude(target='pascal')` leaves: the known leaks are listed."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass

from seedbed.data.excluded_classes import excluded_classes
from seedbed.data.hierarchy import Hierarchy, from_paths
from seedbed.data.hierarchy_files import open_hierarchy
from seedbed.data.matching_classes import shared_classes
from seedbed.data.recipes import Recipe


@dataclass(frozen=True)
class Labels:
    """Class labels and their hierarchy, as a source or a store has them."""

    classes: Sequence[str]
    hierarchy: Hierarchy | None = None


def _imagenet_synsets() -> list[str]:
    return (
        (importlib.resources.files("timm.data") / "_info" / "imagenet_synsets.txt")
        .read_text()
        .split()
    )


def test_known_leaks_of_pascal_are_listed() -> None:
    leaves = _imagenet_synsets()
    tree = open_hierarchy("wordnet", leaves)
    excluded = excluded_classes(leaves, tree, Recipe("exclude(target='pascal')"))
    assert excluded is not None
    assert len(excluded.dropped) == 229
    assert all(leaf in tree.closure([node]) for leaf, node in excluded.dropped.items())
    near = {n.name.partition(",")[0]: n for n in excluded.near}
    assert {"television", "motor scooter", "pickup", "warplane"} <= set(near)
    assert near["television"].word == "television" and near["television"].node == "n03782006"
    assert near["warplane"].hops == 2
    assert "English springer" not in near and "goldfish" not in near


def test_without_an_exclusion_nothing_is_reported() -> None:
    assert (
        excluded_classes(["a/x", "a/y"], from_paths(["a/x", "a/y"]), Recipe("bottom_up(depth=1)"))
        is None
    )


def test_near_classes_in_a_hierarchy_of_folders() -> None:
    leaves = ["animal/dog", "animal/cat", "plant/oak"]
    excluded = excluded_classes(
        leaves, from_paths(leaves), Recipe("exclude(synsets=['animal/dog'])")
    )
    assert excluded is not None
    assert excluded.dropped == {"animal/dog": "animal/dog"}
    assert [(n.leaf, n.hops) for n in excluded.near] == [("animal/cat", 2)]


def test_shared_classes_through_the_hierarchy_and_by_label() -> None:
    leaves = ["n02084071", "n02085620", "n03930630"]  # dog, Chihuahua, pickup
    tree = open_hierarchy("wordnet", leaves)
    source = Labels(leaves, tree)
    assert shared_classes(source, Labels(["n02084071"])) == {
        "n02084071": ["n02084071", "n02085620"]
    }
    theirs = Hierarchy({"Hund": ("n02084071",), "Schiff": ("n04194289",)})
    assert shared_classes(source, Labels(["Hund", "Schiff"], theirs)) == {
        "Hund": ["n02084071", "n02085620"]
    }
    assert shared_classes(Labels(["cat", "dog"]), Labels(["dog", "ship"])) == {"dog": ["dog"]}
