"""Which detections are right: by hand, and against a slow twin on whatever hypothesis can think
of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import average_precision as slow_ap
from reference import detection as reference
from reference.agreement import assert_same
from reference.detection import Found, Truth

from seedbed.metrics.average_precision import RULES, Decisions
from seedbed.metrics.detection import BoxRows, decisions_of_boxes, overlaps

NUM_IMAGES, NUM_CLASSES = 3, 2
SQUARE = (0, 0, 9, 9)  # 100 pixels
both_rules = pytest.mark.parametrize("rule", RULES)


def _rows(rows: Sequence[Truth] | Sequence[Found]) -> BoxRows:
    return BoxRows(
        images=np.array([row.image for row in rows], np.int64),
        labels=np.array([row.label for row in rows], np.int64),
        boxes=np.array([row.box for row in rows], np.float64).reshape(-1, 4),
    )


def _decide(
    truth: Sequence[Truth],
    found: Sequence[Found],
    num_images: int = NUM_IMAGES,
    num_classes: int = NUM_CLASSES,
) -> Decisions:
    difficult, scores = (
        np.array([t.difficult for t in truth], bool),
        np.array([f.score for f in found], float),
    )
    return decisions_of_boxes(
        _rows(truth), difficult, _rows(found), scores, num_images, num_classes
    )


def _ap(truth: Sequence[Truth], found: Sequence[Found]) -> float:
    """The area under the curve of class 0, checked against the twin on the way."""
    each = _decide(truth, found).per_class("voc10")
    assert_same(each, reference.average_precisions(truth, found, NUM_CLASSES, "voc10"))
    return float(each[0])


# Overlaps -----------------------------------------------------------------------------------------
# ---------------------------------


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1, 1, 1, 1), (1, 1, 1, 1), 1.0),  # one pixel
        (SQUARE, SQUARE, 1.0),
        (SQUARE, (5, 0, 14, 9), 50 / 150),  # half of each
        ((0, 0, 4, 4), (5, 0, 9, 4), 0.0),  # side by side, no pixel in common
        ((0, 0, 4, 4), (4, 4, 8, 8), 1 / 49),  # a corner pixel: 25 + 25 - 1
        # far in both directions: two negative sides make no area
        ((0, 0, 4, 4), (20, 30, 24, 34), 0.0),
        (SQUARE, (3, 3, 5, 5), 9 / 100),  # one in the other
        (SQUARE, (0.5, 0, 9.5, 9), 95 / 105),  # detections need not lie on whole pixels
    ],
)
def test_overlaps_by_hand(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert overlaps(np.array([a, b]), np.array([b, a])) == pytest.approx([expected] * 2)


BOX = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 5), st.integers(0, 5)).map(
    lambda xywh: (xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3])
)


@given(pairs=st.lists(st.tuples(BOX, BOX), min_size=1, max_size=20))
def test_overlaps_are_what_counting_pixels_gives(
    pairs: list[tuple[reference.Box, reference.Box]],
) -> None:
    def pixels(box: reference.Box) -> set[tuple[int, int]]:
        return {(x, y) for x in range(box[0], box[2] + 1) for y in range(box[1], box[3] + 1)}

    counted = [len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b)) for a, b in pairs]
    assert_same(overlaps(np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])), counted)
    assert_same(np.array([float(reference.overlap(a, b)) for a, b in pairs]), counted)


# By hand ------------------------------------------------------------------------------------------
# ---------------------------------


def test_an_overlap_of_exactly_half_is_no_hit() -> None:
    # 50 of 100 pixels, then 60 of 100.
    assert _ap([Truth(0, 0, SQUARE)], [Found(0, 0, (0, 0, 9, 4), 0.9)]) == 0.0
    assert _ap([Truth(0, 0, SQUARE)], [Found(0, 0, (0, 0, 9, 5), 0.9)]) == 100.0


def test_both_corners_belong_to_a_box() -> None:
    """6 of 9 pixels; without the +1 it would be 2 of 4, no hit."""
    assert _ap([Truth(0, 0, (0, 0, 2, 2))], [Found(0, 0, (0, 0, 2, 1), 0.9)]) == 100.0


def test_a_second_hit_is_wrong() -> None:
    truth = [Truth(0, 0, SQUARE), Truth(1, 0, SQUARE)]
    found = [Found(0, 0, SQUARE, 0.9), Found(0, 0, SQUARE, 0.8), Found(1, 0, SQUARE, 0.7)]
    # Right, wrong, right of two: 1/2 * 1 + 1/2 * 2/3.
    assert _ap(truth, found) == pytest.approx(100 * 5 / 6)
    assert _decide(truth, found).hits.tolist() == [True, False, True]


def test_the_higher_score_takes_the_box_however_well_the_lower_one_fits() -> None:
    found = [Found(0, 0, SQUARE, 0.1), Found(0, 0, (0, 0, 9, 5), 0.9)]
    assert _decide([Truth(0, 0, SQUARE)], found).hits.tolist() == [False, True]


def test_two_equal_scores_on_one_box_are_one_right_and_one_wrong() -> None:
    found = [Found(0, 0, SQUARE, 0.5), Found(0, 0, (0, 0, 9, 8), 0.5)]
    for rows in (found, found[::-1]):
        assert _ap([Truth(0, 0, SQUARE)], rows) == 50.0
        assert _decide([Truth(0, 0, SQUARE)], rows).hits.sum() == 1


def test_a_detection_is_judged_by_its_best_box_even_where_another_is_free() -> None:
    truth = [Truth(0, 0, (0, 0, 9, 7)), Truth(0, 0, SQUARE)]
    found = [Found(0, 0, SQUARE, 0.9), Found(0, 0, SQUARE, 0.8)]
    # The second overlaps the free box by 80 of 100 pixels, but its best box is gone: right, wrong
    # of two.
    assert _ap(truth, found) == 50.0
    assert _ap(truth, [found[0], Found(0, 0, (0, 0, 9, 7), 0.8)]) == 100.0


def test_of_boxes_overlapped_equally_the_first_counts() -> None:
    found = [Found(0, 0, SQUARE, 0.9)]
    assert _ap([Truth(0, 0, SQUARE), Truth(0, 0, SQUARE, difficult=True)], found) == 100.0
    assert _ap([Truth(0, 0, SQUARE, difficult=True), Truth(0, 0, SQUARE)], found) == 0.0
    # Two like boxes: both detections go to the first of them, so one positive stays unfound.
    assert _ap([Truth(0, 0, SQUARE)] * 2, found * 2) == pytest.approx(100 * 1 / 2 * 1 / 2)


def test_what_belongs_to_a_difficult_box_counts_neither_way() -> None:
    truth = [Truth(0, 0, SQUARE, difficult=True), Truth(1, 0, SQUARE)]
    found = [Found(0, 0, SQUARE, 0.9), Found(0, 0, SQUARE, 0.8), Found(1, 0, SQUARE, 0.7)]
    assert _ap(truth, found) == 100.0
    assert _decide(truth, found).scores.tolist() == [0.7]
    assert _decide(truth, found).positives.tolist() == [[0, 0], [1, 0], [0, 0]]


def test_the_best_box_decides_even_if_it_is_difficult() -> None:
    """80 of 100 pixels of a plain box and all of a difficult one: ignored, and the plain box stays
    unfound."""
    truth = [Truth(0, 0, (0, 0, 9, 7)), Truth(0, 0, SQUARE, difficult=True)]
    assert _ap(truth, [Found(0, 0, SQUARE, 0.9)]) == 0.0
    assert len(_decide(truth, [Found(0, 0, SQUARE, 0.9)]).hits) == 0


def test_a_difficult_box_that_is_overlapped_by_half_excuses_nothing() -> None:
    truth = [Truth(0, 0, SQUARE, difficult=True), Truth(1, 0, SQUARE)]
    # The wrong one first, then the right one of one positive.
    assert _ap(truth, [Found(0, 0, (0, 0, 9, 4), 0.9), Found(1, 0, SQUARE, 0.7)]) == 50.0


def test_other_images_and_other_classes_do_not_count() -> None:
    truth = [Truth(0, 0, SQUARE), Truth(1, 1, SQUARE)]
    found = [Found(1, 0, SQUARE, 0.9), Found(0, 1, SQUARE, 0.8), Found(0, 0, SQUARE, 0.7)]
    # Class 0: wrong, right of one: 1/2. Class 1: wrong, and the one positive unfound: 0.
    assert_same(_decide(truth, found).per_class("voc10"), [50.0, 0.0])


@both_rules
def test_without_detections_or_boxes(rule: str) -> None:
    truth, found = (
        [Truth(0, 0, SQUARE), Truth(2, 1, SQUARE, difficult=True)],
        [Found(0, 0, SQUARE, 0.9)],
    )
    assert_same(_decide(truth, []).per_class(rule), [0.0, math.nan])
    assert_same(_decide(truth, []).mean(rule), 0.0)
    assert_same(_decide([], found).per_class(rule), [math.nan, math.nan])
    assert _decide([], found).hits.tolist() == [False]
    assert math.isnan(_decide([], []).mean(rule))


@both_rules
def test_all_difficult_has_no_average_precision(rule: str) -> None:
    truth = [Truth(i, c, SQUARE, difficult=True) for i in range(3) for c in range(2)]
    found = [Found(i, c, SQUARE, 0.1 * i) for i in range(3) for c in range(2)]
    decided = _decide(truth, found)
    assert len(decided.scores) == 0
    assert np.isnan(decided.per_class(rule)).all()
    assert math.isnan(decided.mean(rule))


# Against the twin ---------------------------------------------------------------------------------
# ---------------------------------

WHERE = (st.integers(0, NUM_IMAGES - 1), st.integers(0, NUM_CLASSES - 1))
SHIFT = st.sampled_from((0, 0, 0, -1, 1))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Truth], list[Found]]:
    """Boxes, of which some are difficult or alike, and detections: most near a box, the rest
    anywhere; scores in eighths tie."""
    truth = draw(st.lists(st.builds(Truth, *WHERE, BOX, st.booleans()), max_size=7))
    if truth and draw(st.booleans()):
        truth.append(draw(st.sampled_from(truth))._replace(difficult=draw(st.booleans())))
    found = []
    for _ in range(draw(st.integers(0, 10))):
        score = draw(st.integers(0, 7)) / 8
        if truth and draw(st.integers(0, 3)):
            near = draw(st.sampled_from(truth))
            xmin, ymin, xmax, ymax = (corner + draw(SHIFT) for corner in near.box)
            found.append(
                Found(near.image, near.label, (xmin, ymin, max(xmin, xmax), max(ymin, ymax)), score)
            )
        else:
            found.append(draw(st.builds(Found, *WHERE, BOX, st.just(score))))
    return truth, found


Scene = tuple[list[Truth], list[Found]]


@both_rules
@given(scene=scenes())
def test_average_precision_is_its_twins(rule: str, scene: Scene) -> None:
    truth, found = scene
    slow = reference.average_precisions(truth, found, NUM_CLASSES, rule)
    decided = _decide(truth, found)
    assert_same(decided.per_class(rule), slow)
    assert_same(decided.mean(rule), slow_ap.mean(slow))


@given(scene=scenes())
def test_each_verdict_is_its_twins(scene: Scene) -> None:
    """Row by row where no two scores tie; rows that count neither way are gone."""
    truth, found = scene
    found = [one._replace(score=one.score + i / 1000) for i, one in enumerate(found)]
    verdicts = reference.judge(truth, found)
    decided, kept = (
        _decide(truth, found),
        [i for i, verdict in enumerate(verdicts) if verdict is not None],
    )
    assert decided.hits.tolist() == [verdicts[i] for i in kept]
    assert decided.scores.tolist() == [found[i].score for i in kept]
    assert decided.units.tolist() == [found[i].image for i in kept]
    assert decided.classes.tolist() == [found[i].label for i in kept]
    assert decided.positives.sum() == sum(not there.difficult for there in truth)


@both_rules
@given(scene=scenes(), data=st.data())
def test_the_order_of_the_detections_does_not_matter(
    rule: str, scene: Scene, data: st.DataObject
) -> None:
    truth, found = scene
    one, other = _decide(truth, found), _decide(truth, data.draw(st.permutations(found)))
    assert np.array_equal(one.per_class(rule), other.per_class(rule), equal_nan=True)


@both_rules
@given(scene=scenes(), drawn=st.lists(st.integers(0, NUM_IMAGES - 1), min_size=1, max_size=6))
def test_a_resample_is_the_metric_of_the_images_repeated(
    rule: str, scene: Scene, drawn: list[int]
) -> None:
    """Each image that is drawn becomes an image of its own, with its boxes and its detections."""
    truth = [
        one._replace(image=i)
        for i, image in enumerate(drawn)
        for one in scene[0]
        if one.image == image
    ]
    found = [
        one._replace(image=i)
        for i, image in enumerate(drawn)
        for one in scene[1]
        if one.image == image
    ]
    slow = reference.average_precisions(truth, found, NUM_CLASSES, rule)
    decided = _decide(*scene)
    assert_same(decided.per_class(rule, np.array(drawn)), slow)
    assert_same(decided.mean(rule, np.array(drawn)), slow_ap.mean(slow))
    assert_same(_decide(truth, found, num_images=len(drawn)).per_class(rule), slow)


@given(scene=scenes())
def test_decisions_of_boxes_come_back_as_they_were(scene: Scene) -> None:
    before = _decide(*scene)
    after = Decisions.read(before.arrays())
    assert np.array_equal(before.per_class("voc07"), after.per_class("voc07"), equal_nan=True)
    assert all(
        np.array_equal(array, after.arrays()[name]) for name, array in before.arrays().items()
    )


# At the size of VOC -------------------------------------------------------------------------------
# ---------------------------------


def _large(
    num_images: int, num_classes: int, num_truth: int, num_found: int
) -> tuple[BoxRows, np.ndarray, BoxRows, np.ndarray]:
    """Boxes on whole pixels; every second detection lies near a box of its image and class. 200
    distinct scores."""
    rng = np.random.default_rng(0)
    corner, side = rng.integers(0, 400, (num_truth, 2)), rng.integers(10, 100, (num_truth, 2))
    truth = BoxRows(
        images=rng.integers(0, num_images, num_truth),
        labels=rng.integers(0, num_classes, num_truth),
        boxes=np.hstack([corner, corner + side]),
    )
    which, near = rng.integers(0, num_truth, num_found), rng.random(num_found) < 0.5
    shifted = truth.boxes[which] + rng.integers(-8, 9, (num_found, 4))
    shifted[:, 2:] = np.maximum(shifted[:, :2], shifted[:, 2:])
    corner, side = rng.integers(0, 400, (num_found, 2)), rng.integers(10, 100, (num_found, 2))
    found = BoxRows(
        images=np.where(near, truth.images[which], rng.integers(0, num_images, num_found)),
        labels=np.where(near, truth.labels[which], rng.integers(0, num_classes, num_found)),
        boxes=np.where(near[:, None], shifted, np.hstack([corner, corner + side])),
    )
    return truth, rng.random(num_truth) < 0.2, found, rng.integers(0, 200, num_found) / 200


def test_half_a_million_detections_of_twenty_classes() -> None:
    """They go through, and one class is judged by the twin, image by image."""
    num_images, num_classes, c = 5000, 20, 7
    truth, difficult, found, scores = _large(num_images, num_classes, 15_000, 500_000)
    decided = decisions_of_boxes(truth, difficult, found, scores, num_images, num_classes)
    there: dict[int, list[Truth]] = {}
    for row in np.flatnonzero(truth.labels == c).tolist():
        image = int(truth.images[row])
        there.setdefault(image, []).append(
            Truth(image, c, tuple(truth.boxes[row].tolist()), bool(difficult[row]))
        )
    claims: dict[int, list[Found]] = {}
    for row in np.flatnonzero(found.labels == c).tolist():
        image = int(found.images[row])
        claims.setdefault(image, []).append(
            Found(image, c, tuple(found.boxes[row].tolist()), float(scores[row]))
        )
    judged = [
        (one.score, verdict)
        for image, rows in claims.items()
        for one, verdict in zip(rows, reference.judge(there.get(image, []), rows), strict=True)
        if verdict is not None
    ]
    num_positives = sum(not one.difficult for rows in there.values() for one in rows)
    assert 100 < sum(verdict for _, verdict in judged) < num_positives
    for rule in RULES:
        each = decided.per_class(rule)
        assert ((each > 0) & (each < 100)).all()
        slow = slow_ap.RULES[rule](
            [score for score, _ in judged], [verdict for _, verdict in judged], num_positives
        )
        assert each[c] == pytest.approx(slow, abs=1e-9)
