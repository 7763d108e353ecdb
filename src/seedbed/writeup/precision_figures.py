"""Drawings of average precision: bars by class, and precision-recall curves.

In: decisions by arm and seed. Out: SVG text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seedbed.metrics.average_precision import Decisions
from seedbed.writeup import number_format
from seedbed.writeup.box_drawing import COLOURS
from seedbed.writeup.svg import INK, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ARMS, MOST_CLASSES, MOST_CURVES = 6, 30, 12
_NUM_COLUMNS = 4


@dataclass(frozen=True, kw_only=True)
class Precisions:
    """Decisions on one target with one method: of each arm, one entry per seed."""

    classes: tuple[str, ...]
    rule: str
    arms: Mapping[str, Sequence[Decisions]]

    @property
    def num_shown(self) -> int:
        """Number of classes that have positives."""
        first = next((one for seeds in self.arms.values() for one in seeds), None)
        return 0 if first is None else int((first.positives.sum(0) > 0).sum())


def bars_svg(precisions: Precisions, name: str) -> str:
    """Average precision of each class: per arm a bar, the mean over seeds, and a dot per seed."""
    values = {
        arm: np.stack([d.per_class(precisions.rule) for d in seeds])
        for arm, seeds in precisions.arms.items()
    }
    is_defined = ~np.all([np.isnan(v).all(axis=0) for v in values.values()], axis=0)
    classes = np.flatnonzero(is_defined)[:MOST_CLASSES].tolist()
    height = 0.75 + 0.16 * len(classes) * (len(values) + 0.8)

    def draw(figure: Figure) -> None:
        _draw_bars(figure.subplots(), values, classes, precisions.classes)

    return draw_svg(name, 5.3, height, draw)


def _draw_bars(
    axes: Axes, values: Mapping[str, np.ndarray], classes: Sequence[int], names: Sequence[str]
) -> None:
    step = len(values) + 0.8
    for i, (arm, of_arm) in enumerate(values.items()):
        heights = np.arange(len(classes)) * step + i
        axes.barh(
            heights,
            np.nanmean(of_arm[:, classes], axis=0),
            0.86,
            color=COLOURS[i % len(COLOURS)],
            alpha=0.75,
            label=arm,
        )
        for of_seed in of_arm[:, classes]:
            axes.plot(of_seed, heights, "o", color=INK, markersize=2, alpha=0.7)
    axes.set_yticks(
        np.arange(len(classes)) * step + (len(values) - 1) / 2,
        [number_format.shorten(names[k], 26) for k in classes],
    )
    axes.set_xlim(0, 100)
    axes.set_ylim((len(classes) - 1) * step + len(values), -1)
    axes.set_xlabel("average precision, %")
    axes.legend(
        fontsize=8,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=3,
        labelcolor=INK,
    )
    _style_axes(axes)


def curves_svg(precisions: Precisions, name: str) -> str:
    """Precision-recall curves: a panel per class, a line per arm at its first seed."""
    positives = next(iter(precisions.arms.values()))[0].positives.sum(0)
    classes = np.flatnonzero(positives)[:MOST_CURVES].tolist()
    columns = min(_NUM_COLUMNS, len(classes))
    rows = -(-len(classes) // columns)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes in panels.flat[len(classes) :]:
            axes.set_visible(False)
        for axes, k in zip(panels.flat, classes, strict=False):
            _draw_curves(axes, precisions, k)
        figure.supxlabel("recall, %", fontsize=9, color=INK)
        figure.supylabel("precision, %", fontsize=9, color=INK)

    return draw_svg(name, max(2.6, 1.45 * columns), 0.45 + 1.45 * rows, draw)


def _draw_curves(axes: Axes, precisions: Precisions, k: int) -> None:
    """The curves of class `k`; arms without a true positive are listed."""
    without: list[str] = []
    for i, (arm, seeds) in enumerate(precisions.arms.items()):
        recall, precision = seeds[0].curve(k)
        if not len(recall) or recall[-1] == 0:
            without.append(arm)
        axes.plot(
            100 * recall,
            100 * precision,
            color=COLOURS[i % len(COLOURS)],
            linewidth=1.3,
            label=arm,
        )
    if without:
        is_all = len(without) == len(precisions.arms)
        words = "no true positives" if is_all else f"none: {', '.join(without)}"
        axes.text(50, 50, number_format.shorten(words, 24), fontsize=7, color=INK, ha="center")
    axes.set_title(number_format.shorten(precisions.classes[k], 22), fontsize=9, color=INK)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 102)
    _style_axes(axes)


def _style_axes(axes: Axes) -> None:
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
