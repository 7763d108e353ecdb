"""Model verbs: load a trained model, predict, find similar images, export.

In: the folder of a model, images. Out: predictions, neighbours, files for other software.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from seedbed.base.artifacts import Workspace, atomic_folder, new_folder
from seedbed.base.device import resolve_device
from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.engine.opening import open_backbone_for, open_store_for
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import CARD
from seedbed.models.codes import codes
from seedbed.models.resolve import backbone_folder
from seedbed.readout.export import export_format, export_model
from seedbed.readout.loading import load_trained
from seedbed.readout.model import Model
from seedbed.readout.neighbours import nearest
from seedbed.readout.prediction import (
    ImageInput,
    ImageInputs,
    MemoryImage,
    Prediction,
    decode_files,
    decoded_images,
    image_inputs,
)
from seedbed.readout.trained_model import TrainedModel
from seedbed.writeup.box_drawing import draw_files

OnProgress = Callable[[int, int], None]


def load(model: str | os.PathLike[str], *, device: str = "auto") -> TrainedModel:
    """Load the model in a folder that `transfer` or `advise` wrote.

    The folder of a backbone is a model by its own head. Every model has `.classes` and
    `.predict(paths)`.

    Raises BadDataError for a folder without a model, or a damaged one.

    Example:
        >>> import seedbed as sb
        >>> model = sb.load("small")
        >>> len(model.classes), model.num_calibrated
        (200, 0)
    """
    folder = backbone_folder(model)
    if folder is None:
        raise BadDataError(
            f"there is no {model}",
            "Name a folder that seedbed transfer --out or seedbed advise wrote.",
        )
    if not (folder / CARD).is_file():
        raise BadDataError(
            f"{model} is not a model: it has no {CARD}",
            'Make one: seedbed transfer small DATA "probe()" --out MODEL; then name MODEL.',
        )
    trained = load_trained(folder)
    trained.to(resolve_device(device))
    return trained


def predict(
    model: TrainedModel | str | os.PathLike[str],
    images: ImageInputs,
    *,
    above: float = 0.5,
    out: str | os.PathLike[str] | None = None,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> list[Prediction]:
    """Predict the classes of images with calibrated probabilities, or detect boxes in them.

    Args:
        model: a model, or its folder.
        images: image files, folders of them, Pillow images, arrays [h, w] or [h, w, 3], tensors
            [3, h, w], a batch [n, ...] of these, or several of all. uint8, or floats in 0..1.
        above: the lowest score to report, 0..1: of a box (not calibrated), or of a label of a model
            with several labels.
        out: for detectors: a new folder for the images with their boxes drawn.

    Returns:
        One Prediction per image, in order: `.path`, `.label`, `.probability` in 0..1, `.top` (at
        most five), `.labels` for several labels, `.boxes` for detectors (left, top, right and
        bottom in px of the upright image); `.error` if the image cannot be read.

    Raises:
        UsageError: `above` out of range, no images named, `out` for a model that draws no boxes.
        BadDataError: a missing path, a folder without images, no readable image.

    Example:
        >>> import seedbed as sb, tempfile
        >>> from PIL import Image
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> measured = sb.transfer(
        ...     "small(width=4, weights='random')", store, "probe(c=[10.0])", train_per_class=10,
        ...     workspace=folder,
        ... )
        >>> Image.fromarray(store.pixels[0]).save(folder + "/new.png")
        >>> [prediction] = sb.predict(measured.model, folder + "/new.png")
        >>> prediction.label in measured.model.classes, 0 < prediction.probability <= 1
        (True, True)
    """
    trained = load(model, device=device) if isinstance(model, str | os.PathLike) else model
    folder = new_folder(out)
    if folder is not None and not trained.finds_boxes:
        raise UsageError(
            f"{trained!r} finds no boxes to draw", "Leave out --out: it is for detectors."
        )
    if folder is not None and any(isinstance(i, MemoryImage) for i in image_inputs(images)):
        raise UsageError("boxes are drawn into image files alone", "Leave out `out`.")
    predictions = trained.predict(images, above=above, on_progress=on_progress)
    if folder is not None:
        with atomic_folder(folder) as temporary:
            draw_files(predictions, trained.classes, temporary)
    return predictions


def export(
    model: TrainedModel | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    format: str | None = None,
) -> float:
    """Write a model for other software.

    Args:
        format: "onnx", "torch-export", or "timm" (docs: export a model). None: by the suffix of
            `out`, .onnx or .pt2.

    Returns:
        The largest absolute difference between the exported model and the original, of scores and
        probabilities, on random images.

    Raises:
        UsageError: an unknown format, an existing path, a package that is not installed, a model
            that the format cannot hold.

    Example:
        >>> import seedbed as sb, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> measured = sb.transfer(
        ...     "small(width=4, weights='random')", store, "probe(c=[10.0])", train_per_class=10,
        ...     workspace=folder,
        ... )
        >>> sb.export(measured.model, folder + "/model.pt2") < 1e-4
        True
    """
    trained = load(model, device="cpu") if isinstance(model, str | os.PathLike) else model
    if not isinstance(trained, Model):
        raise UsageError(
            f"{trained!r} cannot be exported", "Use detectors here: seedbed predict MODEL IMAGE."
        )
    path = expand_user(out)
    return export_model(trained, path, export_format(path, format))


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest images of one query: ids, labels and cosine similarities in -1..1, nearest first;
    `error` if the query cannot be read."""

    query: str
    ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    similarities: tuple[float, ...] = ()
    error: str | None = None


