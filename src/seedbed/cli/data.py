"""Options of the verbs pack, inspect, hierarchy, audit."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_seed, add_workspace, number, whole_number


def _pack(p: ArgumentParser) -> None:
    p.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder with one folder of images per class, or a call such as 'toy()'",
    )
    p.add_argument("store", metavar="STORE", help="new folder for the packed images")
    p.add_argument(
        "--format",
        help="the format of SOURCE, if it is not recognised (see 'seedbed list formats')",
    )
    p.add_argument(
        "--size-px",
        type=whole_number(1),
        metavar="N",
        help="side of the square images (default: 64)",
    )
    p.add_argument(
        "--fit",
        default="crop",
        help="how an image becomes square: crop (default), squash or pad; with bicubic "
        "interpolation: crop_bicubic, ...",
    )
    p.add_argument(
        "--hierarchy",
        metavar="H",
        help="the class hierarchy: wordnet, or a file of child and parent (default: the source's)",
    )
    p.add_argument(
        "--encoded",
        action="store_true",
        help="store the original files, and decode them when they are needed",
    )
    p.add_argument(
        "--workers",
        type=whole_number(1),
        metavar="N",
        help="processes that decode (default: one per core)",
    )
    p.add_argument(
        "--allow-unreadable",
        type=number(0, 1),
        default=0.01,
        metavar="SHARE",
        help="stop if more than this share of the images is unreadable (default: %(default)s)",
    )


def _inspect(p: ArgumentParser) -> None:
    p.add_argument("path", metavar="PATH", help="images, a store, a network or a study file")
    p.add_argument("--recipe", default="", help="show what this recipe selects")
    add_seed(p)
    add_workspace(p)


def _hierarchy(p: ArgumentParser) -> None:
    p.add_argument(
        "leaves",
        metavar="LEAVES",
        help="a text file with one class label per line; no images are needed",
    )
    p.add_argument("--recipe", default="", help="show the classes that this recipe makes of them")
    p.add_argument(
        "--hierarchy",
        default="wordnet",
        metavar="H",
        help="wordnet, or a file of child and parent (default: %(default)s)",
    )
    add_seed(p)


def _audit(p: ArgumentParser) -> None:
    p.add_argument("data", metavar="DATA", help="images: a folder, a store, or a call")
    p.add_argument(
        "--against",
        metavar="DATA2",
        help="another data set: find images and classes that are in both",
    )
    p.add_argument(
        "--hierarchy",
        metavar="H",
        help="find shared classes by a hierarchy: wordnet, or a file of child and parent",
    )
    p.add_argument(
        "--backbone",
        metavar="B",
        help="also compare images by the features of this network: finds mirrored and shifted "
        "copies",
    )
    add_workspace(p)


COMMANDS = (
    Command("pack", "decode images once into a store, for fast training", "data:pack", _pack),
    Command(
        "inspect",
        "describe a data set, a store, a network or a study",
        "inspection:inspect",
        _inspect,
    ),
    Command(
        "hierarchy",
        "show what a recipe makes of class labels, without images",
        "data:hierarchy",
        _hierarchy,
    ),
    Command(
        "audit",
        "find unreadable files, small classes and near duplicates in a data set",
        "data:audit",
        _audit,
    ),
)
