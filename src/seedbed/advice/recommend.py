"""The recommendation: who won, how well it will do, and what the lecture's rule would have had.

In: a race that was run, where the task stands, a clock. Out: one record, `Advice`, that the page, the terminal and the JSON
document are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedbed.advice.arena import rough
from seedbed.advice.contender import Contender
from seedbed.advice.curve import LearningCurve, learning_curve
from seedbed.advice.entry import Entry, short
from seedbed.advice.evidence import scenario_of
from seedbed.advice.negative import NegativeTransfer, negative_transfer
from seedbed.advice.nested import Nested, nested_accuracy, paired_difference
from seedbed.advice.race import Race
from seedbed.advice.scenario import Scenario, by_rule, rule_words
from seedbed.base.errors import BadDataError, SeedbedError
from seedbed.metrics.accuracy import share_interval
from seedbed.models.codes import codes
from seedbed.readout.calibration import temperature_of
from seedbed.readout.neighbours import nearest
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import METHODS, Context

_UNTIL_NEGATIVE = 0.92  # share of the time at which the negative-transfer comparisons end
NUM_MISTAKES = 12
_NUM_ASKED, _NUM_NEAR, _MOST_NEAR = 4, 6, 5_000  # mistakes that are looked up, their neighbours, images that these are sought in
MODEL = "model"  # the folder of the trained model beside the page


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The lecture's rule beside the winner; differences in points, positive where the winner is ahead."""

    words: str
    method: str | None  # None: it was not measured
    accuracy: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    has_won: bool = False

    @property
    def sentence(self) -> str:
        if self.method is None or self.interval is None or self.difference is None:
            return f"The lecture's rule says: {self.words}. That was not measured in the time given."
        if self.has_won:
            return f"The lecture's rule says: {self.words}. That is what won."
        low, high = self.interval
        agrees = "which is no worse than what won, as far as can be told" if low <= 0 else "and what won is better"
        return (
            f"The lecture's rule says: {self.words}. Here that reaches {self.accuracy:.1f} %, {agrees}: the winner is ahead by "
            f"{self.difference:.1f} points (95 % interval {low:+.1f} to {high:+.1f})."
        )


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """An image that the winner, not having learnt from it, is sure to be something else: a wrong label, often."""

    row: int  # of the store
    id: str
    label: str
    said: str
    probability: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Advice:
    """What `advise` found. Accuracies in percent on images that were not learnt from."""

    data: str
    num_images: int
    num_classes: int
    classes: tuple[str, ...]
    class_sizes: tuple[int, ...]
    scenario: Scenario
    winner: Entry
    entries: tuple[Entry, ...]
    nested: Nested
    test: Measurement
    curve: LearningCurve
    negative: tuple[NegativeTransfer, ...]
    rule: Rule
    confusion: np.ndarray  # int64 [K, K], rows true, columns said, held-out images
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]
    layers: Mapping[str, tuple[str, ...]]  # of each backbone, in order of depth
    num_folds: int
    seconds: float
    folder: Path | None = None
    more: str = ""  # what larger weights would need
    report: Path | None = None
    events: tuple[tuple[float, str], ...] = field(default=())

    @property
    def recommended(self) -> dict[str, str]:
        return {"backbone": self.winner.backbone, "method": self.winner.method, "why": self.why}

    @property
    def test_interval(self) -> tuple[float, float]:
        return share_interval(self.test.metrics["top1"], len(self.test.predictions["labels"]))

    @property
    def surprise(self) -> str:
        """What to think of a test score that chance does not explain; nothing where it does."""
        expected, (low, high) = self.nested.value, self.nested.interval
        found, (least, most) = self.test.metrics["top1"], self.test_interval
        gap = found - expected
        allowed = ((high - low) ** 2 + (most - least) ** 2) ** 0.5 / 2
        if abs(gap) <= allowed:
            return ""
        return (
            f"That is {abs(gap):.1f} points {'below' if gap < 0 else 'above'} what was expected, more than chance explains but one time in "
            "twenty: the test images may be of another kind than the others, or hold near duplicates of them."
        )

    @property
    def why(self) -> str:
        """Why this one, in a sentence."""
        low, high = self.nested.interval
        others = sum(not e.is_rough for e in self.entries) - 1
        return (
            f"best of {others + 1} candidates on images that none had learnt from. Expect {self.nested.value:.1f} % on new images "
            f"(95 % interval {low:.1f} to {high:.1f}; the luck of the best of several is taken off)"
        )

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def to_dict(self, seed: int = 0) -> dict[str, Any]:
        """As `seedbed advise --json` prints it."""
        low, high = self.test_interval
        return {
            "num_images": self.num_images,
            "num_classes": self.num_classes,
            "scenario": {
                "size": self.scenario.size,
                "similarity": self.scenario.similarity,
                "evidence": self.scenario.evidence(),
            },
            "candidates": [_outcome(e, self.data, seed) for e in sorted(self.entries, key=lambda e: (e.is_rough, -e.accuracy))],
            "recommendation": {
                **self.recommended,
                "expected": self.nested.value,
                "interval": list(self.nested.interval),
                "test": {
                    "metrics": dict(self.test.metrics),
                    "interval": [low, high],
                    "num_test": len(self.test.predictions["labels"]),
                },
            },
            "rule": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.rule).items()},
            "negative_transfer": [asdict(n) | {"interval": list(n.interval) if n.interval else None} for n in self.negative],
            "learning_curve": asdict(self.curve) | {"law": None},
            "mistakes": [asdict(m) for m in self.mistakes],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "model": str(self.folder / MODEL) if self.folder else None,
            "report": str(self.report) if self.report else None,
        }

    def lines(self) -> list[str]:
        """The advice for the eye."""
        low, high = self.test_interval
        num = len(self.test.predictions["labels"])
        hurt = [n.sentence for n in self.negative]
        model = [f"The trained model is in {self.folder / MODEL}."] if self.folder else []
        page = [f"Report: {self.report}"] if self.report else []
        left = [f"Left out: {note}." for note in self.notes]
        apart = [self.surprise] if self.surprise else []
        return [
            f"Take {short(self.winner.backbone)} by {self.winner.method}: {self.why}.",
            f"On the {num:,} test images, which chose nothing, it reaches {self.test.metrics['top1']:.1f} % "
            f"(95 % interval {low:.1f} to {high:.1f}).",
            *apart,
            self.scenario.sentence[0].upper() + self.scenario.sentence[1:],
            self.rule.sentence,
            *hurt,
            self.curve.sentence,
            *([self.more] if self.more else []),
            *left,
            *model,
            *page,
        ]


