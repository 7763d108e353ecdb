"""WebDataset shards: labels, splits, and tars that are damaged or cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from format_trees import label_of_ids, write_tar

from seedbed.base.errors import BadDataError
from seedbed.data.formats import open_source


def test_a_damaged_archive_is_named(tmp_path: Path, encode) -> None:
    write_tar(tmp_path / "train-0.tar", {f"{i}.jpg": encode(i, (16, 16), "JPEG") for i in range(9)})
    whole = (tmp_path / "train-0.tar").read_bytes()
    (tmp_path / "train-0.tar").write_bytes(b"not a tar at all" + whole[16:])
    with pytest.raises(BadDataError, match=r"train-0\.tar cannot be read as an uncompressed tar"):
        open_source(f"webdataset({str(tmp_path)!r})")


def _write_shards(root: Path, encode, label: str = ".json", value: object = "cat") -> Path:
    root.mkdir()
    for shard in ("train-000", "train-001"):
        files = {}
        for i in range(3):
            data = (
                json.dumps({"label": value if i else "dog", "w": 16})
                if label == ".json"
                else str(value)
            )
            files |= {
                f"x/{shard[-1]}{i}.png": encode(i + ord(shard[-1])),
                f"x/{shard[-1]}{i}{label}": data.encode(),
            }
        write_tar(root / f"{shard}.tar", files)
    return root


def test_webdataset_shards_by_braces_with_json_labels(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode)
    source = open_source(f"webdataset({str(root / 'train-{000..001}.tar')!r})")
    assert source.classes == ("cat", "dog")
    assert sorted(source.ids) == [f"train-00{s}/x/{s}{i}.png" for s in range(2) for i in range(3)]
    with pytest.raises(BadDataError, match="there is no shard"):
        open_source(f"webdataset({str(root / 'train-{000..004}.tar')!r})")


def test_a_sample_without_a_label_is_named(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode)
    write_tar(root / "train-002.tar", {"7.png": encode(7)})
    with pytest.raises(BadDataError, match="sample '7' has no label"):
        open_source(str(root))


def test_a_class_number_without_a_name_is_refused(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode, ".cls", 5)
    (root / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(BadDataError, match="class 5 of 'x/00' has no name"):
        open_source(str(root))


@pytest.mark.parametrize("cut_at", ["between members", "in a header", "before the mark of the end"])
def test_a_truncated_archive_is_named(tmp_path: Path, encode, cut_at: str) -> None:
    """After an interrupted download; Python's own reader accepts each of these archives."""
    write_tar(
        tmp_path / "train-0.tar",
        {f"{i}.jpg": encode(i, (16, 16), "JPEG") for i in range(9)}
        | {f"{i}.cls": b"0" for i in range(9)},
    )
    data = (tmp_path / "train-0.tar").read_bytes()
    end = len(data.rstrip(b"\0"))
    places = {
        "between members": 3 * 1024,
        "in a header": 3 * 1024 + 300,
        "before the mark of the end": -(-end // 512) * 512,
    }
    (tmp_path / "train-0.tar").write_bytes(data[: places[cut_at]])
    with pytest.raises(
        BadDataError, match=r"train-0\.tar cannot be read .*: it ends after [\d,]+ bytes"
    ):
        open_source(f"webdataset({str(tmp_path)!r})")


def _read_pixels(source, id_: str) -> bytes:
    return source.pixels.read(source.ids.tolist().index(id_))


@pytest.mark.parametrize("label", [".cls", ".json", ".txt"])
def test_keys_with_dots_are_samples_of_their_own(tmp_path: Path, encode, label: str) -> None:
    files, images = {}, {}
    for i, key in enumerate(["012_v1.5", "012_v1.6", "photo.final", "photo.draft", "a.b.c", "0"]):
        images[f"t-0/{key}.jpg"] = encode(i, (16, 16), "JPEG")
        text = json.dumps({"label": "ab"[i % 2]}) if label == ".json" else "ab"[i % 2]
        files |= {f"{key}.jpg": images[f"t-0/{key}.jpg"], f"{key}{label}": text.encode()}
    write_tar(tmp_path / "t-0.tar", files)
    source = open_source(str(tmp_path))
    assert {id_: _read_pixels(source, id_) for id_ in source.ids} == images
    assert [source.classes[c] for c in source.leaves] == [
        "ab"[list(images).index(id_) % 2] for id_ in source.ids
    ]
    assert source.notes == () and source.skipped == ()


@pytest.mark.parametrize("image", ["image.jpg", "img.png", "my_photo.webp"])
def test_a_field_that_ends_in_an_image_suffix_is_the_image(
    tmp_path: Path, encode, image: str
) -> None:
    files = {}
    for i in range(4):
        files |= {f"{i}.{image}": encode(i), f"{i}.cls": b"ab"[i % 2 : i % 2 + 1]}
    write_tar(tmp_path / "t-0.tar", files)
    source = open_source(str(tmp_path))
    assert label_of_ids(source) == {f"t-0/{i}.{image}": "ab"[i % 2] for i in range(4)}


def test_labels_may_be_fields_of_a_name(tmp_path: Path, encode) -> None:
    files = {}
    for i in range(4):
        files |= {
            f"{i}.caption.txt": b"a photo",
            f"{i}.image.jpg": encode(i),
            f"{i}.label.txt": b"ab"[i % 2 : i % 2 + 1],
        }
    write_tar(tmp_path / "t-0.tar", files)
    source = open_source(str(tmp_path))
    assert source.classes == ("a", "b")
    assert [(row.suffix, row.num) for row in source.skipped] == [(".txt", 4)]


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_images_the_documented_one_is_read(tmp_path: Path, encode, order: int) -> None:
    files = {}
    for i in range(4):
        images = {
            f"{i}.jpg": encode(i, (16, 16), "JPEG"),
            f"{i}.png": encode(10 + i),
            f"{i}.seg.png": encode(20 + i),
        }
        files |= dict(list(images.items())[::order])
        files[f"{i}.cls"] = b"ab"[i % 2 : i % 2 + 1]
    write_tar(tmp_path / "t-0.tar", files)
    source = open_source(str(tmp_path))
    assert source.ids.tolist() == [f"t-0/{i}.jpg" for i in range(4)]
    assert source.notes == (
        "4 samples of several images: one of them is read: the first is t-0.tar/0.jpg",
    )
    assert [(r.suffix, r.reason, r.num) for r in source.skipped] == [
        (".png", "another image of its sample", 8)
    ]


def test_what_is_not_read_is_counted(tmp_path: Path, encode) -> None:
    files = {}
    for i in range(4):
        files |= {f"{i}.jpg": encode(i), f"{i}.cls": b"ab"[i % 2 : i % 2 + 1]}
        files |= {f"{i}.npy": b"x", f"._{i}.jpg": b"x"}
    write_tar(tmp_path / "t-0.tar", {**files, "9.raw": b"x", "9.cls": b"a"})
    skipped = {(r.reason, r.suffix): r.num for r in open_source(str(tmp_path)).skipped}
    assert skipped == {
        ("not an image", ".npy"): 4,
        ("hidden", ".jpg"): 4,
        ("no image in its sample", ".raw"): 1,
        ("no image in its sample", ".cls"): 1,
    }


def test_shards_without_any_image_say_what_is_in_them(tmp_path: Path) -> None:
    write_tar(tmp_path / "t-0.tar", {"1.npy": b"x", "1.cls": b"a"})
    with pytest.raises(BadDataError, match=r"no sample of .* has an image: .*t-0.tar/1\.npy"):
        open_source(str(tmp_path))


def test_two_members_of_one_name_are_refused(tmp_path: Path, encode) -> None:
    files = {f"{i}.png": encode(i) for i in range(2)} | {f"{i}.cls": b"a" for i in range(2)}
    write_tar(tmp_path / "t-0.tar", files)
    write_tar(tmp_path / "t-0.tar", {"1.png": encode(9)}, "a")
    with pytest.raises(BadDataError, match=r"t-0\.tar has two members of one name, '1\.png'"):
        open_source(str(tmp_path))


def test_an_image_among_dotted_keys_without_a_label_is_named(tmp_path: Path, encode) -> None:
    """One that is read as a field of another sample would be lost."""
    files = {f"012_v1.{i}.jpg": encode(i) for i in range(3)}
    write_tar(tmp_path / "t-0.tar", files | {f"012_v1.{i}.cls": b"a" for i in range(2)})
    with pytest.raises(BadDataError, match=r"sample '012_v1\.2' has no label"):
        open_source(str(tmp_path))


def test_a_negative_class_has_no_name(tmp_path: Path, encode) -> None:
    root = _write_shards(tmp_path / "w", encode, ".cls", -1)
    (root / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(BadDataError, match="class -1 of 'x/00' has no name"):
        open_source(str(root))


def test_a_compressed_archive_says_what_to_do(tmp_path: Path, encode) -> None:
    write_tar(tmp_path / "t-0.tar.gz", {"1.png": encode(1), "1.cls": b"a"}, "w:gz")
    with pytest.raises(BadDataError, match="as an uncompressed tar") as caught:
        open_source(str(tmp_path / "t-0.tar.gz"))
    assert "decompress" in caught.value.hint
