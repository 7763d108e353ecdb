"""Retrieval: which images of a gallery are relevant to a query, scored by the protocol of the set.

In: a store with queries and the relevance of images to them, or with labels. Out: queries, gallery,
the images that a whitening may be fitted on, and the score of rankings. Relevance is read in
scoring alone.

Protocols: *holidays* and *classes*: the query is removed from its own ranking; *oxford*: junk is
removed, the query is a crop; *ukbench*: the query itself counts among the four. In *classes* the
other test images of the query's class are relevant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from seedbed.data.annotations import Relevance
from seedbed.metrics import MeanMetric
from seedbed.metrics.retrieval import (
    GROUP,
    MAP_HOLIDAYS,
    MAP_OXFORD,
    MAP_RETRIEVAL,
    NS_SCORE,
    RECALL_AT_1,
    RECALL_AT_4,
    group_hits,
    recall_at,
    trapezoid_aps,
)
from seedbed.tasks.export_results import write_ranking, write_ranking_lists
from seedbed.tasks.task import Measurement, Task

# The metrics of each protocol; the first is the primary one unless another is chosen.
PROTOCOLS: Mapping[str, tuple[MeanMetric, ...]] = {
    "holidays": (MAP_HOLIDAYS,),
    "oxford": (MAP_OXFORD,),
    "ukbench": (NS_SCORE, RECALL_AT_4),
    "classes": (MAP_RETRIEVAL, RECALL_AT_1),
}
_OMITS_QUERY = ("holidays", "classes")
_BLOCK = 2**24  # ranks held in memory at once
_MAX_STORED = 10_000_000  # ranks: rankings with fewer in all are stored whole
NUM_STORED = 100  # ranks of each query that are stored otherwise

# Positions of queries -> positions in the gallery, best first, -1 where the search returned no
# more: int64 [b, g].
Rank = Callable[[np.ndarray], np.ndarray]


@final
@dataclass(frozen=True, kw_only=True)
class RetrievalTask(Task):
    """Find the images that are relevant to each query.

    `test` are the queries; `train` are images that a whitening may be fitted on.
    """

    kind: ClassVar[str] = "retrieval"

    primary: str
    protocol: str
    gallery: np.ndarray  # int64 [g], rows that are searched

    @property
    def metrics(self) -> tuple[str, ...]:
        names = [metric.name for metric in PROTOCOLS[self.protocol]]
        return tuple(sorted(names, key=lambda name: name != self.primary))

    def _relevance(self, queries: np.ndarray) -> np.ndarray:
        """Relevance of each gallery image to some queries (positions): int8 [b, g], 1 relevant, 0
        not, -1 removed from the ranking."""
        relevance = np.zeros((len(queries), len(self.gallery)), np.int8)
        rows = self.test[queries]
        annotations = self.store.annotations
        if isinstance(annotations, Relevance):
            column = np.full(self.store.num_images, -1, np.int64)
            column[self.gallery] = np.arange(len(self.gallery))
            line = np.full(len(self.test), -1, np.int64)
            line[queries] = np.arange(len(queries))
            here = line[annotations.of_query] >= 0
            lines, columns = line[annotations.of_query[here]], column[annotations.rows[here]]
            relevance[lines, columns] = annotations.values[here]
        else:
            leaves = self.store.leaves
            relevance[leaves[rows][:, None] == leaves[self.gallery][None]] = 1
        if self.protocol in _OMITS_QUERY:
            relevance[self.gallery[None] == rows[:, None]] = -1
        return relevance

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        return []

    def meaning(self) -> str:
        # Finished work is stored under this text: its form must not change.
        annotations, leaves = self.store.annotations, self.store.leaves
        relevance = leaves[self.gallery].tolist() if annotations is None else annotations.digest()
        gallery = self.store.checksums[self.gallery].tolist()
        text = f"{self.kind} {self.store.meaning} {self.protocol} {gallery} {relevance}"
        is_default = self.primary == PROTOCOLS[self.protocol][0].name
        return text if is_default else f"{text} {self.primary}"

    def score(
        self, predictions: Rank, /, facts: Mapping[str, object], model: Any = None
    ) -> Measurement:
        """The measurement of rankings; the function is called with some queries at a time."""
        num = max(1, _BLOCK // max(1, len(self.gallery)))
        blocks = [
            self._score_block(predictions, np.arange(i, min(i + num, len(self.test))))
            for i in range(0, len(self.test), num)
        ]
        arrays = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        return Measurement(
            metrics={name: float(arrays[f"unit.{name}"].mean()) for name in self.metrics},
            primary=self.primary,
            predictions={
                "ids": self.store.hashes[self.test],
                "gallery": self.store.hashes[self.gallery],
                **arrays,
            },
            task=self.fingerprint,
            facts=facts,
            fitted=model,
        )

    @property
    def _num_stored(self) -> int:
        num_ranks = len(self.test) * len(self.gallery)
        return len(self.gallery) if num_ranks <= _MAX_STORED else NUM_STORED

    def _score_block(self, rank: Rank, queries: np.ndarray) -> dict[str, np.ndarray]:
        """For some queries: the value of each metric, the first ranks, and their relevance."""
        relevance, ranked = self._relevance(queries), rank(queries)
        if ranked.shape[1] < GROUP:  # an approximate search that returned fewer
            ranked = np.pad(ranked, ((0, 0), (0, GROUP - ranked.shape[1])), constant_values=-1)
        relevant = np.where(
            ranked < 0, 0, np.take_along_axis(relevance, np.maximum(ranked, 0), axis=1)
        )
        num_positives = (relevance > 0).sum(1)
        # Removed images go to the end, so that positions are ranks among the others.
        order = np.argsort(relevant < 0, axis=1, kind="stable")[:, : self._num_stored]
        first, shown = (
            np.take_along_axis(ranked, order, axis=1),
            np.take_along_axis(relevant, order, axis=1),
        )
        values: dict[str, np.ndarray] = {}
        if self.protocol == "ukbench":
            hits = group_hits(shown > 0).astype(np.float64)
            values = {NS_SCORE.name: hits, RECALL_AT_4.name: 100.0 * hits / GROUP}
        else:
            values[PROTOCOLS[self.protocol][0].name] = trapezoid_aps(relevant, num_positives)
        if self.protocol == "classes":
            values[RECALL_AT_1.name] = recall_at(shown > 0, 1)
        return {
            **{f"unit.{name}": v for name, v in values.items()},
            "labels": num_positives.astype(np.int32),
            "ranked": first.astype(np.int32),
            "right": shown.astype(np.int8),
        }

    def write_results(self, measured: Measurement, folder: Path) -> None:
        """Write the rankings, and for Oxford a list of each query.

        Images are named as in the ground truth: in Oxford without folder and suffix, in other sets
        by their file; images of classes by their path.
        """
        ids = [str(i) for i in self.store.ids]
        if self.protocol == "oxford":
            ids = [Path(i).stem for i in ids]
        elif self.protocol != "classes":
            ids = [Path(i).name for i in ids]
        queries, gallery = ([ids[int(i)] for i in rows] for rows in (self.test, self.gallery))
        ranked = measured.predictions["ranked"]
        is_whole = ranked.shape[1] >= len(gallery) or (
            self.protocol == "ukbench" and bool((ranked[:, :GROUP] >= 0).all())
        )
        write_ranking(folder, queries, gallery, ranked, whole=is_whole)
        if self.protocol == "oxford":
            write_ranking_lists(folder, queries, gallery, ranked)
