"""Packing in worker processes: the same bytes, and workers that die."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seedbed.base.errors import SeedbedError
from seedbed.base.worker_pool import WorkerDiedError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack

WRITE_STORE = importlib.import_module("seedbed.data.write_store")


def _file_bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_workers_do_not_change_a_byte(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WRITE_STORE, "_BATCH", 7)
    root = make_tree({"a": 30, "b": 30}, damaged=["a/003.png", "b/029.png"])
    stores = []
    for workers in (1, 2):
        pack(
            str(root),
            tmp_path / f"{workers}.store",
            size_px=8,
            workers=workers,
            allow_unreadable=0.1,
        )
        stores.append(_file_bytes(tmp_path / f"{workers}.store"))
    assert stores[0] == stores[1]


_DEADLY = """
import os
from dataclasses import dataclass
from seedbed.data.image_files import FilePixels

class Deadly(FilePixels):
    def read(self, row):
        data = super().read(row)
        if b"deadly" in data and not (b"once" in data and os.path.exists(os.environ["DEADLY"])):
            open(os.environ["DEADLY"], "w").close()
            os.kill(os.getpid(), 9)
        data = data.removeprefix(b"deadly once")
        return data

    def part(self, rows):
        return Deadly(self.root, self.paths[rows])
"""


@pytest.mark.parametrize("encoded", [False, True])
def test_an_image_that_ends_its_worker_is_reported_and_left_out(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: bool
) -> None:
    """A bug in a decoder, or an image larger than the memory, ends a worker like this."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "deadly.py").write_text(_DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setenv("DEADLY", str(tmp_path / "died"))
    monkeypatch.setattr(WRITE_STORE, "_MIN_IMAGES_FOR_PROCESSES", 10)
    monkeypatch.setattr(WRITE_STORE, "_BATCH", 7)
    root = make_tree({"a": 20, "b": 20})
    plain = pack(str(root), tmp_path / "plain.store", size_px=8, workers=2, encoded=encoded).store
    for name in ("a/003.png", "b/011.png"):
        (root / name).write_bytes(b"deadly")
    unlucky = (root / "a/001.png").read_bytes()
    # ended for what others had taken of the memory
    (root / "a/001.png").write_bytes(b"deadly once" + unlucky)
    source = open_source(str(root))
    monkeypatch.delitem(sys.modules, "deadly", raising=False)
    deadly = replace(source, pixels=importlib.import_module("deadly").Deadly(**vars(source.pixels)))
    packed = pack(
        deadly, tmp_path / "s.store", size_px=8, workers=2, encoded=encoded, allow_unreadable=0.1
    )
    assert packed.num_unreadable == 2
    assert packed.unreadable is not None
    listed = packed.unreadable.read_text()
    assert "a/003.png,its decoder crashes (exit status -9)" in listed
    assert "b/011.png" in listed
    readable = ~np.isin(plain.ids, ["a/003.png", "b/011.png"])
    assert list(packed.store.ids) == list(plain.ids[readable])
    assert np.array_equal(packed.store.checksums, plain.checksums[readable])
    if not encoded:
        assert np.array_equal(packed.store.pixels, plain.pixels[readable])
    else:
        assert packed.store.encoded(5) == plain.encoded(int(np.flatnonzero(readable)[5]))


def test_a_format_that_workers_cannot_import_fails_quickly(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "deadly.py").write_text(_DEADLY)
    # and not for workers: they cannot import it
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.setattr(WRITE_STORE, "_MIN_IMAGES_FOR_PROCESSES", 10)
    source = open_source(str(make_tree({"a": 20, "b": 20})))
    monkeypatch.delitem(sys.modules, "deadly", raising=False)
    deadly = replace(source, pixels=importlib.import_module("deadly").Deadly(**vars(source.pixels)))
    with pytest.raises(SeedbedError, match="cannot read its job: No module named 'deadly'"):
        pack(deadly, tmp_path / "s.store", size_px=8, workers=2)
    assert not (tmp_path / "s.store").exists()


@pytest.mark.slow
def test_workers_that_all_die_fail_quickly(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "deadly.py").write_text(_DEADLY.replace('b"deadly" in data', "True"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setenv("DEADLY", str(tmp_path / "died"))
    monkeypatch.setattr(WRITE_STORE, "_MIN_IMAGES_FOR_PROCESSES", 10)
    source = open_source(str(make_tree({"a": 40, "b": 40})))
    monkeypatch.delitem(sys.modules, "deadly", raising=False)
    deadly = replace(source, pixels=importlib.import_module("deadly").Deadly(**vars(source.pixels)))
    with pytest.raises(WorkerDiedError, match="ended during a job"):
        pack(deadly, tmp_path / "s.store", size_px=8, workers=2, allow_unreadable=1.0)
    assert not (tmp_path / "s.store").exists()
