"""Trained models: use them, look for like images, hand them on.

In: the folder of a model, images. Out: predictions, neighbours, files for other software.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.api.data import new_folder, open_store
from seedbed.api.networks import open_for
from seedbed.base.artifacts import written_aside
from seedbed.base.device import resolve_device
from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store

if TYPE_CHECKING:
    import torch

    from seedbed.models.backbone import Backbone
    from seedbed.readout.detector import DetectorModel
    from seedbed.readout.model import Model
    from seedbed.readout.prediction import Prediction

OnProgress = Callable[[int, int], None]
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def load(model: str | os.PathLike[str], *, device: str = "auto") -> Model | DetectorModel:
    """The model in a folder that `transfer` or `advise` wrote, perhaps a detector; a backbone's
    folder is a model by its own head.

    Raises BadDataError where there is none, or it is damaged.

    Example:
        >>> import seedbed as sb
        >>> model = sb.load("small")
        >>> len(model.classes), model.num_calibrated
        (200, 0)
    """
    from seedbed.models.checkpoint import CARD, read_card
    from seedbed.models.resolve import backbone_folder
    from seedbed.readout.model import KEY, load_model

    folder = backbone_folder(model)
    if folder is None:
        raise BadDataError(
            f"there is no {model}",
            "Name a folder that seedbed transfer --out or seedbed advise wrote.",
        )
    if not (folder / CARD).is_file():
        raise BadDataError(
            f"{model} is no model: it has no {CARD}",
            'Make one: seedbed transfer small DATA "probe()" --out MODEL; then name MODEL.',
        )
    card: dict[str, Any] = read_card(folder)
    if (card.get(KEY) or {}).get("is") == "detector":
        from seedbed.readout.detector import load_detector

        detector = load_detector(folder, card)
        detector.detector.to(resolve_device(device))
        return detector
    found = load_model(folder)
    found.backbone.module.to(resolve_device(device))
    return found


def predict(
    model: Model | DetectorModel | str | os.PathLike[str],
    paths: Paths,
    *,
    above: float = 0.5,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> list[Prediction]:
    """Classes of image files with calibrated probabilities, or the boxes that a detector finds in
    them.

    Args:
        model: a model, or the folder of one.
        paths: image files, folders of them, or several of both.
        above: of a detector: the lowest score of a box that is told, 0..1 (as the network gives it,
            not calibrated); of a model of
            several labels: the lowest probability of one that is told.
        out: of a detector: a new folder for the pictures with their boxes drawn.

    Returns:
        One Prediction per image, in order: `.path`, `.label`, `.probability` in 0..1, `.top` (at
        most five), `.labels` of a model of several, `.boxes` of a detector (edges in px of the
        upright image from its upper left: left, top, right, bottom); `.error` where it could not be
            read.

    Raises:
        BadDataError: a path at which nothing is, a folder without images, no image that can be
        read.

    Example:
        >>> import seedbed as sb, tempfile
        >>> from PIL import Image
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> measured = sb.transfer("small(width=4, weights='random')", store, "probe(c=[10.0])", train_per_class=10)
        >>> Image.fromarray(store.pixels[0]).save(folder + "/new.png")
        >>> [found] = sb.predict(measured.model, folder + "/new.png")
        >>> found.label in measured.model.classes, 0 < found.probability <= 1
        (True, True)
    """
    from seedbed.readout.detector import DetectorModel as DetectorOfSeedbed
    from seedbed.readout.model import Model as ModelOfSeedbed
    from seedbed.readout.prediction import detect_in_files, image_files, predict_files

    made = (
        model
        if isinstance(model, ModelOfSeedbed | DetectorOfSeedbed)
        else load(model, device=device)
    )
    if not 0 <= above <= 1:
        raise UsageError(f"above = {above} is no score between 0 and 1")
    folder = new_folder(out)
    if folder is not None and isinstance(made, ModelOfSeedbed):
        raise UsageError(
            f"{made!r} finds no boxes to draw",
            "Leave out=... (--out) away: pictures are drawn for detectors.",
        )
    files = image_files([paths] if isinstance(paths, str | os.PathLike) else paths)
    if not files:
        raise UsageError("no images were named", "Give image files, or folders of them.")
    if isinstance(made, ModelOfSeedbed):
        found = predict_files(made, files, made.card.get("fit", "crop"), on_progress, above)
    else:
        found = detect_in_files(made, files, above, on_progress)
    if all(one.error for one in found):
        raise BadDataError(
            f"none of the {len(found):,} images can be read: {found[0].path}: {found[0].error}",
            "Name image files.",
        )
    if folder is not None:
        _draw(found, made.classes, folder)
    return found


def _draw(found: Sequence[Prediction], classes: Sequence[str], folder: Path) -> None:
    """The pictures with their boxes, in a new folder."""
    from seedbed.writeup.box_drawing import draw_files

    with written_aside(folder) as aside:
        draw_files(found, classes, aside)


def export(
    model: Model | DetectorModel | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    format: str = "onnx",
) -> float:
    """Write a model for other software: "onnx", "torch-export", or "timm"; what goes in and comes
    out stands in docs/own-images.md.

    Returns:
        The largest absolute difference between the exported model and the original, of scores and
        probabilities, on random images.

    Raises:
        UsageError: an unknown format, a place that is taken, a package that is not installed, a
        model that the format cannot hold.

    Example:
        >>> import seedbed as sb, tempfile
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=8)
        >>> measured = sb.transfer("small(width=4, weights='random')", store, "probe(c=[10.0])", train_per_class=10)
        >>> sb.export(measured.model, tempfile.mkdtemp() + "/model.pt2", format="torch-export") < 1e-4
        True
    """
    from seedbed.readout.export import export_model
    from seedbed.readout.model import Model as ModelOfSeedbed

    made = load(model, device="cpu") if isinstance(model, str | os.PathLike) else model
    if not isinstance(made, ModelOfSeedbed):
        raise UsageError(
            f"{made!r} cannot be exported", "Detectors are used here: seedbed predict MODEL IMAGE."
        )
    return export_model(made, expand_user(out), format)


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest images of one query: ids, labels and cosine similarities in -1..1, the nearest
    first."""

    query: str
    ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    similarities: tuple[float, ...] = ()
    error: str | None = None  # why the query could not be read; it has no neighbours then


