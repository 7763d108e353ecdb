"""Images of one's own: look through them, transfer to them.

In: a backbone and a task. Out: what was found, measurements, models, predictions, advice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.api.data import DEFAULT_PX, new_folder, open_store, workspace_at
from seedbed.api.networks import open_for
from seedbed.base.artifacts import written_aside
from seedbed.base.device import flush_denormals
from seedbed.base.errors import UsageError
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store

if TYPE_CHECKING:
    from seedbed.base.artifacts import Unfinished
    from seedbed.data.audit import Audit
    from seedbed.models.backbone import Backbone
    from seedbed.models.fit import Progress
    from seedbed.tasks.task import Measurement, Task
    from seedbed.transfers.methods import Method
    from seedbed.trials.data import DataSpec

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
    """Unreadable files, tiny classes, near duplicates within a data set and against another;
    sources are packed at 64 px.

    Args:
        data, against: stores, sources, or what opens as one.
        hierarchy: "wordnet" or a file, for both: which classes of the other set lie above which
            classes here.
        backbone: finds images of the two that are near by its codes too, such as mirrored ones,
            which the first look misses.

    Example:
        >>> import seedbed as sb, tempfile
        >>> found = sb.audit(sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16))
        >>> found.num_images, found.tiny_classes
        (1797, [])
    """
    from seedbed.data.audit import audit_store

    if backbone is not None and against is None:
        raise UsageError(
            "a backbone compares the images of two data sets, and there is one",
            "Name the other: --against DATA2.",
        )
    net = open_for(backbone, "auto", data, 0) if backbone is not None else None
    size_px = net.preprocessing.store_px if net else DEFAULT_PX
    named = [d for d in (data, against) if d is not None]
    stores = [
        open_store(
            d, size_px, workspace, on_pack, allow_unreadable=1.0, for_inspection=True
        ).with_hierarchy(hierarchy)
        for d in named
    ]
    found = audit_store(*stores, on_progress=on_progress)
    if net is None:
        return found
    from seedbed.readout.code_duplicates import add_code_pairs

    return add_code_pairs(found, net, *stores)


def transfer(
    backbone: Backbone | str | Path,
    task: Store | Source | str | Path,
    method: str = "probe()",
    *,
    train_per_class: int | None = None,
    recipe: str | None = None,
    metric: str | None = None,
    labelled: str | None = None,
    learn_on: str | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Measure a backbone on a task by a method, and keep the model that was trained.

    Args:
        backbone: a Backbone, the folder of one, `small` (it comes with seedbed), or a call such as
            `vgg16`, its weights on this machine.
        task: a store or a source; validation and test splits are derived where it has none
            (docs/concepts.md).
        method: a call string such as `probe()` or `finetune(images_seen=50_000)`.
        train_per_class: use so many labelled images of each class only, drawn with the seed.
        recipe: of the classes and images that it leaves (see docs/recipes.md).
        metric: the primary one where a task has several: "mean_class_accuracy", "map_voc10"
            (docs/metrics.md).
        labelled: where the labels come from, for `adapt(...)` and `detect()`: another domain with
            the same classes.
        learn_on: images that a whitening is fitted on, for `retrieve()` on a set that has none of
            its own.
        out: a new folder for the model, which `load`, `predict` and `export` take, with the files
            of official scorers in `results/`.

    Returns:
        Measurement: `.metrics` in percent, `.primary`, `.predictions`, `.facts`, `.model`.

    Raises:
        UsageError: an unknown name or setting, a layer that is not there, a folder that exists.
        BadDataError: images or weights that are not there, too few of them.

    Example:
        >>> import seedbed as sb, tempfile
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=8)
        >>> measured = sb.transfer("small(width=4, weights='random')", store, "probe(c=[10.0])", train_per_class=10)
        >>> measured.primary, len(measured.model.classes)
        ('top1', 10)
    """
    from seedbed.transfers.methods import METHODS, check_task

    made = METHODS.make(method)
    folder = new_folder(out)
    data = target_of(
        task,
        train_per_class=train_per_class,
        recipe=recipe,
        metric=metric,
        labelled=labelled,
        learn_on=learn_on,
    )
    if made.takes == ("adaptation",) and data.labelled is None:
        check_task(made, method, "classification")  # before anything is packed
    net = open_for(backbone, device, data.data if isinstance(data.data, str | Store) else "", seed)
    made.check(net)
    target = _target(
        data,
        open_task_store(data, net.preprocessing.store_px, workspace, on_pack),
        made,
        method,
        seed,
    )
    unfinished = _unfinished(net, target, made, seed, workspace)
    measured = _measured(net, target, made, seed, on_progress, unfinished)
    if folder is not None:
        _keep(measured, target, method, seed, folder)
    unfinished.clear()
    return measured


