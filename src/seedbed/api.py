"""The verbs for Python: each takes paths or objects, and means what the command of the same name means.

In: what a user has. Out: what the verb makes. The command line is a thin layer over these.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.artifacts import Workspace, file_aside, written_aside
from seedbed.base.device import choose_device, flushed_denormals
from seedbed.base.errors import UsageError
from seedbed.data.formats import open_source
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.pack import pack as pack_source
from seedbed.data.source import SPLITS, Source
from seedbed.data.store import Store
from seedbed.data.view import View, make_view

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone
    from seedbed.models.fit import Progress
    from seedbed.pretraining.pretrain import Pretrained
    from seedbed.tasks.task import Measurement
    from seedbed.trials.results import Results

OnProgress = Callable[["Progress"], None]


def pack(source: Source | str | os.PathLike[str], store: str | Path, **options: Any) -> Store:
    """Pack a source once: images decoded, resized and memory-mapped. Options and errors: `seedbed.data.pack.pack`.

    Example:
        >>> import tempfile, seedbed as sb
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16)
        >>> store.num_images, store.pixels.shape[1:]
        (1797, (16, 16, 3))
    """
    return pack_source(source, store, **options).store


def open_store(
    data: Store | Source | str | Path, size_px: int, workspace: str | Path | None = None, progress: PackProgress | None = None
) -> Store:
    """The store that data stands for: itself, or a source packed into the workspace at `size_px`."""
    from seedbed.trials.datasets import pack_into

    if isinstance(data, Store):
        return data
    if not isinstance(data, Source):
        if Store.is_at(data):
            return Store.open(data)
        data = open_source(data)
    place = Workspace(Path(workspace or os.environ.get("SEEDBED_WORKSPACE") or "seedbed-work").expanduser())
    return pack_into(data, size_px, place, progress)


def pretrain(
    store: Store | str | Path,
    backbone: str = "small()",
    out: str | Path | None = None,
    *,
    recipe: str = "",
    objective: str = "supervised()",
    images_seen: int = 300_000,
    seed: int = 0,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> Pretrained:
    """Train a backbone from scratch on the images that a recipe keeps.

    Args:
        store: a store, or the path of one.
        backbone: a call string such as `small(width=16)`.
        out: a folder to save it in; it must not exist.
        recipe: which images and labels (see docs/recipes.md).
        images_seen: the training budget in images; 0 leaves the weights random.
        seed: of the sample, the initial weights, the order and the augmentation.
        device: "auto", "cpu" or "cuda".

    Returns:
        Pretrained: `.backbone`, `.metrics` on the source's held-out images in percent, `.fitted`.
    """
    from seedbed.models.fit import Schedule
    from seedbed.models.zoo import BACKBONES
    from seedbed.pretraining.objectives import OBJECTIVES
    from seedbed.pretraining.pretrain import Seeds, pretrain_view
    from seedbed.trials.steps import save_pretrained, training_settings

    if images_seen < 0:
        raise UsageError(
            f"images_seen = {images_seen} is negative", "300_000 is usual for small nets; 0 leaves the weights random."
        )
    folder = None if out is None else _new_folder(Path(out))
    view = make_view(Store.open(store) if not isinstance(store, Store) else store, recipe, seed)
    schedule, seeds = Schedule(images_seen=images_seen), Seeds(sample=seed, init=seed)
    with flushed_denormals():
        done = pretrain_view(
            view,
            BACKBONES.make(backbone),
            schedule,
            objective=OBJECTIVES.make(objective),
            seeds=seeds,
            device=choose_device(device),
            on_progress=on_progress,
        )
    settings = training_settings(recipe, seeds, backbone, objective, schedule)
    if folder:
        with written_aside(folder) as aside:
            save_pretrained(done, view, settings, aside)
    return done


def _new_folder(folder: Path) -> Path:
    from seedbed.models.checkpoint import CARD

    if folder.exists():
        what = "holds a backbone already" if (folder / CARD).is_file() else "exists and is not a backbone"
        raise UsageError(f"{folder} {what}", "Name a new folder, or remove that one; nothing there was touched.")
    return folder


@dataclass(frozen=True, kw_only=True, repr=False)
class Codes:
    """Codes of n images at one layer, with their labels and ids."""

    codes: np.ndarray  # float32 [n, d]
    labels: np.ndarray  # int64 [n], index into classes
    ids: np.ndarray  # str objects [n]
    classes: tuple[str, ...]
    layer: str
    pooling: str
    images_per_s: float

    def __repr__(self) -> str:
        n, d = self.codes.shape
        return f"Codes: {n:,} images x {d} dimensions of {self.layer} ({self.pooling}), {len(self.classes)} classes"

    def save(self, path: str | Path) -> Path:
        """Write codes and labels as safetensors; ids and class names in its metadata, as JSON."""
        import json

        from safetensors.numpy import save_file

        path = codes_path(path)
        metadata = {
            "ids": json.dumps(list(self.ids)),
            "classes": json.dumps(self.classes),
            "layer": self.layer,
            "pooling": self.pooling,
        }
        with file_aside(path) as aside:
            save_file({"codes": self.codes, "labels": self.labels}, aside, metadata=metadata)
        return path


def codes_path(path: str | Path) -> Path:
    """Where codes may be written; raises UsageError for another kind of file, before anything is computed."""
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} is not named as a safetensors file", "Name it like codes.safetensors.")
    return path


def codes(
    backbone: Backbone | str | Path,
    data: Store | Source | str | Path,
    *,
    layer: str = "penultimate",
    split: str | None = None,
    recipe: str = "",
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
) -> Codes:
    """Codes of a layer for the images of a data set: float32 [n, d], pooled, as they are (not normalised).

    Args:
        backbone: a Backbone, or the folder of one.
        data: a store, or a source, which is packed into the workspace at the backbone's size.
        layer: a name of the layer table, or "penultimate".
        split: "train", "val" or "test"; all of them by default.
        recipe: thins the training images and drops or merges classes.
    """
    import time

    from seedbed.data.loader import Resident
    from seedbed.models import codes as layer_codes

    net = _backbone(backbone)
    chosen = choose_device(device)
    net.module.to(chosen)
    net.layer(layer)  # an unknown layer is refused before anything is packed
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}", f"Valid: {', '.join(SPLITS)}.")
    store = _fitting(open_store(data, net.size_px, workspace, on_pack), net)
    rows, labels, classes = rows_of(make_view(store, recipe, seed), split)
    if not len(rows):
        raise UsageError(f"{store.name} has no images in split {split!r}", f"It has: {store.card['splits']}.")
    started = time.perf_counter()
    found = layer_codes.codes(net, Resident(store.pixels, rows, None, chosen), layer).numpy()
    return Codes(
        codes=found,
        labels=labels.astype(np.int64),
        ids=store.ids[rows],
        classes=classes,
        layer=net.layer(layer).name,
        pooling=layer_codes.pooling(net, layer),
        images_per_s=len(rows) / (time.perf_counter() - started),
    )


def rows_of(view: View, split: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Rows, labels and classes of a view's split, or of all of them, in the order of the store."""
    parts = [(view.rows, view.labels) if name == "train" else view.held_out(name) for name in SPLITS if split in (None, name)]
    rows, labels = np.concatenate([r for r, _ in parts]), np.concatenate([la for _, la in parts])
    order = np.argsort(rows, kind="stable")
    return rows[order], labels[order], view.classes


