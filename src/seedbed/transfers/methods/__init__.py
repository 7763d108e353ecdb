"""Transfer methods *(plug-ins)*: `run(backbone, task, context) -> Measurement`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from seedbed.base.errors import UsageError
from seedbed.base.registry import Registry

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone
    from seedbed.models.training_progress import Progress
    from seedbed.tasks.task import Measurement, Task


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a method is given beside backbone and task: its seed, where it runs, whom it tells."""

    seed: int = 0
    device: str = "cpu"
    on_progress: Callable[[Progress], None] | None = None
    # where a long training leaves its state, by a name of its own
    unfinished: Callable[[str], Path | None] | None = None
    # told in words what the work will cost, and what would be better
    on_message: Callable[[str], None] | None = None


class Method(ABC):
    """How a backbone is transferred; a frozen dataclass of its settings."""

    revision: ClassVar[int] = 1  # raised by hand when the meaning of its numbers changes
    # names of the tasks that it can do
    takes: ClassVar[tuple[str, ...]] = ("classification", "adaptation")

    @abstractmethod
    def run(self, backbone: Backbone, task: Any, context: Context) -> Measurement:
        """Measure; the same seed gives the same measurement; test labels are touched in
        `task.score` alone."""

    def check(self, backbone: Backbone) -> None:
        """Raise UsageError when the method cannot work on such a backbone; asked before anything is
        trained."""
        return

    def check_target(self, task: Task) -> None:  # noqa: B027  most methods do whatever they take
        """Raise UsageError or BadDataError when the method cannot do this task; asked before
        anything is trained."""

    def needs_training_images(self) -> bool:
        """Whether it looks at training or validation images. A method that does not is scored on
        data sets that have test images alone."""
        return True

    def identity(self) -> object:
        """What its numbers depend on, for keys."""
        return self

    def num_images_trained(self) -> int:
        """Images that the method trains on, for the cost estimate."""
        return 0

    def effort(self, size_px: int) -> float:
        """What an image costs it, in units of an image of `size_px` that the network classifies,
        for the cost estimate."""
        return 1.0


def check_task(method: Method, call: str, task: str) -> None:
    """Raise UsageError where a method cannot do a task; both are calls."""
    name = task.partition("(")[0]
    if name in method.takes:
        return
    if method.takes == ("adaptation",):
        raise UsageError(
            f"{call} needs labels of one domain and images of another, and this target is one"
            " data set",
            "Say where the labels come from: --labelled day/, in a study folder('night/',"
            " labelled='day/').",
        )
    fitting = [other for other in METHODS.names() if name in METHODS.get(other).takes]
    raise UsageError(
        f"this target is for {_TASK_WORDS.get(name, name)}, and {call} cannot do that",
        f"Methods that can: {', '.join(f'{other}()' for other in fitting)}.",
    )


# Tasks, in words.
_TASK_WORDS = {
    "classification": "classification with one label per image",
    "multilabel": "classification with several labels per image",
    "detection": "detection (boxes)",
}


METHODS: Registry[Method] = Registry("method", "seedbed.methods")
METHODS.add("adapt", "seedbed.transfers.methods.adapt:Adapt")
METHODS.add("as_is", "seedbed.transfers.methods.as_is:AsIs")
METHODS.add("detect", "seedbed.transfers.methods.detect:Detect")
METHODS.add("finetune", "seedbed.transfers.methods.finetune:Finetune")
METHODS.add("probe", "seedbed.transfers.methods.probe:Probe")
METHODS.add("probe_augmented", "seedbed.transfers.methods.probe_augmented:ProbeAugmented")
METHODS.add("retrieve", "seedbed.transfers.methods.retrieve:Retrieve")
METHODS.add("scratch", "seedbed.transfers.methods.scratch:Scratch")
METHODS.add("zero_shot", "seedbed.transfers.methods.zero_shot:ZeroShot")
for name in ("svm", "softmax", "ridge", "knn"):
    METHODS.redirect(name, f"probe(readout={name!r})")
METHODS.redirect("last_layer", "finetune(stages=0)")
METHODS.redirect("linear", "probe()")
METHODS.redirect("logistic", "probe(readout='softmax')")
