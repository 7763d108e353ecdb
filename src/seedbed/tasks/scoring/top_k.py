"""Top-k accuracy of a table of class scores.

In: a file of labels and a file of scores. Out: a `Score`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, UsageError
from seedbed.base.paths import expand_user
from seedbed.metrics.accuracy import TOP1, TOP5, accuracies, rank, top_k_contributions
from seedbed.tasks.scoring.score import Score

_METRICS = {1: TOP1, 5: TOP5}


def top_k(labels: str | Path, scores: str | Path, k: int = 1) -> Score:
    """Top-k accuracy, k = 1 or 5.

    Args:
        labels: one whole number from 0 per line, or .npy [n].
        scores: K numbers per line, or .npy [n, K].
    """
    truth, table = _read_table(labels).ravel(), _read_table(scores)
    if table.ndim != 2 or len(truth) != len(table):
        raise BadDataError(
            f"{labels} has {len(truth):,} labels and {scores} has {len(table):,} rows",
            "Give one row of scores for each label.",
        )
    if np.isnan(table).any():
        raise BadDataError(
            f"{scores} has scores that are nan", "A ranking needs a number for each."
        )
    whole, num_classes = np.nan_to_num(truth, nan=-1.0).astype(np.int64), table.shape[1]
    if not np.array_equal(whole, truth) or whole.min() < 0 or whole.max() >= num_classes:
        raise BadDataError(
            f"{labels} holds labels that are not 0 to {num_classes - 1}",
            "A label is the column of its class in the scores, from 0.",
        )
    if k not in _METRICS:
        raise UsageError(f"k = {k}: the metrics are top1 and top5", "Take 1 or 5.")
    if k > num_classes:
        raise UsageError(f"k = {k} is more than the {num_classes} classes", "Take 1.")
    ranked = rank(table)
    each = top_k_contributions(whole, ranked, k)
    values = accuracies(whole, ranked, num_classes)
    name = _METRICS[k].name
    return Score(
        metric=name,
        value=float(each.mean()),
        per_class={str(c): float(each[whole == c].mean()) for c in np.unique(whole)},
        others={other: value for other, value in values.items() if other != name},
        num=len(whole),
    )


def _read_table(path: str | Path) -> np.ndarray:
    """Numbers of a .npy file, or of lines of text separated by commas or spaces."""
    root = expand_user(path)
    try:
        if root.suffix == ".npy":
            table = np.load(root, allow_pickle=False)
            if table.dtype.kind not in "iufb" or not table.ndim:
                raise ValueError(f"it holds {table.dtype} of shape {table.shape}")
            return _check_not_empty(table.astype(np.float64), path)
        lines = [
            line.replace(",", " ").split()
            for line in root.read_text(encoding="utf-8-sig").splitlines()
            if line.strip()
        ]
        return _check_not_empty(np.array(lines, np.float64), path)
    except (OSError, EOFError) as error:
        raise BadDataError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}",
            "Name a .npy file, or text with one row per line.",
        ) from None
    except ValueError as error:
        raise BadDataError(
            f"{path} is not a table of numbers: {error}",
            "Write one row per line, with as many numbers in each.",
        ) from None


def _check_not_empty(table: np.ndarray, path: str | Path) -> np.ndarray:
    if not table.size:
        raise BadDataError(f"{path} is empty", "Write one row per line.")
    return table