def transfer(
    backbone: Backbone | str | Path,
    task: Store | Source | str | Path,
    method: str = "probe()",
    *,
    train_per_class: int | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Measure a backbone on a task by a method.

    Args:
        backbone: a Backbone, or the folder of one.
        task: a store or a source; validation and test splits are derived where it has none (docs/concepts.md).
        method: a call string such as `probe()` or `finetune(images_seen=50_000)`.
        train_per_class: use so many labelled images of each class only, drawn with the seed.

    Returns:
        Measurement: `.metrics` in percent, `.primary`, `.predictions`, `.facts`.
    """
    from seedbed.tasks.catalogue.classification import Classification
    from seedbed.transfers.methods import METHODS, Context
    from seedbed.trials.study import read_target

    net, made = _backbone(backbone), METHODS.make(method)
    chosen = choose_device(device)
    if isinstance(task, str):
        asked = read_target(task, "task", Path())
        task, train_per_class = str(asked.data), train_per_class or asked.train_per_class
    net.module.to(chosen)
    store = _fitting(open_store(task, net.size_px, workspace, on_pack), net)
    target = Classification(train_per_class=train_per_class).load(store, seed)
    with flushed_denormals():
        return made.run(net, target, Context(seed=seed, device=chosen, on_progress=on_progress))


def report(results: Results, path: str | Path) -> Path:
    """Write the report of a study's results as one HTML page; raises UsageError for another name or object."""
    from seedbed import writeup
    from seedbed.trials.results import Results as ResultsOfStudy

    if not isinstance(results, ResultsOfStudy):
        raise UsageError(f"{results!r} are no results of a study", "Give what study.run() returns: sb.Study.load(FILE).run().")
    return writeup.report(results, Path(path))


def _fitting(store: Store, net: Backbone) -> Store:
    if store.size_px != net.size_px:
        raise UsageError(
            f"{store.name} is packed at {store.size_px} px, and the backbone takes {net.size_px} px",
            f"Name the images instead of the store, or pack them again with --size-px {net.size_px}.",
        )
    return store


def _backbone(backbone: Backbone | str | Path) -> Backbone:
    from seedbed.models.checkpoint import load_backbone

    return load_backbone(backbone) if isinstance(backbone, str | Path) else backbone
