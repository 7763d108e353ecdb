"""WordNet's table, and the label sets of Huh, Agrawal and Efros (2016): their published sizes, from
the rules alone."""

from __future__ import annotations

from importlib.resources import files

import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.hierarchy_files import open_hierarchy, wordnet_hierarchy
from seedbed.data.recipes import Recipe, relabelled_leaves
from seedbed.data.synsets import closure_of
from seedbed.data.wordnet import wordnet


@pytest.fixture(scope="module")
def ilsvrc() -> list[str]:
    """The 1000 synsets of ILSVRC-2012, as timm lists them."""
    return (files("timm") / "data/_info/imagenet_synsets.txt").read_text().split()


@pytest.fixture(scope="module")
def tree(ilsvrc: list[str]) -> Hierarchy:
    return wordnet_hierarchy(ilsvrc, {})


def _classes(ilsvrc: list[str], tree: Hierarchy, recipe: str, seed: int = 0) -> set[str]:
    return {
        c for c in relabelled_leaves(ilsvrc, tree, Recipe(recipe), seed).values() if c is not None
    }


def test_the_table_has_the_nouns_of_wordnet() -> None:
    table = wordnet()
    assert len(table.offsets) == 82_115
    dog = table.position("n02084071")
    assert (table.name(dog), table.words(dog)) == (
        "dog.n.01",
        "dog, domestic dog, Canis familiaris",
    )
    assert table.position("dog.n.01") == dog
    # Canine before domestic animal: by name, and not as the file has them.
    assert [
        table.name(int(p)) for p in table.parents[table.starts[dog] : table.starts[dog + 1]]
    ] == [
        "canine.n.02",
        "domestic_animal.n.01",
    ]
    assert [table.name(i) for i in table.meanings("Hot-Dog")] == [
        "frank.n.02",
        "hotdog.n.02",
        "hot_dog.n.03",
    ] or table.meanings("hot dog")
    assert [table.name(i) for i in table.meanings("airplanes")] == ["airplane.n.01"]


