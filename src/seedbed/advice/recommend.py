"""The recommendation: who won, how well it will do, and what the lecture's rule would have had.

In: a race, where cards keep codes, whom to tell. Out: the fields of one record, `Advice`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from seedbed.advice.advice import Advice, Mistake, Rule
from seedbed.advice.candidate import Entry
from seedbed.advice.contender import Contender
from seedbed.advice.evidence import scenario_of
from seedbed.advice.learning_curve import LearningCurve, learning_curve
from seedbed.advice.negative_transfer import NegativeTransfer, negative_transfer
from seedbed.advice.race import Race
from seedbed.advice.scenario import Scenario, by_rule, rule_words
from seedbed.advice.selection_bias import nested_accuracy, paired_difference
from seedbed.advice.task_by_size import rough
from seedbed.base.errors import BadDataError, SeedbedError
from seedbed.models.codes import codes
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.neighbours import nearest
from seedbed.tasks.classification import Measurement
from seedbed.transfers.methods import METHODS, Context

_UNTIL_NEGATIVE = 0.92  # share of the time at which the negative-transfer comparisons end
NUM_MISTAKES = 12
# mistakes that are looked up, their neighbours, images that these are sought in
_NUM_ASKED, _NUM_NEAR, _MOST_NEAR = 4, 6, 5_000


def recommend(race: Race, folders: dict[str, Path | None], say: Callable[[str], None]) -> Advice:
    """The advice, but for where it is written."""
    for name in race.names:
        race.first_look(name)
    if not race.contenders:
        raise BadDataError(
            f"no network could be raced: {'; '.join(race.notes)}",
            "Name one that can: --backbone small.",
        )
    scenario = scenario_of(race.by_rank(), folders)
    say(scenario.sentence)
    race.later_rounds()
    _measure_rule(race, scenario)
    winner, measured = _tested(race, race.leader)
    contender = race.contenders[winner.backbone]
    say(f"{winner.name} on the test images: {measured.metrics['top1']:.1f} %")
    rule = _ruled(race, scenario, winner)
    say(rule.sentence)
    curve = _curve(race, contender)
    say(curve.sentence)
    negative = _negative(race, say)
    nested = nested_accuracy(*_aligned(_comparable(race, winner), contender))
    task = contender.task
    return Advice(
        data=task.store.name,
        num_images=task.store.num_images,
        num_classes=task.num_classes,
        classes=task.classes,
        scenario=scenario,
        winner=winner,
        entries=tuple(race.entries),
        nested=nested,
        test=measured,
        curve=curve,
        negative=tuple(negative),
        rule=rule,
        confusion=_confusion(winner, task.num_classes),
        mistakes=_mistakes(winner, contender),
        notes=tuple(race.notes),
        layers={c.name: tuple(la.name for la in c.layers) for c in race.contenders.values()},
        seconds=race.clock.spent,
    )


def _layer_of(race: Race, contender: Contender) -> str:
    """The best single layer of a backbone."""
    own = [e for e in race.entries if e.backbone == contender.name and e.kind == "probe"]
    return str(max(own, key=lambda e: e.accuracy).layer)


def _curve(race: Race, contender: Contender) -> LearningCurve:
    if not race.clock.left():
        return LearningCurve(num_images=(), accuracies=(), why="the time was over")
    return learning_curve(contender, _layer_of(race, contender))


def _measure_rule(race: Race, scenario: Scenario) -> None:
    """The rule's candidate on all images, where a first look alone had been taken; it may win like
    any other."""
    backbone = race.leader.backbone
    contender = race.contenders[backbone]
    layers = [la.name for la in contender.layers]
    first = by_rule(scenario, race.entries, backbone, layers)
    if (
        first is not None
        and first.is_rough
        and not by_rule(scenario, race.whole, backbone, layers)
        and race.clock.left()
    ):
        race.entries.append(contender.at([str(first.layer)]))


def _ruled(race: Race, scenario: Scenario, winner: Entry) -> Rule:
    contender = race.contenders[winner.backbone]
    words = rule_words(scenario)
    entry = by_rule(scenario, race.whole, winner.backbone, [la.name for la in contender.layers])
    if entry is None or winner.is_rough:
        return Rule(words=words, method=None)
    if entry is winner:
        return Rule(
            words=words,
            method=entry.method,
            accuracy=entry.accuracy,
            difference=0.0,
            interval=(0.0, 0.0),
            has_won=True,
        )
    right, groups = _aligned([winner, entry], contender, chosen_alone=True)
    difference, interval = paired_difference(right[:, 0], right[:, 1], groups)
    return Rule(
        words=words,
        method=entry.method,
        accuracy=entry.accuracy,
        difference=difference,
        interval=interval,
    )


def _comparable(race: Race, winner: Entry) -> list[Entry]:
    """Candidates scored on the winner's images."""
    images = np.sort(winner.images)
    return [e for e in race.entries if np.array_equal(np.sort(e.images), images)]


def _aligned(
    entries: list[Entry], contender: Contender, *, chosen_alone: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which held-out images each candidate got right, bool [n, m], in one order of images; and
    their groups of near duplicates.

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
    """The final score, trained as `transfer` trains it; the next best candidate where a training
    fails, and that is told."""
    ranked = sorted((e for e in race.whole if e is not winner), key=lambda e: -e.accuracy)
    for i, entry in enumerate([winner, *ranked]):
        contender = race.contenders[entry.backbone]
        context = Context(seed=race.seed, device=contender.backbone.device)
        try:
            return entry, METHODS.make(entry.method).run(
                contender.backbone, contender.task, context
            )
        except SeedbedError as error:
            if i == len(ranked):
                raise
            race.notes.append(
                f"{entry.name} won, and could not be trained in the end: {error.message}"
            )
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


def nearest_to_mistakes(
    advice: Advice, contender: Contender
) -> list[tuple[int, list[tuple[int, float]]]]:
    """Rows of the surest mistakes, each with the known images nearest to it by the penultimate
    codes, and their similarities."""
    task, backbone = contender.task, contender.backbone
    queries = np.array([m.row for m in advice.mistakes[:_NUM_ASKED]], np.int64)
    part = rough(task, _MOST_NEAR)
    known = part.known
    if not len(queries) or len(known) <= _NUM_NEAR:
        return []
    gallery, asked = (
        contender.codes_of(part, backbone.penultimate),
        codes(backbone, backbone.images(task.store, queries)),
    )
    similarities, places = nearest(gallery, asked, _NUM_NEAR + 1)
    found = []
    for query, row, values in zip(
        queries.tolist(), places.numpy(), similarities.tolist(), strict=True
    ):
        near = [
            (int(known[p]), float(v)) for p, v in zip(row, values, strict=True) if known[p] != query
        ]
        found.append((query, near[:_NUM_NEAR]))
    return found


def _mistakes(winner: Entry, contender: Contender) -> tuple[Mistake, ...]:
    """The wrong answers that the winner is surest of."""
    held, task = winner.held_out, contender.task
    probabilities = torch.softmax(
        held.scores.double() / fit_temperature(held.scores, held.labels), 1
    )
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
