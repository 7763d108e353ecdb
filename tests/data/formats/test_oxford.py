"""Oxford and Paris on small trees of their layouts: queries, answers, and what each error says."""

from __future__ import annotations

import io
import shutil
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from format_trees import Encode, open_error, write_file
from PIL import Image
from retrieval_sets import (
    answers_of,
    assert_packed,
    assert_packed_without,
    assert_source,
    gallery_of,
    write_images,
)

from seedbed.data.formats import open_source, parse_data
from seedbed.data.source import Source

OXFORD = (
    "all_souls_000013",
    "all_souls_000026",
    "all_souls_000051",
    "balliol_000167",
    "oxford_002904",
    "worcester_000198",
)
OXFORD_TRUTH = {
    "all_souls_1_query": "oxc1_all_souls_000013 8 0.0 16.0 6.5\n",
    "all_souls_1_good": "all_souls_000026\nall_souls_000013\n",
    "all_souls_1_ok": "oxford_002904\n",
    "all_souls_1_junk": "worcester_000198\nall_souls_000051\n",
    "balliol_10_query": "oxc1_balliol_000167 0 0 4 4",
    "balliol_10_good": "",
    "balliol_10_ok": "all_souls_000051\n",
    "balliol_10_junk": "",
}
OXFORD_ANSWERS = {
    "queries/all_souls_1": {
        "oxbuild_images/all_souls_000013.jpg": 1,
        "oxbuild_images/all_souls_000026.jpg": 1,
        "oxbuild_images/oxford_002904.jpg": 1,
        "oxbuild_images/worcester_000198.jpg": -1,
        "oxbuild_images/all_souls_000051.jpg": -1,
    },
    "queries/balliol_10": {"oxbuild_images/all_souls_000051.jpg": 1},
}


def _quarters_png(seed: int) -> bytes:
    """An image of 16 x 12 px with four grey quarters, which differ between images."""
    grey = np.kron(
        np.array([[40, 90], [140, 190]], np.uint8) + np.uint8(7 * seed), np.ones((6, 8), np.uint8)
    )
    buffer = io.BytesIO()
    Image.fromarray(grey).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _write_truth(folder: Path, lists: Mapping[str, str] = OXFORD_TRUTH) -> None:
    for name, text in lists.items():
        write_file(folder / f"{name}.txt", text)


def _write_oxford(root: Path, truth: str = "gt_files_170407") -> Path:
    for i, name in enumerate(OXFORD):
        write_file(root / "oxbuild_images" / f"{name}.jpg", _quarters_png(i))
    _write_truth(root / truth)
    return root


def _pixels(source: Source, id_: str, size_px: int = 8) -> np.ndarray:
    return source.pixels.load(np.array([source.ids.tolist().index(id_)]), size_px).pixels[0]


@pytest.mark.parametrize("truth", ["gt_files_170407", ".", "oxbuild_images"])
def test_reading_oxford(tmp_path: Path, truth: str) -> None:
    source = open_source(f"oxford({str(_write_oxford(tmp_path / 'in', truth))!r})")
    assert_source(source, "oxford")
    assert source.name == str(tmp_path / "in")
    files = [f"oxbuild_images/{name}.jpg" for name in OXFORD]
    assert source.ids.tolist() == [*files, "queries/all_souls_1", "queries/balliol_10"]
    assert source.classes == ("all_souls", "balliol")
    assert source.names == {"all_souls": "all souls"}
    assert answers_of(source.ids, source.annotations) == OXFORD_ANSWERS
    assert gallery_of(source.ids, source.annotations) == files
    assert_packed(source, tmp_path)


def test_a_query_of_oxford_is_cropped_and_its_image_is_not(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path)
    source = open_source(str(root))
    # the upper right quarter, and a row of the one below
    assert (_pixels(source, "queries/all_souls_1")[:, 1:] == 90).mean() > 0.7
    assert (_pixels(source, "queries/balliol_10") == 40 + 7 * 3).all()
    image = _pixels(source, "oxbuild_images/all_souls_000013.jpg")
    assert image[0, 0, 0] < 50 < 180 < image[-1, -1, 0]
    whole = open_source(f"oxford({str(root)!r}, crop_queries=False)")
    assert np.array_equal(_pixels(whole, "queries/all_souls_1"), image)
    assert answers_of(whole.ids, whole.annotations) == OXFORD_ANSWERS
    assert whole.name == f"oxford({str(root)!r}, crop_queries=False)"
    assert whole.listing != source.listing


