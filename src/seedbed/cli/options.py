"""What the verbs share: the parser, the record of a verb, and common options."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from seedbed.base.errors import UsageError, nearest

AddOptions = Callable[[ArgumentParser], None]


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
        hint = f"See {self.prog} --help."
        if "invalid choice" in message:
            value = message.split("invalid choice: '")[-1].split("'")[0]
            near = nearest(value, self._verbs())
            hint = (f"Did you mean {near!r}? " if near else "") + hint
        raise UsageError(message, hint)

    def _verbs(self) -> list[str]:
        actions = [a for a in self._actions if a.choices]
        return [str(c) for a in actions for c in a.choices or ()]


def add_seed(p: ArgumentParser) -> None:
    p.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")


def add_device(p: ArgumentParser) -> None:
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def add_workspace(p: ArgumentParser) -> None:
    p.add_argument(
        "--workspace",
        metavar="DIR",
        help="where finished steps live (default: SEEDBED_WORKSPACE, or seedbed-work/)",
    )


def add_threads(p: ArgumentParser) -> None:
    p.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads (default: all); a study uses 1, and the number is part of a result's key",
    )