@pytest.mark.parametrize(
    ("synset", "message"),
    [
        ("n00000001", "has no noun synset 'n00000001'"),
        ("dog.n.99", "has no synset 'dog.n.99'"),
        ("dog", "is not a synset"),
    ],
)
def test_unknown_synsets_are_refused(synset: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        wordnet().position(synset)
    if synset == "dog.n.99":
        assert "dog.n.01" in caught.value.hint


def test_leaves_of_ilsvrc_have_the_published_depths(ilsvrc: list[str], tree: Hierarchy) -> None:
    depths = [tree.depth(leaf) for leaf in ilsvrc]
    assert (min(depths), max(depths), len(ilsvrc)) == (4, 18, 1000)
    assert tree.chain("n02084071")[0] == "n00001740"  # entity


SIZES = dict(
    zip(
        range(17, 0, -1),
        [999, 977, 918, 877, 820, 753, 694, 596, 486, 345, 206, 79, 36, 17, 9, 5, 2],
        strict=True,
    )
)


@pytest.mark.parametrize(("depth", "num_classes"), SIZES.items())
def test_bottom_up_label_sets_have_the_published_sizes(
    ilsvrc: list[str], tree: Hierarchy, depth: int, num_classes: int
) -> None:
    assert len(_classes(ilsvrc, tree, f"bottom_up(depth={depth})")) == num_classes


@pytest.mark.parametrize(("rounds", "num_classes"), [(1, 127), (2, 10), (3, 2)])
def test_top_down_label_sets_have_the_published_sizes(
    ilsvrc: list[str], tree: Hierarchy, rounds: int, num_classes: int
) -> None:
    assert len(_classes(ilsvrc, tree, f"top_down(rounds={rounds})")) == num_classes


def test_all_leaves_are_under_the_root(ilsvrc: list[str], tree: Hierarchy) -> None:
    assert {tree.ancestor_at(leaf, 0) for leaf in ilsvrc} == {"n00001740"}


@pytest.mark.parametrize(
    ("depth", "num_shared"),
    [(15, 92), (12, 279), (9, 568), (6, 954), (3, 996)],
    ids=["918", "753", "486", "79", "9"],
)
def test_the_number_of_leaves_that_share_a_class_is_the_published_one(
    ilsvrc: list[str], tree: Hierarchy, depth: int, num_shared: int
) -> None:
    """Induction is measured on these leaves."""
    classes = relabelled_leaves(ilsvrc, tree, Recipe(f"bottom_up(depth={depth})"), 0)
    values = list(classes.values())
    assert sum(values.count(c) > 1 for c in values) == num_shared


def test_excluding_pascal_drops_229_classes(ilsvrc: list[str], tree: Hierarchy) -> None:
    remaining = _classes(ilsvrc, tree, "exclude(target='pascal')")
    assert len(remaining) == 771
    assert tree.under("n02084071", ilsvrc) and not remaining & set(tree.under("n02084071", ilsvrc))
    words = {tree.names[c].partition(",")[0] for c in remaining}
    # it leaks, as published
    assert words >= {"television", "motor scooter", "warplane", "ox", "pickup", "steam locomotive"}


def test_the_minimal_split(ilsvrc: list[str], tree: Hierarchy) -> None:
    a, b = (_classes(ilsvrc, tree, f"split(kind='minimal', half='{h}')") for h in "ab")
    assert (len(a), len(b), a & b) == (522, 478, set())
    assert a == set(tree.under("n00021939", ilsvrc))  # artifact
    random = [_classes(ilsvrc, tree, "split(kind='random', half='a')", seed) for seed in (0, 1)]
    assert len(random[0]) == len(random[1]) == 522
    assert random[0] != random[1]


def test_a_control_of_excluded_classes_keeps_the_targets(
    ilsvrc: list[str], tree: Hierarchy
) -> None:
    """229 classes are dropped, none of PASCAL's; subtrees of similar size if there are any."""
    excluded = _classes(ilsvrc, tree, "exclude(target='pascal')")
    control = _classes(ilsvrc, tree, "like(recipe=\"exclude(target='pascal')\")", 3)
    assert len(control) == 771
    assert set(ilsvrc) - excluded <= control


def test_a_control_of_merged_classes_has_their_histogram(
    ilsvrc: list[str], tree: Hierarchy
) -> None:
    from collections import Counter

    merged = relabelled_leaves(ilsvrc, tree, Recipe("bottom_up(depth=6)"), 0)
    control = relabelled_leaves(ilsvrc, tree, Recipe("like(recipe='bottom_up(depth=6)')"), 0)
    assert sorted(Counter(merged.values()).values()) == sorted(Counter(control.values()).values())
    assert control != relabelled_leaves(
        ilsvrc, tree, Recipe("like(recipe='bottom_up(depth=6)')"), 1
    )


def test_ambiguous_and_unknown_words_are_refused(tmp_path) -> None:
    labels = ["airplane", "automobile", "deer", "crane", "qwertz"]
    with pytest.raises(UsageError) as caught:
        open_hierarchy("wordnet", labels)
    assert "2 classes are not one synset" in caught.value.message
    assert "crane.n.05 (crane; wading bird)" in caught.value.message
    assert "qwertz: not in WordNet" in caught.value.message
    (tmp_path / "names.csv").write_text("label,synset\ncrane,crane.n.04\nqwertz,n04490091\n")
    tree = open_hierarchy("wordnet(names='names.csv')", labels, tmp_path)
    assert tree.parent("crane") == wordnet().id(wordnet().position("crane.n.04"))
    assert tree.under("n04524313", labels) == ["airplane", "automobile", "qwertz"]  # vehicles
    assert tree.names["automobile"].startswith("car, auto")


FILES = {
    "tree.csv": "child,parent\nhusky,dog\ndog,animal\ncat,animal\ndog,pet\n",
    "tree.tsv": "husky\tdog\ndog\tanimal\ncat\tanimal\ndog\tpet\n",
    "tree.json": '{"husky": "dog", "dog": ["animal", "pet"], "cat": "animal"}',
    "tree.toml": 'husky = "dog"\ndog = ["animal", "pet"]\ncat = "animal"\n',
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_child_and_parent(name: str, tmp_path) -> None:
    (tmp_path / name).write_text(FILES[name])
    tree = open_hierarchy(name, ["husky", "cat"], tmp_path)
    assert tree.chain("husky") == (".", "animal", "dog", "husky")  # two roots lie under one
    assert tree.under("pet", ["husky", "cat"]) == ["husky"]
    assert tree.common_ancestor("husky", "cat") == "animal"
    assert tree.distance("husky", "cat") == 3


@pytest.mark.parametrize(
    ("text", "labels", "error", "message"),
    [
        ("a,b\nb,c\nc,a\n", ["a"], BadDataError, "cycle: a -> b -> c -> a"),
        ("a,b\n", ["a", "x", "y"], UsageError, "has no parent for 'x' and 1 more classes"),
        ("a\n", ["a"], BadDataError, "line 1 is 'a', and not child and parent"),
        ("a,\n", ["a"], BadDataError, "line 1 is 'a,'"),
    ],
)
def test_faults_of_a_hierarchy_file_are_named(
    text: str, labels: list[str], error: type, message: str, tmp_path
) -> None:
    (tmp_path / "tree.csv").write_text(text)
    with pytest.raises(error, match=message):
        open_hierarchy("tree.csv", labels, tmp_path)


def test_other_texts_than_hierarchies_are_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="unknown hierarchy 'wordnt'"):
        open_hierarchy("wordnt", ["n02084071"])
    with pytest.raises(BadDataError, match="cannot read"):
        open_hierarchy("nowhere.csv", ["a"], tmp_path)


def test_every_class_of_imagenet_21k_is_under_entity() -> None:
    """Some are instances, which have no hypernym of their kind: the sun is under star."""
    leaves = (files("timm") / "data/_info/imagenet22k_synsets.txt").read_text().split()
    tree = wordnet_hierarchy(leaves, {})
    assert len(leaves) == 21_841
    assert {tree.ancestor_at(leaf, 0) for leaf in leaves} == {"n00001740"}
    assert tree.names[tree.parent("n09450163")].partition(",")[0] == "star"


def test_a_word_for_a_node_gives_its_possible_synsets() -> None:
    tree = wordnet().hierarchy(["n02084071", "n02121620"])
    with pytest.raises(UsageError, match="'dog' is a word, not a synset") as caught:
        closure_of(["dog"], tree)
    assert "dog.n.01 (n02084071)" in caught.value.hint