def test_another_box_changes_the_listing(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path)
    before = open_source(str(root)).listing
    write_file(root / "gt_files_170407" / "balliol_10_query.txt", "oxc1_balliol_000167 0 0 4 5")
    assert open_source(str(root)).listing != before


def test_lists_of_oxford_with_windows_line_ends_are_the_same_source(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path)
    before = open_source(str(root))
    for path in (root / "gt_files_170407").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    after = open_source(str(root))
    assert after.listing == before.listing
    assert answers_of(after.ids, after.annotations) == OXFORD_ANSWERS


def test_images_and_truth_of_oxford_in_other_folders(tmp_path: Path) -> None:
    """Ids are relative to the images' folder; in a study all paths are relative to its file."""
    _write_oxford(tmp_path / "a")
    shutil.move(tmp_path / "a" / "gt_files_170407", tmp_path / "truth")
    (tmp_path / "empty").mkdir()
    images, truth = tmp_path / "a" / "oxbuild_images", tmp_path / "truth"
    source = open_source(
        f"oxford({str(tmp_path / 'empty')!r}, images={str(images)!r}, truth={str(truth)!r})"
    )
    assert source.ids[0] == "all_souls_000013.jpg"
    assert set(answers_of(source.ids, source.annotations)) == set(OXFORD_ANSWERS)
    assert f"images={str(images)!r}" in source.name
    relative = open_source(
        "oxford('empty', images='a/oxbuild_images', truth='truth')", folder=tmp_path
    )
    assert relative.ids.tolist() == source.ids.tolist()
    assert relative.listing == source.listing


PARIS = {
    "louvre/paris_louvre_000136": "<html>302 Found</html>",
    "louvre/paris_louvre_000081": None,
    "eiffel/paris_eiffel_000128": None,
    "general/paris_mus\u00e9e_000001": None,
}
PARIS_TRUTH = {
    "louvre_1_query": "paris_louvre_000081 0.0 0.0 8.0 12.0\r\n",
    "louvre_1_good": "paris_louvre_000081\r\nparis_louvre_000136\r\n",
    "louvre_1_ok": "paris_mus\u00e9e_000001\r\n",
    "louvre_1_junk": "",
    "eiffel_1_query": "paris_eiffel_000128 1 1 15 11",
    "eiffel_1_good": "paris_eiffel_000128\n",
    "eiffel_1_ok": "",
    "eiffel_1_junk": "paris_louvre_000136",
}


def _write_paris(root: Path) -> Path:
    for i, (name, text) in enumerate(PARIS.items()):
        write_file(root / "paris" / f"{name}.jpg", text or _quarters_png(i))
    _write_truth(root / "paris_120310", PARIS_TRUTH)
    return root


def test_reading_paris_with_a_damaged_image(tmp_path: Path) -> None:
    """Some files of Paris are damaged: packing removes them from gallery and answers."""
    source = open_source(str(_write_paris(tmp_path / "in")))
    assert_source(source, "oxford")
    assert source.classes == ("eiffel", "louvre")
    lost, museum = (
        "paris/louvre/paris_louvre_000136.jpg",
        "paris/general/paris_mus\u00e9e_000001.jpg",
    )
    assert answers_of(source.ids, source.annotations) == {
        "queries/eiffel_1": {"paris/eiffel/paris_eiffel_000128.jpg": 1, lost: -1},
        "queries/louvre_1": {"paris/louvre/paris_louvre_000081.jpg": 1, lost: 1, museum: 1},
    }
    assert_packed_without(source, {lost}, tmp_path)


def test_an_unreadable_query_is_removed_with_its_answers(tmp_path: Path) -> None:
    """The query's box is outside its image; the image remains."""
    root = _write_oxford(tmp_path / "in")
    write_file(
        root / "gt_files_170407" / "all_souls_1_query.txt", "oxc1_all_souls_000013 100 100 200 200"
    )
    assert_packed_without(open_source(str(root)), {"queries/all_souls_1"}, tmp_path)


