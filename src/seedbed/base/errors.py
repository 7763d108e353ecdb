"""User-facing failures.

In: what went wrong, as a value and the valid choices. Out: exceptions whose message names the value
and its place, and whose hint names the next step; each kind knows its exit status.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_MAX_CHOICES_SHOWN = 40


class SeedbedError(Exception):
    """A failure that the user can act on: a message that names the value, and a hint that names the
    next step.

    Attributes:
        text: the message without its place.
        hint: the next step.
        places: where the value stands, outermost first: ("study.toml, line 3", "[arms] half").
    """

    kind = "error"
    exit_status = 1

    def __init__(self, message: str, hint: str = "", places: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.text = message
        self.hint = hint
        self.places = places

    @property
    def message(self) -> str:
        """The text behind its places: "[arms] half: unknown key 'x'"."""
        return ": ".join((*self.places, self.text))

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type[SeedbedError], tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.text, self.hint, self.places)

    def to_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "message": self.message, "hint": self.hint}


class UsageError(SeedbedError):
    """Invalid input: an unknown name or key, a value out of range, an unreadable call string."""

    kind = "usage"
    exit_status = 2


class BadDataError(SeedbedError):
    """Unusable data: nothing to read, too few classes, too many unreadable files."""

    kind = "data"
    exit_status = 3


class TrainingError(SeedbedError):
    """A training that cannot continue, for example because its loss is not finite."""

    kind = "training"


class DivergedError(TrainingError):
    """A training whose loss is no longer finite."""


class StorageError(SeedbedError):
    """The file system refused to write: no space left, or no permission."""

    kind = "storage"


@contextmanager
def at_place(place: str) -> Iterator[None]:
    """Add a place to every SeedbedError raised in the block, outside the places it already has.

    Args:
        place: for example "[arms] half", or "study.toml, line 3"; "" adds nothing.
    """
    try:
        yield
    except SeedbedError as error:
        if place:
            error.places = (place, *error.places)
        raise


def nearest(value: str, choices: Iterable[str]) -> str | None:
    """The valid choice that is spelled most like `value`, or None if none is close."""
    matches = difflib.get_close_matches(value, list(choices), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown(what: str, value: str, choices: Iterable[str], where: str = "") -> UsageError:
    """The error for a name that is not valid: it names the value, its place, the nearest valid name
    and up to 40 valid names."""
    choices = sorted(choices)
    shown = choices
    if len(choices) > _MAX_CHOICES_SHOWN:
        shown = [*choices[:_MAX_CHOICES_SHOWN], f"... ({len(choices)} in all)"]
    place = f" in {where}" if where else ""
    near = nearest(value, choices)
    hint = f"Did you mean {near!r}? " if near else ""
    return UsageError(
        f"unknown {what} {value!r}{place}", f"{hint}Valid: {', '.join(shown) or '(none)'}."
    )
