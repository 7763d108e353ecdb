"""Average precision as PASCAL VOC defines it: eleven points (2007), or the area under the
interpolated precision-recall curve (2010 on).

In: scored decisions, each right or wrong, and the number of positives. Out: percent, for each class
and as the mean over classes; also on a resample of the images. Boxes are matched in `detection`.

Tied scores are one step: no threshold separates them, so precision and recall are computed after
the last decision of each distinct score, and the order of rows never matters (the devkits take ties
in the order of the file). Recall is compared with 0, 0.1, ..., 1 in whole numbers. Source:
Everingham et al. 2010, section 4.2; the devkits of 2007 and 2012.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.metrics.metric import Metric, Predictions, Statistic

_NUM_POINTS = 10  # steps of 0.1 from 0 to 1


def average_precision(
    scores: np.ndarray, hits: np.ndarray, num_positives: int, rule: str = "voc07"
) -> float:
    """Average precision of one class in percent 0..100; nan without a positive.

    Args:
        scores: float [m], higher is more confident; ties are one step.
        hits: bool [m], whether each decision is right; leave out those that do not count.
        num_positives: positives of the class, detected or not, 0 or more.
        rule: "voc07" or "voc10".

    Example:
        >>> import numpy as np
        >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2, "voc10")
        83.33333333333333
    """
    scores, hits = checked_scores(scores), np.asarray(hits)
    order = np.argsort(-scores, kind="stable")
    steps = _cumulative_counts(hits[order], _step_ends(scores[order]), None)
    return _area(*steps, num_positives, rule)


def checked_scores(scores: np.ndarray) -> np.ndarray:
    """Scores as float64; infinite ones are allowed. Raises BadDataError for nan."""
    values = np.asarray(scores, np.float64)
    if np.isnan(values).any():
        raise BadDataError("some scores are nan", "A ranking needs a number for each.")
    return values


def _step_ends(ordered: np.ndarray) -> np.ndarray:
    """Position of the last of each distinct score, in descending scores: int64 [s]."""
    if not len(ordered):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _cumulative_counts(
    hits: np.ndarray, ends: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Right decisions, and all decisions, down to each distinct score: int64 [s], int64 [s].

    `weights`: int [m], how often each decision counts in a resample.
    """
    if weights is None:
        return np.cumsum(hits, dtype=np.int64)[ends], ends + 1
    return np.cumsum(hits * weights, dtype=np.int64)[ends], np.cumsum(weights, dtype=np.int64)[ends]


