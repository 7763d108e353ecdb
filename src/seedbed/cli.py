"""The command line: parse, call the verb, print one document, exit with the right status.

In: arguments. Out: data on stdout (one JSON document with --json, on failure too), talk on stderr.
What each verb does and prints stands in `verbs/`; heavy imports happen inside the verbs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from seedbed.base.errors import SeedbedError, UsageError, nearest

FAILED_CELLS, INTERRUPTED, INTERNAL = 4, 130, 1
Add = Callable[[argparse.ArgumentParser], None]


class _Parser(argparse.ArgumentParser):
    """argparse, with our errors instead of its own exit, and options spelled out: an abbreviation
    may mean another one tomorrow."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        hint = f"See {self.prog} --help."
        if "invalid choice" in message:
            given = message.split("invalid choice: '")[-1].split("'")[0]
            near = nearest(given, self._verbs())
            hint = (f"Did you mean {near!r}? " if near else "") + hint
        raise UsageError(message, hint)

    def _verbs(self) -> list[str]:
        actions = [a for a in self._actions if a.choices]
        return [str(c) for a in actions for c in a.choices or ()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. Errors are printed here and nowhere else."""
    # torch's threads spin while they wait for each other, which on a machine that does something
    # else beside can cost a factor of ten and
    # more; let them sleep soon (docs/log.md). This is read when torch is first imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        return program(arguments)
    except SeedbedError as error:
        return _fail(error.to_dict(), str(error), error.exit_status, as_json)
    except KeyboardInterrupt:
        message = "interrupted; what was finished is kept, and the same command goes on from there"
        return _fail(
            {"kind": "interrupted", "message": message, "hint": ""}, message, INTERRUPTED, as_json
        )
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:  # a fault of ours: say so, and where
        import traceback

        traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}"
        hint = "This is a fault of seedbed: please report it with the lines above and what you ran."
        return _fail(
            {"kind": "internal", "message": message, "hint": hint},
            f"{message}\n{hint}",
            INTERNAL,
            as_json,
        )


def program(arguments: Sequence[str]) -> int:
    """Parse and run; raises SeedbedError for what the user can mend."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if getattr(options, "verb", None) is None:
        parser.print_help()
        return 0
    module, _, function = options.verb.partition(":")
    document, status = getattr(importlib.import_module(f"seedbed.verbs.{module}"), function)(
        options
    )
    if options.json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
    return status


def _fail(error: dict[str, Any], text: str, status: int, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"error": error}, ensure_ascii=False) + "\n")
    sys.stderr.write(f"seedbed: {text}\n")
    return status


def build_parser() -> argparse.ArgumentParser:
    """All verbs, in the order in which a user meets them."""
    parser = _Parser(
        prog="seedbed",
        description="Find out what in a pre-training data set makes transfer work.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=_version())
    groups = parser.add_subparsers(metavar="VERB")
    for name, summary, verb, add in _VERBS:
        _add_verb(groups, name, summary, verb, add)
    score = groups.add_parser(
        "score", help="metrics on files that any tool wrote", description=_SCORE
    )
    score.set_defaults(verb=None)
    metrics = score.add_subparsers(metavar="METRIC", required=True)
    for name, summary, verb, add in _SCORES:
        _add_verb(metrics, name, summary, verb, add)
    study = groups.add_parser(
        "study", help="new, plan, run, status: a whole study from a file", description=_STUDY
    )
    study.set_defaults(verb=None)
    inner = study.add_subparsers(metavar="VERB", required=True)
    for name, summary, verb, add in _STUDY_VERBS:
        _add_verb(inner, name, summary, verb, add)
    return parser


def _add_verb(groups: Any, name: str, summary: str, verb: str, add: Add) -> None:
    parser = groups.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document to stdout")
    parser.set_defaults(verb=verb)
    add(parser)


def _version() -> str:
    from seedbed import __version__

    return f"seedbed {__version__}"


_EPILOG = "Begin with: seedbed demo. Then: seedbed study new images-per-class --source FOLDER --target FOLDER > study.toml"
_SCORE = "Scores result files by the same metrics that seedbed's own measurements have."
_STUDY = "A study pre-trains arms of a source with several seeds, transfers them to targets, and compares."


def _demo(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--out",
        default="seedbed-demo",
        metavar="DIR",
        help="folder of the study and its report (default: %(default)s)",
    )
    _seed(p)


def _pack(p: argparse.ArgumentParser) -> None:
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


def _inspect(p: argparse.ArgumentParser) -> None:
    p.add_argument("path", metavar="PATH", help="a store, a source, a backbone or a study file")
    p.add_argument("--recipe", default="", help="what would be left after a recipe")
    _seed(p)
    _workspace(p)


def _hierarchy(p: argparse.ArgumentParser) -> None:
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
    _seed(p)


def _audit(p: argparse.ArgumentParser) -> None:
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
    _workspace(p)


def _pretrain(p: argparse.ArgumentParser) -> None:
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
        help="at which images are packed (default: 64; a store has its own)",
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
        help="looks without progress that end it (default: never)",
    )
    p.add_argument(
        "--checkpoint-minutes",
        type=float,
        default=3.0,
        metavar="M",
        help="between checkpoints (default: %(default)s)",
    )
    _workspace(p)
    _threads(p)
    _seed(p)
    _device(p)


