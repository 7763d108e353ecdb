"""Near duplicates, the audit, and splits that keep a burst together."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import cli

from seedbed.data import duplicates
from seedbed.data.audit import audit_store
from seedbed.data.pack import pack
from seedbed.data.source import TEST
from seedbed.tasks.catalogue.classification import Classification


def _scene(seed: int, size: int = 96) -> Image.Image:
    """A picture with structure at several scales, as photographs have."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 256, (k, k, 3), dtype=np.uint8)).resize(
            (size, size), Image.Resampling.BICUBIC
        )
        for k in (3, 7, 20)
    ]
    return Image.blend(Image.blend(layers[0], layers[1], 0.4), layers[2], 0.3)


def _frame(scene: Image.Image, i: int) -> bytes:
    """A frame of a burst: shifted by a pixel, a little brighter, compressed again."""
    moved = scene.crop((i % 2, 0, scene.width - 1 + i % 2, scene.height - 1))
    buffer = io.BytesIO()
    moved.point(lambda v: min(255, int(v * (1 + 0.03 * i)))).save(
        buffer, "JPEG", quality=90 - 5 * i
    )
    return buffer.getvalue()


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """Two classes of 8 bursts of 4 frames each, and 8 single photographs."""
    for c, label in enumerate(("cats", "dogs")):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for b in range(16):
            for i in range(4 if b < 8 else 1):
                (tmp_path / "photos" / label / f"{b:02d}_{i}.jpg").write_bytes(
                    _frame(_scene(100 * c + b), i)
                )
    return tmp_path / "photos"


def _burst(image: str) -> str:
    return image.split("_")[0]


def test_only_frames_of_a_burst_are_near_duplicates(bursts: Path, tmp_path: Path) -> None:
    audit = audit_store(pack(str(bursts), tmp_path / "x.store", size_px=64).store)
    assert sorted(map(sorted, audit.duplicate_groups)) == sorted(
        [f"{label}/{b:02d}_{i}.jpg" for i in range(4)]
        for label in ("cats", "dogs")
        for b in range(8)
    )
    assert audit.across_classes == []
    assert audit.across_splits == []  # derived splits keep a burst on one side
    assert audit.tiny_classes == []


@pytest.mark.parametrize("encoded", [False, True])
def test_splits_keep_a_burst_on_one_side(bursts: Path, tmp_path: Path, encoded: bool) -> None:
    store = pack(str(bursts), tmp_path / "x.store", size_px=32, encoded=encoded).store
    task = Classification().load(store, 0)
    sides = [
        {_burst(store.ids[row]) for row in rows}
        for rows in (task.train, task.validation, task.test)
    ]
    assert all(sides)
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert 0.1 < (store.splits == TEST).mean() < 0.35


def test_leaks_wrong_labels_and_tiny_classes_are_reported(bursts: Path, tmp_path: Path) -> None:
    split = tmp_path / "split"
    for part, images in (("train", range(12)), ("test", range(12, 16))):
        for label in ("cats", "dogs"):
            (split / part / label).mkdir(parents=True)
            for b in images:
                (split / part / label / f"{b}.jpg").write_bytes(
                    (bursts / label / f"{b:02d}_0.jpg").read_bytes()
                )
    (split / "test" / "cats" / "leak.jpg").write_bytes((bursts / "cats" / "03_2.jpg").read_bytes())
    (split / "train" / "dogs" / "cat.jpg").write_bytes((bursts / "cats" / "05_0.jpg").read_bytes())
    for i in range(3):
        (split / "train" / "owls").mkdir(exist_ok=True)
        (split / "train" / "owls" / f"{i}.jpg").write_bytes(_frame(_scene(900 + i), 0))
    (split / "train" / "cats" / "broken.jpg").write_bytes(b"")
    audit = audit_store(
        pack(str(split), tmp_path / "x.store", size_px=64, allow_unreadable=1.0).store
    )
    assert audit.across_splits == [["test/cats/leak.jpg", "train/cats/3.jpg"]]
    assert audit.across_classes == [["train/cats/5.jpg", "train/dogs/cat.jpg"]]
    assert audit.tiny_classes == ["owls"]
    assert audit.unreadable == [{"id": "train/cats/broken.jpg", "reason": "empty file"}]


