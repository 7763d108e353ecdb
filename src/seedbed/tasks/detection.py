"""Detection: boxes of each class in each image, scored as PASCAL VOC does.

In: a store of whole images with boxes, training, validation and test rows. Out: boxes of the first
two, and the score of detections on the test. Where the labels come from another domain than the
test images, detections in that domain's test images are scored too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from seedbed.data.annotations import Boxes
from seedbed.data.voc_annotations import to_voc_boxes
from seedbed.metrics.average_precision import Decisions, by_name
from seedbed.metrics.detection import BoxRows, decisions_of_boxes
from seedbed.tasks.export_results import write_detections
from seedbed.tasks.task import Measurement, Task

_ARRAYS = ("images", "labels", "scores", "corners")  # of detections, in stored predictions


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Detected boxes in n images; corners are edges in px of the original image."""

    images: np.ndarray  # int64 [d], 0..n-1
    labels: np.ndarray  # int32 [d]
    scores: np.ndarray  # float64 [d], 0..1
    corners: np.ndarray  # float64 [d, 4]

    def __len__(self) -> int:
        return len(self.images)


@final
@dataclass(frozen=True, kw_only=True)
class DetectionTask(Task):
    """Where the objects of each class are.

    Where two domains are joined, `class_of_label` says of which class a label of the store is.
    """

    kind: ClassVar[str] = "detection"

    primary: str = "map_voc07"
    class_of_label: np.ndarray | None = None  # int32 [num_labels]
    in_domain: np.ndarray | None = None  # int64: test rows of the labelled domain

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(metric.name for metric in by_name(self.primary))

    @property
    def _rule(self) -> str:
        return by_name(self.primary)[0].rule

    def boxes(self, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each training or validation row: corners float64 [b, 4], classes int64 [b], difficult
        bool [b]. Other rows are refused."""
        self.check_known(rows)
        assert self.in_domain is None or not np.isin(rows, self.in_domain).any(), (
            "test labels are read in scoring alone"
        )
        boxes = self._boxes
        positions = [boxes.boxes_of_image(int(row)) for row in rows]
        return [
            (boxes.corners[i], self._classes(boxes.labels[i]), boxes.difficult[i])
            for i in positions
        ]

    @property
    def _boxes(self) -> Boxes:
        annotations = self.store.annotations
        assert isinstance(annotations, Boxes)
        return annotations

    def _classes(self, labels: np.ndarray) -> np.ndarray:
        classes = labels if self.class_of_label is None else self.class_of_label[labels]
        return classes.astype(np.int64)

    def truth(self, rows: np.ndarray) -> list[np.ndarray]:
        boxes = self._boxes.select(np.sort(rows), self.store.num_images)
        return [boxes.rows, self._classes(boxes.labels), boxes.corners, boxes.difficult]

    def meaning(self) -> str:
        # Finished work is stored under this text: its form must not change.
        in_domain = " ()"
        if self.in_domain is not None:
            digest = self._boxes.select(self.in_domain, self.store.num_images).digest()
            in_domain = f" {self.store.checksums[self.in_domain].tolist()} {digest}"
        return f"{self.kind} {self.store.meaning} {self.primary} {self.classes}{in_domain}"

    def decisions(self, rows: np.ndarray, detections: Detections) -> Decisions:
        """Which detections in some rows are right; `detections.images` are positions in `rows`."""
        assert np.array_equal(rows, np.sort(rows))
        boxes = self._boxes.select(rows, self.store.num_images)
        truth = BoxRows(
            images=boxes.rows, labels=self._classes(boxes.labels), boxes=to_voc_boxes(boxes.corners)
        )
        detected = BoxRows(
            images=detections.images,
            labels=detections.labels,
            boxes=to_voc_boxes(detections.corners),
        )
        return decisions_of_boxes(
            truth, boxes.difficult, detected, detections.scores, len(rows), self.num_classes
        )

    def has_nothing_to_find(self, rows: np.ndarray) -> bool:
        """Whether some validation rows have no box that counts, so that they can choose nothing."""
        return all(difficult.all() for _, _, difficult in self.boxes(rows))

    def value(self, rows: np.ndarray, detections: Detections) -> float:
        """The primary metric on validation rows in percent; settings are chosen by it."""
        self.check_known(rows)
        value = self.decisions(rows, detections).mean(self._rule)
        return 0.0 if np.isnan(value) else value

    def score(
        self,
        predictions: Detections,
        /,
        facts: Mapping[str, object],
        model: Any = None,
        in_domain: Detections | None = None,
    ) -> Measurement:
        """The measurement of detections in the test rows; `in_domain`: detections in the labelled
        domain's own test rows."""
        decisions, metrics = self.decisions(self.test, predictions), by_name(self.primary)
        values = {metric.name: decisions.mean(metric.rule) for metric in metrics}
        precisions = metrics[0].by_class(decisions, self.classes)
        return Measurement(
            metrics=values,
            primary=self.primary,
            predictions={
                "ids": self.store.hashes[self.test],
                **decisions.arrays(),
                **{
                    f"detections.{name}": np.asarray(getattr(predictions, name)) for name in _ARRAYS
                },
            },
            task=self.fingerprint,
            facts={
                **facts,
                "per_class": precisions,
                **self._domain_gap(values[self.primary], in_domain),
            },
            fitted=model,
        )

    def _domain_gap(self, value: float, in_domain: Detections | None) -> dict[str, float]:
        """The primary metric on the labelled domain's test rows, and the drop from it to `value`;
        empty within one domain."""
        if in_domain is None or self.in_domain is None:
            return {}
        labelled = self.decisions(self.in_domain, in_domain).mean(self._rule)
        return {"in_domain": labelled, "drop": labelled - value}

    def write_results(self, measured: Measurement, folder: Path) -> None:
        """Write a file `image score xmin ymin xmax ymax` for each class."""
        detections = {name: measured.predictions[f"detections.{name}"] for name in _ARRAYS}
        write_detections(folder, self.store, self.test, self.classes, detections)
