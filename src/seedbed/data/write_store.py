"""Write the files of a store: decode all images in parallel, then write rows, annotations and card.

In: a Source, a form and an empty folder. Out: the files that `seedbed.data.store` describes.
Unreadable images are left out and listed. Whether the data may be packed is decided by the caller.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.base.artifacts import write_json
from seedbed.base.randomness import item_hashes
from seedbed.base.worker_pool import run_jobs
from seedbed.data import decode, splits
from seedbed.data.annotations import Relevance, write_annotations
from seedbed.data.class_faults import small_classes
from seedbed.data.decode import MAX_16_BIT, white_value
from seedbed.data.duplicates import COARSE_PX, burst_hashes, describe, merge_groups
from seedbed.data.image_files import EncodedPixels
from seedbed.data.pack_batch import RUN, Job, PackedBatch, StoreForm, batch_loader, run_one_by_one
from seedbed.data.skipped_files import to_card
from seedbed.data.source import SPLITS, Pixels, Source
from seedbed.data.store import (
    ANNOTATIONS,
    ENCODED,
    PIXELS,
    ROWS,
    STORE_JSON,
    UNREADABLE,
    VERSION,
    digest_of,
)
from seedbed.data.store_writers import EncodedWriter, ImageWriter, PixelWriter

# Images in a batch. A reader of files gets small batches, so that Ctrl-C does not wait long.
_BATCH, _SMALL_BATCH = 256, 64
# With fewer images, threads have decoded them before a worker process has started.
_MIN_IMAGES_FOR_PROCESSES = 2000
Progress = Callable[[int, int], None]
Failures = dict[int, tuple[str, str]]  # row -> id, reason
Batches = Generator[tuple[np.ndarray, PackedBatch], None, None]


def write_store(
    source: Source,
    folder: Path,
    form: StoreForm,
    workers: int,
    check: Callable[[Failures, np.ndarray], None],
    progress: Progress | None = None,
) -> None:
    """Write a store.

    Args:
        source: the images.
        folder: an empty folder.
        form: what is kept of each image.
        workers: worker processes or threads that decode.
        check: called after decoding with the unreadable images and the readable rows; it raises an
            error to stop the packing.
        progress: called with (images done, images in all).
    """
    num = source.num_images
    writer = (
        EncodedWriter(folder / ENCODED, num, form)
        if form.encoded
        else PixelWriter(folder / PIXELS, num, form.size_px)
    )
    kinds = {"widths": np.int32, "heights": np.int32, "checksums": np.uint64}
    columns = {name: np.zeros(num, kind) for name, kind in kinds.items()}
    descriptors = np.zeros((0 if source.pixels.light else num, 3 * COARSE_PX**2), np.uint8)
    failures: Failures = {}
    peaks: dict[int, float] = {}
    with closing(_load_batches(source.pixels, num, form, workers, writer)) as batches:
        for rows, batch in batches:
            writer.write(rows, batch)
            for name, column in columns.items():
                column[rows] = getattr(batch, name)
            if len(descriptors):
                descriptors[rows] = batch.descriptors
            for i, reason in batch.failures.items():
                failures[int(rows[i])] = str(source.ids[rows[i]]), reason
            peaks |= {int(rows[i]): value for i, value in batch.peaks.items()}
            if progress:
                progress(int(rows[-1]) + 1, num)
    readable = np.setdiff1d(np.arange(num), np.fromiter(failures, np.int64, len(failures)))
    check(failures, readable)
    _scale_deep_images(source.pixels, peaks, form, writer, descriptors)
    columns = {name: column[readable] for name, column in columns.items()}
    columns["groups"] = _groups(source, readable, columns["checksums"], descriptors, writer)
    columns |= writer.finish(readable)
    if failures:
        write_unreadable(folder / UNREADABLE, failures)
    _write_columns(source, folder, form, readable, columns, len(failures), writer.white)


def _scale_deep_images(
    pixels: Pixels,
    peaks: Mapping[int, float],
    form: StoreForm,
    writer: ImageWriter,
    descriptors: np.ndarray,
) -> None:
    """Decode images of more than 8 bits again, by the bit depth of all of them.

    The first time they were decoded as 16 bits. `peaks` holds the largest value of each by its row.
    """
    white = white_value(peaks.values()) if peaks else MAX_16_BIT
    if white == MAX_16_BIT:
        return
    writer.white = white
    reader, rows = pixels.with_white(white), np.array(sorted(peaks), np.int64)
    for part in np.array_split(rows, -(-len(rows) // _SMALL_BATCH)):
        loaded = reader.load(part, form.size_px, form.fit)
        writer.write_again(part, loaded.pixels)
        descriptors[part] = describe(loaded.pixels)


def write_unreadable(path: Path, failures: Failures) -> None:
    """Write the list of unreadable images."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "reason"])
        writer.writerows(failures[row] for row in sorted(failures))


