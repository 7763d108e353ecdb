"""Interactions: does the effect of an arm depend on the training budget, the network or the target?

In: results and pairs of arms. Out: one finding per pair and setting: the difference of two effects
with an interval. An effect is an arm's mean minus its reference's. Trainings at two budgets, or of
two networks, are independent. Two targets are measured on the same networks, so their difference is
taken seed by seed. Intervals are simultaneous over the findings of one kind on one target and
method (over targets: with one method), and allow for any correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedbed.trials.arms import Arm
from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.contrasts import Verdict, verdict_of
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.family_scores import Family, family_scores
from seedbed.verdicts.findings.finding import Finding, Interval, between, points
from seedbed.verdicts.linear_combinations import Combination, ImagePart, Spreads
from seedbed.verdicts.pairs import Pair
from seedbed.verdicts.quantiles import Joint
from seedbed.verdicts.variances import image_variance, sample_variance

_MIN_SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class _Interaction:
    """The difference of a pair's effects in two settings: the second minus the first."""

    pair: Pair
    combination: Combination
    effects: tuple[float, float]
    # the two settings in words
    settings: tuple[str, str]


def interactions(
    results: Results, families: Sequence[Family], pairs: Mapping[str, Sequence[Pair]]
) -> list[Finding]:
    """Every interaction with the training budget, the network and the target.

    Args:
        pairs: by target, the pairs of arms whose effects are compared.
    """
    groups: dict[tuple[str, str], list[Family]] = {}
    for family in families:
        if family.target not in SOURCES and family.images_seen is not None:
            groups.setdefault((family.target, family.method), []).append(family)
    findings: list[Finding] = []
    for (target, _), group in groups.items():
        small, large, of_target = group[0], group[-1], pairs.get(target, ())
        if len(group) > 1:
            over_budgets = _between_budgets(results, small, large, of_target)
            findings += _findings(results, large, "training budget", over_budgets)
        over_networks = _between_networks(results, large, of_target)
        findings += _findings(results, large, "network", over_networks)
    largest = [group[-1] for group in groups.values()]
    for method in dict.fromkeys(family.method for family in largest):
        first, *others = (family for family in largest if family.method == method)
        over_targets = [
            interaction
            for other in others
            # Points of different metrics are not comparable.
            if other.metric == first.metric
            for interaction in _between_targets(
                results, first, other, _pairs_on_both(pairs, first, other)
            )
        ]
        findings += _findings(results, first, "target", over_targets)
    return findings


def _findings(
    results: Results, family: Family, over: str, interactions: Iterable[_Interaction]
) -> list[Finding]:
    interactions = list(interactions)
    joint = Joint(max(1, len(interactions)), shared=False)
    return [_finding(results.study, family, over, one, joint) for one in interactions]


def _finding(
    study: Study, family: Family, over: str, interaction: _Interaction, joint: Joint
) -> Finding:
    interval = interaction.combination.interval(0.95, joint)
    interval_90 = interaction.combination.interval(0.90, joint)
    verdict = verdict_of(interval, interval_90, study.margin_of(family.metric))
    before, after = interaction.effects
    return Finding(
        kind="interaction",
        target=None if over == "target" else family.target,
        method=family.method,
        images_seen=None if over == "training budget" else family.images_seen,
        metric=family.metric,
        arm=interaction.pair.arm,
        reference=interaction.pair.reference,
        value=after - before,
        interval=interval,
        unit=family.unit,
        verdict={"better": "depends", "worse": "depends", "equivalent": "independent"}.get(
            verdict, "undecided"
        ),
        sentence=_sentence(study, family, over, interaction, verdict, interval),
        details={
            "over": over,
            "sides": list(interaction.settings),
            "effects": list(interaction.effects),
            "interval_90": list(interval_90),
        },
    )


