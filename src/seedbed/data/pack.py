"""Packing: a source becomes a store, decoded once, in parallel.

In: a Source and a size. Out: a Store, complete or not at all. An unreadable image never stops it
and is never dropped silently. Knows nothing of what the images are for.
"""

from __future__ import annotations

import csv
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.artifacts import atomic_folder, write_json
from seedbed.base.device import num_cores
from seedbed.base.errors import BadDataError, SeedbedError, UsageError, unknown
from seedbed.base.randomness import item_hashes
from seedbed.base.worker_pool import run_jobs
from seedbed.data import decode, splits
from seedbed.data.annotations import Boxes, Relevance, write_annotations
from seedbed.data.class_faults import refuse_one_class, refuse_small_classes, small_classes
from seedbed.data.duplicates import COARSE_PX, burst_hashes, together
from seedbed.data.formats import open_source
from seedbed.data.image_files import EncodedPixels
from seedbed.data.pack_batch import Form, Job, loader_of, one_by_one
from seedbed.data.pack_batch import Packed as Packing
from seedbed.data.source import SPLITS, Pixels, Source
from seedbed.data.store import (
    ANNOTATIONS,
    ENCODED,
    PIXELS,
    ROWS,
    STORE_JSON,
    UNREADABLE,
    VERSION,
    Store,
    digest_of,
)
from seedbed.data.store_writers import Bytes, PixelRows, Sink

# images; a reader of files is asked for few at a time, so that an interruption waits for few
_BATCH, _SLOW_BATCH = 256, 64
_WORTH_PROCESSES = 2000  # images; fewer are decoded by threads, before a process has begun
Progress = Callable[[int, int], None]
Failures = dict[int, tuple[str, str]]  # row -> id, reason


class UnreadableError(BadDataError):
    """More unreadable images than are allowed; `share` of all would have to be, and `listed` names
    them."""

    def __init__(self, message: str, hint: str, share: float, listed: Path) -> None:
        super().__init__(message, hint)
        self.share, self.listed = share, listed


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What packing did."""

    store: Store
    num_unreadable: int
    images_per_s: float | None  # None: nothing was to be done
    unreadable: Path | None  # the file that lists them


def pack(
    source: Source | str | os.PathLike[str],
    store: str | Path,
    *,
    size_px: int | None = None,
    fit: str = "crop",
    encoded: bool = False,
    workers: int | None = None,
    allow_unreadable: float = 0.01,
    for_inspection: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Pack a source into the folder `store`; a second call for an unchanged source does nothing.

    Args:
        source: a Source, a path or a call string.
        store: the folder to make; a store there is replaced if the same source has changed.
        size_px: side of the square images, 8 to 1024 px (default 64).
        fit: what is done with an image that is no square: "crop" (shorter side resized, centre
            crop), "squash" or "pad".
        encoded: keep the files' own bytes, to be decoded whenever they are needed: for large images
            that would not fit on the disk.
        workers: processes that decode (default: one per core; threads where there are few images).
        allow_unreadable: largest share of unreadable images, 0 to 1, before BadDataError is raised.
        for_inspection: pack data that no classifier can be trained on, too: one class, classes with
            one readable image or none. Packing the same store without it raises.
        progress: called with (images done, images in all).

    Raises:
        BadDataError: no images, one class, a class with one image, too many unreadable images; the
        list of these is kept beside
            the store, as `STORE.unreadable.csv`.
        UsageError: a size out of range, or a folder at `store` that is not a store, or a store of
        other data or another size.

    Example:
        >>> import tempfile
        >>> from seedbed.data.pack import pack
        >>> packed = pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16)
        >>> packed.store.pixels.shape
        (1797, 16, 16, 3)
    """
    source = source if isinstance(source, Source) else open_source(source)
    form, path = _form_of(source, size_px, fit, encoded), Path(store)
    _check(path, form, allow_unreadable)
    if workers is not None and workers < 1:
        raise UsageError(
            f"workers = {workers} must be at least 1", "Leave it out for one per core."
        )
    if not for_inspection:
        refuse_one_class(source)
    if _is_fresh(path, source, form):
        _update_remarks(path, source)
        packed = _within(_packed(Store.open(path), None), allow_unreadable)
        if packed.store.card.get("for_inspection") and not for_inspection:
            refuse_small_classes(source, packed.store.class_sizes())
        return packed
    _same_data(path, source, form)
    started = time.perf_counter()
    with atomic_folder(path) as aside, warnings.catch_warnings():
        # Pillow warns of odd metadata; pixels decide here. Set once: filters are not per thread
        warnings.simplefilter("ignore")
        _write(
            source,
            aside,
            form,
            workers or num_cores(),
            progress,
            for_inspection,
            lambda failures: _allow(path, source, failures, allow_unreadable),
        )
    _listed_beside(path).unlink(missing_ok=True)
    return _packed(Store.open(path), source.num_images / (time.perf_counter() - started))