def class_sizes(source: Source, rows: np.ndarray) -> np.ndarray:
    """The number of these images in each class: int64 [num_classes]."""
    return np.bincount(source.leaves[rows], minlength=len(source.classes))


def source_card(source: Source) -> dict[str, Any]:
    """The entries of the card that describe what is not in the store."""
    empty = {"empty_classes": list(source.empty_classes)} if source.empty_classes else {}
    skipped = {"skipped": to_card(source.skipped)} if source.skipped else {}
    return {"notes": list(source.notes), **empty, **skipped}


def parents_card(source: Source) -> dict[str, list[str]] | None:
    """The hierarchy as an entry of the card."""
    return {k: list(v) for k, v in source.hierarchy.parents.items()} if source.hierarchy else None


def _groups(
    source: Source,
    readable: np.ndarray,
    checksums: np.ndarray,
    descriptors: np.ndarray,
    writer: ImageWriter,
) -> np.ndarray:
    """One hash for the near duplicates of a class, and for parts of one file: uint64 [k].

    Generated images have no near duplicates.
    """
    if not len(descriptors):
        return checksums
    hashes = burst_hashes(
        descriptors[readable],
        checksums,
        _strata(source)[readable],
        len(source.classes),
        lambda rows: writer.pixels(readable[rows]),
    )
    return hashes if source.files is None else merge_groups(hashes, source.files[readable])


def _strata(source: Source) -> np.ndarray:
    """Near duplicates are searched, and splits drawn, within each of these: the classes, or all
    images together if they have no single label."""
    return source.leaves if source.annotations is None else np.zeros_like(source.leaves)


