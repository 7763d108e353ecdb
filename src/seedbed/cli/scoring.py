"""Options of the verbs score METRIC."""

from __future__ import annotations

from argparse import ArgumentParser

from seedbed.cli.options import AddOptions, Command, whole_number


def _voc(rule: str) -> AddOptions:
    def add(p: ArgumentParser) -> None:
        p.add_argument(
            "--truth",
            required=True,
            metavar="VOCDIR",
            help="Annotations/ and ImageSets/: VOCdevkit/VOC2007",
        )
        p.add_argument("--image-set", required=True, metavar="S", help="the list of images: test")
        p.add_argument(
            "--results",
            "--detections",
            "--scores",
            required=True,
            metavar="DIR",
            help="PASCAL result files *_<class>.txt",
        )
        p.add_argument(
            "--ap",
            default=rule,
            metavar="RULE",
            help="voc07: eleven points, or voc10: area (default: %(default)s)",
        )

    return add


_RANKING = (
    "a file with a line for each query (the query, then its ranking), or a folder with a file for "
    "each query"
)


def _ranking(p: ArgumentParser) -> None:
    p.add_argument("ranking", metavar="RANKING", help=_RANKING)


def _holidays(p: ArgumentParser) -> None:
    _ranking(p)
    p.add_argument(
        "--images",
        metavar="P",
        help="all images: a list, or their folder (default: the images in the rankings)",
    )


def _oxford(p: ArgumentParser) -> None:
    p.add_argument(
        "truth",
        metavar="GROUNDTRUTH",
        help="the folder of the files *_query.txt, *_good.txt, *_ok.txt, *_junk.txt",
    )
    _ranking(p)


def _top_k(p: ArgumentParser) -> None:
    p.add_argument("labels", metavar="LABELS", help="one class number per line, from 0; or .npy")
    p.add_argument(
        "scores", metavar="SCORES", help="one line per image with a score for each class; or .npy"
    )
    p.add_argument("--k", type=whole_number(1), default=1, metavar="K", help="1 (default) or 5")


METRICS = (
    Command(
        "voc-detection",
        "PASCAL VOC detection; lines of the result files: image score xmin ymin xmax ymax",
        "scoring:voc_detection",
        _voc("voc07"),
    ),
    Command(
        "voc-classification",
        "PASCAL VOC classification; lines of the result files: image score",
        "scoring:voc_classification",
        _voc("voc07"),
    ),
    Command(
        "voc-action",
        "PASCAL VOC actions; lines of the result files: image object score",
        "scoring:voc_action",
        _voc("voc10"),
    ),
    Command(
        "holidays",
        "INRIA Holidays: mean average precision of rankings",
        "scoring:holidays",
        _holidays,
    ),
    Command(
        "oxford", "Oxford and Paris: mean average precision of rankings", "scoring:oxford", _oxford
    ),
    Command("ukbench", "UKBench: N-S score of rankings", "scoring:ukbench", _ranking),
    Command("top-k", "top-1 or top-5 accuracy of class scores", "scoring:top_k", _top_k),
)
