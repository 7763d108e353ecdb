"""Remote data: a file or a folder at a URL, and data sets of a hub by their names."""

from __future__ import annotations

import http.server
import io
import os
import shutil
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

import seedbed as sb
from seedbed.base.errors import BadDataError, StorageError, UsageError
from seedbed.data import downloads
from seedbed.data.downloads import fetch, showing_downloads
from seedbed.data.formats import open_source
from seedbed.data.remote_files import RemoteFile, without_secrets


@pytest.fixture(autouse=True)
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEEDBED_DOWNLOADS", str(tmp_path / "copies"))
    return tmp_path / "copies"


class _Handler(http.server.SimpleHTTPRequestHandler):
    requests: list[tuple[str, str, str | None]]
    cut = False

    def log_message(self, *_: Any) -> None:
        return

    def do_HEAD(self) -> None:
        self.requests.append(("HEAD", self.path, self.headers.get("Authorization")))
        super().do_HEAD()

    def do_GET(self) -> None:
        self.requests.append(("GET", self.path, self.headers.get("Authorization")))
        if self.cut:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"half")
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """A web server of the folder tmp_path/web: `.url`, `.folder`, `.requests`, `.handler`."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Handler(_Handler):
        requests = []  # noqa: RUF012  of this server alone

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: httpd.serve_forever(0.01), daemon=True)
    thread.start()

    class Server:
        url = f"http://127.0.0.1:{httpd.server_port}"
        handler, requests = Handler, Handler.requests

        @staticmethod
        def close() -> None:
            httpd.shutdown()
            httpd.server_close()

    Server.folder = folder  # pyright: ignore[reportAttributeAccessIssue]
    yield Server
    Server.close()
    thread.join()


def _write_shard(path: Path, encode: Any, first: int) -> None:
    with tarfile.open(path, "w") as tar:
        for i in range(first, first + 6):
            for name, data in (
                (f"{i:04d}.png", encode(i)),
                (f"{i:04d}.cls", b"ab"[i % 2 : i % 2 + 1]),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _write_parquet(path: Path, encode: Any, num: int = 8, shift: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": encode(shift + i), "path": None} for i in range(num)]
    labels = ["cat" if i % 2 else "dog" for i in range(num)]
    pq.write_table(pa.table({"image": images, "label": labels}), path)


def test_a_tar_at_a_web_address_is_packed_and_fetched_once(
    server: Any, encode: Any, tmp_path: Path
) -> None:
    _write_shard(server.folder / "train-000.tar", encode, 0)
    url = f"{server.url}/train-000.tar"
    packed = sb.pack(url, tmp_path / "store", size_px=8)
    assert (packed.num_images, packed.name) == (6, url)
    assert [kind for kind, *_ in server.requests] == ["HEAD", "GET"]
    source = open_source(url)
    assert [kind for kind, *_ in server.requests] == ["HEAD", "GET", "HEAD"]
    local = open_source(str(server.folder / "train-000.tar"))
    assert list(source.ids) == list(local.ids)
    assert list(source.leaves) == list(local.leaves)


def test_a_changed_file_is_fetched_again(server: Any, encode: Any) -> None:
    path = server.folder / "a.parquet"
    _write_parquet(path, encode, 8)
    url = f"{server.url}/a.parquet"
    first = open_source(url)
    _write_parquet(path, encode, 10)
    os.utime(path, (2_000_000_000, 2_000_000_000))
    second = open_source(url)
    assert (first.num_images, second.num_images) == (8, 10)
    assert first.listing != second.listing


def test_a_study_names_remote_data(server: Any, encode: Any, tmp_path: Path) -> None:
    _write_parquet(server.folder / "cells.parquet", encode, 12)
    url = f"{server.url}/cells.parquet"
    measured = sb.transfer(
        "small(width=2, weights='random', size_px=8)",
        url,
        "probe(c=[1.0])",
        workspace=tmp_path / "ws",
    )
    by_call = sb.transfer(
        "small(width=2, weights='random', size_px=8)",
        f"huggingface('{url}', train_per_class=3)",
        "probe(c=[1.0])",
        workspace=tmp_path / "ws",
    )
    assert measured.num_test and by_call.facts["num_train"] < measured.facts["num_train"]


def test_shards_with_braces_are_all_fetched(server: Any, encode: Any) -> None:
    for i in range(3):
        _write_shard(server.folder / f"train-{i:03d}.tar", encode, 6 * i)
    source = open_source(f"{server.url}/train-{{000..002}}.tar")
    assert source.num_images == 18


def test_credentials_are_sent_and_never_shown(server: Any, encode: Any) -> None:
    _write_shard(server.folder / "train.tar", encode, 0)
    url = f"{server.url}/train.tar?token=SECRET".replace("http://", "http://user:pass%21@")
    source = open_source(url)
    assert "SECRET" not in source.name and "pass" not in source.name and "user" not in source.name
    assert {header for *_, header in server.requests} == {"Basic dXNlcjpwYXNzIQ=="}
    with pytest.raises(BadDataError, match="404") as caught:
        fetch(url.replace("train.tar", "other.tar"))
    assert "SECRET" not in str(caught.value) and "pass" not in str(caught.value)


def test_a_download_that_ends_early_leaves_nothing(server: Any, encode: Any, copies: Path) -> None:
    _write_shard(server.folder / "train.tar", encode, 0)
    server.handler.cut = True
    with pytest.raises(BadDataError, match="ended early: 4 of"):
        fetch(f"{server.url}/train.tar")
    assert [p for p in copies.rglob("*") if p.is_file() and p.name != "index.json"] == []
    server.handler.cut = False
    assert Path(fetch(f"{server.url}/train.tar")).stat().st_size > 1000


def test_without_a_connection_the_earlier_copy_is_used_and_said_so(
    server: Any, encode: Any
) -> None:
    _write_shard(server.folder / "train.tar", encode, 0)
    url = f"{server.url}/train.tar"
    before = open_source(url)
    server.close()
    source = open_source(url)
    assert any("earlier run is used" in note for note in source.notes)
    assert source.listing == before.listing
    by_call = open_source(f"webdataset({url!r})")
    assert any("earlier run is used" in note for note in by_call.notes)
    with pytest.raises(BadDataError, match="cannot read"):
        open_source(f"{server.url}/never.tar")


def test_web_pages_and_other_files_are_refused(server: Any) -> None:
    with pytest.raises(UsageError, match="not a file that can be read from the web") as caught:
        fetch(f"{server.url}/photos.zip")
    assert ".parquet" in caught.value.hint
    (server.folder / "index.tar").mkdir()
    with pytest.raises(BadDataError, match="is a web page"):
        fetch(f"{server.url}/index.tar")


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_folder_in_a_bucket_is_read_like_a_local_one(
    memory: Any, encode: Any, make_tree: Any, copies: Path
) -> None:
    local = make_tree({"train/cats": 4, "train/dogs": 3, "test/cats": 2, "test/dogs": 2})
    for path in local.rglob("*.png"):
        memory.pipe(f"/bucket/photos/{path.relative_to(local).as_posix()}", path.read_bytes())
    memory.pipe("/bucket/photos/.hidden/x.png", b"")
    source, expected = open_source("memory://bucket/photos"), open_source(str(local))
    assert list(source.ids) == list(expected.ids)
    assert (source.splits == expected.splits).all() and source.classes == expected.classes
    assert source.name == "memory://bucket/photos"
    loaded, wanted = (s.pixels.load(np.arange(11), 8).pixels for s in (source, expected))
    assert (loaded == wanted).all()

    # What is gone from the bucket is gone from the copy, and what is new is fetched.
    memory.rm("/bucket/photos/test/cats/000.png")
    memory.pipe("/bucket/photos/train/cats/new.png", encode(99))
    ids = list(open_source("memory://bucket/photos").ids)
    assert "train/cats/new.png" in ids and "test/cats/000.png" not in ids
    assert not list(copies.rglob("*.hidden"))


def test_settings_of_a_format_may_be_urls(memory: Any, make_tree: Any) -> None:
    local = make_tree({"cats": 3, "dogs": 3})
    for path in local.rglob("*.png"):
        memory.pipe(f"/bucket/set/{path.relative_to(local).as_posix()}", path.read_bytes())
    assert open_source("folder('memory://bucket/set')").num_images == 6


def test_progress_is_told_and_memory_stays_small(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe("/bucket/large.tar", bytes(5 << 20))
    reads: list[int] = []
    real = downloads._BLOCK_BYTES
    calls: list[tuple[int, int]] = []
    system = type(memory)
    opened = system.open

    def open_counted(self: Any, *arguments: Any, **settings: Any) -> Any:
        stream = opened(self, *arguments, **settings)
        read = stream.read

        def counted(num: int = -1) -> bytes:
            reads.append(num)
            return read(num)

        stream.read = counted
        return stream

    monkeypatch.setattr(system, "open", open_counted)
    with showing_downloads(lambda done, total: calls.append((done, total))):
        fetch("memory://bucket/large.tar")
    assert set(reads) == {real}
    assert calls[-1] == (5, 5) and len(calls) >= 5


def test_a_full_disk_is_refused_before_anything_is_fetched(
    memory: Any, monkeypatch: pytest.MonkeyPatch, copies: Path
) -> None:
    memory.pipe("/bucket/large.tar", bytes(1000))
    usage = shutil.disk_usage(copies.parent)._replace(free=10)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="SEEDBED_DOWNLOADS"):
        fetch("memory://bucket/large.tar")


@pytest.mark.parametrize("path", ["../evil.tar", "a/../../evil.tar", "/evil.tar", ""])
def test_a_name_that_would_leave_the_folder_is_refused(
    memory: Any, monkeypatch: pytest.MonkeyPatch, path: str, copies: Path
) -> None:
    memory.pipe("/bucket/x/good.tar", b"x")
    evil = RemoteFile(path=path, size=1, tag="", address="/bucket/x/good.tar")
    monkeypatch.setattr("seedbed.data.remote_files._FileSystem.list", lambda _: [evil])
    with pytest.raises(BadDataError, match="not a file name that can be stored"):
        fetch("memory://bucket/x")
    assert not list(copies.parent.rglob("evil.tar"))


def test_file_urls_are_not_copied(make_tree: Any, copies: Path) -> None:
    local = make_tree({"cats": 2, "dogs": 2})
    assert open_source(f"file://{local}").num_images == 4
    assert not copies.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [("s4://bucket/x", "unknown protocol s4://"), ("s3://", "not|missing|nothing")],
)
def test_unknown_protocols_are_named(url: str, words: str) -> None:
    with pytest.raises((UsageError, BadDataError), match=words):
        fetch(url)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> Any:
        raise ImportError("Please install s3fs")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(UsageError, match="s3://") as caught:
        fetch("s3://bucket/photos")
    assert caught.value.hint == "Install it: pip install s3fs."


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that stands for hf://."""
    root = tmp_path / "hub"

    class Hub(DirFileSystem):
        protocol = "hf"
        cachable = False

        def __init__(self, **_: Any) -> None:
            super().__init__(path=str(root), fs=LocalFileSystem())

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix("hf://")

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "hf", Hub)
    return root


