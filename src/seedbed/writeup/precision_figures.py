"""Drawings of average precision: bars by class, and curves of precision against recall.

In: decisions by arm and seed. Out: SVG as text. Computes no metric of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.metrics.average_precision import Decisions
from seedbed.writeup import number_format
from seedbed.writeup.box_drawing import COLOURS
from seedbed.writeup.svg import INK, RC, as_svg

MOST_ARMS, MOST_CLASSES, MOST_CURVES = 6, 30, 12
_COLUMNS = 4


@dataclass(frozen=True, kw_only=True)
class Precisions:
    """What was decided on one target by one method: arm -> its seeds."""

    classes: tuple[str, ...]
    rule: str
    arms: Mapping[str, Sequence[Decisions]]

    @property
    def num_shown(self) -> int:
        """Classes of which something is there to be found."""
        first = next((one for seeds in self.arms.values() for one in seeds), None)
        return 0 if first is None else int((first.positives.sum(0) > 0).sum())


def bars_svg(found: Precisions, name: str) -> str:
    """Average precision of each class: a bar for each arm, the mean over its seeds, and a dot for
    each seed."""
    each = {
        arm: np.stack([d.per_class(found.rule) for d in seeds]) for arm, seeds in found.arms.items()
    }
    some = [
        k
        for k in range(len(found.classes))
        if not all(np.isnan(values[:, k]).all() for values in each.values())
    ][:MOST_CLASSES]
    height = 0.75 + 0.16 * len(some) * (len(each) + 0.8)

    def fill(figure: Any) -> None:
        axes = figure.subplots()
        step = len(each) + 0.8
        for i, (arm, values) in enumerate(each.items()):
            places = np.arange(len(some)) * step + i
            axes.barh(
                places,
                np.nanmean(values[:, some], axis=0),
                0.86,
                color=COLOURS[i % len(COLOURS)],
                alpha=0.75,
                label=arm,
            )
            for row in values[:, some]:
                axes.plot(row, places, "o", color=INK, markersize=2, alpha=0.7)
        axes.set_yticks(
            np.arange(len(some)) * step + (len(each) - 1) / 2,
            [number_format.shortened(found.classes[k], 26) for k in some],
        )
        axes.set_xlim(0, 100)
        axes.set_ylim((len(some) - 1) * step + len(each), -1)
        axes.set_xlabel("average precision, %")
        axes.legend(
            fontsize=8,
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=3,
            labelcolor=INK,
        )
        _inked(axes)

    return _drawn(fill, name, 5.3, height)


def curves_svg(found: Precisions, name: str) -> str:
    """Precision against recall, a panel a class, a line for each arm at its first seed."""
    positives = next(iter(found.arms.values()))[0].positives.sum(0)
    some = [k for k in range(len(found.classes)) if positives[k]][:MOST_CURVES]
    columns = min(_COLUMNS, len(some))
    rows = -(-len(some) // columns)

    def fill(figure: Any) -> None:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in panels.flat[len(some) :]:
            axes.set_visible(False)
        for axes, k in zip(panels.flat, some, strict=False):
            nothing: list[str] = []
            for i, (arm, seeds) in enumerate(found.arms.items()):
                recall, precision = seeds[0].curve(k)
                if not len(recall) or recall[-1] == 0:
                    nothing.append(arm)
                axes.plot(
                    100 * recall,
                    100 * precision,
                    color=COLOURS[i % len(COLOURS)],
                    linewidth=1.3,
                    label=arm,
                )
            if nothing:  # a curve that is not there
                words = (
                    "nothing right found"
                    if len(nothing) == len(found.arms)
                    else f"none found: {', '.join(nothing)}"
                )
                axes.text(
                    50, 50, number_format.shortened(words, 24), fontsize=7, color=INK, ha="center"
                )
            axes.set_title(number_format.shortened(found.classes[k], 22), fontsize=9, color=INK)
            axes.set_xlim(0, 100)
            axes.set_ylim(0, 102)
            _inked(axes)
        figure.supxlabel("recall, %", fontsize=9, color=INK)
        figure.supylabel("precision, %", fontsize=9, color=INK)

    return _drawn(fill, name, max(2.6, 1.45 * columns), 0.45 + 1.45 * rows)


def _inked(axes: Any) -> None:
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)


def _drawn(fill: Callable[[Any], None], name: str, width: float, height: float) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**RC, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained")
        fill(figure)
        return as_svg(figure, name)
