"""Tables of a report: one per family, each arm with its mean, its spread and its difference from
the reference.

In: results and answers. Out: rows as dataclasses, for the page and for the terminal. Computes means
and spreads only; knows nothing of how an interval came about, nor of HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.metrics import METRICS
from seedbed.trials.results import Outcome, Results
from seedbed.verdicts.answer import TRAINING_TIME, Answer, quoted
from seedbed.verdicts.families import SOURCES, Family, families
from seedbed.writeup import number_format

# Shape and word together: no verdict is told by colour alone.
SYMBOLS = {"worse": "▼", "better": "▲", "equivalent": "■", "undecided": "○", "reference": "◆"}
_GROWING = (
    "still improving with longer training, so differences from {} may be effects of training time."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """An arm in one family. `values` holds one per seed in order of seeds, empty while nothing is
    measured."""

    arm: str
    is_reference: bool
    # where that is not the study's reference; or what is compared with it
    compared_with: str | None
    is_checkpoint: bool  # existing weights, of whose images nothing is known
    num_images: int | None  # None while nothing is measured, or known; 0 without pre-training
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
        """Standard deviation over seeds, n - 1 in the denominator; None below two seeds."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def verdict(self) -> str:
        """The answer's verdict, or why there is none."""
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
    images_seen: int | None  # None: each arm at its own best
    metric: str
    unit: str
    higher_is_better: bool
    # fewest and most over arms: where arms keep different classes of the source, they differ
    num_test: tuple[int, int]
    margin: float
    rows: tuple[Row, ...]
    answers: tuple[Answer, ...] = ()  # in the order of the question
    note: str = ""  # what its numbers are to be seen beside
    # of arms that are compared with another than the study's reference, a control say
    others: tuple[Answer, ...] = ()

    @property
    def tested_on(self) -> tuple[str, str]:
        """What the test consists of: one, several."""
        return METRICS.get(self.metric).counted_in

    @property
    def budget(self) -> str:
        """The training budget in words."""
        return number_format.budget_words(self.images_seen)

    @property
    def place(self) -> tuple[str, str]:
        return self.target, self.method

    @property
    def title(self) -> str:
        method = "" if self.method == "pretraining" else f", {self.method}"
        return (
            f"{number_format.target_words(self.target)}{method}: {METRICS.get(self.metric).title}"
        )

    @property
    def reference(self) -> Row:
        return next(row for row in self.rows if row.is_reference)

    @property
    def remark(self) -> str:
        """Which references had not converged, if any."""
        known = {a.reference: a.converged for a in self.answers if a.converged is not None}
        growing = [reference for reference, converged in known.items() if not converged]
        if not growing:
            return ""
        if growing == list(known):
            return (
                TRAINING_TIME.strip()
                if len(known) == 1
                else "All that arms are compared with were " + _GROWING.format("them")
            )
        was, it = ("was", "it") if len(growing) == 1 else ("were", "them")
        return f"{' and '.join(map(quoted, growing))} {was} {_GROWING.format(it)}"

    @property
    def decimals(self) -> int:
        """Of its means and spreads, and of its differences but tiny ones."""
        return METRICS.get(self.metric).decimals


def family_tables(results: Results, answers: Sequence[Answer]) -> tuple[FamilyTable, ...]:
    """A table per family that has an outcome of the reference; targets first, the source itself
    after them."""
    found = [_table(results, family, answers) for family in families(results)]
    return tuple(sorted(found, key=lambda table: table.target in SOURCES))


def places(tables: Iterable[FamilyTable]) -> dict[tuple[str, str], list[FamilyTable]]:
    """The tables of each target and method together, over training budgets."""
    found: dict[tuple[str, str], list[FamilyTable]] = {}
    for table in tables:
        found.setdefault(table.place, []).append(table)
    return found


def _table(results: Results, family: Family, answers: Sequence[Answer]) -> FamilyTable:
    rows = [_row(results, family, arm, answers) for arm in results.study.arms]
    outcomes = [o for found in family.rows.values() for o in found]
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
        answers=tuple(_answers(family, answers)),
        note=_baselines(results, outcomes)
        if family.images_seen is not None
        else _own_budgets(family),
        others=tuple(
            a for a in _answers(family, answers) if a.reference != results.study.reference
        ),
    )


