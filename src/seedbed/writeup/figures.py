"""The figure of a report: the values of each arm, and its difference from the reference.

In: family tables. Out: SVG text that follows the page's light or dark colours.

One drawing per target and method, one panel per training budget, all panels on one axis of values.
A row per arm: a small dot per seed, and the mean as a marker whose shape is the verdict. Around the
marker, the simultaneous intervals of the difference from the reference (thick 90 %, thin 95 %),
drawn at the reference's mean plus the difference. The vertical line is the reference's mean, and
the band is the margin around it. So the verdict can be read from the figure: thick line inside the
band: equivalent; else thin line clear of the vertical line: worse or better. Below the dashed line
are arms that are compared with another arm than the reference, for example with a control: each has
its own line and band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedbed.metrics import METRICS
from seedbed.verdicts.answer import Answer
from seedbed.writeup import number_format
from seedbed.writeup.svg import FONT_PT, INK, draw_svg
from seedbed.writeup.tables import FamilyTable, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = {
    "worse": "#d9620d",
    "better": "#2b7fd4",
    "equivalent": "#12946b",
    "undecided": "#8a8a8a",
    "reference": INK,
}
_MARKERS = {"worse": "v", "better": "^", "equivalent": "s", "undecided": "o", "reference": "D"}
_WIDTH_IN, _RIGHT_IN, _ROW_IN, _SMALL_PT = 5.3, 1.0, 0.42, 8
_TOP_IN, _PANEL_TITLE_IN, _BOTTOM_IN = 0.34, 0.3, 0.5


@dataclass(frozen=True)
class _Limits:
    """The range of values that a drawing shows."""

    low: float
    high: float


def differences_svg(tables: Sequence[FamilyTable], name: str) -> str:
    """Draw one target and method.

    Args:
        tables: its families, one per training budget.
        name: prefix of the ids in the SVG, unique on the page.
    """
    heights = [_num_rows(table) * _ROW_IN + _PANEL_TITLE_IN for table in tables]
    height = _TOP_IN + sum(heights) + _BOTTOM_IN

    def draw(figure: Figure) -> None:
        title = number_format.shorten(tables[0].title, 58)
        figure.text(
            0.01, 1 - 0.2 / height, title, weight="bold", va="center", parse_math=False, color=INK
        )
        _draw_panels(figure, tables, heights)

    return draw_svg(name, _WIDTH_IN, height, draw, layout=None)


def _draw_panels(figure: Figure, tables: Sequence[FamilyTable], heights: Sequence[float]) -> None:
    limits, left = _value_limits(tables), _left_in(tables)
    width, height = figure.get_size_inches()
    top = height - _TOP_IN
    for table, panel_height in zip(tables, heights, strict=True):
        box = (
            left / width,
            (top - panel_height) / height,
            (width - left - _RIGHT_IN) / width,
            (panel_height - _PANEL_TITLE_IN) / height,
        )
        axes = figure.add_axes(box)
        _draw_panel(axes, table, limits, is_last=table is tables[-1])
        top -= panel_height


def _num_rows(table: FamilyTable) -> int:
    return len(table.rows) + len(table.others)


def _left_in(tables: Sequence[FamilyTable]) -> float:
    """The width of the longest name; longer names are shortened."""
    longest = max(
        len(name)
        for t in tables
        for name in (*(r.arm for r in t.rows), *(f"vs {a.reference}" for a in t.others))
    )
    return min(max(1.1, 0.1 * longest + 0.15), 1.75)


def _value_limits(tables: Sequence[FamilyTable]) -> _Limits:
    """The range of all values and margins, widened by intervals.

    An interval widens the range by at most a half on either side; beyond, it is cut with an arrow.
    """
    values = [v for table in tables for row in table.rows for v in row.values]
    values += [
        mean + side * t.margin
        for t in tables
        if (mean := t.reference.mean) is not None
        for side in (-1, 1)
    ]
    ends = [
        end
        for t in tables
        for answer in (*(row.answer for row in t.rows if row.answer), *t.others)
        for end in _ends_on_axis(t, answer, answer.interval) or ()
    ]
    low, high = min(values), max(values)
    reach = 0.5 * (high - low)
    low, high = (
        min([low, *(max(e, low - reach) for e in ends)]),
        max([high, *(min(e, high + reach) for e in ends)]),
    )
    edge = 0.04 * (high - low)
    return _Limits(low - edge, high + edge)


def _ends_on_axis(
    table: FamilyTable, answer: Answer, ends: tuple[float, float] | None
) -> tuple[float, float] | None:
    """The ends of a difference's interval as values on the axis."""
    if ends is None or _mean_of(table, answer.reference) is None:
        return None
    low, high = sorted(_value_on_axis(table, answer, end) for end in ends)
    return low, high


