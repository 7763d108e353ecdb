"""Options of the verbs pack, inspect, hierarchy, audit."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_seed, add_workspace


def _pack(p: ArgumentParser) -> None:
    p.add_argument(
        "source", metavar="SOURCE", help="a folder of images by class, or a call such as 'toy()'"
    )
    p.add_argument("store", metavar="STORE", help="the folder to make")
    p.add_argument(
        "--format",
        help="the source's format where the path alone does not tell (see: seedbed list formats)",
    )
    p.add_argument(
        "--size-px", type=int, metavar="N", help="side of the square images (default: 64)"
    )
    p.add_argument(
        "--fit", default="crop", help="of images that are no squares: crop (default), squash or pad"
    )
    p.add_argument(
        "--hierarchy",
        metavar="H",
        help="wordnet, or a file of child and parent, instead of the source's own",
    )
    p.add_argument(
        "--encoded",
        action="store_true",
        help="keep the files' own bytes, and decode them when they are needed",
    )
    p.add_argument(
        "--workers", type=int, metavar="N", help="processes that decode (default: one per core)"
    )
    p.add_argument(
        "--allow-unreadable",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="0..1 (default: %(default)s)",
    )


def _inspect(p: ArgumentParser) -> None:
    p.add_argument("path", metavar="PATH", help="a store, a source, a backbone or a study file")
    p.add_argument("--recipe", default="", help="what would be left after a recipe")
    add_seed(p)
    add_workspace(p)


def _hierarchy(p: ArgumentParser) -> None:
    p.add_argument(
        "leaves", metavar="LEAVES", help="a text file, a class label a line; no images are needed"
    )
    p.add_argument("--recipe", default="", help="what becomes of them by a recipe")
    p.add_argument(
        "--hierarchy",
        default="wordnet",
        metavar="H",
        help="wordnet, or a file of child and parent (default: %(default)s)",
    )
    add_seed(p)


def _audit(p: ArgumentParser) -> None:
    p.add_argument("data", metavar="DATA", help="a store, a folder of images, or a call")
    p.add_argument(
        "--against",
        metavar="DATA2",
        help="another data set, to find images and classes that both hold",
    )
    p.add_argument(
        "--hierarchy",
        metavar="H",
        help="wordnet, or a file of child and parent: finds shared classes by it",
    )
    p.add_argument(
        "--backbone",
        metavar="B",
        help="compares the images of both by its codes too: finds mirrored and shifted copies",
    )
    add_workspace(p)


COMMANDS = (
    Command("pack", "decode a source once into a store", "data:pack", _pack),
    Command(
        "inspect",
        "what a store, a source, a backbone or a study holds",
        "inspection:inspect",
        _inspect,
    ),
    Command(
        "hierarchy",
        "what a recipe makes of class labels, without images",
        "data:hierarchy",
        _hierarchy,
    ),
    Command(
        "audit",
        "look for unreadable files, tiny classes and near duplicates, before anything is trained",
        "data:audit",
        _audit,
    ),
)
