"""Scores of result files that any tool wrote, by the metrics of seedbed's own measurements.

In: ground truth as it is distributed, and result files. Out: a `Score`: the metric, its value, and
the value of each class or query. Nothing is trained, and no image is read.
"""

from __future__ import annotations

from seedbed.tasks.scoring.pascal import voc_action, voc_classification, voc_detection
from seedbed.tasks.scoring.rankings import holidays, oxford, ukbench
from seedbed.tasks.scoring.score import Score
from seedbed.tasks.scoring.top_k import top_k

__all__ = [
    "Score",
    "holidays",
    "oxford",
    "top_k",
    "ukbench",
    "voc_action",
    "voc_classification",
    "voc_detection",
]
