"""score: metrics on files that any tool wrote.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from seedbed.verbs.speech import Result, say, show_rows

if TYPE_CHECKING:
    from seedbed.tasks.scoring import Score

_SHOWN = 30
_SIGNS = {"percent": " %", "score": " of 4"}


def voc_detection(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.voc_detection(options.truth, options.image_set, options.results, options.ap))


def voc_classification(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.voc_classification(options.truth, options.image_set, options.results, options.ap))


def voc_action(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.voc_action(options.truth, options.image_set, options.results, options.ap))


def holidays(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.holidays(options.ranking, options.images))


def oxford(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.oxford(options.truth, options.ranking))


def ukbench(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.ukbench(options.ranking))


def top_k(options: Namespace) -> Result:
    from seedbed.tasks import scoring

    return _told(options, scoring.top_k(options.labels, options.scores, options.k))


def _told(options: Namespace, score: Score) -> Result:
    say(options, f"{score.metric}: {score.value:.2f}{_SIGNS[score.unit]} on {score.num:,}")
    say(options, *(f"{name}: {value:.2f}" for name, value in score.others.items()), *score.notes)
    rows = [{"of": name, score.metric: value} for name, value in score.per_class.items()]
    if rows:
        show_rows(options, f"each of {len(rows):,}:", rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(options, f"  ... and {len(rows) - _SHOWN:,} more (--json lists all)")
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
