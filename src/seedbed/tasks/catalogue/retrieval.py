"""Retrieval: the queries of a set such as Holidays, or the classes of any labelled images.

In: a store. Out: a task. In labelled images each test image is a query, the other test images are
searched, and a whitening may be fitted on the training images. For the other sets it is fitted on
another data set, named with `learn_on`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.data.annotations import Relevance
from seedbed.data.source import TEST, TRAIN
from seedbed.data.store import Store
from seedbed.tasks.catalogue import TaskSpec
from seedbed.tasks.retrieval import PROTOCOLS, RetrievalTask

_NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Retrieval(TaskSpec):
    """Which images of a gallery are relevant to a query.

    Holidays, Oxford and Paris, and UKBench have their own protocols; in labelled images those of
    the same class are relevant. `metric`: the primary one, where the protocol has several.
    """

    metric: (
        Literal[
            "map_holidays", "map_oxford", "ns_score", "map_retrieval", "recall_at_1", "recall_at_4"
        ]
        | None
    ) = None

    def load(self, store: Store, seed: int, *, needs_training_images: bool = True) -> RetrievalTask:
        annotations = store.annotations
        train = np.flatnonzero(store.splits == TRAIN)
        test = np.flatnonzero(store.splits == TEST)
        if not needs_training_images and store.only_held_out:
            train, test = _NO_ROWS, store.held_out_rows
        if isinstance(annotations, Relevance):
            _check_answered(store, annotations)
            protocol = str(annotations.protocol)
            queries, gallery = annotations.queries, annotations.gallery
        else:
            store.require_single_label()
            protocol = "classes"
            queries = gallery = _rows_with_classmates(store, test)
        names = [metric.name for metric in PROTOCOLS[protocol]]
        if self.metric is not None and self.metric not in names:
            raise BadDataError(
                f"{store.name} is not measured by {self.metric}",
                f"Its metrics: {', '.join(names)}.",
            )
        return RetrievalTask(
            store=store,
            train=train,
            validation=_NO_ROWS,
            test=queries,
            gallery=gallery,
            protocol=protocol,
            primary=self.metric or names[0],
        )


def _check_answered(store: Store, relevance: Relevance) -> None:
    """Raise BadDataError where no relevant image of a query is left in the store."""
    positives = relevance.of_query[relevance.values > 0]
    unanswered = np.bincount(positives, minlength=len(relevance.queries)) == 0
    if unanswered.any():
        first = store.ids[relevance.queries[unanswered][0]]
        raise BadDataError(
            f"{int(unanswered.sum()):,} queries of {store.name} have no relevant image left, "
            f"{first} is the first",
            f"Their relevant images could not be read; they are listed in {store.unreadable}. "
            "Repair them, and pack again.",
        )


def _rows_with_classmates(store: Store, test: np.ndarray) -> np.ndarray:
    """Test images of classes that have two or more of them."""
    sizes = np.bincount(store.leaves[test], minlength=len(store.classes))
    rows = test[sizes[store.leaves[test]] > 1]
    if not len(rows):
        raise BadDataError(
            f"no class of {store.name} has two test images",
            "A query needs another test image of its class.",
        )
    return rows