def similar(
    backbone: Backbone | str | os.PathLike[str],
    data: Store | Source | str | os.PathLike[str],
    images: ImageInputs,
    *,
    num: int = 5,
    layer: str = "penultimate",
    device: str = "auto",
    workspace: str | os.PathLike[str] | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
) -> list[Neighbours]:
    """Find the nearest images of a data set, by cosine similarity of a network's codes.

    Args:
        backbone: a Backbone, the folder of one or of a model, `small`, or a call string.
        data: a store or a source, which is packed into the workspace at the backbone's size.
        images: image files, folders, or images in memory, as for `predict`.
        num: number of neighbours of each.

    Raises:
        UsageError: more neighbours than images, an unknown layer.
        BadDataError: a missing path, no readable image.

    Example:
        >>> import seedbed as sb, tempfile
        >>> from PIL import Image
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> Image.fromarray(store.pixels[5]).save(folder + "/five.png")
        >>> [result] = sb.similar(
        ...     "small(width=4, weights='random')", store, folder + "/five.png", num=1
        ... )
        >>> result.ids, result.labels
        (('0005',), ('5',))
    """
    net = open_backbone_for(backbone, data, device=device)
    files = image_inputs(images)
    space = Workspace.at(workspace)
    store = open_store_for(net, data, space, on_pack)
    if not 1 <= num <= store.num_images:
        raise UsageError(
            f"num = {num} must lie in 1..{store.num_images:,}, the number of images of {store.name}"
        )
    gallery = codes(net, net.images(store, np.arange(store.num_images)), layer, on_progress)
    results: list[Neighbours] = []
    for part in decode_files(files, net, store.fit, store.white):
        rows = iter(())
        if len(part.pixels):
            queries = codes(net, decoded_images(part, net), layer)
            rows = zip(*nearest(gallery, queries, num), strict=True)
        for i, path in enumerate(part.paths):
            if error := part.errors.get(i):
                results.append(Neighbours(query=str(path), error=error))
            else:
                results.append(_neighbours(store, path, *next(rows)))
    if all(result.error for result in results):
        first = results[0]
        raise BadDataError(
            f"none of the {len(results):,} images can be read: {first.query}: {first.error}",
            "Name image files.",
        )
    return results


def _neighbours(
    store: Store, path: ImageInput, similarities: torch.Tensor, rows: torch.Tensor
) -> Neighbours:
    indices = rows.numpy()
    # Some images have no single label.
    labels = (store.classes[leaf] if leaf >= 0 else "" for leaf in store.leaves[indices])
    return Neighbours(
        query=str(path),
        ids=tuple(str(i) for i in store.ids[indices]),
        labels=tuple(labels),
        similarities=tuple(float(s) for s in similarities),
    )
