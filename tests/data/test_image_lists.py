"""Lists of images: lines with their numbers, and lists that are not text."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.base.errors import BadDataError
from seedbed.data.image_lists import read_lines


def test_lines_are_read_without_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(
        "\ufeffkitchen/a b.jpg\r\n\r\nbar/caf\u00e9 \u5ba4.jpg \r\nbar/x\u0085\u2028y.jpg".encode()
    )
    lines = read_lines(path, "")
    assert [line.text for line in lines] == [
        "kitchen/a b.jpg",
        "bar/caf\u00e9 \u5ba4.jpg",
        "bar/x\u0085\u2028y.jpg",
    ]
    assert [line.place for line in lines] == [f"{path}, line {i}" for i in (1, 3, 4)]


def test_a_list_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("a/1.jpg\na/caf\u00e9.jpg\n".encode("latin-1"))
    with pytest.raises(BadDataError, match=r"list\.txt, line 2: b'a/caf\\xe9\.jpg' is not UTF-8"):
        read_lines(tmp_path / "list.txt", "")
    (tmp_path / "list.txt").write_bytes(b"\r\n\n")
    with pytest.raises(BadDataError, match=r"list\.txt is empty"):
        read_lines(tmp_path / "list.txt", "")
    with pytest.raises(BadDataError, match="cannot read .*: Is a directory"):
        read_lines(tmp_path, "")
