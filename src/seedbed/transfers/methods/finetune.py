"""finetune(): pre-trained weights and a new head trained on the target, all of the network or its
last stages.

`stages=0` retunes the last layer alone, with augmented images, and leaves the body as it is, batch
norm included. How the learning
rate is chosen, and where the options come from: `seedbed.transfers.fine_tuning`.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from seedbed.models.backbone import Backbone
from seedbed.models.stages import stages_of
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.fine_tuning import Trainer, Tuning, measure_tuned, tune
from seedbed.transfers.methods import Context, Method


@dataclass(frozen=True)
class Finetune(Method):
    """Fine-tune all stages, or the last ones, with a new head; the learning rate of a small grid is
    chosen on held-out images.

    `images_seen='by_size'`: 500, 10,000 or 20,000 steps by the number of labels. `stage_decay`:
    factor of the learning rate from each stage to the one before it. `batch_norm`: 'learns' its
    statistics anew, or 'rests' on those of pre-training (of frozen stages it always rests).
    `l2_sp`: weight of the distance from the pre-trained weights, in place of weight decay of the
    body. `drops`: shares of the images seen after each of which the rate is a tenth, instead of one
    cycle. `refit`: train once more on all labels.
    """

    images_seen: int | Literal["by_size"] = 100_000
    learning_rates: tuple[float, ...] = (0.1, 0.3, 1.0)
    batch_size: int = 128
    weight_decay: float = 5e-4
    stages: int | Literal["all"] = "all"
    stage_decay: float = 1.0
    batch_norm: Literal["learns", "rests"] = "learns"
    l2_sp: float = 0.0
    drops: tuple[float, ...] = ()
    refit: bool = False
    takes: ClassVar[tuple[str, ...]] = ("classification", "adaptation", "multilabel")
    revision: ClassVar[int] = 2

    def __post_init__(self) -> None:
        self.tuning()

    def tuning(self) -> Tuning:
        return Tuning(**asdict(self))

    def check(self, backbone: Backbone) -> None:
        if self.stages != "all":
            Trainer.check_stages(backbone, int(self.stages))

    def identity(self) -> object:
        """Settings at their default change no key, so that options added later leave finished work
        as it is."""
        return {
            "is": "Finetune",
            **{
                f.name: getattr(self, f.name)
                for f in fields(self)
                if _counts(f, getattr(self, f.name))
            },
        }

    def run(self, backbone: Backbone, task: ClassScoresTask, context: Context) -> Measurement:
        def make() -> Backbone:
            return backbone.with_new_head(task.classes, context.seed)

        tuning = self.tuning()
        trainer = Trainer(make, task, tuning, context.seed, context.device, context.on_progress)
        tuned = tune(trainer)
        facts: dict[str, Any] = {
            **tuned.facts(tuning),
            "layers": "all"
            if self.stages == "all"
            else f"head and the last {self.stages} of {len(stages_of(backbone))} stages",
            "batch_norm": self.batch_norm,
        }
        return measure_tuned(tuned, task, facts)

    def num_images_trained(self) -> int:
        return self.tuning().num_images(0) * (len(self.learning_rates) + self.refit)


_FIRST = ("images_seen", "learning_rates", "batch_size", "weight_decay")  # in every key


def _counts(field: Any, value: object) -> bool:
    return field.name in _FIRST or field.default is MISSING or value != field.default
