"""Fine-tuning: which learning rates count."""

from __future__ import annotations

import pytest
import torch
from tiny import digits_store, trained

from seedbed.base.errors import DivergedError, TrainingError
from seedbed.models.schedule import Schedule
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import METHODS, Context


def _tuned(rates: str) -> Measurement:
    task = Classification(train_per_class=10).load(digits_store(8), 0)
    return METHODS.make(f"finetune(images_seen=320, batch_size=32, learning_rates={rates})").run(
        trained().backbone, task, Context()
    )


def test_a_rate_that_diverges_does_not_count() -> None:
    facts = _tuned("[0.05, 1e12]").facts
    assert facts["learning_rate"] == 0.05
    assert facts["validation_top1"]["1e+12"] is None
    with pytest.raises(DivergedError, match="diverged at every learning rate"):
        _tuned("[1e12]")


def test_memory_that_runs_out_is_no_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a result would depend on what else the machine was doing."""
    make_optimiser = Schedule.make_optimiser

    def starved(self: Schedule, module: torch.nn.Module, scales=None) -> torch.optim.Optimizer:
        made = make_optimiser(self, module, scales)
        if self.peak_learning_rate == 0.1:
            made.step = lambda *_: (_ for _ in ()).throw(
                torch.OutOfMemoryError("CUDA out of memory.")
            )
        return made

    monkeypatch.setattr(Schedule, "make_optimiser", starved)
    with pytest.raises(TrainingError, match="not enough memory") as caught:
        _tuned("[0.05, 0.1, 0.3]")
    assert not isinstance(caught.value, DivergedError)