def _value_on_axis(table: FamilyTable, answer: Answer, difference: float) -> float:
    """The reference's mean plus a difference; minus, where lower is better."""
    sign = 1.0 if table.higher_is_better else -1.0
    return (_mean_of(table, answer.reference) or 0.0) + sign * difference


def _draw_panel(axes: Axes, table: FamilyTable, limits: _Limits, *, is_last: bool) -> None:
    mean, num_rows = table.reference.mean, len(table.rows)
    assert mean is not None, "a family has an outcome of the reference"
    _style_axes(axes, limits, _num_rows(table), is_last)
    axes.set_title(table.budget, loc="left", fontsize=FONT_PT, pad=4, color=INK, alpha=0.75)
    _draw_reference(axes, table, mean, (-0.55, num_rows - (0.5 if table.others else 0.45)))
    for y, row in enumerate(table.rows):
        _label_row(axes, table, row, y)
        _draw_row(axes, table, row, y, limits)
    if table.others:
        axes.axhline(num_rows - 0.5, color=INK, alpha=0.6, linewidth=0.9, linestyle="--")
    for y, answer in enumerate(table.others, num_rows):
        _draw_other_comparison(axes, table, answer, y, limits)
    if is_last:
        unit = "%" if table.unit == "percent" else "score"
        label = f"{METRICS.get(table.metric).title}, {unit}"
        axes.set_xlabel(label, color=INK, fontsize=FONT_PT, labelpad=3)


