"""Fine-tuning: diverged trainings and lack of memory."""

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


def test_a_learning_rate_that_diverges_is_skipped() -> None:
    facts = _tuned("[0.05, 1e12]").facts
    assert facts["learning_rate"] == 0.05
    assert facts["validation_top1"]["1e+12"] is None
    with pytest.raises(DivergedError, match="diverged at all learning rates"):
        _tuned("[1e12]")


def test_lack_of_memory_is_not_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a result would depend on other processes."""
    make_optimiser = Schedule.make_optimiser

    def without_memory(
        self: Schedule, module: torch.nn.Module, scales=None
    ) -> torch.optim.Optimizer:
        optimiser = make_optimiser(self, module, scales)
        if self.peak_learning_rate == 0.1:
            optimiser.step = lambda *_: (_ for _ in ()).throw(
                torch.OutOfMemoryError("CUDA out of memory.")
            )
        return optimiser

    monkeypatch.setattr(Schedule, "make_optimiser", without_memory)
    with pytest.raises(TrainingError, match="not enough memory") as caught:
        _tuned("[0.05, 0.1, 0.3]")
    assert not isinstance(caught.value, DivergedError)
