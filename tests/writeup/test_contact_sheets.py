"""Contact sheets: from encoded stores and from pixel stores, and no frame for an empty rank."""

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

_GREEN, _ORANGE = (18, 148, 107), (217, 98, 13)


def _frames(jpeg: bytes, ranks: int, lines: int) -> np.ndarray:
    """The colour of each rank's frame: 1 green (correct), 0 orange (wrong), -1 none."""
    picture = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
    frames = np.full((lines, ranks), -1)
    for line in range(lines):
        for rank in range(ranks):
            pixel = picture[line * 73 + 35, (rank + 1) * 73 + 6 + 1]
            distances = [np.abs(pixel - np.array(colour)).sum() for colour in (_ORANGE, _GREEN)]
            if min(distances) < 90:
                frames[line, rank] = int(np.argmin(distances))
    return frames


def test_correct_and_wrong_ranks_are_framed_in_their_colours() -> None:
    task = Retrieval().load(digits_store(), 0)
    measured = Retrieve(whiten=False).run(trained().backbone, task, Context())
    sheet = retrieval_sheet(task, measured.predictions, 3)
    frames = _frames(sheet.jpeg, 8, 3)
    assert (frames >= 0).all()
    num_correct = [
        int(text.split()[0]) for text in sheet.caption.partition("orange: ")[2].split("; ")
    ]
    assert frames.sum(1).tolist() == num_correct


def test_encoded_images_are_shown_too(tmp_path: Path) -> None:
    store = sb.pack(
        str(holidays_tree(tmp_path / "holidays")), tmp_path / "h.store", size_px=8, encoded=True
    )
    task = Retrieval().load(store, 0)
    measured = Retrieve(whiten=False).run(trained().backbone, task, Context())
    sheet = retrieval_sheet(task, measured.predictions)
    assert sheet.width_px == 9 * 73 + 6
    assert (_frames(sheet.jpeg, 8, 5) >= 0).all()


def test_empty_ranks_have_no_frame() -> None:
    task = Retrieval().load(digits_store(), 0)
    measured = task.score(lambda which: np.tile([5, 6, -1, -1], (len(which), 1)), {})
    assert (_frames(retrieval_sheet(task, measured.predictions, 2).jpeg, 4, 2)[:, 2:] == -1).all()
