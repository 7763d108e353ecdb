"""Sizes and orientation tags of image files, without decoding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from box_trees import write_images

from seedbed.data.image_headers import read_headers, size_note


def test_headers_have_sizes_and_tags(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg", "b.png"], (30, 20), tag=6)
    write_images(tmp_path, ["c.webp"], (30, 20))
    (tmp_path / "d.jpg").write_bytes(b"no image")
    headers = read_headers(tmp_path, ["a.jpg", "b.png", "c.webp", "d.jpg", "gone.jpg"])
    assert headers.sizes.tolist() == [[30, 20]] * 3 + [[0, 0]] * 2
    assert headers.orientations.tolist() == [6, 6, 1, 1, 1]
    assert headers.upright_sizes.tolist() == [[20, 30], [20, 30], [30, 20], [0, 0], [0, 0]]
    assert read_headers(tmp_path, []).sizes.shape == (0, 2)


def test_a_tag_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"], tag=9)
    assert read_headers(tmp_path, ["a.jpg"]).orientations.tolist() == [1]


def test_unknown_sizes_are_not_compared(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"], (30, 20))
    headers = read_headers(tmp_path, ["a.jpg", "gone.jpg"])
    assert size_note(["a.jpg", "gone.jpg"], np.array([[0, 20], [5, 5]]), headers) == ""
    assert size_note(["a.jpg", "gone.jpg"], np.array([[30, 20], [5, 5]]), headers) == ""
    note = size_note(["a.jpg", "gone.jpg"], np.array([[15, 10], [5, 5]]), headers)
    assert note.endswith("a.jpg, 15 x 10 px in the annotation, 30 x 20 px in the file")
