"""The recommendation: run the race, train the winner, and compare it with the rule of thumb.

In: a race, reference codes of the networks, a function that prints sentences. Out: one record,
`Advice`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from seedbed.advice.advice import Advice, Mistake, Rule
from seedbed.advice.candidate import Candidate
from seedbed.advice.contender import Contender
from seedbed.advice.evidence import measure_scenario
from seedbed.advice.learning_curve import LearningCurve, learning_curve
from seedbed.advice.negative_transfer import NegativeTransfer, negative_transfer
from seedbed.advice.race import Race
from seedbed.advice.scenario import Scenario, candidate_of_rule, rule_in_words
from seedbed.advice.selection_bias import corrected_accuracy, paired_difference
from seedbed.advice.task_by_size import subset_task
from seedbed.base.errors import BadDataError, SeedbedError
from seedbed.models.codes import codes
from seedbed.models.reference_codes import ReferenceCodes
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.neighbours import nearest
from seedbed.tasks.task import Measurement

# share of the time at which the negative-transfer comparisons end
_UNTIL_NEGATIVE_TRANSFER = 0.92
NUM_MISTAKES = 12
# mistakes that are shown with their nearest neighbours
_NUM_QUERIES = 4
_NUM_NEIGHBOURS = 6
# images among which neighbours are searched
_MAX_GALLERY = 5_000

Say = Callable[[str], None]
MeasureWinner = Callable[[Contender, str], Measurement]


def recommend(
    race: Race, references: Mapping[str, ReferenceCodes | None], say: Say, measure: MeasureWinner
) -> Advice:
    """Run the race and return the advice, without its output folder.

    `measure(contender, method)` trains a method and scores it on the test images.
    """
    for name in race.names:
        race.run_first_round(name)
    if not race.contenders:
        raise BadDataError(
            f"no network could be compared: {'; '.join(race.notes)}",
            "Name a network that seedbed can open, for example --backbone small.",
        )
    scenario = measure_scenario(race.contenders_by_rank(), references)
    say(scenario.sentence)
    race.run_later_rounds()
    _measure_rule(race, scenario)
    winner, measured = _test_winner(race, race.leader, measure)
    contender = race.contenders[winner.backbone]
    say(f"{winner.name} on the test images: {measured.metrics['top1']:.1f} %")
    rule = _compare_rule(race, scenario, winner)
    say(rule.sentence)
    curve = _measure_curve(race, contender)
    say(curve.sentence)
    verdicts = _judge_negative_transfer(race, say)
    task = contender.task
    return Advice(
        data=task.store.name,
        num_images=task.store.num_images,
        num_classes=task.num_classes,
        classes=task.classes,
        scenario=scenario,
        winner=winner,
        candidates=tuple(race.candidates),
        expected=corrected_accuracy(*_correct_by_image(_comparable(race, winner), contender)),
        test=measured,
        curve=curve,
        negative_transfer=tuple(verdicts),
        rule=rule,
        confusion=_confusion(winner, task.num_classes),
        mistakes=_mistakes(winner, contender),
        notes=tuple(race.notes),
        layers={c.name: tuple(la.name for la in c.layers) for c in race.contenders.values()},
        seconds=race.clock.spent,
    )


def _best_layer(race: Race, contender: Contender) -> str:
    """The best single layer of a backbone."""
    probes = [c for c in race.candidates if c.backbone == contender.name and c.kind == "probe"]
    return str(max(probes, key=lambda c: c.accuracy).layer)


def _measure_curve(race: Race, contender: Contender) -> LearningCurve:
    if not race.clock.left():
        return LearningCurve(
            num_images=(), accuracies=(), why="no time was left to measure it; allow more minutes"
        )
    return learning_curve(contender, _best_layer(race, contender))


def _measure_rule(race: Race, scenario: Scenario) -> None:
    """Measure the rule's candidate on all images, unless that was done; it may win like others."""
    backbone = race.leader.backbone
    contender = race.contenders[backbone]
    layers = [la.name for la in contender.layers]
    candidate = candidate_of_rule(scenario, race.candidates, backbone, layers)
    if (
        candidate is not None
        and candidate.is_preliminary
        and not candidate_of_rule(scenario, race.on_all_images, backbone, layers)
        and race.clock.left()
    ):
        race.candidates.append(contender.read_out([str(candidate.layer)]))


def _compare_rule(race: Race, scenario: Scenario, winner: Candidate) -> Rule:
    """The rule of thumb for the winner's backbone, compared with the winner."""
    contender = race.contenders[winner.backbone]
    words = rule_in_words(scenario)
    layers = [la.name for la in contender.layers]
    candidate = candidate_of_rule(scenario, race.on_all_images, winner.backbone, layers)
    if candidate is None or winner.is_preliminary:
        return Rule(words=words, method=None)
    is_winner = candidate is winner or candidate.method == winner.method
    same_predictions = False
    difference, interval = 0.0, (0.0, 0.0)
    if not is_winner:
        correct, groups = _correct_by_image([winner, candidate], contender, all_settings=False)
        difference, interval = paired_difference(correct[:, 0], correct[:, 1], groups)
        same_predictions = _predicted_classes(winner) == _predicted_classes(candidate)
    return Rule(
        words=words,
        method=candidate.method,
        accuracy=candidate.accuracy,
        difference=difference,
        interval=interval,
        has_won=is_winner,
        predicts_as_winner=is_winner or same_predictions,
    )