def _codes(p: argparse.ArgumentParser) -> None:
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
    _seed(p)
    _device(p)
    _workspace(p)


def _transfer(p: argparse.ArgumentParser) -> None:
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
        help="where the labels come from, for adapt(...) and detect(): another domain, the same classes",
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
    _threads(p)
    _seed(p)
    _device(p)
    _workspace(p)


def _advise(p: argparse.ArgumentParser) -> None:
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
        help="a network to race; may be given several times (default: the small one that comes with seedbed, and all weights found here)",
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
    _seed(p)
    _device(p)
    _workspace(p)


def _predict(p: argparse.ArgumentParser) -> None:
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
    _device(p)


def _similar(p: argparse.ArgumentParser) -> None:
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
    _device(p)
    _workspace(p)


def _export(p: argparse.ArgumentParser) -> None:
    p.add_argument("model", metavar="MODEL", help="a folder that transfer --out or advise wrote")
    p.add_argument("out", metavar="OUT", help="the file to make; of --format timm a folder")
    p.add_argument("--format", default="onnx", help="onnx (default), torch-export or timm")


def _voc(rule: str) -> Add:
    def add(p: argparse.ArgumentParser) -> None:
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


_RANKING = "a file with a line for each query (query, then what was found), or a folder with a file for each"


def _ranking(p: argparse.ArgumentParser) -> None:
    p.add_argument("ranking", metavar="RANKING", help=_RANKING)


def _holidays(p: argparse.ArgumentParser) -> None:
    _ranking(p)
    p.add_argument(
        "--images",
        metavar="P",
        help="all images: a list, or their folder (default: those that the rankings name)",
    )


def _oxford(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "truth",
        metavar="GROUNDTRUTH",
        help="the folder of the files *_query.txt, *_good.txt, *_ok.txt, *_junk.txt",
    )
    _ranking(p)


def _top_k(p: argparse.ArgumentParser) -> None:
    p.add_argument("labels", metavar="LABELS", help="a whole number a line from 0, or .npy")
    p.add_argument(
        "scores", metavar="SCORES", help="a line of numbers an image, one of each class, or .npy"
    )
    p.add_argument("--k", type=int, default=1, metavar="K", help="1 (default) or 5")


def _report(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a study file")
    p.add_argument(
        "--out", metavar="FILE.html", help="default: report.html in the study's results folder"
    )
    _workspace(p)


def _list(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "group",
        nargs="?",
        metavar="GROUP",
        help="formats, recipes, backbones, objectives, tasks, methods or questions",
    )


def _disk(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--clean",
        action="store_true",
        help="remove what no study refers to; without it, this is only shown",
    )
    _workspace(p)


def _new(p: argparse.ArgumentParser) -> None:
    p.add_argument("question", metavar="QUESTION", help="see: seedbed list questions")
    p.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="P",
        help="a folder, a store or a call (default: toy()); some questions take two",
    )
    p.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="P",
        help="may be given several times (default: digits())",
    )
    p.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="B",
        help="the network; given again, every arm once more with that one",
    )


