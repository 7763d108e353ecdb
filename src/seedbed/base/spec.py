"""Settings at the border: frozen dataclasses from dictionaries and calls, one canonical form, one
fingerprint.

In: a dataclass type and untrusted values (a TOML table, a call's arguments). Out: a checked
instance, or one UsageError that lists every fault with its place and the nearest valid key. Also
canonical JSON and fingerprints of specs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from seedbed.base.call import Call
from seedbed.base.errors import UsageError, nearest, unknown

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` from `values`; `where` is the place named in errors
    ("[pretraining]", "images(...)").

    Raises UsageError: an unknown key (with the nearest valid one), a missing key, a value of the
    wrong type or out of range.
    """
    names = [f.name for f in dataclasses.fields(cls) if f.init]  # pyright: ignore[reportArgumentType]
    strangers = [unknown("key", key, names, where) for key in values if key not in names]
    if strangers:
        raise UsageError("; ".join(e.message for e in strangers), strangers[0].hint)
    from pydantic import ValidationError

    faults = _bent(cls, values)
    try:
        made = _adapter(cls).validate_python(dict(values))
    except ValidationError as error:
        faults |= {str(e["loc"]): _fault(e) for e in error.errors() if str(e["loc"]) not in faults}
    else:
        if not faults:
            return made
    choices = next(
        (
            found
            for key in names
            if str((key,)) in faults and (found := _choices(cls, key, values.get(key)))
        ),
        "",
    )
    raise UsageError(
        f"{where}: {'; '.join(faults.values())}", choices or f"Valid keys: {', '.join(names)}."
    )


def build_call(cls: type[T], call: Call, what: str) -> T:
    """An instance of the dataclass `cls` from a call's arguments; positional ones fill the fields
    in order."""
    names = [f.name for f in dataclasses.fields(cls) if f.init]  # pyright: ignore[reportArgumentType]
    if len(call.args) > len(names):
        raise UsageError(
            f"{call} has {len(call.args)} positional arguments; {what} {call.name!r} takes {len(names)}"
        )
    values = dict(zip(names, call.args, strict=False))
    for key, value in call.kwargs.items():
        if key in values:
            raise UsageError(f"{call} gives {key!r} twice", f"Valid keys: {', '.join(names)}.")
        values[key] = value
    return build(cls, values, f"the {what} {call}")


def signature(cls: type, name: str) -> str:
    """How a plug-in is called, from its fields: `images(per_class=None, fraction=None)`."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    parts = [
        f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default!r}" for f in fields
    ]
    return f"{name}({', '.join(parts)})"


def canonical(value: Any) -> str:
    """Canonical JSON of a spec: sorted keys, no spaces, dataclasses as their fields, tuples as
    lists."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def fingerprint(value: Any) -> str:
    """SHA-256 of the canonical form, its first 20 hexadecimal digits (80 bits)."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:20]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        counted = [
            f
            for f in dataclasses.fields(value)
            if f.compare and not _is_idle(f, getattr(value, f.name))
        ]
        return {
            "is": type(value).__name__,
            **{f.name: _plain(getattr(value, f.name)) for f in counted},
        }
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


_LATER = "later"


def later(default: Any) -> Any:
    """The field of a setting that was added later: at its default it changes no fingerprint, so
    that no finished work is lost."""
    return dataclasses.field(default=default, metadata={_LATER: True})


def _is_idle(field: dataclasses.Field[Any], value: Any) -> bool:
    return _LATER in field.metadata and value == field.default


def _bent(cls: type, values: Mapping[str, Any]) -> dict[str, str]:
    """Faults that pydantic would bend into shape: true is no number here, and "5" is no 5. By
    place, as pydantic names it."""
    faults = {}
    for f in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        value, wanted = values.get(f.name), str(f.type)
        takes_number = "int" in wanted or "float" in wanted
        is_word = (
            isinstance(value, str)
            and "str" not in wanted
            and value not in _words_of(typing.get_type_hints(cls)[f.name])
        )
        bent = (isinstance(value, bool) and "bool" not in wanted) or is_word
        if takes_number and bent:
            faults[str((f.name,))] = f"{f.name} = {value!r} is not a number"
    return faults


@functools.cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _words_of(hint: Any) -> list[Any]:
    """The values of a Literal, alone or beside None."""
    found = typing.get_args(hint)
    return (
        list(found)
        if typing.get_origin(hint) is typing.Literal
        else [w for inner in found for w in _words_of(inner)]
    )


def _choices(cls: type, key: str, value: Any) -> str:
    """What a key takes, where its values are words."""
    words = [w for w in _words_of(typing.get_type_hints(cls)[key]) if isinstance(w, str)]
    near = nearest(str(value), words)
    return (
        (f"Did you mean {near!r}? " if near else "")
        + f"Valid for {key}: {', '.join(map(repr, words))}."
        if words
        else ""
    )


def _fault(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{key!r} is missing"
    if error["type"] == "literal_error":
        return f"{key} = {error['input']!r} is none of its values"
    if error["type"] == "tuple_type":
        return f"{key} = {error['input']!r} is not a list: write {key}=[{error['input']!r}]"
    if error["type"] in ("value_error",) or not key:
        return message
    return f"{key} = {error['input']!r}: {message}"
