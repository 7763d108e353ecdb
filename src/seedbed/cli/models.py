"""Options of the verbs predict, similar, export."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_device, add_workspace, number, whole_number

_MODEL = (
    "a folder with a trained model, as transfer --out and advise write it (or a network with its "
    "own classes)"
)


def _predict(p: ArgumentParser) -> None:
    p.add_argument("model", metavar="MODEL", help=_MODEL)
    p.add_argument("paths", metavar="PATH", nargs="+", help="image files, or folders of them")
    p.add_argument(
        "--above",
        type=number(0, 1),
        default=0.5,
        metavar="S",
        help="report boxes, or labels of several, with this score or more (default: %(default)s)",
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="with a detector: a new folder for copies of the images with their boxes drawn",
    )
    add_device(p)


def _similar(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone", metavar="BACKBONE", help="the network or model: a folder, small, or a call"
    )
    p.add_argument(
        "data", metavar="DATA", help="the images to search in: a folder, a store, or a call"
    )
    p.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="the images to find neighbours of: files, or folders of them",
    )
    p.add_argument(
        "--num",
        type=whole_number(1),
        default=5,
        metavar="K",
        help="neighbours of each image (default: %(default)s)",
    )
    p.add_argument(
        "--layer", default="penultimate", help="the layer to compare by (default: %(default)s)"
    )
    add_device(p)
    add_workspace(p)


def _export(p: ArgumentParser) -> None:
    p.add_argument("model", metavar="MODEL", help="a folder that transfer --out or advise wrote")
    p.add_argument("out", metavar="OUT", help="the file to write; for the format timm a folder")
    p.add_argument(
        "--format", help="onnx, torch-export or timm (default: by the suffix of OUT, .onnx or .pt2)"
    )


COMMANDS = (
    Command(
        "predict",
        "predict the classes of new images, with calibrated probabilities",
        "models:predict",
        _predict,
    ),
    Command(
        "similar",
        "find the images of a data set that are most similar to given ones",
        "models:similar",
        _similar,
    ),
    Command(
        "export",
        "write a model for other software: ONNX, torch.export, timm",
        "models:export",
        _export,
    ),
)
