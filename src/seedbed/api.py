"""The verbs for Python: each takes paths or objects, and means what the command of the same name means.

In: what a user has. Out: what the verb makes. The command line is a thin layer over these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.base.artifacts import Workspace, written_aside
from seedbed.base.device import choose_device, flushed_denormals
from seedbed.base.errors import UsageError
from seedbed.base.paths import expanded
from seedbed.base.spec import fingerprint
from seedbed.data.formats import open_source
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.pack import pack as pack_source
from seedbed.data.source import SPLITS, Source
from seedbed.data.store import Store
from seedbed.data.view import View, make_view

if TYPE_CHECKING:
    from seedbed.data.audit import Audit
    from seedbed.models.backbone import Backbone
    from seedbed.models.extract import Codes
    from seedbed.models.fit import Progress
    from seedbed.pretraining.pretrain import Pretrained
    from seedbed.tasks.task import Measurement
    from seedbed.trials.results import Results
    from seedbed.trials.study import Study
    from seedbed.verdicts.answer import Answer
    from seedbed.verdicts.findings import Finding
    from seedbed.verdicts.questions.facts import Named

OnProgress = Callable[["Progress"], None]
_DEFAULT_PX = 64


def pack(source: Source | str | os.PathLike[str], store: str | Path, **options: Any) -> Store:
    """Pack a source once: images decoded, resized and memory-mapped. Options and errors: `seedbed.data.pack.pack`.

    Example:
        >>> import tempfile, seedbed as sb
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16)
        >>> store.num_images, store.pixels.shape[1:]
        (1797, (16, 16, 3))
    """
    return pack_source(source, store, **options).store


def open_store(
    data: Store | Source | str | Path,
    size_px: int,
    workspace: str | Path | None = None,
    progress: PackProgress | None = None,
    *,
    allow_unreadable: float | None = None,
) -> Store:
    """The store that data stands for: itself, or a source packed into the workspace at `size_px`."""
    from seedbed.trials.datasets import pack_into

    if isinstance(data, Store):
        return data
    if not isinstance(data, Source):
        if Store.is_at(data):
            return Store.open(data)
        data = open_source(data)
    place = Workspace(expanded(workspace or os.environ.get("SEEDBED_WORKSPACE") or "seedbed-work"))
    return pack_into(data, size_px, place, progress, allow_unreadable)


def audit(
    data: Store | Source | str | Path,
    against: Store | Source | str | Path | None = None,
    *,
    hierarchy: str | None = None,
    backbone: Backbone | str | Path | None = None,
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: PackProgress | None = None,
) -> Audit:
    """Unreadable files, tiny classes, near duplicates within a data set and against another; sources are packed at 64 px.

    Args:
        data, against: stores, sources, or what opens as one.
        hierarchy: "wordnet" or a file, for both: which classes of the other set lie above which classes here.
        backbone: finds images of the two that are near by its codes too, such as mirrored ones, which the first look misses.

    Example:
        >>> import seedbed as sb, tempfile
        >>> found = sb.audit(sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=16))
        >>> found.num_images, found.tiny_classes
        (1797, [])
    """
    from seedbed.data.audit import audit_store

    if backbone is not None and against is None:
        raise UsageError("a backbone compares the images of two data sets, and there is one", "Name the other: --against DATA2.")
    net = open_for(backbone, "auto", data, 0) if backbone is not None else None
    size_px = net.preprocessing.store_px if net else _DEFAULT_PX
    named = [d for d in (data, against) if d is not None]
    stores = [open_store(d, size_px, workspace, on_pack, allow_unreadable=1.0).with_hierarchy(hierarchy) for d in named]
    found = audit_store(*stores, on_progress=on_progress)
    if net is None:
        return found
    from seedbed.readout.leaks import with_code_pairs

    return with_code_pairs(found, net, *stores)


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
    """Train a backbone on the images that a recipe keeps; cut off, the same call goes on from its last checkpoint beside `out`.

    Args:
        store: a store, the path of one, or a source, which is packed into the workspace.
        backbone: a call string such as `small(width=16)` or `resnet18(stem='small')`; it may name the weights to begin with.
        out: a folder to save it in; where it holds what the same call made, that is returned and nothing is done.
        recipe: which images and labels (see docs/recipes.md).
        images_seen: the training budget in images; 0 leaves the weights as they begin.
        seed: of all that is random.
        device: "auto", "cpu" or "cuda".
        size_px: at which a source is packed, px (default: what the backbone takes, else 64).
        checkpoint_every_s: seconds between two checkpoints, beside `out`.
        training: other keys of a study's [pretraining] (docs/study-files.md), such as batch_size or optimiser.

    Returns:
        Pretrained: `.backbone`, `.metrics` on the source's held-out images in percent, `.fitted` (None where nothing was trained).
    """
    from seedbed.base.spec import build
    from seedbed.models.resume import Checkpoint
    from seedbed.pretraining.pretrain import Seeds, identity, pretrain_view
    from seedbed.trials.arms import Pretraining
    from seedbed.trials.steps import save_pretrained, training_settings

    if images_seen < 0:
        raise UsageError(f"images_seen = {images_seen} is negative", "300_000 is usual for small nets; 0 trains nothing.")
    folder = _backbone_folder(out)
    how = build(Pretraining, {**training, "backbone": backbone, "images_seen": (max(1, images_seen),)}, "pretrain")
    architecture, settings = how.architecture(), how.training(images_seen)
    packed = _of_size(open_store(store, size_px or architecture.size_px or _DEFAULT_PX, workspace, on_pack), size_px)
    view, seeds, on = make_view(packed, recipe, seed), Seeds(sample=seed, init=seed), choose_device(device)
    what = identity(view, architecture, settings, seed)
    if folder and (found := _trained_already(folder, fingerprint(what), on)):
        return found
    checkpoint = Checkpoint(path=_unfinished(folder, what, on), every_s=checkpoint_every_s) if folder else None
    told = {"seeds": seeds, "device": on, "on_progress": on_progress, "checkpoint": checkpoint}
    with flushed_denormals():
        done = pretrain_view(view, architecture, settings, **told)
    if folder and checkpoint:
        asked = training_settings(recipe, seeds, backbone, settings) | {"identity": fingerprint(what)}
        with written_aside(folder) as aside:
            save_pretrained(done, view, asked, aside)
        checkpoint.remove()
    return done


def _of_size(store: Store, size_px: int | None) -> Store:
    if size_px and store.size_px != size_px:
        raise UsageError(
            f"{store.path} is packed at {store.size_px} px, and size_px says {size_px} px", "A store has its own size."
        )
    return store


def _unfinished(folder: Path, identity: dict[str, Any], device: str) -> Path:
    """Where a training leaves its state, beside its folder: another one of the same name, or on other hardware, finds another place."""
    import torch

    here = {"device": device.partition(":")[0], "threads": torch.get_num_threads(), "torch": torch.__version__}
    return folder.with_name(f"{folder.name}.{fingerprint({**identity, **here})[:8]}.unfinished")


def _backbone_folder(out: str | Path | None) -> Path | None:
    """Where a backbone is to be saved: nothing yet, or one that `pretrain` made, perhaps by the same call."""
    from seedbed.models.checkpoint import CARD, read_card

    folder = None if out is None else Path(out)
    if folder and folder.exists() and not ((folder / CARD).is_file() and "identity" in read_card(folder)):
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
            f"{folder} holds a backbone of another training", "Name a new folder, or remove that one; nothing there was touched."
        )
    backbone.module.to(device)
    metrics = dict(backbone.card["source_metrics"])
    return Pretrained(backbone=backbone, metrics=metrics, card_codes=load_arrays(folder / CARD_CODES)["codes"])


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
    """Codes of one or several layers for the images of a data set, in one pass, as they are (not normalised).

    Args:
        backbone: a Backbone, the folder of one, or a call such as `vgg16` with published weights on this machine.
        data: a store, or a source, which is packed into the workspace at the backbone's size.
        layer: names of the layer table or of any submodule, "penultimate", or "all" for the whole table.
        flatten: the whole map as one vector, instead of its mean over space.
        dtype: "float32" or "float16".
        out: a safetensors file to fill while it is mapped into memory: codes may then be larger than memory.
        split: "train", "val" or "test"; all of them by default.
        recipe: thins the training images and drops or merges classes.
    """
    from seedbed.models.extract import codes_path, extract

    if out is not None:
        codes_path(out)  # another kind of file is refused before anything is computed
    net = open_for(backbone, device, data, seed)
    names = [la.name for la in net.layers] if layer == "all" else [layer] if isinstance(layer, str) else list(layer)
    chosen = list(dict.fromkeys(net.layer(name).name for name in names))  # an unknown one is refused before anything is packed
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}", f"Valid: {', '.join(SPLITS)}.")
    store = open_store(data, net.preprocessing.store_px, workspace, on_pack)
    rows, labels, classes = rows_of(make_view(store, recipe, seed), split)
    if not len(rows):
        raise UsageError(f"{store.name} has no images in split {split!r}", f"It has: {store.card['splits']}.")
    images = net.images(store, rows)
    return extract(
        net, images, chosen, store.ids[rows], labels, classes, flatten=flatten, dtype=dtype, out=out, on_progress=on_codes
    )


def rows_of(view: View, split: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Rows, labels and classes of a view's split, or of all of them, in the order of the store."""
    parts = [(view.rows, view.labels) if name == "train" else view.held_out(name) for name in SPLITS if split in (None, name)]
    rows, labels = np.concatenate([r for r, _ in parts]), np.concatenate([la for _, la in parts])
    order = np.argsort(rows, kind="stable")
    return rows[order], labels[order], view.classes


