"""Retained gain: the share of the reference's gain that an arm retains, on target and source.

Half the images cost little on the target and much on the source: that is the comparison of the
paper. Raw relative drops depend on the baselines, so gains are counted from a floor: on a target
the arm without pre-training, on the source chance (or, for a probe of the fine labels, the arm
without pre-training). Intervals come from `seedbed.verdicts.ratios`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seedbed.trials.results import Results
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.family_scores import Family, family_scores
from seedbed.verdicts.findings.finding import Finding, percent
from seedbed.verdicts.pairs import Pair
from seedbed.verdicts.ratios import RetainedGain, difference_of_ratios, retained_gain


@dataclass(frozen=True, kw_only=True)
class _Floor:
    """The floor on the target, and what the source's floor and labels are."""

    arm: str
    # "own labels" or "fine labels"
    source_labels: str

    @property
    def on_source(self) -> str:
        return "chance" if self.source_labels == "own labels" else repr(self.arm)

    @property
    def source(self) -> str:
        if self.source_labels == "own labels":
            return "the source itself"
        return "all fine labels of the source"


def retained_gains(
    results: Results, families: Sequence[Family], by_target: Mapping[str, Sequence[Pair]]
) -> list[Finding]:
    """One finding per arm, target, method and budget that has a floor and a source accuracy."""
    floor_arm = _floor_arm(results)
    if floor_arm is None:
        return []
    pairs = list(dict.fromkeys(pair for of_target in by_target.values() for pair in of_target))
    # The arms' pre-training labels take precedence over the fine labels.
    on_source = {
        "own labels": {
            f.images_seen: _gains_over_chance(results, f, pairs, floor_arm)
            for f in families
            if f.target == "source"
        },
        "fine labels": {
            f.images_seen: _gains_over_floor(results, f, pairs, floor_arm)
            for f in families
            if f.target == "source_fine" and f.method == "probe"
        },
    }
    findings = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        of_target = by_target.get(family.target, ())
        on_target = _gains_over_floor(results, family, of_target, floor_arm)
        for arm, gain in on_target.items():
            for labels, by_budget in on_source.items():
                source_gain = by_budget.get(family.images_seen, {}).get(arm)
                if source_gain is not None:
                    floor = _Floor(arm=floor_arm, source_labels=labels)
                    findings.append(_finding(results, family, arm, floor, gain, source_gain))
                    break
    return findings


def _floor_arm(results: Results) -> str | None:
    """The arm without pre-training that has the reference's network."""
    study = results.study
    network = study.arms[study.reference].pretraining(study.pretraining).backbone
    untrained = [arm for arm, spec in study.arms.items() if spec.init == "random"]
    return next(
        (a for a in untrained if study.arms[a].pretraining(study.pretraining).backbone == network),
        None,
    )


def _gains_over_floor(
    results: Results, family: Family, pairs: Sequence[Pair], floor: str
) -> dict[str, RetainedGain]:
    """By arm: the share of the reference's gain over the arm without pre-training."""
    reference = results.study.reference
    if floor not in family.rows or reference not in family.rows:
        return {}
    floor_pair = Pair(floor, reference)
    scores, comparable = family_scores(
        results, family, [*_pairs_with_reference(pairs, reference, floor), floor_pair]
    )
    if floor_pair not in comparable:
        return {}
    if family.sign < 0:
        scores = {arm: s.negated() for arm, s in scores.items()}
    gains = {
        p.arm: retained_gain(scores[p.arm], scores[reference], scores[floor])
        for p in comparable
        if p.arm != floor
    }
    return {arm: gain for arm, gain in gains.items() if gain is not None}


def _gains_over_chance(
    results: Results, family: Family, pairs: Sequence[Pair], floor: str
) -> dict[str, RetainedGain]:
    """By arm: the share of the reference's gain over chance, on the source itself."""
    reference, seed = results.study.reference, results.study.seeds[0]
    scores, comparable = family_scores(
        results, family, _pairs_with_reference(pairs, reference, floor)
    )
    num_classes = max(2, results.plan.views[reference, seed].class_of_leaf.max() + 1)
    gains = {
        p.arm: retained_gain(scores[p.arm], scores[reference], float(100.0 / num_classes))
        for p in comparable
    }
    return {arm: gain for arm, gain in gains.items() if gain is not None}


def _pairs_with_reference(pairs: Sequence[Pair], reference: str, floor: str) -> list[Pair]:
    return [p for p in pairs if p.reference == reference and p.arm != floor]


def _finding(
    results: Results,
    family: Family,
    arm: str,
    floor: _Floor,
    on_target: RetainedGain,
    on_source: RetainedGain,
) -> Finding:
    difference = difference_of_ratios(on_target, on_source)
    names = (arm, results.study.reference)
    return Finding(
        kind="retained_gain",
        target=family.target,
        method=family.method,
        images_seen=family.images_seen,
        metric=family.metric,
        arm=arm,
        reference=results.study.reference,
        value=on_target.ratio,
        interval=on_target.interval,
        unit="share",
        verdict=_verdict(difference),
        sentence=_sentence(family, names, floor, on_target, on_source),
        details={
            "floor": floor.arm,
            "gain": on_target.gain,
            "on_source": on_source.ratio,
            "on_source_interval": on_source.interval,
            "source_labels": floor.source_labels,
            "difference": None if difference is None else difference[0],
            "difference_interval": None if difference is None else difference[1],
        },
    )


def _sentence(
    family: Family,
    names: tuple[str, str],
    floor: _Floor,
    on_target: RetainedGain,
    on_source: RetainedGain,
) -> str:
    arm, reference = names
    budget, target = f"{family.images_seen:,} images seen", f"{family.target} ({family.method})"
    cannot = f"so the share that '{arm}' retains cannot be estimated"
    if on_target.interval is None:
        return (
            f"At {budget}, the gain of '{reference}' over '{floor.arm}' on {target} is not "
            f"significant, {cannot}."
        )
    retains = (
        f"At {budget}, '{arm}' retains {_share_in_words(on_target)} of the gain of '{reference}' "
        f"over '{floor.arm}' on {target}"
    )
    if on_source.interval is None:
        return (
            f"{retains}. On {floor.source} the gain of '{reference}' over {floor.on_source} is not "
            f"significant, {cannot} there."
        )
    comparison = {
        "keeps more on the target": "it retains more on the target",
        "keeps more on the source": "it retains more on the source",
        "undecided": "it is undecided where it retains more",
    }[_verdict(difference_of_ratios(on_target, on_source))]
    return (
        f"{retains}, and {_share_in_words(on_source)} of the gain over {floor.on_source} on "
        f"{floor.source}: {comparison}."
    )


def _share_in_words(gain: RetainedGain) -> str:
    assert gain.interval is not None
    low, high = gain.interval
    return f"{percent(gain.ratio)} (95 % interval {100 * low:.0f} to {percent(high)})"


def _verdict(difference: tuple[float, tuple[float, float]] | None) -> str:
    if difference is None or difference[1][0] <= 0 <= difference[1][1]:
        return "undecided"
    return "keeps more on the target" if difference[0] > 0 else "keeps more on the source"
