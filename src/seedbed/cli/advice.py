"""Options of the verbs advise."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import (
    Command,
    add_device,
    add_seed,
    add_workspace,
    number,
    whole_number,
)


def _advise(p: ArgumentParser) -> None:
    p.add_argument(
        "data",
        metavar="DATA",
        help="your labelled images: a folder with one folder per class, a store, or a call",
    )
    p.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="B",
        help="a network to compare; may be given several times (default: small, which comes with "
        "seedbed, and every network with weights on this machine)",
    )
    p.add_argument(
        "--minutes",
        type=number(0, above=True),
        default=5.0,
        metavar="M",
        help="time limit (default: %(default)s)",
    )
    p.add_argument(
        "--download",
        action="store_true",
        help="first download a good network for 224 px images; prints its size and licence",
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="new folder for the report and the trained model (default: advice/, or advice-2/, "
        "...)",
    )
    p.add_argument(
        "--train-per-class",
        type=whole_number(1),
        metavar="N",
        help="use only N labelled images of each class",
    )
    add_seed(p)
    add_device(p)
    add_workspace(p)


COMMANDS = (
    Command(
        "advise",
        "find the best network, layer and method for your labelled images, by trying them",
        "advice:advise",
        _advise,
    ),
)
