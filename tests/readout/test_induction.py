"""Induction against a slow implementation with one query at a time; baselines against published
values."""

from __future__ import annotations

import importlib.resources

import numpy as np
import pytest
import torch

from seedbed.data.hierarchy_files import open_hierarchy
from seedbed.readout.induction import baselines, merged_leaves, rank_fine

COARSE = np.array([0, 0, 1, 1, 1, 2, -1, 0])  # leaf 5 has a class of its own, leaf 6 is excluded


def slow(
    gallery: np.ndarray, leaves: np.ndarray, query: np.ndarray, query_leaf: int
) -> tuple[list[int], int]:
    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    nearest = {
        int(leaf): max(cosine(query, g) for g in gallery[leaves == leaf])
        for leaf in set(leaves.tolist())
    }
    ranked = sorted(nearest, key=lambda leaf: -nearest[leaf])
    inside = [leaf for leaf in ranked if COARSE[leaf] == COARSE[query_leaf]]
    return ranked[:5], inside[0]


def test_labels_that_share_their_class_take_part() -> None:
    assert merged_leaves(COARSE).tolist() == [0, 1, 2, 3, 4, 7]
    assert merged_leaves(np.arange(4)).tolist() == []


def test_ranks_equal_those_of_the_slow_implementation() -> None:
    rng = np.random.default_rng(0)
    leaves = rng.permutation(np.repeat(merged_leaves(COARSE), 5))
    gallery, queries = rng.standard_normal((30, 6)), rng.standard_normal((40, 6))
    query_leaves = rng.choice(merged_leaves(COARSE), 40)
    ranking = rank_fine(torch.tensor(gallery), leaves, torch.tensor(queries), query_leaves, COARSE)
    for i in range(40):
        ranked, inside = slow(gallery, leaves, queries[i], int(query_leaves[i]))
        assert ranking.among_all[i].tolist() == ranked
        assert ranking.within[i, 0] == inside
        assert COARSE[inside] == COARSE[query_leaves[i]]


def test_codes_of_the_coarse_class_only_reach_the_coarse_baseline() -> None:
    """Perfect coarse labels give the accuracy of `baselines`."""
    rng = np.random.default_rng(1)
    parts = merged_leaves(COARSE)
    gallery_leaves, query_leaves = np.repeat(parts, 50), np.repeat(parts, 400)
    codes = [
        np.eye(3)[COARSE[leaves]] * 10 + rng.standard_normal((len(leaves), 3)) * 1e-3
        for leaves in (gallery_leaves, query_leaves)
    ]
    ranking = rank_fine(
        torch.tensor(codes[0]), gallery_leaves, torch.tensor(codes[1]), query_leaves, COARSE
    )
    top1 = 100 * (ranking.among_all[:, 0] == query_leaves).mean()
    assert top1 == pytest.approx(baselines(COARSE)["coarse_guess_top1"], abs=4)


@pytest.mark.parametrize(
    ("depth", "num_leaves", "guess"), [(15, 92, 10.9), (14, None, None), (12, 279, 11.5)]
)
def test_baselines_of_the_authors_label_sets(
    depth: int, num_leaves: int | None, guess: float | None
) -> None:
    names = importlib.resources.files("timm.data") / "_info" / "imagenet_synsets.txt"
    leaves = names.read_text().split()
    tree = open_hierarchy("wordnet", leaves)
    by_size = {918: 92, 753: 279}
    classes = [tree.ancestor_at(leaf, depth) for leaf in leaves]
    index = {c: i for i, c in enumerate(sorted(set(classes)))}
    class_of_leaf = np.array([index[c] for c in classes])
    if len(index) in by_size:
        assert len(merged_leaves(class_of_leaf)) == by_size[len(index)] == num_leaves
        assert baselines(class_of_leaf)["coarse_guess_top1"] == pytest.approx(guess, abs=0.05)
    else:
        assert guess is None
