"""Networks: train one, open one, take its codes.

In: paths, call strings or objects. Out: backbones and codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.api.data import DEFAULT_PX, open_store, rows_of
from seedbed.base.artifacts import written_aside
from seedbed.base.device import flush_denormals, resolve_device
from seedbed.base.errors import UsageError
from seedbed.base.spec import fingerprint
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import SPLITS, Source
from seedbed.data.store import Store
from seedbed.data.view import make_view

if TYPE_CHECKING:
    from seedbed.models.backbone import Backbone
    from seedbed.models.extract import Codes
    from seedbed.models.fit import Progress
    from seedbed.pretraining.pretrain import Pretrained

OnProgress = Callable[["Progress"], None]


def pretrain(
    store: Store | Source | str | Path,
    backbone: str = "small()",
    out: str | Path | None = None,
    *,
    recipe: str = "",
    images_seen: int = 300_000,
    seed: int = 0,
    device: str = "auto",
    size_px: int | None = None,
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
    checkpoint_every_s: float = 180.0,
    **training: Any,
) -> Pretrained:
    """Train a backbone on the images that a recipe keeps; cut off, the same call goes on from its
    last checkpoint beside `out`.

    Args:
        store: a store, the path of one, or a source, which is packed into the workspace.
        backbone: a call string such as `small(width=16)` or `resnet18(stem='small')`; it may name
            the weights to begin with.
        out: a folder to save it in; where it holds what the same call made, that is returned and
            nothing is done.
        recipe: which images and labels (see docs/recipes.md).
        images_seen: the training budget in images; 0 leaves the weights as they begin.
        seed: of all that is random.
        device: "auto", "cpu" or "cuda".
        size_px: at which a source is packed, px (default: what the backbone takes, else 64).
        checkpoint_every_s: seconds between two checkpoints, beside `out`.
        training: other keys of a study's [pretraining] (docs/study-files.md), such as batch_size or
            optimiser.

    Returns:
        Pretrained: `.backbone`, `.metrics` on the source's held-out images in percent, `.fitted`
        (None where nothing was trained).
    """
    from seedbed.base.spec import build
    from seedbed.models.training_state import Checkpoint
    from seedbed.pretraining.pretrain import Seeds, identity, pretrain_view
    from seedbed.trials.arms import Pretraining
    from seedbed.trials.steps import save_pretrained, training_settings

    if images_seen < 0:
        raise UsageError(
            f"images_seen = {images_seen} is negative",
            "300_000 is usual for small nets; 0 trains nothing.",
        )
    folder = _backbone_folder(out)
    how = build(
        Pretraining,
        {**training, "backbone": backbone, "images_seen": (max(1, images_seen),)},
        "pretrain",
    )
    architecture, settings = how.architecture(), how.training(images_seen)
    packed = _of_size(
        open_store(store, size_px or architecture.size_px or DEFAULT_PX, workspace, on_pack),
        size_px,
    )
    view, seeds, on = (
        make_view(packed, recipe, seed),
        Seeds(sample=seed, init=seed),
        resolve_device(device),
    )
    what = identity(view, architecture, settings, seed)
    if folder and (found := _trained_already(folder, fingerprint(what), on)):
        return found
    checkpoint = (
        Checkpoint(path=_unfinished(folder, what, on), every_s=checkpoint_every_s)
        if folder
        else None
    )
    told = {"seeds": seeds, "device": on, "on_progress": on_progress, "checkpoint": checkpoint}
    with flush_denormals():
        done = pretrain_view(view, architecture, settings, **told)
    if folder and checkpoint:
        asked = training_settings(recipe, seeds, backbone, settings) | {
            "identity": fingerprint(what)
        }
        with written_aside(folder) as aside:
            save_pretrained(done, view, asked, aside)
        checkpoint.remove()
    return done


def _of_size(store: Store, size_px: int | None) -> Store:
    if size_px and store.size_px != size_px:
        raise UsageError(
            f"{store.path} is packed at {store.size_px} px, and size_px says {size_px} px",
            "A store has its own size.",
        )
    return store


def _unfinished(folder: Path, identity: dict[str, Any], device: str) -> Path:
    """Where a training leaves its state, beside its folder: another one of the same name, or on
    other hardware, finds another place."""
    import torch

    here = {
        "device": device.partition(":")[0],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return folder.with_name(f"{folder.name}.{fingerprint({**identity, **here})[:8]}.unfinished")


def _backbone_folder(out: str | Path | None) -> Path | None:
    """Where a backbone is to be saved: nothing yet, or one that `pretrain` made, perhaps by the
    same call."""
    from seedbed.models.checkpoint import CARD, read_card

    folder = None if out is None else Path(out)
    if (
        folder
        and folder.exists()
        and not ((folder / CARD).is_file() and "identity" in read_card(folder))
    ):
        raise UsageError(
            f"{folder} exists and holds nothing that this command could have made",
            "Name a new folder, or remove that one; nothing there was touched.",
        )
    return folder


def _trained_already(folder: Path, identity: str, device: str) -> Pretrained | None:
    """The backbone in a folder if the same call made it; raises UsageError for another one's."""
    from seedbed.models.checkpoint import load_backbone
    from seedbed.pretraining.pretrain import Pretrained
    from seedbed.trials.steps import CARD_CODES, load_arrays

    if not folder.exists():
        return None
    backbone = load_backbone(folder)
    if backbone.card["identity"] != identity:
        raise UsageError(
            f"{folder} holds a backbone of another training",
            "Name a new folder, or remove that one; nothing there was touched.",
        )
    backbone.module.to(device)
    metrics = dict(backbone.card["source_metrics"])
    return Pretrained(
        backbone=backbone, metrics=metrics, card_codes=load_arrays(folder / CARD_CODES)["codes"]
    )