def _measured(
    net: Backbone,
    target: Task,
    made: Method,
    seed: int,
    on_progress: OnProgress | None,
    unfinished: Unfinished,
) -> Measurement:
    """The measurement, with what a reader must know of its data."""
    from seedbed.transfers.methods import Context

    with flush_denormals():
        found = made.run(
            net,
            target,
            Context(seed=seed, device=net.device, on_progress=on_progress, unfinished=unfinished),
        )
    remarks = target.store.remarks
    return replace(found, facts={**found.facts, "data_notes": remarks}) if remarks else found


def _target(data: DataSpec, store: Store, made: Method, method: str, seed: int) -> Task:
    """The task of a store that a method can do; refused before anything is trained."""
    from seedbed.tasks.catalogue import TASKS
    from seedbed.transfers.methods import check_task

    call = data.task_of(store, made.takes)
    check_task(made, method, call)
    target = TASKS.make(call).load(store, seed, needs_training_images=made.needs_training_images())
    made.check_target(target)
    return target


def _unfinished(
    net: Backbone, target: Task, method: Method, seed: int, workspace: str | Path | None
) -> Unfinished:
    """Where a long training that is cut off leaves its state: the same call goes on from there."""

    def key() -> str:
        from seedbed.base.spec import fingerprint
        from seedbed.models.checkpoint import module_fingerprint
        from seedbed.trials.provenance import versions

        network = [
            module_fingerprint(net.module),
            str(net.module),
            net.architecture,
            asdict(net.preprocessing),
            net.device,
        ]
        asked = [target.fingerprint, method.identity(), method.revision, seed]
        return fingerprint(["transfer", network, asked, versions()])

    return workspace_at(workspace).unfinished_of(key)


def _keep(measured: Measurement, target: Task, method: str, seed: int, folder: Path) -> None:
    """The model that was trained and the files for official scorers, in a new folder."""
    from seedbed.tasks.export_results import RESULTS, write_results

    with written_aside(folder) as aside:
        if measured.model is not None:
            save_trained(measured, target.store, method, seed, aside)
        write_results(target, measured, aside / RESULTS)


def target_of(task: Any, **own: Any) -> DataSpec:
    """The data of a task with what the call says of it."""
    from seedbed.trials.data import DataSpec, read_target

    given = {key: value for key, value in own.items() if value is not None}
    if isinstance(task, str | os.PathLike):
        asked = read_target(os.fspath(task), "task", Path())
        return replace(asked, **given) if given else asked
    return DataSpec(data=task, **given)


def open_task_store(
    data: DataSpec,
    size_px: int,
    workspace: str | Path | None = None,
    progress: PackProgress | None = None,
) -> Store:
    """The store of a task's images, packed into the workspace at `size_px` where they are not; two
    domains are joined."""
    from seedbed.trials.study_data import joined_source

    found: Any = (
        joined_source(data, Path(), size_px) if isinstance(data.data, Mapping) else data.data
    )
    store = open_store(found, size_px, workspace, progress)
    return store.with_hierarchy(data.hierarchy) if isinstance(data.hierarchy, str) else store


def save_trained(measured: Measurement, store: Store, method: str, seed: int, folder: Path) -> None:
    """The model of a measurement with what is known of it, into an existing folder."""
    from seedbed.trials.provenance import versions

    model = measured.model
    assert model is not None
    model.card = {
        "method": method,
        "seed": seed,
        "data": store.name,
        "fit": store.fit,
        "metrics": dict(measured.metrics),
        "primary": measured.primary,
        "num_test": measured.num_test,
        "facts": dict(measured.facts),
        "names": {label: store.names[label] for label in model.classes if label in store.names},
        "versions": versions(),
    }
    model.save(folder)
