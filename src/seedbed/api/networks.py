"""Network verbs: pre-train a backbone, compute its codes, and keep reference codes.

In: data, and the call or the folder of a network. Out: backbones and codes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.artifacts import MANIFEST, Workspace, atomic_folder
from seedbed.base.device import resolve_device
from seedbed.base.errors import UsageError
from seedbed.base.paths import expand_user
from seedbed.base.spec import build
from seedbed.data.image_files import read_pixels
from seedbed.data.images import Resident
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import SPLITS, Source
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.engine.keys import CARD_KEY
from seedbed.engine.opening import (
    check_store_px,
    open_backbone_for,
    open_data,
    open_store,
    open_store_for,
    packing_px,
)
from seedbed.engine.steps import (
    BACKBONES_KIND,
    PREDICTIONS,
    Pretrain,
    check_threads,
    read_pretrained,
)
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import CARD, read_card
from seedbed.models.codes import codes as compute_codes
from seedbed.models.extract import Codes, codes_path, extract
from seedbed.models.reference_codes import (
    MAX_REFERENCE_CODES,
    reference_path,
    sample_rows,
    write_reference_codes,
)
from seedbed.models.training_progress import Progress
from seedbed.pretraining.pretrain import Pretrained, Seeds
from seedbed.pretraining.settings import Pretraining

OnProgress = Callable[[Progress], None]


def pretrain(
    store: Store | Source | str | os.PathLike[str],
    backbone: str = "small()",
    out: str | os.PathLike[str] | None = None,
    *,
    recipe: str = "",
    images_seen: int = 300_000,
    objective: str | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    optimiser: str | None = None,
    decay: str | None = None,
    drops: Sequence[float] | None = None,
    warmup: float | None = None,
    augmentation: str | None = None,
    early_stopping: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str = "auto",
    size_px: int | None = None,
    workspace: str | os.PathLike[str] | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
    checkpoint_every_s: float = 180.0,
) -> Pretrained:
    """Train a backbone on the images that a recipe keeps.

    The result is kept in the workspace, where a study finds it, and copied to `out`. An interrupted
    call resumes from its last checkpoint; a finished training is not repeated.

    Args:
        store: a store, or a source, which is packed into the workspace.
        backbone: a call string such as `small(width=16)` or `resnet18(stem='small')`; it may name
            the weights to start from.
        out: a folder for a copy; it may hold the result of the same call.
        recipe: which images and labels (docs: recipes).
        images_seen: the training budget, in images; 0 trains nothing.
        objective, batch_size, learning_rate, weight_decay, optimiser, decay, drops, warmup,
            augmentation, early_stopping: as in a study's [pretraining] (docs: study file).
        seed: of everything that is random.
        threads: of the CPU (default: all). A study uses 1 unless it says otherwise; the number is
            part of the key.
        device: "auto", "cpu" or "cuda".
        size_px: side at which a source is packed, px (default: the network's, else 32).
        checkpoint_every_s: seconds between two checkpoints.

    Returns:
        Pretrained: `.backbone`, `.metrics` on the source's held-out images in percent, `.fitted`
        (None where nothing was trained now).

    Raises:
        UsageError: an invalid setting, or a folder `out` that holds something else.
        BadDataError: data that cannot be used.
    """
    settings = _settings(
        backbone,
        images_seen,
        objective=objective,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        optimiser=optimiser,
        decay=decay,
        drops=drops,
        warmup=warmup,
        augmentation=augmentation,
        early_stopping=early_stopping,
    )
    check_threads(threads)
    folder, space = _output_folder(out), Workspace.at(workspace)
    px = packing_px(size_px, settings.architecture().size_px)
    opened = check_store_px(open_store(store, px, space, on_pack=on_pack), size_px)
    step = _step(make_view(opened, recipe, seed), settings, recipe, images_seen, seed, threads)
    device = resolve_device(device)
    return _run_or_read(step, space, folder, device, on_progress, checkpoint_every_s)


def _settings(backbone: str, images_seen: int, **overrides: Any) -> Pretraining:
    """The settings of a training; an override of None leaves the default."""
    if images_seen < 0:
        raise UsageError(
            f"images_seen = {images_seen} is negative",
            "300_000 is usual for small networks; 0 trains nothing.",
        )
    chosen = {name: value for name, value in overrides.items() if value is not None}
    chosen |= {"backbone": backbone, "images_seen": (max(1, images_seen),)}
    return build(Pretraining, chosen, "pretrain")


def _step(
    view: View,
    settings: Pretraining,
    recipe: str,
    images_seen: int,
    seed: int,
    threads: int | None,
) -> Pretrain:
    """The step of one training; one seed draws the sample and the initial weights."""
    return Pretrain(
        view=view,
        backbone=settings.backbone,
        training=settings.training(images_seen),
        seeds=Seeds(sample=seed, init=seed),
        recipe=recipe,
        threads=threads,
        label=f"pretrain, seed {seed}",
    )


def _run_or_read(
    step: Pretrain,
    space: Workspace,
    folder: Path | None,
    device: str,
    on_progress: OnProgress | None,
    checkpoint_every_s: float,
) -> Pretrained:
    """The result of a training: from `folder`, from the workspace, or trained now."""
    if folder and folder.exists():
        if read_card(folder).get(CARD_KEY) not in step.candidate_keys():
            raise UsageError(
                f"{folder} holds a backbone of another training",
                "Name a new folder, or remove that one; nothing there was changed.",
            )
        return read_pretrained(folder, device)
    key, result = step.finished_key(space), None
    if key is None:
        result = step.run(space, device, on_progress, checkpoint_every_s)
        key = step.candidate_keys()[0]
    artifact = space.folder(BACKBONES_KIND, key)
    if folder:
        with atomic_folder(folder) as temporary:
            ignored = shutil.ignore_patterns(MANIFEST, PREDICTIONS)
            shutil.copytree(artifact, temporary, ignore=ignored, dirs_exist_ok=True)
    return result or read_pretrained(artifact, device)


def _output_folder(out: str | os.PathLike[str] | None) -> Path | None:
    """The folder for a copy of the result: new, or with a backbone that `pretrain` wrote."""
    folder = None if out is None else expand_user(out)
    if folder is None or not folder.exists():
        return folder
    if not (folder / CARD).is_file() or CARD_KEY not in read_card(folder):
        raise UsageError(
            f"{folder} exists, and this command did not write it",
            "Name a new folder, or remove that one; nothing there was changed.",
        )
    return folder


def codes(
    backbone: Backbone | str | os.PathLike[str],
    data: Store | Source | str | os.PathLike[str],
    *,
    layer: str | Sequence[str] = "penultimate",
    flatten: bool = False,
    dtype: str = "float32",
    out: str | os.PathLike[str] | None = None,
    split: str | None = None,
    recipe: str = "",
    seed: int = 0,
    device: str = "auto",
    workspace: str | os.PathLike[str] | None = None,
    on_pack: PackProgress | None = None,
    on_codes: PackProgress | None = None,
) -> Codes:
    """Compute the codes (activations) of one or several layers for the images of a data set, in one
    pass; they are not normalised.

    Args:
        backbone: a Backbone, the folder of one, or a call such as `vgg16` with published weights on
            this machine.
        data: a store, or a source, which is packed into the workspace at the backbone's size.
        layer: names of the layer table or of any submodule; "penultimate"; or "all" for the whole
            table.
        flatten: give the whole feature map as one vector, instead of its mean over space.
        dtype: "float32" or "float16".
        out: a safetensors file, written through a memory map: codes may be larger than memory.
        split: "train", "val" or "test" (default: all).
        recipe: selects training images, and drops or merges classes.

    Raises:
        UsageError: an unknown layer or split, a split without images, another kind of file.
    """
    # Invalid arguments are refused before anything is packed or computed.
    if out is not None:
        codes_path(Path(out))
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}", f"Valid: {', '.join(SPLITS)}.")
    net = open_backbone_for(backbone, data, device=device, seed=seed)
    names = [layer] if isinstance(layer, str) else list(layer)
    if layer == "all":
        names = [row.name for row in net.layers]
    layers = list(dict.fromkeys(net.layer(name).name for name in names))
    space = Workspace.at(workspace)
    store = open_store_for(net, data, space, on_pack)
    rows, labels, classes = _rows_of_split(make_view(store, recipe, seed), split)
    if not len(rows):
        raise UsageError(
            f"{store.name} has no images in split {split!r}", f"It has: {store.card['splits']}."
        )
    options: dict[str, Any] = {
        "flatten": flatten,
        "dtype": dtype,
        "out": None if out is None else Path(out),
    }
    images = net.images(store, rows)
    return extract(
        net, images, layers, store.ids[rows], labels, classes, on_progress=on_codes, **options
    )


def _rows_of_split(view: View, split: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Rows, labels and classes of a view's split, or of all splits, in the order of the store."""
    parts = [
        (view.rows, view.labels) if name == "train" else view.held_out(name)
        for name in SPLITS
        if split in (None, name)
    ]
    rows = np.concatenate([rows for rows, _ in parts])
    labels = np.concatenate([labels for _, labels in parts])
    order = np.argsort(rows, kind="stable")
    return rows[order], labels[order], view.classes


def reference_codes(
    backbone: str | os.PathLike[str],
    data: Store | Source | str | os.PathLike[str],
    *,
    num: int = MAX_REFERENCE_CODES,
    name: str | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | os.PathLike[str] | None = None,
    on_codes: PackProgress | None = None,
) -> Path:
    """Keep codes of some images in the workspace, as what `advise` compares a user's images with.

    Whether images are similar to those that a network was trained on can then be told for networks
    without codes of their own: those of libraries, and weights from elsewhere.

    Args:
        backbone: the folder of a backbone or a call string, as it is named to `advise`.
        data: images like those that the network was trained on: a store of the backbone's size, or
            a source, of which the images that are drawn are read and nothing is packed.
        num: how many images, 2..2048, drawn by `seed`.
        name: what these images are, in words (default: the name of the data).

    Returns:
        The file. Codes are penultimate, with 8 bits a value.

    Raises:
        UsageError: `num` out of range, an unknown network. BadDataError: data that cannot be used.

    Example:
        >>> import seedbed as sb, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> network = "small(width=4, weights='random')"
        >>> path = sb.reference_codes(network, store, num=100, workspace=folder)
        >>> path.suffix
        '.safetensors'
    """
    sample_rows(2, num)
    net = open_backbone_for(backbone, data, device=device, seed=seed)
    opened = open_data(data, size_px=net.preprocessing.store_px)
    rows = sample_rows(opened.num_images, num, seed)
    if isinstance(opened, Store):
        images = net.images(opened, rows)
    else:
        pixels = read_pixels(opened, rows, net.preprocessing.store_px, net.preprocessing.fit)
        images = Resident(pixels, np.arange(len(pixels)), None, net.device, net.preprocessing)
    values = compute_codes(net, images, on_progress=on_codes)
    path = reference_path(Workspace.at(workspace).root, os.fspath(backbone))
    write_reference_codes(path, values, name or opened.name)
    return path
