"""Detection: boxes of each class in each image, scored as PASCAL VOC does.

In: a store of whole images with boxes. Out: training and validation boxes, test rows without, and
`score`. Where labels come from another domain than the test images, the other domain's own test
images are scored beside. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from seedbed.data.annotations import Boxes
from seedbed.data.voc_layout import pixels
from seedbed.metrics.average_precision import Decisions
from seedbed.metrics.detection import BoxRows, decisions_of_boxes
from seedbed.tasks.multilabel import mean_average_precisions, per_class, rule_of
from seedbed.tasks.task import Measurement, Task


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Boxes that were found in n images; corners are edges in px of the image as found."""

    images: np.ndarray  # int64 [d], 0..n-1
    labels: np.ndarray  # int32 [d]
    scores: np.ndarray  # float64 [d], 0..1
    corners: np.ndarray  # float64 [d, 4]

    def __len__(self) -> int:
        return len(self.images)


@final
@dataclass(frozen=True, kw_only=True)
class DetectionTask(Task):
    """Where the objects of each class are. `class_of_label` says which class a label of the store
    is, where two domains are joined."""

    kind: ClassVar[str] = "detection"

    primary: str = "map_voc07"
    class_of_label: np.ndarray | None = None  # int32 [num_labels]
    in_domain: np.ndarray | None = None  # int64: test rows of the domain that the labels are of

    def boxes(self, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each training or validation row: corners float64 [b, 4], classes int64 [b], difficult
        bool [b]. Others are refused."""
        self.check_known(rows)
        assert self.in_domain is None or not np.isin(rows, self.in_domain).any(), (
            "test labels are read in scoring alone"
        )
        found = self._annotations
        each = [found.of_image(int(row)) for row in rows]
        return [
            (found.corners[i], self._classes(found.labels[i]), found.difficult[i]) for i in each
        ]

    @property
    def _annotations(self) -> Boxes:
        found = self.store.annotations
        assert isinstance(found, Boxes)
        return found

    def _classes(self, labels: np.ndarray) -> np.ndarray:
        return (labels if self.class_of_label is None else self.class_of_label[labels]).astype(
            np.int64
        )

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        found = self._annotations.of(np.sort(rows), self.store.num_images)
        return [found.rows, self._classes(found.labels), found.corners, found.difficult]

    def meaning(self) -> str:
        own = (
            ""
            if self.in_domain is None
            else f" {self.store.checksums[self.in_domain].tolist()} {self._digest(self.in_domain)}"
        )
        return f"{self.kind} {self.store.meaning} {self.primary} {self.classes}{own or ' ()'}"

    def _digest(self, rows: np.ndarray) -> str:
        return self._annotations.of(rows, self.store.num_images).digest()

    def decisions(self, rows: np.ndarray, found: Detections) -> Decisions:
        """What of the detections in some rows (in their order) is right."""
        assert np.array_equal(rows, np.sort(rows))
        truth = self._annotations.of(rows, self.store.num_images)
        boxes = BoxRows(
            images=truth.rows, labels=self._classes(truth.labels), boxes=pixels(truth.corners)
        )
        ours = BoxRows(images=found.images, labels=found.labels, boxes=pixels(found.corners))
        return decisions_of_boxes(
            boxes, truth.difficult, ours, found.scores, len(rows), self.num_classes
        )

    def has_nothing_to_find(self, rows: np.ndarray) -> bool:
        """Whether none of some validation rows has a box that is not difficult: they choose
        nothing."""
        return all(difficult.all() for _, _, difficult in self.boxes(rows))

    def value(self, rows: np.ndarray, found: Detections) -> float:
        """The primary metric in percent on validation rows: what settings are chosen by."""
        self.check_known(rows)
        value = self.decisions(rows, found).mean(rule_of(self.primary))
        return 0.0 if np.isnan(value) else value

    def score(
        self,
        found: Detections,
        facts: Mapping[str, object],
        model: Any = None,
        in_domain: Detections | None = None,
    ) -> Measurement:
        """The measurement of detections in the test rows; `in_domain`: those in the labelled
        domain's own test rows."""
        decisions = self.decisions(self.test, found)
        told: dict[str, object] = {
            **facts,
            "per_class": per_class(decisions, self.primary, self.classes),
        }
        metrics = mean_average_precisions(decisions, self.primary)
        if in_domain is not None and self.in_domain is not None:
            own = self.decisions(self.in_domain, in_domain).mean(rule_of(self.primary))
            told |= {"in_domain": own, "drop": own - metrics[self.primary]}
        return Measurement(
            metrics=metrics,
            primary=self.primary,
            predictions={
                "ids": self.store.hashes[self.test],
                **decisions.arrays(),
                **{
                    f"detections.{name}": np.asarray(getattr(found, name))
                    for name in ("images", "labels", "scores", "corners")
                },
            },
            task=self.fingerprint,
            facts=told,
            fitted=model,
        )
