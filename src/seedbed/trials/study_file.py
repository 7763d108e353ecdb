"""Read study files.

In: TOML text and its path. Out: a Study. An error names the file, the line and the key.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from seedbed.base.errors import BadDataError, SeedbedError, UsageError, unknown
from seedbed.base.spec import build
from seedbed.trials.arms import Pretraining, listed
from seedbed.trials.study import Study

_TOP = ("question", "reference", "seeds", "sample_seeds", "init_seeds", "margin", "threads")
_TABLES = ("source", "pretraining", "arms", "targets", "methods")


def load_study(path: Path) -> Study:
    """Read a study file. Raises BadDataError when there is none, UsageError for what it says
    wrongly, with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadDataError(
            f"cannot read the study {path}: {error.strerror}",
            "Make one: seedbed study new images-per-class.",
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8."
        ) from None
    return parse_study(text, path)


def parse_study(text: str, path: Path) -> Study:
    """The study of a file's text; paths in it are relative to the file's folder, which need not
    hold it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if any(word in str(error) for word in ("overwrite", "twice", "uplicate")):
            raise UsageError(
                f"{path} says something twice: {error}",
                "Give each arm, target and table a name of its own.",
            ) from None
        raise UsageError(
            f"{path} is not valid TOML: {error}",
            'Texts need quotes: half = "images(fraction=0.5)".',
        ) from None
    try:
        return _from_table(table, path)
    except UsageError as error:
        raise _located(error, text, path) from None


def _from_table(table: dict[str, Any], path: Path) -> Study:
    for key in table:
        if key not in (*_TOP, *_TABLES):
            raise unknown("key", key, (*_TOP, *_TABLES), "the study")
    for key in ("source", "arms", "targets", "reference"):
        if key not in table:
            raise UsageError(
                f"the study has no {key!r}",
                'A study needs [source], [arms], [targets] and reference = "ARM".',
            )
    for key in _TABLES:
        if not isinstance(table.get(key, {}), dict):
            raise UsageError(
                f"{key!r} is {table[key]!r}, and it must be a table",
                f"Begin a line with [{key}]; see docs/study-files.md.",
            )
    source = table["source"]
    keys = ("data", "size_px", "hierarchy", "fine_labels")
    for key in source:
        if key not in keys:
            raise unknown("key", key, keys, "[source]")
    if "data" not in source:
        raise UsageError("[source] has no 'data'", 'Write data = "folder/", or data = "toy()".')
    pretraining = build(
        Pretraining, listed(table.get("pretraining", {}), "images_seen"), "[pretraining]"
    )
    return Study(
        name=path.stem,
        folder=path.resolve().parent,
        source=source["data"],
        size_px=source.get("size_px"),
        hierarchy=source.get("hierarchy"),
        fine_labels=source.get("fine_labels", False),
        pretraining=pretraining,
        arms=table["arms"],
        targets=table["targets"],
        methods=table.get("methods", {"probe": "probe()"}),
        **{key: table[key] for key in _TOP if key in table},
    )


def _located(error: SeedbedError, text: str, path: Path) -> UsageError:
    """The same error with the line of the first quoted name that stands in the file."""
    lines = list(enumerate(text.splitlines(), 1))
    # "[arms] half: ...": that line, whatever is quoted later
    entry = re.match(r"\[\w+\] ([^:]+):", error.message)
    for number, line in lines if entry else ():
        if re.match(rf"\s*[\"']?{re.escape(entry[1])}[\"']?\s*=", line):  # pyright: ignore[reportOptionalSubscript]
            return UsageError(f"{path}, line {number}: {error.message}", error.hint)
    for quoted in re.findall(r"'([^']+)'", error.message):
        name = re.escape(quoted)
        # a key of that name first
        for pattern in (rf"^\s*[\"']?{name}[\"']?\s*=", rf"(?<![\w-]){name}(?![\w-])"):
            for number, line in lines:
                if re.search(pattern, line.split("#")[0]):
                    return UsageError(f"{path}, line {number}: {error.message}", error.hint)
    return UsageError(f"{path}: {error.message}", error.hint)