def _outcome(entry: Entry, target: str, seed: int) -> dict[str, Any]:
    """A candidate as an outcome's row; its images are held-out ones, no test images."""
    return {
        "study": None,
        "arm": entry.backbone,
        "seed": seed,
        "images_seen": None,
        "target": target,
        "method": entry.method,
        "backbone": entry.backbone,
        "metric": "top1",
        "unit": "percent",
        "value": entry.accuracy,
        "num_test": len(entry.positions),
        "higher_is_better": True,
        "seconds": entry.seconds,
        "key": None,
        "split": "held-out",
        "first_look": entry.is_rough,
    }


def recommend(race: Race, folders: dict[str, Path | None], say: Callable[[str], None]) -> dict[str, Any]:
    """Everything of the advice but where it is written."""
    for name in race.names:
        race.first_look(name)
    if not race.contenders:
        raise BadDataError(f"no network could be raced: {'; '.join(race.notes)}", "Name one that can: --backbone small.")
    scenario = scenario_of(race.by_rank(), folders)
    say(scenario.sentence)
    race.later_rounds()
    _measure_rule(race, scenario)
    winner = race.leader
    contender = race.contenders[winner.backbone]
    rule = _ruled(race, scenario, winner)
    say(rule.sentence)
    curve = _curve(race, contender)
    say(curve.sentence)
    winner, measured = _tested(race, winner)
    say(f"{winner.name} on the test images: {measured.metrics['top1']:.1f} %")
    contender = race.contenders[winner.backbone]
    negative = _negative(race, say)
    nested = nested_accuracy(*_aligned(_comparable(race, winner), contender))
    task = contender.task
    return {
        "data": task.store.name,
        "num_images": task.store.num_images,
        "num_classes": task.num_classes,
        "classes": task.classes,
        "class_sizes": tuple(int(n) for n in np.bincount(task.labels(task.known), minlength=task.num_classes)),
        "scenario": scenario,
        "winner": winner,
        "entries": tuple(race.entries),
        "nested": nested,
        "test": measured,
        "curve": curve,
        "negative": tuple(negative),
        "rule": rule,
        "confusion": _confusion(winner, task.num_classes),
        "mistakes": _mistakes(winner, contender),
        "notes": tuple(race.notes),
        "layers": {c.name: tuple(la.name for la in c.layers) for c in race.contenders.values()},
        "num_folds": winner.num_folds,
        "seconds": race.clock.spent,
    }


def _layer_of(race: Race, contender: Contender) -> str:
    """The best single layer of a backbone."""
    own = [e for e in race.entries if e.backbone == contender.name and e.kind == "probe"]
    return str(max(own, key=lambda e: e.accuracy).layer)


def _curve(race: Race, contender: Contender) -> LearningCurve:
    if not race.clock.left():
        return LearningCurve(num_images=(), accuracies=(), why="the time was over")
    return learning_curve(contender, _layer_of(race, contender))


def _measure_rule(race: Race, scenario: Scenario) -> None:
    """The rule's candidate on all images, where a first look alone had been taken; it may win like any other."""
    backbone = race.leader.backbone
    contender = race.contenders[backbone]
    layers = [la.name for la in contender.layers]
    first = by_rule(scenario, race.entries, backbone, layers)
    if first is not None and first.is_rough and not by_rule(scenario, race.whole, backbone, layers) and race.clock.left():
        race.entries.append(contender.at([str(first.layer)]))


