"""Options of the verbs list, disk."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_workspace


def _list(p: ArgumentParser) -> None:
    p.add_argument(
        "group",
        nargs="?",
        metavar="GROUP",
        help=(
            "formats, recipes, backbones, objectives, tasks, methods, questions, metrics or "
            "executors"
        ),
    )


def _disk(p: ArgumentParser) -> None:
    p.add_argument(
        "--clean",
        action="store_true",
        help="delete what no study refers to (without this option it is only listed)",
    )
    add_workspace(p)


COMMANDS = (
    Command(
        "list",
        "list formats, recipes, backbones, objectives, tasks, methods, questions, metrics, "
        "executors",
        "workspace:list_plugins",
        _list,
    ),
    Command(
        "disk",
        "list the contents of the workspace, and which study uses each",
        "workspace:disk",
        _disk,
    ),
)
