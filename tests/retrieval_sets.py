"""What tests of retrieval sets share: small trees on disk, and who answers whom in a source and in
the store that it is packed into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Annotations, Relevance
from seedbed.data.formats import open_source
from seedbed.data.pack import UnreadableError, pack
from seedbed.data.source import TEST, Source

Encode = Callable[..., bytes]
Answers = Mapping[str, Mapping[str, int]]  # id of a query -> id of an image -> 1 or -1


def write(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def write_images(root: Path, files: Iterable[str], encode: Encode) -> Path:
    for i, file in enumerate(files):
        write(root / file, encode(i, (16, 12), "JPEG"))
    return root


def refused(call: str) -> BadDataError:
    with pytest.raises(BadDataError) as caught:
        open_source(call)
    return caught.value


def answers_of(ids: np.ndarray, given: Annotations | None) -> Answers:
    assert isinstance(given, Relevance)
    found: dict[str, dict[str, int]] = {str(ids[row]): {} for row in given.queries}
    for query, row, value in zip(given.of_query, given.rows, given.values, strict=True):
        found[str(ids[given.queries[query]])][str(ids[row])] = int(value)
    return found


def gallery_of(ids: np.ndarray, given: Annotations | None) -> list[str]:
    assert isinstance(given, Relevance)
    return ids[given.gallery].tolist()


def assert_source(source: Source, protocol: str) -> None:
    """What all three have in common."""
    given, n = source.annotations, source.num_images
    assert isinstance(given, Relevance)
    assert str(given.protocol) == protocol
    assert given.protocol.shape == ()
    for array in (given.queries, given.gallery, given.of_query, given.rows):
        assert array.dtype == np.int64
    assert given.values.dtype == np.int8
    assert len(given.of_query) == len(given.rows) == len(given.values)
    assert set(given.of_query.tolist()) == set(range(len(given.queries)))
    assert set(given.rows.tolist()) <= set(given.gallery.tolist()) <= set(range(n))
    assert source.ids.tolist() == sorted(set(source.ids.tolist()))
    assert set(source.leaves.tolist()) == {-1}
    assert set(source.splits.tolist()) == {TEST}
    assert list(source.classes) == sorted(set(source.classes)) != []


def assert_packed(source: Source, tmp_path: Path) -> None:
    """A store has the same answers; its rows are its own."""
    store = pack(source, tmp_path / "x.store", size_px=8).store
    assert store.ids.tolist() == source.ids.tolist()
    assert store.annotations is not None
    assert store.annotations.digest() == source.annotations.digest()  # pyright: ignore[reportOptionalMemberAccess]
    assert set(store.splits.tolist()) == {TEST}
    assert answers_of(store.ids, store.annotations) == answers_of(source.ids, source.annotations)


def assert_packed_without(source: Source, lost: set[str], tmp_path: Path) -> None:
    """Without the images that cannot be read: as queries, in the gallery and as answers."""
    with pytest.raises(UnreadableError):
        pack(source, tmp_path / "x.store", size_px=8)
    packed = pack(source, tmp_path / "x.store", size_px=8, allow_unreadable=0.9)
    store = packed.store
    assert packed.num_unreadable == len(lost)
    assert store.ids.tolist() == [i for i in source.ids if i not in lost]
    whole = answers_of(source.ids, source.annotations)
    left = {
        query: {i: v for i, v in found.items() if i not in lost}
        for query, found in whole.items()
        if query not in lost
    }
    assert answers_of(store.ids, store.annotations) == left
    assert gallery_of(store.ids, store.annotations) == [
        i for i in gallery_of(source.ids, source.annotations) if i not in lost
    ]
