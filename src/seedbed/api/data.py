"""Data verbs: open a source, pack it, audit it.

In: paths, call strings or objects. Out: sources, stores, an audit.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.data.array_images import source_from_arrays, source_from_dataset
from seedbed.data.formats import open_source
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.pack import pack as pack_into_folder
from seedbed.data.source import Source as SourceRecord
from seedbed.data.store import Store

if TYPE_CHECKING:
    from seedbed.data.audit import Audit
    from seedbed.models.backbone import Backbone


@final
class Source(SourceRecord):
    """Labelled images as they lie on disk; the record of `seedbed.data.source`, with
    `open`, `from_arrays` and `from_dataset`."""

    @staticmethod
    def open(data: str | os.PathLike[str], hierarchy: str | None = None) -> Source:
        """The source at a path or of a call string.

        Args:
            data: "photos/", or "toy(per_class=100)".
            hierarchy: "wordnet", "wordnet(names='FILE')", or a file of child and parent, instead of
                the source's own.

        Raises:
            UsageError: an unknown format or setting. BadDataError: a path without labelled images.

        Example:
            >>> import seedbed as sb
            >>> sb.Source.open("digits()").num_images
            1797
        """
        return _to_public(open_source(data, hierarchy=hierarchy))

    @staticmethod
    def from_arrays(
        images: Sequence[Any] | np.ndarray,
        labels: Sequence[Any],
        ids: Sequence[str] | None = None,
        *,
        classes: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        name: str = "arrays",
    ) -> Source:
        """A source of images in memory.

        Args:
            images: an array [n, h, w] or [n, h, w, 3], a tensor [n, 3, h, w], or n images of any
                sizes: arrays, tensors, Pillow images. uint8, uint16 grey, or floats in 0..1.
            labels: n names, or numbers of classes.
            ids: n names of the images (default: their numbers). They decide which images are drawn
                for splits and samples.
            classes: names of the class numbers.
            splits: n of "train", "val" and "test" (default: a fifth becomes the test split).
            name: of the data in reports.

        Raises:
            UsageError: lists of other lengths, a label or an image of another kind.

        Example:
            >>> import numpy as np, seedbed as sb
            >>> images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
            >>> labels = ["a", "b"] * 10
            >>> source = sb.Source.from_arrays(images, labels)
            >>> source.num_images, source.classes
            (20, ('a', 'b'))
        """
        record = source_from_arrays(
            images, labels, ids=ids, classes=classes, splits=splits, name=name
        )
        return _to_public(record)

    @staticmethod
    def from_dataset(
        dataset: Any,
        labels: Sequence[Any] | None = None,
        ids: Sequence[str] | None = None,
        *,
        classes: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        name: str | None = None,
    ) -> Source:
        """A source of a torch data set, whose items are (image, label) or images.

        Args:
            dataset: anything with a length and items. Images are Pillow images, arrays or tensors,
                without random transforms and not normalised.
            labels: names or numbers of classes (default: `targets` or `labels` of the data set,
                else the second part of each item, for which every item is read once).
            ids, classes, splits: as in `from_arrays`; `classes` of the data set is used.
            name: of the data in reports (default: the class of the data set).

        Whether a store is up to date is told by the labels and by 64 of the images.

        Raises:
            UsageError: as `from_arrays`; an image that differs when it is read twice.

        Example:
            >>> import seedbed as sb
            >>> from PIL import Image
            >>> items = [(Image.new("RGB", (8, 8), (i * 9, 0, 0)), i % 2) for i in range(20)]
            >>> sb.Source.from_dataset(items).classes
            ('0', '1')
        """
        record = source_from_dataset(
            dataset,
            labels,
            ids=ids,
            classes=classes,
            splits=splits,
            name=name or type(dataset).__name__,
        )
        return _to_public(record)


def _to_public(record: SourceRecord) -> Source:
    values = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    return Source(**values)


def pack(
    source: SourceRecord | str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    format: str | None = None,
    hierarchy: str | None = None,
    size_px: int | None = None,
    fit: str = "crop",
    encoded: bool = False,
    workers: int | None = None,
    allow_unreadable: float = 0.01,
    progress: PackProgress | None = None,
) -> Store:
    """Pack a source once: images decoded, resized and memory-mapped.

    Args:
        source: a Source, a path or a call string.
        store: the folder to write; a second call for an unchanged source does nothing.
        format: the name of the source's format, where its path does not tell it.
        hierarchy: "wordnet" or a file of child and parent, instead of the source's own.
        size_px: side of the square images, 8 to 1024 px (default 64).
        fit: for images that are not square: "crop" (shorter side resized, centre crop), "squash" or
            "pad".
        encoded: keep the files' own bytes, and decode them when they are needed.
        workers: processes that decode (default: one per core).
        allow_unreadable: largest share of unreadable images, 0..1.
        progress: called with (images done, images in all).

    Raises:
        BadDataError: no images, one class, a class with one image, too many unreadable images.
        UsageError: a size out of range, or a folder that holds something else.

    Example:
        >>> import tempfile, seedbed as sb
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16)
        >>> store.num_images, store.pixels.shape[1:]
        (1797, (16, 16, 3))
    """
    if not isinstance(source, SourceRecord):
        source = open_source(source, format_name=format, hierarchy=hierarchy)
    return pack_into_folder(
        source,
        Path(store),
        size_px=size_px,
        fit=fit,
        encoded=encoded,
        workers=workers,
        allow_unreadable=allow_unreadable,
        progress=progress,
    ).store


def audit(
    data: Store | SourceRecord | str | os.PathLike[str],
    against: Store | SourceRecord | str | os.PathLike[str] | None = None,
    *,
    hierarchy: str | None = None,
    backbone: Backbone | str | os.PathLike[str] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    on_pack: PackProgress | None = None,
    on_progress: PackProgress | None = None,
) -> Audit:
    """Report unreadable files, tiny classes, and near duplicates within a data set and against
    another. An audit refuses no data that can be listed.

    Args:
        data, against: stores, sources, paths or call strings; sources are packed at 64 px.
        hierarchy: "wordnet" or a file, for both: which classes of the other data set lie above
            which classes of this one.
        backbone: also compares the images of the two by its codes, which finds mirrored copies.

    Example:
        >>> import seedbed as sb, tempfile
        >>> audit = sb.audit(sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16))
        >>> audit.num_images, audit.tiny_classes
        (1797, [])
    """
    from seedbed.data.audit import audit_store
    from seedbed.engine.opening import INSPECTION_PX, open_backbone_for, open_store

    if backbone is not None and against is None:
        raise UsageError(
            "a backbone compares the images of two data sets, and only one is given",
            "Name the other: --against DATA2.",
        )
    net = open_backbone_for(backbone, data) if backbone is not None else None
    size_px = net.preprocessing.store_px if net else INSPECTION_PX
    space = Workspace.at(workspace)

    def open_for_audit(one: Any) -> Store:
        store = open_store(one, size_px, space, on_pack=on_pack, for_inspection=True)
        return store.with_hierarchy(hierarchy)

    stores = [open_for_audit(one) for one in (data, against) if one is not None]
    report = audit_store(*stores, on_progress=on_progress)
    if net is None:
        return report
    from seedbed.readout.code_duplicates import add_code_pairs

    return add_code_pairs(report, net, *stores)
