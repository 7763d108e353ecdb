"""as_is(): a checkpoint with its own classifier."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import digits_store, trained

from seedbed.base.errors import UsageError
from seedbed.models.codes import logits
from seedbed.tasks.catalogue.classification import Classification
from seedbed.transfers.methods import METHODS, Context


def test_errors_are_those_of_its_scores() -> None:
    task = Classification().load(digits_store(), 0)
    measured = METHODS.make("as_is()").run(trained().backbone, task, Context())
    scores = logits(trained().backbone, trained().backbone.images(task.store, task.test)).numpy()
    labels = digits_store().leaves[task.test]
    top5 = np.argsort(-scores, axis=1)[:, :5]
    assert measured.metrics["top1_error"] == pytest.approx(
        100 * (scores.argmax(1) != labels).mean()
    )
    assert measured.metrics["top5_error"] == pytest.approx(
        100 * (top5 != labels[:, None]).all(1).mean()
    )
    assert measured.metrics["top1"] == pytest.approx(100 - measured.metrics["top1_error"])


def test_classes_in_another_order_are_matched_by_name_and_others_count_as_wrong() -> None:
    task = Classification(recipe="classes(names=['3', '7', '8'])").load(digits_store(), 0)
    backbone = trained().backbone
    measured = METHODS.make("as_is()").run(backbone, task, Context())
    scores = logits(backbone, backbone.images(task.store, task.test)).numpy()
    labels = digits_store().leaves[task.test]  # 3, 7 and 8 among ten
    assert measured.metrics["top1"] == pytest.approx(100 * (scores.argmax(1) == labels).mean())
    renamed = replace(backbone, classes=tuple(f"n{i}" for i in range(10)))
    with pytest.raises(UsageError, match="3 of the 3 classes .* are not among"):
        METHODS.make("as_is()").run(renamed, task, Context())
