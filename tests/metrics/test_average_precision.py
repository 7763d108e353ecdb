"""Average precision by hand, and against its slow twin on whatever hypothesis can think of."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference import average_precision as reference
from reference.agreement import assert_same

from seedbed.metrics.average_precision import MAP_VOC07, RULES, Decisions, average_precision

# the eighths make ties
SCORES = st.one_of(st.integers(0, 5).map(lambda n: n / 8), st.floats(-3, 3))
DECISIONS = st.lists(st.tuples(SCORES, st.booleans()), max_size=25)
MARKS = st.integers(1, 4).flatmap(
    lambda num_classes: st.lists(
        st.lists(
            st.tuples(st.sampled_from((1, -1, -1, 0)), SCORES),
            min_size=num_classes,
            max_size=num_classes,
        ),
        min_size=1,
        max_size=9,
    )
)
both_rules = pytest.mark.parametrize("rule", RULES)


def _split(decisions: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in decisions], float), np.array(
        [hit for _, hit in decisions], bool
    )


def _columns(images: list[list[tuple[int, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Marks and scores, each [n, K]."""
    return np.array([[m for m, _ in row] for row in images], np.int8), np.array(
        [[s for _, s in row] for row in images]
    )


# By hand ------------------------------------------------------------------------------------------
# ---------------------------------


def test_right_wrong_right_of_two() -> None:
    scores, hits = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    # Recall 1/2 at precision 1; recall 1 at 2/3. Eleven points: 0 to 0.5 (six) see 1, 0.6 to 1
    # (five) see 2/3.
    assert average_precision(scores, hits, 2, "voc07") == pytest.approx(
        100 * (6 * 1 + 5 * 2 / 3) / 11
    )
    # Two strips half as wide as high recall goes: 1/2 * 1 + 1/2 * 2/3 = 5/6.
    assert average_precision(scores, hits, 2, "voc10") == pytest.approx(100 * 5 / 6)


def test_the_eleven_points_are_the_rule_unless_one_says() -> None:
    scores, hits = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    assert average_precision(scores, hits, 2) == average_precision(scores, hits, 2, "voc07")


def test_precision_is_the_best_at_this_recall_or_a_higher_one() -> None:
    scores, hits = np.arange(6, 0, -1.0), np.array([True, False, False, True, True, True])
    # Precision at the four hits: 1, 2/4, 3/5, 4/6; from the right the best is 2/3, 2/3, 2/3, and 1
    # for the first.
    assert average_precision(scores, hits, 4, "voc10") == pytest.approx(100 * (1 + 3 * 2 / 3) / 4)
    # 0, 0.1, 0.2 lie at or below recall 1/4: three times 1, eight times 2/3.
    assert average_precision(scores, hits, 4, "voc07") == pytest.approx(
        100 * (3 * 1 + 8 * 2 / 3) / 11
    )


def test_what_is_never_found_counts_as_precision_zero() -> None:
    scores, hits = np.array([0.9]), np.array([True])
    # One of four: recall 1/4, so 0, 0.1, 0.2 see precision 1 and the other eight see 0; the area is
    # 1/4.
    assert average_precision(scores, hits, 4, "voc07") == pytest.approx(100 * 3 / 11)
    assert average_precision(scores, hits, 4, "voc10") == pytest.approx(25.0)


@pytest.mark.parametrize("num_positives", [10, 20, 30, 70, 130])
@pytest.mark.parametrize("j", range(11))
def test_a_recall_of_exactly_a_tenth_reaches_its_point(j: int, num_positives: int) -> None:
    """Floats step here: 3 / 10 < 3 * 0.1. All right, j tenths found: j + 1 of the eleven points see
    precision 1."""
    num = j * num_positives // 10
    found = average_precision(
        np.arange(num, dtype=float), np.ones(num, bool), num_positives, "voc07"
    )
    assert found == pytest.approx(100 * (j + 1 if j else 0) / 11)


@both_rules
def test_tied_scores_are_one_step(rule: str) -> None:
    """Right and wrong at one score: no threshold has precision 1, whichever row comes first. (A
    file's order would give 100 or 50.)"""
    for hits in ([True, False], [False, True]):
        assert average_precision(np.array([0.5, 0.5]), np.array(hits), 1, rule) == pytest.approx(
            50.0
        )


