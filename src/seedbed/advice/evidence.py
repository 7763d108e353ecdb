"""The scenario of a task, measured: similarity to pre-training images and transferability scores.

In: contenders. Out: the distance between the task's images and a network's pre-training images, the
classes they share, and transferability scores of each network. The pre-training images themselves
are not needed: a backbone's folder stores the codes of some of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedbed.advice.candidate import short_name
from seedbed.advice.contender import Contender
from seedbed.advice.scenario import Scenario, size_class
from seedbed.advice.task_by_size import subset_task
from seedbed.base.errors import SeedbedError
from seedbed.data.formats import open_source
from seedbed.data.images import Resident
from seedbed.data.wordnet import is_synset, wordnet
from seedbed.models.checkpoint import CARD_CODES
from seedbed.models.codes import codes, logits
from seedbed.readout.similarity import Similarity, similarity
from seedbed.readout.transferability import h_score, knn_accuracy, leep, logme, nce

# handwritten digits, the reference for images that are far from photographs
_NUM_DIGITS = 256
# labelled images that the scores are computed from
_MAX_IMAGES = 2_000


def measure_scenario(
    contenders: Sequence[Contender], code_folders: dict[str, Path | None]
) -> Scenario:
    """Measure the scenario with the first contender that has stored codes of its pre-training.

    Args:
        contenders: the most interesting first.
        code_folders: by contender's name, the folder with the stored codes; None if there is none.
    """
    num = len(contenders[0].task.known)
    scores = {c.name: transferability(c) for c in contenders}
    for contender in contenders:
        dim = contender.backbone.layer().dim
        source_codes = _load_source_codes(code_folders.get(contender.name), dim)
        if source_codes is None:
            continue
        measured = _measure_similarity(contender, source_codes)
        source = contender.backbone.card.get("source")
        source_name = f", {short_name(str(source))}" if source else ""
        return Scenario(
            size=size_class(num),
            similarity=_similarity_class(measured),
            num_labelled=num,
            measured=measured,
            compared_with=f"the pre-training images of {short_name(contender.name)}{source_name}",
            shared_classes=shared_with_source(contender),
            scores=scores,
        )
    return Scenario(
        size=size_class(num),
        similarity="unknown",
        num_labelled=num,
        measured=None,
        compared_with="no network here stores codes of its pre-training images",
        scores=scores,
    )


def _similarity_class(measured: Similarity) -> Any:
    if measured.position is None:
        return "unknown"
    return "similar" if measured.word == "similar" else "different"


def _load_source_codes(folder: Path | None, dim: int) -> torch.Tensor | None:
    """Stored codes of pre-training images; None if there are none of this dimension."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if folder is None or not (folder / CARD_CODES).is_file():
        return None
    try:
        source_codes = load_file(folder / CARD_CODES)["codes"].float()
    except (OSError, SafetensorError, KeyError):
        return None
    return source_codes if source_codes.ndim == 2 and source_codes.shape[1] == dim else None


def _measure_similarity(contender: Contender, source_codes: torch.Tensor) -> Similarity:
    task = subset_task(contender.task, _MAX_IMAGES)
    target_codes = contender.codes_of(task, contender.backbone.penultimate)
    return similarity(source_codes, target_codes, _digit_codes(contender))


def _digit_codes(contender: Contender) -> torch.Tensor:
    """Codes of handwritten digits, which are far from any photograph."""
    source, preprocessing = open_source("digits()"), contender.backbone.preprocessing
    rows = np.arange(_NUM_DIGITS)
    pixels = source.pixels.load(rows, preprocessing.store_px).pixels
    return codes(
        contender.backbone, Resident(pixels, rows, None, contender.backbone.device, preprocessing)
    )


def transferability(contender: Contender) -> dict[str, float]:
    """Transferability scores from the penultimate codes: LogME, H-score and k-NN.

    LEEP and NCE too, if the network has a trained head of its pre-training classes.
    """
    task, backbone = subset_task(contender.task, _MAX_IMAGES), contender.backbone
    images = backbone.images(task.store, task.known)
    labels = torch.from_numpy(task.labels(task.known))
    features = contender.codes_of(task, backbone.penultimate)
    scores = {
        "logme": logme(features, labels),
        "h_score": h_score(features, labels),
        "knn": knn_accuracy(features, labels),
    }
    # Constant codes have no finite score.
    scores = {name: value for name, value in scores.items() if math.isfinite(value)}
    is_head_untrained = backbone.card.get("images_seen") == 0
    if is_head_untrained or len(backbone.classes) < 2:
        return scores
    source_logits = logits(backbone, images)
    return scores | {
        "leep": leep(torch.softmax(source_logits, 1), labels),
        "nce": nce(source_logits.argmax(1), labels),
    }


def shared_with_source(contender: Contender) -> tuple[str, ...]:
    """Classes of the task that the network was pre-trained on, or on hyponyms of, by WordNet.

    Classes whose names are not in WordNet are left out.
    """
    source_classes = [label for label in contender.backbone.classes if is_synset(label)]
    if not source_classes:
        return ()
    try:
        tree = wordnet().hierarchy(source_classes)
    except SeedbedError:
        return ()
    names: dict[str, Any] = contender.task.store.names
    return tuple(
        c
        for c in contender.task.classes
        if (node := _synset(c, names.get(c, c))) in tree.nodes and tree.under(node, source_classes)
    )


def _synset(label: str, name: str) -> str:
    """The synset of a class: its label, or the first meaning of its name; "" if there is none."""
    if is_synset(label):
        return label
    first = name.split("/")[-1].partition(",")[0].replace("_", " ").replace("-", " ").strip()
    meanings = wordnet().meanings(first)
    return wordnet().id(meanings[0]) if meanings else ""
