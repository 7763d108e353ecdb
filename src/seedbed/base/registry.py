"""Registries of plug-ins: a name and the class that it stands for.

In: a name with the path of its class ("package.module:Class"), one explicit line each, or an entry
point of an outside package. Out: the class, which is imported when it is first needed.
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
    """The plug-ins of one kind (`what`); `group` is the entry-point group for outside packages."""

    what: str
    group: str
    _class_paths: dict[str, str] = field(default_factory=dict)
    _suggestions: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, class_path: str) -> None:
        """Register `name` as the class at "module:Class"."""
        if name in self._class_paths:
            raise ValueError(f"{self.what} {name!r} is registered twice")
        self._class_paths[name] = class_path

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {e.name: e for e in entry_points(group=self.group)}

    def redirect(self, name: str, call: str) -> None:
        """Suggest `call` in the error for `name`, a name that other software uses for it."""
        self._suggestions[name] = call

    def names(self) -> list[str]:
        """All registered names, sorted; built-in names have priority over entry points."""
        return sorted({*self._class_paths, *self._entry_points})

    def get(self, name: str, where: str = "") -> type[T]:
        """The class registered as `name`; raises UsageError with the nearest valid name.

        `where` is the place of the name, for the error message.
        """
        if name in self._class_paths:
            module, _, attribute = self._class_paths[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        if name in self._entry_points:
            return self._load(name)
        error = unknown(self.what, name, self.names(), where)
        raise (
            UsageError(error.message, f"It is {self._suggestions[name]} here. {error.hint}")
            if name in self._suggestions
            else error
        )

    def _load(self, name: str) -> type[T]:
        entry = self._entry_points[name]
        try:
            return entry.load()
        except Exception as error:  # importing an outside package may raise anything
            raise UsageError(
                f"{self.what} {name!r} of {entry.value} cannot be imported: {error}"
            ) from error

    def make(self, call: Call | str, where: str = "") -> T:
        """The plug-in that a call or its text describes; its settings are checked."""
        call = parse_call(call, self.what) if isinstance(call, str) else call
        return build_call(self.get(call.name, where), call, self.what)

    def describe(self) -> list[dict[str, Any]]:
        """Name, call and summary of each plug-in, for `seedbed list`."""
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
