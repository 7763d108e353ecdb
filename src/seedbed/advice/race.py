"""The race: rounds that measure candidates, cheap ones first, within a time budget.

In: backbone names, the task by image size, a clock. Out: candidates, all scored on held-out images,
and notes on what was left out. The first round probes every layer of every backbone. The following
rounds measure the best candidates on all images, joined layers, sixteen augmented views, and
fine-tuning. Test images are not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from seedbed.advice.candidate import Candidate, short_name
from seedbed.advice.contender import Contender
from seedbed.advice.successive_halving import fine_tune_candidate
from seedbed.advice.task_by_size import TaskBySize
from seedbed.advice.time_budget import Clock
from seedbed.base.errors import SeedbedError
from seedbed.models.backbone import Backbone
from seedbed.readout.augmented_views import NUM_VIEWS

# labelled images that the first round uses at most
_NUM_PRELIMINARY = 2_000
# of the remaining time, that one backbone's first round may take
_SHARE_OF_FIRST_ROUND = 0.25
# shares of the time at which these rounds end
_UNTIL_READOUTS, _UNTIL_FINE_TUNING = 0.35, 0.6
# candidates of the first round that are measured on all images
_NUM_ON_ALL_IMAGES = 3
# backbones that are fine-tuned
_NUM_FINE_TUNED = 2
# training on the codes of all views takes longer than computing them
_AUGMENTED_COST = 2.0

OpenBackbone = Callable[[str], Backbone]
Say = Callable[[str], None]


@dataclass
class Race:
    """Runs the rounds; `candidates` are the results, `notes` say what was left out and why."""

    names: Sequence[str]
    open_backbone: OpenBackbone
    tasks: TaskBySize
    clock: Clock
    seed: int
    say: Say
    contenders: dict[str, Contender] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run_later_rounds(self) -> None:
        """Run all rounds after the first, as far as time allows."""
        self._measure_on_all_images()
        contender, layers = self.contenders[self.leader.backbone], self._leading_layers()
        self._measure_joined_layers_and_neighbours(contender, layers)
        self._measure_augmented_views(contender, layers[0])
        self._fine_tune()

    @property
    def on_all_images(self) -> list[Candidate]:
        """Candidates scored on all held-out images, which are comparable."""
        return [c for c in self.candidates if not c.is_preliminary]

    @property
    def leader(self) -> Candidate:
        """The best candidate so far; of equals the one measured first, which is the cheaper."""
        return max(self.on_all_images or self.candidates, key=lambda c: c.accuracy)

    def contenders_by_rank(self) -> list[Contender]:
        """Backbones, the one with the best candidate first."""
        best = {
            name: max(c.accuracy for c in self.candidates if c.backbone == name)
            for name in self.contenders
        }
        return sorted(self.contenders.values(), key=lambda c: -best[c.name])

    def run_first_round(self, name: str) -> None:
        """Probe all layers of a backbone on some images; the first backbone is never skipped."""
        try:
            contender = Contender(
                name=name,
                backbone=self.open_backbone(name),
                tasks=self.tasks,
                num_preliminary=_NUM_PRELIMINARY,
            )
            num = min(_NUM_PRELIMINARY, len(contender.task.known))
            seconds = contender.forward_seconds(num) if self.contenders else 0.0
            if self.contenders and seconds > _SHARE_OF_FIRST_ROUND * self.clock.left():
                self._note(
                    f"{short_name(name)} is left out: its forward pass over {num:,} images takes "
                    f"about {seconds:,.0f} s, more than a quarter of the remaining time; use "
                    f"--minutes {self._minutes_for(seconds)} or more"
                )
                return
            candidates = contender.probe_layers()
        except SeedbedError as error:
            if len(self.names) == 1:
                raise
            self._note(f"{short_name(name)} is left out: {error.message}")
            return
        self.contenders[name] = contender
        self._add(candidates)
        self._add_zero_shot(contender)

    def _add_zero_shot(self, contender: Contender) -> None:
        """Classify by the names of the classes, where the network has a text tower."""
        try:
            candidate = contender.zero_shot()
        except SeedbedError as error:
            self._note(f"zero_shot() of {short_name(contender.name)} is left out: {error.message}")
            return
        if candidate is not None:
            self._add([candidate])

    def _minutes_for(self, seconds: float) -> int:
        """The time limit, in minutes, with which a forward pass would not be left out."""
        return math.ceil((self.clock.spent + seconds / _SHARE_OF_FIRST_ROUND) / 60) + 1

    def _measure_on_all_images(self) -> None:
        """Measure the best preliminary candidates on all images."""
        preliminary = [c for c in self.candidates if c.is_preliminary]
        ranked = sorted(preliminary, key=lambda c: -c.accuracy)
        # The cs231n rule may recommend the penultimate layer: it is always measured.
        penultimate = [c for c in ranked if c.is_penultimate][:1]
        for i, candidate in enumerate(dict.fromkeys([*ranked[:_NUM_ON_ALL_IMAGES], *penultimate])):
            contender = self.contenders[candidate.backbone]
            seconds = contender.forward_seconds(len(contender.task.known))
            if i and seconds > self.clock.left(_UNTIL_READOUTS):
                self._note(f"{candidate.name}: measured on a subset of the images for lack of time")
                continue
            self._add([contender.read_out([str(candidate.layer)])])

    def _leading_layers(self) -> list[str]:
        """Layers of the leading backbone, the best first."""
        probes, leading = [], self.leader.backbone
        # Where zero_shot() leads, its backbone may have preliminary probes alone.
        for candidates in (self.on_all_images, self.candidates):
            probes = probes or [
                c for c in candidates if c.backbone == leading and c.kind == "probe"
            ]
        ranked = sorted(probes, key=lambda c: -c.accuracy)
        return list(dict.fromkeys(str(c.layer) for c in ranked))

    def _measure_joined_layers_and_neighbours(
        self, contender: Contender, layers: Sequence[str]
    ) -> None:
        order = [la.name for la in contender.layers]
        num = len(contender.task.known)
        if len(layers) > 1 and contender.forward_seconds(num) < self.clock.left(_UNTIL_READOUTS):
            self._add([contender.read_out(sorted(layers[:2], key=order.index))])
        if contender.forward_seconds(num) < self.clock.left(_UNTIL_READOUTS):
            self._add([contender.read_out(layers[:1], "knn")])

    def _measure_augmented_views(self, contender: Contender, layer: str) -> None:
        forward_seconds = contender.forward_seconds(len(contender.task.known))
        seconds = _AUGMENTED_COST * NUM_VIEWS * forward_seconds
        skipped = "sixteen augmented views of each image were not tried"
        if not contender.has_memory_for_views(layer):
            self._note(f"{skipped}: their codes need more memory than is free")
        elif seconds > self.clock.left(_UNTIL_READOUTS):
            self._note(f"{skipped}: they would take about {seconds:,.0f} s")
        else:
            self._add([contender.read_out_augmented(layer)])

    def _fine_tune(self) -> None:
        ranked = self.contenders_by_rank()[:_NUM_FINE_TUNED]
        for i, contender in enumerate(ranked):
            seconds = self.clock.left(_UNTIL_FINE_TUNING) / (len(ranked) - i)
            try:
                candidate = fine_tune_candidate(
                    contender, seconds, self.seed, say=self.say, note=self._note
                )
            except SeedbedError as error:
                self._note(f"fine-tuning {short_name(contender.name)} failed: {error.message}")
                continue
            if candidate:
                self._add([candidate])

    def _add(self, candidates: Sequence[Candidate]) -> None:
        before = self.leader if self.candidates else None
        self.candidates += candidates
        leader = self.leader
        if leader is not before:
            folds = leader.num_folds
            split = f"{folds}-fold cross-validation" if folds > 1 else "a validation split"
            preliminary = ", preliminary" if leader.is_preliminary else ""
            self.say(
                f"leader: {leader.name}: {leader.accuracy:.1f} % "
                f"({len(leader.positions):,} held-out images, {split}{preliminary})"
            )

    def _note(self, sentence: str) -> None:
        self.notes.append(sentence)
        self.say(sentence)