def test_images_that_two_sets_share_are_reported(bursts: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for k in range(2):
        (other / str(k)).mkdir(parents=True)
        for i in range(5):
            (other / str(k) / f"{i}.jpg").write_bytes(_frame(_scene(500 + 10 * k + i), 0))
    (other / "0" / "same.jpg").write_bytes((bursts / "dogs" / "11_0.jpg").read_bytes())
    (other / "1" / "near.jpg").write_bytes(_frame(_scene(12), 3))
    status, document, _ = cli("audit", other, "--against", bursts, "--workspace", tmp_path / "work")
    assert status == 0
    assert document["shared_with"] == [
        {"id": "0/same.jpg", "near": ["dogs/11_0.jpg"]},
        {"id": "1/near.jpg", "near": ["cats/12_0.jpg"]},
    ]
    assert document["num_images"] == 12
    assert document["unreadable"] == document["duplicate_groups"] == []
    assert document["tiny_classes"] == ["0", "1"]


def test_the_search_is_bounded_for_equal_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", 50)
    monkeypatch.setattr(duplicates, "_MAX_CANDIDATES", 4)
    alike = np.repeat(duplicates.describe(np.asarray(_scene(1))[None]), 300, axis=0)
    pairs = duplicates.candidate_pairs(alike)
    assert len(pairs) <= 300 * 4
    assert (pairs[:, 0] < pairs[:, 1]).all()
    flat = np.full((40, 192), 200, np.uint8)
    assert len(duplicates.candidate_pairs(flat)) == 0


def test_equal_files_are_searched_once() -> None:
    pixels = np.stack([np.asarray(_scene(i % 3).resize((32, 32))) for i in range(60)])
    checksums = np.array([i % 3 + 1 for i in range(60)], np.uint64)
    pairs = duplicates.near_pairs(duplicates.describe(pixels), checksums, lambda rows: pixels[rows])
    assert len(pairs) == 57
    groups = duplicates.group_pairs(60, pairs)
    assert [set(np.flatnonzero(groups == g) % 3) for g in range(3)] == [{0}, {1}, {2}]


def test_candidates_equal_those_of_exhaustive_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    monkeypatch.setattr(duplicates, "_TILE", 11)
    rng = np.random.default_rng(0)
    scenes = rng.integers(0, 256, (12, 192))
    described = np.clip(
        scenes[rng.integers(0, 12, 60)] + rng.integers(-9, 10, (60, 192)), 0, 255
    ).astype(np.uint8)
    values = described - described.mean(axis=1, keepdims=True)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    expected = np.argwhere(np.triu(values @ values.T > duplicates.COARSE, 1))
    assert len(expected) > 60
    seen: list[tuple[int, int]] = []
    pairs = duplicates.candidate_pairs(
        described, on_progress=lambda done, total: seen.append((done, total))
    )
    assert sorted(pairs.tolist()) == expected.tolist()
    assert seen[-1] == (60, 60)
    across = duplicates.candidate_pairs(described[:20], described[20:])
    assert (
        sorted(across.tolist())
        == np.argwhere(values[:20] @ values[20:].T > duplicates.COARSE).tolist()
    )
    assert len(duplicates.candidate_pairs(described[:20], described[20:21])) == int(
        (values[:20] @ values[20] > duplicates.COARSE).sum()
    )


def test_the_nearest_of_too_many_candidates_are_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_MAX_CANDIDATES", 3)
    monkeypatch.setattr(duplicates, "_TILE", 5)
    rng = np.random.default_rng(1)
    scene = rng.integers(60, 190, 192)
    gallery = np.stack(
        [np.clip(scene + rng.integers(-k, k + 1, 192), 0, 255) for k in range(1, 31)]
    ).astype(np.uint8)
    shuffled = rng.permutation(30)
    pairs = duplicates.candidate_pairs(scene.astype(np.uint8)[None], gallery[shuffled])
    assert set(shuffled[pairs[:, 1]]) >= {0, 1, 2}
    assert len(pairs) <= 3 + 5
