"""Validate settings, and fingerprint specs.

In: a dataclass type and untrusted values (a TOML table, the arguments of a call). Out: a validated
instance, or one UsageError that lists all faults with the nearest valid keys. Also canonical JSON
and its fingerprint, which is the key of artifacts.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from seedbed.base.call import Call
from seedbed.base.errors import UsageError, nearest, unknown

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Create a dataclass instance from untrusted values.

    `where` is the place of the values, for error messages ("[pretraining]", "images(...)"). Raises
    UsageError for an unknown key (with the nearest valid one), a missing key, or a value of the
    wrong type or out of range.
    """
    names = setting_names(cls)
    unknown_keys = [unknown("key", key, names, where) for key in values if key not in names]
    if unknown_keys:
        raise UsageError("; ".join(e.message for e in unknown_keys), unknown_keys[0].hint)
    from pydantic import ValidationError

    faults = _coerced_values(cls, values)
    try:
        instance = _adapter(cls).validate_python(dict(values))
    except ValidationError as error:
        faults |= {
            str(e["loc"]): _describe_fault(e) for e in error.errors() if str(e["loc"]) not in faults
        }
    else:
        if not faults:
            return instance
    raise UsageError("; ".join(faults.values()), _hint(cls, values, faults), (where,))


def _hint(cls: type, values: Mapping[str, Any], faults: Mapping[str, str]) -> str:
    """The next step for faulty values: the valid words of a key, else the valid keys.

    Empty where a message says itself what is valid.
    """
    names = setting_names(cls)
    faulty = [key for key in names if str((key,)) in faults]
    hints = [hint for key in faulty if (hint := _valid_values(cls, key, values.get(key)))]
    if hints:
        return hints[0]
    if any("valid:" in fault for fault in faults.values()):
        return ""
    return f"Valid keys: {', '.join(names)}."


def build_call(cls: type[T], call: Call, what: str) -> T:
    """Create a dataclass instance from the arguments of a call; positional arguments fill the
    fields in order."""
    names = setting_names(cls)
    if len(call.args) > len(names):
        raise UsageError(
            f"{call} has {len(call.args)} positional arguments; {what} {call.name!r} takes "
            f"{len(names)}"
        )
    values = dict(zip(names, call.args, strict=False))
    for key, value in call.kwargs.items():
        if key in values:
            raise UsageError(f"{call} gives {key!r} twice", f"Valid keys: {', '.join(names)}.")
        values[key] = value
    return build(cls, values, f"the {what} {call}")


def call_of(value: Any, name: str) -> Call:
    """The call that builds this dataclass, with the settings that differ from their defaults: the
    inverse of `build_call`."""
    changed = {
        f.name: setting
        for f in dataclasses.fields(value)
        if f.init and (setting := getattr(value, f.name)) != f.default
    }
    return Call(name=name, kwargs=_to_plain(changed))


def setting_names(cls: Any) -> list[str]:
    """The settings of a plug-in: the fields that the constructor of its class takes."""
    return [f.name for f in dataclasses.fields(cls) if f.init]


def setting_values(instance: Any) -> dict[str, Any]:
    """The settings of a plug-in, by name."""
    return dataclasses.asdict(instance)


def signature(cls: type, name: str) -> str:
    """Call signature of a plug-in, from its fields: `images(per_class=None, fraction=None)`."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    parts = [
        f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default!r}" for f in fields
    ]
    return f"{name}({', '.join(parts)})"


def canonical_json(value: Any) -> str:
    """Canonical JSON of a spec: keys sorted, no spaces, tuples as lists, dataclasses as their class
    names and fields."""
    return json.dumps(
        _to_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def fingerprint(value: Any) -> str:
    """The first 20 hexadecimal digits (80 bits) of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:20]


def file_fingerprint(path: Path) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:20]


def _to_plain(value: Any) -> Any:
    """A value as JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: _to_plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.compare and not _is_left_out(f, getattr(value, f.name))
        }
        return {"is": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): _to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(v) for v in value]
    return value


_ADDED_LATER = "added later"


def added_later(default: Any) -> Any:
    """A dataclass field that was added after the first results: at its default value it is left out
    of fingerprints, so that existing artifacts stay valid."""
    return dataclasses.field(default=default, metadata={_ADDED_LATER: True})


def _is_left_out(field: dataclasses.Field[Any], value: Any) -> bool:
    return _ADDED_LATER in field.metadata and value == field.default


def _coerced_values(cls: type, values: Mapping[str, Any]) -> dict[str, str]:
    """Reject values that pydantic would silently coerce, such as true or "5" for a number.

    Returns one message per faulty field, by the location that pydantic would report.
    """
    faults = {}
    for f in dataclasses.fields(typing.cast(Any, cls)):
        value, type_name = values.get(f.name), str(f.type)
        is_number_field = "int" in type_name or "float" in type_name
        is_bool = isinstance(value, bool) and "bool" not in type_name
        is_text = (
            isinstance(value, str)
            and "str" not in type_name
            and value not in _literal_values(typing.get_type_hints(cls)[f.name])
        )
        if is_number_field and (is_bool or is_text):
            faults[str((f.name,))] = f"{f.name} = {value!r} is not a number"
    return faults


@functools.cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _literal_values(hint: Any) -> list[Any]:
    """The values of all Literals in a type hint."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return list(arguments)
    return [value for argument in arguments for value in _literal_values(argument)]


def _valid_values(cls: type, key: str, value: Any) -> str:
    """A hint that lists the valid words for a key; empty if its values are not words."""
    hint = typing.get_type_hints(cls)[key]
    words = [word for word in _literal_values(hint) if isinstance(word, str)]
    if not words:
        return ""
    near = nearest(str(value), words)
    suggestion = f"Did you mean {near!r}? " if near else ""
    return f"{suggestion}Valid for {key}: {', '.join(map(repr, words))}."


def _describe_fault(error: Any) -> str:
    """One error of pydantic, as a message to the user."""
    key = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{key!r} is missing"
    if error["type"] == "literal_error":
        return f"{key} = {error['input']!r} is not a valid value"
    if error["type"] == "tuple_type":
        return f"{key} = {error['input']!r} is not a list: write {key}=[{error['input']!r}]"
    if error["type"] in ("value_error",) or not key:
        return message
    return f"{key} = {error['input']!r}: {message}"
