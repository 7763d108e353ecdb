"""Average precision as PASCAL VOC defines it: eleven points (2007), or the area under the
interpolated curve (2010 on).

In: scored decisions, each right or wrong, and how many positives there are. Out: percent, of each
class and as a mean over classes; of resampled images too. Knows nothing of boxes.

A threshold cannot tell tied scores apart, so precision and recall are taken where a score ends: the
order of rows never matters (the devkit's own programs take ties in the order of the file). Recall
is compared with 0, 0.1, ..., 1 in whole numbers. Source: Everingham et al. 2010, section 4.2; the
devkits of 2007 and 2012.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from seedbed.base.errors import BadDataError

RULES = ("voc07", "voc10")
_NUM_POINTS = 10  # steps of 0.1 from 0 to 1


def average_precision(
    scores: np.ndarray, hits: np.ndarray, num_positives: int, rule: str = "voc07"
) -> float:
    """Percent 0..100 of one class; nan where there is no positive.

    Args:
        scores: float [m], higher is more confident; ties are one step.
        hits: bool [m], whether each decision is right; what counts neither way is left out before.
        num_positives: how many there are to be found, 0 or more, found or not.
        rule: "voc07" or "voc10".

    Example:
        >>> import numpy as np
        >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2, "voc10")
        83.33333333333333
    """
    found, made = _steps(_finite(scores), np.asarray(hits), None)
    return _area(found, made, num_positives, rule)


def _steps(
    scores: np.ndarray, hits: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Right decisions and all decisions down to each distinct score: int64 [s], int64 [s]."""
    order = np.argsort(-scores, kind="stable")
    return _sums(hits[order], _ends(scores[order]), None if weights is None else weights[order])


def _finite(scores: np.ndarray) -> np.ndarray:
    """As float64; what is no number has no place in a ranking (infinite scores have)."""
    found = np.asarray(scores, np.float64)
    if np.isnan(found).any():
        raise BadDataError("some scores are no numbers (nan)", "A ranking needs a number for each.")
    return found


def _ends(ordered: np.ndarray) -> np.ndarray:
    """Where each distinct score ends."""
    return (
        np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        if len(ordered)
        else np.zeros(0, np.int64)
    )


def _sums(
    hits: np.ndarray, ends: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    if weights is None:
        return np.cumsum(hits, dtype=np.int64)[ends], ends + 1
    return np.cumsum(hits * weights, dtype=np.int64)[ends], np.cumsum(weights, dtype=np.int64)[ends]


def _area(found: np.ndarray, made: np.ndarray, num_positives: int, rule: str) -> float:
    assert rule in RULES, rule
    if not num_positives:
        return float("nan")
    counted = made > 0  # in a resample the first steps may hold no image that was drawn
    found, made = found[counted], made[counted]
    if not len(found):
        return 0.0
    # the highest precision at this recall or a higher one
    best = np.maximum.accumulate((found / made)[::-1])[::-1]
    if rule == "voc07":
        # recall >= j / 10 in whole numbers: 10 found >= j positives
        first = np.searchsorted(_NUM_POINTS * found, np.arange(_NUM_POINTS + 1) * num_positives)
        return float(100.0 * np.append(best, 0.0)[first].sum() / (_NUM_POINTS + 1))
    return float(100.0 * (np.diff(found, prepend=0) * best).sum() / num_positives)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decisions:
    """What was decided of n images (or boxes, or whatever a test consists of), for K classes.

    A class of an image may have several decisions (boxes) or one (a label). `positives` counts what
    there is to find.
    """

    units: np.ndarray  # int32 [m], of which image
    classes: np.ndarray  # int32 [m]
    scores: np.ndarray  # float64 [m]
    hits: np.ndarray  # bool [m]
    positives: np.ndarray  # int32 [n, K]

    @property
    def num_classes(self) -> int:
        return self.positives.shape[1]

    @cached_property
    def _by_class(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each class, in descending order of scores: images, hits, and where each distinct score
        ends."""
        order = np.lexsort((-self.scores, self.classes))
        bounds = np.searchsorted(self.classes[order], np.arange(self.num_classes + 1))
        rows = [order[a:b] for a, b in itertools.pairwise(bounds)]
        return [(self.units[r], self.hits[r], _ends(self.scores[r])) for r in rows]

    def per_class(self, rule: str, drawn: np.ndarray | None = None) -> np.ndarray:
        """Average precision in percent, nan of a class without a positive: float64 [K]; `drawn` int
        [k]: of these images, again where they stand again."""
        weights = None if drawn is None else np.bincount(drawn, minlength=len(self.positives))
        positives = self.positives.sum(0) if weights is None else weights @ self.positives
        found = np.empty(self.num_classes)
        for k, (units, hits, ends) in enumerate(self._by_class):
            sums = _sums(hits, ends, None if weights is None else weights[units])
            found[k] = _area(*sums, int(positives[k]), rule)
        return found

    def mean(self, rule: str, drawn: np.ndarray | None = None) -> float:
        """Mean over the classes that have a positive; nan where none has."""
        each = self.per_class(rule, drawn)
        return float(np.nanmean(each)) if not np.isnan(each).all() else float("nan")

    def curve(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        """Recall and precision of a class at each distinct score, both 0..1: float64 [s], float64
        [s]."""
        _, hits, ends = self._by_class[which]
        found, made = _sums(hits, ends, None)
        return found / max(1, int(self.positives[:, which].sum())), found / np.maximum(made, 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """To be kept in a file; `Decisions.read` reads them."""
        return {f"decisions.{name}": np.asarray(getattr(self, name)) for name in _FIELDS}

    @staticmethod
    def read(arrays: Any) -> Decisions:
        return Decisions(**{name: arrays[f"decisions.{name}"] for name in _FIELDS})

    @staticmethod
    def of_marks(marks: np.ndarray, scores: np.ndarray) -> Decisions:
        """One decision per image and class: marks int8 [n, K], 1 yes, -1 no, 0 difficult (counts
        neither way); scores float [n, K]."""
        assert np.issubdtype(marks.dtype, np.signedinteger), (
            "marks are 1, -1 and 0, and a bool would make every no a difficult one"
        )
        units, classes = np.nonzero(marks)
        return Decisions(
            units=units.astype(np.int32),
            classes=classes.astype(np.int32),
            scores=_finite(scores)[units, classes],
            hits=marks[units, classes] > 0,
            positives=(marks > 0).astype(np.int32),
        )


_FIELDS = ("units", "classes", "scores", "hits", "positives")


def statistic(decisions: list[Decisions], rule: str) -> Callable[[np.ndarray], np.ndarray]:
    """The mean average precision of several on the same resample of images: given rows int [n],
    float64 [len(decisions)]."""
    return lambda drawn: np.array([d.mean(rule, drawn) for d in decisions])
