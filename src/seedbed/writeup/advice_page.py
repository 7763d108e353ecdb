"""The page of an advice: what to take, why, and everything that it rests on; it needs nothing but
itself.

In: advice, the winner's store. Out: HTML as text. Puts together what the race found; measures
nothing but near duplicates.
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
from seedbed.advice.candidate import Entry, short
from seedbed.data.decode import decode
from seedbed.data.store import Store
from seedbed.trials.provenance import versions
from seedbed.writeup import advice_figures as figures
from seedbed.writeup import number_format

_TILE_PX = 112
_MOST_ROWS = 40
_MOST_GROUPS = 12


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A thumbnail and what stands under it."""

    url: str
    words: str
    title: str


def render_advice(
    advice: Advice, store: Store, neighbours: Sequence[tuple[int, Sequence[tuple[int, float]]]] = ()
) -> str:
    """The page.

    Args:
        advice: what was found.
        store: of the winner, for the thumbnails.
        neighbours: rows of some held-out images, each with the rows nearest to it and their
            similarities.
    """
    environment = Environment(
        loader=PackageLoader("seedbed.writeup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"numbers": number_format, "short": short}
    return environment.get_template("advice.html").render(
        advice=advice,
        lines=advice.lines(),
        rows=_rows(advice),
        map=Markup(figures.map_svg(advice)),  # our own SVG; its texts are escaped there
        layers=Markup(figures.layers_svg(advice)),
        curve=Markup(figures.curve_svg(advice)),
        confusion=Markup(figures.confusion_svg(advice)) if advice.num_classes > 1 else "",
        mistakes=[
            _tile(store, m.row, f"{m.label}, said {m.said} ({100 * m.probability:.0f} %)", m.id)
            for m in advice.mistakes
        ],
        neighbours=[_strip(store, query, near) for query, near in neighbours],
        duplicates=_duplicates(store),
        scores=_scores(advice),
        version=versions()["seedbed"],
    )


def _rows(advice: Advice) -> list[dict[str, Any]]:
    """Candidates, the best first; first looks only where there is nothing more of a backbone's
    layer."""
    seen: set[tuple[str, str]] = set()
    rows = []
    for entry in sorted(advice.entries, key=lambda e: (e.is_rough, -e.accuracy)):
        key = (entry.backbone, entry.layer or entry.method)
        if entry.is_rough and key in seen:
            continue
        seen.add(key)
        rows.append(_row(entry, entry is advice.winner))
    return rows[:_MOST_ROWS]


def _row(entry: Entry, is_winner: bool) -> dict[str, Any]:
    return {
        "backbone": short(entry.backbone),
        "method": entry.method,
        "accuracy": entry.accuracy,
        "num": len(entry.positions),
        "seconds": entry.seconds,
        "is_winner": is_winner,
        "is_rough": entry.is_rough,
    }


def _scores(advice: Advice) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """Transferability scores: their names, and a row per backbone."""
    found = advice.scenario.scores
    names = list(dict.fromkeys(name for scores in found.values() for name in scores))
    return names, [
        (short(backbone), [scores.get(name) for name in names])
        for backbone, scores in found.items()
    ]


def _strip(store: Store, query: int, near: Sequence[tuple[int, float]]) -> list[Tile]:
    tiles = [_tile(store, query, f"asked: {_label(store, query)}", str(store.ids[query]))]
    return tiles + [
        _tile(store, row, f"{_label(store, row)} {similarity:.2f}", str(store.ids[row]))
        for row, similarity in near
    ]


def _duplicates(store: Store) -> dict[str, Any]:
    """Groups of near duplicates that lie in more than one split, and how many groups there are;
    found when the images were packed."""
    groups, which, counts = np.unique(store.groups, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    across = (
        [g for g in several.tolist() if len(set(store.splits[which == g].tolist())) > 1]
        if len(several) < 5000
        else []
    )
    shown = []
    for group in across[:_MOST_GROUPS]:
        rows = np.flatnonzero(which == group)[:4]
        shown.append([_tile(store, int(r), str(store.ids[r]), str(store.ids[r])) for r in rows])
    return {
        "num_groups": len(several),
        "num_across": len(across),
        "shown": shown,
        "num_images": len(groups),
    }


def _label(store: Store, row: int) -> str:
    return store.classes[int(store.leaves[row])]


def _tile(store: Store, row: int, words: str, title: str) -> Tile:
    from PIL import Image

    pixels = (
        decode(store.encoded(row), store.size_px, store.fit)[0]
        if store.is_encoded
        else np.asarray(store.pixels[row])
    )
    image = Image.fromarray(pixels)
    if image.width > 2 * _TILE_PX:
        image = image.resize((2 * _TILE_PX, 2 * _TILE_PX))
    png = io.BytesIO()
    image.save(png, "PNG", optimize=True)
    return Tile(
        url=f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}",
        words=words,
        title=title,
    )