def similar(
    backbone: Backbone | str | Path,
    data: Store | Source | str | Path,
    images: Paths,
    *,
    num: int = 5,
    layer: str = "penultimate",
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
) -> list[Neighbours]:
    """The nearest images of a data set by a network's codes, cosine similarity.

    Args:
        backbone: a Backbone, the folder of one or of a model, `small`, or a call string.
        data: a store or a source, which is packed into the workspace at the backbone's size.
        images: image files, folders of them, or several of both.
        num: how many neighbours of each.

    Raises:
        UsageError: more neighbours than images, an unknown layer.
        BadDataError: a path at which nothing is, no image that can be read.

    Example:
        >>> import seedbed as sb, tempfile
        >>> from PIL import Image
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> Image.fromarray(store.pixels[5]).save(folder + "/five.png")
        >>> [found] = sb.similar("small(width=4, weights='random')", store, folder + "/five.png", num=1)
        >>> found.ids, found.labels
        (('0005',), ('5',))
    """
    from seedbed.models.codes import codes as codes_of
    from seedbed.readout.neighbours import nearest
    from seedbed.readout.prediction import decode_files, decoded_images, image_files

    net = open_for(backbone, device, data, 0)
    files = image_files([images] if isinstance(images, str | os.PathLike) else images)
    store = open_store(data, net.preprocessing.store_px, workspace, on_pack)
    if not 1 <= num <= store.num_images:
        raise UsageError(
            f"{num} neighbours are not between 1 and the {store.num_images:,} images of {store.name}"
        )
    gallery = codes_of(net, net.images(store, np.arange(store.num_images)), layer, on_progress)
    found: list[Neighbours] = []
    for part in decode_files(files, net, store.fit):
        rows = iter(())
        if len(part.pixels):
            rows = zip(
                *nearest(gallery, codes_of(net, decoded_images(part, net), layer), num), strict=True
            )
        for i, path in enumerate(part.paths):
            error = part.errors.get(i)
            found.append(
                Neighbours(query=str(path), error=error)
                if error
                else _neighbours(store, path, *next(rows))
            )
    if all(one.error for one in found):
        raise BadDataError(
            f"none of the {len(found):,} images can be read: {found[0].query}: {found[0].error}",
            "Name image files.",
        )
    return found


def _neighbours(
    store: Store, path: Path, similarities: torch.Tensor, rows: torch.Tensor
) -> Neighbours:
    where = rows.numpy()
    return Neighbours(
        query=str(path),
        ids=tuple(str(i) for i in store.ids[where]),
        # some images have no single label
        labels=tuple(store.classes[leaf] if leaf >= 0 else "" for leaf in store.leaves[where]),
        similarities=tuple(float(s) for s in similarities),
    )
