"""Lines of text files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seedbed.base.errors import BadDataError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and stripped text of each line that is not blank; UTF-8 only."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDataError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8."
        ) from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line.strip()