def _sentence(
    study: Study,
    family: Family,
    over: str,
    interaction: _Interaction,
    verdict: Verdict,
    interval: Interval,
) -> str:
    pair, (before, after) = interaction.pair, interaction.effects
    first, second = interaction.settings
    on_target = "" if over == "target" else f" on {family.target}"
    effect = f"effect of '{pair.arm}' against '{pair.reference}'{on_target} with {family.method}"
    margin = study.margin_of(family.metric)
    statement = {
        "equivalent": f"The {effect} does not depend on the {over} by more than {margin:g}",
        "undecided": f"It is undecided whether the {effect} depends on the {over}",
    }.get(verdict, f"The {effect} depends on the {over}")
    return (
        f"{statement}: {points(before)} points {first}, {points(after)} {second} (difference of "
        f"the two {points(after - before)}, 95 % interval {between(interval)})."
    )


def _between_budgets(
    results: Results, small: Family, large: Family, pairs: Sequence[Pair]
) -> Iterable[_Interaction]:
    """Pairs whose two arms were both trained at both budgets."""
    study = results.study

    def has_both_budgets(arm: str) -> bool:
        return len(study.arms[arm].budgets(study.pretraining)) > 1

    both = [p for p in pairs if has_both_budgets(p.arm) and has_both_budgets(p.reference)]
    settings = (f"at {small.images_seen:,} images seen", f"at {large.images_seen:,}")
    return _between_independent(results, (small, large), [(p, p) for p in both], lambda _: settings)


def _pairs_on_both(pairs: Mapping[str, Sequence[Pair]], first: Family, other: Family) -> list[Pair]:
    on_other = pairs.get(other.target, ())
    return [pair for pair in pairs.get(first.target, ()) if pair in on_other]


def _between_networks(
    results: Results, family: Family, pairs: Sequence[Pair]
) -> Iterable[_Interaction]:
    """Pairs of the study's network, with the same pairs of another network."""
    study = results.study
    network = study.pretraining.backbone
    with_network = [
        p for p in pairs if all(_network(study, arm) == network for arm in (p.arm, p.reference))
    ]
    pairs_of_pairs = [
        (p, q)
        for p in with_network
        for q in pairs
        if _network(study, q.arm) != network and _differs_in_network_only(study, p, q)
    ]
    return _between_independent(
        results,
        (family, family),
        pairs_of_pairs,
        lambda two: (f"with {_network(study, two[0].arm)}", f"with {_network(study, two[1].arm)}"),
    )


def _differs_in_network_only(study: Study, p: Pair, q: Pair) -> bool:
    """Whether two pairs have the same recipes, budgets and settings, and `q` has one network."""
    if _network(study, q.arm) != _network(study, q.reference):
        return False

    def without_network(arm: str) -> Arm:
        return replace(study.arms[arm], backbone=None)

    return all(
        without_network(a) == without_network(b)
        for a, b in ((p.arm, q.arm), (p.reference, q.reference))
    )


def _network(study: Study, arm: str) -> str:
    return study.arms[arm].pretraining(study.pretraining).backbone


def _between_independent(
    results: Results,
    families: tuple[Family, Family],
    pairs: Sequence[tuple[Pair, Pair]],
    describe: Callable[[tuple[Pair, Pair]], tuple[str, str]],
) -> Iterable[_Interaction]:
    """The second pair's effect minus the first's: four groups of independent networks.

    `describe` gives both settings in words.
    """
    sign = families[0].sign
    scores = _scores_of_both(results, families, pairs)

    def groups_of(two: tuple[Pair, Pair]) -> list[ArmScores | None]:
        return [scores[i].get(arm) for i in (1, 0) for arm in (two[i].arm, two[i].reference)]

    groups_by_pair = {
        two: [g for g in groups_of(two) if g is not None and g.num_seeds >= _MIN_SEEDS]
        for two in pairs
    }
    complete = {two: groups for two, groups in groups_by_pair.items() if len(groups) == 4}
    if not complete:
        return
    # Groups of the first setting come first, each arm before its reference.
    ordered = [g for groups in complete.values() for g in (*groups[2:], *groups[:2])]
    spreads = Spreads(list({g.arm: g for g in ordered}.values()))
    for two, groups in complete.items():
        arm_2, reference_2, arm_1, reference_1 = groups
        if len({g.images for g in groups}) > 1:
            groups = [replace(g, per_image=None, statistic=None, num_images=None) for g in groups]
        yield _Interaction(
            pair=two[1],
            combination=spreads.combine(groups, (sign, -sign, -sign, sign)),
            effects=(_effect(sign, arm_1, reference_1), _effect(sign, arm_2, reference_2)),
            settings=describe(two),
        )


