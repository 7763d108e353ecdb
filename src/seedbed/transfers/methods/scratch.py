"""scratch(): train the same architecture on the target from random weights, with the same tuning as
`finetune`, as the baseline without pre-training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

from seedbed.base.errors import UsageError
from seedbed.models.backbone import CUSTOM_MODULE, Backbone
from seedbed.models.zoo import BACKBONES
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.fine_tuning import Trainer, Tuning, measure_tuned, tune
from seedbed.transfers.methods import Context, Method


@dataclass(frozen=True)
class Scratch(Method):
    """Train the same architecture from random weights, with the same learning rates and training
    budget as `finetune`."""

    images_seen: int | Literal["by_size"] = 100_000
    learning_rates: tuple[float, ...] = (0.1, 0.3, 1.0)
    batch_size: int = 128
    weight_decay: float = 5e-4
    takes: ClassVar[tuple[str, ...]] = ("classification", "adaptation", "multilabel")
    revision: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.tuning()

    def tuning(self) -> Tuning:
        return Tuning(**asdict(self))

    def check(self, backbone: Backbone) -> None:
        if backbone.architecture == CUSTOM_MODULE:
            raise UsageError(
                "scratch() cannot initialise a module of your own",
                "Wrap it with random weights, sb.Backbone.wrap(MyNet(), size_px=32), and fine-tune "
                "that.",
            )

    def run(self, backbone: Backbone, task: ClassScoresTask, context: Context) -> Measurement:
        self.check(backbone)
        architecture = BACKBONES.make(backbone.architecture)

        def make() -> Backbone:
            network = architecture.build(task.classes, backbone.size_px, context.seed)
            network.preprocessing = backbone.preprocessing
            return network

        tuning = self.tuning()
        tuned = tune(Trainer(make, task, tuning, context.seed, context.device, context.on_progress))
        return measure_tuned(
            tuned,
            task,
            {**tuned.facts(tuning), "layers": "all", "weights": f"random, seed {context.seed}"},
        )

    def num_images_trained(self) -> int:
        return self.tuning().num_images(0) * len(self.learning_rates)
