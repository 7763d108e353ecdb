"""User-facing failures.

In: what went wrong, as a value and the valid choices. Out: exceptions whose message names the value
and whose hint names the next step; each kind knows its exit status. Knows nothing of the command
line that prints them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 40  # of valid choices


class SeedbedError(Exception):
    """A failure that the user can act on: a message that names the value, and a hint that names the
    next step."""

    kind = "error"
    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type[SeedbedError], tuple[str, str]]:
        return type(self), (self.message, self.hint)

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "message": self.message, "hint": self.hint}


class UsageError(SeedbedError):
    """A wrong word: an unknown name or key, a value out of range, a call string that cannot be
    read."""

    kind = "usage"
    exit_status = 2


class BadDataError(SeedbedError):
    """Data that cannot serve: nothing to read, too few classes, too many unreadable files."""

    kind = "data"
    exit_status = 3


class TrainingError(SeedbedError):
    """A training that cannot go on, a loss that is not finite for instance."""

    kind = "training"


class DivergedError(TrainingError):
    """A training whose loss is no longer finite."""


class StorageError(SeedbedError):
    """The disk refused: no room, no permission."""

    kind = "storage"


def nearest(value: str, choices: Iterable[str]) -> str | None:
    """The valid choice that looks most like `value`, or None when none is near."""
    found = difflib.get_close_matches(value, list(choices), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown(what: str, value: str, choices: Iterable[str], where: str = "") -> UsageError:
    """The error for a name that is not among the valid ones: names the value, its place, the
    nearest and the choices, many of them."""
    choices = sorted(choices)
    shown = (
        [*choices[:_SHOWN], f"... ({len(choices)} in all)"] if len(choices) > _SHOWN else choices
    )
    place = f" in {where}" if where else ""
    near = nearest(value, choices)
    hint = f"Did you mean {near!r}? " if near else ""
    return UsageError(
        f"unknown {what} {value!r}{place}", f"{hint}Valid: {', '.join(shown) or '(none)'}."
    )
