"""Draw the pictures of docs/how-to: detections in BCCD's photographs, and similar cells.

    python docs/studies/target_pictures.py bccd-detection.toml cells/

The first argument is the study, run; the second blood cells cut out of the photographs
(voc_crops.py). Writes docs/pictures/.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

import seedbed as sb
from seedbed.base.artifacts import Workspace
from seedbed.engine.opening import open_store
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.trials.run import study_status
from seedbed.trials.steps import MeasureStep
from seedbed.writeup.contact_sheets import detections_sheet, retrieval_sheet

PICTURES = Path(__file__).parents[1] / "pictures"
METHOD = "brief"


def draw_detections(study: str) -> None:
    """Random weights above, the longest pre-training below, at the first seed."""
    results = study_status(sb.Study.load(study))
    rows = [o for o in results.outcomes if o.primary and o.method == METHOD and o.seed == 0]
    chosen = [
        next(o for o in rows if o.arm == "random"),
        max((o for o in rows if o.arm == "all"), key=lambda o: o.images_seen),
    ]
    sheets = []
    for outcome in chosen:
        step = results.plan.by_key[outcome.key]
        assert isinstance(step, MeasureStep)
        task = TASKS.make(step.task).load(results.plan.stores[outcome.target], step.task_seed)
        assert isinstance(task, DetectionTask)
        sheets.append(
            Image.open(io.BytesIO(detections_sheet(task, results.predictions(outcome)).jpeg))
        )
    whole = Image.new("RGB", (sheets[0].width, sum(s.height for s in sheets) + 4), "white")
    whole.paste(sheets[0], (0, 0))
    whole.paste(sheets[1], (0, sheets[0].height + 4))
    whole.save(PICTURES / "cells-found.jpg", quality=85)


def draw_rankings(cells: str) -> None:
    """Cells that are nearest to some cells by the codes of `small`."""
    measured = sb.transfer("small", cells, "retrieve(whiten=False)")
    store = open_store(cells, 64, Workspace.at(None))
    task = TASKS.make("retrieval()").load(store, 0)
    assert isinstance(task, RetrievalTask)
    (PICTURES / "cells-ranked.jpg").write_bytes(retrieval_sheet(task, measured.predictions).jpeg)
    print(measured)


if __name__ == "__main__":
    draw_detections(sys.argv[1])
    draw_rankings(sys.argv[2])
