"""The race: cheap readouts of all layers of all backbones first, then the better ones on all
images, joined, with sixteen views, fine-tuned.

In: backbones by name, an arena, a clock. Out: candidates, all measured on images they had not
learnt from, and what was passed over for want of time. The test images take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from seedbed.advice.candidate import Entry, short
from seedbed.advice.contender import Contender
from seedbed.advice.successive_halving import race_tuning
from seedbed.advice.task_by_size import Arena
from seedbed.advice.time_budget import Clock
from seedbed.base.errors import SeedbedError
from seedbed.models.backbone import Backbone
from seedbed.readout.augmented_views import NUM_VIEWS

_ROUGH = 2_000  # known images that the first round looks at
_SHARE_OF_CODES = 0.25  # of the time, that one backbone's first round may take
_UNTIL_READOUTS, _UNTIL_TUNED = 0.35, 0.6  # shares of the time at which these rounds end
_NUM_WHOLE = 3  # candidates of the first round that are measured on all images
_NUM_TUNED = 2  # backbones that are fine-tuned
_AUGMENTED_COST = 2.0

Opener = Callable[[str], Backbone]
Say = Callable[[str], None]


@dataclass
class Race:
    """Runs the rounds; `entries` are the candidates, `notes` what was left out and why."""

    names: Sequence[str]
    open_backbone: Opener
    arena: Arena
    clock: Clock
    seed: int
    say: Say
    contenders: dict[str, Contender] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def later_rounds(self) -> None:
        """All rounds after the first looks, as far as the time goes."""
        self._on_all_images()
        self._joined_and_augmented()
        self._tuned()

    @property
    def whole(self) -> list[Entry]:
        """Candidates measured on all held-out images, which may be compared."""
        return [e for e in self.entries if not e.is_rough]

    @property
    def leader(self) -> Entry:
        """The best so far; of equals the one that was measured first, which is the cheaper one."""
        return max(self.whole or self.entries, key=lambda e: e.accuracy)

    def by_rank(self) -> list[Contender]:
        """Backbones, the one with the best candidate first."""
        best = {
            name: max(e.accuracy for e in self.entries if e.backbone == name)
            for name in self.contenders
        }
        return sorted(self.contenders.values(), key=lambda c: -best[c.name])

    def first_look(self, name: str) -> None:
        """Readouts of all layers of a backbone, on some images; that of the first backbone is taken
        in any case."""
        try:
            contender = Contender(
                name=name, backbone=self.open_backbone(name), arena=self.arena, num_rough=_ROUGH
            )
            num = min(_ROUGH, len(contender.task.known))
            seconds = contender.seconds_of_codes(num) if self.contenders else 0.0
            if self.contenders and seconds > _SHARE_OF_CODES * self.clock.left():
                words = f"its codes of {num:,} images would take {seconds:,.0f} s, more than a quarter of the time that is left"
                self._note(f"{short(name)} is left out: {words}")
                return
            found = contender.by_layer()
        except SeedbedError as error:
            if len(self.names) == 1:
                raise
            self._note(f"{short(name)} is left out: {error.message}")
            return
        self.contenders[name] = contender
        self._add(found)

    def _on_all_images(self) -> None:
        """What the first round found best, where it looked at a part of the images only."""
        if not any(e.is_rough for e in self.entries):
            return
        ranked = sorted((e for e in self.entries if e.is_rough), key=lambda e: -e.accuracy)
        # the last codes of the best: what the lecture's rule may ask for
        top = [e for e in ranked if e.is_top][:1]
        for i, entry in enumerate(dict.fromkeys([*ranked[:_NUM_WHOLE], *top])):
            contender = self.contenders[entry.backbone]
            seconds = contender.seconds_of_codes(len(contender.task.known))
            if i and seconds > self.clock.left(_UNTIL_READOUTS):
                self._note(f"{entry.name}: measured on a part of the images only, for want of time")
                continue
            self._add([contender.at([str(entry.layer)])])

    def _joined_and_augmented(self) -> None:
        leader = self.leader
        contender = self.contenders[leader.backbone]
        own = [
            e
            for e in self.whole or self.entries
            if e.backbone == leader.backbone and e.kind == "probe"
        ]
        own = sorted(
            own or [e for e in self.entries if e.backbone == leader.backbone],
            key=lambda e: -e.accuracy,
        )
        layers = list(dict.fromkeys(str(e.layer) for e in own))
        order = [la.name for la in contender.layers]
        num = len(contender.task.known)
        if len(layers) > 1 and contender.seconds_of_codes(num) < self.clock.left(_UNTIL_READOUTS):
            self._add([contender.at(sorted(layers[:2], key=order.index))])
        if contender.seconds_of_codes(num) < self.clock.left(_UNTIL_READOUTS):
            self._add([contender.at(layers[:1], "knn")])
        # Learning from 16 times as many codes takes longer than taking them.
        seconds = _AUGMENTED_COST * NUM_VIEWS * contender.seconds_of_codes(num)
        if not contender.can_be_augmented(layers[0]):
            self._note(
                "sixteen views of each image were not tried: their codes need more memory than is free"
            )
        elif seconds > self.clock.left(_UNTIL_READOUTS):
            self._note(
                f"sixteen views of each image were not tried: they may take {seconds:,.0f} s"
            )
        else:
            self._add([contender.augmented(layers[0])])

    def _tuned(self) -> None:
        ranked = self.by_rank()[:_NUM_TUNED]
        for i, contender in enumerate(ranked):
            seconds = self.clock.left(_UNTIL_TUNED) / (len(ranked) - i)
            try:
                found = race_tuning(contender, seconds, self.seed, say=self.say, note=self._note)
            except SeedbedError as error:
                self._note(f"fine-tuning {short(contender.name)} failed: {error.message}")
                continue
            if found:
                self._add([found])

    def _add(self, found: Sequence[Entry]) -> None:
        before = self.leader if self.entries else None
        self.entries += found
        leader = self.leader
        if leader is not before:
            kind = f"{leader.num_folds} folds" if leader.num_folds > 1 else "a validation split"
            part = ", a first look" if leader.is_rough else ""
            self.say(
                f"leader: {leader.name}: {leader.accuracy:.1f} % ({len(leader.positions):,} images in {kind}{part})"
            )

    def _note(self, words: str) -> None:
        self.notes.append(words)
        self.say(words)