def transfer(
    backbone: Backbone | str | Path,
    task: Store | Source | str | Path,
    method: str = "probe()",
    *,
    train_per_class: int | None = None,
    recipe: str | None = None,
    metric: str | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_progress: OnProgress | None = None,
) -> Measurement:
    """Measure a backbone on a task by a method.

    Args:
        backbone: a Backbone, the folder of one, or a call such as `vgg16` with published weights on this machine.
        task: a store or a source; validation and test splits are derived where it has none (docs/concepts.md).
        method: a call string such as `probe()` or `finetune(images_seen=50_000)`.
        train_per_class: use so many labelled images of each class only, drawn with the seed.
        recipe: of the classes and images that it leaves (see docs/recipes.md).
        metric: the primary one, "top1" (default) or "mean_class_accuracy".

    Returns:
        Measurement: `.metrics` in percent, `.primary`, `.predictions`, `.facts`.
    """
    from seedbed.tasks.catalogue import TASKS
    from seedbed.transfers.methods import METHODS, Context
    from seedbed.trials.data import Data, read_target

    made = METHODS.make(method)
    own = {"train_per_class": train_per_class, "recipe": recipe, "metric": metric}
    if isinstance(task, str):
        asked = read_target(task, "task", Path())
        task, own = asked.data, {k: v if v is not None else getattr(asked, k) for k, v in own.items()}  # pyright: ignore[reportAssignmentType]
    kind = TASKS.make(Data(data=task, **own).task)
    net = open_for(backbone, device, task, seed)
    made.check(net)
    store = open_store(task, net.preprocessing.store_px, workspace, on_pack)
    target = kind.load(store, seed)
    with flushed_denormals():
        return made.run(net, target, Context(seed=seed, device=net.device, on_progress=on_progress))


