"""The data of a study: what it names, packed into the workspace.

In: a study and a workspace. Out: a store for the source and for each target, and what is worth
knowing of them. Paths are relative to the study's folder. Knows nothing of arms.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import BadDataError, SeedbedError, UsageError
from seedbed.base.paths import expand_user
from seedbed.base.spec import fingerprint
from seedbed.data import decode
from seedbed.data.annotations import Boxes
from seedbed.data.concatenated_sources import for_retrieval, join, source_of
from seedbed.data.formats import open_source, recognise
from seedbed.data.pack import Progress, UnreadableError, pack
from seedbed.data.source import TEST, TRAIN, Source
from seedbed.data.store import Store
from seedbed.data.unlabelled_images import images_alone
from seedbed.tasks.domains import LEARN_ON, TARGET
from seedbed.trials.data import DataSpec
from seedbed.trials.study import Study

DEFAULT_SIZE_PX = 32
# images with boxes are kept whole, for networks of any size; near duplicates are told by this one
_BOXES_PX = 64
OnPack = Callable[[str], Progress | None]
T = TypeVar("T")


def pack_study(
    study: Study, workspace: Workspace, on_pack: OnPack | None = None
) -> dict[str, Store]:
    """Stores of "source" and of each target, packed where they are not; targets at the source's
    size unless they say otherwise."""
    asked = {"source": study.source} | {
        name: data for name, data in study.targets.items() if not data.is_own_source
    }
    opened = _opened(study, asked)
    stores: dict[str, Store] = {}
    for name, data in asked.items():
        packed = stores.get("source")
        stores[name] = _located(
            _place(name),
            lambda n=name, d=data, s=packed: _store(study, d, opened[n], n, s, workspace, on_pack),
        )
    return {name: stores.get(name, stores["source"]) for name in ("source", *study.targets)}


def _place(name: str) -> str:
    return "[source]" if name == "source" else f"[targets] {name}"


def _opened(study: Study, asked: Mapping[str, DataSpec]) -> dict[str, Source | Store]:
    """All of a study's data before the first is packed; where several are not there, all of these
    are named."""
    found: dict[str, Source | Store] = {}
    refused: dict[str, SeedbedError] = {}
    for name, data in asked.items():
        source = found.get("source")
        size_px = data.size_px or (
            source.size_px if isinstance(source, Store) else study.source.size_px or DEFAULT_SIZE_PX
        )
        try:
            found[name] = _located(
                _place(name), lambda d=data, px=size_px: _open_data(study, d, px)
            )
        except SeedbedError as error:
            refused[name] = error
    if refused:
        first, *others = refused.values()
        more = [f"{_place(name)} too" for name in refused][1:]
        told = (
            f" (and {', '.join(more)}: {'; '.join(e.message.partition(': ')[2] for e in others)})"
            if others
            else ""
        )
        raise type(first)(f"{first.message}{told}", first.hint)
    return found


def _open_data(study: Study, data: DataSpec, size_px: int) -> Source | Store:
    return (
        joined_source(data, study.folder, size_px)
        if isinstance(data.data, Mapping)
        else _open(data.data, study.folder)
    )


def store_folder(source: Source, size_px: int, workspace: Workspace) -> Path:
    """Where the workspace keeps the store of a source as listed now."""
    return workspace.folder(
        "stores",
        fingerprint({"listing": source.listing, "size_px": size_px, "decoder": decode.REVISION}),
    )


def pack_into(
    source: Source,
    size_px: int,
    workspace: Workspace,
    progress: Progress | None = None,
    allow_unreadable: float | None = None,
    for_inspection: bool = False,
) -> Store:
    """The store of a source in the workspace; one with too many unreadable images says how to allow
    them."""
    size_px = _BOXES_PX if isinstance(source.annotations, Boxes) else size_px
    allowed: dict[str, Any] = (
        {} if allow_unreadable is None else {"allow_unreadable": allow_unreadable}
    )
    try:
        return pack(
            source,
            store_folder(source, size_px, workspace),
            size_px=size_px,
            progress=progress,
            for_inspection=for_inspection,
            **allowed,
        ).store
    except UnreadableError as error:
        size = "" if isinstance(source.annotations, Boxes) else f" --size-px {size_px}"
        raise BadDataError(
            error.message,
            f"All are listed in {error.listed}. Repair or remove them; or allow them, and name the store instead of the images: "
            f"seedbed pack {shlex.quote(source.name)} STORE{size} --allow-unreadable {error.share:g}.",
        ) from None


def data_notes(stores: Mapping[str, Store]) -> list[str]:
    """What a reader of the results must know of the data: images left out, and splits that were
    derived."""
    notes = []
    for name, store in stores.items():
        if name != "source" and store == stores["source"]:
            continue
        notes += [f"{name}: {remark}" for remark in store.remarks]
        if (
            name != "source"
            and store != stores["source"]
            and (num := _num_shared(stores["source"], store))
        ):
            notes.append(
                f"{name}: {num:,} of its {store.card['splits']['test']:,} test images are training images of the source, byte for byte; "
                "seedbed audit --against finds near duplicates too"
            )
    return notes


def _num_shared(source: Store, target: Store) -> int:
    """Test images of a target that a backbone may have been trained on."""
    trained_on = source.checksums[source.splits == TRAIN]
    return int(np.isin(target.checksums[target.splits == TEST], trained_on).sum())


def record_of(study: Study, stores: Mapping[str, Store]) -> dict[str, Any]:
    """Which store stood for what, so that results can be read again without the images; data given
    as objects have none."""
    asked = _asked(study)
    folder = study.folder.resolve()
    return {
        n: {"asked": asked[n], "store": os.path.relpath(stores[n].path.resolve(), folder)}
        for n in stores
        if asked[n]
    }


def recorded(study: Study, record: Mapping[str, Any]) -> dict[str, Store] | None:
    """The stores of the last run, where all of them are still there and were asked for in the same
    words."""
    asked = _asked(study)
    same = all(
        words and record.get(name, {}).get("asked") == words for name, words in asked.items()
    )
    paths = {name: study.folder / record[name]["store"] for name in asked} if same else {}
    if not same or not all(map(Store.is_at, paths.values())):
        return None
    data = {"source": study.source, **study.targets}
    return {
        n: Store.open(p).with_hierarchy(_hierarchy_of(data, n), study.folder)
        for n, p in paths.items()
    }


def _hierarchy_of(data: Mapping[str, DataSpec], name: str) -> str | None:
    """The hierarchy that was asked for; that of the source for the source as a target."""
    return _for_all(data["source" if data[name].is_own_source else name].hierarchy)


def _asked(study: Study) -> dict[str, str]:
    data = {"source": study.source, **study.targets}
    size = study.source.size_px
    return {
        name: json.dumps([d.data, d.size_px or size, d.hierarchy, decode.REVISION])
        if _is_text(d.data)
        else ""
        for name, d in data.items()
    }


def _is_text(data: Any) -> bool:
    """Whether it can be asked for again in the same words."""
    return isinstance(data, str) or (
        isinstance(data, Mapping) and all(isinstance(part, str) for part in data.values())
    )


def _located(where: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except SeedbedError as error:
        beside = (
            " Paths in a study are relative to its file."
            if error.message.startswith("there is no ")
            else ""
        )
        raise type(error)(f"{where}: {error.message}", error.hint + beside) from None


def _store(
    study: Study,
    data: DataSpec,
    opened: Source | Store,
    name: str,
    source: Store | None,
    workspace: Workspace,
    on_pack: OnPack | None,
) -> Store:
    size_px = data.size_px or (source.size_px if source else DEFAULT_SIZE_PX)
    if isinstance(opened, Source):
        packed = pack_into(opened, size_px, workspace, on_pack(name) if on_pack else None)
        return packed.with_hierarchy(_for_all(data.hierarchy), study.folder)
    if opened.annotated != Boxes.kind and opened.size_px != size_px and (data.size_px or source):
        beside = "size_px says" if data.size_px else "the source is packed at"
        raise UsageError(
            f"{opened.path} is packed at {opened.size_px} px, and {beside} {size_px} px",
            f"Pack it at {size_px} px (seedbed pack SOURCE STORE --size-px {size_px}), or name the images instead of the store.",
        )
    return opened.with_hierarchy(_for_all(data.hierarchy), study.folder)


def _for_all(hierarchy: Any) -> str | None:
    """A hierarchy for the whole of a data set; those of its parts have been looked at when they
    were joined."""
    return hierarchy if isinstance(hierarchy, str) else None


def _open(data: Any, folder: Path, hierarchy: str | None = None) -> Source | Store:
    """What a study's data names, paths relative to the study's folder."""
    if isinstance(data, Source | Store):
        return data
    path = folder / expand_user(data)
    if Store.is_at(path):
        return Store.open(path).with_hierarchy(hierarchy, folder)
    return open_source(data, folder=folder, hierarchy=hierarchy)


def _open_alone(data: Any, folder: Path) -> Source | Store:
    """Images whose labels nobody asks for: a folder needs no folders of classes."""
    path = folder / expand_user(data) if isinstance(data, str | os.PathLike) else Path()
    if (
        isinstance(data, str | os.PathLike)
        and path.is_dir()
        and not Store.is_at(path)
        and recognise(path) == "folder"
    ):
        return images_alone(path)
    return _open(data, folder)


def joined_source(data: DataSpec, folder: Path, size_px: int) -> Source:
    """One source of a table of them; each may have a hierarchy of its own."""
    assert isinstance(data.data, Mapping)
    own = data.hierarchy if isinstance(data.hierarchy, Mapping) else {}
    opened = {
        name: _open_alone(part, folder)
        if name == LEARN_ON and data.learn_on is not None
        else _open(part, folder, own.get(name))
        for name, part in data.data.items()
    }
    sources = {
        name: source_of(part, size_px) if isinstance(part, Store) else part
        for name, part in opened.items()
    }
    return (
        for_retrieval(sources[LEARN_ON], sources[TARGET]) if LEARN_ON in sources else join(sources)
    )
