"""Retrieval: the queries and answers of a set such as Holidays, or the classes of any labelled
images.

In: a store. Out: a task. Of labelled images each test image is a query, the other test images are
searched, and training images are what a whitening may be fitted on; of the other sets that is
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
from seedbed.tasks.retrieval import PRIMARY, RetrievalTask

_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Retrieval(TaskSpec):
    """Which images of a gallery answer a query: Holidays, Oxford and Paris, UKBench by their own
    protocols, or images of the same class."""

    metric: (
        Literal[
            "map_holidays", "map_oxford", "ns_score", "map_retrieval", "recall_at_1", "recall_at_4"
        ]
        | None
    ) = None

    def load(self, store: Store, seed: int, *, needs_training_images: bool = True) -> RetrievalTask:
        given = store.annotations
        train = np.flatnonzero(store.splits == TRAIN)
        test = np.flatnonzero(store.splits == TEST)
        if not needs_training_images and store.only_held_out:
            train, test = _NOTHING, store.held_out_rows
        if isinstance(given, Relevance):
            protocol = str(given.protocol)
            queries, gallery = given.queries, given.gallery
            answered = np.bincount(given.of_query[given.values > 0], minlength=len(queries)) > 0
            if not answered.all():
                raise BadDataError(
                    f"{int((~answered).sum()):,} queries of {store.name} have no answer left, {store.ids[queries[~answered][0]]} the first",
                    f"The images that answer them could not be read: they are listed in {store.unreadable}. Repair them, and pack again.",
                )
        else:
            store.must_have_one_label()
            protocol = "classes"
            queries = gallery = _with_company(store, test)
        task = RetrievalTask(
            store=store,
            train=train,
            validation=_NOTHING,
            test=queries,
            gallery=gallery,
            protocol=protocol,
            primary=self.metric or PRIMARY[protocol],
        )
        if task.primary not in task.metrics:
            raise BadDataError(
                f"{store.name} is not measured by {task.primary}",
                f"Its metrics: {', '.join(task.metrics)}.",
            )
        return task


def _with_company(store: Store, test: np.ndarray) -> np.ndarray:
    """Test images of classes that have two or more of them."""
    sizes = np.bincount(store.leaves[test], minlength=len(store.classes))
    found = test[sizes[store.leaves[test]] > 1]
    if not len(found):
        raise BadDataError(
            f"no class of {store.name} has two test images",
            "A query needs another image of its class to be found.",
        )
    return found
