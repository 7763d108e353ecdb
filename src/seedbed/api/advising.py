"""Advice: which network, which layer, which method for a user's images, on evidence.

In: images, networks, minutes. Out: `Advice`, its page and its model in a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.api.data import new_folder
from seedbed.api.networks import open_for
from seedbed.api.own import open_task_store, save_trained, target_of
from seedbed.base.artifacts import written_aside
from seedbed.base.device import flush_denormals
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store

if TYPE_CHECKING:
    from seedbed.advice.advice import Advice
    from seedbed.advice.contender import Contender
    from seedbed.advice.task_by_size import TaskBySize
    from seedbed.advice.time_budget import Clock
    from seedbed.models.backbone import Backbone
    from seedbed.trials.data import DataSpec

OnEvent = Callable[[float, str], None]
GOOD = "timm('convnext_tiny.in12k_ft_in1k')"  # what --download fetches: 224 px, Apache-2.0, 114 MB
_GOOD_MB = 114
REPORT = "report.html"


def advise(
    data: Store | Source | str | Path,
    backbones: Sequence[Backbone | str | Path] | Mapping[str, Backbone | str | Path] = (),
    *,
    minutes: float = 5.0,
    download: bool = False,
    out: str | Path | None = None,
    train_per_class: int | None = None,
    seed: int = 0,
    device: str = "auto",
    workspace: str | Path | None = None,
    on_pack: PackProgress | None = None,
    on_event: OnEvent | None = None,
) -> Advice:
    """Race networks, layers and methods on labelled images, and say which to take, how well it will
    do, and whether pre-training helps.

    Args:
        data: a folder of images by class, a store, or a call string; its test split, found or
            derived, chooses nothing.
        backbones: folders, call strings or Backbones, or these by name, as `study.backbones()`
            gives them; without any, the small one that comes with seedbed and all weights on this
            machine.
        minutes: how long it may take; a first look, the final score and the page are had in any
            case.
        download: fetch a good network of 224 px first, and race it too.
        out: a new folder for the page (report.html) and the trained model (model/); without it,
            nothing is written.
        train_per_class: use so many labelled images of each class only.
        on_event: told (seconds since the start, words) whenever something is known.

    Returns:
        Advice: `.recommendation`, `.test`, `.scenario`, `.negative_transfer`, `.candidates`,
        `.curve`; printed, it is a summary in sentences.

    Raises:
        UsageError: minutes that are no time, a folder that exists, an unknown network.
        BadDataError: images that cannot be used, weights that are not there, a download that fails.

    Example:
        >>> import seedbed as sb, tempfile
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=8)
        >>> advice = sb.advise(store, ["small(width=4, weights='random')"], minutes=0.05, train_per_class=10)
        >>> advice.scenario.size, len(advice.candidates) > 1, advice.winner.accuracy > 20
        ('small', True, True)
    """
    if not 0 < minutes < float("inf"):
        raise UsageError(
            f"minutes = {minutes:g}: give a positive number",
            "5 is usual for some hundred photographs.",
        )
    folder = new_folder(out)
    from seedbed.advice.time_budget import Clock

    clock, events = Clock(minutes), []

    def say(words: str) -> None:
        events.append((clock.spent, words))
        if on_event:
            on_event(clock.spent, words)

    given = _raced(backbones, download, say)
    target = target_of(data, train_per_class=train_per_class)
    images = target.data if isinstance(target.data, str | Store) else ""
    arena = _arena(target, seed, lambda size: open_task_store(target, size, workspace, on_pack))
    advice, contender = _found(
        given, lambda name: open_for(given[name], device, images, seed), arena, clock, say
    )
    hint = _larger_network_hint(list(given), download)
    advice = replace(advice, larger_network_hint=hint, events=tuple(events))
    return _written(advice, contender, folder, seed, in_time=clock.left() > 0) if folder else advice


def _arena(target: DataSpec, seed: int, open_at: Callable[[int], Store]) -> TaskBySize:
    """The task; a store is opened at its own size at once, as faults of the data are no
    network's."""
    from seedbed.advice.task_by_size import TaskBySize
    from seedbed.tasks.catalogue import TASKS

    arena = TaskBySize(open_at, TASKS.make(target.one_label()), seed)
    if isinstance(target.data, Store):
        arena.task(target.data.size_px)
    return arena


