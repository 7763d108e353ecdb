"""score: metrics on files that any tool wrote.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from seedbed.verbs.output import Result, say, show_rows

_MAX_SHOWN = 30
_COUNTED = {
    "voc-action": "persons",
    "holidays": "queries",
    "oxford": "queries",
    "ukbench": "queries",
}


def voc_detection(options: Namespace) -> Result:
    return _score(
        options,
        "voc-detection",
        truth=options.truth,
        image_set=options.image_set,
        results=options.results,
        ap=options.ap,
    )


def voc_classification(options: Namespace) -> Result:
    return _score(
        options,
        "voc-classification",
        truth=options.truth,
        image_set=options.image_set,
        results=options.results,
        ap=options.ap,
    )


def voc_action(options: Namespace) -> Result:
    return _score(
        options,
        "voc-action",
        truth=options.truth,
        image_set=options.image_set,
        results=options.results,
        ap=options.ap,
    )


def holidays(options: Namespace) -> Result:
    return _score(options, "holidays", ranking=options.ranking, images=options.images)


def oxford(options: Namespace) -> Result:
    return _score(options, "oxford", truth=options.truth, ranking=options.ranking)


def ukbench(options: Namespace) -> Result:
    return _score(options, "ukbench", ranking=options.ranking)


def top_k(options: Namespace) -> Result:
    return _score(options, "top-k", labels=options.labels, scores=options.scores, k=options.k)


def _score(options: Namespace, metric: str, **files: Any) -> Result:
    from seedbed.api import scoring as api
    from seedbed.metrics import METRICS

    score = api.score(metric, **files)
    value = METRICS.get(score.metric).format(score.value)
    say(options, f"{score.metric}: {value} on {score.num:,} {_COUNTED.get(metric, 'images')}")
    say(options, *(f"{name}: {value:.2f}" for name, value in score.others.items()), *score.notes)
    what = "query" if _COUNTED.get(metric) == "queries" else "class"
    rows = [{what: name, score.metric: value} for name, value in score.per_class.items()]
    if rows:
        show_rows(options, f"of each {what}:", rows[:_MAX_SHOWN])
    if len(rows) > _MAX_SHOWN:
        say(options, f"  ... and {len(rows) - _MAX_SHOWN:,} more (--json lists all)")
    document = {
        "metric": score.metric,
        "value": score.value,
        "unit": score.unit,
        "per_class": dict(score.per_class),
        "others": dict(score.others),
        "num": score.num,
        "notes": list(score.notes),
    }
    return document, 0
