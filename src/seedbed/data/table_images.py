"""Find the images that the rows of a table name.

In: paths as a table has them, and the folder that they start at. Out: paths of files below it. A
name may lack its suffix, have backslashes, or start at a folder of another machine.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from seedbed.base.errors import BadDataError
from seedbed.data.image_files import FolderListing, files_in, list_folder
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.skipped_files import SkippedCounter

NOT_LISTED = "not in the table"
NUM_TRIED = 20  # names that tell whether a column holds images, or which folder they start at


class AmbiguousNameError(Exception):
    """A name that fits several images; `paths` are relative to the root."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(paths)
        self.paths = paths


@dataclass(frozen=True)
class ImageFinder:
    """Finds images below a folder by the names that tables have for them."""

    root: Path
    notes: list[str] = field(default_factory=list)

    @cached_property
    def listing(self) -> FolderListing:
        """What is below the root; nothing, with a note, where it cannot be listed."""
        try:
            return list_folder(self.root)
        except BadDataError as error:
            self.notes.append(f"images that the table does not list are not counted: {error.text}")
            return FolderListing([])
        except OSError:
            return FolderListing([])

    @cached_property
    def _paths(self) -> dict[str, str]:
        """Normalised path -> path."""
        return {_normalise(file.path): file.path for file in self.listing.files}

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        """Normalised path without its suffix -> paths."""
        return _group((os.path.splitext(path)[0], path) for path in self._paths.values())

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Normalised name of a file, with and without its suffix -> paths."""
        names = [(path.rpartition("/")[2], path) for path in self._paths.values()]
        return _group([*names, *((os.path.splitext(name)[0], path) for name, path in names)])

    def exact(self, name: str) -> str | None:
        """The path of the image that a name is the path of, perhaps without its suffix, or with
        backslashes; None if there is none.

        Raises AmbiguousNameError if the suffix is missing and several images differ only in it.
        """
        if not name or "\0" in name:
            return None
        # unlike Path.is_file, false for a text that is too long for a path
        if os.path.isfile(os.path.join(self.root, name)):  # noqa: PTH113
            return name
        path = _normalise(name)
        if path in self._paths:
            return self._paths[path]
        matches = self._stems.get(path, [])
        if len(matches) > 1:
            raise AmbiguousNameError(sorted(matches))
        return matches[0] if matches else None

    def by_name(self, name: str) -> str | None:
        """The only image below the root with this file name, perhaps without its suffix.

        Raises AmbiguousNameError if there are several.
        """
        path = _normalise(name)
        matches = [] if "/" in path else sorted(set(self._names.get(path, [])))
        if len(matches) > 1:
            raise AmbiguousNameError(matches)
        return matches[0] if matches else None

    def is_image(self, name: str) -> bool:
        """Whether some image has this path or, anywhere below the root, this name."""
        try:
            return bool(name) and (self.exact(name) or self.by_name(name)) is not None
        except AmbiguousNameError:
            return True

    def share(self, names: Sequence[str]) -> float:
        """The share of the first names that are images, 0 to 1."""
        first = [name.strip() for name in names if name.strip()][:NUM_TRIED]
        return sum(map(self.is_image, first)) / len(first) if first else 0.0

    def foreign_prefix(self, names: Sequence[str]) -> str:
        """The folder that all names begin with, and that must be removed for the images to be
        below the root: `C:/photos`; empty if none helps."""
        split = [_slashes(name).split("/")[:-1] for name in names]
        # of lists of folders, not of texts
        common = os.path.commonprefix(split) if split else []  # noqa: RUF071
        tried = [_slashes(name) for name in names[:NUM_TRIED]]
        for i in range(1, len(common) + 1):
            prefix = "/".join(common[:i])
            if any(self._has(name.removeprefix(f"{prefix}/")) for name in tried):
                return prefix
        return ""

    def _has(self, name: str) -> bool:
        try:
            return self.exact(name) is not None
        except AmbiguousNameError:
            return True

    def skipped(self, used: Sequence[str], tables: Sequence[Path]) -> SkippedCounter:
        """What is below the root and not read: images that are not `used`, and other files apart
        from the tables themselves."""
        counter, ids = self.listing.skipped, {os.path.normpath(path) for path in used}
        for file in self.listing.files:
            if file.path not in ids:
                counter.add(file.path, NOT_LISTED)
        counter.remove(
            path.relative_to(self.root).as_posix() for path in tables if self.root in path.parents
        )
        return counter


def holds_image(folder: Path, name: str) -> bool:
    """Whether a folder has an image at this path, perhaps without its suffix; nothing else below
    the folder is looked at."""
    path = folder / _slashes(name)
    images = (file for file in files_in(path.parent) if has_image_suffix(file.name))
    is_file = os.path.isfile(path)  # noqa: PTH113
    return is_file or any(file.stem == path.name for file in images)


def _slashes(name: str) -> str:
    return name.replace("\\", "/")


def _normalise(name: str) -> str:
    """A path with slashes, in Unicode's composed form: archives of macOS have the other form."""
    path = os.path.normpath(_slashes(name))
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, path in pairs:
        groups.setdefault(_normalise(key), []).append(path)
    return groups
