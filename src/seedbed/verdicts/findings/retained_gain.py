"""Retained gain: what an arm keeps of the reference's gain on a target, against what it keeps on
the source itself.

The paper's own comparison: half the images cost little on the target, and much on the source. Raw
relative drops mix baselines; so the gain
is counted over the floor: on a target the arm without pre-training, on the source chance (or, for a
    probe of the fine labels, the same
untrained arm). Knows nothing of how a ratio's interval comes about (`seedbed.verdicts.ratios`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seedbed.trials.results import Results
from seedbed.verdicts.families import SOURCES, Family, scores_of
from seedbed.verdicts.findings.finding import Finding, percent
from seedbed.verdicts.pairs import Pair
from seedbed.verdicts.ratios import RetainedGain, difference_of_ratios, retained_gain


def retained_gains(
    results: Results, families: Sequence[Family], by_target: Mapping[str, Sequence[Pair]]
) -> list[Finding]:
    """One finding per arm, target, method and training budget, where there is a floor and the
    source was measured too."""
    floor = _floor_arm(results)
    if floor is None:
        return []
    pairs = list(dict.fromkeys(pair for of_target in by_target.values() for pair in of_target))
    on_source = {
        f.images_seen: _on_source(results, f, pairs, floor)
        for f in families
        if f.target == "source"
    }
    on_fine = {
        f.images_seen: _on_source(results, f, pairs, floor)
        for f in families
        if f.target == "source_fine" and f.method == "probe"
    }
    found = []
    for family in families:
        if family.target in SOURCES or family.images_seen is None:
            continue
        for arm, kept in _of_family(
            results, family, by_target.get(family.target, ()), floor
        ).items():
            for labels, kept_there in (("own labels", on_source), ("fine labels", on_fine)):
                there = kept_there.get(family.images_seen, {}).get(arm)
                if there is not None:
                    found.append(_finding(results, family, arm, (floor, labels), kept, there))
                    break
    return found


def _floor_arm(results: Results) -> str | None:
    """The arm without pre-training that has the reference's network."""
    study = results.study
    own = study.arms[study.reference].pretraining(study.pretraining).backbone
    untrained = [arm for arm, spec in study.arms.items() if spec.init == "random"]
    return next(
        (a for a in untrained if study.arms[a].pretraining(study.pretraining).backbone == own), None
    )


def _of_family(
    results: Results, family: Family, pairs: Sequence[Pair], floor: str
) -> dict[str, RetainedGain]:
    """Arm -> what it keeps of the reference's gain over the untrained arm."""
    reference = results.study.reference
    wanted = [
        Pair(p.arm, p.reference) for p in pairs if p.reference == reference and p.arm != floor
    ]
    if floor not in family.rows or reference not in family.rows:
        return {}
    scores, comparable = scores_of(results, family, [*wanted, Pair(floor, reference)])
    if Pair(floor, reference) not in comparable:
        return {}
    turned = {arm: s if family.sign > 0 else s.negated() for arm, s in scores.items()}
    found = {
        p.arm: retained_gain(turned[p.arm], turned[reference], turned[floor])
        for p in comparable
        if p.arm != floor
    }
    return {arm: kept for arm, kept in found.items() if kept is not None}


def _on_source(
    results: Results, family: Family, pairs: Sequence[Pair], floor: str
) -> dict[str, RetainedGain]:
    if family.target == "source_fine":
        return _of_family(results, family, pairs, floor)
    reference = results.study.reference
    scores, comparable = scores_of(
        results, family, [p for p in pairs if p.reference == reference and p.arm != floor]
    )
    chance = 100.0 / max(
        2, results.plan.views[reference, results.study.seeds[0]].class_of_leaf.max() + 1
    )
    found = {
        p.arm: retained_gain(scores[p.arm], scores[reference], float(chance)) for p in comparable
    }
    return {arm: kept for arm, kept in found.items() if kept is not None}


def _finding(
    results: Results,
    family: Family,
    arm: str,
    floor: tuple[str, str],
    here: RetainedGain,
    there: RetainedGain,
) -> Finding:
    apart = difference_of_ratios(here, there)
    labels = {"own labels": "the source itself", "fine labels": "all fine labels of the source"}[
        floor[1]
    ]
    floor_there = "chance" if floor[1] == "own labels" else repr(floor[0])
    reference, place = results.study.reference, f"on {family.target} ({family.method})"

    def in_doubt(over: str) -> str:
        return f"the gain of '{reference}' over {over} is itself in doubt, so what share of it '{arm}' keeps cannot be told"

    if here.interval is None:
        said = f"{in_doubt(repr(floor[0]))} {place}."
    elif there.interval is None:
        kept = f"'{arm}' keeps {_words(here)} of what '{reference}' gains over '{floor[0]}' {place}"
        said = f"{kept}; {in_doubt(floor_there)} on {labels}."
    else:
        said = (
            f"'{arm}' keeps {_words(here)} of what '{reference}' gains over '{floor[0]}' {place}, and {_words(there)} of its gain over "
            f"{floor_there} on {labels}: {_compared(apart)}."
        )
    sentence = f"At {family.images_seen:,} images seen {said}"
    return Finding(
        kind="retained_gain",
        target=family.target,
        method=family.method,
        images_seen=family.images_seen,
        metric=family.metric,
        arm=arm,
        reference=results.study.reference,
        value=here.ratio,
        interval=here.interval,
        unit="share",
        verdict=_verdict(apart),
        sentence=sentence,
        details={
            "floor": floor[0],
            "gain": here.gain,
            "on_source": there.ratio,
            "on_source_interval": there.interval,
            "source_labels": floor[1],
            "difference": None if apart is None else apart[0],
            "difference_interval": None if apart is None else apart[1],
        },
    )


def _words(kept: RetainedGain) -> str:
    assert kept.interval is not None
    return f"{percent(kept.ratio)} (95 % interval {100 * kept.interval[0]:.0f} to {percent(kept.interval[1])})"


def _verdict(apart: tuple[float, tuple[float, float]] | None) -> str:
    if apart is None or apart[1][0] <= 0 <= apart[1][1]:
        return "undecided"
    return "keeps more on the target" if apart[0] > 0 else "keeps more on the source"


def _compared(apart: tuple[float, tuple[float, float]] | None) -> str:
    verdict = _verdict(apart)
    return "which it keeps more of is undecided" if verdict == "undecided" else f"it {verdict}"
