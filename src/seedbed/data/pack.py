"""Pack a source into a store: its images are decoded once, in parallel.

In: a Source and a size. Out: a Store, complete or not at all. Unreadable images do not stop the
packing; they are listed.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.artifacts import atomic_folder, write_json
from seedbed.base.device import num_cores
from seedbed.base.errors import BadDataError, SeedbedError, UsageError, unknown
from seedbed.data import decode
from seedbed.data.annotations import Boxes
from seedbed.data.class_faults import refuse_one_class, refuse_small_classes
from seedbed.data.formats import open_source
from seedbed.data.image_files import EncodedPixels
from seedbed.data.pack_batch import StoreForm
from seedbed.data.source import Source
from seedbed.data.store import STORE_JSON, VERSION, Store
from seedbed.data.write_store import (
    Failures,
    Progress,
    class_sizes,
    parents_card,
    source_card,
    write_store,
    write_unreadable,
)


class UnreadableError(BadDataError):
    """More unreadable images than allowed.

    `share` of all images would have to be allowed; `list_path` is the file that lists them.
    """

    def __init__(self, message: str, hint: str, share: float, list_path: Path) -> None:
        super().__init__(message, hint)
        self.share, self.list_path = share, list_path


@dataclass(frozen=True, kw_only=True)
class PackResult:
    """The store, and what packing did."""

    store: Store
    num_unreadable: int
    images_per_s: float | None  # None if the store was up to date
    unreadable: Path | None  # the file that lists the unreadable images


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
) -> PackResult:
    """Pack a source into the folder `store`; a second call for an unchanged source does nothing.

    Args:
        source: a Source, a path or a call string.
        store: the folder of the store. An existing store is replaced if the same source has
            changed.
        size_px: side of the square images, 8 to 1024 px (default 64).
        fit: how an image that is not square becomes one: "crop" (shorter side resized, centre
            crop), "squash" or "pad"; "crop_bicubic" and so on with bicubic interpolation.
        encoded: keep the bytes of the files, which are then decoded whenever they are needed: for
            large images whose pixels would not fit on the disk.
        workers: processes that decode (default: one per core; threads for few images).
        allow_unreadable: largest share of unreadable images, 0 to 1, before BadDataError is raised.
        for_inspection: pack data that no classifier can be trained on, too: one class, classes with
            one readable image or none. Packing the same store without it raises.
        progress: called with (images done, images in all).

    Raises:
        BadDataError: no images, one class, a class with one image, too many unreadable images;
            `STORE.unreadable.csv` then lists these.
        UsageError: a size out of range; `store` is a folder that is not a store, or a store of
            other data or of another size.

    Example:
        >>> import tempfile
        >>> from seedbed.data.pack import pack
        >>> packed = pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16)
        >>> packed.store.pixels.shape
        (1797, 16, 16, 3)
    """
    source = source if isinstance(source, Source) else open_source(source)
    form, path = _choose_form(source, size_px, fit, encoded), Path(store)
    _check_arguments(path, form, allow_unreadable, workers)
    if not for_inspection:
        refuse_one_class(source)
    if _is_up_to_date(path, source, form):
        return _reuse(path, source, allow_unreadable, for_inspection)
    _refuse_other_store(path, source, form)
    check = _readable_check(path, source, allow_unreadable, for_inspection)
    started = time.perf_counter()
    with atomic_folder(path) as folder, warnings.catch_warnings():
        # Pillow warns of unusual metadata; only pixels matter here. Threads share these filters.
        warnings.simplefilter("ignore")
        write_store(source, folder, form, workers or num_cores(), check, progress)
    _list_path(path).unlink(missing_ok=True)
    return _result(Store.open(path), source.num_images / (time.perf_counter() - started))


def _choose_form(source: Source, size_px: int | None, fit: str, encoded: bool) -> StoreForm:
    """The form of the store; images with boxes are kept as files, since boxes refer to these."""
    form = StoreForm(
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


def _check_arguments(
    path: Path, form: StoreForm, allow_unreadable: float, workers: int | None
) -> None:
    if not 8 <= form.size_px <= 1024:
        raise UsageError(f"size_px = {form.size_px} is outside 8..1024", "64 is usual.")
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
            "Name a new folder for the store; nothing there was changed.",
        )
    if workers is not None and workers < 1:
        raise UsageError(
            f"workers = {workers} must be at least 1", "Leave it out for one per core."
        )


def _is_up_to_date(path: Path, source: Source, form: StoreForm) -> bool:
    """Whether there is a store of the source as listed now, in this form."""
    if not Store.is_at(path):
        return False
    card = Store(path).card
    expected = {
        "version": VERSION,
        "listing": source.listing,
        "decoder_revision": decode.REVISION,
        "parents": parents_card(source),
        **form.to_card(),
        **({"only_held_out": True} if source.only_held_out else {}),
    }
    return all(card.get(key) == value for key, value in expected.items())


def _reuse(path: Path, source: Source, allow_unreadable: float, for_inspection: bool) -> PackResult:
    """Return an existing store; the limits of this call apply to it too."""
    _update_card(path, source)
    result = _result(Store.open(path), None)
    num, total = result.num_unreadable, result.store.num_images + result.num_unreadable
    if num > allow_unreadable * total:
        assert result.unreadable
        raise _unreadable_error(
            f"{num} of {total} images are unreadable, above the {allow_unreadable:.1%} that is "
            "allowed",
            num / total,
            result.unreadable,
        )
    if result.store.card.get("for_inspection") and not for_inspection:
        refuse_small_classes(source, result.store.class_sizes())
    return result


def _update_card(path: Path, source: Source) -> None:
    """Update the entries of the card that may change although the images have not."""
    card = Store(path).card
    others = {key: value for key, value in card.items() if key not in ("empty_classes", "skipped")}
    updated = {**others, **source_card(source), "names": dict(source.names)}
    if updated != {"notes": [], **card}:
        with suppress(SeedbedError):  # the folder may be read-only
            write_json(path / STORE_JSON, updated)


def _refuse_other_store(path: Path, source: Source, form: StoreForm) -> None:
    """Refuse to replace a store of other data or another size: studies may name it."""
    if not Store.is_at(path):
        return
    card = Store(path).card
    # realpath: photos, photos/ and ./photos are the same source
    same_source = os.path.realpath(str(card.get("source"))) == os.path.realpath(source.name)
    old_form = StoreForm(
        size_px=card.get("size_px", 0),
        fit=card.get("fit", "crop"),
        encoded=card.get("kind") == "encoded",
    )
    if not same_source or old_form != form:
        raise UsageError(
            f"{path} is a store of {card.get('source')} {old_form}, and not of {source.name} "
            f"{form}",
            "Name another folder for the store, or remove that one; nothing there was changed.",
        )


def _result(store: Store, images_per_s: float | None) -> PackResult:
    return PackResult(
        store=store,
        num_unreadable=store.card["num_unreadable"],
        images_per_s=images_per_s,
        unreadable=store.unreadable,
    )


def _readable_check(
    path: Path, source: Source, allow_unreadable: float, for_inspection: bool
) -> Callable[[Failures, np.ndarray], None]:
    """A function that refuses too many unreadable images, and classes with too few readable ones.

    The list of unreadable images is then written next to the store, which is not.
    """

    def check(failures: Failures, readable: np.ndarray) -> None:
        total, list_path = source.num_images, _list_path(path)
        if len(failures) > allow_unreadable * total:
            write_unreadable(list_path, failures)
            share = len(failures) / total
            raise _unreadable_error(
                f"{len(failures)} of {total} images are unreadable ({share:.1%}; "
                f"{allow_unreadable:.1%} is allowed), {_example(source, failures, readable)}",
                share,
                list_path,
            )
        if not for_inspection and source.annotations is None:
            refuse_small_classes(source, class_sizes(source, readable))

    return check


def _example(source: Source, failures: Failures, readable: np.ndarray) -> str:
    """An unreadable image with its reason: of a class that would be lost, if there is one."""
    present = np.unique(source.leaves[readable])
    lost = [row for row in sorted(failures) if source.leaves[row] not in present]
    id_, reason = failures[lost[0] if lost else min(failures)]
    if not lost or source.annotations is not None:
        return f"the first: {id_}: {reason}"
    return f"among them all of class {source.classes[source.leaves[lost[0]]]!r}: {id_}: {reason}"


def _unreadable_error(message: str, share: float, list_path: Path) -> UnreadableError:
    share = float(np.ceil(share * 1000) / 1000)
    hint = (
        f"All are listed in {list_path}. Repair or remove them, or allow them: "
        f"--allow-unreadable {share:g}."
    )
    return UnreadableError(message, hint, share, list_path)


def _list_path(path: Path) -> Path:
    return path.with_name(path.name + ".unreadable.csv")
