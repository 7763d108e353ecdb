"""Drawings of advice: the map of size and similarity, accuracy by layer, the learning curve, the
confusion matrix.

In: advice. Out: SVG as text. Computes nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from seedbed.advice.advice import Advice
from seedbed.advice.candidate import short
from seedbed.advice.scenario import LARGE_FROM
from seedbed.readout.similarity import SIMILAR_BELOW
from seedbed.writeup import number_format
from seedbed.writeup.svg import INK, RC, as_svg

_COLOURS = ("#2b7fd4", "#d9620d", "#0b8a5e", "#8a5cd0", "#b0901a", "#c23b78", "#4a8f9c", "#777777")
_MOST_LINES = len(_COLOURS)
_MOST_CLASSES = 30
_SMALL_PT = 8.5


def drawn(name: str, width: float, height: float, draw: Callable[[Any], None]) -> str:
    """An SVG of this size in inches."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**RC, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        return as_svg(figure, name)


def map_svg(advice: Advice) -> str:
    """Where the images stand: labels across, distance up, the lecture's rule in each quarter."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        scenario = advice.scenario
        position = scenario.measured.position if scenario.measured else None
        low, high = min(20.0, scenario.num_known / 2), max(200_000.0, 2.0 * scenario.num_known)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axes.set_xlim(low, high)
        axes.set_ylim(0, max(1.2, 1.1 * (position or 0)))
        top = axes.get_ylim()[1]
        axes.axvline(LARGE_FROM, color=INK, alpha=0.5, linewidth=0.8, linestyle="--")
        axes.axhline(SIMILAR_BELOW, color=INK, alpha=0.5, linewidth=0.8, linestyle="--")
        left, right = (low * LARGE_FROM) ** 0.5, (LARGE_FROM * high) ** 0.5
        similar, different = SIMILAR_BELOW * 0.3, SIMILAR_BELOW + 0.65 * (top - SIMILAR_BELOW)
        for x, y, words in (
            (left, similar, "small, similar:\nlinear readout of the last codes"),
            (left, different, "small, different:\nlinear readout of an earlier layer"),
            (right, similar, "large, similar:\nfine-tune everything"),
            (right, different, "large, different:\nfine-tune everything"),
        ):
            axes.text(
                x, y, words, ha="center", va="center", fontsize=_SMALL_PT, color=INK, alpha=0.6
            )
        shown = SIMILAR_BELOW if position is None else position
        axes.plot(
            [scenario.num_known],
            [shown],
            "o" if position is not None else "x",
            markersize=10,
            color=_COLOURS[1],
            zorder=5,
        )
        axes.set_ylabel("distance from the network's source", color=INK, fontsize=_SMALL_PT)
        _frame(axes, "labelled images")

    return drawn("map", 6.0, 3.4, draw)


def layers_svg(advice: Advice) -> str:
    """Accuracy of a linear readout at each layer, a line per backbone."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        best: dict[str, float] = {}
        for entry in advice.entries:
            best[entry.backbone] = max(best.get(entry.backbone, 0.0), entry.accuracy)
        for colour, backbone in zip(_COLOURS, sorted(best, key=lambda b: -best[b]), strict=False):
            points = layer_points(advice, backbone)
            depth = [i / max(1, len(points) - 1) for i in range(len(points))]
            label = number_format.shortened(short(backbone), 34)
            axes.plot(
                depth,
                [v for _, v in points],
                "o-",
                color=colour,
                markersize=4.5,
                linewidth=1.4,
                label=label,
            )
            if len(best) == 1:
                axes.set_xticks(depth, [number_format.shortened(n, 14) for n, _ in points])
        axes.set_ylabel("held-out accuracy, %", color=INK, fontsize=_SMALL_PT)
        axes.legend(fontsize=8, frameon=False, labelcolor=INK)
        _frame(axes, "layer" if len(best) == 1 else "depth of the layer: 0 the first, 1 the last")

    return drawn("layers", 6.0, 3.2, draw)


def layer_points(advice: Advice, backbone: str) -> list[tuple[str, float]]:
    """Layer and accuracy of a linear readout on it, in order of depth; the first look where there
    is no other."""
    found: dict[str, float] = {}
    # a measurement on all images stands in for its first look
    for entry in sorted(advice.entries, key=lambda e: not e.is_rough):
        if entry.backbone == backbone and entry.kind == "probe":
            found[str(entry.layer)] = entry.accuracy
    return [(layer, found[layer]) for layer in advice.layers[backbone] if layer in found]


def curve_svg(advice: Advice) -> str:
    """Accuracy by number of labels, with the law through it and what lies beyond."""

    def draw(figure: Any) -> None:
        from matplotlib import ticker

        curve = advice.curve
        axes = figure.subplots()
        if curve.law:
            size, value, low, high = np.array(curve.law).T
            axes.fill_between(size, low, high, color=_COLOURS[0], alpha=0.16, linewidth=0)
            near = size <= curve.num_images[-1]
            axes.plot(size[near], value[near], color=_COLOURS[0], linewidth=1.6)
            axes.plot(size[~near], value[~near], color=_COLOURS[0], linewidth=1.2, linestyle="--")
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
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set_ylabel("held-out accuracy, %", color=INK, fontsize=_SMALL_PT)
        _frame(
            axes,
            "images learnt from (dashed: beyond what there is)"
            if curve.law
            else "images learnt from",
        )

    return drawn("curve", 6.0, 3.0, draw)


def confusion_svg(advice: Advice) -> str:
    """Share of each true class by what was said; the classes with most mistakes where there are
    many."""
    names, shares = confusion_shares(advice)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for (i, j), share in np.ndenumerate(shares):
            if share > 0:
                axes.add_patch(_square(j, i, share, i == j))
                if len(names) <= 12:
                    axes.text(j, i, f"{share:.0f}", ha="center", va="center", fontsize=8, color=INK)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylabel("true class", color=INK, fontsize=_SMALL_PT)
        _frame(axes, "what was said, % of the true class")
        axes.grid(visible=False)

    side = 1.6 + 0.34 * len(names)
    return drawn("confusion", max(3.4, side + 0.4), max(2.6, side), draw)


def _square(x: int, y: int, share: float, is_right: bool) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x - 0.48, y - 0.48),
        0.96,
        0.96,
        color=_COLOURS[0 if is_right else 1],
        alpha=0.08 + 0.008 * share,
        linewidth=0,
    )


def confusion_shares(advice: Advice) -> tuple[list[str], np.ndarray]:
    """Class names and percent of each row, of all classes or of those with most mistakes."""
    counts = advice.confusion
    kept = np.arange(len(counts))
    if len(counts) > _MOST_CLASSES:
        wrong = counts.sum(1) - np.diag(counts)
        kept = np.sort(np.argsort(-wrong, kind="stable")[:_MOST_CLASSES])
    shares = 100.0 * counts[np.ix_(kept, kept)] / np.maximum(1, counts.sum(1)[kept])[:, None]
    return [number_format.shortened(advice.classes[i], 16) for i in kept], shares


def _frame(axes: Any, label: str) -> None:
    axes.set_xlabel(label, color=INK, fontsize=_SMALL_PT)
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=_SMALL_PT, which="both")
    axes.grid(axis="both", color=INK, alpha=0.13, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(INK)
        spine.set_alpha(0.4)
