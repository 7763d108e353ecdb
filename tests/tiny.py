"""Small things that several tests share: scikit-learn's digits packed once per process, a tiny
trained backbone, a command in-process."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from voc_tree import scenes_tree

from seedbed.cli import main
from seedbed.data.concatenated_sources import join
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.models.backbone import Backbone
from seedbed.models.schedule import Schedule
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.pretrain import Pretrained, Seeds, Training, pretrain_view
from seedbed.tasks.domains import LABELLED, TARGET

# One thread: bit-equal runs, and no spinning beside other work.
torch.set_num_threads(1)


@functools.cache
def scratch() -> Path:
    """A folder of this process, removed at its end."""
    folder = tempfile.TemporaryDirectory(prefix="seedbed-tests-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


@functools.cache
def digits_store(size_px: int = 8) -> Store:
    return pack("digits()", scratch() / f"digits-{size_px}.store", size_px=size_px).store


@functools.cache
def scenes_folder(shade: float = 1.0) -> Path:
    """A VOC folder of drawn scenes: twelve to learn from, four to validate on, six to test on."""
    return scenes_tree(scratch() / f"scenes-{shade:g}", shade=shade)


@functools.cache
def scenes_store(task: str = "detection", size_px: int = 8) -> Store:
    source = open_source(f"voc({str(scenes_folder())!r}, task={task!r})")
    return pack(source, scratch() / f"scenes-{task}-{size_px}.store", size_px=size_px).store


@functools.cache
def dusk_store() -> Store:
    """The scenes as the labelled domain, and the same ones dark as the target."""
    folders = {LABELLED: scenes_folder(), TARGET: scenes_folder(0.3)}
    return pack(
        join({name: open_source(str(folder)) for name, folder in folders.items()}),
        scratch() / "dusk.store",
    ).store


def holidays_tree(root: Path, num: int = 6) -> Path:
    """Groups of three images of one digit each, the first the query."""
    from PIL import Image

    store = digits_store()
    folder = root / "jpg"
    folder.mkdir(parents=True)
    for group in range(num):
        rows = np.flatnonzero(store.leaves == group)[:3]
        for i, row in enumerate(rows):
            Image.fromarray(store.pixels[row]).resize((24, 24)).save(
                folder / f"{100000 + 100 * group + i}.jpg", quality=95
            )
    return root


@functools.cache
def domains_store(size_px: int = 8) -> Store:
    """Digits twice, as the labelled domain and as the target."""
    joined = join({name: open_source("digits()") for name in (LABELLED, TARGET)})
    return pack(joined, scratch() / f"domains-{size_px}.store", size_px=size_px).store


@functools.cache
def digits_view(size_px: int = 8) -> View:
    """400 of the training images: enough to learn from, quick to train on."""
    return make_view(digits_store(size_px), "images(total=400)")


@functools.cache
def trained() -> Pretrained:
    """small(width=4) after 60 steps on digits; treat as read-only."""
    training = Training(schedule=Schedule(images_seen=1920, batch_size=32, peak_learning_rate=0.1))
    return pretrain_view(
        digits_view(), BACKBONES.make("small(width=4)"), training, seeds=Seeds(sample=0, init=0)
    )


def built(
    call: str = "small(width=4)", num_classes: int = 10, size_px: int = 8, seed: int = 0
) -> Backbone:
    return BACKBONES.make(call).build([f"c{i}" for i in range(num_classes)], size_px, seed)


def random_pixels(num: int, size_px: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, size_px, size_px, 3), dtype=np.uint8)


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def cli(*arguments: object) -> tuple[int, Any, str]:
    """Exit status, the one JSON document on stdout, and stderr, of a command with --json."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, arguments), "--json"])
    return status, json.loads(out.getvalue()), err.getvalue()
