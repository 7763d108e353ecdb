"""Count the files of a data set that are not read, by reason and suffix.

In: paths that a format passes over. Out: rows for JSON and for a store's card, and sentences.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

NO_IMAGE, HIDDEN = "not an image", "hidden"


@dataclass(frozen=True, kw_only=True)
class SkippedFiles:
    """Files of one suffix that are not read for one reason."""

    reason: str
    suffix: str  # in lower case, with its dot; empty for names without one
    num: int
    example: str  # path of the first one, relative to the data set

    def __str__(self) -> str:
        files = f"{self.suffix} file" if self.suffix else "file without a suffix"
        plural = files if self.num == 1 else files.replace("file", "files", 1)
        first = "" if self.num == 1 else "the first is "
        return f"{self.num:,} {plural} not read ({self.reason}): {first}{self.example}"


class SkippedCounter:
    """Counts files that are passed over while a folder is listed."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}  # path -> reason

    def add(self, path: str, reason: str = NO_IMAGE) -> None:
        """Count a file, or give it another reason; `path` is relative to the data set."""
        self._reasons[path] = reason

    def remove(self, paths: Iterable[str]) -> None:
        """Do not count these files: they are read after all, for example as annotations."""
        for path in paths:
            self._reasons.pop(path, None)

    @property
    def paths(self) -> list[str]:
        """The files that are counted."""
        return list(self._reasons)

    def rows(self) -> tuple[SkippedFiles, ...]:
        """The counts, the most frequent first."""
        paths_of: dict[tuple[str, str], list[str]] = {}
        for path, reason in self._reasons.items():
            paths_of.setdefault((reason, os.path.splitext(path)[1].lower()), []).append(path)
        order = sorted(paths_of, key=lambda key: (-len(paths_of[key]), key))
        return tuple(
            SkippedFiles(
                reason=reason,
                suffix=suffix,
                num=len(paths_of[reason, suffix]),
                example=min(paths_of[reason, suffix]),
            )
            for reason, suffix in order
        )


def to_card(skipped: Sequence[SkippedFiles]) -> list[dict[str, Any]]:
    """The rows as JSON."""
    return [asdict(row) for row in skipped]


def from_card(rows: Iterable[dict[str, Any]]) -> list[SkippedFiles]:
    """The rows that `to_card` wrote."""
    return [SkippedFiles(**row) for row in rows]
