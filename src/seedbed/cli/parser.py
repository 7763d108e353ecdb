"""The parser of the command line: all verbs, in the order in which a user meets them."""

from __future__ import annotations

from typing import Any

from seedbed.cli import advice, data, models, networks, scoring, studies, transfer, workspace
from seedbed.cli.options import Command, Parser

_EPILOG = (
    "Begin with: seedbed demo. Then: seedbed study new images-per-class --source FOLDER "
    "--target FOLDER > study.toml"
)
_SCORE = "Compute standard metrics of result files, by the code that scores seedbed's own results."
_STUDY = (
    "A study pre-trains networks on several selections of a source (its arms), transfers them to "
    "targets, and compares the arms."
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
        "score", help="standard metrics of result files that any program wrote", description=_SCORE
    )
    _add_group(score, "METRIC", scoring.METRICS)
    study = groups.add_parser(
        "study",
        help="new, plan, run, status: compare pre-training data sets, as a file declares",
        description=_STUDY,
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
    parser.set_defaults(verb=command.verb, parser=parser)
    command.add_options(parser)


def _version() -> str:
    from seedbed import __version__

    return f"seedbed {__version__}"
