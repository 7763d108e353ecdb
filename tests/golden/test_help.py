"""The help text of every verb, stored: any change of the command line shows here. Updated by
`make golden`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from seedbed.cli.parser import build_parser

GOLDEN = Path(__file__).with_name("help.txt")


def test_the_help_texts_are_the_stored_ones(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    texts = "\n".join(_help_texts(build_parser()))
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(texts, encoding="utf-8")
    # Python versions wrap usage lines differently.
    assert texts.split() == GOLDEN.read_text(encoding="utf-8").split()


def _help_texts(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The help of a parser and of all its subcommands."""
    yield f"$ {parser.prog} --help\n{parser.format_help()}"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in dict.fromkeys(action.choices.values()):
                yield from _help_texts(subparser)
