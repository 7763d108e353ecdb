"""Nearest neighbours against a slow search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seedbed.base.errors import UsageError
from seedbed.readout.neighbours import nearest, vote


def _data(n: int = 60, m: int = 17, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=generator), torch.randn(m, d, generator=generator)


def test_neighbours_equal_those_of_a_slow_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedbed.readout.neighbours._BLOCK", 200)  # several blocks
    gallery, queries = _data()
    similarities, rows = nearest(gallery, queries, 4)
    for i, query in enumerate(queries.double().numpy()):
        cosines = [
            float(query @ g / np.linalg.norm(query) / np.linalg.norm(g))
            for g in gallery.double().numpy()
        ]
        order = sorted(range(len(cosines)), key=lambda j: -cosines[j])[:4]
        assert rows[i].tolist() == order
        assert similarities[i].tolist() == pytest.approx([cosines[j] for j in order], abs=1e-5)


def test_length_does_not_matter() -> None:
    gallery, queries = _data()
    assert torch.equal(
        nearest(gallery * torch.rand(60, 1).add(0.1), queries * 7, 3)[1],
        nearest(gallery, queries, 3)[1],
    )


def test_votes_are_counted_and_ties_go_to_the_nearer() -> None:
    similarities = torch.tensor([[0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.2, 0.1]])
    labels = torch.tensor([[2, 1, 1, 0], [0, 1, 1, 0]])
    assert vote(similarities, labels, 3, 1).argmax(1).tolist() == [2, 0]
    assert vote(similarities, labels, 3, 3).argmax(1).tolist() == [1, 1]
    # two votes each in the second: means 0.5 and 0.5
    assert vote(similarities, labels, 3, 4).argmax(1).tolist() == [1, 0]
    assert vote(-similarities, labels, 3, 2).argmax(1).tolist() == [1, 1]


@pytest.mark.parametrize("num", [0, 61])
def test_a_number_out_of_range_is_rejected(num: int) -> None:
    with pytest.raises(UsageError, match=f"got {num}"):
        nearest(*_data(), num)
