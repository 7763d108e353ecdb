"""The data of a study: opened, and packed into the workspace.

In: a study and a workspace. Out: a store for the source and for each target, and notes on them.
Paths are relative to the study's folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError, UsageError, at_place
from seedbed.data import decode
from seedbed.data.annotations import Boxes
from seedbed.data.pack import Progress
from seedbed.data.source import TEST, TRAIN, Source
from seedbed.data.store import Store
from seedbed.engine.data_spec import DataSpec
from seedbed.engine.opening import open_data, open_store, packing_px
from seedbed.trials.study import Study

OnPack = Callable[[str], Progress | None]


def pack_study(
    study: Study, workspace: Workspace, on_pack: OnPack | None = None
) -> dict[str, Store]:
    """The stores of "source" and of each target, packed unless they are already.

    A target has the source's size unless it names its own.
    """
    specs = {"source": study.source}
    specs |= {name: spec for name, spec in study.targets.items() if not spec.is_study_source}
    opened = _open_all(study, specs)
    stores: dict[str, Store] = {}
    for name, spec in specs.items():
        with _place_of(name):
            _check_size(spec, opened[name], stores.get("source"))
            stores[name] = open_store(
                _opened_spec(spec, opened[name]),
                packing_px(spec.size_px, stores["source"].size_px if stores else None),
                workspace,
                folder=study.folder,
                on_pack=on_pack(name) if on_pack else None,
            )
    return {name: stores.get(name, stores["source"]) for name in ("source", *study.targets)}


def _opened_spec(spec: DataSpec, opened: Source | Store) -> DataSpec:
    """What was opened, with the hierarchy that the study names for all of it."""
    hierarchy = spec.hierarchy if isinstance(spec.hierarchy, str) else None
    return DataSpec(data=opened, hierarchy=hierarchy)


def _open_all(study: Study, specs: Mapping[str, DataSpec]) -> dict[str, Source | Store]:
    """Open all data before the first is packed; the error names every data set that is missing."""
    opened: dict[str, Source | Store] = {}
    errors: dict[str, SeedbedError] = {}
    for name, spec in specs.items():
        source = opened.get("source")
        source_px = source.size_px if isinstance(source, Store) else study.source.size_px
        try:
            with _place_of(name):
                opened[name] = open_data(
                    _without_hierarchy(spec),
                    study.folder,
                    size_px=packing_px(spec.size_px, source_px),
                )
        except SeedbedError as error:
            errors[name] = error
    if not errors:
        return opened
    first, *others = errors.values()
    if others:
        texts = "; ".join(error.text for error in others)
        places = ", ".join(f"{error.places[0]} too" for error in others)
        first = type(first)(f"{first.text} (and {places}: {texts})", first.hint, first.places)
    raise first


def _without_hierarchy(spec: DataSpec) -> DataSpec:
    """The same data; a hierarchy for all of them is laid over the packed store."""
    return replace(spec, hierarchy=None) if isinstance(spec.hierarchy, str) else spec


def _check_size(spec: DataSpec, opened: Source | Store, source: Store | None) -> None:
    """Refuse a target's store of another size than the study's."""
    if isinstance(opened, Source) or opened.annotation_kind == Boxes.kind:
        return
    size_px = spec.size_px or (source.size_px if source else None)
    if size_px is None or opened.size_px == size_px:
        return
    reason = "size_px says" if spec.size_px else "the source is packed at"
    raise UsageError(
        f"{opened.path} is packed at {opened.size_px} px, and {reason} {size_px} px",
        f"Pack it at {size_px} px (seedbed pack SOURCE STORE --size-px {size_px}), or name the "
        "images instead of the store.",
    )


@contextmanager
def _place_of(name: str) -> Iterator[None]:
    """Add the place in the study file to errors; a missing path also gets a hint."""
    try:
        with at_place("[source]" if name == "source" else f"[targets] {name}"):
            yield
    except SeedbedError as error:
        if error.text.startswith("there is no "):
            error.hint += " Paths in a study are relative to its file."
        raise


def data_notes(stores: Mapping[str, Store]) -> list[str]:
    """What a reader of the results must know of the data: images left out, and splits that were
    derived."""
    notes = []
    for name, store in stores.items():
        if name != "source" and store == stores["source"]:
            continue
        notes += [f"{name}: {remark}" for remark in store.notes]
        if name != "source" and store != stores["source"]:
            notes += _shared_images_note(name, store, stores["source"])
    return notes


def _shared_images_note(name: str, target: Store, source: Store) -> list[str]:
    """A note on test images of a target that are training images of the source, if there are
    any."""
    is_test = target.splits == TEST
    test = target.held_out_rows if target.only_held_out else np.flatnonzero(is_test)
    trained_on = source.checksums[source.splits == TRAIN]
    num = int(np.isin(target.checksums[test], trained_on).sum())
    if not num:
        return []
    return [
        f"{name}: {num:,} of its {len(test):,} test images are training images of the source, byte "
        "for byte; seedbed audit --against finds near duplicates too"
    ]


def record_of(study: Study, stores: Mapping[str, Store]) -> dict[str, Any]:
    """The store of each data set: results can then be read without the images.

    Data that were given as objects have no record.
    """
    descriptions = _descriptions(study)
    folder = study.folder.resolve()
    return {
        name: {"asked": text, "store": os.path.relpath(stores[name].path.resolve(), folder)}
        for name, text in descriptions.items()
        if text and name in stores
    }


def recorded(study: Study, record: Mapping[str, Any]) -> dict[str, Store] | None:
    """The stores of the last run; None if one is missing, or if the study now names other data."""
    descriptions = _descriptions(study)
    for name, text in descriptions.items():
        if not text or record.get(name, {}).get("asked") != text:
            return None
    paths = {name: study.folder / record[name]["store"] for name in descriptions}
    if not all(map(Store.is_at, paths.values())):
        return None
    return {
        name: Store.open(path).with_hierarchy(_whole_hierarchy(study, name), study.folder)
        for name, path in paths.items()
    }


def _whole_hierarchy(study: Study, name: str) -> str | None:
    """The hierarchy that the study names for a data set; a target that is the source has its."""
    is_source = name == "source" or study.targets[name].is_study_source
    hierarchy = (study.source if is_source else study.targets[name]).hierarchy
    return hierarchy if isinstance(hierarchy, str) else None


def _descriptions(study: Study) -> dict[str, str]:
    """What the study says of each data set, as text; "" for objects."""
    specs = {"source": study.source, **study.targets}
    size_px = study.source.size_px
    return {
        name: json.dumps([s.data, s.size_px or size_px, s.hierarchy, decode.REVISION])
        if _is_text(s.data)
        else ""
        for name, s in specs.items()
    }


def _is_text(data: Any) -> bool:
    """Whether a data set is given as text, and not as an object."""
    if isinstance(data, Mapping):
        return all(isinstance(part, str) for part in data.values())
    return isinstance(data, str)
