"""Open what a user names: data, backbones and tasks.

In: paths, call strings, objects, DataSpecs. Out: a Source or Store, a packed Store, a Backbone, a
Task. Everything that needs data opens it here: verbs, studies and questions alike.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import Workspace
from seedbed.base.device import resolve_device
from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.base.spec import fingerprint
from seedbed.data import decode
from seedbed.data.annotations import Boxes
from seedbed.data.concatenated_sources import for_retrieval, join, source_of
from seedbed.data.decode import Fit
from seedbed.data.formats import open_source, recognise
from seedbed.data.pack import Progress, UnreadableError, pack
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.data.unlabelled_images import unlabelled_source
from seedbed.engine.data_spec import DataSpec
from seedbed.models.backbone import Backbone
from seedbed.models.resolve import DEFAULT_PX, open_backbone
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.domains import LEARN_ON, TARGET
from seedbed.tasks.task import Task
from seedbed.transfers.methods import Method, check_task

DataLike = Store | Source | DataSpec | str | os.PathLike[str]
# Side at which images are packed if neither the user nor a network names one. Images that are
# inspected without a network (pack, audit) are larger than those a small network is trained on.
NETWORK_PX, INSPECTION_PX = DEFAULT_PX, 64
# Images with boxes are kept whole; this is the size at which near duplicates are compared.
_BOXES_PX = 64


def packing_px(requested: int | None, network_px: int | None = None) -> int:
    """The side at which images are packed for a network, px: the size that the user requests, else
    the network's own input size, else 32."""
    return requested or network_px or NETWORK_PX


def open_data(
    data: Any,
    folder: Path | None = None,
    *,
    hierarchy: str | None = None,
    size_px: int = NETWORK_PX,
) -> Source | Store:
    """The source or the store that `data` names; nothing is packed.

    Args:
        data: a Source, a Store, a path, a call string, or a DataSpec, perhaps of several sources.
        folder: paths are relative to it (default: the current folder).
        hierarchy: "wordnet" or a file, instead of the data's own.
        size_px: the size of stores that are concatenated, px.

    Raises:
        UsageError: an unknown format or setting. BadDataError: nothing at the path, no images.
    """
    if isinstance(data, DataSpec):
        whole = data.hierarchy if isinstance(data.hierarchy, str) else None
        if isinstance(data.data, Mapping):
            return _concatenated(data, folder or Path(), size_px)
        return open_data(data.data, folder, hierarchy=hierarchy or whole)
    if isinstance(data, Store):
        return data.with_hierarchy(hierarchy, folder)
    if isinstance(data, Source):
        return data
    path = (folder or Path()) / expand_user(data)
    if Store.is_at(path):
        return Store.open(path).with_hierarchy(hierarchy, folder)
    return open_source(data, folder=folder, hierarchy=hierarchy)


def _concatenated(spec: DataSpec, folder: Path, size_px: int) -> Source:
    """One source of several; each may have a hierarchy of its own."""
    assert isinstance(spec.data, Mapping)
    hierarchies = spec.hierarchy if isinstance(spec.hierarchy, Mapping) else {}
    sources: dict[str, Source] = {}
    for name, part in spec.data.items():
        if name == LEARN_ON and spec.learn_on is not None and _is_plain_folder(part, folder):
            sources[name] = unlabelled_source(folder / expand_user(part))
            continue
        opened = open_data(part, folder, hierarchy=hierarchies.get(name))
        sources[name] = source_of(opened, size_px) if isinstance(opened, Store) else opened
    if LEARN_ON in sources:
        return for_retrieval(sources[LEARN_ON], sources[TARGET])
    return join(sources)


def _is_plain_folder(data: Any, folder: Path) -> bool:
    """Whether data are a folder of images in no special layout: unlabelled images may lie in it."""
    if not isinstance(data, str | os.PathLike):
        return False
    path = folder / expand_user(data)
    return path.is_dir() and not Store.is_at(path) and recognise(path) == "folder"


