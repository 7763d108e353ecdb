"""What the verbs share: the parser, the record of a verb, and common options."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from seedbed.base.errors import UsageError, nearest

AddOptions = Callable[[ArgumentParser], None]
NumberType = Callable[[str], float]


@dataclass(frozen=True)
class Command:
    """A verb: its name, its summary, "module:function" in `seedbed.verbs`, and its options."""

    name: str
    summary: str
    verb: str
    add_options: AddOptions


class Parser(ArgumentParser):
    """argparse that raises UsageError instead of exiting, and accepts no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError, with the nearest verb where the verb is unknown."""
        if "invalid choice" not in message:
            raise UsageError(message, f"See {self.prog} --help.")
        value = message.split("invalid choice: '")[-1].split("'")[0]
        verbs = [str(choice) for action in self._actions for choice in action.choices or ()]
        near = nearest(value, verbs)
        hint = f"Did you mean {near!r}? " if near else ""
        raise UsageError(
            f"unknown verb {value!r}", f"{hint}Valid: {', '.join(verbs)}. See {self.prog} --help."
        )

    def unknown_arguments(self, arguments: Sequence[str]) -> UsageError:
        """The error for arguments that no option of this parser takes."""
        value = arguments[0].partition("=")[0]
        if not value.startswith("-"):
            return UsageError(
                f"{self.prog}: unexpected argument {value!r}", f"See {self.prog} --help."
            )
        options = [text for action in self._actions for text in action.option_strings]
        near = nearest(value, options)
        hint = f"Did you mean {near!r}? " if near else ""
        return UsageError(
            f"{self.prog} has no option {value!r}",
            f"{hint}Valid: {', '.join(text for text in options if text.startswith('--'))}.",
        )


def whole_number(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes a whole number in a range."""
    limits = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(
                f"{text!r} is not a whole number ({limits}), such as 20000"
            ) from None
        if value < lowest or (highest is not None and value > highest):
            raise ArgumentTypeError(f"{text} is out of range; valid: {limits}")
        return value

    return convert


def number(lowest: float, highest: float = math.inf, *, above: bool = False) -> NumberType:
    """The type of an option that takes a finite number from `lowest`, or above it, to `highest`."""
    limits = f"more than {lowest:g}" if above else f"{lowest:g} or more"
    if highest < math.inf:
        limits = f"{lowest:g} to {highest:g}"

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not a number ({limits})") from None
        is_low = value <= lowest if above else value < lowest
        if not math.isfinite(value) or is_low or value > highest:
            raise ArgumentTypeError(f"{text} is out of range; valid: {limits}")
        return value

    return convert


def add_seed(p: ArgumentParser) -> None:
    p.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="of every random choice (default: 0)",
    )


def add_device(p: ArgumentParser) -> None:
    p.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def add_workspace(p: ArgumentParser) -> None:
    p.add_argument(
        "--workspace",
        metavar="DIR",
        help="folder of finished work, which is not repeated (default: SEEDBED_WORKSPACE, or "
        "seedbed-work/)",
    )


def add_threads(p: ArgumentParser) -> None:
    p.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="CPU threads (default: all); a study uses 1, and the number is part of the result's "
        "identity",
    )
