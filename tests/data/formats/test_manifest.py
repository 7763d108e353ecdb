"""Manifests: columns by their usual names, paths, and what each error says."""

from __future__ import annotations

from pathlib import Path

import pytest
from format_trees import (
    split_of_ids,
)

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.data.source import SPLITS


def _write_manifest(folder: Path, text: str, name: str = "all.csv") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_manifest_with_usual_column_names(make_tree) -> None:
    photos = make_tree({"a": 3, "b": 3})
    rows = [
        f"{i}.png,{c.upper()},{'validation' if i == 2 else 'train'}" for c in "ab" for i in range(3)
    ]
    path = _write_manifest(
        photos,
        "FileName,Class,Subset\n"
        + "\n".join(f"{c}/00{r}" for c, r in zip("aaabbb", rows, strict=True))
        + "\n",
    )
    source = open_source(path)
    assert source.classes == ("A", "B")
    assert split_of_ids(source) == {
        f"{c}/00{i}.png": "val" if i == 2 else "train" for c in "ab" for i in range(3)
    }


def test_a_manifest_in_parquet_with_named_columns_and_absolute_paths(
    make_tree, tmp_path: Path
) -> None:
    import pandas as pd

    photos = make_tree({"a": 3, "b": 3})
    files = sorted(photos.rglob("*.png"))
    table = pd.DataFrame({"where": [str(f) for f in files], "what": [f.parent.name for f in files]})
    table.to_parquet(tmp_path / "list.parquet")
    call = (
        f"manifest({str(tmp_path / 'list.parquet')!r}, path_column='where', "
        f"label_column='what', root={str(photos)!r})"
    )
    source = open_source(call)
    assert sorted(source.ids) == [f"{c}/00{i}.png" for c in "ab" for i in range(3)]
    assert pack(source, tmp_path / "x.store", size_px=8).num_unreadable == 0


def test_a_missing_image_of_a_manifest_is_reported(make_tree, tmp_path: Path) -> None:
    photos = make_tree({"a": 3, "b": 3})
    rows = "\n".join(f"{c}/00{i}.png,{c}" for c in "ab" for i in range(4))
    packed = pack(
        _write_manifest(photos, f"path,label\n{rows}\n"),
        tmp_path / "x.store",
        size_px=8,
        allow_unreadable=0.3,
    )
    assert packed.num_unreadable == 2
    assert packed.unreadable is not None
    assert "a/003.png,No such file" in packed.unreadable.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("where,label\nx,a\n", "has no path column"),
        ("path,what,who\na/000.png,a,b\n", "has no label column"),
        (
            "path,label\na/000.png,a\na/000.png,b\n",
            r"line 3: 'a/000\.png' is 'b' \(train\), and in .*line 2 'a' \(train\)",
        ),
        ("path,label\na/000.png,\n", "line 2: 'label' is empty"),
        ("path,label,split\na/000.png,a,holdout\n", "'holdout' is no split"),
    ],
)
def test_faults_of_a_manifest_are_named(make_tree, text: str, message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        open_source(_write_manifest(make_tree({"a": 3, "b": 3}), text))


def test_a_missing_column_is_refused(make_tree) -> None:
    path = _write_manifest(make_tree({"a": 2, "b": 2}), "path,label\na/000.png,a\n")
    with pytest.raises(UsageError, match="unknown column 'lable'"):
        open_source(f"manifest({path!r}, label_column='lable')")


def test_a_manifest_with_a_column_of_bytes_remains_a_manifest(
    make_tree, tmp_path: Path, encode
) -> None:
    import pandas as pd

    root = make_tree({"a": 4, "b": 4})
    paths = sorted(str(p.relative_to(root)) for p in root.rglob("*.png"))
    table = pd.DataFrame(
        {
            "path": paths,
            "image_bytes": [b"x"] * 8,
            "label": ["a"] * 4 + ["b"] * 4,
            "split": ["train", "test"] * 4,
        }
    )
    table.to_parquet(root / "all.parquet")
    source = open_source(str(root / "all.parquet"))
    assert sorted(source.ids) == paths
    assert sorted(SPLITS[i] for i in source.splits) == ["test"] * 4 + ["train"] * 4


def test_a_wrong_root_of_a_manifest_is_named(make_tree, tmp_path: Path) -> None:
    root = make_tree({"a": 2, "b": 2})
    lines = [f"{p.relative_to(root)},{p.parent.name}" for p in sorted(root.rglob("*.png"))]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *lines]))
    with pytest.raises(
        BadDataError, match=r"none of its images is in .*, for instance 'a/000\.png'"
    ) as caught:
        open_source(str(tmp_path / "list.csv"))
    advice = f"manifest({str(tmp_path / 'list.csv')!r}, root={str(root)!r})"
    assert advice in caught.value.hint
    assert open_source(advice).num_images == 4
    (root / "a").rename(tmp_path / "elsewhere")
    with pytest.raises(BadDataError) as caught:
        open_source(str(tmp_path / "list.csv").replace("list", "list"))
    assert advice in caught.value.hint  # the images of b are still there
