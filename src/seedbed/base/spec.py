"""Settings at the border: frozen dataclasses from dictionaries and calls, one canonical form, one fingerprint.

In: a dataclass type and untrusted values (a TOML table, a call's arguments). Out: a checked instance, or one UsageError that
lists every fault with its place and the nearest valid key. Also canonical JSON and fingerprints of specs.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from seedbed.base.call import Call
from seedbed.base.errors import UsageError, unknown

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` from `values`; `where` is the place named in errors ("[pretraining]", "images(...)").

    Raises UsageError: an unknown key (with the nearest valid one), a missing key, a value of the wrong type or out of range.
    """
    names = [f.name for f in dataclasses.fields(cls) if f.init]  # pyright: ignore[reportArgumentType]
    for key in values:
        if key not in names:
            raise unknown("key", key, names, where)
    from pydantic import ValidationError

    try:
        return _adapter(cls).validate_python(dict(values))
    except ValidationError as error:
        faults = [_fault(e) for e in error.errors()]
        raise UsageError(f"{where}: {'; '.join(faults)}", f"Valid keys: {', '.join(names)}.") from None


def build_call(cls: type[T], call: Call, what: str) -> T:
    """An instance of the dataclass `cls` from a call's arguments; positional ones fill the fields in order."""
    names = [f.name for f in dataclasses.fields(cls) if f.init]  # pyright: ignore[reportArgumentType]
    if len(call.args) > len(names):
        raise UsageError(f"{call} has {len(call.args)} positional arguments; {what} {call.name!r} takes {len(names)}")
    values = dict(zip(names, call.args, strict=False))
    for key, value in call.kwargs.items():
        if key in values:
            raise UsageError(f"{call} gives {key!r} twice", f"Valid keys: {', '.join(names)}.")
        values[key] = value
    return build(cls, values, f"the {what} {call}")


def signature(cls: type, name: str) -> str:
    """How a plug-in is called, from its fields: `images(per_class=None, fraction=None)`."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    parts = [f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default!r}" for f in fields]
    return f"{name}({', '.join(parts)})"


def canonical(value: Any) -> str:
    """Canonical JSON of a spec: sorted keys, no spaces, dataclasses as their fields, tuples as lists."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def fingerprint(value: Any) -> str:
    """SHA-256 of the canonical form, its first 20 hexadecimal digits (80 bits)."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:20]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.compare}
        return {"is": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


@functools.cache
def _adapter(cls: type) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _fault(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{key!r} is missing"
    if error["type"] in ("value_error",) or not key:
        return message
    return f"{key} = {error['input']!r}: {message}"
