"""SVG text of matplotlib drawings, styled for an HTML page.

In: a function that draws on a matplotlib figure in INK. Out: SVG text without prologue, with unique
ids, in the page's text colour and fonts, and at most as wide as its column.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Replaced by currentColor.
INK = "#010203"
FONT_PT = 8.5
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.unicode_minus": False,
    "text.parse_math": False,
}


def draw_svg(
    name: str,
    width_in: float,
    height_in: float,
    draw: Callable[[Figure], None],
    *,
    layout: Any = "constrained",
) -> str:
    """Draw on a new figure and return it as SVG text.

    Args:
        name: prefix of the ids in the SVG, unique on the page.
        width_in: in inches.
        height_in: in inches.
        draw: draws on the figure.
        layout: matplotlib's layout engine; None where `draw` places its axes itself.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # These settings exist as global parameters only; the context restores them.
    with mpl.rc_context({**_RC, "svg.hashsalt": name}), warnings.catch_warnings():
        # Names may be in any script: text stays text, and the reader's fonts show it.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width_in, height_in), layout=layout)
        draw(figure)
        return _svg_text(figure, name)


def style_axes(axes: Axes, label: str) -> None:
    """Style axes in INK, with a grid, without upper and right border, and label the x axis."""
    axes.set_xlabel(label, color=INK, fontsize=FONT_PT)
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=FONT_PT, which="both")
    axes.grid(axis="both", color=INK, alpha=0.13, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("bottom", "left"))
        spine.set_color(INK)
        spine.set_alpha(0.4)


def use_log_scale(axes: Axes) -> None:
    """A logarithmic x axis with ticks at 1, 2, 5, 10, ... written as whole numbers."""
    from matplotlib import ticker

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())


def _svg_text(figure: Figure, name: str) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", facecolor="none", metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|href="#)', lambda match: f"{match[1]}{name}-", svg)
    svg = re.sub(r"'?DejaVu Sans'?", "system-ui, sans-serif", svg)
    svg = re.sub(
        r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"',
        r'\1 width="100%" style="max-width: \2pt"',
        svg,
        count=1,
    )
    return svg.replace(INK, "currentColor").strip() + "\n"
