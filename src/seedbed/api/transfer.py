"""transfer: measure a backbone on a task by a method.

In: a backbone, data, a method. Out: a Measurement, and the trained model in a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import Workspace, atomic_folder, new_folder
from seedbed.data.class_faults import find_class_faults
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.preprocessing import interpolation_of
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.engine.data_spec import DataSpec, read_task
from seedbed.engine.keys import backbone_keys
from seedbed.engine.opening import load_task, open_backbone_for, open_store_for, task_call
from seedbed.engine.steps import Measure, check_threads
from seedbed.engine.versions import versions
from seedbed.models.backbone import Backbone
from seedbed.models.training_progress import Progress
from seedbed.tasks.export_results import RESULTS
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.methods import METHODS, Method, check_task

OnProgress = Callable[[Progress], None]


def transfer(
    backbone: Backbone | str | os.PathLike[str],
    task: Store | Source | str | os.PathLike[str],
    method: str = "probe()",
    *,
    train_per_class: int | None = None,
    recipe: str | None = None,
    metric: str | None = None,
    labelled: str | None = None,
    learn_on: str | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
    workspace: str | os.PathLike[str] | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
    on_message: Callable[[str], None] | None = None,
) -> Measurement:
    """Measure a backbone on a task by a method.

    The measurement is kept in the workspace. If a study, or an earlier call, has measured the same
    there, it is read and nothing is trained.

    Args:
        backbone: a Backbone, the folder of one, `small` (it comes with seedbed), or a call such as
            `vgg16` with weights on this machine.
        task: a store or a source; validation and test splits are derived where it has none.
        method: a call string such as `probe()` or `finetune(images_seen=50_000)`.
        train_per_class: use so many labelled images of each class only, drawn with the seed.
        recipe: selects classes and images of the task (docs: recipes).
        metric: the primary one, where a task has several: "mean_class_accuracy", "map_voc10".
        labelled: another domain with the same classes, where the labels come from: for
            `adapt(...)` and `detect()`.
        learn_on: images to fit a whitening on: for `retrieve()` on a set that has none.
        out: a new folder for the model, which `load`, `predict` and `export` take, and for result
            files of official scorers, in `results/`.
        threads: of the CPU (default: all; a stored result of any number is accepted). A study uses
            1 unless it says otherwise; the number is part of the key.
        device: "auto", "cpu", "cuda" or "mps".
        on_message: called with sentences on the cost of a long training, before it begins.

    Returns:
        Measurement: `.metrics` in percent, `.primary`, `.predictions`, `.facts`, `.model`, `.key`;
        `.was_stored` says whether it was read from the workspace. The `.model` of a stored
        measurement is trained when it is first asked for.

    Raises:
        UsageError: an unknown name or setting, an unknown layer, an existing folder.
        BadDataError: missing images or weights, too few images.

    Example:
        >>> import seedbed as sb, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> measured = sb.transfer(
        ...     "small(width=4, weights='random')", store, "probe(c=[10.0])", train_per_class=10,
        ...     workspace=folder,
        ... )
        >>> measured.primary, len(measured.model.classes)
        ('top1', 10)
    """
    check_threads(threads)
    folder, space = new_folder(out), Workspace.at(workspace)
    plugin = METHODS.make(method)
    spec = read_task(
        task,
        train_per_class=train_per_class,
        recipe=recipe,
        metric=metric,
        labelled=labelled,
        learn_on=learn_on,
    )
    net = open_backbone_for(backbone, spec, device=device, seed=seed)
    _check_before_packing(plugin, method, spec, net)
    store = open_store_for(net, spec, space, on_pack)
    call = task_call(spec, store, plugin, method)
    loaded = load_task(call, store, plugin, seed)
    plugin.check_target(loaded)
    step = Measure(
        backbone=net,
        backbone_keys=backbone_keys(backbone, net),
        task=loaded,
        task_call=call,
        method=method,
        seed=seed,
        task_seed=seed,
        threads=threads,
        on_message=on_message,
        label=f"transfer to {store.name} by {method}, seed {seed}",
    )
    return _read_or_run(step, space, folder, on_progress)


def _check_before_packing(plugin: Method, call: str, spec: DataSpec, net: Backbone) -> None:
    """Raise UsageError for a method that cannot work on the data or the network."""
    if plugin.takes == ("adaptation",) and spec.labelled is None:
        check_task(plugin, call, "classification")
    plugin.check(net)


def _read_or_run(
    step: Measure, space: Workspace, folder: Path | None, on_progress: OnProgress | None
) -> Measurement:
    """The stored measurement, or a new one; with a folder, its model is saved there."""

    def finish(measured: Measurement) -> Measurement:
        noted = _with_data_notes(measured, step.task.store, step.backbone)
        if folder is not None:
            _save(noted, step.task, step.method, step.seed, folder)
        return noted

    stored = step.read(space)
    return step.run(space, on_progress, finish) if stored is None else finish(stored)


def _save(measured: Measurement, task: Task, method: str, seed: int, folder: Path) -> None:
    """Write the model and the files of official scorers into a new folder."""
    with atomic_folder(folder) as temporary:
        if measured.model is not None:
            save_model(measured, task.store, method, seed, temporary)
        task.write_results(measured, temporary / RESULTS)


def save_model(measured: Measurement, store: Store, method: str, seed: int, folder: Path) -> None:
    """Write the model of a measurement, with its card, into an existing folder."""
    model: Any = measured.model
    assert model is not None
    model.card = {
        "method": method,
        "seed": seed,
        "data": store.name,
        "fit": store.fit,
        **({} if store.white is None else {"white": store.white}),
        "metrics": dict(measured.metrics),
        "primary": measured.primary,
        "num_test": measured.num_test,
        "facts": dict(measured.facts),
        "names": {label: store.names[label] for label in model.classes if label in store.names},
        "versions": versions(),
    }
    model.save(folder)


def _with_data_notes(measured: Measurement, store: Store, net: Backbone) -> Measurement:
    """The measurement, with remarks on the data that a reader must know."""
    notes = [*store.notes, *find_class_faults(store).notes]
    interpolation, of_store = net.preprocessing.interpolation, interpolation_of(store.fit)
    if store.annotation_kind != "boxes" and interpolation != of_store:
        notes.append(
            f"the store was resized with {of_store} interpolation, and the network was trained "
            f"with {interpolation} (seedbed pack --fit {net.preprocessing.fit})"
        )
    return replace(measured, facts={**measured.facts, "data_notes": notes}) if notes else measured
