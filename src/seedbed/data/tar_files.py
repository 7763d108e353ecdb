"""Tar archives as they are distributed: listed, never unpacked.

In: a tar file, perhaps one of tar files. Out: where the bytes of each member lie in it. Knows
nothing of labels.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seedbed.base.errors import BadDataError


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: its name there, and where its bytes lie in the archive's file."""

    name: str
    offset: int
    size: int


def members(archive: Path, prefix: str = "") -> Iterator[Member]:
    """The files of an uncompressed archive in their order; those of archives inside it follow,
    below the inner archive's name.

    Raises BadDataError for a damaged, a compressed or an incomplete archive, after the members that
    are whole.
    """
    try:
        with archive.open("rb") as file:
            yield from _members(file, prefix, 0)
    except (tarfile.TarError, EOFError) as error:
        raise BadDataError(
            f"{archive} cannot be read as an uncompressed tar: {error}",
            "Get it again, or unpack it if it is compressed.",
        ) from None
    except OSError as error:
        raise BadDataError(
            f"cannot read {archive}: {error.strerror}", "Check the path and its permissions."
        ) from None


def _members(file, prefix: str, start: int) -> Iterator[Member]:  # noqa: ANN001  an open file, or a member of one
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
            tar.members = []  # pyright: ignore[reportAttributeAccessIssue]  a million of them are not kept
        # The library takes an archive that was cut off between two members, or in a header, for a
        # shorter one.
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != b"\0" * tarfile.BLOCKSIZE:
            what = f"{prefix.rstrip('/')}.tar inside it" if prefix else "it"
            raise tarfile.ReadError(
                f"{what} ends after {tar.offset:,} bytes without the mark of an archive's end: cut off"
            )
