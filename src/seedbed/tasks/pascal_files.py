"""PASCAL's result files: one file for each class.

In: a folder that any tool wrote. Out: the rows and scores of each file, checked against the image
set; and the same files written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, nearest
from seedbed.base.paths import expand_user
from seedbed.tasks.text_lines import numbered_lines

_NAMES = "*_<class>.txt, for example comp3_det_test_cat.txt"
_CORNERS = {"detection": ("xmin", "ymin", "xmax", "ymax"), "classification": (), "action": ()}


@dataclass(frozen=True, kw_only=True)
class ClassFiles:
    """Result files by class, the classes without a file, and the names of files of no class."""

    files: Mapping[str, Path]
    missing: tuple[str, ...]
    unmatched: tuple[str, ...]


def class_files(folder: str | Path, classes: Sequence[str]) -> ClassFiles:
    """The result file of each class in a folder: `*_<class>.txt`, matched with the longest class
    name that fits.

    Raises BadDataError if no class has a file, or a class has two.
    """
    root = expand_user(folder)
    if not root.is_dir():
        raise BadDataError(
            f"there is no folder {folder}",
            f"Name the folder that holds the result files {_NAMES}.",
        )
    files: dict[str, Path] = {}
    matches = _matching_classes(root, classes)
    unmatched = []
    for path, label in matches.items():
        if label is None:
            unmatched.append(path.name)
        elif label in files:
            raise BadDataError(
                f"{folder} has two result files of class {label!r}: {files[label].name} and "
                f"{path.name}",
                "Keep one of them: a folder holds the results of one run.",
            )
        else:
            files[label] = path
    if not files:
        example = f"; it holds {unmatched[0]}" if unmatched else ""
        raise BadDataError(
            f"{folder} has no result file of any class{example}",
            f"Expected {_NAMES}; the classes are {', '.join(classes[:20])}.",
        )
    return ClassFiles(
        files=files,
        missing=tuple(label for label in classes if label not in files),
        unmatched=tuple(unmatched),
    )


def _matching_classes(root: Path, classes: Sequence[str]) -> dict[Path, str | None]:
    """The class of each text file, None for a file of no class.

    Where other files begin with comp3_det_test_, comp3_det_test_red_cell.txt is not the file of the
    class "cell": it belongs to a class that is not in the image set.
    """
    labels: dict[Path, str | None] = {}
    for path in sorted(root.glob("*.txt")):
        fitting = [c for c in classes if path.stem == c or path.stem.endswith(f"_{c}")]
        labels[path] = max(fitting, key=len) if fitting else None
    prefixes = {path: path.stem.removesuffix(label) for path, label in labels.items() if label}
    for path, prefix in prefixes.items():
        if any(prefix != other and prefix.startswith(other) for other in prefixes.values()):
            labels[path] = None
    return labels


def read_pascal(path: Path, images: Mapping[str, int], task: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and values of a result file: int64 [m], float64 [m, 1 + corners], the score first.

    Args:
        images: what stands before the score in a line (an image; for actions an image and the
            number of its object) -> row.
        task: "detection" (image score xmin ymin xmax ymax), "classification" (image score) or
            "action" (image object score).
    """
    width = 1 + len(_CORNERS[task])
    rows, values = [], []
    for number, line in numbered_lines(path):
        parts = line.rsplit(maxsplit=width)
        name = " ".join(parts[0].split()) if task == "action" else parts[0].strip()
        numbers = _numbers(parts[1:])
        if len(numbers) != width or any(np.isnan(numbers)):
            raise BadDataError(
                f"{path}, line {number}: {line!r} is not '{_line_format(task)}'",
                "Write one result per line.",
            )
        if name not in images:
            raise BadDataError(
                f"{path}, line {number}: {name!r} is not in the image set",
                _hint_for_unknown_image(line, name, images, task),
            )
        # Both ends belong to a box: the end of an empty box is one px before its start.
        if task == "detection" and not (
            numbers[3] - numbers[1] >= -1 and numbers[4] - numbers[2] >= -1
        ):
            raise BadDataError(
                f"{path}, line {number}: the box {line.split(maxsplit=1)[1]!r} ends before it "
                "begins",
                "A line is 'image score xmin ymin xmax ymax', with xmax at least xmin and ymax at "
                "least ymin; these are corners, not width and height.",
            )
        rows.append(images[name])
        values.append(numbers)
    return np.array(rows, np.int64), np.array(values, np.float64).reshape(-1, width)


def _numbers(parts: Sequence[str]) -> list[float]:
    """The numbers of a line; none if a part is not a number."""
    try:
        return [float(part) for part in parts]
    except ValueError:
        return []


def _line_format(task: str) -> str:
    return " ".join(("image", *(("object",) if task == "action" else ()), "score", *_CORNERS[task]))


def _hint_for_unknown_image(line: str, name: str, images: Mapping[str, int], task: str) -> str:
    """The next step for a line whose image is not in the image set."""
    parts = line.split()
    for other, corners in _CORNERS.items():
        width, other_width = len(_line_format(task).split()), len(_line_format(other).split())
        if other != task and len(parts) == other_width != width:
            whole = " ".join(parts[: -1 - len(corners)])
            if whole in images or parts[0] in images:
                return (
                    f"It looks like a line of {other}, '{_line_format(other)}': score it with "
                    f"voc-{other}."
                )
    near = nearest(name, list(images)[:10_000])
    return (
        f"Did you mean {near!r}?"
        if near
        else "Score the results on their own image set (--image-set)."
    )


def write_pascal(path: Path, lines: Iterable[tuple[str, Sequence[float]]]) -> None:
    """Write a result file: what stands before the score, then score and corners in full precision,
    so that the file has the same score as the predictions."""
    with path.open("w", encoding="utf-8") as file:
        for name, (score, *corners) in lines:
            file.write(" ".join([name, *(repr(float(v)) for v in (score, *corners))]) + "\n")