def _predicted_classes(candidate: Candidate) -> list[int]:
    """The predicted class of each held-out image, in the order of their hashes."""
    return candidate.held_out.scores.argmax(1)[np.argsort(candidate.images)].tolist()


def _comparable(race: Race, winner: Candidate) -> list[Candidate]:
    """Candidates scored on the same images as the winner."""
    images = np.sort(winner.images)
    return [c for c in race.candidates if np.array_equal(np.sort(c.images), images)]


def _correct_by_image(
    candidates: Sequence[Candidate], contender: Contender, *, all_settings: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Correct predictions, bool [n, m], and groups of near duplicates [n], in one order of images.

    With `all_settings` every hyperparameter value that a candidate was selected from is a column.
    """
    columns = []
    for candidate in candidates:
        order = np.argsort(candidate.images)
        settings = list(candidate.correct_by_setting) if all_settings else []
        columns += [correct[order] for correct in settings or [candidate.correct]]
    store = contender.task.store
    order = np.argsort(store.hashes)
    rows = order[np.searchsorted(store.hashes[order], np.sort(candidates[0].images))]
    return np.stack(columns, axis=1), store.groups[rows]


def _test_winner(
    race: Race, winner: Candidate, measure: MeasureWinner
) -> tuple[Candidate, Measurement]:
    """Train the winner as `transfer` does and score it on the test images.

    If its training fails, the next best candidate wins and a note says so.
    """
    others = sorted((c for c in race.on_all_images if c is not winner), key=lambda c: -c.accuracy)
    for i, candidate in enumerate([winner, *others]):
        contender = race.contenders[candidate.backbone]
        try:
            return candidate, measure(contender, candidate.method)
        except SeedbedError as error:
            if i == len(others):
                raise
            race.notes.append(
                f"{candidate.name} won the race, but its final training failed: {error.message}"
            )
    raise AssertionError("there is a candidate")


def _judge_negative_transfer(race: Race, say: Say) -> list[NegativeTransfer]:
    """A verdict per backbone, the best first; undecided where the time does not suffice."""
    contenders, verdicts = race.contenders_by_rank(), []
    for i, contender in enumerate(contenders):
        seconds = race.clock.left(_UNTIL_NEGATIVE_TRANSFER) / (len(contenders) - i)
        verdict = negative_transfer(contender, seconds)
        say(verdict.sentence)
        verdicts.append(verdict)
    return verdicts


def _confusion(winner: Candidate, num_classes: int) -> np.ndarray:
    counts = np.zeros((num_classes, num_classes), np.int64)
    labels, predicted = winner.held_out.labels, winner.held_out.scores.argmax(1)
    np.add.at(counts, (labels.numpy(), predicted.numpy()), 1)
    return counts


def neighbours_of_mistakes(
    advice: Advice, contender: Contender
) -> list[tuple[int, list[tuple[int, float]]]]:
    """Rows of the most confident mistakes, each with its nearest labelled images and similarities.

    Similarity is that of the penultimate codes.
    """
    backbone = contender.backbone
    queries = np.array([m.row for m in advice.mistakes[:_NUM_QUERIES]], np.int64)
    task = subset_task(contender.task, _MAX_GALLERY)
    labelled = task.known
    if not len(queries) or len(labelled) <= _NUM_NEIGHBOURS:
        return []
    gallery = contender.codes_of(task, backbone.penultimate)
    query_codes = codes(backbone, backbone.images(task.store, queries))
    similarities, positions = nearest(gallery, query_codes, _NUM_NEIGHBOURS + 1)
    neighbours = []
    for query, row, values in zip(
        queries.tolist(), positions.numpy(), similarities.tolist(), strict=True
    ):
        others = [
            (int(labelled[p]), float(v))
            for p, v in zip(row, values, strict=True)
            if labelled[p] != query
        ]
        neighbours.append((query, others[:_NUM_NEIGHBOURS]))
    return neighbours


def _mistakes(winner: Candidate, contender: Contender) -> tuple[Mistake, ...]:
    """The wrong predictions with the highest calibrated probability."""
    held_out, task = winner.held_out, contender.task
    temperature = fit_temperature(held_out.scores, held_out.labels)
    probabilities = torch.softmax(held_out.scores.double() / temperature, 1)
    confidence, predicted = probabilities.max(1)
    wrong = np.flatnonzero(~winner.correct)
    wrong = wrong[np.argsort(-confidence.numpy()[wrong], kind="stable")][:NUM_MISTAKES]
    rows = task.known[winner.positions]
    return tuple(
        Mistake(
            row=int(rows[i]),
            id=str(task.store.ids[rows[i]]),
            label=task.classes[int(held_out.labels[i])],
            predicted=task.classes[int(predicted[i])],
            probability=float(confidence[i]),
        )
        for i in wrong
    )