def _found(
    given: dict[str, Any],
    open_backbone: Callable[[str], Backbone],
    arena: TaskBySize,
    clock: Clock,
    say: Callable[[str], None],
) -> tuple[Advice, Contender]:
    """The advice without what is said of it, and the winner's backbone."""
    from seedbed.advice.race import Race
    from seedbed.advice.recommend import recommend

    race = Race(list(given), open_backbone, arena, clock, arena.seed, say)
    with flush_denormals():
        advice = recommend(race, {name: _codes_folder(b) for name, b in given.items()}, say)
    return advice, race.contenders[advice.winner.backbone]


def _written(
    advice: Advice, contender: Contender, folder: Path, seed: int, *, in_time: bool
) -> Advice:
    """The page and the model in a new folder, whole or not at all; images nearest to mistakes only
    where there is time left."""
    from seedbed.advice.advice import MODEL
    from seedbed.advice.recommend import neighbours_of_mistakes
    from seedbed.writeup.advice_page import render_advice

    near = neighbours_of_mistakes(advice, contender) if in_time else []
    store = contender.task.store
    advice = replace(advice, folder=folder, report=folder / REPORT)
    with written_aside(folder) as aside:
        (aside / MODEL).mkdir()
        save_trained(advice.test, store, advice.winner.method, seed, aside / MODEL)
        (aside / REPORT).write_text(render_advice(advice, store, near), encoding="utf-8")
    return advice


def _raced(
    backbones: Sequence[Any] | Mapping[str, Any], download: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Backbones by name: those that were named or those on this machine, and the good one where it
    is to be fetched."""
    from seedbed.models.local_weights import local_networks

    named = dict(backbones) if isinstance(backbones, Mapping) else _named(backbones)
    return (named or {name: name for name in local_networks()}) | (
        {GOOD: _downloaded(say)} if download else {}
    )


def _named(backbones: Sequence[Any]) -> dict[str, Any]:
    """By name; a second one of the same name is numbered, the same text twice is one."""
    found: dict[str, Any] = {}
    for place, backbone in enumerate(backbones):
        name = _called(backbone, place)
        if (
            name in found
            and found[name] is not backbone
            and not isinstance(backbone, str | os.PathLike)
        ):
            name = f"{name} ({place + 1})"
        found[name] = backbone
    return found


def _called(backbone: Any, place: int) -> str:
    if isinstance(backbone, str | os.PathLike):
        return os.fspath(backbone)
    return str(backbone.card.get("name") or f"{backbone.architecture} ({place + 1})")


def _codes_folder(backbone: Any) -> Path | None:
    from seedbed.models.resolve import backbone_folder

    return backbone_folder(backbone) if isinstance(backbone, str | os.PathLike) else None


def _downloaded(say: Callable[[str], None]) -> str:
    """The call of the good network with its weights fetched; its size and licence are said
    first."""
    from seedbed.models.weights import download, download_instruction, find_cached
    from seedbed.models.zoo import BACKBONES

    architecture = BACKBONES.make(GOOD)
    published = architecture.published()
    assert published is not None
    if (found := find_cached(published)) is not None:
        say(f"{GOOD} is on this machine already: {found}; licence {published.licence}")
        return GOOD
    say(f"fetching {GOOD}: about {_GOOD_MB} MB, licence {published.licence}")
    try:
        download(published)
    except BadDataError as error:
        hint = (
            f"{download_instruction(published)}. Without --download the networks on this machine "
            "are raced."
        )
        raise BadDataError(error.message, hint) from None
    return GOOD


def _larger_network_hint(raced: list[str], downloaded: bool) -> str:
    """How to get a larger pre-trained network, if none was raced."""
    from seedbed.models.resolve import SHIPPED

    if downloaded or not set(raced) <= set(SHIPPED):
        return ""
    from seedbed.models.weights import download_instruction
    from seedbed.models.zoo import BACKBONES

    published = BACKBONES.make(GOOD).published()
    assert published is not None
    return (
        "Only the small network that comes with seedbed was raced. A network of 224 px with more "
        "pre-training data is usually better on photographs: seedbed advise DATA --download "
        f"fetches {GOOD} (about {_GOOD_MB} MB, licence {published.licence}). To fetch it by hand: "
        f"{download_instruction(published)}."
    )
