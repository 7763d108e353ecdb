"""Advice: which network, which layer, which method for a user's images, on evidence.

In: images, networks, minutes. Out: `Advice`, its page and its model in a folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.api.networks import open_for
from seedbed.api.own import new_folder, open_task_store, save_trained, target_of
from seedbed.base.artifacts import written_aside
from seedbed.base.device import flushed_denormals
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.pack import Progress as PackProgress
from seedbed.data.source import Source
from seedbed.data.store import Store

if TYPE_CHECKING:
    from seedbed.advice.advice import Advice
    from seedbed.advice.contender import Contender
    from seedbed.models.backbone import Backbone

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
    """Race networks, layers and methods on labelled images, and say which to take, how well it will do, and whether pre-training helps.

    Args:
        data: a folder of images by class, a store, or a call string; its test split, found or derived, chooses nothing.
        backbones: folders, call strings or Backbones, or these by name, as `study.backbones()` gives them; without any, the small one that
            comes with seedbed and all weights on this machine.
        minutes: how long it may take.
        download: fetch a good network of 224 px first, and race it too.
        out: a new folder for the page (report.html) and the trained model (model/); without it, nothing is written.
        train_per_class: use so many labelled images of each class only.
        on_event: told (seconds since the start, words) whenever something is known.

    Returns:
        Advice: `.recommended`, `.test`, `.scenario`, `.negative`, `.entries`, `.curve`; printed, it says what to do.

    Raises:
        UsageError: minutes that are no time, a folder that exists, an unknown network.
        BadDataError: images that cannot be used, weights that are not there, a download that fails.

    Example:
        >>> import seedbed as sb, tempfile
        >>> store = sb.pack("digits()", tempfile.mkdtemp() + "/digits.store", size_px=8)
        >>> advice = sb.advise(store, ["small(width=4, weights='random')"], minutes=0.05, train_per_class=10)
        >>> advice.scenario.size, len(advice.entries) > 1, advice.winner.accuracy > 20
        ('small', True, True)
    """
    if not 0 < minutes < float("inf"):
        raise UsageError(f"minutes = {minutes:g}: give a positive number", "5 is usual for some hundred photographs.")
    folder = new_folder(out)
    from seedbed.advice.advice import Advice
    from seedbed.advice.arena import Arena
    from seedbed.advice.clock import Clock
    from seedbed.advice.race import Race
    from seedbed.advice.recommend import recommend
    from seedbed.tasks.catalogue import TASKS

    clock, events = Clock(minutes), []

    def say(words: str) -> None:
        events.append((clock.spent, words))
        if on_event:
            on_event(clock.spent, words)

    named = dict(backbones) if isinstance(backbones, Mapping) else _named(backbones)
    given: dict[str, Any] = named or {name: name for name in _networks_here()}
    if download:
        given |= {GOOD: _downloaded(say)}
    target = target_of(data, train_per_class=train_per_class)
    arena = Arena(lambda size: open_task_store(target, size, workspace, on_pack), TASKS.make(target.task), seed)

    def open_backbone(name: str) -> Backbone:
        return open_for(given[name], device, target.data if isinstance(target.data, str | Store) else "", seed)

    race = Race(list(given), open_backbone, arena, clock, seed, say)
    with flushed_denormals():
        if isinstance(target.data, Store):
            arena.task(target.data.size_px)  # faults of the data are no network's
        found = recommend(race, {name: _codes_folder(b) for name, b in given.items()}, say)
    advice = Advice(**found, more=_more(list(given), download), events=tuple(events))
    return _written(advice, race.contenders[advice.winner.backbone], folder, seed, minutes) if folder else advice


def _written(advice: Advice, contender: Contender, folder: Path, seed: int, minutes: float) -> Advice:
    """The page and the model in a new folder, whole or not at all."""
    from dataclasses import replace

    from seedbed.advice.advice import MODEL
    from seedbed.advice.recommend import nearest_to_mistakes
    from seedbed.writeup.advice_page import render_advice

    near = nearest_to_mistakes(advice, contender) if advice.seconds < 60 * minutes else []
    store = contender.task.store
    advice = replace(advice, folder=folder, report=folder / REPORT)
    with written_aside(folder) as aside:
        (aside / MODEL).mkdir()
        save_trained(advice.test, store, advice.winner.method, seed, aside / MODEL)
        (aside / REPORT).write_text(render_advice(advice, store, near), encoding="utf-8")
    return advice


def _named(backbones: Sequence[Any]) -> dict[str, Any]:
    """By name; a second one of the same name is numbered, the same text twice is one."""
    found: dict[str, Any] = {}
    for place, backbone in enumerate(backbones):
        name = _called(backbone, place)
        if name in found and found[name] is not backbone and not isinstance(backbone, str | os.PathLike):
            name = f"{name} ({place + 1})"
        found[name] = backbone
    return found


def _called(backbone: Any, place: int) -> str:
    if isinstance(backbone, str | os.PathLike):
        return os.fspath(backbone)
    return str(backbone.card.get("name") or f"{backbone.architecture} ({place + 1})")


def _networks_here() -> list[str]:
    from seedbed.models.local import networks_here

    return networks_here()


def _codes_folder(backbone: Any) -> Path | None:
    from seedbed.models.opening import folder_of

    return folder_of(backbone) if isinstance(backbone, str | os.PathLike) else None


def _downloaded(say: Callable[[str], None]) -> str:
    """The call of the good network with its weights fetched; its size and licence are said first."""
    from seedbed.models.weights import by_hand, download, find_cached
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
        hint = f"{by_hand(published).partition('; or give')[0]}. Without --download the networks on this machine are raced."
        raise BadDataError(error.message, hint) from None
    return GOOD


def _more(raced: list[str], downloaded: bool) -> str:
    """What larger weights would need, where none were raced."""
    from seedbed.models.opening import SHIPPED

    if downloaded or not set(raced) <= set(SHIPPED):
        return ""
    from seedbed.models.weights import by_hand
    from seedbed.models.zoo import BACKBONES

    published = BACKBONES.make(GOOD).published()
    assert published is not None
    return (
        "Only the small network that comes with seedbed was raced; one of 224 px that was trained on more usually does better on "
        f"photographs. seedbed advise DATA --download fetches {GOOD} (about {_GOOD_MB} MB, licence {published.licence}). "
        f"By hand: {by_hand(published).partition('; or give')[0]}."
    )