def test_a_data_set_of_the_hub_is_opened_by_its_name(
    hub: Path, encode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_parquet(hub / "datasets/owner/pets/data/train-00000-of-00001.parquet", encode)
    _write_parquet(hub / "datasets/owner/pets/data/test-00000-of-00001.parquet", encode, 4, 50)
    (hub / "datasets/owner/pets/README.md").write_text("a card")
    source = open_source("huggingface('owner/pets')")
    assert (source.num_images, source.name) == (12, "owner/pets")
    assert set(source.splits) == {0, 2}
    # From a study's folder the name is still a name.
    assert open_source("huggingface('owner/pets')", folder=tmp_path).num_images == 12
    assert open_source("hf://datasets/owner/pets/data").num_images == 12


def test_a_data_set_without_parquet_files_is_taken_from_the_converted_branch(
    hub: Path, encode: Any
) -> None:
    (hub / "datasets/owner/script").mkdir(parents=True)
    (hub / "datasets/owner/script/script.py").write_text("")
    converted = hub / "datasets/owner/script@refs/convert/parquet/default/train/0000.parquet"
    _write_parquet(converted, encode)
    assert open_source("huggingface('owner/script')").num_images == 8
    with pytest.raises(BadDataError, match="nothing at hf://datasets/owner/none|no files at"):
        open_source("huggingface('owner/none')")


def test_secrets_are_removed_from_names() -> None:
    assert without_secrets("https://u:p@host:8/a/b.tar?X-Amz-Signature=1#f") == (
        "https://host:8/a/b.tar"
    )
    assert without_secrets("s3://bucket/key with space") == "s3://bucket/key with space"


def test_numbers_in_braces_that_fall_name_no_file() -> None:
    with pytest.raises(UsageError, match="names no file"):
        fetch("memory://bucket/train-{5..2}.tar")


def test_a_data_set_of_the_hub_is_read_from_its_copy_without_a_connection(
    hub: Path, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_parquet(hub / "datasets/owner/pets/data/train-00000.parquet", encode)
    assert open_source("huggingface('owner/pets')").notes == ()

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no connection")

    monkeypatch.setattr(DirFileSystem, "find", fail)
    source = open_source("huggingface('owner/pets')")
    assert source.num_images == 8
    assert any("earlier run is used" in note for note in source.notes)