@both_rules
def test_all_scores_equal_give_the_share_of_right_ones(rule: str) -> None:
    assert average_precision(np.zeros(8), np.arange(8) < 3, 3, rule) == pytest.approx(100 * 3 / 8)


@both_rules
def test_the_ends(rule: str) -> None:
    none = np.zeros(0)
    assert math.isnan(average_precision(none, none.astype(bool), 0, rule))
    assert math.isnan(average_precision(np.array([0.3]), np.array([False]), 0, rule))
    assert average_precision(none, none.astype(bool), 3, rule) == 0.0
    assert average_precision(np.array([0.3, 0.2]), np.array([False, False]), 3, rule) == 0.0
    assert average_precision(np.array([0.3, 0.2]), np.array([True, True]), 2, rule) == 100.0


def test_an_unknown_rule_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="voc12"):
        average_precision(np.zeros(1), np.ones(1, bool), 1, "voc12")


def test_difficult_labels_count_neither_way() -> None:
    marks = np.array([[1, -1], [0, 0], [-1, 0], [1, 0]], np.int8)
    scores = np.array([[0.9, 0.1], [0.8, 0.9], [0.7, 0.3], [0.6, 0.4]])
    # Class 0 without its difficult image: right, wrong, right of two, 5/6 as above. Class 1 has no
    # positive.
    found = Decisions.of_marks(marks, scores)
    assert_same(found.per_class("voc10"), [100 * 5 / 6, math.nan])
    assert_same(found.mean("voc10"), 100 * 5 / 6)
    assert found.num_classes == 2
    assert len(found.scores) == 4
    assert found.positives.tolist() == [[1, 0], [0, 0], [0, 0], [1, 0]]


@both_rules
def test_all_difficult_has_no_average_precision(rule: str) -> None:
    found = Decisions.of_marks(np.zeros((3, 2), np.int8), np.random.default_rng(0).random((3, 2)))
    assert np.isnan(found.per_class(rule)).all()
    assert math.isnan(found.mean(rule))


def test_a_class_without_decisions_but_with_positives_is_zero_and_counts_in_the_mean() -> None:
    one = Decisions(
        units=np.array([0], np.int32),
        classes=np.array([0], np.int32),
        scores=np.array([0.5]),
        hits=np.array([True]),
        positives=np.array([[1, 2, 0]], np.int32),
    )
    assert_same(one.per_class("voc10"), [100.0, 0.0, math.nan])
    assert_same(one.mean("voc10"), 50.0)


def test_a_resample_by_hand() -> None:
    marks, scores = np.array([[1], [-1], [1]], np.int8), np.array([[0.9], [0.8], [0.7]])
    found = Decisions.of_marks(marks, scores)
    # Image 1 twice and image 2: two wrong at 0.8, then one right of three, of one positive.
    assert_same(found.per_class("voc10", np.array([1, 2, 1])), [100 / 3])
    # Image 0 twice: both right. Image 1 alone: no positive.
    assert_same(found.mean("voc10", np.array([0, 0])), 100.0)
    assert math.isnan(found.mean("voc10", np.array([1])))


def test_the_curve_by_hand() -> None:
    marks, scores = np.array([[1], [-1], [1], [1]], np.int8), np.array([[0.9], [0.8], [0.8], [0.1]])
    recall, precision = Decisions.of_marks(marks, scores).curve(0)
    # Three distinct scores: 1 right of 1; 2 right of 3; 3 right of 4; of three positives.
    assert_same(recall, [1 / 3, 2 / 3, 1])
    assert_same(precision, [1, 2 / 3, 3 / 4])


def test_the_curve_of_a_class_without_positives_lies_at_zero() -> None:
    recall, precision = Decisions.of_marks(
        np.array([[-1], [-1]], np.int8), np.array([[0.9], [0.8]])
    ).curve(0)
    assert recall.tolist() == precision.tolist() == [0.0, 0.0]
    assert [
        part.tolist()
        for part in Decisions.of_marks(np.array([[0]], np.int8), np.array([[0.9]])).curve(0)
    ] == [[], []]


