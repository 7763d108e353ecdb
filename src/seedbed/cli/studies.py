"""Options of the verbs demo, report, study new, plan, run and status."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_device, add_seed, add_workspace, whole_number


def _demo(p: ArgumentParser) -> None:
    p.add_argument(
        "--out",
        default="seedbed-demo",
        metavar="DIR",
        help="folder for the study and its report (default: %(default)s)",
    )
    add_seed(p)


def _report(p: ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a study file")
    p.add_argument(
        "--out", metavar="FILE.html", help="default: report.html in the study's results folder"
    )
    add_workspace(p)


def _new(p: ArgumentParser) -> None:
    p.add_argument(
        "question", metavar="QUESTION", help="the name of a question (see 'seedbed list questions')"
    )
    p.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="P",
        help="pre-training images: a folder, a store or a call (default: toy()); some questions "
        "take two",
    )
    p.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="P",
        help="images to transfer to; may be given several times (default: digits())",
    )
    p.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="B",
        help="the network; if given several times, each arm is trained with each",
    )


def _file(p: ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a study file (TOML)")
    add_workspace(p)


def _run(p: ArgumentParser) -> None:
    _file(p)
    p.add_argument(
        "--executor",
        help="processes: several at once (default), or inline: one step after another",
    )
    p.add_argument(
        "--workers", type=whole_number(1), metavar="N", help="processes (default: one per core)"
    )
    add_device(p)


COMMANDS = (
    Command(
        "demo",
        "run a real study on built-in data: no download, a few minutes",
        "studies:demo",
        _demo,
    ),
    Command("report", "write the report of a study as one HTML page", "studies:report", _report),
)
STUDY_COMMANDS = (
    Command("new", "print a commented study file that asks a question", "studies:study_new", _new),
    Command(
        "plan",
        "show what a study will do, and how long it will take; packs images, trains nothing",
        "studies:study_plan",
        _file,
    ),
    Command("run", "run the unfinished steps of a study", "studies:study_run", _run),
    Command("status", "show the results so far", "studies:study_status", _file),
)
