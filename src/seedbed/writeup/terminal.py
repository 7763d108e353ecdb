"""Tables, sentences and the short answer for a terminal.

In: results, answers, findings. Out: what a rich console prints; it reads without colour and at 80
columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.findings import Finding
from seedbed.writeup import number_format
from seedbed.writeup.findings_summary import digest
from seedbed.writeup.summary import in_short
from seedbed.writeup.tables import SYMBOLS, FamilyTable, Row, family_tables, state_words

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES = {"worse": "red", "better": "blue", "equivalent": "green", "undecided": "yellow"}


def terminal_summary(
    results: Results, answers: Sequence[Answer], findings: Sequence[Finding] = ()
) -> Group:
    """A table of differences per family with its sentences under it, for a rich console; reads
    without colour and at 80 columns."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    tables = family_tables(results, answers)
    for table in tables:
        parts.append(_terminal_table(table))
        parts += [Padding(_sentence(found), (0, 0, 0, 2)) for found in table.answers]
        parts += [
            Padding(Text(words), (0, 0, 0, 2)) for words in (table.note, table.remark) if words
        ]
        parts.append(Text())
    parts += [Padding(Text(f"• {entry.sentence}"), (0, 0, 0, 2)) for entry in digest(findings)]
    parts += _in_short(tables, findings)
    if results.num_left or results.num_failed:
        parts.append(Text(state_words(results), style="bold"))
    return Group(*parts)


def _in_short(tables: Sequence[FamilyTable], findings: Sequence[Finding]) -> list[RenderableType]:
    """The last that is printed, as it is what one sees first."""
    from rich.padding import Padding
    from rich.text import Text

    briefs = in_short(tables, findings)
    parts: list[RenderableType] = [Text(), Text("In short", style="bold")] if briefs else []
    for brief in briefs:
        parts.append(Padding(Text(brief.title), (0, 0, 0, 2)))
        parts += [
            Padding(
                Text(f"{SYMBOLS[verdict]} {verdict}: {words}", style=_STYLES[verdict]), (0, 0, 0, 4)
            )
            for verdict, words in brief.verdicts
        ]
    return parts


def _sentence(answer: Answer) -> Text:
    from rich.text import Text

    return Text(f"{SYMBOLS[answer.verdict]} {answer.finding}")


def _terminal_table(table: FamilyTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{table.title}, {table.budget}")
    shown = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("arm", overflow="fold", min_width=12, max_width=24)
    for name in ("images", "mean", "sd", "n", "diff.", "95 % interval"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    for row in table.rows:
        cells = [Text(row.arm), *map(Text, _numbers(row, table.decimals))]
        shown.add_row(
            *cells,
            Text(
                f"{row.symbol} {number_format.shortened(row.verdict, 14)}",
                style=_STYLES.get(row.verdict, ""),
            ),
        )
    for answer in table.others:
        difference = (
            number_format.signed(answer.difference, table.decimals),
            number_format.interval(answer.interval, table.decimals),
        )
        cells = [
            Text(t) for t in (f"{answer.arm} vs {answer.reference}", "", "", "", "", *difference)
        ]
        shown.add_row(
            *cells,
            Text(
                f"{SYMBOLS[answer.verdict]} {answer.verdict}", style=_STYLES.get(answer.verdict, "")
            ),
        )
    return shown


def _numbers(row: Row, places: int) -> tuple[str, ...]:
    answer = row.answer
    return (
        number_format.plain(row.num_images, 0),
        number_format.plain(row.mean, places),
        number_format.plain(row.sd, places),
        str(len(row.values)),
        number_format.signed(answer.difference if answer else None, places),
        number_format.interval(answer.interval if answer else None, places),
    )
