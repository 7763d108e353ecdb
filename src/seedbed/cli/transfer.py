"""Options of the verbs transfer."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import (
    Command,
    add_device,
    add_seed,
    add_threads,
    add_workspace,
    whole_number,
)

_BACKBONE = (
    "the network: small (it comes with seedbed), another name (see 'seedbed list backbones'), a "
    "folder that pretrain wrote, or a call such as \"vgg16(weights='FILE')\""
)


def _transfer(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone",
        metavar="BACKBONE",
        help=_BACKBONE,
    )
    p.add_argument(
        "task",
        metavar="TASK",
        help="labelled images: a folder, a store that pack wrote, or a call such as "
        "\"coco('DIR')\"",
    )
    p.add_argument(
        "method", metavar="METHOD", help="for example 'probe()' (see 'seedbed list methods')"
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="save the trained model in this new folder, for predict and export",
    )
    p.add_argument(
        "--train-per-class",
        type=whole_number(1),
        metavar="N",
        help="use only N labelled images of each class",
    )
    p.add_argument(
        "--labelled",
        metavar="DATA",
        help="labelled images of the same classes from another domain, for adapt(...) and detect()",
    )
    p.add_argument(
        "--metric",
        metavar="M",
        help="the main metric, where the task has several: mean_class_accuracy, map_voc10",
    )
    p.add_argument(
        "--learn-on",
        metavar="DATA",
        help="images to fit the PCA whitening of retrieve() on, if the set has none for it",
    )
    add_threads(p)
    add_seed(p)
    add_device(p)
    add_workspace(p)


COMMANDS = (
    Command(
        "transfer",
        "train and test a network on your labelled images by one method",
        "transfer:transfer",
        _transfer,
    ),
)