def _style_axes(axes: Axes, limits: _Limits, num_rows: int, is_last: bool) -> None:
    axes.set_xlim(limits.low, limits.high)
    axes.set_ylim(num_rows - 0.45, -0.55)
    axes.set_yticks([])
    axes.set_facecolor("none")
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(
        axis="x", colors=INK, length=3 if is_last else 0, labelbottom=is_last, labelsize=FONT_PT
    )
    axes.grid(axis="x", color=INK, alpha=0.13, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
        spine.set_alpha(0.4)


def _label_row(axes: Axes, table: FamilyTable, row: Row, y: int) -> None:
    """The arm and its images at the left, the difference and the verdict at the right."""
    _label_left(axes, row.arm, _images_in_words(row), y)
    if row.answer:
        difference = number_format.signed_number(row.answer.difference, table.decimals)
        _label_right(axes, difference, row.verdict, y)
    else:
        words = number_format.shorten(row.verdict, 14)
        axes.text(1.04, y, words, **_text_style(axes), ha="left", fontsize=_SMALL_PT, alpha=0.7)


def _label_left(axes: Axes, name: str, words: str, y: int) -> None:
    axes.text(-0.04, y - 0.16, number_format.shorten(name, 18), **_text_style(axes), ha="right")
    axes.text(
        -0.04,
        y + 0.24,
        number_format.shorten(words, 22),
        **_text_style(axes),
        ha="right",
        fontsize=_SMALL_PT,
        alpha=0.7,
    )


def _label_right(axes: Axes, difference: str, verdict: str, y: int) -> None:
    axes.text(1.04, y - 0.16, difference, **_text_style(axes), ha="left")
    axes.text(
        1.04,
        y + 0.24,
        number_format.shorten(verdict, 14),
        **_text_style(axes),
        ha="left",
        fontsize=_SMALL_PT,
        alpha=0.85,
    )


def _text_style(axes: Axes) -> dict[str, Any]:
    return {
        "transform": axes.get_yaxis_transform(),
        "va": "center",
        "color": INK,
        "parse_math": False,
    }


def _images_in_words(row: Row) -> str:
    if row.is_checkpoint:
        return "existing weights"
    if row.num_images is None:
        return ""
    return number_format.count(row.num_images, "image") if row.num_images else "no pre-training"


def _draw_row(axes: Axes, table: FamilyTable, row: Row, y: int, limits: _Limits) -> None:
    if row.answer:
        _draw_intervals(axes, table, row.answer, y, limits)
    axes.plot(
        row.values,
        [y + 0.26] * len(row.values),
        "o",
        markersize=3,
        color=INK,
        alpha=0.55,
        markeredgewidth=0,
        clip_on=False,
    )
    if row.mean is not None:
        _draw_marker(axes, row.mean, y, row.verdict)


def _draw_other_comparison(
    axes: Axes, table: FamilyTable, answer: Answer, y: int, limits: _Limits
) -> None:
    """A comparison with another arm than the reference, with a line and a band at its mean."""
    _label_left(axes, answer.arm, f"vs {answer.reference}", y)
    _label_right(
        axes, number_format.signed_number(answer.difference, table.decimals), answer.verdict, y
    )
    mean = _mean_of(table, answer.reference)
    if mean is None:
        return
    _draw_reference(axes, table, mean, (y - 0.42, y + 0.42))
    _draw_intervals(axes, table, answer, y, limits)
    _draw_marker(axes, _value_on_axis(table, answer, answer.difference), y, answer.verdict)


def _draw_reference(
    axes: Axes, table: FamilyTable, mean: float, between: tuple[float, float]
) -> None:
    """The reference's mean as a line, and the margin around it as a band."""
    axes.fill_betweenx(
        between, mean - table.margin, mean + table.margin, color="#808080", alpha=0.22, linewidth=0
    )
    axes.plot([mean, mean], between, color=INK, linewidth=0.9)


def _mean_of(table: FamilyTable, arm: str) -> float | None:
    return next((row.mean for row in table.rows if row.arm == arm), None)


def _draw_marker(axes: Axes, value: float, y: int, verdict: str) -> None:
    colour = _COLOURS.get(verdict, "#8a8a8a")
    face = "none" if verdict in ("undecided", "not compared") else colour
    marker = _MARKERS.get(verdict, "x")
    axes.plot(
        [value],
        [y],
        marker,
        markersize=7,
        color=colour,
        markerfacecolor=face,
        markeredgewidth=1.5,
        clip_on=False,
    )


def _draw_intervals(
    axes: Axes, table: FamilyTable, answer: Answer, y: int, limits: _Limits
) -> None:
    for ends, thickness in ((answer.interval, 1.2), (answer.interval_90, 3.4)):
        _draw_interval(
            axes,
            _ends_on_axis(table, answer, ends),
            y,
            _COLOURS.get(answer.verdict, "#8a8a8a"),
            thickness,
            limits,
        )


def _draw_interval(
    axes: Axes,
    ends: tuple[float, float] | None,
    y: int,
    colour: str,
    thickness: float,
    limits: _Limits,
) -> None:
    if ends is None:
        return
    low, high = max(ends[0], limits.low), min(ends[1], limits.high)
    if low < high:
        axes.plot([low, high], [y, y], color=colour, linewidth=thickness, solid_capstyle="butt")
    for is_cut, limit, marker in (
        (ends[0] < limits.low, limits.low, "<"),
        (ends[1] > limits.high, limits.high, ">"),
    ):
        if is_cut:
            axes.plot([limit], [y], marker, markersize=4, color=colour, clip_on=False)
