"""Tables, sentences and the summary of a study for a terminal.

In: results, answers, findings. Out: text for a rich console, readable without colour and at 80
columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.findings import Finding
from seedbed.writeup import number_format
from seedbed.writeup.findings_summary import summarise_findings
from seedbed.writeup.summary import summarise
from seedbed.writeup.tables import SYMBOLS, FamilyTable, Row, family_tables, progress_sentence

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

_STYLES = {"worse": "red", "better": "blue", "equivalent": "green", "undecided": "yellow"}


def terminal_summary(
    results: Results, answers: Sequence[Answer], findings: Sequence[Finding] = ()
) -> Group:
    """A table of differences per family with its sentences, then findings and the summary."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    parts: list[RenderableType] = []
    tables = family_tables(results, answers)
    for table in tables:
        parts.append(_terminal_table(table))
        parts += [Padding(_sentence(answer), (0, 0, 0, 2)) for answer in table.answers]
        parts += [Padding(Text(text), (0, 0, 0, 2)) for text in (table.note, table.warning) if text]
        parts.append(Text())
    parts += [
        Padding(Text(f"• {entry.sentence}"), (0, 0, 0, 2)) for entry in summarise_findings(findings)
    ]
    parts += _summary(tables, findings)
    if progress := progress_sentence(results):
        parts.append(Text(progress, style="bold"))
    return Group(*parts)


def _summary(tables: Sequence[FamilyTable], findings: Sequence[Finding]) -> list[RenderableType]:
    """The summary, printed last, because the end of the output is what a user sees."""
    from rich.padding import Padding
    from rich.text import Text

    entries = summarise(tables, findings)
    parts: list[RenderableType] = [Text(), Text("Summary", style="bold")] if entries else []
    for entry in entries:
        parts.append(Padding(Text(entry.title), (0, 0, 0, 2)))
        parts += [
            Padding(
                Text(f"{SYMBOLS[verdict]} {verdict}: {words}", style=_STYLES[verdict]), (0, 0, 0, 4)
            )
            for verdict, words in entry.verdicts
        ]
    return parts


def _sentence(answer: Answer) -> Text:
    from rich.text import Text

    return Text(f"{SYMBOLS[answer.verdict]} {answer.short_sentence}")


def _terminal_table(table: FamilyTable) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{table.title}, {table.budget}")
    console_table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    console_table.add_column("arm", overflow="fold", min_width=12, max_width=24)
    for name in ("images", "mean", "sd", "n", "diff.", "95 % interval"):
        console_table.add_column(name, justify="right", no_wrap=True)
    console_table.add_column("verdict", no_wrap=True)
    for row in table.rows:
        verdict = f"{row.symbol} {number_format.shorten(row.verdict, 14)}"
        console_table.add_row(
            Text(row.arm),
            *map(Text, _numbers(row, table.decimals)),
            Text(verdict, style=_STYLES.get(row.verdict, "")),
        )
    for answer in table.others:
        cells = (
            f"{answer.arm} vs {answer.reference}",
            *("", "", "", ""),
            number_format.signed_number(answer.difference, table.decimals),
            number_format.interval(answer.interval, table.decimals),
        )
        console_table.add_row(
            *map(Text, cells),
            Text(
                f"{SYMBOLS[answer.verdict]} {answer.verdict}", style=_STYLES.get(answer.verdict, "")
            ),
        )
    return console_table


def _numbers(row: Row, decimals: int) -> tuple[str, ...]:
    answer = row.answer
    return (
        number_format.number(row.num_images, 0),
        number_format.number(row.mean, decimals),
        number_format.number(row.sd, decimals),
        str(len(row.values)),
        number_format.signed_number(answer.difference if answer else None, decimals),
        number_format.interval(answer.interval if answer else None, decimals),
    )