def _form_of(source: Source, size_px: int | None, fit: str, encoded: bool) -> Form:
    """Boxes belong to an image as it was found, whatever its shape: its own bytes are kept."""
    form = Form(
        size_px=64 if size_px is None else size_px,
        fit=fit,
        encoded=encoded or isinstance(source.annotations, Boxes),
    )
    if form.encoded and not isinstance(source.pixels, EncodedPixels):
        raise UsageError(
            f"{source.name} has no encoded images to keep",
            "Leave --encoded out: its images are packed as pixels.",
        )
    return form


def _remarks(source: Source) -> dict[str, Any]:
    """Entries of the card that do not depend on the images in the store."""
    empty = {"empty_classes": list(source.empty_classes)} if source.empty_classes else {}
    return {"notes": list(source.notes), **empty}


def _update_remarks(path: Path, source: Source) -> None:
    card = Store(path).card
    updated = {**{k: v for k, v in card.items() if k != "empty_classes"}, **_remarks(source)}
    if updated != {"notes": [], **card}:
        with suppress(SeedbedError):  # the folder may be read-only
            write_json(path / STORE_JSON, updated)


def _check(path: Path, form: Form, allow_unreadable: float) -> None:
    if not 8 <= form.size_px <= 1024:
        raise UsageError(f"size_px = {form.size_px} is outside 8..1024")
    if form.fit not in decode.FITS:
        raise unknown("fit", form.fit, decode.FITS)
    if not 0 <= allow_unreadable <= 1:
        raise UsageError(
            f"allow_unreadable = {allow_unreadable} is not a share between 0 and 1",
            "0.02 allows 2 %.",
        )
    if path.exists() and not Store.is_at(path):
        raise UsageError(
            f"{path} exists and is not a store",
            "Name a new folder for the store; nothing there was touched.",
        )


def _is_fresh(path: Path, source: Source, form: Form) -> bool:
    if not Store.is_at(path):
        return False
    card = Store(path).card
    wanted = {
        "version": VERSION,
        "listing": source.listing,
        "decoder_revision": decode.REVISION,
        **form.to_card(),
        **({"only_held_out": True} if source.only_held_out else {}),
    }
    return all(card.get(key) == value for key, value in wanted.items()) and card.get(
        "parents"
    ) == _parents(source)


def _parents(source: Source) -> dict[str, list[str]] | None:
    return {k: list(v) for k, v in source.hierarchy.parents.items()} if source.hierarchy else None


def _same_data(path: Path, source: Source, form: Form) -> None:
    """A store is replaced where its source has changed, and not by other data or another size:
    studies may name it."""
    if not Store.is_at(path):
        return
    card = Store(path).card
    # photos, photos/, ./photos
    same_source = os.path.realpath(str(card.get("source"))) == os.path.realpath(source.name)
    theirs = Form(
        size_px=card.get("size_px", 0),
        fit=card.get("fit", "crop"),
        encoded=card.get("kind") == "encoded",
    )
    if not same_source or theirs != form:
        raise UsageError(
            f"{path} is a store of {card.get('source')} {theirs}, and not of {source.name} {form}",
            "Name another folder for the store, or remove that one; nothing there was touched.",
        )


def _packed(store: Store, rate: float | None) -> Packed:
    return Packed(
        store=store,
        num_unreadable=store.card["num_unreadable"],
        images_per_s=rate,
        unreadable=store.unreadable,
    )


def _within(packed: Packed, allowed: float) -> Packed:
    """A store packed under a looser limit does not pass a stricter one."""
    total = packed.store.num_images + packed.num_unreadable
    if packed.num_unreadable > allowed * total:
        assert packed.unreadable
        raise _too_many(
            f"{packed.num_unreadable} of {total} images are unreadable, above the {allowed:.1%} that is allowed",
            packed.num_unreadable / total,
            packed.unreadable,
        )
    return packed


