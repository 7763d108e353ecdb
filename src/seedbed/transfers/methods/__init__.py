"""Transfer methods *(plug-ins)*: `run(backbone, task, context) -> Measurement`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from seedbed.base.errors import UsageError
from seedbed.base.registry import Registry

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone
    from seedbed.models.fit import Progress
    from seedbed.tasks.task import Measurement, Task


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a method is given beside backbone and task: its seed, where it runs, whom it tells."""

    seed: int = 0
    device: str = "cpu"
    on_progress: Callable[[Progress], None] | None = None


class Method(ABC):
    """How a backbone is transferred; a frozen dataclass of its settings."""

    revision: ClassVar[int] = 1  # raised by hand when the meaning of its numbers changes
    adapts: ClassVar[bool] = False  # it needs a task of adaptation: unlabelled images of the test's domain

    @abstractmethod
    def run(self, backbone: Backbone, task: Task, context: Context) -> Measurement:
        """Measure; the same seed gives the same measurement; test labels are touched in `task.score` alone."""

    def check(self, backbone: Backbone) -> None:
        """Raise UsageError when the method cannot work on such a backbone; asked before anything is trained."""
        return

    def identity(self) -> object:
        """What its numbers depend on, for keys."""
        return self

    def num_images_trained(self) -> int:
        """Images that the method trains on, for the cost estimate."""
        return 0


def check_task(method: Method, call: str, task: str) -> None:
    """Raise UsageError where a method needs another kind of task; `call` is the method's, `task` the task's."""
    if method.adapts and not task.startswith("adaptation"):
        raise UsageError(
            f"{call} needs labels of one domain and images of another, and this target is one data set",
            "Say where the labels come from: folder('night/', labelled='day/').",
        )


METHODS: Registry[Method] = Registry("method", "seedbed.methods")
METHODS.add("adapt", "seedbed.transfers.methods.adapt:Adapt")
METHODS.add("as_is", "seedbed.transfers.methods.as_is:AsIs")
METHODS.add("finetune", "seedbed.transfers.methods.finetune:Finetune")
METHODS.add("probe", "seedbed.transfers.methods.probe:Probe")
METHODS.add("probe_augmented", "seedbed.transfers.methods.probe_augmented:ProbeAugmented")
METHODS.add("scratch", "seedbed.transfers.methods.scratch:Scratch")
for name in ("svm", "softmax", "ridge", "knn"):
    METHODS.redirect(name, f"probe(readout={name!r})")
METHODS.redirect("last_layer", "finetune(stages=0)")
METHODS.redirect("linear", "probe()")
METHODS.redirect("logistic", "probe(readout='softmax')")
