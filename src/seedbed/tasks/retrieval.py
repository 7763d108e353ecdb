"""Retrieval: which images of a gallery answer a query, scored by the protocol of the set.

In: a store with queries and what answers them, or with labels. Out: queries, gallery and the images
that a whitening may be fitted on, and `score`. Answers are read in scoring alone. Knows nothing of
networks.

Protocols: *holidays* and *classes*: the query is no answer to itself and is left out of its own
ranking; *oxford*: junk is left out, the query is a crop; *ukbench*: the query itself counts among
the four. *classes* asks for images of the query's class among the other test images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from seedbed.data.annotations import Relevance
from seedbed.metrics.retrieval import GROUP, group_hits, recall_at, trapezoid_aps
from seedbed.tasks.task import Measurement, Task

PRIMARY = {
    "holidays": "map_holidays",
    "oxford": "map_oxford",
    "ukbench": "ns_score",
    "classes": "map_retrieval",
}
_OMITS_QUERY = ("holidays", "classes")
_BLOCK = 2**24  # places of rankings looked at together
_KEPT = 10_000_000  # places of all rankings that are kept whole; of more, the first of each
NUM_KEPT = 100

# Positions of queries -> positions in the gallery, the best first, -1 where no more were found:
# int64 [b, g].
Rank = Callable[[np.ndarray], np.ndarray]


@final
@dataclass(frozen=True, kw_only=True)
class RetrievalTask(Task):
    """Find the images that answer each query. `train` holds what a whitening may be fitted on;
    `test` the queries."""

    kind: ClassVar[str] = "retrieval"

    primary: str
    protocol: str
    gallery: np.ndarray  # int64 [g], rows that are searched

    def _answers(self, queries: np.ndarray) -> np.ndarray:
        """What each gallery image is to some queries (positions): int8 [b, g], 1 right, 0 wrong, -1
        left out of the ranking."""
        found = np.zeros((len(queries), len(self.gallery)), np.int8)
        rows = self.test[queries]
        given = self.store.annotations
        if isinstance(given, Relevance):
            place = np.full(self.store.num_images, -1, np.int64)
            place[self.gallery] = np.arange(len(self.gallery))
            mine = np.full(len(self.test), -1, np.int64)
            mine[queries] = np.arange(len(queries))
            here = mine[given.of_query] >= 0
            found[mine[given.of_query[here]], place[given.rows[here]]] = given.values[here]
        else:
            found[self.store.leaves[rows][:, None] == self.store.leaves[self.gallery][None]] = 1
        if self.protocol in _OMITS_QUERY:
            found[self.gallery[None] == rows[:, None]] = -1
        return found

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        return []

    def meaning(self) -> str:
        given = self.store.annotations
        answers = given.digest() if given is not None else self.store.leaves[self.gallery].tolist()
        return f"{self.kind} {self.store.meaning} {self.protocol} {self.store.checksums[self.gallery].tolist()} {answers}"

    def score(self, rank: Rank, facts: Mapping[str, object], model: Any = None) -> Measurement:
        """The measurement of rankings, which are asked for some queries at a time."""
        num = max(1, _BLOCK // max(1, len(self.gallery)))
        parts = [
            self._part(rank, np.arange(i, min(i + num, len(self.test))))
            for i in range(0, len(self.test), num)
        ]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        metrics = {name: float(joined[f"unit.{name}"].mean()) for name in self.metrics}
        return Measurement(
            metrics=metrics,
            primary=self.primary,
            predictions={
                "ids": self.store.hashes[self.test],
                "gallery": self.store.hashes[self.gallery],
                **joined,
            },
            task=self.fingerprint,
            facts=facts,
            fitted=model,
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The primary one first."""
        return {
            "ukbench": ("ns_score", "recall_at_4"),
            "classes": ("map_retrieval", "recall_at_1"),
        }.get(self.protocol, (self.primary,))

    @property
    def _num_kept(self) -> int:
        return len(self.gallery) if len(self.test) * len(self.gallery) <= _KEPT else NUM_KEPT

    def _part(self, rank: Rank, queries: np.ndarray) -> dict[str, np.ndarray]:
        """Of some queries: each metric's value, the first places, and what stands there."""
        answers, ranked = self._answers(queries), rank(queries)
        if ranked.shape[1] < GROUP:  # a search that looked for fewer
            ranked = np.pad(ranked, ((0, 0), (0, GROUP - ranked.shape[1])), constant_values=-1)
        relevant = np.where(
            ranked < 0, 0, np.take_along_axis(answers, np.maximum(ranked, 0), axis=1)
        )
        num_positives = (answers > 0).sum(1)
        # What is left out goes to the end, in order: places are then those among what counts.
        order = np.argsort(relevant < 0, axis=1, kind="stable")[:, : self._num_kept]
        first, shown = (
            np.take_along_axis(ranked, order, axis=1),
            np.take_along_axis(relevant, order, axis=1),
        )
        values: dict[str, np.ndarray] = {}
        if self.protocol == "ukbench":
            hits = group_hits(shown > 0).astype(np.float64)
            values = {"ns_score": hits, "recall_at_4": 100.0 * hits / GROUP}
        else:
            values[self.primary] = trapezoid_aps(relevant, num_positives)
        if self.protocol == "classes":
            values["recall_at_1"] = recall_at(shown > 0, 1)
        return {
            **{f"unit.{name}": v for name, v in values.items()},
            "labels": num_positives.astype(np.int32),
            "ranked": first.astype(np.int32),
            "right": shown.astype(np.int8),
        }