def _too_many(message: str, share: float, listed: Path) -> UnreadableError:
    share = float(np.ceil(share * 1000) / 1000)
    hint = f"All are listed in {listed}. Repair or remove them, or allow them: --allow-unreadable {share:g}."
    return UnreadableError(message, hint, share, listed)


def _listed_beside(path: Path) -> Path:
    return path.with_name(path.name + ".unreadable.csv")


def _allow(path: Path, source: Source, failures: Failures, allowed: float) -> None:
    """Raise, and leave the list beside the store that was not made, when too many images are
    unreadable."""
    total, listed = source.num_images, _listed_beside(path)
    if len(failures) <= allowed * total:
        return
    _write_unreadable(listed, failures)
    first_id, first_reason = next(iter(failures.values()))
    share = len(failures) / total
    raise _too_many(
        f"{len(failures)} of {total} images are unreadable ({share:.1%}; {allowed:.1%} is allowed), the first: {first_id}: {first_reason}",
        share,
        listed,
    )


def _write(
    source: Source,
    folder: Path,
    form: Form,
    workers: int,
    progress: Progress | None,
    for_inspection: bool,
    allow: Callable[[Failures], None],
) -> None:
    n = source.num_images
    sink = (
        Bytes(folder / ENCODED, n, form)
        if form.encoded
        else PixelRows(folder / PIXELS, n, form.size_px)
    )
    columns = {
        k: np.zeros(n, t)
        for k, t in (("widths", np.int32), ("heights", np.int32), ("checksums", np.uint64))
    }
    described = np.zeros((0 if source.pixels.light else n, 3 * COARSE_PX**2), np.uint8)
    failures: Failures = {}
    with closing(_load_all(source.pixels, n, form, workers, sink)) as batches:
        for rows, loaded in batches:
            sink.put(rows, loaded)
            for name, column in columns.items():
                column[rows] = getattr(loaded, name)
            if len(described):
                described[rows] = loaded.descriptors
            failures |= {
                int(rows[i]): (str(source.ids[rows[i]]), reason)
                for i, reason in loaded.failures.items()
            }
            if progress:
                progress(int(rows[-1]) + 1, n)
    kept = np.setdiff1d(np.arange(n), np.fromiter(failures, np.int64, len(failures)))
    allow(failures)
    if not for_inspection and source.annotations is None:
        refuse_small_classes(source, _class_sizes(source, kept))
    columns["groups"] = _groups(source, kept, columns["checksums"], described, sink)
    columns |= sink.close(kept)
    if failures:
        _write_unreadable(folder / UNREADABLE, failures)
    _write_rows(source, folder, form, kept, columns, len(failures))


def _groups(
    source: Source, kept: np.ndarray, checksums: np.ndarray, described: np.ndarray, sink: Sink
) -> np.ndarray:
    """One hash for the near duplicates of a class and for parts of one file, of the rows that are
    kept; images that are drawn have none."""
    if not len(described):
        return checksums[kept]
    labels = _strata(source)[kept]
    found = burst_hashes(
        described[kept],
        checksums[kept],
        labels,
        len(source.classes),
        lambda rows: sink.pixels(kept[rows]),
    )
    return found if source.files is None else together(found, source.files[kept])


def _strata(source: Source) -> np.ndarray:
    """Within what near duplicates are looked for and splits are drawn: classes, or all images alike
    where these have no single label."""
    return source.leaves if source.annotations is None else np.zeros_like(source.leaves)


