"""Drawings of findings: a scaling law with its band, and the influence of classes.

In: findings. Out: SVG as text. Computes nothing: points, curves and intervals are the findings'
own.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.metrics import METRICS
from seedbed.verdicts.findings import Finding
from seedbed.writeup import number_format
from seedbed.writeup.svg import INK, RC, as_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREY = "#2b7fd4", "#d9620d", "#8a8a8a"
_WORDS = {"per_class": "images per class", "classes": "classes"}
_SHOWN = 12  # classes on either end


def finding_svg(finding: Finding, name: str) -> str:
    """The drawing of a finding, or nothing where its sentence is all there is."""
    if finding.kind == "scaling" and "curves" in finding.details:
        return _drawn(finding, name, 3.1 * len(finding.details["curves"]), 2.9, _scaling)
    if finding.kind == "influence" and "classes" in finding.details:
        num = min(2 * _SHOWN, len(finding.details["classes"]))
        return _drawn(finding, name, 5.3, 0.22 * num + 0.9, _influence)
    return ""


def _drawn(finding: Finding, name: str, width: float, height: float, draw: Any) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**RC, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(finding, figure)
        return as_svg(figure, name)


def _scaling(finding: Finding, figure: Any) -> None:
    """A panel per size: what was measured, the law, its band; dashed where it is an
    extrapolation."""
    from matplotlib import ticker

    curves = finding.details["curves"]
    measured = np.array(finding.details["measured"])
    columns = {"per_class": 0, "classes": 1}
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (over, curve) in zip(panels, curves.items(), strict=True):
        size, value, low, high, far = np.array(curve, dtype=float).T
        near = far == 0
        axes.fill_between(size, low, high, color=_BLUE, alpha=0.16, linewidth=0)
        axes.plot(size[near], value[near], color=_BLUE, linewidth=1.6)
        axes.plot(size[~near], value[~near], color=_BLUE, linewidth=1.2, linestyle="--")
        others = measured[:, 1 - columns[over]]
        at_largest = others >= 0.99 * others.max()
        for here, alpha in ((at_largest, 0.95), (~at_largest, 0.35)):
            axes.plot(
                measured[here, columns[over]],
                measured[here, 2],
                "o",
                markersize=4.5,
                color=INK,
                alpha=alpha,
                markeredgewidth=0,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        shown = measured[at_largest, columns[over]]
        axes.set_xlim(min(shown.min(), size[near].max()) / 1.5, size.max())
        spread = max(1.0, float(np.ptp(measured[:, 2])))
        axes.set_ylim(
            measured[:, 2].min() - 0.15 * spread,
            max(measured[:, 2].max() + 0.5 * spread, value.max() + 0.1 * spread),
        )
        _frame(axes, f"{_WORDS[over]} (dashed: extrapolation)")
    panels[0].set_ylabel(f"{METRICS.get(str(finding.metric)).title}, %", color=INK, fontsize=8.5)


def _influence(finding: Finding, figure: Any) -> None:
    """The most helpful and the most harmful classes, with the interval of each by itself."""
    classes = finding.details["classes"]
    rows = classes if len(classes) <= 2 * _SHOWN else classes[:_SHOWN] + classes[-_SHOWN:]
    axes = figure.subplots()
    for y, row in enumerate(rows):
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
    axes.set_yticks(
        range(len(rows)), [number_format.shortened(row["name"].split(",")[0], 28) for row in rows]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    _frame(axes, "influence, points; filled: differs from 0 when all classes are judged together")


def _frame(axes: Axes, label: str) -> None:
    axes.set_xlabel(label, color=INK, fontsize=8.5)
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=8.5, which="both")
    axes.grid(axis="both", color=INK, alpha=0.13, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(INK)
        spine.set_alpha(0.4)
