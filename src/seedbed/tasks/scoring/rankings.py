"""Scores of rankings: Holidays, Oxford and Paris, UKBench.

In: rankings, and the ground truth as it is distributed. Out: a `Score`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError
from seedbed.base.paths import expand_user
from seedbed.data.image_files import list_images
from seedbed.data.oxford_ground_truth import list_name, read_queries
from seedbed.metrics import Metric
from seedbed.metrics.retrieval import (
    GROUP,
    MAP_HOLIDAYS,
    MAP_OXFORD,
    NS_SCORE,
    RECALL_AT_4,
    relevant_ranks,
    trapezoid_ap,
)
from seedbed.tasks.ranking_files import Ranking, holidays_image, image_number, read_rankings
from seedbed.tasks.scoring.score import Score

_FIRST_HOLIDAYS = 100_000  # the smallest number of an image
_NUM_UKBENCH = 10_200  # queries


def holidays(ranking: str | Path, images: str | Path | None = None) -> Score:
    """Mean average precision of rankings for Holidays.

    Args:
        images: a list or a folder of all images; by default those that the rankings name.
    """
    rankings = {
        holidays_image(one.query, one.where): one
        for one in read_rankings(ranking, least=_FIRST_HOLIDAYS)
    }
    ranked = {
        query: [holidays_image(name, one.where) for name in one.images]
        for query, one in rankings.items()
    }
    named = set(ranked) | {image for names in ranked.values() for image in names}
    everything, notes = _all_images(named, images)
    numbers = {image for image in everything if isinstance(image, int)}
    queries = sorted(number for number in numbers if number % 100 == 0)
    _check_ranked(ranking, queries, ranked)
    precisions: dict[str, float] = {}
    missing = _Missing()
    for query in queries:
        positives = {n for n in numbers if n // 100 == query // 100 and n != query}
        if positives:
            ranks = relevant_ranks(ranked[query], positives, {query}, rankings[query].ranks)
            missing.count(ranks, positives)
            precisions[str(query)] = trapezoid_ap(ranks, len(positives))
    if not precisions:
        raise BadDataError(
            f"{ranking} has no query of Holidays with another image of its group",
            "The number of a query ends in 00.",
        )
    notes += _notes_on_ranks(rankings.values())
    if num_repeated := sum(len(names) - len(set(names)) for names in ranked.values()):
        notes.append(f"{num_repeated:,} images are ranked twice; the first rank counts")
    return _score(MAP_HOLIDAYS, precisions, [*notes, *missing.notes])


def _all_images(
    named: set[int | str], images: str | Path | None
) -> tuple[set[int | str], list[str]]:
    """All images of the set, and what to note about them."""
    if images is None:
        return named, [
            "relevant images were counted among the images that the rankings name; --images names "
            "all images"
        ]
    everything = {holidays_image(name, str(images)) for name in _names(images)}
    unknown = sorted(map(str, named - everything))
    if not unknown:
        return everything, []
    return everything, [
        f"{len(unknown):,} images of the rankings are not among {images}, {unknown[0]} is the "
        "first; they count as wrong"
    ]


def _check_ranked(
    ranking: str | Path, queries: Sequence[int], ranked: Mapping[int | str, object]
) -> None:
    if missing := [query for query in queries if query not in ranked]:
        more = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
        raise BadDataError(
            f"{ranking} has no ranking of the query {missing[0]}{more}", "Rank all queries."
        )


def oxford(truth: str | Path, ranking: str | Path) -> Score:
    """Mean average precision of rankings for Oxford or Paris, by the files good, ok and junk of
    each query."""
    rankings = {one.query: one for one in read_rankings(ranking, list_name)}
    queries = read_queries(expand_user(truth))
    precisions: dict[str, float] = {}
    missing = _Missing()
    for query in queries:
        if list_name(query.name) not in rankings:
            raise BadDataError(
                f"{ranking} has no ranking of the query {query.name}",
                "Rank all queries: a file <query>.txt, or a line for each.",
            )
        positives = query.names("good", "ok")
        one = rankings[list_name(query.name)]
        ranks = relevant_ranks(one.images, positives, query.names("junk"), one.ranks)
        missing.count(ranks, positives)
        precisions[query.name] = trapezoid_ap(ranks, len(positives))
    listed = {name for query in queries for name in query.names("good", "ok", "junk")}
    if not any(name in listed for one in rankings.values() for name in one.images):
        lists = queries[0].lists
        example = (lists["good"] or lists["ok"])[0].text
        raise BadDataError(
            f"no image that {ranking} names is in any list of {truth}: it begins with "
            f"{next(iter(rankings.values())).images[0]!r}",
            f"Name images as the lists do: {example}.",
        )
    unknown = sorted(rankings.keys() - {list_name(query.name) for query in queries})
    notes = [f"ignored rankings of no query: {', '.join(unknown[:5])}"] if unknown else []
    notes += _notes_on_ranks(rankings.values())
    return _score(MAP_OXFORD, precisions, [*notes, *missing.notes])


def ukbench(ranking: str | Path) -> Score:
    """N-S score of rankings for UKBench: how many of the four images of the query's group, itself
    included, are among the first four."""
    scores: dict[str, float] = {}
    num_short = 0
    for one in read_rankings(ranking):
        query = image_number(one.query, "UKBench", one.where)
        ranks = one.ranks or range(len(one.images))
        shown = [name for name, rank in zip(one.images, ranks, strict=True) if rank < GROUP]
        num_short += len(shown) < GROUP
        first = [image_number(name, "UKBench", one.where) for name in shown]
        scores[str(query)] = float(sum(n // GROUP == query // GROUP for n in dict.fromkeys(first)))
    notes = []
    if len(scores) != _NUM_UKBENCH:
        notes.append(f"{len(scores):,} queries; UKBench has {_NUM_UKBENCH:,} in all")
    if num_short:
        notes.append(
            f"{num_short:,} rankings lack some of their first {GROUP} images, which count as wrong"
        )
    score = _score(NS_SCORE, scores, notes)
    recall = 100 * score.value / GROUP
    return Score(
        metric=score.metric,
        value=score.value,
        per_class=score.per_class,
        others={RECALL_AT_4.name: recall},
        num=score.num,
        notes=score.notes,
    )


@dataclass
class _Missing:
    """How many relevant images are in no ranking: a truncated ranking is told from a bad one."""

    num: int = 0
    num_relevant: int = 0

    def count(self, ranks: np.ndarray, positives: Sized) -> None:
        self.num += len(positives) - len(ranks)
        self.num_relevant += len(positives)

    @property
    def notes(self) -> list[str]:
        if not self.num:
            return []
        return [
            f"{self.num:,} of {self.num_relevant:,} relevant images are in no ranking; they count "
            "as not found"
        ]


def _notes_on_ranks(rankings: Iterable[Ranking]) -> list[str]:
    if any(one.from_one for one in rankings):
        return ["ranks were read as counted from 1, since no rank is 0"]
    return []


def _score(metric: Metric, values: Mapping[str, float], notes: Sequence[str]) -> Score:
    return Score(
        metric=metric.name,
        value=float(np.mean(list(values.values()))),
        per_class=dict(values),
        num=len(values),
        notes=tuple(notes),
    )


def _names(images: str | Path) -> list[str]:
    """Names of images: of a list, or of the files below a folder."""
    root = expand_user(images)
    if root.is_dir():
        return [Path(image.path).name for image in list_images(root)]
    if not root.is_file():
        raise BadDataError(
            f"there is no {images}", "Name a folder of images, or a list with one per line."
        )
    lines = root.read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line.strip()]
