"""Registries: name -> class, by one explicit line each, or by an outside package's entry point.

In: a name and where its class lives ("package.module:Class"). Out: the class, imported when first
asked for. Knows nothing of what the classes do.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from seedbed.base.call import Call, parse_call
from seedbed.base.errors import UsageError, unknown
from seedbed.base.spec import build_call, signature

T = TypeVar("T")


@dataclass(eq=False)
class Registry(Generic[T]):
    """The plug-ins of one kind; `group` is the entry-point group that outside packages use."""

    what: str
    group: str
    _places: dict[str, str] = field(default_factory=dict)
    _elsewhere: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, place: str) -> None:
        """Register `name` as the class at "module:Class"."""
        if name in self._places:
            raise ValueError(f"{self.what} {name!r} is registered twice")
        self._places[name] = place

    @cached_property
    def _outside(self) -> dict[str, EntryPoint]:
        return {e.name: e for e in entry_points(group=self.group)}

    def redirect(self, name: str, call: str) -> None:
        """Say what is meant by a name that others use, in the error for it."""
        self._elsewhere[name] = call

    def names(self) -> list[str]:
        """Every registered name, sorted; a built-in one wins over an outside package's."""
        return sorted({*self._places, *self._outside})

    def get(self, name: str, where: str = "") -> type[T]:
        """The class registered as `name`; raises UsageError with the nearest valid name."""
        if name in self._places:
            module, _, attribute = self._places[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        if name in self._outside:
            return self._load(name)
        error = unknown(self.what, name, self.names(), where)
        raise (
            UsageError(error.message, f"It is {self._elsewhere[name]} here. {error.hint}")
            if name in self._elsewhere
            else error
        )

    def _load(self, name: str) -> type[T]:
        entry = self._outside[name]
        try:
            return entry.load()
        except Exception as error:  # an outside package may fail in any way while it is imported
            raise UsageError(
                f"{self.what} {name!r} of {entry.value} cannot be imported: {error}"
            ) from error

    def make(self, call: Call | str, where: str = "") -> T:
        """The plug-in that a call (or its text) describes, with its settings checked."""
        call = parse_call(call, self.what) if isinstance(call, str) else call
        return build_call(self.get(call.name, where), call, self.what)

    def describe(self) -> list[dict[str, Any]]:
        """For `seedbed list`: name, call and summary of each."""
        rows = []
        for name in self.names():
            cls = self.get(name)
            rows.append(
                {
                    "name": name,
                    "call": signature(cls, name),
                    "summary": summary(cls),
                }
            )
        return rows


def summary(cls: type) -> str:
    """The first paragraph of a class's docstring, on one line."""
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
