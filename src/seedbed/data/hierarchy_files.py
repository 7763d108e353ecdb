"""Open a class hierarchy: WordNet, or a file of child and parent.

In: a text, and class labels. Out: a Hierarchy in which each label is a node.
The text is `wordnet`; or `wordnet(names='FILE')` with a table of label and synset; or a file: CSV
or TSV of child and parent, JSON or TOML of `child = "parent"` or `child = ["primary", "other"]`.
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
_HEADERS = (["child", "parent"], ["class", "parent"], ["label", "synset"], ["class", "synset"])
_MAX_LISTED = 12  # labels that an error lists


@dataclass(frozen=True)
class _WordNetCall:
    names: str | None = None


def open_hierarchy(text: str, labels: Sequence[str], folder: Path | None = None) -> Hierarchy:
    """Open a hierarchy for these labels.

    Args:
        text: "wordnet", "wordnet(names='FILE')" or a file.
        labels: class labels; each must be a node.
        folder: relative paths start here, or in the current folder.

    Raises:
        UsageError: an unknown text, a label that WordNet does not have or that has several
            meanings, a label that the file does not have.
        BadDataError: a file that cannot be read or has a cycle.
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
    rows = {} if names is None else read_pairs((folder or Path()) / expand_user(names))
    return wordnet_hierarchy(labels, {label: synsets[0] for label, synsets in rows.items()})


def with_absolute_path(text: str, folder: Path | None) -> str:
    """Make the path in a hierarchy's text absolute; relative paths start in `folder`."""
    if folder is None:
        return text
    if Path(text).suffix in _SUFFIXES:
        return str((folder / expand_user(text)).resolve())
    call = parse_call(text, "hierarchy")
    if isinstance(names := call.kwargs.get("names"), str):
        path = str((folder / expand_user(names)).resolve())
        return str(Call(name=call.name, kwargs={"names": path}))
    return text


def wordnet_hierarchy(labels: Sequence[str], synset_of_label: Mapping[str, str]) -> Hierarchy:
    """The part of WordNet above these labels.

    A label that is a synset id is a node itself. Another label becomes a child of its synset: that
    of `synset_of_label`, or the only meaning of the word.
    """
    table = wordnet()
    synsets: dict[str, str] = {}
    unclear: list[tuple[str, list[str]]] = []
    for label in labels:
        text = synset_of_label.get(label, label).rpartition("/")[2]
        if is_synset(text):
            synsets[label] = table.id(table.position(text))
            continue
        meanings = table.meanings(text)
        if len(meanings) == 1:
            synsets[label] = table.id(meanings[0])
        else:
            options = [
                f"{table.name(i)} ({table.words(i)}; {table.hypernym_word(i)})" for i in meanings
            ]
            unclear.append((label, options))
    if unclear:
        raise _unclear_labels(unclear)
    tree = table.hierarchy(synsets.values())
    children = {label: (synset,) for label, synset in synsets.items() if label != synset}
    names = {label: tree.names[synset] for label, synset in synsets.items()}
    return Hierarchy({**tree.parents, **children}, names={**tree.names, **names})


def _unclear_labels(unclear: list[tuple[str, list[str]]]) -> UsageError:
    """The error for labels that WordNet does not have, or that have several meanings there."""
    lines = [
        f"  {label}: {'; '.join(meanings) or 'not in WordNet'}"
        for label, meanings in unclear[:_MAX_LISTED]
    ]
    if len(unclear) > _MAX_LISTED:
        lines.append(f"  ... and {len(unclear) - _MAX_LISTED} more")
    return UsageError(
        "\n".join([f"{len(unclear)} classes are not one synset of WordNet:", *lines]),
        "Write a file with a line for each, class and synset (crane,crane.n.04), and set hierarchy "
        "to \"wordnet(names='FILE.csv')\".",
    )


def _from_file(path: Path, labels: Sequence[str]) -> Hierarchy:
    hierarchy = Hierarchy({child: tuple(parents) for child, parents in read_pairs(path).items()})
    missing = [label for label in labels if label not in hierarchy.nodes]
    if missing:
        more = f" and {len(missing) - 1} more classes" if len(missing) > 1 else ""
        raise UsageError(
            f"{path} has no parent for {missing[0]!r}{more}",
            f"Add a line: {missing[0]},PARENT.",
        )
    return hierarchy


def read_pairs(path: Path) -> dict[str, list[str]]:
    """Read child -> parents, the primary parent first, from a CSV, TSV, JSON or TOML file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        return _parse_pairs(text, path.suffix)
    except OSError as error:
        raise BadDataError(
            f"cannot read {path}: {error.strerror}",
            "Check the path; in a study it is relative to its file.",
        ) from None
    except (ValueError, TypeError) as error:
        raise BadDataError(
            f"{path} cannot be read: {error}",
            'Write lines of child,parent, or a table of child = "parent".',
        ) from None


def _parse_pairs(text: str, suffix: str) -> dict[str, list[str]]:
    pairs: dict[str, list[str]] = {}
    if suffix in (".json", ".toml"):
        table: Any = json.loads(text) if suffix == ".json" else tomllib.loads(text)
        rows = table.items() if isinstance(table, dict) else table
        for child, parents in rows:
            if isinstance(parents, int | float) or parents is None:
                raise ValueError(f"the parent of {child!r} is {parents!r}, and not a name")
            parents = [parents] if isinstance(parents, str) else map(str, parents)
            pairs.setdefault(str(child), []).extend(parents)
        return pairs
    rows = text.splitlines()
    delimiter = "\t" if suffix == ".tsv" else ","
    if rows and delimiter not in rows[0] and ";" in rows[0]:
        delimiter = ";"
    lines = csv.reader(rows, delimiter=delimiter)
    for number, row in enumerate(lines, 1):
        if not row or (number == 1 and [w.strip().lower() for w in row] in _HEADERS):
            continue
        if len(row) != 2 or not row[0].strip() or not row[1].strip():
            raise ValueError(f"line {number} is {','.join(row)!r}, and not child and parent")
        pairs.setdefault(row[0].strip(), []).append(row[1].strip())
    return pairs
