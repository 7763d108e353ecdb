"""Similarity and transferability, measured for the networks of a race.

In: contenders. Out: how alike the task's images are to what a network was trained on, which classes
it has seen, and scores of how well each may serve. The images of a network's source are not needed:
its card keeps codes of some of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedbed.advice.candidate import short
from seedbed.advice.contender import Contender
from seedbed.advice.scenario import Scenario, size_of
from seedbed.advice.task_by_size import rough
from seedbed.base.errors import SeedbedError
from seedbed.data.formats import open_source
from seedbed.data.images import Resident
from seedbed.data.wordnet import is_synset, wordnet
from seedbed.models.checkpoint import CARD_CODES
from seedbed.models.codes import codes, logits
from seedbed.readout.similarity import Similarity, similarity
from seedbed.readout.transferability import h_score, knn_accuracy, leep, logme, nce

_NUM_FAR = 256  # digits that stand for what is far
_MOST = 2_000  # known images that scores are told from


def scenario_of(contenders: Sequence[Contender], folders: dict[str, Path | None]) -> Scenario:
    """Where the task stands; the first contender whose card keeps codes of its source tells how
    alike the images are.

    Args:
        contenders: the most interesting first.
        folders: of each by name, where its card's codes lie; None where it has none.
    """
    num = len(contenders[0].task.known)
    scores = {c.name: transferability(c) for c in contenders}
    for contender in contenders:
        source = _source_codes(folders.get(contender.name), contender.backbone.layer().dim)
        if source is None:
            continue
        found = _alike(contender, source)
        similar = found.position is not None
        return Scenario(
            size=size_of(num),
            similarity=("similar" if found.word == "similar" else "different")
            if similar
            else "unknown",
            num_known=num,
            measured=found,
            compared_with=f"what {short(contender.name)} was trained on ({short(str(contender.backbone.card.get('source')))})",
            shared_classes=shared_with_source(contender),
            scores=scores,
        )
    why = "no network here keeps codes of its source's images beside its weights"
    return Scenario(
        size=size_of(num),
        similarity="unknown",
        num_known=num,
        measured=None,
        compared_with=why,
        scores=scores,
    )


def _source_codes(folder: Path | None, dim: int) -> torch.Tensor | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if folder is None or not (folder / CARD_CODES).is_file():
        return None
    try:
        found = load_file(folder / CARD_CODES)["codes"].float()
    except (OSError, SafetensorError, KeyError):
        return None  # as good as none
    return found if found.ndim == 2 and found.shape[1] == dim else None


def _alike(contender: Contender, source: torch.Tensor) -> Similarity:
    task = rough(contender.task, _MOST)
    target = contender.codes_of(task, contender.backbone.penultimate)
    return similarity(source, target, _digits(contender))


def _digits(contender: Contender) -> torch.Tensor:
    """Codes of handwritten digits: what is far from any photograph."""
    source, preprocessing = open_source("digits()"), contender.backbone.preprocessing
    rows = np.arange(_NUM_FAR)
    pixels = source.pixels.load(rows, preprocessing.store_px).pixels
    return codes(
        contender.backbone, Resident(pixels, rows, None, contender.backbone.device, preprocessing)
    )


def transferability(contender: Contender) -> dict[str, float]:
    """LogME, H-score and k-NN on the penultimate codes; LEEP and NCE where the network has a head
    of its own classes."""
    task, backbone = rough(contender.task, _MOST), contender.backbone
    images, labels = (
        backbone.images(task.store, task.known),
        torch.from_numpy(task.labels(task.known)),
    )
    found = contender.codes_of(task, backbone.penultimate)
    scores = {
        "logme": logme(found, labels),
        "h_score": h_score(found, labels),
        "knn": knn_accuracy(found, labels),
    }
    # codes that never vary have none
    scores = {name: value for name, value in scores.items() if math.isfinite(value)}
    if backbone.card.get("images_seen") == 0 or len(backbone.classes) < 2:
        return scores  # a head that was never trained says nothing
    said = logits(backbone, images)
    return scores | {
        "leep": leep(torch.softmax(said, 1), labels),
        "nce": nce(said.argmax(1), labels),
    }


def shared_with_source(contender: Contender) -> tuple[str, ...]:
    """Classes of the task that a network was trained on, or on kinds of, by WordNet; those whose
    names say nothing are left out."""
    theirs = [label for label in contender.backbone.classes if is_synset(label)]
    if not theirs:
        return ()
    try:
        tree = wordnet().hierarchy(theirs)
    except SeedbedError:
        return ()
    names: dict[str, Any] = contender.task.store.names
    return tuple(
        c
        for c in contender.task.classes
        if (node := _node(c, names.get(c, c))) in tree.nodes and tree.under(node, theirs)
    )


def _node(label: str, words: str) -> str:
    """The synset of a class: its label, or the first meaning of what it is called."""
    if is_synset(label):
        return label
    first = words.split("/")[-1].partition(",")[0].replace("_", " ").replace("-", " ").strip()
    meanings = wordnet().meanings(first)
    return wordnet().id(meanings[0]) if meanings else ""
