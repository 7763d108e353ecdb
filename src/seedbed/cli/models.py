"""Options of the verbs predict, similar, export."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_device, add_workspace


def _predict(p: ArgumentParser) -> None:
    p.add_argument("model", metavar="MODEL", help="a folder that transfer --out or advise wrote")
    p.add_argument("paths", metavar="PATH", nargs="+", help="image files, or folders of them")
    p.add_argument(
        "--above",
        type=float,
        default=0.5,
        metavar="S",
        help="lowest score of a box or label (default: %(default)s)",
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="of a detector: a new folder for the pictures with their boxes drawn",
    )
    add_device(p)


def _similar(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone", metavar="BACKBONE", help="a folder of a network or a model, small, or a call"
    )
    p.add_argument(
        "data", metavar="DATA", help="the images to search: a store, a folder, or a call"
    )
    p.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="what to look for: image files, or folders of them",
    )
    p.add_argument(
        "--num", type=int, default=5, metavar="K", help="neighbours of each (default: %(default)s)"
    )
    p.add_argument("--layer", default="penultimate", help="default: %(default)s")
    add_device(p)
    add_workspace(p)


def _export(p: ArgumentParser) -> None:
    p.add_argument("model", metavar="MODEL", help="a folder that transfer --out or advise wrote")
    p.add_argument("out", metavar="OUT", help="the file to make; of --format timm a folder")
    p.add_argument("--format", default="onnx", help="onnx (default), torch-export or timm")


COMMANDS = (
    Command(
        "predict", "classes of images, with calibrated probabilities", "models:predict", _predict
    ),
    Command(
        "similar", "the images of a data set that are nearest to others", "models:similar", _similar
    ),
    Command(
        "export", "a model for other software: ONNX, torch.export, timm", "models:export", _export
    ),
)
