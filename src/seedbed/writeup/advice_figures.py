"""Drawings of an advice: scenario map, accuracy by layer, learning curve, confusion matrix.

In: an advice, which holds all values. Out: SVG text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.advice.advice import Advice
from seedbed.advice.candidate import short_name
from seedbed.advice.scenario import LARGE_FROM
from seedbed.readout.similarity import SIMILAR_BELOW
from seedbed.writeup import number_format
from seedbed.writeup.svg import FONT_PT, INK, draw_svg, style_axes, use_log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# one per line: further backbones are not drawn
_COLOURS = ("#2b7fd4", "#d9620d", "#0b8a5e", "#8a5cd0", "#b0901a", "#c23b78", "#4a8f9c", "#777777")
_MAX_CLASSES = 30
_Y_LABEL = "held-out accuracy, %"


def map_svg(advice: Advice) -> str:
    """The scenario: number of labels across, distance upwards, the rule in each quarter."""
    return draw_svg("map", 6.0, 3.4, lambda figure: _draw_map(advice, figure.subplots()))


def _draw_map(advice: Advice, axes: Axes) -> None:
    scenario = advice.scenario
    position = scenario.measured.position if scenario.measured else None
    num = scenario.num_labelled
    low, high = min(20.0, num / 2), max(200_000.0, 2.0 * num)
    top = max(1.2, 1.1 * (position or 0))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    axes.axvline(LARGE_FROM, color=INK, alpha=0.5, linewidth=0.8, linestyle="--")
    axes.axhline(SIMILAR_BELOW, color=INK, alpha=0.5, linewidth=0.8, linestyle="--")
    left, right = (low * LARGE_FROM) ** 0.5, (LARGE_FROM * high) ** 0.5
    similar, different = SIMILAR_BELOW * 0.3, SIMILAR_BELOW + 0.65 * (top - SIMILAR_BELOW)
    for x, y, words in (
        (left, similar, "small, similar:\nlinear classifier on the penultimate layer"),
        (left, different, "small, different:\nlinear classifier on an earlier layer"),
        (right, similar, "large, similar:\nfine-tune the whole network"),
        (right, different, "large, different:\nfine-tune the whole network"),
    ):
        axes.text(x, y, words, ha="center", va="center", fontsize=FONT_PT, color=INK, alpha=0.6)
    axes.plot(
        [num],
        [SIMILAR_BELOW if position is None else position],
        "o" if position is not None else "x",
        markersize=10,
        color=_COLOURS[1],
        zorder=5,
    )
    axes.set_ylabel("distance from the pre-training images", color=INK, fontsize=FONT_PT)
    style_axes(axes, "labelled images")


def layers_svg(advice: Advice) -> str:
    """Accuracy of a linear probe of each layer, a line per backbone."""
    return draw_svg("layers", 6.0, 3.2, lambda figure: _draw_layers(advice, figure.subplots()))


def _draw_layers(advice: Advice, axes: Axes) -> None:
    best: dict[str, float] = {}
    for candidate in advice.candidates:
        best[candidate.backbone] = max(best.get(candidate.backbone, 0.0), candidate.accuracy)
    for colour, backbone in zip(_COLOURS, sorted(best, key=lambda b: -best[b]), strict=False):
        points = layer_points(advice, backbone)
        depth = [i / max(1, len(points) - 1) for i in range(len(points))]
        axes.plot(
            depth,
            [v for _, v in points],
            "o-",
            color=colour,
            markersize=4.5,
            linewidth=1.4,
            label=number_format.shorten(short_name(backbone), 34),
        )
        if len(best) == 1:
            axes.set_xticks(depth, [number_format.shorten(n, 14) for n, _ in points])
    axes.set_ylabel(_Y_LABEL, color=INK, fontsize=FONT_PT)
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)
    style_axes(axes, "layer" if len(best) == 1 else "depth of the layer (0: first, 1: last)")


def layer_points(advice: Advice, backbone: str) -> list[tuple[str, float]]:
    """Layer and accuracy of its linear probe, in order of depth.

    A measurement on all images replaces the preliminary one.
    """
    accuracies: dict[str, float] = {}
    for candidate in sorted(advice.candidates, key=lambda c: not c.is_preliminary):
        if candidate.backbone == backbone and candidate.kind == "probe":
            accuracies[str(candidate.layer)] = candidate.accuracy
    return [(layer, accuracies[layer]) for layer in advice.layers[backbone] if layer in accuracies]


def curve_svg(advice: Advice) -> str:
    """The learning curve with the fitted law and its extrapolation."""
    return draw_svg("curve", 6.0, 3.0, lambda figure: _draw_curve(advice, figure.subplots()))


def _draw_curve(advice: Advice, axes: Axes) -> None:
    curve = advice.curve
    if curve.law:
        size, value, low, high = np.array(curve.law).T
        axes.fill_between(size, low, high, color=_COLOURS[0], alpha=0.16, linewidth=0)
        is_near = size <= curve.num_images[-1]
        axes.plot(size[is_near], value[is_near], color=_COLOURS[0], linewidth=1.6)
        axes.plot(size[~is_near], value[~is_near], color=_COLOURS[0], linewidth=1.2, linestyle="--")
    for num, values in zip(curve.num_images, curve.accuracies, strict=True):
        axes.plot(
            [num] * len(values),
            values,
            "o",
            markersize=4.5,
            color=INK,
            alpha=0.7,
            markeredgewidth=0,
        )
    use_log_scale(axes)
    axes.set_ylabel(_Y_LABEL, color=INK, fontsize=FONT_PT)
    style_axes(axes, f"training images{' (dashed: extrapolation)' if curve.law else ''}")


def confusion_svg(advice: Advice) -> str:
    """The confusion matrix in percent of each true class."""
    names, shares = confusion_shares(advice)
    side = 1.6 + 0.34 * len(names)

    def draw(figure: Figure) -> None:
        _draw_confusion(figure.subplots(), names, shares)

    return draw_svg("confusion", max(3.4, side + 0.4), max(2.6, side), draw)


def _draw_confusion(axes: Axes, names: list[str], shares: np.ndarray) -> None:
    for (i, j), share in np.ndenumerate(shares):
        if share > 0:
            axes.add_patch(_square(j, i, share, i == j))
            if len(names) <= 12:
                axes.text(j, i, f"{share:.0f}", ha="center", va="center", fontsize=8, color=INK)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylabel("true class", color=INK, fontsize=FONT_PT)
    style_axes(axes, "predicted class, % of the true class")
    axes.grid(visible=False)


def _square(x: int, y: int, share: float, is_correct: bool) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x - 0.48, y - 0.48),
        0.96,
        0.96,
        color=_COLOURS[0 if is_correct else 1],
        alpha=0.08 + 0.008 * share,
        linewidth=0,
    )


def confusion_shares(advice: Advice) -> tuple[list[str], np.ndarray]:
    """Class names and percent of each true class; with many classes, those with most mistakes."""
    counts = advice.confusion
    classes = np.arange(len(counts))
    if len(counts) > _MAX_CLASSES:
        num_wrong = counts.sum(1) - np.diag(counts)
        classes = np.sort(np.argsort(-num_wrong, kind="stable")[:_MAX_CLASSES])
    totals = np.maximum(1, counts.sum(1)[classes])[:, None]
    shares = 100.0 * counts[np.ix_(classes, classes)] / totals
    return [number_format.shorten(advice.classes[i], 16) for i in classes], shares
