"""Several sources as one: names, splits, pixels and hierarchies of each stay its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.concatenated_sources import join, source_of
from seedbed.data.formats import open_source
from seedbed.data.hierarchy_files import open_hierarchy
from seedbed.data.pack import pack
from seedbed.data.view import make_view


@pytest.fixture
def folders(make_tree) -> tuple[Path, Path]:
    a = make_tree({"train/cat": 6, "train/dog": 6, "test/cat": 2, "test/dog": 2}, root="pets")
    b = make_tree({"oak": 10, "elm": 10}, root="trees")
    return a, b


def test_labels_ids_splits_and_pixels_are_those_of_each(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    parts = {"pets": open_source(str(folders[0])), "trees": open_source(str(folders[1]))}
    store = pack(join(parts), tmp_path / "both", size_px=8).store
    assert store.classes == ("pets/cat", "pets/dog", "trees/elm", "trees/oak")
    alone = {
        name: pack(part, tmp_path / f"{name}.store", size_px=8).store
        for name, part in parts.items()
    }
    assert store.num_images == sum(s.num_images for s in alone.values())
    for name, single in alone.items():
        rows = [int(np.flatnonzero(store.ids == f"{name}/{i}")[0]) for i in single.ids]
        assert np.array_equal(store.pixels[rows], single.pixels[:])
        # a derived test split, too, is that of the source by itself
        assert np.array_equal(store.splits[rows], single.splits)
        assert [store.classes[leaf] for leaf in store.leaves[rows]] == [
            f"{name}/{single.classes[leaf]}" for leaf in single.leaves
        ]
    assert "(of trees)" in store.card["derived_splits"]["test"]
    assert make_view(store, "only(source='trees')").classes == ("trees/elm", "trees/oak")


def test_packed_by_processes_or_not_is_the_same(make_tree, tmp_path: Path) -> None:
    from seedbed.data import write_store

    a, b = make_tree({"x": 12, "y": 12}, root="a"), make_tree({"x": 12, "y": 12}, root="b")
    joined = join({"a": open_source(str(a)), "b": open_source(str(b))})
    one = pack(joined, tmp_path / "one", size_px=8, workers=1).store
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_store, "_MIN_IMAGES_FOR_PROCESSES", 1)
        two = pack(joined, tmp_path / "two", size_px=8, workers=2).store
    assert one.digest == two.digest and np.array_equal(one.pixels[:], two.pixels[:])


def test_a_drawn_source_and_files_can_be_joined(folders: tuple[Path, Path], tmp_path: Path) -> None:
    toy = open_source("toy(per_class=2, test_per_class=1)")
    store = pack(
        join({"drawn": toy, "trees": open_source(str(folders[1]))}), tmp_path / "both", size_px=8
    ).store
    tree = store.hierarchy
    assert tree is not None
    leaf = next(c for c in store.classes if c.startswith("drawn/"))
    assert tree.parents[leaf] == (leaf.removeprefix("drawn/"),)
    assert tree.depth("trees/oak") == 1  # right under the root
    assert (
        len(make_view(store, "bottom_up(depth=1)").classes)
        == len({c.split("/")[1] for c in store.classes if c[0] == "d"}) + 2
    )


def test_a_store_joins_at_its_own_size_alone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    store = pack(str(folders[0]), tmp_path / "pets.store", size_px=8).store
    both = pack(
        join({"pets": source_of(store, 8), "trees": open_source(str(folders[1]))}),
        tmp_path / "both",
        size_px=8,
    ).store
    rows = [int(np.flatnonzero(both.ids == f"pets/{i}")[0]) for i in store.ids]
    assert np.array_equal(both.pixels[rows], store.pixels[:])
    with pytest.raises(UsageError, match="joined at 16 px"):
        source_of(store, 16)


def test_another_hierarchy_is_another_listing(folders: tuple[Path, Path]) -> None:
    from seedbed.data.hierarchy import Hierarchy

    a, b = open_source(str(folders[0])), open_source(str(folders[1]))
    told = b.with_hierarchy(Hierarchy({"oak": ("tree",), "elm": ("tree",)}))
    assert join({"a": a, "b": b}).listing != join({"a": a, "b": told}).listing


def test_hierarchies_that_disagree_on_a_node_are_refused(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    parts = {}
    for name, text in (
        ("a", "cat,animal\ndog,animal\nanimal,being\nbeing,life\n"),
        ("b", "elm,being\noak,being\nbeing,thing\n"),
    ):
        (tmp_path / f"{name}.csv").write_text(f"child,parent\n{text}")
        source = open_source(str(folders[name == "b"]))
        parts[name] = source.with_hierarchy(
            open_hierarchy(str(tmp_path / f"{name}.csv"), source.classes)
        )
    with pytest.raises(
        BadDataError,
        match="share the node 'being' under different parents: b has it under thing, another under",
    ):
        join(parts)
