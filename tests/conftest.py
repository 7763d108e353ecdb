"""What every test may use: image folders made on the spot, stores without pixels, and no
network."""

from __future__ import annotations

import os

# One thread for each worker of pytest-xdist: with more, threads wait for each other. The libraries
# read this when they are imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import gc
import io
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from seedbed.base.randomness import item_hashes
from seedbed.base.registry import Registry
from seedbed.data.source import SPLITS
from seedbed.data.store import ROWS, STORE_JSON, VERSION, Store

# `make test` takes the same few examples each time; `make slow` asks for "full": more, and others.
settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=200, deadline=None)
settings.load_profile("quick")

TreeMaker = Callable[..., Path]
StoreMaker = Callable[..., Store]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection but those of AF_UNIX sockets, which worker processes use, and those
    to servers that a test starts on this machine."""
    for name in ("connect", "connect_ex"):
        real = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: Any, real: Callable[..., Any] = real) -> Any:
            if self.family != socket.AF_UNIX and address[0] != "127.0.0.1":
                raise RuntimeError(f"tests have no network, and this one wants {address!r}")
            return real(self, address)

        monkeypatch.setattr(socket.socket, name, guarded)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets, named by SEEDBED_DATA."""
    folder = os.environ.get("SEEDBED_DATA")
    if not folder:
        pytest.skip("SEEDBED_DATA is not set")
    return Path(folder)


def encoded_image(seed: int, size: tuple[int, int] = (12, 10), kind: str = "PNG") -> bytes:
    """One random image, encoded."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def make_tree(tmp_path: Path) -> TreeMaker:
    """A maker of image folders: `make_tree({"cats": 3, "train/dogs": 2})`; no two images are alike;
    `damaged` ones are no images."""

    def make(counts: Mapping[str, int], root: str = "photos", damaged: Sequence[str] = ()) -> Path:
        folder, seed = tmp_path / root, 0
        folder.mkdir(exist_ok=True)
        for label, count in counts.items():
            (folder / label).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                (folder / label / f"{i:03d}.png").write_bytes(encoded_image(seed))
                seed += 1
        for path in damaged:
            (folder / path).write_bytes(b"this is no image")
        return folder

    return make


@pytest.fixture
def make_store(tmp_path: Path) -> StoreMaker:
    """A maker of stores without pixels: a column of leaf names and one of split names, ids and
    hashes derived from the position."""

    def make(
        leaves: Sequence[str],
        splits: Sequence[str] | None = None,
        *,
        ids: Sequence[str] | None = None,
        parents: Mapping[str, Sequence[str]] | None = None,
        name: str = "fake.store",
    ) -> Store:
        ids = [f"{i:05d}" for i in range(len(leaves))] if ids is None else ids
        classes = sorted(set(leaves))
        codes = np.array([classes.index(leaf) for leaf in leaves], np.int32)
        split_codes = np.array(
            [SPLITS.index(s) for s in splits or ["train"] * len(leaves)], np.int8
        )
        hashes = item_hashes(ids)
        return write_store(tmp_path / name, classes, codes, split_codes, ids, hashes, parents)

    return make


def write_store(
    folder: Path,
    classes: Sequence[str],
    leaves: np.ndarray,
    splits: np.ndarray,
    ids: Any,
    hashes: np.ndarray,
    parents: Mapping[str, Sequence[str]] | None = None,
) -> Store:
    """A store of rows alone, in the order given; each content checksum is the hash of the id."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    table = {
        "id": pa.array(ids, pa.string()),
        "id_hash": hashes,
        "leaf": pa.DictionaryArray.from_arrays(leaves.astype(np.int32), pa.array(classes)),
        "split": pa.DictionaryArray.from_arrays(splits.astype(np.int8), pa.array(SPLITS)),
        "checksum": hashes,
        "group": hashes,
    }
    pq.write_table(pa.table(table), folder / ROWS)
    card = {
        "version": VERSION,
        "source": folder.name,
        "kind": "pixels",
        "size_px": 8,
        "fit": "crop",
        "decoder_revision": 0,
        "classes": list(classes),
        "names": {},
        "num_images": len(leaves),
    }
    (folder / STORE_JSON).write_text(
        json.dumps({**card, "parents": parents, "digest": folder.name})
    )
    return Store.open(folder)


@pytest.fixture
def store_writer() -> Callable[..., Store]:
    """`write_store`, for tests that bring arrays."""
    return write_store


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """`encoded_image`, for tests that write files of their own."""
    return encoded_image


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace for all tests of a module: what two of them train alike is trained once."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture
def toy_store(tmp_path: Path) -> Store:
    """A small packed toy(): 60 classes, a tree of three levels."""
    from seedbed.data.pack import pack

    return pack("toy(per_class=4, test_per_class=2)", tmp_path / "toy.store", size_px=8).store


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives until the end: imported modules and the list of tests.
    Looking through these again and again took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def add_entry_points(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register plug-ins as an outside package does: `add(RECIPES, halves="module:Halves")`."""

    def add(registry: Registry[Any], **class_paths: str) -> None:
        for name, class_path in class_paths.items():
            entry = EntryPoint(name, class_path, registry.group)
            monkeypatch.setitem(registry._entry_points, name, entry)

    return add
