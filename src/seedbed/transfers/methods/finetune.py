"""finetune(): all layers and a new head trained on the target; the learning rate chosen on validation, the same grid for every arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from seedbed.base.errors import DivergedError
from seedbed.base.randomness import stream
from seedbed.data.loader import Stream
from seedbed.metrics.accuracy import rank
from seedbed.models.backbone import Backbone
from seedbed.models.codes import logits
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.pretraining.objectives.supervised import Supervised
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.methods import Context, Method


@dataclass(frozen=True)
class Finetune(Method):
    """Fine-tune all layers with a new head; the learning rate of a small grid is chosen on validation."""

    images_seen: int = 100_000
    learning_rates: tuple[float, ...] = (0.1, 0.3, 1.0)
    batch_size: int = 128
    weight_decay: float = 5e-4
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.images_seen < 1 or self.batch_size < 2:
            raise ValueError(f"images_seen = {self.images_seen}, batch_size = {self.batch_size}: give at least 1 and 2")
        if not self.learning_rates or min(self.learning_rates) <= 0:
            raise ValueError(f"learning_rates = {list(self.learning_rates)} must be positive values")

    def run(self, backbone: Backbone, task: Task, context: Context) -> Measurement:
        validation_labels = task.labels(task.validation)
        best: tuple[float, float, Backbone] | None = None
        chosen: dict[str, float | None] = {}  # None: the training diverged
        for rate in sorted(self.learning_rates):
            try:
                tuned = self._train(backbone, task, rate, context)
            except DivergedError:
                chosen[f"{rate:g}"] = None
                continue
            scores = logits(tuned, tuned.images(task.store, task.validation)).numpy()
            right = 100.0 * float((scores.argmax(1) == validation_labels).mean())
            chosen[f"{rate:g}"] = right
            if best is None or right > best[0]:
                best = (right, rate, tuned)
        if best is None:
            raise DivergedError(
                f"fine-tuning diverged at every learning rate of {list(self.learning_rates)}",
                "Give smaller ones: learning_rates=[0.003].",
            )
        scores = logits(best[2], best[2].images(task.store, task.test)).numpy()
        facts = {
            "learning_rate": best[1],
            # A wider grid might do better.
            "learning_rate_at_edge": len(self.learning_rates) > 1
            and best[1] in (min(self.learning_rates), max(self.learning_rates)),
            "validation_top1": chosen,
            "num_train": len(task.train),
            "layers": "all",
        }
        return task.score(rank(scores), facts)

    def _train(self, backbone: Backbone, task: Task, rate: float, context: Context) -> Backbone:
        """A copy of the backbone with a new head, trained at this peak learning rate; batch norm keeps learning."""
        tuned = backbone.with_new_head(task.classes, context.seed)
        tuned.module.to(context.device)
        images = tuned.images(task.store, task.train, task.labels(task.train))
        schedule = Schedule(
            images_seen=self.images_seen, batch_size=self.batch_size, peak_learning_rate=rate, weight_decay=self.weight_decay
        )
        batches = Stream(images, self.batch_size, stream(context.seed, "finetune"))
        fit(tuned.module, batches, Supervised().loss, schedule, on_progress=context.on_progress)
        return tuned

    def num_images_trained(self) -> int:
        return self.images_seen * len(self.learning_rates)
