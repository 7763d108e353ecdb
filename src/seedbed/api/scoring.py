"""score: result files of any tool, by the metrics that seedbed's own measurements have.

In: ground truth and result files. Out: a Score.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from seedbed.base.errors import UsageError, unknown
from seedbed.tasks import scoring
from seedbed.tasks.scoring import Score

# Name -> function; its parameters are the arguments that the metric takes.
_SCORERS: dict[str, Callable[..., Score]] = {
    "voc-detection": scoring.voc_detection,
    "voc-classification": scoring.voc_classification,
    "voc-action": scoring.voc_action,
    "holidays": scoring.holidays,
    "oxford": scoring.oxford,
    "ukbench": scoring.ukbench,
    "top-k": scoring.top_k,
}
METRICS = tuple(_SCORERS)
# Names that the results of the three VOC metrics have, too.
_RESULT_NAMES = ("results", "detections", "scores")
PathLike = str | os.PathLike[str]


def score(
    metric: str,
    *,
    truth: PathLike | None = None,
    image_set: str | None = None,
    results: PathLike | None = None,
    detections: PathLike | None = None,
    scores: PathLike | None = None,
    ap: str | None = None,
    ranking: PathLike | None = None,
    images: PathLike | None = None,
    labels: PathLike | None = None,
    k: int | None = None,
) -> Score:
    """Score result files.

    Args:
        metric: "voc-detection", "voc-classification" and "voc-action" take truth, image_set,
            results and ap; "holidays" takes ranking and images; "oxford" takes truth and ranking;
            "ukbench" takes ranking; "top-k" takes labels, scores and k.
        truth: the folder of VOC (Annotations/ and ImageSets/), or the folder of Oxford's lists.
        image_set: the list of images, such as "test".
        results: a folder of PASCAL result files `*_<class>.txt`; `detections` and `scores` are
            other names of it.
        ap: the rule of average precision, "voc07" or "voc10".
        ranking: a file with a line for each query, or a folder with a file for each.
        images: all images, as a list or a folder.
        labels: true classes, text or .npy. `scores`: of each class, text or .npy.
        k: 1 or 5.

    Returns:
        Score: `.metric`, `.value`, `.unit`, `.per_class`, `.others`, `.num`, `.notes`.

    Raises:
        UsageError: an unknown metric, or an argument that it does not take, or lacks.
        BadDataError: a missing file, or an invalid line, with its number.

    Example:
        >>> import seedbed as sb, tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "labels.txt").write_text("0 1 1".replace(" ", chr(10)))
        >>> text = "0.9 0.1, 0.2 0.8, 0.6 0.4".replace(", ", chr(10))
        >>> _ = (folder / "scores.txt").write_text(text)
        >>> result = sb.score("top-k", labels=folder / "labels.txt", scores=folder / "scores.txt")
        >>> result.metric, round(result.value, 1)
        ('top1', 66.7)
    """
    if metric not in _SCORERS:
        raise unknown("metric", metric, METRICS)
    arguments: dict[str, Any] = {
        "truth": truth,
        "image_set": image_set,
        "results": results,
        "detections": detections,
        "scores": scores,
        "ap": ap,
        "ranking": ranking,
        "images": images,
        "labels": labels,
        "k": k,
    }
    named = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in arguments.items()
        if value is not None
    }
    if metric.startswith("voc"):
        named = _with_one_name_for_results(named)
    parameters = inspect.signature(_SCORERS[metric]).parameters
    for name in named:
        if name not in parameters:
            raise unknown("argument", name, parameters, f"score({metric!r})")
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in named:
            raise UsageError(
                f"score({metric!r}) needs {name}", f"It takes: {', '.join(parameters)}."
            )
    return _SCORERS[metric](**named)


def _with_one_name_for_results(arguments: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in _RESULT_NAMES if name in arguments]
    if len(names) > 1:
        raise UsageError(
            f"{names[0]} and {names[1]} are two names of one argument", "Give one of them."
        )
    others = {name: value for name, value in arguments.items() if name not in _RESULT_NAMES}
    return others | ({"results": arguments[names[0]]} if names else {})
