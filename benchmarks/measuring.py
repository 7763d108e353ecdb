"""What every benchmark here shares: threads, the data folder, clocks, the line that says what was
measured on, JSON.

In: command-line words. Out: numbers with their identity, as a table, a page and JSON. Knows nothing
of what is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedbed.base.device import describe_hardware, num_cores
from seedbed.engine.versions import versions


class Clock:
    """Seconds by the name of a part, summed when a part comes again."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def alternate(sides: Mapping[str, Callable[[], object]], num_rounds: int) -> dict[str, list[float]]:
    """Seconds of each side in each round; every second round goes the other way, so that no side
    always comes first."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for i in range(num_rounds):
        for name in list(sides) if i % 2 == 0 else list(sides)[::-1]:
            seconds[name].append(seconds_of(sides[name]))
    return seconds


def parser(description: str | None) -> ArgumentParser:
    """Arguments that every script takes."""
    parser = ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument(
        "--threads",
        type=int,
        default=num_cores(),
        help="cores to use, for both sides (default: all)",
    )
    parser.add_argument("--json", type=Path, help="write every round's numbers into this file")
    parser.add_argument(
        "--pages",
        type=Path,
        help="write the table as a page into this folder (make bench: docs/benchmarks)",
    )
    return parser


def confine(num_threads: int) -> None:
    """Give this process, and the workers that it starts, so many cores and torch threads: neither
    side can use more."""
    import torch

    if num_threads > num_cores():
        raise SystemExit(f"--threads {num_threads}: this process may use {num_cores()} cores")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:num_threads])
    torch.set_num_threads(num_threads)


def data_folder(name: str, override: Path | None) -> Path:
    """`name` in the data folder: --data, or SEEDBED_DATA; ends the script with what to do when it
    is not there."""
    root = override or (
        Path(os.environ["SEEDBED_DATA"]) if os.environ.get("SEEDBED_DATA") else None
    )
    if root is None:
        raise SystemExit(
            "no data folder: set SEEDBED_DATA to the folder that holds tiny-imagenet-200/ and "
            "cifar10/, or give --data"
        )
    if not (root / name).is_dir():
        raise SystemExit(
            f"{root} has no folder {name}/: get that data set, or name another folder with --data"
        )
    return root / name


def identity(arguments: Namespace) -> dict[str, Any]:
    """What the numbers were measured on and with, as a record and as a printed line; call it before
    `confine`."""
    record = {
        "hardware": describe_hardware(),
        **versions(),
        "settings": {k: str(v) for k, v in vars(arguments).items()},
    }
    busy = (
        f", load average {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    )
    commit = record["commit"] or "unknown"
    used = f"{record['hardware']}, {arguments.threads} used"
    line = f"{used}; commit {commit}, torch {record['torch']}, Python {record['python']}{busy}"
    print(line, flush=True)
    return record | {"line": line}


def spread(values: list[float], form: str = ".2f") -> str:
    """Median, range and number: `1.62 (1.58 to 1.66, n=5)`."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}}, n={len(values)})"


def publish(
    arguments: Namespace,
    record: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    note: str = "Medians of n rounds, and their range.",
    **numbers: Any,
) -> None:
    """Print the rows as a table; write it as a page into the folder of --pages, and every number
    into the file of --json.

    `note` says what the cells are.
    """
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    lines = [
        " | ".join(f"{text:{widths[name]}}" for name, text in row.items())
        for row in (dict(zip(widths, widths, strict=True)), *rows)
    ]
    lines.insert(1, "-|-".join("-" * width for width in widths.values()))
    table = [f"| {line} |" if i != 1 else f"|-{line}-|" for i, line in enumerate(lines)]
    print("", *table, sep="\n", flush=True)
    if arguments.pages:
        arguments.pages.mkdir(parents=True, exist_ok=True)
        script = Path(sys.argv[0])
        what = (sys.modules["__main__"].__doc__ or "").split("\nExpected numbers")[0].strip()
        date = time.strftime("%Y-%m-%d", time.gmtime())
        (arguments.pages / f"{script.stem}.md").write_text(
            f"# {script.stem}\n\n{what}\n\n{record['line']}; {date}. {note}\n\n"
            + "\n".join(table)
            + f"\n\nMeasured by `{_command(script)}`.\n"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({**record, **numbers}, indent=2) + "\n")


def _command(script: Path) -> str:
    """As it could be given again, without places of this machine."""
    words, selected = sys.argv[1:], []
    while words:
        word = words.pop(0)
        if word.partition("=")[0] in ("--pages", "--json", "--data"):
            words = words if "=" in word else words[1:]
        elif word == "--folder":
            selected += [word, Path(words.pop(0)).name]
        else:
            selected.append(word)
    return " ".join(["python", f"benchmarks/{script.name}", *selected])
