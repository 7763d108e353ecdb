"""Options of the verbs advise."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_device, add_seed, add_workspace


def _advise(p: ArgumentParser) -> None:
    p.add_argument(
        "data",
        metavar="DATA",
        help="your images: a folder with a folder per class, a store, or a call",
    )
    p.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="B",
        help="a network to compare; may be given several times (default: the small one that comes "
        "with seedbed, and all weights on this machine)",
    )
    p.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        metavar="M",
        help="how long it may take (default: %(default)s)",
    )
    p.add_argument(
        "--download",
        action="store_true",
        help="fetch a good network of 224 px first; its size and licence are said",
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="a new folder for the page and the trained model (default: advice/)",
    )
    p.add_argument(
        "--train-per-class",
        type=int,
        metavar="N",
        help="use so many labelled images of each class only",
    )
    add_seed(p)
    add_device(p)
    add_workspace(p)


COMMANDS = (
    Command(
        "advise",
        "which network, layer and method for your images, on evidence",
        "advice:advise",
        _advise,
    ),
)