def _file(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="FILE", help="a study file (TOML)")
    _workspace(p)


def _run(p: argparse.ArgumentParser) -> None:
    _file(p)
    p.add_argument("--executor", help="processes (default) or inline")
    p.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    _device(p)


def _seed(p: argparse.ArgumentParser) -> None:
    p.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")


def _device(p: argparse.ArgumentParser) -> None:
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _threads(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads (default: all); a study uses 1, and the number is part of a result's key",
    )


def _workspace(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--workspace",
        metavar="DIR",
        help="where finished steps live (default: SEEDBED_WORKSPACE, or seedbed-work/)",
    )


# name, summary, module:function in verbs/, arguments
_VERBS: tuple[tuple[str, str, str, Add], ...] = (
    (
        "demo",
        "run a real study on the embedded default: no data, no network, a few minutes",
        "studies:demo",
        _demo,
    ),
    ("pack", "decode a source once into a store", "data:pack", _pack),
    ("inspect", "what a store, a source, a backbone or a study holds", "data:inspect", _inspect),
    (
        "hierarchy",
        "what a recipe makes of class labels, without images",
        "data:hierarchy",
        _hierarchy,
    ),
    (
        "audit",
        "look for unreadable files, tiny classes and near duplicates, before anything is trained",
        "data:audit",
        _audit,
    ),
    (
        "pretrain",
        "train a backbone on a store, or on what a recipe keeps of it",
        "networks:pretrain",
        _pretrain,
    ),
    ("codes", "the codes of images at a layer of a backbone", "networks:codes", _codes),
    (
        "transfer",
        "measure a backbone on a task by a method, and keep the model",
        "transfer:transfer",
        _transfer,
    ),
    (
        "advise",
        "which network, layer and method for your images, on evidence",
        "advice:advise",
        _advise,
    ),
    ("predict", "classes of images, with calibrated probabilities", "models:predict", _predict),
    ("similar", "the images of a data set that are nearest to others", "models:similar", _similar),
    ("export", "a model for other software: ONNX, torch.export, timm", "models:export", _export),
    ("report", "write the report of a study as one HTML page", "studies:report", _report),
    (
        "list",
        "formats, recipes, backbones, objectives, tasks, methods, questions",
        "workspace:list_plugins",
        _list,
    ),
    ("disk", "what the workspace holds, and which study refers to it", "workspace:disk", _disk),
)
_SCORES: tuple[tuple[str, str, str, Add], ...] = (
    (
        "voc-detection",
        "PASCAL VOC detection: lines image score xmin ymin xmax ymax",
        "scoring:voc_detection",
        _voc("voc07"),
    ),
    (
        "voc-classification",
        "PASCAL VOC classification: lines image score",
        "scoring:voc_classification",
        _voc("voc07"),
    ),
    (
        "voc-action",
        "PASCAL VOC actions: lines image object score",
        "scoring:voc_action",
        _voc("voc10"),
    ),
    (
        "holidays",
        "INRIA Holidays: mean average precision of rankings",
        "scoring:holidays",
        _holidays,
    ),
    ("oxford", "Oxford and Paris: mean average precision of rankings", "scoring:oxford", _oxford),
    ("ukbench", "UKBench: N-S score of rankings", "scoring:ukbench", _ranking),
    ("top-k", "top-1 or top-5 accuracy of class scores", "scoring:top_k", _top_k),
)
_STUDY_VERBS: tuple[tuple[str, str, str, Add], ...] = (
    ("new", "print a commented study file that asks a question", "studies:study_new", _new),
    (
        "plan",
        "what a study will do and cost; packs what is not packed, trains nothing",
        "studies:study_plan",
        _file,
    ),
    ("run", "run what is not done of a study", "studies:study_run", _run),
    ("status", "the results so far", "studies:study_status", _file),
)

if __name__ == "__main__":
    sys.exit(main())
