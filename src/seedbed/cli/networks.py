"""Options of the verbs pretrain, codes, reference-codes."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import (
    Command,
    add_device,
    add_seed,
    add_threads,
    add_workspace,
    number,
    whole_number,
)


def _pretrain(p: ArgumentParser) -> None:
    p.add_argument(
        "store",
        metavar="STORE",
        help="the training images: a store, or a folder or call, which is packed into the "
        "workspace",
    )
    p.add_argument(
        "--backbone",
        default="small()",
        help="the network: small(width=16) (default), resnet18, ... (see 'seedbed list backbones')",
    )
    p.add_argument("--out", required=True, metavar="DIR", help="new folder for the trained network")
    p.add_argument(
        "--recipe",
        default="",
        help="trains on a selection, such as 'images(fraction=0.5)' (see 'seedbed list recipes')",
    )
    p.add_argument(
        "--objective",
        help="what is learned: supervised() (default) (see 'seedbed list objectives')",
    )
    _add_training(p)
    p.add_argument(
        "--early-stopping",
        type=whole_number(1),
        metavar="N",
        help="stop after N evaluations without progress (default: no early stopping)",
    )
    p.add_argument(
        "--checkpoint-minutes",
        type=number(0),
        default=3.0,
        metavar="M",
        help="minutes between two checkpoints (default: %(default)s)",
    )
    add_workspace(p)
    add_threads(p)
    add_seed(p)
    add_device(p)


def _add_training(p: ArgumentParser) -> None:
    """The settings of the training, as in the table [pretraining] of a study."""
    p.add_argument(
        "--images-seen",
        type=whole_number(0),
        default=300_000,
        metavar="N",
        help="images to train on, counted with repetitions and rounded up to whole batches; 0: "
        "keep random weights (default: %(default)s)",
    )
    p.add_argument(
        "--size-px",
        type=whole_number(1),
        metavar="N",
        help="side of the packed images (default: the network's, else 32); not for a store",
    )
    p.add_argument("--batch-size", type=whole_number(1), metavar="N", help="default: 128")
    p.add_argument(
        "--learning-rate",
        type=number(0, above=True),
        metavar="X",
        help="the highest learning rate of the schedule (default: 0.2)",
    )
    p.add_argument("--weight-decay", type=number(0), metavar="X", help="default: 0.0005")
    p.add_argument("--optimiser", help="sgd (default) or adamw")
    p.add_argument("--decay", help="of the learning rate: linear (default), cosine or steps")
    p.add_argument(
        "--drops",
        metavar="S,S,...",
        help="of --decay steps: after which shares of the budget the rate drops to a tenth, such "
        "as 0.5,0.75",
    )
    p.add_argument(
        "--warmup",
        type=number(0, 1),
        metavar="SHARE",
        help="share of the budget in which the learning rate rises (default: 0.2)",
    )
    p.add_argument("--augmentation", help="crop (default) or resized_crop")


def _codes(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone",
        metavar="BACKBONE",
        help="the network: small, a folder that pretrain wrote, or a call such as "
        "\"vgg16(weights='FILE')\"",
    )
    p.add_argument("data", metavar="DATA", help="images: a folder, a store, or a call")
    p.add_argument("--out", required=True, metavar="FILE.safetensors", help="the file to write")
    p.add_argument(
        "--layer",
        action="append",
        help="the layer to read; may be given several times, or 'all' (default: penultimate)",
    )
    p.add_argument(
        "--flatten",
        action="store_true",
        help="the whole feature map as one vector, instead of its mean over positions",
    )
    p.add_argument("--dtype", default="float32", help="float32 (default) or float16")
    p.add_argument("--split", help="train, val or test (default: all)")
    p.add_argument("--recipe", default="", help="a selection, such as 'images(per_class=20)'")
    add_seed(p)
    add_device(p)
    add_workspace(p)


def _reference_codes(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone", metavar="BACKBONE", help="the network, named as in advise --backbone"
    )
    p.add_argument(
        "data", metavar="DATA", help="images of the kind on which the network was trained"
    )
    p.add_argument(
        "--num",
        type=whole_number(2, 2048),
        default=2048,
        metavar="N",
        help="number of images (default: %(default)s)",
    )
    p.add_argument(
        "--name",
        metavar="WORDS",
        help="a description of the images, which advise prints (default: DATA)",
    )
    add_seed(p)
    add_device(p)
    add_workspace(p)


COMMANDS = (
    Command(
        "pretrain",
        "train a network on images, or on a selection of them",
        "networks:pretrain",
        _pretrain,
    ),
    Command(
        "codes",
        "save the features (CNN codes) of images at a layer of a network",
        "networks:codes",
        _codes,
    ),
    Command(
        "reference-codes",
        "save features of a network's training images, so that advise can tell how similar yours "
        "are",
        "networks:reference_codes",
        _reference_codes,
    ),
)