def _load_batches(
    pixels: Pixels, num: int, form: StoreForm, workers: int, writer: ImageWriter
) -> Batches:
    """Load all images in order: in worker processes, in threads, or in this thread."""
    in_processes = (
        isinstance(pixels, EncodedPixels) and workers > 1 and num >= _MIN_IMAGES_FOR_PROCESSES
    )
    size = _BATCH if pixels.light or in_processes else _SMALL_BATCH
    if not pixels.light:
        size = max(1, min(size, num // (8 * workers)))
    batches = [np.arange(i, min(i + size, num)) for i in range(0, num, size)]
    if in_processes:
        assert isinstance(pixels, EncodedPixels)
        jobs = (Job(pixels.part(rows), rows, form, writer.pixel_file) for rows in batches)
        yield from zip(batches, run_jobs(RUN, jobs, workers, run_one_by_one), strict=True)
        return
    load = batch_loader(pixels, form)
    if pixels.light or workers == 1:
        yield from ((rows, load(rows)) for rows in batches)
        return
    yield from _load_in_threads(batches, load, workers)


def _load_in_threads(
    batches: list[np.ndarray], load: Callable[[np.ndarray], PackedBatch], workers: int
) -> Batches:
    """Decoders release the interpreter's lock, so threads are enough for few images."""
    pool = ThreadPoolExecutor(workers)
    try:
        pending: deque[tuple[np.ndarray, Future[PackedBatch]]] = deque()
        for rows in batches:
            pending.append((rows, pool.submit(load, rows)))
            if len(pending) > 2 * workers:
                yield _next_result(pending)
        while pending:
            yield _next_result(pending)
    finally:  # after an interruption no other batch begins
        pool.shutdown(cancel_futures=True)


def _next_result(
    pending: deque[tuple[np.ndarray, Future[PackedBatch]]],
) -> tuple[np.ndarray, PackedBatch]:
    rows, future = pending.popleft()
    return rows, future.result()


def _resolve_splits(
    source: Source, readable: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, dict[str, str]]:
    """The splits that are used, uint8 [k], and how missing ones were derived.

    The splits of retrieval sets are a part of their protocol and are not changed.
    """
    if isinstance(source.annotations, Relevance):
        return source.splits[readable], {}
    columns = source.splits[readable], _strata(source)[readable], groups, len(source.classes)
    if source.only_held_out:
        used, derived = splits.resolve(*columns)
        return used, {"test": f"{derived['test']}; methods that train nothing use all images"}
    if source.parts is None:
        return splits.resolve(*columns)
    return splits.resolve_parts(*columns, source.parts[readable], source.part_names)


def _write_columns(
    source: Source,
    folder: Path,
    form: StoreForm,
    readable: np.ndarray,
    columns: dict[str, np.ndarray],
    num_unreadable: int,
    white: float | None,
) -> None:
    """Write the rows, the annotations, and last of all the card."""
    used, derived = _resolve_splits(source, readable, columns["groups"])
    _write_rows(source, folder, readable, used, columns)
    meaning: dict[str, Any] = {
        "size_px": form.size_px,
        "fit": form.fit,
        "decoder_revision": decode.REVISION,
        **({} if white is None else {"white": white}),
        "classes": list(source.classes),
        **_write_annotations(source, folder, readable),
    }
    ids, leaves = source.ids[readable], source.leaves[readable]
    card = {
        "version": VERSION,
        "kind": form.to_card()["kind"],
        "source": source.name,
        "decoder": "libjpeg-turbo, Pillow",
        "resize": decode.describe_fit(form.fit),
        **meaning,
        "names": dict(source.names),
        "parents": parents_card(source),
        "num_images": len(readable),
        "num_unreadable": num_unreadable,
        "splits": {name: int((used == i).sum()) for i, name in enumerate(SPLITS)},
        "derived_splits": derived,
        **source_card(source),
        **({"only_held_out": True} if source.only_held_out else {}),
        "listing": source.listing,
        "digest": digest_of(ids, columns["checksums"], leaves, used, meaning),
    }
    if source.annotations is None and len(small_classes(source, class_sizes(source, readable))):
        card["for_inspection"] = True  # no classifier can be trained on it
    write_json(folder / STORE_JSON, card)


def _write_rows(
    source: Source,
    folder: Path,
    readable: np.ndarray,
    used_splits: np.ndarray,
    columns: dict[str, np.ndarray],
) -> None:
    """Write the table with one row for each readable image."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, leaves = source.ids[readable], source.leaves[readable]
    table = {
        "id": pa.array(ids, pa.string()),
        "id_hash": item_hashes(ids),
        "leaf": pa.DictionaryArray.from_arrays(
            pa.array(leaves, mask=leaves < 0), pa.array(source.classes)
        ),
        "split": pa.DictionaryArray.from_arrays(used_splits.astype(np.int8), pa.array(SPLITS)),
        "width_px": columns["widths"],
        "height_px": columns["heights"],
        "checksum": columns["checksums"],
        "group": columns["groups"],
        **{name: columns[name] for name in ("offset", "num_bytes") if name in columns},
    }
    if source.only_held_out:
        source_splits = source.splits[readable].astype(np.int8)
        table["split_found"] = pa.DictionaryArray.from_arrays(source_splits, pa.array(SPLITS))
    pq.write_table(pa.table(table), folder / ROWS)


def _write_annotations(source: Source, folder: Path, readable: np.ndarray) -> dict[str, Any]:
    """Write the annotations of the readable images, if any; return entries of the card."""
    if source.annotations is None:
        return {}
    annotations = source.annotations.select(readable, source.num_images)
    write_annotations(folder / ANNOTATIONS, annotations)
    return {"annotations": annotations.kind, "annotations_sha256": annotations.digest()}
