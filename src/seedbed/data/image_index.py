"""Find the image files that annotation files name.

In: paths of images below a folder. Out: the path that a name means. Names may begin with folders of
another computer, have backslashes or URL encoding, or the prefix that Label Studio puts before the
names of uploaded files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from seedbed.base.errors import BadDataError
from seedbed.data.source import split_of_path

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")


class ImageIndex:
    """The images below a folder, by name."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths: dict[str, list[str]] = {}
        for path in paths:
            self._paths.setdefault(path.rpartition("/")[2], []).append(path)

    def find(self, name: str, folder: str = "", split: int | None = None) -> str | None:
        """The path that a name means; None if there is no such image.

        A name and a path match if one ends with the other, in whole folder names.

        Args:
            name: as an annotation file writes it.
            folder: the folder of that file, relative to the root; preferred among several.
            split: the split that the file names; its folder is preferred among several.

        Raises:
            BadDataError: several images match, and none is to be preferred.
        """
        for variant in _variants(name):
            parts = _parts(variant)
            paths = [p for p in self._paths.get(parts[-1], ()) if _ends_alike(p, parts)]
            if paths:
                return _choose(paths, "/".join(parts), folder, split)
        return None

    def find_by_last_part(self, name: str) -> str | None:
        """The only image of this name in any folder; None if there are several or none."""
        for variant in _variants(name):
            if len(paths := self._paths.get(_parts(variant)[-1], ())) == 1:
                return paths[0]
        return None


def unique_last_parts(names: Iterable[str]) -> set[str]:
    """The names without folders that occur once."""
    counts = Counter(_parts(name)[-1] for name in names)
    return {name for name, num in counts.items() if num == 1}


def last_part(name: str) -> str:
    """A name without its folders."""
    return _parts(name)[-1]


def _variants(name: str) -> Iterator[str]:
    """A name as it is written, decoded, and without the prefix of an upload."""
    plain = name.strip().replace("\\", "/")
    url = urlsplit(plain) if "://" in plain or "?d=" in plain else None
    if url is not None:
        # Label Studio: /data/local-files/?d=folder/1.jpg
        plain = parse_qs(url.query).get("d", [unquote(url.path)])[0]
    variants = dict.fromkeys((plain, unquote(plain)))
    yield from variants
    for variant in variants:
        head, slash, last = variant.rpartition("/")
        if (original := _UPLOAD_PREFIX.sub("", last)) != last:
            yield f"{head}{slash}{original}"
            yield original


def _parts(name: str) -> list[str]:
    parts = name.strip().replace("\\", "/").split("/")
    return [part for part in parts if part not in ("", ".", "..")] or [""]


def _ends_alike(path: str, parts: list[str]) -> bool:
    """Whether a path ends with these parts, or they end with the path."""
    others = path.split("/")
    num = min(len(others), len(parts))
    return others[-num:] == parts[-num:]


def _choose(paths: list[str], name: str, folder: str, split: int | None) -> str:
    """The path to be preferred of several that match."""
    preferences = (
        lambda p: p == (f"{folder}/{name}" if folder else name),
        lambda p: bool(folder) and p.startswith(f"{folder}/"),
        lambda p: p == name,
        lambda p: split is not None and split_of_path(p) == split,
    )
    for is_preferred in preferences:
        paths = [p for p in paths if is_preferred(p)] or paths
    if len(paths) > 1:
        raise BadDataError(
            f"the image {name!r} is there {len(paths)} times: {paths[0]} and {paths[1]}",
            "Remove one, or write its folder into the annotation file.",
        )
    return paths[0]
