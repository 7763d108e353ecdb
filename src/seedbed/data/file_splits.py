"""Splits of files that hold many images each: shards, Parquet files.

In: files below a folder. Out: the split of each, by its name or its folders; its state for the
fingerprint of a listing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seedbed.data.note_counter import NoteCounter
from seedbed.data.source import SPLITS, TRAIN, split_of_file

_NO_SPLIT = (
    "{num} file{s} without a split in the name, beside files with one: the images are training "
    "images"
)


def path_below(file: Path, root: Path) -> str:
    """The path of a file below a folder; of a file that is named itself, with its folder."""
    if root in file.parents:
        return file.relative_to(root).as_posix()
    return f"{file.parent.name}/{file.name}"


def splits_of_files(files: Sequence[Path], root: Path, counter: NoteCounter) -> list[int]:
    """The split of each file; train where it names none, which is counted beside files that do."""
    splits = [split_of_file(path_below(file, root)) for file in files]
    if any(split is not None for split in splits):
        for file, split in zip(files, splits, strict=True):
            if split is None:
                counter.add(_NO_SPLIT, path_below(file, root))
    return [TRAIN if split is None else split for split in splits]


def file_status(file: Path, root: Path, split: int) -> str:
    """What a listing knows of a file: its path, size, time and split."""
    status = file.stat()
    return f"{path_below(file, root)}\t{status.st_size}\t{status.st_mtime_ns}\t{SPLITS[split]}"