def codes(
    backbone: Backbone | str | Path,
    data: Store | Source | str | Path,
    *,
    layer: str | Sequence[str] = "penultimate",
    flatten: bool = False,
    dtype: str = "float32",
    out: str | Path | None = None,
    split: str | None = None,
    recipe: str = "",
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_codes: PackProgress | None = None,
) -> Codes:
    """Codes of one or several layers for the images of a data set, in one pass, as they are (not
    normalised).

    Args:
        backbone: a Backbone, the folder of one, or a call such as `vgg16` with published weights on
            this machine.
        data: a store, or a source, which is packed into the workspace at the backbone's size.
        layer: names of the layer table or of any submodule, "penultimate", or "all" for the whole
            table.
        flatten: the whole map as one vector, instead of its mean over space.
        dtype: "float32" or "float16".
        out: a safetensors file to fill while it is mapped into memory: codes may then be larger
            than memory.
        split: "train", "val" or "test"; all of them by default.
        recipe: thins the training images and drops or merges classes.
    """
    from seedbed.models.extract import codes_path, extract

    if out is not None:
        codes_path(out)  # another kind of file is refused before anything is computed
    net = open_for(backbone, device, data, seed)
    names = (
        [la.name for la in net.layers]
        if layer == "all"
        else [layer]
        if isinstance(layer, str)
        else list(layer)
    )
    # an unknown one is refused before anything is packed
    chosen = list(dict.fromkeys(net.layer(name).name for name in names))
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}", f"Valid: {', '.join(SPLITS)}.")
    store = open_store(data, net.preprocessing.store_px, workspace, on_pack)
    rows, labels, classes = rows_of(make_view(store, recipe, seed), split)
    if not len(rows):
        raise UsageError(
            f"{store.name} has no images in split {split!r}", f"It has: {store.card['splits']}."
        )
    images = net.images(store, rows)
    return extract(
        net,
        images,
        chosen,
        store.ids[rows],
        labels,
        classes,
        flatten=flatten,
        dtype=dtype,
        out=out,
        on_progress=on_codes,
    )


def open_for(
    backbone: Backbone | str | Path, device: str, data: Store | Source | str | Path, seed: int
) -> Backbone:
    """The backbone that `codes` and `transfer` take for these images; a store gives its size to a
    network that has none."""
    from seedbed.models.resolve import open_backbone

    store = (
        data
        if isinstance(data, Store)
        else Store.open(data)
        if not isinstance(data, Source) and Store.is_at(data)
        else None
    )
    net = open_backbone(backbone, seed, store.size_px if store else None)
    net.module.to(resolve_device(device))
    return net
