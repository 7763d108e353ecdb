"""The scenario of a task, measured: similarity to pre-training images and transferability scores.

In: contenders. Out: the distance between the task's images and a network's pre-training images, the
classes they share, and transferability scores of each network. The pre-training images themselves
are not needed: codes of some of them are kept with a network (`models.reference_codes`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from seedbed.models.codes import codes, logits
from seedbed.models.reference_codes import ReferenceCodes
from seedbed.readout.similarity import Similarity, similarity
from seedbed.readout.transferability import h_score, knn_accuracy, leep, logme, nce

# handwritten digits, the reference for images that are far from photographs
_NUM_DIGITS = 256
# labelled images that the scores are computed from
_MAX_IMAGES = 2_000


def measure_scenario(
    contenders: Sequence[Contender], references: Mapping[str, ReferenceCodes | None]
) -> Scenario:
    """Measure the scenario with the first contender that has reference codes.

    Args:
        contenders: the most interesting first.
        references: by contender's name; None where a network has none.
    """
    num = len(contenders[0].task.known)
    scores = {c.name: transferability(c) for c in contenders}
    for contender in contenders:
        reference = references.get(contender.name)
        if reference is None or reference.codes.shape[1:] != (contender.backbone.layer().dim,):
            continue
        measured = _measure_similarity(contender, reference.codes)
        return Scenario(
            size=size_class(num),
            similarity=_similarity_class(measured),
            num_labelled=num,
            measured=measured,
            compared_with=_compared_with(contender, reference),
            shared_classes=shared_with_source(contender),
            scores=scores,
        )
    return Scenario(
        size=size_class(num),
        similarity="unknown",
        num_labelled=num,
        measured=None,
        compared_with="no network here has reference codes (seedbed reference-codes makes them)",
        scores=scores,
    )


def _similarity_class(measured: Similarity) -> Any:
    if measured.position is None:
        return "unknown"
    return "similar" if measured.word == "similar" else "different"


def _compared_with(contender: Contender, reference: ReferenceCodes) -> str:
    """What the target was compared with, in words."""
    name, source = short_name(contender.name), short_name(reference.source)
    if reference.of_pretraining:
        return f"the pre-training images of {name}{', ' if source else ''}{source}"
    return f"{source or 'the reference images'}, by the codes of {name}"


def _measure_similarity(contender: Contender, source_codes: torch.Tensor) -> Similarity:
    task = subset_task(contender.task, _MAX_IMAGES)
    target_codes = contender.codes_of(task, contender.backbone.penultimate)
    return similarity(source_codes, target_codes, _digit_codes(contender))


def _digit_codes(contender: Contender) -> torch.Tensor:
    """Codes of handwritten digits, which are far from any photograph."""
    source, preprocessing = open_source("digits()"), contender.backbone.preprocessing
    rows = np.arange(_NUM_DIGITS)
    pixels = source.pixels.load(rows, preprocessing.store_px, preprocessing.fit).pixels
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
