"""Progress of a study, on stderr, for the eye alone: what runs, how far, images/s, loss, accuracy,
time left.

In: events of an executor. Out: one bar over all steps and one line per running step; nothing when
stderr is not a terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from seedbed.base.clock import clock
from seedbed.data.downloads import showing_downloads
from seedbed.trials.executors import Event
from seedbed.trials.plan import Plan

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# what a step costs beside its training (codes, readout), in images trained on: for the bar and the
# time left
_STEP_IMAGES = 30_000


class StudyProgress:
    """A context manager; give `plan`, `hear` and `packing` to `run_study`."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(file=sys.stderr)
        self._bars: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[facts]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._rows: dict[str, TaskID] = {}
        self._all: TaskID | None = None
        self._done = self._total = 0.0
        self._resumed: set[str] = set()
        self._running: dict[str, tuple[float, float]] = {}  # key -> (images done, images/s)
        self._started = time.monotonic()
        self._steps = self._steps_left = 0

    def __enter__(self) -> StudyProgress:
        self._bars.start()
        self._downloads = showing_downloads(self._counting("downloading", "MB"))
        self._downloads.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._downloads.__exit__(None, None, None)
        self._bars.stop()

    def packing(self, name: str) -> Callable[[int, int], None]:
        """A callback of (images done, images in all) while a data set is packed."""
        return self._counting(f"packing {name}", "images")

    def _counting(self, label: str, unit: str) -> Callable[[int, int], None]:
        rows: list[TaskID] = []  # made when there is something to count

        def tell(done: int, total: int) -> None:
            if not rows:
                rows.append(self._bars.add_task(label, total=total, facts=""))
            self._bars.update(
                rows[0], completed=done, total=total, facts=f"{done:,} of {total:,} {unit}"
            )
            if done == total:
                self._bars.remove_task(rows.pop())

        return tell

    def plan(self, plan: Plan) -> None:
        left = plan.left()
        self._total = sum(_cost(s.num_images) for s in left)
        self._started = time.monotonic()
        self._steps, self._steps_left = len(plan.steps), len(left)
        if left:
            self._all = self._bars.add_task(self._words(), total=self._total, facts="")

    def _words(self) -> str:
        return f"{self._steps_left} of {self._steps} steps left"

    def hear(self, event: Event) -> None:
        key = event.step.key
        if event.what == "began":
            self._rows[key] = self._bars.add_task(f"  {event.step.label}", total=1.0, facts="")
            self._running[key] = (0.0, 0.0)
        elif event.what == "progress" and event.progress and key in self._rows:
            p = event.progress
            if p.resumed_at and key not in self._resumed:
                self._resumed.add(key)
                self._bars.console.print(
                    f"resumed: {event.step.label}, at {p.resumed_at:,} images", highlight=False
                )
            self._running[key] = (min(p.images_done, event.step.num_images), p.images_per_s)
            right = "" if p.accuracy is None else f", accuracy {p.accuracy:.0f} %"
            left = clock(p.seconds_left)
            facts = f"{p.images_per_s:,.0f} images/s, loss {p.loss:.2f}{right}, {left} left"
            self._bars.update(
                self._rows[key], completed=p.images_done, total=p.images_total, facts=facts
            )
        elif event.what in ("done", "failed"):
            self._end(event)
        self._refresh()

    def _end(self, event: Event) -> None:
        self._done += _cost(event.step.num_images)
        self._steps_left -= 1
        self._running.pop(event.step.key, None)
        if (row := self._rows.pop(event.step.key, None)) is not None:
            self._bars.remove_task(row)
        if event.what == "failed":
            self._bars.console.print(
                f"[red]failed[/red]: {event.step.label}: {event.error}", highlight=False
            )

    def _refresh(self) -> None:
        if self._all is None:
            return
        done = self._done + sum(images for images, _ in self._running.values())
        elapsed = time.monotonic() - self._started
        left = (self._total - done) * elapsed / done if done > 0 and elapsed > 5 else None
        rate = sum(rate for _, rate in self._running.values())
        facts = [f"{rate:,.0f} images/s"] if rate else []
        facts += [f"{clock(left)} left"] if left is not None else []
        self._bars.update(
            self._all, completed=done, facts=", ".join(facts), description=self._words()
        )


def _cost(num_images: int) -> float:
    return num_images + _STEP_IMAGES
