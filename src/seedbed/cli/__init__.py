"""The command line: parse, call the verb, print one document, exit with the right status.

In: arguments. Out: data on stdout (one JSON document with --json, on failure too), progress on
stderr. `seedbed.verbs` holds what each verb does and prints; heavy imports happen there.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from seedbed.base.errors import SeedbedError

FAILED_CELLS, INTERRUPTED, INTERNAL = 4, 130, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are printed here and nowhere else."""
    # torch's threads spin while they wait for each other. On a machine that is busy with something
    # else, this can cost a factor of ten and more; let them sleep soon (docs/log.md). torch reads
    # this variable when it is first imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    _print_any_name()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        return program(arguments)
    except SeedbedError as error:
        return _fail(error.to_dict(), str(error), error.exit_status, as_json)
    except KeyboardInterrupt:
        message = "interrupted; finished work is kept, and the same command goes on from there"
        error = {"kind": "interrupted", "message": message, "hint": ""}
        return _fail(error, message, INTERRUPTED, as_json)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    # An error of seedbed's own: say so, and where.
    except Exception as error:
        import traceback

        traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}"
        hint = (
            "This is an error of seedbed: please report it with the lines above and your command."
        )
        document = {"kind": "internal", "message": message, "hint": hint}
        return _fail(document, f"{message}\n{hint}", INTERNAL, as_json)


def program(arguments: Sequence[str]) -> int:
    """Parse and run; raises SeedbedError for errors that the user can correct."""
    from seedbed.cli.parser import build_parser

    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest:
        raise getattr(options, "parser", parser).unknown_arguments(rest)
    if getattr(options, "verb", None) is None:
        parser.print_help()
        return 0
    module, _, function = options.verb.partition(":")
    verb = getattr(importlib.import_module(f"seedbed.verbs.{module}"), function)
    document, status = verb(options)
    if options.json:
        sys.stdout.write(_to_json(document))
    return status


def _print_any_name() -> None:
    """Let names be printed that the terminal's encoding does not have, with escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _to_json(document: Any) -> str:
    """One line of JSON; in ASCII where the encoding of stdout lacks other characters."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    text = json.dumps(document, ensure_ascii=not encoding.startswith("utf"), allow_nan=False)
    return f"{text}\n"


def _fail(error: dict[str, Any], text: str, status: int, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(_to_json({"error": error}))
    sys.stderr.write(f"seedbed: {text}\n")
    return status
