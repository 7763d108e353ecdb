"""A short loss curve, stored: whatever changes what a training computes shows here. Written anew by
`make golden`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import digits_view

from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.training_progress import Progress
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives.supervised import Supervised

GOLDEN = Path(__file__).with_name("loss_curve.json")


def test_the_loss_curve_is_the_stored_one(request: pytest.FixtureRequest) -> None:
    view = digits_view(16)
    backbone = BACKBONES.make("small(width=4)").build(view.classes, 16)
    batches = Stream(Resident(view.store.pixels, view.rows, view.labels), 32, 0)
    seen: list[Progress] = []
    schedule = Schedule(images_seen=12 * 32, batch_size=32)
    fit(
        backbone.module,
        batches,
        Supervised().loss,
        schedule,
        on_progress=seen.append,
        report_every=1,
    )
    curve = [p.loss for p in seen]
    assert len(curve) == 12
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(
            json.dumps(
                {"what": "small(width=4), digits() at 16 px, 12 steps of 32", "loss": curve},
                indent=2,
            )
            + "\n"
        )
    assert curve == pytest.approx(json.loads(GOLDEN.read_text())["loss"], rel=1e-4)
