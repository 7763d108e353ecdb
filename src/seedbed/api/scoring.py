"""Result files of any tool: score them.

In: ground truth and result files. Out: what they are worth, by the metrics that our own
measurements have.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

from seedbed.base.errors import UsageError, unknown

if TYPE_CHECKING:
    from seedbed.tasks.scoring import Score

METRICS = (
    "voc-detection",
    "voc-classification",
    "voc-action",
    "holidays",
    "oxford",
    "ukbench",
    "top-k",
)


def score(
    metric: str, *given: str | os.PathLike[str], **files: str | os.PathLike[str] | int | None
) -> Score:
    """What result files are worth.

    Args:
        metric: and the files that it takes, by name or in this order:
            "voc-detection", "voc-classification", "voc-action": truth (a folder of VOC), image_set,
            results (a folder of PASCAL result files `*_<class>.txt`; also called detections or
            scores), ap ("voc07" or "voc10"); "holidays": ranking, images (all images, a list or a
            folder); "oxford": truth, ranking; "ukbench": ranking; "top-k": labels, scores (text or
            .npy), k (1 or 5).

    Returns:
        Score: `.metric`, `.value`, `.unit`, `.per_class`, `.others`, `.num`, `.notes`.

    Raises:
        UsageError: an unknown metric, or a file that it does not take or needs.
        BadDataError: a file that is missing or that says what cannot be meant, with its line.

    Example:
        >>> import seedbed as sb, tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> _ = (folder / "labels.txt").write_text("0 1 1".replace(" ", chr(10)))
        >>> _ = (folder / "scores.txt").write_text("0.9 0.1, 0.2 0.8, 0.6 0.4".replace(", ", chr(10)))
        >>> found = sb.score("top-k", labels=folder / "labels.txt", scores=folder / "scores.txt")
        >>> found.metric, round(found.value, 1)
        ('top1', 66.7)
    """
    from seedbed.tasks import scoring

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    order = list(inspect.signature(getattr(scoring, metric.replace("-", "_"))).parameters)
    if len(given) > len(order) or (
        again := [name for name in order[: len(given)] if name in files]
    ):
        what = f"{again[0]} twice" if len(given) <= len(order) else f"{len(given)} files"
        raise UsageError(f"score({metric!r}) was given {what}", f"It takes: {', '.join(order)}.")
    files = {**dict(zip(order, given, strict=False)), **files}
    files = {
        name: os.fspath(path) if isinstance(path, os.PathLike) else path
        for name, path in files.items()
    }
    if metric.startswith("voc"):  # what the option is called too
        said = [name for name in ("results", "detections", "scores") if files.get(name) is not None]
        if len(said) > 1:
            raise UsageError(
                f"{said[0]} and {said[1]} are two names of one argument", "Give one of them."
            )
        others = {
            name: path
            for name, path in files.items()
            if name not in ("results", "detections", "scores")
        }
        files = others | ({"results": files[said[0]]} if said else {})
    function: Any = getattr(scoring, metric.replace("-", "_"))
    takes = inspect.signature(function).parameters
    for name in files:
        if name not in takes:
            raise unknown("argument", name, takes, f"score({metric!r})")
    if missing := [
        name
        for name, p in takes.items()
        if p.default is inspect.Parameter.empty and name not in files
    ]:
        raise UsageError(f"score({metric!r}) needs {missing[0]}", f"It takes: {', '.join(takes)}.")
    return function(**files)
