"""Read and write study files.

In: TOML text and its path; or a Study. Out: a Study, and errors that name the file, the line and
the key; or commented TOML text.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import BadDataError, SeedbedError, UsageError, at_place, unknown
from seedbed.base.spec import build
from seedbed.base.toml import toml_key, toml_value
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.engine.data_spec import DataSpec
from seedbed.tasks.domains import TARGET
from seedbed.trials.arms import Arm, Pretraining, with_list
from seedbed.trials.study import Study

_TOP = ("question", "reference", "seeds", "sample_seeds", "init_seeds", "margin", "threads")
_TABLES = ("source", "pretraining", "arms", "targets", "methods")
_SOURCE = ("data", "size_px", "hierarchy", "fine_labels")
_TARGET_SETTINGS = tuple(f.name for f in fields(DataSpec) if f.name != "data")

# Comments of every study file; those of the study come first.
_COMMENTS = {
    "reference": "what arms are compared with, except where a comment says otherwise",
    "seeds": "3 means 0, 1, 2; more seeds give narrower intervals",
    "margin": "points: the largest difference that counts as no difference",
    "source": "what is pre-trained on: a folder of images by class, a store, or a call",
    "source.size_px": "images are packed once at this size",
    "pretraining.images_seen": "training budgets, in images seen",
    "arms": "name = recipe",
    "targets": "what is transferred to",
}


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        BadDataError: there is no such file.
        UsageError: the file is not a valid study; the message names the line.
    """
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
    """The study of a file's text. Paths in it are relative to the folder of `path`; the file itself
    need not exist."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(error, text, path) from None
    try:
        return _read_tables(tables, path)
    except UsageError as error:
        error.places = (_place_in_file(error, text, path), *error.places)
        raise


def _toml_error(error: tomllib.TOMLDecodeError, text: str, path: Path) -> UsageError:
    """The error for text that is not TOML, with its line."""
    match, lines = re.search(r"at line (\d+)", str(error)), text.splitlines()
    number = min(int(match[1]), len(lines)) if match else len(lines)
    line = lines[number - 1].strip() if lines else ""
    place = f"{path}, line {number}"
    if any(word in str(error) for word in ("overwrite", "twice", "uplicate")):
        return UsageError(
            f"this name was given before: {line}",
            "Give each key, arm, target and table a different name.",
            (place,),
        )
    hint = 'Texts need quotes: half = "images(fraction=0.5)".'
    if line.startswith("[") and not line.endswith("]"):
        hint = f"A table name ends with a bracket: {line}]."
    reason = str(error).partition(" (at")[0]
    return UsageError(f"not valid TOML ({reason}): {line}", hint, (place,))


def _read_tables(tables: dict[str, Any], path: Path) -> Study:
    _check_keys(tables)
    source = tables["source"]
    pretraining = with_list(tables.get("pretraining", {}), "images_seen")
    return Study(
        name=path.stem,
        folder=path.resolve().parent,
        source=source["data"],
        size_px=source.get("size_px"),
        hierarchy=source.get("hierarchy"),
        fine_labels=source.get("fine_labels", False),
        pretraining=build(Pretraining, pretraining, "[pretraining]"),
        arms=tables["arms"],
        targets={name: _read_target(value, name) for name, value in tables["targets"].items()},
        methods=tables.get("methods", {"probe": "probe()"}),
        **{key: tables[key] for key in _TOP if key in tables},
    )


def _check_keys(tables: dict[str, Any]) -> None:
    """Check that all keys are known, that tables are tables, and that none that is needed is
    missing."""
    for key in tables:
        if key not in (*_TOP, *_TABLES):
            raise unknown("key", key, (*_TOP, *_TABLES), "the study")
    for key in ("source", "arms", "targets", "reference"):
        if key not in tables:
            raise UsageError(
                f"the study has no {key!r}",
                'A study needs [source], [arms], [targets] and reference = "ARM".',
            )
    for key in _TABLES:
        if not isinstance(tables.get(key, {}), dict):
            raise UsageError(
                f"{key!r} is {tables[key]!r}, and it must be a table",
                f"Begin a line with [{key}]; see docs/reference/study-file.md.",
            )
    for key in tables["source"]:
        if key not in _SOURCE:
            raise unknown("key", key, _SOURCE, "[source]")
    if "data" not in tables["source"]:
        raise UsageError("[source] has no 'data'", 'Write data = "folder/", or data = "toy()".')


def _read_target(value: Any, name: str) -> Any:
    """A target as a table, `{ data = "cells/", size_px = 16 }`; anything else as it is."""
    if not isinstance(value, dict) or "data" not in value:
        return value
    for key in value:
        if key not in ("data", *_TARGET_SETTINGS):
            raise unknown("key", key, ("data", *_TARGET_SETTINGS), f"[targets] {name}")
    with at_place(f"[targets] {name}"):
        return DataSpec(**value)


def _place_in_file(error: SeedbedError, text: str, path: Path) -> str:
    """The file, and the line that an error is about: that of the entry that it names as its place,
    or of the first quoted name that is in the file."""
    # "[arms] half" is the place of the entry half
    entries = [re.match(r"\[\w+\] ([^:,]+)", place) for place in error.places]
    patterns = [rf"^\s*[\"']?{re.escape(entry[1])}[\"']?\s*=" for entry in entries if entry]
    for quoted in re.findall(r"'([^']+)'", error.text):
        name = re.escape(quoted)
        # a key of that name first
        patterns += [rf"^\s*[\"']?{name}[\"']?\s*=", rf"(?<![\w-]){name}(?![\w-])"]
    for pattern in patterns:
        for number, line in enumerate(text.splitlines(), 1):
            is_key = pattern.startswith("^")
            if re.search(pattern, line if is_key else line.split("#")[0]):
                return f"{path}, line {number}"
    return str(path)


def write_study(study: Study) -> str:
    """The study as commented TOML. Saved as NAME.toml in the study's folder it reads back as an
    equal study.

    Raises:
        UsageError: data or a network given as an object that no file can name.
    """
    tables: dict[str, dict[str, Any]] = {
        "": _top_values(study),
        "source": _source_values(study),
        "pretraining": _pretraining_values(study.pretraining),
        "arms": {name: _arm_value(arm, name) for name, arm in study.arms.items()},
        "targets": {n: _target_value(spec, n, study.folder) for n, spec in study.targets.items()},
        "methods": dict(study.methods),
    }
    parts = [_write_table(name, values, study.comments) for name, values in tables.items()]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _top_values(study: Study) -> dict[str, Any]:
    values: dict[str, Any] = {} if study.question is None else {"question": study.question}
    values["reference"] = study.reference
    if study.is_nested:
        values["sample_seeds"] = _seeds_value(study.sample_seeds)
        values["init_seeds"] = _seeds_value(study.init_seeds)
    else:
        values["seeds"] = _seeds_value(study.seeds)
    values["margin"] = study.margin
    return values if study.threads == 1 else values | {"threads": study.threads}


def _seeds_value(seeds: tuple[int, ...]) -> int | list[int]:
    """The number of seeds if they are 0, 1, 2, ...; else the list."""
    return len(seeds) if seeds == tuple(range(len(seeds))) else list(seeds)


def _source_values(study: Study) -> dict[str, Any]:
    source = study.source
    for setting in _TARGET_SETTINGS:
        if setting not in _SOURCE and getattr(source, setting) is not None:
            raise UsageError(
                f"the source has {setting} = {getattr(source, setting)!r}, which a study file "
                "cannot say of a source",
                "Select or thin the source by the recipes of its arms.",
            )
    values = {
        "data": _data_value(source.data, "source"),
        "size_px": source.size_px,
        "hierarchy": source.hierarchy,
        "fine_labels": study.fine_labels or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def _pretraining_values(pretraining: Pretraining) -> dict[str, Any]:
    """The network, the budgets, and the other settings that are not the default."""
    return {
        f.name: value
        for f in fields(Pretraining)
        if (value := getattr(pretraining, f.name)) != f.default
        or f.name in ("backbone", "images_seen")
    }


def _arm_value(arm: Arm, name: str) -> str | dict[str, Any]:
    """A recipe alone as its text, other arms as a table."""
    if arm.model is not None:
        raise UsageError(
            f"the arm {name!r} is a network given as an object, which a study file cannot name",
            'Save it, and give its folder: {"weights": "FOLDER"}.',
        )
    recipe = str(arm.recipe)
    settings = {
        f.name: value
        for f in fields(Arm)
        if f.name != "recipe" and (value := getattr(arm, f.name)) != f.default
    }
    if not settings:
        return recipe
    return {"recipe": recipe, **settings} if recipe else settings


def _target_value(spec: DataSpec, name: str, folder: Path) -> str | dict[str, Any]:
    """Data alone as its path or call; settings within the call, or in a table if it is a path."""
    settings = {key: value for key in _TARGET_SETTINGS if (value := getattr(spec, key)) is not None}
    data: Any = spec.data
    if spec.labelled is not None or spec.learn_on is not None:
        data = data[TARGET]  # the other part is the setting itself
    data = _data_value(data, f"target {name!r}")
    if not settings:
        return data
    is_call = "(" in data and not os.path.exists(folder / data)
    if spec.is_study_source or is_call:
        call = parse_call(data, "data set")
        return str(Call(name=call.name, args=call.args, kwargs=call.kwargs | settings))
    return {"data": data, **settings}


def _data_value(data: Any, owner: str) -> Any:
    """A path or a call string, or a table of them; a store by its path."""
    if isinstance(data, Mapping):
        return {name: _data_value(part, f"{owner}, part {name!r}") for name, part in data.items()}
    if isinstance(data, Source):
        raise UsageError(
            f"the {owner} is a Source given as an object, which a study file cannot name",
            "Pack it, and give the store: sb.pack(source, FOLDER).",
        )
    return str(data.path.resolve()) if isinstance(data, Store) else str(data)


def _write_table(name: str, values: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    """The lines of a table: its heading, its comment lines, its keys aligned, each with its
    comment."""
    prefix = f"{name}." if name else ""
    lines = [_with_comment(f"[{name}]", _COMMENTS.get(name, ""))] if name else []
    if text := comments.get(name, ""):
        lines += [_with_comment("", line) for line in text.split("\n")]
    width = max((len(toml_key(key)) for key in values), default=0)
    for key, value in values.items():
        comment = comments.get(prefix + key, _COMMENTS.get(prefix + key, ""))
        lines.append(_with_comment(f"{toml_key(key):{width}} = {toml_value(value)}", comment))
    return lines


def _with_comment(line: str, comment: str) -> str:
    """The line with a comment at its right; TOML allows no control characters in comments."""
    words = re.sub(r"[\x00-\x08\x0a-\x1f\x7f]", " ", comment)
    return f"{line:24}   # {words}".lstrip() if words else line
