"""Keys: the only identity of a training and of a measurement.

In: opened inputs. Out: 20 hexadecimal digits. Equal keys mean equal results. A key depends on what
the inputs are: contents of images, labels, weights, settings, seeds, the number of threads. It
never depends on a name, a path, the text of a recipe, the device or the number of workers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seedbed.base.artifacts import MANIFEST
from seedbed.base.device import num_cores
from seedbed.base.spec import fingerprint
from seedbed.data.view import View
from seedbed.engine.checkpoints import module_content, named_checkpoint
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import module_fingerprint
from seedbed.models.resolve import backbone_folder
from seedbed.models.zoo import Architecture
from seedbed.pretraining.pretrain import Training, identity
from seedbed.transfers.methods import Method

# Fields of a backbone's card: the key of its training, and a digest of its weights.
CARD_KEY, CARD_DIGEST = "key", "weights_digest"


def training_key(
    view: View, architecture: Architecture, training: Training, init_seed: int, threads: int
) -> str:
    """The key of pre-training `architecture` on `view`."""
    return fingerprint({**identity(view, architecture, training, init_seed), "threads": threads})


def checkpoint_key(content: str) -> str:
    """The key of an existing network, by its content (see `engine.checkpoints`)."""
    return fingerprint({"step": "checkpoint", "content": content})


def measurement_key(*, backbone: str, task: str, method: Method, seed: int, threads: int) -> str:
    """The key of measuring a backbone on a task by a method.

    Args:
        backbone: the backbone's key.
        task: the task's fingerprint.
        seed: of the method.
    """
    return fingerprint(
        {
            "step": "measurement",
            "revision": method.revision,
            "backbone": backbone,
            "task": task,
            "method": method.identity(),
            "seed": seed,
            "threads": threads,
        }
    )


def backbone_keys(name: Any, backbone: Backbone) -> tuple[str, ...]:
    """The keys under which a study may know an opened backbone; results go under the first.

    Args:
        name: what the user gave: a Backbone, a folder, or a call string.
        backbone: the opened backbone.

    A backbone that was trained here has the key of its training, and is also an existing
    checkpoint. A Backbone object is identified by its tensors.
    """
    if not isinstance(name, str | os.PathLike):
        return (checkpoint_key(module_content(backbone)),)
    checkpoint = checkpoint_key(named_checkpoint(name, backbone.size_px).content)
    trained = _trained_key(backbone_folder(name), backbone)
    return (trained, checkpoint) if trained else (checkpoint,)


def _trained_key(folder: Path | None, backbone: Backbone) -> str | None:
    """The key of the training behind a folder; None if its weights were changed since."""
    if folder is None:
        return None
    # A folder of the workspace is named by its key, and never changes.
    if (folder / MANIFEST).is_file():
        return folder.name
    key, digest = backbone.card.get(CARD_KEY), backbone.card.get(CARD_DIGEST)
    is_unchanged = digest is not None and digest == module_fingerprint(backbone.module)
    return str(key) if key and is_unchanged else None


def thread_counts(threads: int | None, default: int) -> tuple[int, ...]:
    """The numbers of threads whose results serve a request; the first is used to compute.

    Results of one and of two threads differ in their last bits, so that the number belongs to the
    key. Where the user names none, a result of any number serves.
    """
    if threads is not None:
        return (threads,)
    return tuple(dict.fromkeys((default, 1, *range(2, num_cores() + 1))))
