"""Output of the verbs: lines for people on stdout, a progress bar on stderr.

In: parsed options and facts. Out: text; nothing on stdout with --json.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Result = tuple[Any, int]


def say(options: Namespace, *lines: str) -> None:
    """Print lines to stdout; nothing with --json."""
    if lines and not options.json:
        print(*lines, sep="\n")


# Facts for programs, which --json prints and people are not shown.
_FOR_JSON = frozenset(
    {
        "c_at_edge",
        "compiled",
        "early_stopping",
        "learning_rate_at_edge",
        "loading",
        "micro_batch_size",
        "precision",
        "resumed_at",
    }
)


def show_facts(options: Namespace, document: dict[str, Any]) -> None:
    """One line for each fact; None, and facts for programs, are left out."""
    for key, value in document.items():
        if value is not None and key not in _FOR_JSON:
            say(options, f"{key.replace('_', ' ')}: {_format(value)}")


def _format(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_format(v)}" for k, v in value.items())
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def show_rows(options: Namespace, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table in columns: words to the left, numbers to the right; what there is none of is
    empty."""
    say(options, title)
    if not rows:
        return
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    is_number = [
        all(
            isinstance(row[name], int | float | None) and not isinstance(row[name], bool)
            for row in rows
        )
        for name in names
    ]
    for row in ([name.replace("_", " ") for name in names], *cells):
        shown = (
            t.rjust(w) if right else t.ljust(w)
            for t, w, right in zip(row, widths, is_number, strict=True)
        )
        say(options, f"  {'  '.join(shown)}".rstrip())


def show_list(options: Namespace, title: str, lines: Sequence[str], most: int = 10) -> None:
    """A count, and the first lines."""
    say(options, f"{title}: {len(lines)}", *(f"  {line}" for line in lines[:most]))
    if len(lines) > most:
        say(options, f"  ... and {len(lines) - most} more (--json lists all)")


def splits_line(splits: Mapping[str, int], card: Mapping[str, Any]) -> str:
    """The sizes of the splits, and how derived ones were made, by the store's card."""
    sizes = ", ".join(f"{name} {size:,}" for name, size in splits.items())
    return f"splits: {sizes}" + "".join(
        f" ({name}: {how})" for name, how in card["derived_splits"].items()
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " x ".join(map(str, value)) if isinstance(value, list | tuple) else _format(value)


_FIRST_LINE_S, _LINE_EVERY_S = 10.0, 30.0


class Bar:
    """One progress bar on stderr; where that is no terminal, a line after ten seconds and then
    every half minute."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(file=sys.stderr)
        self._bars = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._row = self._bars.add_task(what, total=None)
        self._is_shown, self._what = console.is_terminal, what
        self._next_line = time.monotonic() + _FIRST_LINE_S
        self._has_resumed = False

    def __enter__(self) -> Bar:
        from seedbed.data.downloads import showing_downloads

        self._bars.start()
        self._downloads = showing_downloads(self.named("downloading, MB"))
        self._downloads.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._downloads.__exit__(None, None, None)
        self._bars.stop()

    def named(self, what: str) -> Callable[[int, int], None]:
        """The same bar under another name, for work that comes before."""

        def update(done: int, total: int) -> None:
            self._rename(what)
            self(done, total)

        return update

    def message(self, sentence: str) -> None:
        """Print a sentence to stderr, above the bar."""
        self._bars.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def _rename(self, what: str) -> None:
        if what != self._what:
            self._what = what
            self._bars.update(self._row, description=what)

    def __call__(self, done: int, total: int) -> None:
        self._bars.update(self._row, completed=done, total=total)
        self._write_line(f"{done:,} of {total:,}")

    def training(self, progress: Any) -> None:
        """Show the progress of a training; a training that resumes is announced once."""
        from seedbed.base.clock import clock

        self._rename("training")
        if progress.resumed_at and not self._has_resumed:
            self._has_resumed = True
            self.message(f"resumed an interrupted training at {progress.resumed_at:,} images")
        facts = f"{progress.images_per_s:,.0f} images/s, loss {progress.loss:.2f}"
        facts += "" if progress.accuracy is None else f", accuracy {progress.accuracy:.0f} %"
        facts += f", {clock(progress.seconds_left)} left"
        self._bars.update(
            self._row,
            completed=progress.images_done,
            total=progress.images_total,
            description=facts,
        )
        self._write_line(f"{progress.images_done:,} of {progress.images_total:,} images, {facts}")

    def _write_line(self, words: str) -> None:
        if self._is_shown or time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + _LINE_EVERY_S
        print(f"{self._what}: {words}", file=sys.stderr, flush=True)