def ask(
    question: str,
    sources: Named | Sequence[Named] = (),
    targets: Named | Sequence[Named] = (),
    *,
    backbones: str | Sequence[str] = (),
    folder: str | Path = ".",
    name: str | None = None,
) -> Study:
    """The study that asks a question, as `seedbed study new` writes it; `study.run()` runs it, `answers` and `findings` read the results.
    `dataclasses.replace(study, seeds=5)` is the same study with something changed.

    Args:
        question: its name (docs/questions.md).
        sources, targets: paths, call strings or stores, one or several; the embedded data stand in where there are none.
        backbones: networks; with several, every arm once with each.
        folder, name: paths are relative to the folder, and results go to NAME.study/ there, in place of those of another study so named.

    Raises:
        UsageError: an unknown question, a call that is none, data that have no path.
        BadDataError: a path at which nothing is.

    Example:
        >>> import seedbed as sb
        >>> study = sb.ask("fine-or-coarse")
        >>> list(study.arms)
        ['fine', 'coarse20', 'coarse5', 'random']
    """
    from seedbed.trials.study import parse_study
    from seedbed.verdicts.questions import question as question_named
    from seedbed.verdicts.questions.facts import named

    place = expanded(folder).resolve()
    networks = [backbones] if isinstance(backbones, str) else [*map(str, backbones)]
    text = question_named(question).study(named(sources, place), named(targets, place, as_target=True), networks)
    return parse_study(text, place / f"{name or question}.toml")


def answers(results: Results) -> list[Answer]:
    """What the results say of the study's question: one answer per comparison, with its sentence."""
    from seedbed.verdicts.questions import answer

    return answer(_results(results))


def findings(results: Results) -> list[Finding]:
    """What the results say besides: retained gain, interactions, scaling, influence, ... (docs/questions.md)."""
    from seedbed.verdicts.findings import findings as found
    from seedbed.verdicts.questions import answer

    return found(_results(results), answer(results))


def report(results: Results, path: str | Path) -> Path:
    """Write the report of a study's results as one HTML page; raises UsageError for another name or object."""
    from seedbed import writeup

    return writeup.report(_results(results), Path(path))


def _results(results: Results) -> Results:
    from seedbed.trials.results import Results as ResultsOfStudy

    if not isinstance(results, ResultsOfStudy):
        what = type(results).__name__
        raise UsageError(f"a {what} is not the results of a study", "Give what study.run() returns: sb.Study.load(FILE).run().")
    return results


def open_for(backbone: Backbone | str | Path, device: str, data: Store | Source | str | Path, seed: int) -> Backbone:
    """The backbone that `codes` and `transfer` take for these images; a store gives its size to a network that has none."""
    from seedbed.models.opening import open_backbone

    store = data if isinstance(data, Store) else Store.open(data) if not isinstance(data, Source) and Store.is_at(data) else None
    net = open_backbone(backbone, seed, store.size_px if store else None)
    net.module.to(choose_device(device))
    return net
