"""Interactions: does the effect of an arm depend on the training budget, on the network, on the
target?

In: results and pairs of arms. Out: one finding per pair and place, the effect there less the effect
here, with an interval. An effect is an arm's mean less its reference's. Trainings at two budgets,
or of two networks, are independent; two targets are measured on the same nets, so that their
difference is taken seed by seed. Intervals are simultaneous over the findings of one sort on one
target and method (over targets: on one method), whatever their correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.arm_scores import ArmScores
from seedbed.verdicts.contrasts import Verdict, verdict_of
from seedbed.verdicts.families import SOURCES, Family, scores_of
from seedbed.verdicts.findings.finding import Finding, between, points
from seedbed.verdicts.linear_combinations import Combination, ImagePart, Spreads
from seedbed.verdicts.pairs import Pair
from seedbed.verdicts.quantiles import Joint
from seedbed.verdicts.variances import image_variance, sample_variance

_WORDS = {
    "better": "depends",
    "worse": "depends",
    "equivalent": "does not depend",
    "undecided": "may or may not depend",
}
_LEAST_SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One interaction before its quantiles are known: how many are judged together decides them."""

    pair: Pair
    combination: Combination
    effects: tuple[float, float]
    sides: tuple[str, str]


def interactions(
    results: Results, families: Sequence[Family], pairs: Mapping[str, Sequence[Pair]]
) -> list[Finding]:
    """Every interaction that the results hold: with the training budget, with the network, with the
    target; of the pairs of each target."""
    targets = [f for f in families if f.target not in SOURCES and f.images_seen is not None]
    by_place: dict[tuple[str, str], list[Family]] = {}
    for family in targets:
        by_place.setdefault((family.target, family.method), []).append(family)
    found: list[Finding] = []
    for (target, _), of_place in by_place.items():
        asked_here = pairs.get(target, ())
        if len(of_place) > 1:
            found += _findings(
                results,
                of_place[-1],
                "training budget",
                _over_budgets(results, of_place[0], of_place[-1], asked_here),
            )
        found += _findings(
            results, of_place[-1], "network", _over_networks(results, of_place[-1], asked_here)
        )
    largest = {place: of_place[-1] for place, of_place in by_place.items()}
    for method in dict.fromkeys(method for _, method in largest):
        of_method = [f for (_, m), f in largest.items() if m == method]
        asked = [
            a
            for other in of_method[1:]
            for a in _over_targets(
                results, of_method[0], other, _on_both(pairs, of_method[0], other)
            )
            if other.metric == of_method[0].metric  # points of one metric are no points of another
        ]
        found += _findings(results, of_method[0], "target", asked) if of_method else []
    return found


def _findings(
    results: Results, family: Family, over: str, asked: Iterable[_Asked]
) -> list[Finding]:
    asked = list(asked)
    joint = Joint(max(1, len(asked)), shared=False)
    return [_finding(results.study, family, over, one, joint) for one in asked]


def _finding(study: Study, family: Family, over: str, asked: _Asked, joint: Joint) -> Finding:
    margin = study.margin_of(family.metric)
    interval, interval_90 = (
        asked.combination.interval(0.95, joint),
        asked.combination.interval(0.90, joint),
    )
    verdict: Verdict = verdict_of(interval, interval_90, margin)
    here, there = asked.sides
    before, after = asked.effects
    place = (
        f"with {family.method}" if over == "target" else f"on {family.target} with {family.method}"
    )
    within = f" by more than {margin:g}" if verdict == "equivalent" else ""
    sentence = (
        f"The effect of '{asked.pair.arm}' against '{asked.pair.reference}' {place} {_WORDS[verdict]} on the {over}{within}: "
        f"{points(before)} points {here}, {points(after)} {there} (difference of the two {points(after - before)}, 95 % interval "
        f"{between(interval)})."
    )
    return Finding(
        kind="interaction",
        target=None if over == "target" else family.target,
        method=family.method,
        images_seen=None if over == "training budget" else family.images_seen,
        metric=family.metric,
        arm=asked.pair.arm,
        reference=asked.pair.reference,
        value=after - before,
        interval=interval,
        unit=family.unit,
        verdict={"better": "depends", "worse": "depends", "equivalent": "independent"}.get(
            verdict, "undecided"
        ),
        sentence=sentence,
        details={
            "over": over,
            "sides": list(asked.sides),
            "effects": list(asked.effects),
            "interval_90": list(interval_90),
        },
    )


def _over_budgets(
    results: Results, small: Family, large: Family, pairs: Sequence[Pair]
) -> Iterable[_Asked]:
    """Pairs whose two arms were trained at both budgets."""
    study = results.study
    own = [
        p
        for p in pairs
        if all(len(study.arms[arm].budgets(study.pretraining)) > 1 for arm in (p.arm, p.reference))
    ]
    sides = (f"at {small.images_seen:,} images seen", f"at {large.images_seen:,}")
    return _of_four(results, (small, large), [(p, p) for p in own], lambda _: sides)


def _on_both(pairs: Mapping[str, Sequence[Pair]], first: Family, other: Family) -> list[Pair]:
    theirs = pairs.get(other.target, ())
    return [pair for pair in pairs.get(first.target, ()) if pair in theirs]


