"""Images of one's own: look through them, transfer to them.

In: a backbone and a task. Out: what was found, measurements, models, predictions, advice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seedbed.api.data import DEFAULT_PX, open_store
from seedbed.api.networks import open_for
from seedbed.base.device import flushed_denormals
from seedbed.base.errors import UsageError
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store

if TYPE_CHECKING:
    from seedbed.data.audit import Audit
    from seedbed.models.backbone import Backbone
    from seedbed.models.fit import Progress
    from seedbed.tasks.task import Measurement

OnProgress = Callable[["Progress"], None]


def audit(
    data: Store | Source | str | Path,
    against: Store | Source | str | Path | None = None,
    *,
    hierarchy: str | None = None,
    backbone: Backbone | str | Path | None = None,
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: PackProgress | None = None,
) -> Audit:
    """Unreadable files, tiny classes, near duplicates within a data set and against another; sources are packed at 64 px.

    Args:
        data, against: stores, sources, or what opens as one.
        hierarchy: "wordnet" or a file, for both: which classes of the other set lie above which classes here.
        backbone: finds images of the two that are near by its codes too, such as mirrored ones, which the first look misses.

    Example:
        >>> import seedbed as sb, tempfile
        >>> found = sb.audit(sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16))
        >>> found.num_images, found.tiny_classes
        (1797, [])
    """
    from seedbed.data.audit import audit_store

    if backbone is not None and against is None:
        raise UsageError("a backbone compares the images of two data sets, and there is one", "Name the other: --against DATA2.")
    net = open_for(backbone, "auto", data, 0) if backbone is not None else None
    size_px = net.preprocessing.store_px if net else DEFAULT_PX
    named = [d for d in (data, against) if d is not None]
    stores = [open_store(d, size_px, workspace, on_pack, allow_unreadable=1.0).with_hierarchy(hierarchy) for d in named]
    found = audit_store(*stores, on_progress=on_progress)
    if net is None:
        return found
    from seedbed.readout.leaks import with_code_pairs

    return with_code_pairs(found, net, *stores)


def transfer(
    backbone: Backbone | str | Path,
    task: Store | Source | str | Path,
    method: str = "probe()",
    *,
    train_per_class: int | None = None,
    recipe: str | None = None,
    metric: str | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Measure a backbone on a task by a method.

    Args:
        backbone: a Backbone, the folder of one, or a call such as `vgg16` with published weights on this machine.
        task: a store or a source; validation and test splits are derived where it has none (docs/concepts.md).
        method: a call string such as `probe()` or `finetune(images_seen=50_000)`.
        train_per_class: use so many labelled images of each class only, drawn with the seed.
        recipe: of the classes and images that it leaves (see docs/recipes.md).
        metric: the primary one, "top1" (default) or "mean_class_accuracy".

    Returns:
        Measurement: `.metrics` in percent, `.primary`, `.predictions`, `.facts`.
    """
    from seedbed.tasks.catalogue import TASKS
    from seedbed.transfers.methods import METHODS, Context
    from seedbed.trials.data import Data, read_target

    made = METHODS.make(method)
    own = {"train_per_class": train_per_class, "recipe": recipe, "metric": metric}
    if isinstance(task, str):
        asked = read_target(task, "task", Path())
        task, own = asked.data, {k: v if v is not None else getattr(asked, k) for k, v in own.items()}  # pyright: ignore[reportAssignmentType]
    kind = TASKS.make(Data(data=task, **own).task)
    net = open_for(backbone, device, task, seed)
    made.check(net)
    store = open_store(task, net.preprocessing.store_px, workspace, on_pack)
    target = kind.load(store, seed)
    with flushed_denormals():
        return made.run(net, target, Context(seed=seed, device=net.device, on_progress=on_progress))