def _scores_of_both(
    results: Results, families: tuple[Family, Family], pairs: Sequence[tuple[Pair, Pair]]
) -> list[dict[str, ArmScores]]:
    """Scores by arm in both settings, with distinct names."""
    scores = [
        {
            arm: replace(s, arm=f"{arm} ({i})")
            for arm, s in family_scores(results, family, [two[i] for two in pairs])[0].items()
        }
        for i, family in enumerate(families)
    ]
    if families[0] is families[1]:
        return [{**scores[1], **scores[0]}] * 2
    return scores


def _effect(sign: float, arm: ArmScores, reference: ArmScores) -> float:
    return sign * float(arm.values.mean() - reference.values.mean())


def _between_targets(
    results: Results, first: Family, other: Family, pairs: Sequence[Pair]
) -> Iterable[_Interaction]:
    """Effects of the same networks on two targets.

    Differences are taken seed by seed; the variances over both sets of test images add up.
    """
    if first.unit != other.unit:
        return
    on_first, _ = family_scores(results, first, pairs)
    on_other, _ = family_scores(results, other, pairs)
    # The scores of each arm on the other target minus those on the first, seed by seed.
    paired: dict[str, ArmScores] = {}
    for arm in dict.fromkeys(arm for p in pairs for arm in (p.reference, p.arm)):
        one, two = on_first.get(arm), on_other.get(arm)
        if one is None or two is None or not _has_same_seeds(arm, first, other, one, two):
            continue
        values = other.sign * two.values - first.sign * one.values
        paired[arm] = ArmScores(arm=arm, values=values, checkpoint=one.checkpoint)
    complete = [p for p in pairs if p.arm in paired and p.reference in paired]
    arms = dict.fromkeys(arm for p in complete for arm in (p.reference, p.arm))
    if not arms:
        return
    spreads = Spreads([paired[arm] for arm in arms])
    for p in complete:
        parts = [
            part
            for scores in (on_first, on_other)
            for part in _image_parts(scores[p.arm], scores[p.reference])
        ]
        yield _Interaction(
            pair=p,
            combination=spreads.combine([paired[p.arm], paired[p.reference]], (1.0, -1.0), parts),
            effects=(
                _effect(first.sign, on_first[p.arm], on_first[p.reference]),
                _effect(other.sign, on_other[p.arm], on_other[p.reference]),
            ),
            settings=(f"on {first.target}", f"on {other.target}"),
        )


def _has_same_seeds(arm: str, first: Family, other: Family, one: ArmScores, two: ArmScores) -> bool:
    seeds = [[o.seed for o in family.rows[arm]] for family in (first, other)]
    return seeds[0] == seeds[1] and one.num_seeds == two.num_seeds >= _MIN_SEEDS


def _image_parts(arm: ArmScores, reference: ArmScores) -> list[ImagePart]:
    """Variances over test images of a pair's difference; empty if they cannot be estimated."""
    if arm.statistic is not None and reference.statistic is not None:
        resampled = arm.bootstrap_means() - reference.bootstrap_means()
        return [(sample_variance(resampled), np.zeros(()), arm.images[1])]
    if arm.per_image is None or reference.per_image is None:
        return []
    v_image, v_both = image_variance((arm.per_image, reference.per_image), (1.0, -1.0))
    return [(v_image, np.asarray(v_both), arm.per_image.shape[1])]
