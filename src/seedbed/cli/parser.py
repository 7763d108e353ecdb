"""The parser of the command line: all verbs, in the order in which a user meets them."""

from __future__ import annotations

from typing import Any

from seedbed.cli import advice, data, models, networks, scoring, studies, transfer, workspace
from seedbed.cli.options import Command, Parser

_EPILOG = (
    "Begin with: seedbed demo. Then: seedbed study new images-per-class --source FOLDER "
    "--target FOLDER > study.toml"
)
_SCORE = "Scores result files by the same metrics that seedbed's own measurements have."
_STUDY = (
    "A study pre-trains arms of a source with several seeds, transfers them to targets, and "
    "compares."
)
_ALL = {
    command.name: command
    for module in (advice, data, models, networks, studies, transfer, workspace)
    for command in module.COMMANDS
}
_ORDER = (
    "demo",
    "pack",
    "inspect",
    "hierarchy",
    "audit",
    "pretrain",
    "codes",
    "reference-codes",
    "transfer",
    "advise",
    "predict",
    "similar",
    "export",
    "report",
    "list",
    "disk",
)


def build_parser() -> Parser:
    """The parser of all verbs."""
    parser = Parser(
        prog="seedbed",
        description="Find out what in a pre-training data set makes transfer work.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=_version())
    groups = parser.add_subparsers(metavar="VERB")
    for name in _ORDER:
        _add_command(groups, _ALL[name])
    score = groups.add_parser(
        "score", help="metrics on files that any tool wrote", description=_SCORE
    )
    _add_group(score, "METRIC", scoring.METRICS)
    study = groups.add_parser(
        "study", help="new, plan, run, status: a whole study from a file", description=_STUDY
    )
    _add_group(study, "VERB", studies.STUDY_COMMANDS)
    return parser


def _add_group(parser: Any, metavar: str, commands: tuple[Command, ...]) -> None:
    parser.set_defaults(verb=None)
    inner = parser.add_subparsers(metavar=metavar, required=True)
    for command in commands:
        _add_command(inner, command)


def _add_command(groups: Any, command: Command) -> None:
    summary = command.summary
    parser = groups.add_parser(
        command.name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    parser.set_defaults(verb=command.verb)
    command.add_options(parser)


def _version() -> str:
    from seedbed import __version__

    return f"seedbed {__version__}"
