"""Options of the verbs pretrain, codes, reference-codes."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_device, add_seed, add_threads, add_workspace


def _pretrain(p: ArgumentParser) -> None:
    p.add_argument(
        "store", metavar="STORE", help="a store, or images, which are packed into the workspace"
    )
    p.add_argument(
        "--backbone",
        default="small()",
        help="for example 'small(width=16)', the default, or resnet18 (see: list backbones)",
    )
    p.add_argument("--out", required=True, metavar="DIR", help="folder for the backbone")
    p.add_argument("--recipe", default="", help="for example 'images(fraction=0.5)'")
    p.add_argument("--objective", help="default: supervised()")
    p.add_argument(
        "--images-seen",
        type=int,
        default=300_000,
        metavar="N",
        help="training budget (default: %(default)s)",
    )
    p.add_argument(
        "--size-px",
        type=int,
        metavar="N",
        help="at which images are packed (default: the network's, else 32; a store has its own)",
    )
    p.add_argument("--batch-size", type=int, metavar="N", help="default: 128")
    p.add_argument("--learning-rate", type=float, metavar="X", help="the peak (default: 0.2)")
    p.add_argument("--weight-decay", type=float, metavar="X", help="default: 0.0005")
    p.add_argument("--optimiser", help="sgd (default) or adamw")
    p.add_argument("--decay", help="of the learning rate: linear (default) or cosine")
    p.add_argument("--warmup", type=float, metavar="SHARE", help="of the budget (default: 0.2)")
    p.add_argument("--augmentation", help="crop (default) or resized_crop")
    p.add_argument(
        "--early-stopping",
        type=int,
        metavar="N",
        help="patience, in evaluations without progress (default: no early stopping)",
    )
    p.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=3.0,
        metavar="M",
        help="between checkpoints (default: %(default)s)",
    )
    add_workspace(p)
    add_threads(p)
    add_seed(p)
    add_device(p)


def _codes(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone",
        metavar="BACKBONE",
        help="a folder that pretrain wrote, or a call such as \"vgg16(weights='FILE')\"",
    )
    p.add_argument("data", metavar="DATA", help="a store, a folder of images, or a call")
    p.add_argument("--out", required=True, metavar="FILE.safetensors")
    p.add_argument(
        "--layer",
        action="append",
        help="may be given several times, or 'all' (default: penultimate)",
    )
    p.add_argument(
        "--flatten",
        action="store_true",
        help="the whole map as one vector, instead of its mean over space",
    )
    p.add_argument("--dtype", default="float32", help="float32 (default) or float16")
    p.add_argument("--split", help="train, val or test (default: all)")
    p.add_argument("--recipe", default="")
    add_seed(p)
    add_device(p)
    add_workspace(p)


def _reference_codes(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone", metavar="BACKBONE", help="a folder or a call, as it is named to advise"
    )
    p.add_argument("data", metavar="DATA", help="images like those that the network was trained on")
    p.add_argument(
        "--num",
        type=int,
        default=2048,
        metavar="N",
        help="images, 2 to 2048 (default: %(default)s)",
    )
    p.add_argument("--name", metavar="WORDS", help="what the images are (default: DATA)")
    add_seed(p)
    add_device(p)
    add_workspace(p)


COMMANDS = (
    Command(
        "pretrain",
        "train a backbone on a store, or on what a recipe keeps of it",
        "networks:pretrain",
        _pretrain,
    ),
    Command("codes", "the codes of images at a layer of a backbone", "networks:codes", _codes),
    Command(
        "reference-codes",
        "keep codes of images that advise compares a user's images with",
        "networks:reference_codes",
        _reference_codes,
    ),
)
