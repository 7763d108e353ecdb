"""Tables of a report: per family, each arm's mean, standard deviation and difference.

In: results and answers. Out: rows as dataclasses, for the report and the terminal. Computes means
and standard deviations only; differences and intervals are those of the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Outcome, Results
from seedbed.verdicts.answer import TRAINING_TIME, Answer, quoted
from seedbed.verdicts.families import SOURCES, families
from seedbed.verdicts.family_scores import Family
from seedbed.writeup import number_format

# A verdict is shown by shape and word, never by colour alone.
SYMBOLS = {"worse": "▼", "better": "▲", "equivalent": "■", "undecided": "○", "reference": "◆"}
_NOT_CONVERGED = (
    "still improving with longer training, so differences from {} may be effects of training time."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """An arm in one family; `values` holds one value per seed, in order of seeds."""

    arm: str
    is_reference: bool
    # an arm other than the study's reference that it is compared with
    compared_with: str | None
    # existing weights, whose pre-training images are unknown
    is_checkpoint: bool
    # None if unknown or not measured yet; 0 without pre-training
    num_images: int | None
    num_classes: int | None
    epochs: float | None
    values: tuple[float, ...]
    num_planned: int
    answer: Answer | None

    @property
    def mean(self) -> float | None:
        return float(np.mean(self.values)) if self.values else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for fewer than two seeds."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def verdict(self) -> str:
        """The verdict of the answer, or why there is none."""
        if self.is_reference:
            return "reference"
        if not self.values:
            return "not measured"
        if self.answer is None:
            return f"vs {self.compared_with}" if self.compared_with else "not compared"
        return self.answer.verdict

    @property
    def symbol(self) -> str:
        return SYMBOLS.get(self.verdict, "×")


@dataclass(frozen=True, kw_only=True)
class FamilyTable:
    """The arms of one target, method, metric and training budget, in the order of the study."""

    target: str
    method: str
    # None: each arm at its own best training budget
    images_seen: int | None
    metric: str
    unit: str
    higher_is_better: bool
    # smallest and largest over arms, which differ where arms have different classes
    num_test: tuple[int, int]
    margin: float
    rows: tuple[Row, ...]
    # in the order of the question
    answers: tuple[Answer, ...] = ()
    # baselines, or the training budgets of the arms
    note: str = ""
    # comparisons with another arm than the study's reference, for example with a control
    others: tuple[Answer, ...] = ()

    @property
    def tested_on(self) -> tuple[str, str]:
        """What the test consists of: one, several."""
        return METRICS.get(self.metric).counted_in

    @property
    def budget(self) -> str:
        """The training budget in words."""
        return number_format.budget_in_words(self.images_seen)

    @property
    def target_and_method(self) -> tuple[str, str]:
        return self.target, self.method

    @property
    def title(self) -> str:
        method = "" if self.method == "pretraining" else f", {self.method}"
        target = number_format.target_in_words(self.target)
        return f"{target}{method}: {METRICS.get(self.metric).title}"

    @property
    def reference(self) -> Row:
        return next(row for row in self.rows if row.is_reference)

    @property
    def warning(self) -> str:
        """Which references had not converged; an empty string if all had."""
        converged_of = {a.reference: a.converged for a in self.answers if a.converged is not None}
        improving = [reference for reference, converged in converged_of.items() if not converged]
        if not improving:
            return ""
        if improving == list(converged_of):
            return (
                TRAINING_TIME.strip()
                if len(converged_of) == 1
                else f"All reference arms were {_NOT_CONVERGED.format('them')}"
            )
        was, it = ("was", "it") if len(improving) == 1 else ("were", "them")
        return f"{' and '.join(map(quoted, improving))} {was} {_NOT_CONVERGED.format(it)}"

    @property
    def decimals(self) -> int:
        """Number of decimals of means, standard deviations and all but tiny differences."""
        return METRICS.get(self.metric).decimals


def family_tables(results: Results, answers: Sequence[Answer]) -> tuple[FamilyTable, ...]:
    """A table per family that has an outcome of the reference; the source itself comes last."""
    tables = [_table(results, family, answers) for family in families(results)]
    return tuple(sorted(tables, key=lambda table: table.target in SOURCES))


def group_by_target(
    tables: Iterable[FamilyTable],
) -> dict[tuple[str, str], list[FamilyTable]]:
    """The tables by target and method, over all training budgets."""
    groups: dict[tuple[str, str], list[FamilyTable]] = {}
    for table in tables:
        groups.setdefault(table.target_and_method, []).append(table)
    return groups


def _table(results: Results, family: Family, answers: Sequence[Answer]) -> FamilyTable:
    rows = [_row(results, family, arm, answers) for arm in results.study.arms]
    outcomes = [o for of_arm in family.rows.values() for o in of_arm]
    family_answers = _answers_of(family, answers)
    sizes = [o.num_test for o in outcomes]
    return FamilyTable(
        target=family.target,
        method=family.method,
        images_seen=family.images_seen,
        metric=family.metric,
        unit=family.unit,
        higher_is_better=outcomes[0].higher_is_better,
        num_test=(min(sizes), max(sizes)),
        margin=results.study.margin_of(family.metric),
        rows=tuple(row for row in rows if row.num_planned or row.values),
        answers=tuple(family_answers),
        note=_best_budgets(family) if family.images_seen is None else _baselines(results, outcomes),
        others=tuple(a for a in family_answers if a.reference != results.study.reference),
    )


def _baselines(results: Results, outcomes: Sequence[Outcome]) -> str:
    """Chance levels and further metrics of an induction of fine labels; otherwise empty."""
    facts = outcomes[0].facts
    if "coarse_guess_top1" not in facts:
        return ""
    fine_labels = number_format.count(facts["num_fine_labels"], "fine label")
    sentences = [
        f"{fine_labels}: a random guess reaches {facts['chance_top1']:.1f} %, a random guess "
        "within the correct coarse class (perfect coarse knowledge) "
        f"{facts['coarse_guess_top1']:.1f} %."
    ]
    for metric, by_arm in _other_metrics(results, outcomes).items():
        title = METRICS.get(metric).title
        values = ", ".join(_mean_and_sd(arm, v) for arm, v in by_arm.items())
        sentences.append(f"{title[0].upper()}{title[1:]}, mean and sd over seeds: {values}.")
    return " ".join(sentences)


def _other_metrics(
    results: Results, outcomes: Sequence[Outcome]
) -> dict[str, dict[str, list[float]]]:
    """Values of the metrics that are not primary, by metric and arm."""
    keys = {o.key for o in outcomes}
    rows = {(o.key, o.metric): o for o in results.outcomes if o.key in keys and not o.primary}
    values: dict[str, dict[str, list[float]]] = {}
    for o in rows.values():
        values.setdefault(o.metric, {}).setdefault(o.arm, []).append(o.value)
    return values


def _mean_and_sd(arm: str, values: list[float]) -> str:
    """ "fine 41.4 (0.3, 5 seeds)"."""
    sd = f"{np.std(values, ddof=1):.1f}, " if len(values) > 1 else ""
    return f"{arm} {np.mean(values):.1f} ({sd}{number_format.count(len(values), 'seed')})"


def _best_budgets(family: Family) -> str:
    """The best training budget of each arm, selected on validation images."""
    arms_of: dict[int, list[str]] = {}
    for arm, rows in family.rows.items():
        if rows[0].images_seen:
            arms_of.setdefault(rows[0].images_seen, []).append(arm)
    texts = [f"{', '.join(arms)} {seen:,}" for seen, arms in sorted(arms_of.items(), reverse=True)]
    return f"Best training budget by validation images, in images seen: {'; '.join(texts)}."


def _answers_of(family: Family, answers: Sequence[Answer]) -> list[Answer]:
    key = (family.target, family.method, family.images_seen, family.metric)
    return [a for a in answers if (a.target, a.method, a.images_seen, a.metric) == key]


def _row(results: Results, family: Family, arm: str, answers: Sequence[Answer]) -> Row:
    # An outcome that a nested design lists twice counts once.
    outcomes = list({o.key: o for o in family.rows.get(arm, [])}.values())
    first = outcomes[0] if outcomes else None
    of_arm = [a for a in _answers_of(family, answers) if arm in (a.arm, a.reference)]
    against_reference = [
        a for a in of_arm if (a.arm, a.reference) == (arm, results.study.reference)
    ]
    others = [a for a in of_arm if a not in against_reference]
    is_checkpoint = results.study.arms[arm].is_checkpoint
    trained = first if not is_checkpoint else None
    return Row(
        arm=arm,
        is_reference=arm == results.study.reference,
        compared_with=next((a.reference if a.arm == arm else a.arm for a in others), None),
        is_checkpoint=is_checkpoint,
        num_images=trained.num_train_images if trained else None,
        num_classes=trained.num_train_classes if trained else None,
        epochs=trained.epochs if trained else None,
        values=tuple(o.value for o in outcomes),
        num_planned=_num_planned(results, family, arm, first),
        answer=against_reference[0] if against_reference else None,
    )


def _num_planned(results: Results, family: Family, arm: str, first: Outcome | None) -> int:
    """Number of measurements that the study plans for an arm of the family."""
    if family.images_seen is not None:
        images_seen = results.study.images_seen_of(arm, family.images_seen)
    else:
        images_seen = first.images_seen if first else None
    key = (arm, family.target, family.method, images_seen)
    cells = results.plan.cells
    return len({c.key for c in cells if (c.arm, c.target, c.method, c.images_seen) == key})


def progress_sentence(results: Results) -> str:
    """How many cells are missing or failed; an empty string for a finished study."""
    if not (results.num_left or results.num_failed):
        return ""
    left = number_format.count(results.num_left, "cell")
    failed = number_format.count(results.num_failed, "cell")
    return (
        f"Incomplete: {left} left and {failed} failed of {results.num_cells:,}; the answers may "
        "change."
    )
