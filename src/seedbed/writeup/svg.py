"""Drawings as text: what every drawing of a report shares.

In: a matplotlib figure drawn in INK. Out: SVG that follows its page: no prologue, ids of its own,
the page's ink and fonts, the column's width.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#010203"  # replaced by currentColor
RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.unicode_minus": False,
    "text.parse_math": False,
}


def as_svg(figure: Figure, name: str) -> str:
    """The figure's SVG; `name` makes its ids this drawing's own, where several stand on one
    page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", facecolor="none", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|href="#)', lambda found: f"{found[1]}{name}-", svg)
    svg = re.sub(r"'?DejaVu Sans'?", "system-ui, sans-serif", svg)
    svg = re.sub(
        r'(<svg[^>]*?) width="([\d.]+)pt" height="[\d.]+pt"',
        r'\1 width="100%" style="max-width: \2pt"',
        svg,
        count=1,
    )
    return svg.replace(INK, "currentColor").strip() + "\n"
