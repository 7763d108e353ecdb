"""The class hierarchy: primary parents for chains and depths, all parents for closures, no
cycles."""

from __future__ import annotations

import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.hierarchy import Hierarchy, from_paths

# The dog is a canine first and a pet second; the cat the other way round.
PETS = Hierarchy(
    {
        "animal": ("thing",),
        "pet": ("animal",),
        "canine": ("animal",),
        "dog": ("canine", "pet"),
        "cat": ("pet",),
        "husky": ("dog",),
    }
)


def test_chain_and_depth_follow_primary_parents() -> None:
    assert PETS.chain("husky") == ("thing", "animal", "canine", "dog", "husky")
    assert [PETS.depth(n) for n in ("thing", "animal", "dog", "husky")] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("depth", "ancestor"), [(0, "thing"), (2, "canine"), (4, "husky"), (9, "husky")]
)
def test_the_ancestor_at_a_depth_is_at_most_as_deep_as_the_node(depth: int, ancestor: str) -> None:
    assert PETS.ancestor_at("husky", depth) == ancestor


def test_the_closure_follows_all_parents() -> None:
    assert PETS.ancestors("husky") == {"husky", "dog", "canine", "pet", "animal", "thing"}
    assert PETS.under("pet", ["husky", "cat", "canine"]) == ["husky", "cat"]
    assert PETS.under("dog", ["dog", "cat"]) == ["dog"]


def test_nodes_are_inner_ones_and_leaves() -> None:
    assert PETS.nodes == {"thing", "animal", "pet", "canine", "dog", "cat", "husky"}


def test_an_unknown_class_gives_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown class 'huskie' in the hierarchy") as caught:
        PETS.chain("huskie")
    assert "'husky'" in caught.value.hint


@pytest.mark.parametrize("parents", [{"a": ("b",), "b": ("c",), "c": ("a",)}, {"a": ("a",)}])
def test_a_cycle_of_primary_parents_is_named(parents: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(BadDataError, match=r"cycle: .*a -> "):
        Hierarchy(parents)


def test_a_cycle_through_a_second_parent_is_named() -> None:
    with pytest.raises(BadDataError, match="cycle"):
        Hierarchy({"a": ("root", "b"), "b": ("a",)})


def test_paths_give_a_tree() -> None:
    tree = from_paths(["animals/dogs/husky", "animals/cats", "cars"])
    assert tree.chain("animals/dogs/husky") == (
        ".",
        "animals",
        "animals/dogs",
        "animals/dogs/husky",
    )
    assert tree.chain("cars") == (".", "cars")
    assert tree.under("animals", ["animals/dogs/husky", "animals/cats", "cars"]) == [
        "animals/dogs/husky",
        "animals/cats",
    ]


def test_a_path_that_begins_like_another_is_not_under_it() -> None:
    assert from_paths(["cat/a", "catfish/b"]).under("cat", ["cat/a", "catfish/b"]) == ["cat/a"]


def test_a_very_deep_tree_is_read() -> None:
    assert from_paths(["/".join("x" * 500)]).depth("/".join("x" * 500)) == 500