def _over_networks(results: Results, family: Family, pairs: Sequence[Pair]) -> Iterable[_Asked]:
    """A pair of arms of the study's network, and the same pair of another network: alike in
    recipes, budgets and all other settings."""
    study = results.study
    own = study.pretraining.backbone
    plain = [p for p in pairs if all(_network(study, arm) == own for arm in (p.arm, p.reference))]
    crossed = [
        (p, q)
        for p in plain
        for q in pairs
        if _network(study, q.arm) != own and _is_same_pair(study, p, q)
    ]
    return _of_four(
        results,
        (family, family),
        crossed,
        lambda two: (f"with {_network(study, two[0].arm)}", f"with {_network(study, two[1].arm)}"),
    )


def _is_same_pair(study: Study, p: Pair, q: Pair) -> bool:
    """Whether two pairs differ in the network alone, which is one in each."""
    if _network(study, q.arm) != _network(study, q.reference):
        return False
    plain = lambda arm: replace(study.arms[arm], backbone=None)  # noqa: E731
    return plain(p.arm) == plain(q.arm) and plain(p.reference) == plain(q.reference)


def _network(study: Study, arm: str) -> str:
    return study.arms[arm].pretraining(study.pretraining).backbone


def _of_four(
    results: Results,
    families: tuple[Family, Family],
    crossed: Sequence[tuple[Pair, Pair]],
    sides: Callable[[tuple[Pair, Pair]], tuple[str, str]],
) -> Iterable[_Asked]:
    """Four groups of independent nets on the same test images: the second pair's effect less the
    first's."""
    sign = families[0].sign
    read = [scores_of(results, f, [p[i] for p in crossed])[0] for i, f in enumerate(families)]
    named = [
        {arm: replace(s, arm=f"{arm} ({i})") for arm, s in scores.items()}
        for i, scores in enumerate(read)
    ]
    if families[0] is families[1]:
        named = [named[0] | {a: s for a, s in named[1].items() if a not in named[0]}] * 2
    kept = [
        pair
        for pair in crossed
        if all(
            arm in named[i] and named[i][arm].num_seeds >= _LEAST_SEEDS
            for i in (0, 1)
            for arm in (pair[i].arm, pair[i].reference)
        )
    ]
    used = {
        named[i][arm].arm: named[i][arm]
        for p in kept
        for i in (0, 1)
        for arm in (p[i].arm, p[i].reference)
    }
    if not used:
        return
    spreads = Spreads(list(used.values()))
    for pair in kept:
        groups = [named[i][arm] for i in (1, 0) for arm in (pair[i].arm, pair[i].reference)]
        if len({g.images for g in groups}) > 1:
            groups = [replace(g, per_image=None, statistic=None, num_images=None) for g in groups]
        combination = spreads.combine(groups, (sign, -sign, -sign, sign))
        effects = [
            sign
            * float(named[i][pair[i].arm].values.mean() - named[i][pair[i].reference].values.mean())
            for i in (0, 1)
        ]
        yield _Asked(
            pair=pair[1],
            combination=combination,
            effects=(effects[0], effects[1]),
            sides=sides(pair),
        )


def _over_targets(
    results: Results, first: Family, other: Family, pairs: Sequence[Pair]
) -> Iterable[_Asked]:
    """Effects on two targets of the same nets: differences are taken seed by seed, and both sets of
    test images add their share."""
    if first.unit != other.unit:
        return
    one, _ = scores_of(results, first, pairs)
    two, _ = scores_of(results, other, pairs)
    same_seeds = lambda arm: [o.seed for o in first.rows[arm]] == [o.seed for o in other.rows[arm]]  # noqa: E731
    kept = [
        p
        for p in pairs
        if all(
            _alike(one.get(arm), two.get(arm)) and same_seeds(arm) for arm in (p.arm, p.reference)
        )
    ]
    arms = dict.fromkeys(arm for p in kept for arm in (p.reference, p.arm))
    paired = {
        arm: ArmScores(
            arm=arm,
            values=other.sign * two[arm].values - first.sign * one[arm].values,
            checkpoint=one[arm].checkpoint,
        )
        for arm in arms
    }
    if not paired:
        return
    spreads = Spreads(list(paired.values()))
    for p in kept:
        parts = [
            part
            for scores in (one, two)
            for part in _image_part(scores[p.arm], scores[p.reference])
        ]
        combination = spreads.combine([paired[p.arm], paired[p.reference]], (1.0, -1.0), parts)
        effects = [
            f.sign * float(s[p.arm].values.mean() - s[p.reference].values.mean())
            for f, s in ((first, one), (other, two))
        ]
        sides = (f"on {first.target}", f"on {other.target}")
        yield _Asked(pair=p, combination=combination, effects=(effects[0], effects[1]), sides=sides)


def _alike(one: ArmScores | None, two: ArmScores | None) -> bool:
    return one is not None and two is not None and one.num_seeds == two.num_seeds >= _LEAST_SEEDS


def _image_part(arm: ArmScores, reference: ArmScores) -> list[ImagePart]:
    if arm.statistic is not None and reference.statistic is not None:
        resampled = arm.bootstrap_means() - reference.bootstrap_means()
        return [(sample_variance(resampled), np.zeros(()), arm.images[1])]
    if arm.per_image is None or reference.per_image is None:
        return []
    v_image, v_both = image_variance((arm.per_image, reference.per_image), (1.0, -1.0))
    return [(v_image, np.asarray(v_both), arm.per_image.shape[1])]
