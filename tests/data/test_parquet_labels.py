"""Labels of Parquet files are checked against the names of their classes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from format_trees import label_of_ids, open_error

from seedbed.data.formats import open_source
from seedbed.data.parquet_labels import read_labels


def _write(path: Path, encode, labels: list, names: list[str] | None = None, first=0, **columns):
    images = [{"bytes": encode(first + i), "path": None} for i in range(len(labels))]
    table = pa.table({"image": images, "label": labels, **columns})
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    path.parent.mkdir(exist_ok=True, parents=True)
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, -100, 0], r"row 2: -100 is no class: it is negative"),
        ([0, 1, 0, -2], r"row 3: -2 is no class: it is negative"),
        ([0, -1, 0, 1], r"row 1: no label \(-1\)"),
        ([0, 1, 5, 0], r"row 2: class 5 has no name: there are 2 names, for 0 to 1"),
        ([0, 1, None, 0], r"row 2: no label \(None\)"),
        ([0.0, 1.0, float("nan"), 0.0], r"row 2: no label \(nan\)"),
        ([0.0, 1.0, 0.5, 0.0], r"row 2: class 0.5 has no name"),
        (["cat", "dog", "", "cat"], r"row 2: no label \(''\)"),
        (["cat", "dog", "cow", "cat"], r"row 2: 'cow' is not among the 2 names"),
        ([[0], [1], [0, 1], [0]], r"row 0: the label is a list, \[0\]"),
        ([{"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}], r"row 0: the label is a dict"),
        ([b"a", b"b", b"a", b"b"], r"row 0: the label is a bytes"),
    ],
)
def test_a_value_that_is_no_class_is_refused_with_its_file_and_row(
    tmp_path: Path, encode, labels: list, message: str
) -> None:
    _write(tmp_path / "p" / "train.parquet", encode, labels, ["cat", "dog"])
    error = open_error(str(tmp_path / "p"))
    assert re.search(r"train\.parquet, " + message, error.text)
    assert error.hint


def test_negative_numbers_without_names_are_refused_too() -> None:
    with pytest.raises(Exception, match="row 1: -100 is no class"):
        read_labels([0, -100], [], "x.parquet")


def test_labels_are_numbers_or_words_and_lose_blanks(tmp_path: Path, encode) -> None:
    assert read_labels([0, 1], ["cat", "dog"], "x") == ["cat", "dog"]
    assert read_labels([0.0, 1.0], ["cat", "dog"], "x") == ["cat", "dog"]
    assert read_labels([3, 8], [], "x") == ["3", "8"]
    assert read_labels(["a"], ["a"], "x") == ["a"]
    _write(tmp_path / "p" / "train.parquet", encode, ["a", " a", "b", "b "])
    source = open_source(str(tmp_path / "p"))
    assert source.classes == ("a", "b")
    assert "2 labels with blanks around" in source.notes[0]


@pytest.mark.parametrize("missing", [-1, None])
def test_a_split_without_labels_is_passed_over_and_counted(
    tmp_path: Path, encode, missing: object
) -> None:
    _write(tmp_path / "p" / "train.parquet", encode, [0, 1, 0, 1], ["cat", "dog"])
    labels = pa.array([missing] * 3, pa.int64())
    _write(tmp_path / "p" / "test.parquet", encode, labels, ["cat", "dog"], first=10)
    source = open_source(str(tmp_path / "p"))
    assert source.num_images == 4 and source.classes == ("cat", "dog")
    assert [(row.reason, row.example) for row in source.skipped] == [
        ("no row has a label", "test.parquet")
    ]


def test_without_any_label_the_advice_names_another_column(tmp_path: Path, encode) -> None:
    _write(
        tmp_path / "p" / "test.parquet", encode, [-1] * 4, ["cat", "dog"], kind=["a", "a", "b", "b"]
    )
    error = open_error(str(tmp_path / "p"))
    assert "no row has a label in the column 'label'" in error.text
    call = re.search(r"huggingface\(.*\)", error.hint)
    assert call and open_source(call[0]).classes == ("a", "b")


def test_files_with_other_names_for_the_same_numbers_are_refused(tmp_path: Path, encode) -> None:
    _write(tmp_path / "p" / "train-0.parquet", encode, [0, 1, 0, 1], ["cat", "dog"])
    _write(tmp_path / "p" / "train-1.parquet", encode, [0, 1, 0, 1], ["dog", "cat"], first=10)
    error = open_error(str(tmp_path / "p"))
    assert "class 0 is 'dog', and in that 'cat'" in error.text


def test_the_advice_for_columns_of_other_names_works(tmp_path: Path, encode) -> None:
    data = {"photo": [encode(i) for i in range(4)], "species": ["a", "a", "b", "b"]}
    (tmp_path / "p").mkdir()
    pq.write_table(pa.table(data), tmp_path / "p" / "train.parquet")
    hint = open_error(f"huggingface({str(tmp_path / 'p')!r})").hint
    first = re.search(r"huggingface\(.*\)", hint)
    assert first
    second = re.search(r"huggingface\(.*\)", open_error(first[0]).hint)
    assert second
    source = open_source(second[0])
    assert sorted(label_of_ids(source).values()) == ["a", "a", "b", "b"]
