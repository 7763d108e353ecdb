"""Helpers of the tests of retrieval sets: small trees on disk, and the relevant images in a source
and in its store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from format_trees import Encode, write_file

from seedbed.data.annotations import Annotations, Relevance
from seedbed.data.pack import UnreadableError, pack
from seedbed.data.source import TEST, Source

Answers = Mapping[str, Mapping[str, int]]  # id of a query -> id of an image -> 1 or -1


def write_images(root: Path, files: Iterable[str], encode: Encode) -> Path:
    for i, file in enumerate(files):
        write_file(root / file, encode(i, (16, 12), "JPEG"))
    return root


def answers_of(ids: np.ndarray, relevance: Annotations | None) -> Answers:
    assert isinstance(relevance, Relevance)
    answers: dict[str, dict[str, int]] = {str(ids[row]): {} for row in relevance.queries}
    for query, row, value in zip(relevance.of_query, relevance.rows, relevance.values, strict=True):
        answers[str(ids[relevance.queries[query]])][str(ids[row])] = int(value)
    return answers


def gallery_of(ids: np.ndarray, relevance: Annotations | None) -> list[str]:
    assert isinstance(relevance, Relevance)
    return ids[relevance.gallery].tolist()


def assert_source(source: Source, protocol: str) -> None:
    """Check what all retrieval sources have in common."""
    relevance, n = source.annotations, source.num_images
    assert isinstance(relevance, Relevance)
    assert str(relevance.protocol) == protocol
    assert relevance.protocol.shape == ()
    for array in (relevance.queries, relevance.gallery, relevance.of_query, relevance.rows):
        assert array.dtype == np.int64
    assert relevance.values.dtype == np.int8
    assert len(relevance.of_query) == len(relevance.rows) == len(relevance.values)
    assert set(relevance.of_query.tolist()) == set(range(len(relevance.queries)))
    assert set(relevance.rows.tolist()) <= set(relevance.gallery.tolist()) <= set(range(n))
    assert source.ids.tolist() == sorted(set(source.ids.tolist()))
    assert set(source.leaves.tolist()) == {-1}
    assert set(source.splits.tolist()) == {TEST}
    assert list(source.classes) == sorted(set(source.classes)) != []


def assert_packed(source: Source, tmp_path: Path) -> None:
    """Check that a store has the same answers."""
    store = pack(source, tmp_path / "x.store", size_px=8).store
    assert store.ids.tolist() == source.ids.tolist()
    assert store.annotations is not None and source.annotations is not None
    assert store.annotations.digest() == source.annotations.digest()
    assert set(store.splits.tolist()) == {TEST}
    assert answers_of(store.ids, store.annotations) == answers_of(source.ids, source.annotations)


def assert_packed_without(source: Source, unreadable: set[str], tmp_path: Path) -> None:
    """Check that unreadable images leave the queries, the gallery and the answers."""
    with pytest.raises(UnreadableError):
        pack(source, tmp_path / "x.store", size_px=8)
    packed = pack(source, tmp_path / "x.store", size_px=8, allow_unreadable=0.9)
    store = packed.store
    assert packed.num_unreadable == len(unreadable)
    assert store.ids.tolist() == [i for i in source.ids if i not in unreadable]
    whole = answers_of(source.ids, source.annotations)
    remaining = {
        query: {i: v for i, v in answers.items() if i not in unreadable}
        for query, answers in whole.items()
        if query not in unreadable
    }
    assert answers_of(store.ids, store.annotations) == remaining
    assert gallery_of(store.ids, store.annotations) == [
        i for i in gallery_of(source.ids, source.annotations) if i not in unreadable
    ]