def _ruled(race: Race, scenario: Scenario, winner: Entry) -> Rule:
    contender = race.contenders[winner.backbone]
    words = rule_words(scenario)
    entry = by_rule(scenario, race.whole, winner.backbone, [la.name for la in contender.layers])
    if entry is None or winner.is_rough:
        return Rule(words=words, method=None)
    if entry is winner:
        return Rule(words=words, method=entry.method, accuracy=entry.accuracy, difference=0.0, interval=(0.0, 0.0), has_won=True)
    right, groups = _aligned([winner, entry], contender, chosen_alone=True)
    difference, interval = paired_difference(right[:, 0], right[:, 1], groups)
    return Rule(words=words, method=entry.method, accuracy=entry.accuracy, difference=difference, interval=interval)


def _comparable(race: Race, winner: Entry) -> list[Entry]:
    """Candidates scored on the winner's images."""
    images = np.sort(winner.images)
    return [e for e in race.entries if np.array_equal(np.sort(e.images), images)]


def _aligned(entries: list[Entry], contender: Contender, *, chosen_alone: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Which held-out images each candidate got right, bool [n, m], in one order of images; and their groups of near duplicates.

    Every setting that a candidate's own was chosen from is a candidate too, unless `chosen_alone`.
    """
    columns = []
    for entry in entries:
        order = np.argsort(entry.images)
        of_entry = [entry.right] if chosen_alone or not entry.settings else list(entry.settings)
        columns += [right[order] for right in of_entry]
    task = contender.task
    images = np.sort(entries[0].images)
    order = np.argsort(task.store.hashes)
    rows = order[np.searchsorted(task.store.hashes[order], images)]
    return np.stack(columns, axis=1), task.store.groups[rows]


def _tested(race: Race, winner: Entry) -> tuple[Entry, Measurement]:
    """The final score, trained as `transfer` trains it; the next best candidate where a training fails, and that is told."""
    ranked = sorted((e for e in race.whole if e is not winner), key=lambda e: -e.accuracy)
    for i, entry in enumerate([winner, *ranked]):
        contender = race.contenders[entry.backbone]
        context = Context(seed=race.seed, device=contender.backbone.device)
        try:
            return entry, METHODS.make(entry.method).run(contender.backbone, contender.task, context)
        except SeedbedError as error:
            if i == len(ranked):
                raise
            race.notes.append(f"{entry.name} won, and could not be trained in the end: {error.message}")
    raise AssertionError("there is a candidate")


def _negative(race: Race, say: Callable[[str], None]) -> list[NegativeTransfer]:
    """A verdict per backbone, the best first, as long as there is time."""
    ranked, found = race.by_rank(), []
    for i, contender in enumerate(ranked):
        seconds = race.clock.left(_UNTIL_NEGATIVE) / (len(ranked) - i)
        verdict = negative_transfer(contender, seconds)
        say(verdict.sentence)
        found.append(verdict)
    return found


def _confusion(winner: Entry, num_classes: int) -> np.ndarray:
    counts = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(counts, (winner.held_out.labels.numpy(), winner.held_out.scores.argmax(1).numpy()), 1)
    return counts


def nearest_to_mistakes(advice: Advice, contender: Contender) -> list[tuple[int, list[tuple[int, float]]]]:
    """Rows of the surest mistakes, each with the known images nearest to it by the penultimate codes, and their similarities."""
    task, backbone = contender.task, contender.backbone
    queries = np.array([m.row for m in advice.mistakes[:_NUM_ASKED]], np.int64)
    known = rough(task, _MOST_NEAR).known
    if not len(queries) or len(known) <= _NUM_NEAR:
        return []
    gallery, asked = (codes(backbone, backbone.images(task.store, rows)) for rows in (known, queries))
    similarities, places = nearest(gallery, asked, _NUM_NEAR + 1)
    found = []
    for query, row, values in zip(queries.tolist(), places.numpy(), similarities.tolist(), strict=True):
        near = [(int(known[p]), float(v)) for p, v in zip(row, values, strict=True) if known[p] != query]
        found.append((query, near[:_NUM_NEAR]))
    return found


def _mistakes(winner: Entry, contender: Contender) -> tuple[Mistake, ...]:
    """The wrong answers that the winner is surest of."""
    held, task = winner.held_out, contender.task
    probabilities = torch.softmax(held.scores.double() / temperature_of(held.scores, held.labels), 1)
    values, said = probabilities.max(1)
    wrong = np.flatnonzero(~winner.right)
    wrong = wrong[np.argsort(-values.numpy()[wrong], kind="stable")][:NUM_MISTAKES]
    rows = task.known[winner.positions]
    return tuple(
        Mistake(
            row=int(rows[i]),
            id=str(task.store.ids[rows[i]]),
            label=task.classes[int(held.labels[i])],
            said=task.classes[int(said[i])],
            probability=float(values[i]),
        )
        for i in wrong
    )
