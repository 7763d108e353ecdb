"""Tables as people have them: Excel's, Kaggle's, lists without a header. Advice is followed as it
is printed."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from format_trees import label_of_ids, open_error, split_of_ids, write_file

from seedbed.data.formats import open_source, parse_data

LABELS = {f"{c}/00{i}.png": c for c in "ab" for i in range(3)}


@pytest.fixture
def photos(make_tree) -> Path:
    return make_tree({"a": 3, "b": 3})


def _lines(delimiter: str = ",", header: str = "path,label") -> str:
    rows = [header.replace(",", delimiter)] if header else []
    return "\n".join([*rows, *(f"{path}{delimiter}{label}" for path, label in LABELS.items())])


def _advice(hint: str) -> str:
    """The call that a hint ends with."""
    match = re.search(r"\b(?:manifest|huggingface)\(.*\)", hint)
    assert match, hint
    return match[0]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (_lines(";"), "separated by a semicolon"),
        (_lines("\t"), "separated by a tab"),
        (_lines("|"), "separated by a vertical bar"),
        ("sep=;\n" + _lines(";"), "separated by a semicolon"),
        ("sep=\\t\n" + _lines("\t"), "separated by a tab"),
        ("# exported by a tool, 2024\n" + _lines(), "1 comment line is passed over"),
        ("#path,label\n" + _lines(header=""), None),
        (_lines() + "\n# the end\n\n,\n", "1 comment line is passed over"),
        (_lines(header=""), "no header: column 1 is the image, column 2 the label"),
        (_lines(";", header=""), "no header: column 1 is the image"),
        (_lines(header="where,label"), "column 'where' is the image"),
        (_lines(header="where,species"), "column 'species' is the label"),
        (
            _lines().replace("/", "\\"),
            "6 paths with backslashes: read as /: the first is a\\000.png",
        ),
        (_lines().replace("/", "\\").replace("\na", "\n.\\a"), "6 paths with backslashes"),
        (_lines().replace(".png", ""), "6 names without a suffix"),
        (_lines().replace(",a", ", a ").replace("b,", "b ,"), "cells with blanks around"),
        (_lines().replace(",a", ',"a "'), "3 cells with blanks around"),
        (_lines().replace(",a", ', "a"').replace(",b", ', "b"'), None),
        (_lines() + "\na/000.png,a\n", r"1 row that repeat an earlier one: used once: .*line 8"),
        (
            _lines().replace("\na", "\nC:\\me\\photos\\a").replace("\nb", "\nC:\\me\\photos\\b"),
            "paths are read without C:/me/photos/",
        ),
        (
            _lines().replace("\na", "\n/home/me/a").replace("\nb", "\n/home/me/b"),
            "paths are read without /home/me/",
        ),
    ],
)
def test_a_table_is_read_right_and_what_is_unusual_is_noted(
    photos: Path, text: str, note: str | None
) -> None:
    write_file(photos / "all.csv", text)
    source = open_source(str(photos / "all.csv"))
    assert label_of_ids(source) == LABELS
    assert source.pixels.load(list(range(6)), 8).failures == {}
    notes = "\n".join(source.notes)
    assert re.search(note, notes) or note in notes if note else not notes


def test_the_advice_for_an_unknown_delimiter_works(photos: Path) -> None:
    for path in photos.rglob("*.png"):
        path.rename(photos / f"{path.parent.name}{path.name}")
    text = _lines().replace("/", "").replace(",", "/")
    write_file(photos / "all.csv", text)
    error = open_error(str(photos / "all.csv"))
    assert error.hint.endswith("first line that names it: sep=/")
    write_file(photos / "all.csv", "sep=/\n" + text)
    expected = {path.replace("/", ""): label for path, label in LABELS.items()}
    assert label_of_ids(open_source(str(photos / "all.csv"))) == expected


def test_usual_tables_have_no_notes_and_their_old_listing(photos: Path, tmp_path: Path) -> None:
    """Keys of results depend on what is listed."""
    from seedbed.data.source import listing_fingerprint

    write_file(photos / "all.csv", _lines())
    source = open_source(str(photos / "all.csv"))
    assert source.notes == () and source.skipped == ()
    rows = []
    for path, label in LABELS.items():
        status = (photos / path).stat()
        rows.append(f"{path}\t{label}\t0\t{status.st_size}\t{status.st_mtime_ns}")
    assert source.listing == listing_fingerprint(["manifest", *rows])
    assert source.name == str(photos / "all.csv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_excels_encodings_are_read(photos: Path, encode, encoding: str) -> None:
    write_file(photos / "Übung" / "straße.png", encode(90))
    text = "Datei;label\n" + _lines(";", header="") + "\nÜbung/straße.png;Bär\n"
    write_file(photos / "all.csv", text.replace("\n", "\r\n").encode(encoding))
    source = open_source(str(photos / "all.csv"))
    assert label_of_ids(source) == {**LABELS, "Übung/straße.png": "Bär"}
    noted = "\n".join(source.notes)
    assert ("Windows-1252" in noted) == (encoding == "cp1252")
    assert "(line 8)" in noted or encoding != "cp1252"


def test_bytes_of_no_known_encoding_are_refused_with_their_line(photos: Path) -> None:
    write_file(photos / "all.csv", _lines().encode() + b"\nx\x81.png,b\n")
    error = open_error(str(photos / "all.csv"))
    assert "line 8" in error.text and "CSV UTF-8" in error.hint


def test_names_in_the_decomposed_form_of_macos_are_matched(photos: Path, encode) -> None:
    write_file(photos / unicodedata.normalize("NFD", "über.png"), encode(90))
    write_file(photos / "all.csv", _lines() + "\nüber.png,b\n")
    source = open_source(str(photos / "all.csv"))
    assert source.num_images == 7
    assert source.pixels.load(list(range(7)), 8).failures == {}


def test_a_list_of_paths_and_labels_separated_by_blanks(photos: Path, encode) -> None:
    write_file(photos / "b" / "with blank.png", encode(90))
    write_file(photos / "train.txt", _lines(" ", header="") + "\nb/with blank.png b\n")
    assert label_of_ids(open_source(str(photos / "train.txt"))) == {
        **LABELS,
        "b/with blank.png": "b",
    }


def test_json_lines_are_a_table(photos: Path) -> None:
    rows = [json.dumps({"path": path, "label": label}) for path, label in LABELS.items()]
    write_file(photos / "all.jsonl", "\n".join([*rows, "", ""]))
    assert label_of_ids(open_source(str(photos / "all.jsonl"))) == LABELS
    write_file(photos / "all.jsonl", rows[0] + "\n{\n")
    assert "line 2 is no JSON" in open_error(str(photos / "all.jsonl")).text


def test_kaggles_ids_without_a_suffix_and_its_folders_train_and_test(
    tmp_path: Path, encode
) -> None:
    for i in range(6):
        write_file(tmp_path / "train" / f"00{i}.jpg", encode(i, (16, 16), "JPEG"))
        write_file(tmp_path / "test" / f"10{i}.jpg", encode(10 + i, (16, 16), "JPEG"))
    rows = [f"00{i},{'ab'[i % 2]}" for i in range(6)]
    write_file(tmp_path / "labels.csv", "\n".join(["id,breed", *rows]))
    source = open_source(str(tmp_path / "labels.csv"))
    assert label_of_ids(source) == {f"train/00{i}.jpg": "ab"[i % 2] for i in range(6)}
    assert set(split_of_ids(source).values()) == {"train"}
    assert [(row.reason, row.num, row.example) for row in source.skipped] == [
        ("not in the table", 6, "test/100.jpg")
    ]
    assert any("column 'id' is the image" in note for note in source.notes)
    assert any("matched by the name of the file" in note for note in source.notes)


def test_a_name_in_several_folders_is_refused_and_the_advice_works(tmp_path: Path, encode) -> None:
    for i in range(4):
        write_file(tmp_path / "test" / f"{i}.png", encode(10 + i))
        write_file(tmp_path / "train" / f"{i}.png", encode(i))
    rows = [f"{i},{'ab'[i % 2]}" for i in range(4)]
    write_file(tmp_path / "labels.csv", "\n".join(["id,label", *rows]))
    error = open_error(str(tmp_path / "labels.csv"))
    assert "line 2: '0' fits test/0.png and train/0.png" in error.text
    source = open_source(_advice(error.hint))
    assert source.ids.tolist() == [f"{i}.png" for i in range(4)]
    loaded = source.pixels.load([0], 8).checksums
    assert (
        loaded
        == open_source(
            f"manifest({str(tmp_path / 'labels.csv')!r}, root={str(tmp_path / 'train')!r})"
        )
        .pixels.load([0], 8)
        .checksums
    )


def test_a_name_without_suffix_that_fits_two_files_is_refused(photos: Path, encode) -> None:
    write_file(photos / "a" / "000.jpg", encode(90, (16, 16), "JPEG"))
    write_file(photos / "all.csv", _lines().replace(".png", ""))
    error = open_error(str(photos / "all.csv"))
    assert "line 2: 'a/000' fits a/000.jpg and a/000.png" in error.text
    write_file(photos / "all.csv", _lines().replace(".png", "").replace("a/000", "a/000.png"))
    assert label_of_ids(open_source(str(photos / "all.csv"))) == LABELS


def test_a_missing_image_is_not_replaced_by_one_of_its_name_elsewhere(photos: Path) -> None:
    (photos / "a" / "001.png").unlink()
    write_file(photos / "all.csv", _lines())
    source = open_source(str(photos / "all.csv"))
    assert label_of_ids(source) == LABELS
    assert list(source.pixels.load([0, 1, 2], 8).failures) == [1]


def test_images_and_files_that_the_table_does_not_list_are_counted(photos: Path, encode) -> None:
    write_file(photos / "c" / "9.png", encode(90))
    write_file(photos / "c" / "8.jpg", encode(91))
    write_file(photos / "readme.md", "x")
    write_file(photos / "all.csv", _lines())
    skipped = {
        (row.suffix, row.reason): row.example
        for row in open_source(str(photos / "all.csv")).skipped
    }
    assert skipped == {
        (".png", "not in the table"): "c/9.png",
        (".jpg", "not in the table"): "c/8.jpg",
        (".md", "not an image"): "readme.md",
    }


def test_one_column_for_each_class(photos: Path) -> None:
    rows = [f"{path},{1.0 if c == 'a' else 0.0},{float(c == 'b')}" for path, c in LABELS.items()]
    write_file(photos / "all.csv", "\n".join(["image,a,b", *rows]))
    source = open_source(str(photos / "all.csv"))
    assert label_of_ids(source) == LABELS
    assert any("2 one-hot columns" in note for note in source.notes)
    write_file(photos / "all.csv", "\n".join(["image,a,b", *rows, "a/000.png,1,1"]))
    error = open_error(str(photos / "all.csv"))
    assert "line 8 is of 'a' and 'b'" in error.text
    assert "task='classification'" in error.hint


def test_a_label_column_that_must_be_named_is_named_in_the_advice(photos: Path) -> None:
    rows = [f"{path},{i},{c},x{i % 3}" for i, (path, c) in enumerate(LABELS.items())]
    write_file(photos / "all.csv", "\n".join(["path,age,species,site", *rows]))
    error = open_error(str(photos / "all.csv"))
    assert "It has: path, age, species, site" in error.hint
    assert label_of_ids(open_source(_advice(error.hint))) == LABELS
    write_file(photos / "all.csv", "\n".join(rows))
    error = open_error(str(photos / "all.csv"))
    assert "no header, and 3 columns may be the label" in error.text
    assert label_of_ids(open_source(_advice(error.hint))) == LABELS


def test_a_column_of_numbers_that_never_repeat_is_no_label(photos: Path) -> None:
    rows = [f"{path},{i}" for i, path in enumerate(LABELS)]
    write_file(photos / "all.csv", "\n".join(["path,age", *rows]))
    assert "no column has values that repeat" in open_error(str(photos / "all.csv")).text


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("path\na/000.png\n", "has one column only, for instance 'path'", "sep=/"),
        ("path,label\n", "has a header and no rows", "Write a row"),
        ("", "has no rows", "path,label"),
        ("path,label\na/000.png,a,b\n", r"line 2 has 3 cells, and the header 2: 'b'", "Quote"),
        ("path,label,split\na/000.png,a,\n", r"line 2: 'split' is empty", "remove the row"),
        ('path,label\n"a\n/000.png",a\nb/000.png,\n', r"line 2: 'path' has a line break", "quote"),
        ("path,label\na/000.png,a\nb/000.png,\n", r"line 3: 'label' is empty", "Fill it in"),
        (
            "path,label,split\na/000.png,a,dev\n",
            r"line 2, column 'split': 'dev' is no split",
            "Valid: train",
        ),
    ],
)
def test_faults_name_the_line_and_the_next_step(
    photos: Path, text: str, message: str, hint: str
) -> None:
    write_file(photos / "all.csv", text)
    error = open_error(str(photos / "all.csv"))
    assert re.search(message, error.text)
    assert hint in error.hint


def test_one_row_in_two_splits_is_refused(photos: Path) -> None:
    rows = [f"{path},{label},train" for path, label in LABELS.items()]
    text = "\n".join(["path,label,split", *rows, "a/000.png,a,test"])
    write_file(photos / "all.csv", text)
    error = open_error(str(photos / "all.csv"))
    assert "line 8: 'a/000.png' is 'a' (test)" in error.text and "line 2" in error.text
    write_file(photos / "all.csv", "\n".join(text.split("\n")[:-1]))  # one of the rows removed
    assert label_of_ids(open_source(str(photos / "all.csv"))) == LABELS


def test_a_label_that_may_stand_for_a_missing_one_is_noted(photos: Path) -> None:
    write_file(photos / "all.csv", _lines().replace(",a", ",NaN"))
    source = open_source(str(photos / "all.csv"))
    assert source.classes == ("NaN", "b")
    assert "3 labels that may stand for a missing one" in source.notes[0]


def test_values_of_parquet_that_are_no_labels_are_refused(photos: Path) -> None:
    import pandas as pd

    for values, message in (
        ([[0], [1], [0], [1], [0], [1]], r"row 1, column 'label': .* is no single value"),
        ([0.0, 1.0, None, 1.0, 0.0, 1.0], "row 3: 'label' is empty"),
    ):
        pd.DataFrame({"path": list(LABELS), "label": values}).to_parquet(photos / "all.parquet")
        assert re.search(message, open_error(str(photos / "all.parquet")).text)


def test_a_spreadsheet_is_refused_with_what_to_do(photos: Path) -> None:
    write_file(photos / "all.xlsx", b"PK")
    assert parse_data(str(photos / "all.xlsx")).name == "manifest"
    assert "CSV UTF-8" in open_error(str(photos / "all.xlsx")).hint


def test_the_folder_of_a_table_points_to_the_table(tmp_path: Path, encode) -> None:
    for i in range(4):
        write_file(tmp_path / "set" / f"{i}.png", encode(i))
    rows = [f"{i}.png,{'ab'[i % 2]}" for i in range(4)]
    write_file(tmp_path / "set" / "labels.csv", "\n".join(["image,label", *rows]))
    error = open_error(str(tmp_path / "set"))
    assert label_of_ids(open_source(_advice(error.hint))) == {
        f"{i}.png": "ab"[i % 2] for i in range(4)
    }