def test_the_statistic_of_the_metric_is_the_mean_on_a_resample() -> None:
    rng = np.random.default_rng(0)
    marks = np.where(rng.random((30, 3)) < 0.3, 1, -1)
    drawn = rng.integers(0, 30, 30)
    for noise in (0.0, 0.2, 1.0):
        scores = rng.random((30, 3)) + noise * marks
        on_resample = MAP_VOC07.statistic({"marks": marks, "scores": scores})
        assert on_resample(drawn) == Decisions.of_marks(marks, scores).mean("voc07", drawn)


# Against the twin ---------------------------------------------------------------------------------
# ---------------------------------


@both_rules
@given(decisions=DECISIONS, num_missed=st.integers(0, 12))
@example(decisions=[], num_missed=0)
@example(decisions=[(0.5, True)] * 3 + [(0.5, False)] * 2, num_missed=7)
def test_one_class_is_its_twin(
    rule: str, decisions: list[tuple[float, bool]], num_missed: int
) -> None:
    scores, hits = _split(decisions)
    num_positives = int(hits.sum()) + num_missed
    assert_same(
        average_precision(scores, hits, num_positives, rule),
        reference.RULES[rule](scores.tolist(), hits.tolist(), num_positives),
    )


@both_rules
@given(decisions=DECISIONS, data=st.data())
def test_the_order_of_the_rows_does_not_matter(
    rule: str, decisions: list[tuple[float, bool]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(decisions))
    one, other = (
        average_precision(*_split(rows), 5 + len(decisions), rule) for rows in (decisions, shuffled)
    )
    assert one == other


@both_rules
@given(decisions=DECISIONS)
def test_only_the_order_of_the_scores_counts(
    rule: str, decisions: list[tuple[float, bool]]
) -> None:
    scores, hits = _split(decisions)
    ranks = np.unique(scores, return_inverse=True)[1].reshape(-1)
    assert average_precision(ranks - 40.0, hits, len(hits) + 1, rule) == average_precision(
        scores, hits, len(hits) + 1, rule
    )


@both_rules
@given(images=MARKS)
def test_labels_of_images_are_their_twin(rule: str, images: list[list[tuple[int, float]]]) -> None:
    marks, scores = _columns(images)
    slow = reference.of_marks(marks.tolist(), scores.tolist(), marks.shape[1], rule)
    fast = Decisions.of_marks(marks, scores)
    assert_same(fast.per_class(rule), slow)
    assert_same(fast.mean(rule), reference.mean(slow))


@both_rules
@given(images=MARKS, data=st.data())
def test_a_resample_is_the_metric_of_the_images_repeated(
    rule: str, images: list[list[tuple[int, float]]], data: st.DataObject
) -> None:
    marks, scores = _columns(images)
    drawn = np.array(data.draw(st.lists(st.integers(0, len(images) - 1), min_size=1, max_size=12)))
    slow = reference.of_marks(marks[drawn].tolist(), scores[drawn].tolist(), marks.shape[1], rule)
    fast = Decisions.of_marks(marks, scores)
    assert_same(fast.per_class(rule, drawn), slow)
    assert_same(fast.mean(rule, drawn), reference.mean(slow))
    assert np.array_equal(
        fast.per_class(rule, np.arange(len(images))), fast.per_class(rule), equal_nan=True
    )


@given(images=MARKS, data=st.data())
def test_the_curve_is_its_twin(images: list[list[tuple[int, float]]], data: st.DataObject) -> None:
    marks, scores = _columns(images)
    c = data.draw(st.integers(0, marks.shape[1] - 1))
    kept = marks[:, c] != 0
    steps = reference.points(scores[kept, c].tolist(), (marks[kept, c] == 1).tolist())
    recall, precision = Decisions.of_marks(marks, scores).curve(c)
    assert_same(recall, [right / max(1, int((marks[:, c] == 1).sum())) for right, _ in steps])
    assert_same(precision, [right / made for right, made in steps])


@both_rules
@given(images=MARKS)
def test_decisions_come_back_from_a_file_as_they_were(
    rule: str, images: list[list[tuple[int, float]]]
) -> None:
    before = Decisions.of_marks(*_columns(images))
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **before.arrays())
    file.seek(0)
    with np.load(file) as arrays:
        after = Decisions.read(arrays)
    for name, array in before.arrays().items():
        assert np.array_equal(array, after.arrays()[name])
        assert array.dtype == after.arrays()[name].dtype
    assert np.array_equal(before.per_class(rule), after.per_class(rule), equal_nan=True)
