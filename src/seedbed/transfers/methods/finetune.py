"""finetune(): train a pre-trained network with a new head on the target, all stages or the last
ones.

`stages=0` trains the last layer only, with augmented images; the body stays as it is, including
batch norm. The choice of the learning rate and the sources of the options are described in
`seedbed.transfers.fine_tuning`.
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

# The first settings of this method; they are part of every key.
_IN_EVERY_KEY = ("images_seen", "learning_rates", "batch_size", "weight_decay")


@dataclass(frozen=True)
class Finetune(Method):
    """Fine-tune all stages, or the last ones, with a new head; the learning rate is chosen from a
    small grid on held-out images.

    `images_seen='by_size'`: 500, 10,000 or 20,000 steps, by the number of labels. `stage_decay`:
    learning rate of a stage relative to that of the next one. `batch_norm`: 'learns' new
    statistics, or 'rests' with those of pre-training (in frozen stages it always rests). `l2_sp`:
    penalty on the distance from the pre-trained weights, instead of weight decay of the body.
    `drops`: divide the learning rate by ten after these shares of the images seen, instead of one
    cycle. `refit`: train again on all labels.
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
        """Settings without later ones at their default value, which change no key: existing
        measurements stay valid."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if self._is_in_key(f)}
        return {"is": "Finetune", **values}

    def _is_in_key(self, field: Any) -> bool:
        value = getattr(self, field.name)
        return field.name in _IN_EVERY_KEY or field.default is MISSING or value != field.default

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
