"""The report of an advice, as one self-contained HTML page.

In: an advice, and the winner's store for thumbnails. Out: HTML text. Measures nothing.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seedbed.advice.advice import Advice
from seedbed.advice.candidate import Candidate, short_name
from seedbed.data.store import Store
from seedbed.engine.versions import versions
from seedbed.writeup import advice_figures as figures
from seedbed.writeup import number_format

_TILE_PX = 112
_MAX_ROWS = 40
# duplicate groups that are shown, and images of each
_MAX_GROUPS, _MAX_GROUP_IMAGES = 12, 4
# with more groups than this, duplicates across splits are not searched for
_MAX_SEARCHED_GROUPS = 5000

Neighbours = Sequence[tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A thumbnail with its caption and its title."""

    url: str
    caption: str
    title: str


def render_advice(
    advice: Advice, store: Store, neighbours: Sequence[tuple[int, Neighbours]] = ()
) -> str:
    """Render the page.

    Args:
        advice: the advice.
        store: the winner's store.
        neighbours: rows of some held-out images, each with its nearest rows and their similarities.
    """
    environment = Environment(
        loader=PackageLoader("seedbed.writeup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"numbers": number_format, "short_name": short_name}
    # The SVG is our own; its texts are escaped there.
    return environment.get_template("advice.html").render(
        advice=advice,
        lines=advice.lines(),
        rows=_candidate_rows(advice),
        map=Markup(figures.map_svg(advice)),
        layers=Markup(figures.layers_svg(advice)),
        curve=Markup(figures.curve_svg(advice)),
        confusion=Markup(figures.confusion_svg(advice)) if advice.num_classes > 1 else "",
        mistakes=[
            _tile(
                store,
                m.row,
                f"{m.label}, predicted {m.predicted} ({100 * m.probability:.0f} %)",
                m.id,
            )
            for m in advice.mistakes
        ],
        neighbours=[_neighbour_tiles(store, query, nearest) for query, nearest in neighbours],
        duplicates=_duplicates(store),
        scores=_score_table(advice),
        version=versions()["seedbed"],
    )


def _candidate_rows(advice: Advice) -> list[dict[str, Any]]:
    """Candidates, the best first; preliminary ones only where there is no full measurement."""
    measured: set[tuple[str, str]] = set()
    rows = []
    for candidate in sorted(advice.candidates, key=lambda c: (c.is_preliminary, -c.accuracy)):
        key = (candidate.backbone, candidate.layer or candidate.method)
        if candidate.is_preliminary and key in measured:
            continue
        measured.add(key)
        rows.append(_candidate_row(candidate, candidate is advice.winner))
    return rows[:_MAX_ROWS]


def _candidate_row(candidate: Candidate, is_winner: bool) -> dict[str, Any]:
    return {
        "backbone": short_name(candidate.backbone),
        "method": candidate.method,
        "accuracy": candidate.accuracy,
        "num": len(candidate.positions),
        "seconds": candidate.seconds,
        "is_winner": is_winner,
        "is_preliminary": candidate.is_preliminary,
    }


def _score_table(advice: Advice) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """Names of the transferability scores, and a row of values per backbone."""
    scores = advice.scenario.scores
    names = list(dict.fromkeys(name for of_backbone in scores.values() for name in of_backbone))
    return names, [
        (short_name(backbone), [of_backbone.get(name) for name in names])
        for backbone, of_backbone in scores.items()
    ]


def _neighbour_tiles(store: Store, query: int, neighbours: Neighbours) -> list[Tile]:
    tiles = [_tile(store, query, f"query: {_label(store, query)}", str(store.ids[query]))]
    return tiles + [
        _tile(store, row, f"{_label(store, row)} {similarity:.2f}", str(store.ids[row]))
        for row, similarity in neighbours
    ]


def _duplicates(store: Store) -> dict[str, Any]:
    """Groups of near duplicates, detected at packing: their number, and those across splits."""
    groups, group_of_row, counts = np.unique(store.groups, return_inverse=True, return_counts=True)
    duplicated = np.flatnonzero(counts > 1)
    across: list[int] = []
    if len(duplicated) < _MAX_SEARCHED_GROUPS:
        across = [
            g for g in duplicated.tolist() if len(np.unique(store.splits[group_of_row == g])) > 1
        ]
    shown = []
    for group in across[:_MAX_GROUPS]:
        rows = np.flatnonzero(group_of_row == group)[:_MAX_GROUP_IMAGES]
        shown.append([_tile(store, int(r), str(store.ids[r]), str(store.ids[r])) for r in rows])
    return {
        "num_groups": len(duplicated),
        "num_across": len(across),
        "shown": shown,
        "num_images": len(groups),
    }


def _label(store: Store, row: int) -> str:
    return store.classes[int(store.leaves[row])]


def _tile(store: Store, row: int, caption: str, title: str) -> Tile:
    from PIL import Image

    pixels = store.decoded(row) if store.is_encoded else np.asarray(store.pixels[row])
    image = Image.fromarray(pixels)
    if image.width > 2 * _TILE_PX:
        image = image.resize((2 * _TILE_PX, 2 * _TILE_PX))
    png = io.BytesIO()
    image.save(png, "PNG", optimize=True)
    return Tile(
        url=f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}",
        caption=caption,
        title=title,
    )
