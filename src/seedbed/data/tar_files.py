"""List the members of tar archives without unpacking them.

In: a tar file, which may contain tar files. Out: where the bytes of each member are in it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.base.errors import BadDataError


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: its name, and where its bytes are in the archive's file."""

    name: str
    offset: int
    size: int


def members(archive: Path, prefix: str = "") -> Iterator[Member]:
    """Yield the files of an uncompressed archive in their order.

    The files of an inner archive have its name, without .tar, as their folder. Raises BadDataError
    for a damaged, compressed or incomplete archive, after the members that are complete.
    """
    try:
        with archive.open("rb") as file:
            yield from _members(file, prefix, 0)
    except (tarfile.TarError, EOFError) as error:
        raise BadDataError(
            f"{archive} cannot be read as an uncompressed tar: {error}",
            "Download it again, or decompress it.",
        ) from None
    except OSError as error:
        raise BadDataError(
            f"cannot read {archive}: {error.strerror}", "Check the path and its permissions."
        ) from None


def _members(file: Any, prefix: str, start: int) -> Iterator[Member]:
    """Members of an open file, or of a member of one, whose bytes begin at `start`."""
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for info in tar:
            if not info.isfile():
                continue
            name = f"{prefix}{info.name.removeprefix('./')}"
            if name.endswith(".tar"):
                inner = tar.extractfile(info)
                assert inner is not None
                yield from _members(
                    inner, f"{name.removesuffix('.tar')}/", start + info.offset_data
                )
            else:
                yield Member(name, start + info.offset_data, info.size)
            # The library would hold all members in memory, and there may be a million.
            tar.members = []  # pyright: ignore[reportAttributeAccessIssue]
        # The library accepts an archive that was cut off between two members or in a header.
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != b"\0" * tarfile.BLOCKSIZE:
            what = f"{prefix.rstrip('/')}.tar inside it" if prefix else "it"
            raise tarfile.ReadError(
                f"{what} is cut off: it ends after {tar.offset:,} bytes, without an end marker"
            )