def test_accents_may_be_composed_or_decomposed(tmp_path: Path) -> None:
    """File systems store an accented letter as one character or as two."""
    root = _write_paris(tmp_path)
    folder = root / "paris" / "general"
    shutil.move(
        folder / "paris_mus\u00e9e_000001.jpg",
        folder / unicodedata.normalize("NFD", "paris_mus\u00e9e_000001.jpg"),
    )
    source = open_source(str(root))
    assert sum(map(len, answers_of(source.ids, source.annotations).values())) == 5


@pytest.mark.parametrize("kind", ["query", "good", "ok", "junk"])
def test_a_missing_file_of_oxfords_truth_is_named(tmp_path: Path, kind: str) -> None:
    root = _write_oxford(tmp_path)
    (root / "gt_files_170407" / f"balliol_10_{kind}.txt").unlink()
    error = open_error(f"oxford({str(root)!r})")
    assert (
        f"{root / 'gt_files_170407'} has no balliol_10_{kind}.txt, and has balliol_10_"
        in error.message
    )
    assert (
        "balliol_10_query.txt, balliol_10_good.txt, balliol_10_ok.txt, balliol_10_junk.txt; "
        "junk may be empty" in error.hint
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "all_souls_1_good",
            "all_souls_000026\nall_souls_9\n",
            "all_souls_1_good.txt, line 2 names 'all_souls_9', and there is no",
        ),
        (
            "all_souls_1_ok",
            "oxford_9",
            "all_souls_1_ok.txt, line 1 names 'oxford_9', and there is no such image below {}",
        ),
        (
            "all_souls_1_junk",
            "\n\noxford_9",
            "all_souls_1_junk.txt, line 3 names 'oxford_9', and there is no such image below {}",
        ),
        (
            "all_souls_1_good",
            "oxc1_all_souls_000026",
            "line 1 names 'oxc1_all_souls_000026', and there is no such image",
        ),
        (
            "all_souls_1_good",
            "all_souls_000026.jpg",
            "line 1 names 'all_souls_000026.jpg', and there is no such image",
        ),
        (
            "all_souls_1_junk",
            "oxford_002904",
            "_junk.txt, line 1: 'oxford_002904' is junk, and an answer by "
            "{}/gt_files_170407/all_so",
        ),
        (
            "balliol_10_ok",
            " \r\n",
            "query balliol_10 has no answer: {}/gt_files_170407/balliol_10_good.txt and "
            "balliol_10_ok.txt are",
        ),
        (
            "balliol_10_query",
            "oxc1_balliol_9 0 0 4 4",
            "balliol_10_query.txt, line 1 names 'oxc1_balliol_9', and there is no such",
        ),
        ("balliol_10_query", "", "balliol_10_query.txt is empty"),
        (
            "balliol_10_query",
            "oxc1_balliol_000167 0 0 4",
            "line 1: 'oxc1_balliol_000167 0 0 4' is not a query",
        ),
        (
            "balliol_10_query",
            "oxc1_balliol_000167 0 0 4 x",
            "line 1: 'oxc1_balliol_000167 0 0 4 x' is not a query",
        ),
        ("balliol_10_query", "oxc1_balliol_000167 0 0 4 nan", "is not a query"),
        ("balliol_10_query", "oxc1_balliol_000167 4 0 0 4", "is not a query"),
        (
            "balliol_10_query",
            "oxc1_balliol_000167 0 0 4 4\nx 0 0 4 4",
            "balliol_10_query.txt, line 2: a query must be one line",
        ),
    ],
)
def test_faults_of_oxfords_lists_are_named(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    root = _write_oxford(tmp_path)
    write_file(root / "gt_files_170407" / f"{name}.txt", text)
    error = open_error(str(root))
    assert message.format(root) in error.message
    assert "robots.ox.ac.uk/~vgg/data/oxbuildings" in error.hint
    assert "robots.ox.ac.uk/~vgg/data/parisbuildings" in error.hint


def test_a_missing_image_of_oxford_is_named(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path)
    (root / "oxbuild_images" / "worcester_000198.jpg").unlink()
    error = open_error(str(root))
    assert "all_souls_1_junk.txt, line 1 names 'worcester_000198'" in error.message
    assert "Expected a file worcester_000198.jpg" in error.hint
    (root / "oxbuild_images" / "balliol_000167.jpg").unlink()
    write_file(root / "gt_files_170407" / "all_souls_1_junk.txt", "")
    assert "Expected a file balliol_000167.jpg" in open_error(str(root)).hint


def test_an_oxford_list_that_is_not_text_is_named(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path)
    (root / "gt_files_170407" / "all_souls_1_ok.txt").write_bytes("caf\u00e9".encode("latin-1"))
    assert "all_souls_1_ok.txt, line 1: b'caf\\xe9' is not UTF-8" in open_error(str(root)).message
    (root / "gt_files_170407" / "all_souls_1_ok.txt").unlink()
    (root / "gt_files_170407" / "all_souls_1_ok.txt").mkdir()
    assert "all_souls_1_ok.txt: Is a directory" in open_error(str(root)).message


def test_missing_or_ambiguous_truth_of_oxford_is_refused(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path / "in")
    _write_truth(root / "again")
    error = open_error(f"oxford({str(root)!r})")
    assert (
        f"has ground truth in 2 folders: {root / 'again'}, {root / 'gt_files_170407'}"
        in error.message
    )
    assert "truth='FOLDER'" in error.hint
    assert open_source(f"oxford({str(root)!r}, truth={str(root / 'again')!r})").num_images == 8
    error = open_error(f"oxford({str(root)!r}, truth={str(root / 'oxbuild_images')!r})")
    assert f"{root / 'oxbuild_images'} has no ground truth" in error.message
    for name in ("again", "gt_files_170407"):
        shutil.rmtree(root / name)
    assert f"{root} has no ground truth" in open_error(f"oxford({str(root)!r})").message


def test_truth_of_oxford_in_a_linked_folder(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path / "in")
    shutil.move(root / "gt_files_170407", tmp_path / "truth")
    (root / "lab").symlink_to(tmp_path / "truth")
    (root / "lab2").symlink_to(tmp_path / "truth")  # the same folder once more
    (root / "oxbuild_images" / "loop").symlink_to(root)
    write_file(root / "__MACOSX" / "gt" / "balliol_1_query.txt", "x")
    write_file(root / "oxbuild_images" / "._balliol_1_query.txt", "x")
    assert parse_data(str(root)).name == "oxford"
    source = open_source(
        f"oxford({str(root)!r}, images={str(root / 'oxbuild_images')!r}, "
        f"truth={str(root / 'lab')!r})"
    )
    assert source.num_images == 8
    (root / "oxbuild_images" / "loop").unlink()
    assert open_source(str(root)).num_images == 8


def test_two_images_of_oxford_with_one_name_are_refused(tmp_path: Path) -> None:
    root = _write_oxford(tmp_path)
    write_file(root / "thumbs" / "balliol_000167.png", _quarters_png(9))
    error = open_error(str(root))
    assert (
        "two images of one name, 'oxbuild_images/balliol_000167.jpg' and "
        "'thumbs/balliol_000167.png'" in error.message
    )
    assert "images='FOLDER'" in error.hint
    assert (
        open_source(f"oxford({str(root)!r}, images={str(root / 'oxbuild_images')!r})").num_images
        == 8
    )
    for folder in ("thumbs", "oxbuild_images"):
        shutil.rmtree(root / folder)
    assert f"there are no images below {root}" in open_error(str(root)).message


def test_recognising_oxford(tmp_path: Path, encode: Encode) -> None:
    root = _write_oxford(tmp_path / "in")
    assert parse_data(str(root)).name == "oxford"
    assert parse_data(str(root / "gt_files_170407")).name == "oxford"
    assert parse_data(str(root / "oxbuild_images")).name == "folder"
    (root / "gt_files_170407" / "all_souls_1_good.txt").unlink()
    assert parse_data(str(root)).name == "oxford"  # balliol_10 has one
    (root / "gt_files_170407" / "balliol_10_good.txt").unlink()
    assert parse_data(str(root)).name == "folder"
    photos = write_images(tmp_path / "photos", ("cats/1.jpg", "dogs/1.jpg"), encode)
    write_file(photos / "search_query.txt", "cats")
    assert parse_data(str(photos)).name == "folder"
