"""`seedbed.testing`: built-in plug-ins pass, and plug-ins that break their contract do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from seedbed import testing
from seedbed.base.randomness import Draw
from seedbed.data.formats import FORMATS
from seedbed.data.formats.digits import Digits
from seedbed.data.hierarchy import Hierarchy
from seedbed.data.recipes import RECIPES, ClassRecipe, ImageRecipe, TrainingRows
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.pretraining.objectives.supervised import Supervised
from seedbed.transfers.methods import METHODS
from seedbed.transfers.methods.probe import Probe


@pytest.mark.parametrize(
    ("check", "calls"),
    [
        (testing.check_format, ["digits()", "toy(per_class=2, test_per_class=1)"]),
        (testing.check_recipe, ["images(fraction=0.5)", "bottom_up(depth=1)"]),
        (testing.check_recipe, ["shuffle_labels(fraction=0.5)", "classes(num=7)"]),
        (testing.check_backbone, ["small(width=2)"]),
        (testing.check_objective, ["supervised()"]),
        (testing.check_task, ["classification()", "retrieval()"]),
        (testing.check_method, ["probe(c=[1.0])"]),
        (testing.check_question, ["images-per-class"]),
    ],
)
def test_built_in_plugins_keep_their_contracts(check, calls: Sequence[str]) -> None:
    for call in calls:
        check(call)


@dataclass(frozen=True)
class FirstClasses(ClassRecipe):
    """Keeps the first half of the classes as they are listed: it depends on their order."""

    draws: ClassVar[bool] = False

    def relabel(
        self, leaves: Sequence[str], hierarchy: Hierarchy | None, draw: Draw
    ) -> Mapping[str, str | None]:
        return {leaf: leaf if i < len(leaves) / 2 else None for i, leaf in enumerate(leaves)}


@dataclass(frozen=True)
class FirstRows(ImageRecipe):
    """Keeps the first half of the rows as they are listed."""

    draws: ClassVar[bool] = False

    def select(self, rows: TrainingRows, draw: Draw) -> np.ndarray:
        return np.arange(len(rows.labels)) < len(rows.labels) / 2


@dataclass(frozen=True)
class Constant(Supervised):
    """A loss that never falls."""

    def loss(self, model, batch):
        value, hits = super().loss(model, batch)
        return value * 0 + 1, hits


@dataclass(frozen=True)
class UnsortedDigits(Digits):
    """Lists its ids in another order."""

    def read(self):
        from dataclasses import replace

        source = super().read()
        return replace(source, ids=source.ids[::-1])


@dataclass(frozen=True)
class Forgetful(Probe):
    """Changes the backbone that it is given."""

    def run(self, backbone, task, context):
        measured = super().run(backbone, task, context)
        next(backbone.module.parameters()).data.mul_(1.0001)
        return measured


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the broken plug-ins of this file."""
    for registry, name, cls in (
        (RECIPES, "first_classes", FirstClasses),
        (RECIPES, "first_rows", FirstRows),
        (OBJECTIVES, "constant", Constant),
        (FORMATS, "unsorted", UnsortedDigits),
        (METHODS, "forgetful", Forgetful),
    ):
        class_path = f"{cls.__module__}:{cls.__name__}"
        monkeypatch.setitem(registry._class_paths, name, class_path)
    yield
    testing._backbone.cache_clear()


@pytest.mark.parametrize(
    ("check", "call", "message"),
    [
        (testing.check_recipe, "first_classes()", "depends on the order of the leaves"),
        (testing.check_recipe, "first_rows()", "depends on the order of the rows"),
        (testing.check_objective, "constant()", "the loss does not fall"),
        (testing.check_format, "unsorted()", "ids are not sorted"),
        (testing.check_method, "forgetful(c=[1.0])", "changes the backbone"),
    ],
)
def test_a_plugin_that_breaks_its_contract_fails(broken, check, call: str, message: str) -> None:
    with pytest.raises(testing.ContractError, match=message):
        check(call)


def test_a_metric_is_checked_against_its_predictions() -> None:
    predictions = {
        "ids": np.arange(3),
        "labels": np.array([0, 1, 1]),
        "ranked": np.array([[0, 1], [1, 0], [0, 1]]),
    }
    testing.check_metric("top1", predictions, 200 / 3)
    with pytest.raises(testing.ContractError, match="is not 50"):
        testing.check_metric("top1", predictions, 50.0)


def test_folders_of_formats_are_read(make_tree) -> None:
    folder: Path = make_tree({"cats": 3, "dogs": 3})
    testing.check_format(f"folder({str(folder)!r})")
