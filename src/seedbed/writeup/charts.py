"""Drawings of findings: a scaling law with its confidence band, and the influence of classes.

In: findings, which hold all points, curves and intervals. Out: SVG text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.metrics import METRICS
from seedbed.verdicts.findings import Finding
from seedbed.writeup import number_format
from seedbed.writeup.svg import FONT_PT, INK, draw_svg, style_axes, use_log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE, _ORANGE = "#2b7fd4", "#d9620d"
_SIZE_NAMES = {"per_class": "images per class", "classes": "classes"}
# columns of the measured points
_SIZE_COLUMNS = {"per_class": 0, "classes": 1}
# classes shown at either end of a ranking
_NUM_AT_ENDS = 12


def finding_svg(finding: Finding, name: str) -> str:
    """Draw a finding; an empty string where there is nothing to draw."""
    if finding.kind == "scaling" and "curves" in finding.details:
        width = 3.1 * len(finding.details["curves"])
        return draw_svg(name, width, 2.9, lambda figure: _draw_scaling(finding, figure))
    if finding.kind == "influence" and "classes" in finding.details:
        num = min(2 * _NUM_AT_ENDS, len(finding.details["classes"]))
        height = 0.22 * num + 0.9
        return draw_svg(name, 5.3, height, lambda figure: _draw_influence(finding, figure))
    return ""


def _draw_scaling(finding: Finding, figure: Figure) -> None:
    """A panel per size: the measurements, the law and its band; dashed where extrapolated."""
    curves = finding.details["curves"]
    measured = np.array(finding.details["measured"])
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (over, curve) in zip(panels, curves.items(), strict=True):
        _draw_law(axes, over, np.array(curve, dtype=float), measured)
    metric = METRICS.get(str(finding.metric)).title
    panels[0].set_ylabel(f"{metric}, %", color=INK, fontsize=FONT_PT)


def _draw_law(axes: Axes, over: str, curve: np.ndarray, measured: np.ndarray) -> None:
    size, value, low, high, is_far = curve.T
    is_near = is_far == 0
    axes.fill_between(size, low, high, color=_BLUE, alpha=0.16, linewidth=0)
    axes.plot(size[is_near], value[is_near], color=_BLUE, linewidth=1.6)
    axes.plot(size[~is_near], value[~is_near], color=_BLUE, linewidth=1.2, linestyle="--")
    column = _SIZE_COLUMNS[over]
    other_sizes, accuracies = measured[:, 1 - column], measured[:, 2]
    at_largest = other_sizes >= 0.99 * other_sizes.max()
    for here, alpha in ((at_largest, 0.95), (~at_largest, 0.35)):
        axes.plot(
            measured[here, column],
            accuracies[here],
            "o",
            markersize=4.5,
            color=INK,
            alpha=alpha,
            markeredgewidth=0,
        )
    use_log_scale(axes)
    shown = measured[at_largest, column]
    axes.set_xlim(min(shown.min(), size[is_near].max()) / 1.5, size.max())
    spread = max(1.0, float(np.ptp(accuracies)))
    axes.set_ylim(
        accuracies.min() - 0.15 * spread,
        max(accuracies.max() + 0.5 * spread, value.max() + 0.1 * spread),
    )
    style_axes(axes, f"{_SIZE_NAMES[over]} (dashed: extrapolation)")


def _draw_influence(finding: Finding, figure: Figure) -> None:
    """The most helpful and the most harmful classes, each with its own interval."""
    classes: list[dict[str, Any]] = finding.details["classes"]
    if len(classes) > 2 * _NUM_AT_ENDS:
        classes = classes[:_NUM_AT_ENDS] + classes[-_NUM_AT_ENDS:]
    axes = figure.subplots()
    for y, row in enumerate(classes):
        colour = _BLUE if row["influence"] > 0 else _ORANGE
        axes.plot(row["interval"], [y, y], color=colour, linewidth=1.2)
        axes.plot(
            [row["influence"]],
            [y],
            "o",
            markersize=5,
            color=colour,
            markerfacecolor=colour if row["differs"] else "none",
        )
    axes.axvline(0, color=INK, linewidth=0.8)
    names = [number_format.shorten(row["name"].split(",")[0], 28) for row in classes]
    axes.set_yticks(range(len(classes)), names)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    style_axes(axes, "influence, points; filled: significant, corrected for the number of classes")
