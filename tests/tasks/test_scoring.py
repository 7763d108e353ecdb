"""seedbed score: result files of any tool, by the rules, with every fault of a file named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference.detection import Found, Truth, average_precisions
from voc_tree import object_xml, write_image, write_sets

from seedbed.base.errors import BadDataError, UsageError
from seedbed.tasks import scoring
from seedbed.tasks.ranking_files import Ranking, read_rankings, write_rankings


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Two test images: two cats, one of them difficult, and a dog."""
    root = tmp_path / "VOC2007"
    write_image(
        root,
        "000001",
        [object_xml("cat", (1, 1, 10, 10)), object_xml("cat", (31, 1, 40, 10), difficult=1)],
    )
    write_image(
        root, "000002", [object_xml("dog", (5, 5, 24, 14)), object_xml("cat", (30, 20, 60, 40))]
    )
    write_sets(root, {"test": ["000001", "000002"], "train": ["000001"]})
    return root


def results(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for label, text in files.items():
        (folder / f"comp3_det_test_{label}.txt").write_text(text, encoding="utf-8")
    return folder


def test_detections_by_hand(voc: Path, tmp_path: Path) -> None:
    found = results(
        tmp_path / "out",
        # Right, again (wrong), on the difficult one (ignored), beside everything (wrong); the cat
        # of the second image is missed.
        cat="000001 0.9 1 1 10 10\n000001 0.8 1 1 10 10\n000001 0.7 31 1 40 10\n"
        "000002 0.6 1 1 5 5\n",
        dog="000002 0.5 5 5 24 14\n",
    )
    score = scoring.voc_detection(voc, "test", found)
    # Cats: one of two found, precision 1 up to recall 1/2: six of eleven points. Dogs: all.
    assert score.per_class == {"cat": pytest.approx(100 * 6 / 11), "dog": pytest.approx(100)}
    assert score.value == pytest.approx((100 * 6 / 11 + 100) / 2)
    assert (score.metric, score.unit, score.num) == ("map_voc07", "percent", 2)
    assert scoring.voc_detection(voc, "test", found, "voc10").per_class["cat"] == pytest.approx(50)


def test_an_overlap_of_just_a_half_is_no_hit(voc: Path, tmp_path: Path) -> None:
    # 20 x 10 px against its left half: 100 of 200 px.
    half = results(tmp_path / "half", dog="000002 0.5 5 5 14 14\n")
    assert scoring.voc_detection(voc, "test", half).per_class["dog"] == 0
    more = results(tmp_path / "more", dog="000002 0.5 5 5 15 14\n")
    assert scoring.voc_detection(voc, "test", more).per_class["dog"] == pytest.approx(100)


def test_a_class_without_a_file_found_nothing_and_is_told(voc: Path, tmp_path: Path) -> None:
    score = scoring.voc_detection(
        voc,
        "test",
        results(tmp_path / "out", dog="000002 0.5 5 5 24 14\n", zebra="000001 1 1 1 2 2"),
    )
    assert score.per_class == {"cat": 0.0, "dog": pytest.approx(100)}
    assert any("no result file of cat" in note for note in score.notes)
    assert any("zebra" in note for note in score.notes)
    empty = scoring.voc_detection(voc, "test", results(tmp_path / "empty", cat="", dog=""))
    assert empty.value == 0


def test_many_random_files_agree_with_the_slow_twin(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    root, names, labels = tmp_path / "VOC", [f"im{i}" for i in range(30)], ("a", "b_a", "c")
    truth: list[Truth] = []
    found: list[Found] = []
    for image, name in enumerate(names):
        objects = []
        for _ in range(rng.integers(0, 4)):
            left, top = (int(v) for v in rng.integers(1, 40, 2))
            width, height = (int(v) for v in rng.integers(0, 30, 2))
            box, label, hard = (
                (left, top, left + width, top + height),
                int(rng.integers(3)),
                bool(rng.random() < 0.2),
            )
            truth.append(Truth(image, label, box, hard))
            objects.append(object_xml(labels[label], box, int(hard)))
            for _ in range(3):
                moved = [int(v) for v in np.array(box) + rng.normal(0, 3, 4).round()]
                ends = (
                    min(moved[0], moved[2]),
                    min(moved[1], moved[3]),
                    max(moved[0], moved[2]),
                    max(moved[1], moved[3]),
                )
                found.append(Found(image, label, ends, float(rng.random())))
        write_image(root, name, objects)
    write_sets(root, {"test": names})
    order = rng.permutation(len(found))
    lines = {
        label: "".join(
            f"{names[found[i].image]} {found[i].score!r} {' '.join(map(str, found[i].box))}\n"
            for i in order
            if found[i].label == k
        )
        for k, label in enumerate(labels)
    }
    out = results(tmp_path / "out", **lines)
    for rule in ("voc07", "voc10"):
        expected = np.nanmean(average_precisions(truth, found, 3, rule))
        assert scoring.voc_detection(root, "test", out, rule).value == pytest.approx(
            expected, abs=1e-9
        )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("000001 0.9 1 1 10", "is not 'image score xmin ymin xmax ymax'"),
        ("000001 high 1 1 10 10", "is not 'image score"),
        ("000001 nan 1 1 10 10", "is not 'image score"),
        ("000003 0.9 1 1 10 10", "'000003' is not in the image set"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(
    voc: Path, tmp_path: Path, line: str, message: str
) -> None:
    out = results(tmp_path / "out", cat=f"000001 0.9 1 1 10 10\n{line}\n")
    with pytest.raises(BadDataError) as caught:
        scoring.voc_detection(voc, "test", out)
    assert message in caught.value.message
    assert "line 2" in caught.value.message


def test_what_is_not_there_is_named(voc: Path, tmp_path: Path) -> None:
    out = results(tmp_path / "out", cat="")
    for call, message in (
        (lambda: scoring.voc_detection(voc, "tset", out), "there is no image set"),
        (lambda: scoring.voc_detection(voc, "test", tmp_path / "nowhere"), "there is no folder"),
        (
            lambda: scoring.voc_detection(voc, "test", results(tmp_path / "other", mouse="")),
            "no result file of any class",
        ),
        (lambda: scoring.voc_detection(tmp_path / "out", "test", out), "is not a VOC folder"),
    ):
        with pytest.raises(BadDataError, match=message):
            call()
    with pytest.raises(UsageError, match="voc12"):
        scoring.voc_detection(voc, "test", out, "voc12")
    (out / "comp4_det_test_cat.txt").write_text("")
    with pytest.raises(BadDataError, match="two result files"):
        scoring.voc_detection(voc, "test", out)


def test_the_longest_class_name_takes_a_file(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    write_image(
        root, "i", [object_xml("cat", (1, 1, 9, 9)), object_xml("wild_cat", (20, 20, 40, 40))]
    )
    write_sets(root, {"test": ["i"]})
    out = results(tmp_path / "out", cat="i 0.9 1 1 9 9\n", wild_cat="i 0.9 20 20 40 40\n")
    assert scoring.voc_detection(root, "test", out).value == pytest.approx(100)


def test_classification_leaves_difficult_images_out_and_puts_missing_ones_last(
    voc: Path, tmp_path: Path
) -> None:
    write_image(voc, "000003", [object_xml("dog", (1, 1, 9, 9), difficult=1)])
    write_sets(voc, {"test": ["000001", "000002", "000003"]})
    out = results(
        tmp_path / "out",
        cat="000001 0.1\n000002 0.2\n000003 0.15\n",
        dog="000003 0.9\n000002 0.8\n",
    )
    score = scoring.voc_classification(voc, "test", out)
    # Cats: 000002 right, 000003 wrong, 000001 right: precision 1 at recall 1/2, 2/3 at 1. Dogs:
    # 000003 is difficult, 000002 right,
    # 000001 is missing and comes last.
    assert score.per_class["cat"] == pytest.approx(100 * (6 + 5 * 2 / 3) / 11)
    assert score.per_class["dog"] == pytest.approx(100)
    assert any("1 results are missing" in note for note in score.notes)


def test_actions_are_of_persons(tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    for name in "pq":
        write_image(
            root, name, [object_xml("person", (1, 1, 9, 9)), object_xml("person", (20, 1, 40, 9))]
        )
    write_sets(root, {"val": ["p", "q"]})
    write_sets(
        root,
        {"val": ["p 1", "p 2", "q 1", "q 2"], "running_val": ["p 1 1", "p 2 -1", "q 1 1", "q 2 0"]},
        "Action",
    )
    out = tmp_path / "out"
    out.mkdir()
    (out / "comp9_action_val_running.txt").write_text("p 1 0.9\np 2 0.8\nq 1 0.7\nq 2 0.95\n")
    score = scoring.voc_action(root, "val", out)
    # q 2 counts neither way; then right, wrong, right: 1/2 * 1 + 1/2 * 2/3.
    assert score.per_class["running"] == pytest.approx(100 * (0.5 + 0.5 * 2 / 3))
    assert score.metric == "map_voc10"
    assert score.num == 4


def test_holidays_leaves_the_query_out_of_its_own_ranking(tmp_path: Path) -> None:
    ranking = tmp_path / "ranking.dat"
    ranking.write_text(
        "100000.jpg 0 100000.jpg 1 100100.jpg 2 100001.jpg\n"
        "100100.jpg 0 100100.jpg 1 100101.jpg 2 100000.jpg\n"
    )
    score = scoring.holidays(ranking)
    # First query: its one right image stands second once it is left out: (0 / 1 + 1 / 2) / 2.
    # Second: first.
    assert score.per_class == {"100000": pytest.approx(25), "100100": pytest.approx(100)}
    assert score.value == pytest.approx(62.5)
    images = tmp_path / "images.txt"
    images.write_text("100000.jpg\n100001.jpg\n100002.jpg\n100100.jpg\n100101.jpg\n")
    # another right one was not found
    assert scoring.holidays(ranking, images).per_class["100000"] == pytest.approx(12.5)


def test_oxford_skips_junk_before_ranking(tmp_path: Path) -> None:
    truth = tmp_path / "gt"
    truth.mkdir()
    for kind, text in (
        ("query", "oxc1_a 1 2 3 4\n"),
        ("good", "g\n"),
        ("ok", "o\n"),
        ("junk", "j\n"),
    ):
        (truth / f"hall_1_{kind}.txt").write_text(text)
    folder = tmp_path / "ranked"
    folder.mkdir()
    (folder / "hall_1.txt").write_text("j\ng\nx\no\n")
    score = scoring.oxford(truth, folder)
    # g first: 1/2 * (1 + 1) / 2; x wrong; o third: 1/2 * (1/2 + 2/3) / 2.
    assert score.value == pytest.approx(100 * (0.5 + 0.5 * (1 / 2 + 2 / 3) / 2))
    (folder / "hall_1.txt").rename(folder / "hall_2.txt")
    with pytest.raises(BadDataError, match="no ranking of the query hall_1"):
        scoring.oxford(truth, folder)


def test_ukbench_counts_the_query_itself(tmp_path: Path) -> None:
    ranking = tmp_path / "r.txt"
    ranking.write_text(
        "0 0 1 9 2 3\n"
        "ukbench00004.jpg ukbench00004.jpg ukbench00005.jpg ukbench00006.jpg ukbench00007.jpg\n"
    )
    score = scoring.ukbench(ranking)
    assert score.per_class == {"0": 3, "4": 4}
    assert (score.metric, score.value, score.unit) == ("ns_score", 3.5, "score")
    assert score.others == {"recall_at_4": pytest.approx(87.5)}


def test_top_k_of_text_and_of_arrays(tmp_path: Path) -> None:
    labels, scores = tmp_path / "labels.txt", tmp_path / "scores.csv"
    labels.write_text("0\n2\n1\n")
    scores.write_text("0.5,0.3,0.2\n0.5,0.3,0.4\n0.1,0.8,0.1\n")
    score = scoring.top_k(labels, scores)
    assert score.value == pytest.approx(200 / 3)
    assert score.per_class == {"0": 100, "1": 100, "2": 0}
    np.save(tmp_path / "scores.npy", np.loadtxt(scores, delimiter=","))
    assert scoring.top_k(labels, tmp_path / "scores.npy").value == score.value
    with pytest.raises(UsageError, match="k = 7"):
        scoring.top_k(labels, scores, 7)
    labels.write_text("0\n3\n1\n")
    with pytest.raises(BadDataError, match="labels that are not 0 to 2"):
        scoring.top_k(labels, scores)
    labels.write_text("0\n")
    with pytest.raises(BadDataError, match="1 labels"):
        scoring.top_k(labels, scores)


def test_rankings_survive_being_written(tmp_path: Path) -> None:
    given = [
        Ranking(query="a.jpg", images=("b.jpg", "c.jpg")),
        Ranking(query="d.jpg", images=("e.jpg",)),
    ]
    write_rankings(tmp_path / "r.dat", given)
    assert read_rankings(tmp_path / "r.dat") == given


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("a\n", "'a' has no ranking"), ("a b\na c\n", "ranks the query 'a' twice")],
)
def test_what_is_wrong_with_a_ranking_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.txt").write_text(text)
    with pytest.raises(BadDataError, match=message):
        read_rankings(tmp_path / "r.txt")


def test_names_with_blanks_and_signs_survive_being_written(tmp_path: Path) -> None:
    given = [Ranking(query="my photo.jpg", images=("50% off%20.jpg", "c d e.jpg"))]
    write_rankings(tmp_path / "r.dat", given)
    assert len((tmp_path / "r.dat").read_text().split()) == 5  # any tool reads it by blanks
    assert read_rankings(tmp_path / "r.dat") == given


@pytest.mark.parametrize(
    ("line", "images", "ranks"),
    [
        ("q 0 a.jpg 1 b.jpg", ("a.jpg", "b.jpg"), None),
        ("q 1 a.jpg 2 b.jpg", ("a.jpg", "b.jpg"), None),  # written from 1
        ("q 3 b.jpg 0 a.jpg", ("a.jpg", "b.jpg"), (0, 3)),  # in any order, others left out
        ("q 0 100002 120000 100001", ("100002", "100001"), (0, 120000)),
        ("q 0 100002 7 100001", ("100002", "100001"), (0, 7)),
        ("q 100002 100001", ("100002", "100001"), None),
        ("q 0 1 2 3", ("0", "1", "2", "3"), None),  # UKBench's numbers
        ("q 0 5 1 7 2 9 3 4", ("5", "7", "9", "4"), None),
        ("q a.jpg b.jpg", ("a.jpg", "b.jpg"), None),
    ],
)
def test_ranks_are_distinguished_from_images(
    tmp_path: Path, line: str, images: tuple[str, ...], ranks: tuple[int, ...] | None
) -> None:
    (tmp_path / "r.dat").write_text(line)
    assert read_rankings(tmp_path / "r.dat", least=100_000) == [
        Ranking(query="q", images=images, ranks=ranks)
    ]


def test_holidays_counts_the_places_that_are_left_out(tmp_path: Path) -> None:
    images = tmp_path / "all.txt"
    images.write_text("100000.jpg\n100001.jpg\n100002.jpg\n")
    whole = tmp_path / "whole.dat"
    # The query itself, a right one, two of other groups, a right one: places 0 and 3 without the
    # query.
    whole.write_text(
        "100000.jpg 0 100000.jpg 1 100001.jpg 2 100100.jpg 3 100200.jpg 4 100002.jpg\n"
    )
    gaps = tmp_path / "gaps.dat"
    gaps.write_text("100000.jpg 0 100000.jpg 1 100001.jpg 4 100002.jpg\n")
    expected = 100 * (1.0 + (1 / 3 + 2 / 4) / 2) / 2
    assert scoring.holidays(whole, images).value == pytest.approx(expected)
    assert scoring.holidays(gaps, images).value == pytest.approx(expected)
    assert scoring.holidays(gaps, images).notes == ()
    (told,) = scoring.holidays(whole, images).notes
    assert "2 images of the rankings are not among" in told
    gaps.write_text("100000 100001\n")
    (told,) = scoring.holidays(gaps, images).notes
    assert told == "1 of 2 relevant images are in no ranking; they count as not found"


def test_places_that_are_written_from_one_are_told(tmp_path: Path) -> None:
    """Also where some query's first place is left out."""
    images, ranking = tmp_path / "all.txt", tmp_path / "r.dat"
    images.write_text("".join(f"{n}.jpg\n" for n in (100000, 100001, 100002, 100100, 100101)))
    ranking.write_text(
        "100000.jpg 1 100000.jpg 2 100001.jpg 3 100002.jpg\n100100.jpg 2 100101.jpg\n"
    )
    score = scoring.holidays(ranking, images)
    assert score.per_class == {"100000": 100.0, "100100": pytest.approx(100 * (0 + 1 / 2) / 2)}
    assert score.notes == ("ranks were read as counted from 1, since no rank is 0",)


def test_two_images_at_one_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_text("100000.jpg 0 100000.jpg 1 100001.jpg 1 100002.jpg\n")
    with pytest.raises(BadDataError, match=r"line 1: two images have rank 1"):
        scoring.holidays(tmp_path / "r.dat")


def test_a_ranking_that_was_cut_is_found_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "ranking_first_2.dat").write_text(
        "100000.jpg 0 100001.jpg 1 100100.jpg\n"
    )
    (tmp_path / "all.txt").write_text("100000.jpg\n100001.jpg\n100002.jpg\n")
    score = scoring.holidays(tmp_path / "results", tmp_path / "all.txt")
    assert score.value == 50
    assert "1 of 2 relevant images are in no ranking; they count as not found" in score.notes


def test_a_query_that_nothing_was_ranked_for_is_named_alone(tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text("100000.jpg\n100001.jpg\n100100.jpg\n100101.jpg\n")
    (tmp_path / "r.dat").write_text("100000.jpg 100001.jpg\n")
    with pytest.raises(BadDataError) as caught:
        scoring.holidays(tmp_path / "r.dat", tmp_path / "images.txt")
    assert caught.value.message.endswith("has no ranking of the query 100100")


def test_a_folder_of_results_holds_the_ranking(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "ranking.dat").write_text("100000.jpg 0 100001.jpg\n")
    assert scoring.holidays(tmp_path / "results").value == 100


def test_oxfords_names_are_spelt_one_way(tmp_path: Path) -> None:
    truth = tmp_path / "gt"
    truth.mkdir()
    for kind, text in (
        ("query", "oxc1_caf\u00e9_1 0 0 9 9"),
        ("good", "caf\u00e9_2\n"),
        ("ok", "caf\u00e9_4\n"),
        ("junk", "caf\u00e9_3\n"),
    ):
        (truth / f"caf\u00e9_1_{kind}.txt").write_text(text, encoding="utf-8")
    ranking = tmp_path / "r.txt"
    # Accents as characters of their own, suffixes, Oxford's prefix; junk first.
    ranking.write_text(
        "cafe\u0301_1: oxc1_cafe\u0301_3.JPG cafe\u0301_2.jpg other\nstranger a b\n",
        encoding="utf-8",
    )
    score = scoring.oxford(truth, ranking)
    ranking.write_text(
        "caf\u00e9_1 images/caf\u00e9_2.jpg images/caf\u00e9_4.jpg\n", encoding="utf-8"
    )
    assert scoring.oxford(truth, ranking).value == 100
    ranking.write_text("caf\u00e9_1 one two\n", encoding="utf-8")
    with pytest.raises(BadDataError, match="no image that .* names is in any list"):
        scoring.oxford(truth, ranking)
    assert score.per_class == {"caf\u00e9_1": 50.0}
    assert score.notes == (
        "ignored rankings of no query: stranger",
        "1 of 2 relevant images are in no ranking; they count as not found",
    )


def test_what_is_not_among_ukbenchs_first_four_counts_as_not_found(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("0 0 1 2\n")
    score = scoring.ukbench(tmp_path / "r.txt")
    assert score.value == 3
    assert "1 rankings lack some of their first 4 images, which count as wrong" in score.notes
    (tmp_path / "r.txt").write_text(
        "ukbench0.jpg 0 ukbench0.jpg 1 ukbench1.jpg 2 ukbench2.jpg 3 ukbench9.jpg 9 ukbench3.jpg\n"
    )
    assert scoring.ukbench(tmp_path / "r.txt").value == 3
    (tmp_path / "r.txt").write_text("ukbench0.jpg 0 ukbench0.jpg 3 ukbench1.jpg 4 ukbench2.jpg\n")
    assert scoring.ukbench(tmp_path / "r.txt").value == 2


def test_a_box_that_ends_before_it_begins_is_named(voc: Path, tmp_path: Path) -> None:
    out = results(tmp_path / "out", cat="000001 0.9 10 1 1 10\n")
    with pytest.raises(
        BadDataError, match=r"line 1: the box '0.9 10 1 1 10' ends before it begins"
    ):
        scoring.voc_detection(voc, "test", out)


def test_files_of_another_kind_say_of_which(voc: Path, tmp_path: Path) -> None:
    boxes = results(tmp_path / "boxes", cat="000001 0.9 1 1 10 10\n")
    with pytest.raises(BadDataError) as caught:
        scoring.voc_classification(voc, "test", boxes)
    assert "score it with voc-detection" in caught.value.hint


@pytest.mark.parametrize(
    "array", [np.array(["a", "b"]), np.array(3.0), np.zeros(0), np.array([None, 1], object)]
)
def test_arrays_that_hold_no_numbers_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "scores.npy", array, allow_pickle=True)
    np.save(tmp_path / "labels.npy", np.array([0, 1]))
    with pytest.raises(BadDataError, match=r"scores\.npy"):
        scoring.top_k(tmp_path / "labels.npy", tmp_path / "scores.npy")


def test_labels_may_be_truths_and_no_gaps(tmp_path: Path) -> None:
    np.save(tmp_path / "scores.npy", np.array([[0.9, 0.1], [0.2, 0.8]]))
    np.save(tmp_path / "labels.npy", np.array([False, True]))
    assert scoring.top_k(tmp_path / "labels.npy", tmp_path / "scores.npy").value == 100
    np.save(tmp_path / "labels.npy", np.array([0.0, np.nan]))
    with pytest.raises(BadDataError, match="labels that are not 0 to 1"):
        scoring.top_k(tmp_path / "labels.npy", tmp_path / "scores.npy")
    (tmp_path / "labels.npy").write_bytes(b"")
    with pytest.raises(BadDataError, match=r"labels\.npy"):
        scoring.top_k(tmp_path / "labels.npy", tmp_path / "scores.npy")


def test_results_of_detection_may_be_called_detections(voc: Path, tmp_path: Path) -> None:
    import seedbed as sb

    out = results(tmp_path / "out", cat="", dog="000002 0.5 5 5 24 14\n")
    assert sb.score(
        "voc-detection", truth=voc, image_set="test", detections=out, results=None
    ).value == pytest.approx(50)
    with pytest.raises(UsageError, match="two names of one argument"):
        sb.score("voc-detection", truth=voc, image_set="test", detections=out, results=out)


@pytest.mark.parametrize(
    "rest",
    [
        "0 100001.jpg 100002.jpg",
        "100001.jpg 0.9 100002.jpg 0.8",
        "-1 100001.jpg",
        "# 100001.jpg",
        "100001.jpg 10000",
    ],
)
def test_typing_errors_in_a_ranking_are_named_with_their_line(tmp_path: Path, rest: str) -> None:
    (tmp_path / "r.dat").write_text(f"100100.jpg 100101.jpg\n100000.jpg {rest}\n")
    with pytest.raises(BadDataError, match=r"r\.dat, line 2: .* is no image") as caught:
        scoring.holidays(tmp_path / "r.dat")
    assert "'query 0 first 1 second ...'" in caught.value.hint


def test_commas_part_names_and_an_image_that_stands_again_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_text("100000.jpg,100001.jpg,100001.jpg, 100002.jpg\n")
    score = scoring.holidays(tmp_path / "r.dat")
    assert score.value == 100
    assert "1 images are ranked twice; the first rank counts" in score.notes


def test_files_are_named_and_those_of_another_metric_are_refused(tmp_path: Path, voc: Path) -> None:
    import seedbed as sb

    (tmp_path / "r.dat").write_text("100000.jpg 100001.jpg\n")
    assert sb.score("holidays", ranking=tmp_path / "r.dat").value == 100
    out = results(tmp_path / "out", cat="", dog="000002 0.5 5 5 24 14\n")
    score = sb.score("voc-detection", truth=voc, image_set="test", results=out)
    assert score.value == pytest.approx(50)
    with pytest.raises(UsageError, match="unknown argument 'truth'"):
        sb.score("holidays", ranking=tmp_path / "r.dat", truth=voc)
    with pytest.raises(UsageError, match="needs ranking"):
        sb.score("holidays")


def test_images_of_other_sets_are_searched_too(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("100000.jpg\n100001.jpg\nim12.jpg\nflickr/im7.jpg\n")
    (tmp_path / "r.dat").write_text("100000.jpg im12.jpg 100001.jpg stranger.jpg\n")
    score = scoring.holidays(tmp_path / "r.dat", tmp_path / "all.txt")
    assert score.value == pytest.approx(100 * (0 + 1 / 2) / 2)
    assert score.notes == (
        f"1 images of the rankings are not among {tmp_path / 'all.txt'}, stranger.jpg is the "
        "first; they count as wrong",
    )


def test_a_number_that_is_neither_place_nor_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.dat").write_text("100000 10001 100002 100003 100004\n")
    with pytest.raises(
        BadDataError, match=r"line 1: of 10001, 100003 some are ranks and some are images"
    ):
        scoring.holidays(tmp_path / "r.dat")


def test_a_file_of_a_class_that_is_not_asked_for_is_no_other_classs(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    write_image(root, "a", [object_xml("cell", (1, 1, 10, 10))])
    write_sets(root, {"test": ["a"]})
    out = results(tmp_path / "out", cell="a 0.9 1 1 10 10\n", red_cell="a 0.95 30 30 40 40\n")
    score = scoring.voc_detection(root, "test", out)
    assert score.value == 100
    assert any("red_cell" in note for note in score.notes)


def test_rankings_in_a_folder_are_checked_as_those_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "100000.txt").write_text("")
    with pytest.raises(BadDataError, match=r"100000\.txt is empty"):
        read_rankings(tmp_path)
    (tmp_path / "100000.txt").write_text("100001.jpg\n")
    (tmp_path / "100000.dat").write_text("100001.jpg\n")
    with pytest.raises(BadDataError, match="ranks the query '100000' twice"):
        read_rankings(tmp_path)


def test_a_list_as_image_set_may_be_a_path(voc: Path, tmp_path: Path) -> None:
    import seedbed as sb

    (tmp_path / "l.txt").write_text("000002\n")
    out = results(tmp_path / "out", dog="000002 0.5 5 5 24 14\n", cat="")
    image_set = str(tmp_path / "l.txt")
    assert sb.score("voc-detection", truth=voc, image_set=image_set, results=out).num == 1


def test_places_from_one_are_told_of_oxford_too(tmp_path: Path) -> None:
    for kind, text in (
        ("query", "oxc1_a_1 0 0 9 9"),
        ("good", "a_2\n"),
        ("ok", "a_4\n"),
        ("junk", ""),
    ):
        (tmp_path / f"a_1_{kind}.txt").write_text(text)
    (tmp_path / "r.dat").write_text("a_1 1 a_2 3 a_4\n")
    assert (
        "ranks were read as counted from 1, since no rank is 0"
        in scoring.oxford(tmp_path, tmp_path / "r.dat").notes
    )
