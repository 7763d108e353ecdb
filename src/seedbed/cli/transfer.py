"""Options of the verbs transfer."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import Command, add_device, add_seed, add_threads, add_workspace


def _transfer(p: ArgumentParser) -> None:
    p.add_argument(
        "backbone",
        metavar="BACKBONE",
        help="a folder that pretrain wrote, or a call such as \"vgg16(weights='FILE')\"",
    )
    p.add_argument("task", metavar="TASK", help="a store, a folder of images, or a call")
    p.add_argument(
        "method", metavar="METHOD", help="for example 'probe()' (see: seedbed list methods)"
    )
    p.add_argument(
        "--out",
        metavar="DIR",
        help="keep the model that is trained in a new folder: predict and export take it",
    )
    p.add_argument(
        "--train-per-class",
        type=int,
        metavar="N",
        help="use so many labelled images of each class only",
    )
    p.add_argument(
        "--labelled",
        metavar="DATA",
        help="another domain with the same classes, where the labels come from: for adapt(...) "
        "and detect()",
    )
    p.add_argument(
        "--metric",
        metavar="M",
        help="the primary one, where the task has several: mean_class_accuracy, map_voc10",
    )
    p.add_argument(
        "--learn-on",
        metavar="DATA",
        help="images that a whitening is fitted on, for retrieve() on a set without its own",
    )
    add_threads(p)
    add_seed(p)
    add_device(p)
    add_workspace(p)


COMMANDS = (
    Command(
        "transfer",
        "measure a backbone on a task by a method, and keep the model",
        "transfer:transfer",
        _transfer,
    ),
)