def _area(num_right: np.ndarray, num_decided: np.ndarray, num_positives: int, rule: str) -> float:
    """Average precision in percent from the counts at each distinct score."""
    if not num_positives:
        return float("nan")
    # In a resample the first steps may hold no decision of a drawn image.
    counted = num_decided > 0
    num_right, num_decided = num_right[counted], num_decided[counted]
    if not len(num_right):
        return 0.0
    # The highest precision at this recall or a higher one.
    best = np.maximum.accumulate((num_right / num_decided)[::-1])[::-1]
    if rule == "voc07":
        # recall >= j / 10 in whole numbers: 10 * right >= j * positives
        thresholds = np.arange(_NUM_POINTS + 1) * num_positives
        first = np.searchsorted(_NUM_POINTS * num_right, thresholds)
        return float(100.0 * np.append(best, 0.0)[first].sum() / (_NUM_POINTS + 1))
    assert rule == "voc10", rule
    return float(100.0 * (np.diff(num_right, prepend=0) * best).sum() / num_positives)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """Scored decisions about n test images (or persons) and K classes.

    An image may have several decisions of a class (boxes) or one (a label). `positives` counts the
    objects, or labels, that should be detected.
    """

    units: np.ndarray  # int32 [m], position of the image
    classes: np.ndarray  # int32 [m]
    scores: np.ndarray  # float64 [m]
    hits: np.ndarray  # bool [m]
    positives: np.ndarray  # int32 [n, K]

    @property
    def num_classes(self) -> int:
        return self.positives.shape[1]

    @cached_property
    def _by_class(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each class, in descending order of scores: images, hits, and the end of each
        distinct score."""
        order = np.lexsort((-self.scores, self.classes))
        bounds = np.searchsorted(self.classes[order], np.arange(self.num_classes + 1))
        rows = [order[a:b] for a, b in itertools.pairwise(bounds)]
        return [(self.units[r], self.hits[r], _step_ends(self.scores[r])) for r in rows]

    def per_class(self, rule: str, drawn: np.ndarray | None = None) -> np.ndarray:
        """Average precision in percent, nan for a class without a positive: float64 [K].

        `drawn`: int [k], positions of the images of a resample, repeated ones counted again.
        """
        weights = None if drawn is None else np.bincount(drawn, minlength=len(self.positives))
        positives = self.positives.sum(0) if weights is None else weights @ self.positives
        precisions = np.empty(self.num_classes)
        for k, (units, hits, ends) in enumerate(self._by_class):
            counts = _cumulative_counts(hits, ends, None if weights is None else weights[units])
            precisions[k] = _area(*counts, int(positives[k]), rule)
        return precisions

    def mean(self, rule: str, drawn: np.ndarray | None = None) -> float:
        """Mean over the classes that have a positive; nan where none has."""
        each = self.per_class(rule, drawn)
        return float(np.nanmean(each)) if not np.isnan(each).all() else float("nan")

    def curve(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        """Recall and precision of a class at each distinct score, both 0..1: float64 [s], float64
        [s]."""
        _, hits, ends = self._by_class[which]
        num_right, num_decided = _cumulative_counts(hits, ends, None)
        recall = num_right / max(1, int(self.positives[:, which].sum()))
        return recall, num_right / np.maximum(num_decided, 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays to store with a measurement; `Decisions.read` reads them."""
        return {f"decisions.{name}": np.asarray(getattr(self, name)) for name in _FIELDS}

    @staticmethod
    def read(arrays: Predictions) -> Decisions:
        """The decisions that a measurement stores."""
        return Decisions(**{name: arrays[f"decisions.{name}"] for name in _FIELDS})

    @staticmethod
    def of_marks(marks: np.ndarray, scores: np.ndarray) -> Decisions:
        """One decision per image and class.

        Args:
            marks: int8 [n, K], 1 yes, -1 no, 0 difficult (does not count).
            scores: float [n, K].
        """
        assert np.issubdtype(marks.dtype, np.signedinteger), (
            "marks are 1, -1 and 0; in a bool array every False would count as difficult"
        )
        units, classes = np.nonzero(marks)
        return Decisions(
            units=units.astype(np.int32),
            classes=classes.astype(np.int32),
            scores=checked_scores(scores)[units, classes],
            hits=marks[units, classes] > 0,
            positives=(marks > 0).astype(np.int32),
        )


_FIELDS = ("units", "classes", "scores", "hits", "positives")


@final
@dataclass(frozen=True, kw_only=True)
class MeanAveragePrecision(Metric):
    """Mean average precision over classes; it is not a mean over images, so it is resampled."""

    rule: str

    def decisions(self, predictions: Predictions) -> Decisions:
        """The decisions of a measurement, on labels of images (`marks`) or on boxes."""
        if "marks" in predictions:
            return Decisions.of_marks(predictions["marks"], predictions["scores"])
        return Decisions.read(predictions)

    def by_class(self, decisions: Decisions, classes: Sequence[str]) -> dict[str, float | None]:
        """Average precision of each class in percent, None for a class without a positive."""
        return {
            label: None if np.isnan(value) else float(value)
            for label, value in zip(classes, decisions.per_class(self.rule), strict=True)
        }

    def per_image(self, predictions: Predictions) -> None:
        return None

    def statistic(self, predictions: Predictions) -> Statistic:
        decisions = self.decisions(predictions)
        return lambda drawn: decisions.mean(self.rule, drawn)

    def truth(self, predictions: Predictions) -> np.ndarray:
        return self.decisions(predictions).positives


MAP_VOC07 = MeanAveragePrecision(
    name="map_voc07", title="mean average precision (VOC 2007)", rule="voc07"
)
MAP_VOC10 = MeanAveragePrecision(
    name="map_voc10", title="mean average precision (VOC 2010 on)", rule="voc10"
)
_BY_RULE = {"voc07": MAP_VOC07, "voc10": MAP_VOC10}
RULES = tuple(_BY_RULE)


def by_rule(rule: str) -> tuple[MeanAveragePrecision, ...]:
    """Mean average precision by this rule, then by the other ones."""
    return tuple(_BY_RULE[other] for other in sorted(RULES, key=lambda other: other != rule))


def by_name(name: str) -> tuple[MeanAveragePrecision, ...]:
    """The mean average precision of this name, then the other ones."""
    return by_rule(next(rule for rule, metric in _BY_RULE.items() if metric.name == name))
