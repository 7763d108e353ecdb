"""Sheets of pictures: from stores of files as from stores of pixels, and no frame where nothing was
found."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from tiny import digits_store, holidays_tree, trained

import seedbed as sb
from seedbed.tasks.catalogue.retrieval import Retrieval
from seedbed.transfers.methods import Context
from seedbed.transfers.methods.retrieve import Retrieve
from seedbed.writeup.contact_sheets import retrieval_sheet

_RIGHT, _WRONG = (18, 148, 107), (217, 98, 13)


def _frames(jpeg: bytes, ranks: int, lines: int) -> np.ndarray:
    """Of each place the colour of the frame: 1 right, 0 wrong, -1 none."""
    picture = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
    found = np.full((lines, ranks), -1)
    for line in range(lines):
        for rank in range(ranks):
            pixel = picture[line * 73 + 35, (rank + 1) * 73 + 6 + 1]
            distances = [np.abs(pixel - np.array(colour)).sum() for colour in (_WRONG, _RIGHT)]
            if min(distances) < 90:
                found[line, rank] = int(np.argmin(distances))
    return found


def test_rankings_are_framed_by_what_they_are() -> None:
    task = Retrieval().load(digits_store(), 0)
    measured = Retrieve(whiten=False).run(trained().backbone, task, Context())
    sheet = retrieval_sheet(task, measured.predictions, 3)
    frames = _frames(sheet.jpeg, 8, 3)
    assert (frames >= 0).all()
    told = [int(words.split()[0]) for words in sheet.words.partition("orange: ")[2].split("; ")]
    assert frames.sum(1).tolist() == told


def test_images_that_are_kept_as_files_are_shown_too(tmp_path: Path) -> None:
    store = sb.pack(
        str(holidays_tree(tmp_path / "holidays")), tmp_path / "h.store", size_px=8, encoded=True
    )
    task = Retrieval().load(store, 0)
    measured = Retrieve(whiten=False).run(trained().backbone, task, Context())
    sheet = retrieval_sheet(task, measured.predictions)
    assert sheet.width_px == 9 * 73 + 6
    assert (_frames(sheet.jpeg, 8, 5) >= 0).all()


def test_nothing_is_framed_where_nothing_was_found() -> None:
    task = Retrieval().load(digits_store(), 0)
    measured = task.score(lambda which: np.tile([5, 6, -1, -1], (len(which), 1)), {})
    assert (_frames(retrieval_sheet(task, measured.predictions, 2).jpeg, 4, 2)[:, 2:] == -1).all()
