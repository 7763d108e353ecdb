"""Where a hierarchy comes from: WordNet, or a file of child and parent.

In: what a user calls it, and class labels. Out: a Hierarchy in which each label is a node. Words:
`wordnet`; `wordnet(names='FILE')` with a table of label and synset; or a file: CSV or TSV of child
and parent, JSON or TOML of `child = "parent"` or `child = ["primary", "other"]`. Knows nothing of
images.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import BadDataError, UsageError, unknown
from seedbed.base.paths import expand_user
from seedbed.base.spec import build_call
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.wordnet import is_synset, wordnet

_SUFFIXES = (".csv", ".tsv", ".json", ".toml")
_SHOWN = 12  # labels that an error lists


@dataclass(frozen=True)
class _WordNetCall:
    names: str | None = None


def open_hierarchy(text: str, labels: Sequence[str], folder: Path | None = None) -> Hierarchy:
    """The hierarchy of that name for these labels; paths are taken from `folder`.

    Raises UsageError for a name that is none, a label that WordNet does not know or that may mean
    several things, and a label that a file leaves out; BadDataError for a file that cannot be read
    or has a cycle.
    """
    if Path(text).suffix in _SUFFIXES:
        return _from_file((folder or Path()) / expand_user(text), labels)
    call = parse_call(text, "hierarchy")
    if call.name != "wordnet":
        raise unknown(
            "hierarchy",
            text,
            ["wordnet", "wordnet(names='FILE')", *(f"FILE{s}" for s in _SUFFIXES)],
        )
    names = build_call(_WordNetCall, call, "hierarchy").names
    told = {} if names is None else read_pairs((folder or Path()) / expand_user(names))
    return of_wordnet(labels, {label: synsets[0] for label, synsets in told.items()})


def placed(text: str, folder: Path | None) -> str:
    """The same words with their path made absolute, so that they mean the same anywhere."""
    if folder is None:
        return text
    if Path(text).suffix in _SUFFIXES:
        return str((folder / expand_user(text)).resolve())
    call = parse_call(text, "hierarchy")
    if isinstance(names := call.kwargs.get("names"), str):
        return str(
            Call(name=call.name, kwargs={"names": str((folder / expand_user(names)).resolve())})
        )
    return text


def of_wordnet(labels: Sequence[str], told: Mapping[str, str]) -> Hierarchy:
    """WordNet above these labels: synset ids are nodes themselves, other labels lie under the
    synset that `told` or their word gives."""
    table = wordnet()
    synsets, doubts = {}, []
    for label in labels:
        text = told.get(label, label).rpartition("/")[2]
        if is_synset(text):
            synsets[label] = table.id(table.position(text))
            continue
        meanings = table.meanings(text)
        if len(meanings) == 1:
            synsets[label] = table.id(meanings[0])
        else:
            doubts.append(
                (label, [f"{table.name(i)} ({table.words(i)}; {table.above(i)})" for i in meanings])
            )
    if doubts:
        raise UsageError(*_doubtful(doubts))
    known = table.hierarchy(synsets.values())
    return Hierarchy(
        {
            **known.parents,
            **{label: (synset,) for label, synset in synsets.items() if label != synset},
        },
        names={**known.names, **{label: known.names[synset] for label, synset in synsets.items()}},
    )


def _doubtful(doubts: list[tuple[str, list[str]]]) -> tuple[str, str]:
    lines = [
        f"  {label}: {'; '.join(meanings) or 'not in WordNet'}"
        for label, meanings in doubts[:_SHOWN]
    ]
    more = [f"  ... and {len(doubts) - _SHOWN} more"] if len(doubts) > _SHOWN else []
    message = "\n".join([f"{len(doubts)} classes are not one synset of WordNet:", *lines, *more])
    return message, (
        "Write a file with a line for each, class and synset (crane,crane.n.04), and say hierarchy = \"wordnet(names='FILE.csv')\"."
    )


def _from_file(path: Path, labels: Sequence[str]) -> Hierarchy:
    found = Hierarchy({child: tuple(parents) for child, parents in read_pairs(path).items()})
    missing = [label for label in labels if label not in found.nodes]
    if missing:
        more = f" and {len(missing) - 1} more classes" if len(missing) > 1 else ""
        raise UsageError(
            f"{path} does not say where {missing[0]!r}{more} belongs",
            f"Add a line: {missing[0]},PARENT.",
        )
    return found


def read_pairs(path: Path) -> dict[str, list[str]]:
    """child -> parents, the primary one first, of a CSV, TSV, JSON or TOML file."""
    try:
        text = path.read_text(encoding="utf-8")
        return _pairs(text, path.suffix)
    except OSError as error:
        raise BadDataError(
            f"cannot read {path}: {error.strerror}",
            "Check the path; in a study it is relative to its file.",
        ) from None
    except (ValueError, TypeError) as error:
        raise BadDataError(
            f"{path} cannot be read: {error}",
            'Give lines of child,parent, or a table of child = "parent".',
        ) from None


def _pairs(text: str, suffix: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if suffix in (".json", ".toml"):
        table: Any = json.loads(text) if suffix == ".json" else tomllib.loads(text)
        rows = table.items() if isinstance(table, dict) else table
        for child, parents in rows:
            found.setdefault(str(child), []).extend(
                [parents] if isinstance(parents, str) else map(str, parents)
            )
        return found
    for number, row in enumerate(
        csv.reader(text.splitlines(), delimiter="\t" if suffix == ".tsv" else ","), 1
    ):
        if not row or (number == 1 and [w.strip().lower() for w in row] in _HEADERS):
            continue
        if len(row) != 2 or not row[0].strip() or not row[1].strip():
            raise ValueError(f"line {number} is {','.join(row)!r}, and not child and parent")
        found.setdefault(row[0].strip(), []).append(row[1].strip())
    return found


_HEADERS = (["child", "parent"], ["class", "parent"], ["label", "synset"], ["class", "synset"])