def _load_all(
    pixels: Pixels, n: int, form: Form, workers: int, sink: Sink
) -> Generator[tuple[np.ndarray, Packing], None, None]:
    in_processes = isinstance(pixels, EncodedPixels) and workers > 1 and n >= _WORTH_PROCESSES
    most = _BATCH if pixels.light or in_processes else _SLOW_BATCH
    size = most if pixels.light else max(1, min(most, n // (8 * workers)))
    batches = [np.arange(i, min(i + size, n)) for i in range(0, n, size)]
    if in_processes:
        assert isinstance(pixels, EncodedPixels)
        jobs = (Job(pixels.part(rows), rows, form, sink.place) for rows in batches)
        yield from zip(
            batches, run_jobs("seedbed.data.pack_batch:run", jobs, workers, one_by_one), strict=True
        )
        return
    load = loader_of(pixels, form)
    if pixels.light or workers == 1:
        yield from ((rows, load(rows)) for rows in batches)
        return
    # Threads: decoders work without the interpreter's lock, and few images are not worth a process.
    pool = ThreadPoolExecutor(workers)
    try:
        pending: deque[tuple[np.ndarray, Future[Packing]]] = deque()
        for rows in batches:
            pending.append((rows, pool.submit(load, rows)))
            if len(pending) > 2 * workers:
                yield _result(pending)
        while pending:
            yield _result(pending)
    finally:  # interrupted: what has not begun never begins
        pool.shutdown(cancel_futures=True)


def _result(pending: deque[tuple[np.ndarray, Future[Packing]]]) -> tuple[np.ndarray, Packing]:
    rows, future = pending.popleft()
    return rows, future.result()


def _class_sizes(source: Source, kept: np.ndarray) -> np.ndarray:
    """Readable images of each class: int64 [num_classes]."""
    return np.bincount(source.leaves[kept], minlength=len(source.classes))


def _splits(
    source: Source, kept: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, dict[str, str]]:
    """The splits as they are used, and what was derived of them; of retrieval they are part of the
    protocol."""
    found = (source.splits[kept], _strata(source)[kept], groups, len(source.classes))
    if isinstance(source.annotations, Relevance):
        return found[0], {}
    if source.only_held_out:
        used, derived = splits.resolve(*found)
        how = f"{derived['test']}; methods that train nothing use all images"
        return used, {"test": how}
    if source.parts is None:
        return splits.resolve(*found)
    return splits.resolve_parts(*found, source.parts[kept], source.part_names)


def _write_unreadable(path: Path, failures: Failures) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "reason"])
        writer.writerows(failures[row] for row in sorted(failures))


def _write_rows(
    source: Source,
    folder: Path,
    form: Form,
    kept: np.ndarray,
    columns: dict[str, np.ndarray],
    num_unreadable: int,
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, leaves, checksums = source.ids[kept], source.leaves[kept], columns["checksums"][kept]
    groups = columns["groups"]
    used, derived = _splits(source, kept, groups)
    table = {
        "id": pa.array(ids, pa.string()),
        "id_hash": item_hashes(ids),
        "leaf": pa.DictionaryArray.from_arrays(
            pa.array(leaves, mask=leaves < 0), pa.array(source.classes)
        ),
        "split": pa.DictionaryArray.from_arrays(used.astype(np.int8), pa.array(SPLITS)),
        "width_px": columns["widths"][kept],
        "height_px": columns["heights"][kept],
        "checksum": checksums,
        "group": groups,
        **{name: columns[name] for name in ("offset", "num_bytes") if name in columns},
    }
    if source.only_held_out:
        found = source.splits[kept].astype(np.int8)
        table["split_found"] = pa.DictionaryArray.from_arrays(found, pa.array(SPLITS))
    pq.write_table(pa.table(table), folder / ROWS)
    meaning = {
        "size_px": form.size_px,
        "fit": form.fit,
        "decoder_revision": decode.REVISION,
        "classes": list(source.classes),
    }
    own: dict[str, Any] = {}
    if source.annotations is not None:
        kept_annotations = source.annotations.of(kept, source.num_images)
        write_annotations(folder / ANNOTATIONS, kept_annotations)
        own = {
            "annotations": kept_annotations.kind,
            "annotations_sha256": kept_annotations.digest(),
        }
        meaning |= own
    card = {
        "version": VERSION,
        "kind": form.to_card()["kind"],
        "source": source.name,
        "decoder": "libjpeg-turbo, Pillow",
        "resize": f"{decode.RULES[form.fit]}; antialiased bilinear",
        **meaning,
        "names": dict(source.names),
        "parents": _parents(source),
        "num_images": len(kept),
        "num_unreadable": num_unreadable,
        "splits": {name: int((used == i).sum()) for i, name in enumerate(SPLITS)},
        "derived_splits": derived,
        **_remarks(source),
        **({"only_held_out": True} if source.only_held_out else {}),
        "listing": source.listing,
        "digest": digest_of(ids, checksums, leaves, used, meaning),
    }
    if source.annotations is None and len(small_classes(source, _class_sizes(source, kept))):
        card["for_inspection"] = True  # no classifier can be trained on it
    write_json(folder / STORE_JSON, card)