def _baselines(results: Results, outcomes: Sequence[Outcome]) -> str:
    """What a guess would give, of an induction, and its other metrics."""
    facts = outcomes[0].facts
    if "coarse_guess_top1" not in facts:
        return ""
    keys = {o.key for o in outcomes}
    others: dict[str, dict[str, list[float]]] = {}
    for o in {
        (o.key, o.metric): o for o in results.outcomes if o.key in keys and not o.primary
    }.values():
        others.setdefault(o.metric, {}).setdefault(o.arm, []).append(o.value)
    told = [
        f"{METRICS.get(metric).title}, mean and sd over seeds: {', '.join(_mean_and_sd(arm, v) for arm, v in by_arm.items())}"
        for metric, by_arm in others.items()
    ]
    return " ".join(
        [
            f"{number_format.count(facts['num_fine_labels'], 'fine label')}: a uniform guess gives {facts['chance_top1']:.1f} %, "
            f"the guess within the right coarse class, which is what perfect coarse knowledge gives, {facts['coarse_guess_top1']:.1f} %.",
            *(f"{words[0].upper()}{words[1:]}." for words in told),
        ]
    )


def _mean_and_sd(arm: str, values: list[float]) -> str:
    """ "fine 41.4 (0.3, 5 seeds)"."""
    sd = f"{np.std(values, ddof=1):.1f}, " if len(values) > 1 else ""
    return f"{arm} {np.mean(values):.1f} ({sd}{number_format.count(len(values), 'seed')})"


def _own_budgets(family: Family) -> str:
    """Which budget each arm did best at, by its validation images."""
    best: dict[int, list[str]] = {}
    for arm, rows in family.rows.items():
        if rows[0].images_seen:
            best.setdefault(rows[0].images_seen, []).append(arm)
    told = [f"{', '.join(arms)} {seen:,}" for seen, arms in sorted(best.items(), reverse=True)]
    return f"The best by validation images, in images seen: {'; '.join(told)}."


def _answers(family: Family, answers: Sequence[Answer]) -> list[Answer]:
    place = (family.target, family.method, family.images_seen, family.metric)
    return [a for a in answers if (a.target, a.method, a.images_seen, a.metric) == place]


def _row(results: Results, family: Family, arm: str, answers: Sequence[Answer]) -> Row:
    # what a nested design measures twice counts once
    outcomes = list({o.key: o for o in family.rows.get(arm, [])}.values())
    here = (family.target, family.method)
    first = outcomes[0] if outcomes else None
    seen = (
        results.study.images_seen_of(arm, family.images_seen)
        if family.images_seen is not None
        else first and first.images_seen
    )
    planned = [
        c
        for c in results.plan.cells
        if (c.arm, c.target, c.method, c.images_seen) == (arm, *here, seen)
    ]
    found = [
        a
        for a in _answers(family, answers)
        if (a.arm, a.reference) == (arm, results.study.reference)
    ]
    others = [
        a for a in _answers(family, answers) if arm in (a.arm, a.reference) and a not in found
    ]
    is_checkpoint = results.study.arms[arm].is_checkpoint
    return Row(
        arm=arm,
        is_reference=arm == results.study.reference,
        compared_with=next((a.reference if a.arm == arm else a.arm for a in others), None),
        is_checkpoint=is_checkpoint,
        num_images=first.num_train_images if first and not is_checkpoint else None,
        num_classes=first.num_train_classes if first and not is_checkpoint else None,
        epochs=first.epochs if first and not is_checkpoint else None,
        values=tuple(o.value for o in outcomes),
        num_planned=len({c.key for c in planned}),
        answer=found[0] if found else None,
    )


def state_words(results: Results) -> str:
    """What is not there yet: cells left and cells failed."""
    left, failed = (
        number_format.count(results.num_left, "cell"),
        number_format.count(results.num_failed, "cell"),
    )
    return f"Incomplete: {left} left and {failed} failed of {results.num_cells:,}; the answers may change."