def open_store(
    data: DataLike,
    size_px: int,
    workspace: Workspace,
    *,
    folder: Path | None = None,
    fit: Fit = "crop",
    on_pack: Progress | None = None,
    for_inspection: bool = False,
) -> Store:
    """The store that `data` names; a source is packed into the workspace at `size_px`.

    Args:
        fit: how a source's images become squares: as the network was trained (`Preprocessing.fit`).
        folder: paths are relative to it.
        for_inspection: pack data that no classifier could be trained on, too: to report on them.
    """
    hierarchy = None
    if isinstance(data, DataSpec) and isinstance(data.hierarchy, str):
        # A store is packed under the source's own hierarchy; another one is laid over it.
        hierarchy, data = data.hierarchy, replace(data, hierarchy=None)
    opened = open_data(data, folder, size_px=size_px)
    if isinstance(opened, Source):
        opened = pack_source(
            opened, size_px, workspace, on_pack, fit=fit, for_inspection=for_inspection
        )
    return opened.with_hierarchy(hierarchy, folder)


def open_store_for(
    net: Backbone, data: DataLike, workspace: Workspace, on_pack: Progress | None = None
) -> Store:
    """The store that `data` names, for a network; a source is packed as the network was trained."""
    form = net.preprocessing
    return open_store(data, form.store_px, workspace, fit=form.fit, on_pack=on_pack)


def pack_source(
    source: Source,
    size_px: int,
    workspace: Workspace,
    on_pack: Progress | None = None,
    *,
    fit: Fit = "crop",
    for_inspection: bool = False,
) -> Store:
    """Pack a source into the workspace, unless it is there already.

    Raises BadDataError for too many unreadable images; the hint says how to allow them.
    """
    has_boxes = isinstance(source.annotations, Boxes)
    if has_boxes:
        size_px, fit = _BOXES_PX, "crop"
    options: dict[str, Any] = {"fit": fit}
    if for_inspection:
        options |= {"for_inspection": True, "allow_unreadable": 1.0}
    path = store_folder(source, size_px, workspace, fit)
    try:
        return pack(source, path, size_px=size_px, progress=on_pack, **options).store
    except UnreadableError as error:
        size = "" if has_boxes else f" --size-px {size_px}"
        size += "" if fit == "crop" else f" --fit {fit}"
        raise BadDataError(
            error.text,
            f"All are listed in {error.list_path}. Repair or remove them. Or allow them, and name"
            f" the store instead of the images: seedbed pack {shlex.quote(source.name)} STORE{size}"
            f" --allow-unreadable {error.share:g}.",
        ) from None


def store_folder(source: Source, size_px: int, workspace: Workspace, fit: Fit = "crop") -> Path:
    """Where the workspace keeps the store of a source, by its listing."""
    spec = {"listing": source.listing, "size_px": size_px, "decoder": decode.REVISION}
    if fit != "crop":
        spec["fit"] = fit
    return workspace.folder("stores", fingerprint(spec))


def check_store_px(store: Store, size_px: int | None) -> Store:
    """The store, if it is packed at the requested size; raises UsageError for another size."""
    if size_px and store.size_px != size_px:
        raise UsageError(
            f"{store.path} is packed at {store.size_px} px, and size_px says {size_px} px",
            "A store has its own size: leave size_px out, or name the images instead.",
        )
    return store


def open_backbone_for(
    backbone: Backbone | str | os.PathLike[str], data: Any, *, device: str = "auto", seed: int = 0
) -> Backbone:
    """The backbone that a path, a call string or an object names, on a device.

    A network without an input size takes that of `data`, if they are a store.

    Args:
        device: "auto", "cpu" or "cuda".
        seed: of random weights.
    """
    data = data.data if isinstance(data, DataSpec) else data
    store = data if isinstance(data, Store) else None
    if isinstance(data, str | os.PathLike) and Store.is_at(Path(data)):
        store = Store.open(Path(data))
    net = open_backbone(backbone, seed, store.size_px if store else None)
    net.module.to(resolve_device(device))
    return net


def task_call(spec: DataSpec, store: Store, method: Method, method_call: str) -> str:
    """The call of the task that a data set poses to a method.

    Raises UsageError for a method that cannot do it, or a metric that is not of such a task.
    """
    call = spec.task_call(store, method.takes)
    check_task(method, method_call, call)
    TASKS.make(call)
    return call


def load_task(call: str, store: Store, method: Method, seed: int) -> Task:
    """The task of a call on a store, with the splits that the method needs."""
    needs_training_images = method.needs_training_images()
    return TASKS.make(call).load(store, seed, needs_training_images=needs_training_images)
