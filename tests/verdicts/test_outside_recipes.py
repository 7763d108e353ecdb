"""Recipes of an outside package take part in everything that the built-in ones do: scaling laws,
class influence, random controls, exclusions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedbed.base.artifacts import Workspace
from seedbed.base.randomness import item_hashes
from seedbed.data.matching_classes import matching_nodes
from seedbed.data.recipes import RECIPES, ClassRecipe, ImageRecipe, Recipe
from seedbed.trials.planner import make_plan
from seedbed.trials.results import Results, collect
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.verdicts.findings import findings
from seedbed.verdicts.findings.finding import Finding
from seedbed.verdicts.pairs import Pair, with_controls
from seedbed.verdicts.questions import answer
from seedbed.verdicts.questions.arm_names import name_with_classes


@dataclass(frozen=True)
class Some(ClassRecipe):
    """A random share of the classes."""

    share: float = 0.5

    @property
    def sampled_axis(self):
        return "classes"

    def relabel(self, leaves, hierarchy, draw):
        ranked = sorted(leaves, key=lambda leaf: draw.ranks(item_hashes([leaf]))[0])
        selected = set(ranked[: max(2, round(self.share * len(leaves)))])
        return {leaf: leaf if leaf in selected else None for leaf in leaves}


@dataclass(frozen=True)
class Thin(ImageRecipe):
    """A random part of the images of each class: one in so many."""

    one_in: int = 2

    @property
    def sampled_axis(self):
        return "images"

    @property
    def image_share(self):
        return 1 / self.one_in

    def select(self, rows, draw):
        ranks = draw.ranks(rows.hashes)
        is_kept = np.zeros(len(ranks), bool)
        for c in range(len(rows.classes)):
            members = np.flatnonzero(rows.labels == c)
            num = max(1, len(members) // self.one_in)
            is_kept[members[np.argsort(ranks[members])[:num]]] = True
        return is_kept


@dataclass(frozen=True)
class Bright(ImageRecipe):
    """Images chosen by what they are: no random sample."""

    one_in: int = 2

    def select(self, rows, draw):
        return rows.hashes % np.uint64(self.one_in) == 0


@dataclass(frozen=True)
class Shuffled(ClassRecipe):
    """A random control that is not `like`: some classes, for those that `under(...)` keeps."""

    node: str

    @property
    def control_for(self):
        return Recipe(f"under(synsets=[{self.node!r}])")

    def relabel(self, leaves, hierarchy, draw):
        return Some(0.2).relabel(leaves, hierarchy, draw)


@dataclass(frozen=True)
class Without(ClassRecipe):
    """Without the classes of a target, by another name than `exclude`."""

    of: str = ""
    nodes: tuple[str, ...] = ()

    def relabel(self, leaves, hierarchy, draw):
        closure = hierarchy.closure(self.nodes)
        return {leaf: None if leaf in closure else leaf for leaf in leaves}

    def excluded_nodes(self):
        return dict.fromkeys(self.nodes, "")

    def resolve(self, source, targets):
        if self.of not in targets:
            return self
        nodes = matching_nodes(targets[self.of], source.hierarchy)
        return Without(nodes=tuple(nodes.values()))


@pytest.fixture(autouse=True)
def outside_package(add_entry_points) -> None:
    """`some`, `thin`, ... of an outside package."""
    classes = (Some, Thin, Bright, Shuffled, Without)
    paths = {cls.__name__.lower(): f"{__name__}:{cls.__name__}" for cls in classes}
    add_entry_points(RECIPES, **paths)


def _study(folder: Path, arms: dict[str, Any], **settings: Any) -> Study:
    common = {
        "name": "outside",
        "source": "toy(per_class=8, test_per_class=1)",
        "reference": "all",
        "targets": {"digits": "digits(train_per_class=2)"},
        "backbone": "small(width=2)",
        "images_seen": 16,
        "seeds": 2,
        "methods": {"probe": "probe(c=[1.0])"},
        "folder": folder,
    }
    return Study(arms=arms, **(common | settings))


def _run(study: Study, folder: Path) -> Results:
    return run_study(study, workspace=folder / "work", executor="inline", device="cpu")


def _findings(results: Results, kind: str) -> list[Finding]:
    return [f for f in findings(results, answer(results)) if f.kind == kind]


@pytest.mark.slow
def test_random_samples_of_an_outside_recipe_enter_a_scaling_law(tmp_path: Path) -> None:
    arms = {
        "all": "",
        "half": "thin()",
        "quarter": "thin(one_in=4)",
        "few": "some(share=0.25)",
        "both": "some(0.25) | thin(4) | images(per_class=1)",
        "mixed": "some(0.25) | bright()",
    }
    study = _study(tmp_path, arms)
    [law] = _findings(_run(study, tmp_path), "scaling")
    assert law.details["arms"] == ["all", "half", "quarter", "few", "both"]
    assert law.details["over"] == ["per_class", "classes"]


@pytest.mark.slow
def test_random_classes_of_an_outside_recipe_have_an_influence(tmp_path: Path) -> None:
    arms = {"all": "thin()", "half": "thin() | some()"}
    study = _study(tmp_path, arms, seeds=8)
    results = _run(study, tmp_path)
    [influence] = _findings(results, "influence")
    assert influence.arm == "half"
    labels = {row["label"] for row in influence.details.get("classes", ())}
    assert influence.verdict == "refused" or labels == set(results.plan.stores["source"].classes)


def test_an_outside_recipe_has_a_random_control(tmp_path: Path) -> None:
    arms = {
        "all": "",
        "fewer": "some(0.7) | thin(2)",
        "like-fewer": "like(recipe='some(share=0.7) | thin()')",
        "rest": "some(share=0.7) | images(4)",
        "like-rest": "like(recipe='some(0.7)') | images(per_class=4)",
        "round": "under(['round'])",
        "shuffled": "shuffled('round')",
    }
    study = _study(tmp_path, arms)
    controls = [Pair("fewer", "like-fewer"), Pair("rest", "like-rest"), Pair("round", "shuffled")]
    pairs = with_controls(study)
    assert pairs[-3:] == controls
    assert [p.arm for p in pairs[:-3]] == ["fewer", "rest", "round"]

    plan = make_plan(study, Workspace(tmp_path / "work"))
    results = collect(plan, {})
    assert name_with_classes(results, "shuffled") == "its random control 'shuffled'"
    views = plan.views
    for arm in ("fewer", "rest"):
        assert len(views[arm, 0].classes) == len(views[f"like-{arm}", 0].classes) == 42
        assert views[arm, 0].classes != views[f"like-{arm}", 0].classes
    num_images = len(views["fewer", 0].rows)
    assert num_images == 42 * 4 == len(views["like-fewer", 0].rows)


def test_an_outside_recipe_may_name_a_target_of_the_study(tmp_path: Path, make_tree) -> None:
    make_tree({"train/x": 6, "train/y": 6, "test/x": 4, "test/y": 4}, root="cells")
    (tmp_path / "what.csv").write_text("x,round\ny,line\n")
    targets = {"cells": "folder('cells', hierarchy='what.csv')"}
    arms = {"all": "", "less": "without(of='cells')"}
    arms["like-less"] = "like(recipe=\"without('cells')\")"
    study = _study(tmp_path, arms, targets=targets)
    assert with_controls(study) == [Pair("less", "all"), Pair("less", "like-less")]

    results = _run(study, tmp_path)
    views = results.plan.views
    assert {c.partition("/")[0] for c in views["less", 0].classes} == {"curve", "polygon", "star"}
    assert len(views["like-less", 0].classes) == len(views["less", 0].classes)
    key = next(c.backbone_key for c in results.plan.cells if c.arm == "less")
    settings = results.plan.workspace.manifest("backbones", key)["settings"]
    assert settings["recipe"] == "without(nodes=['round', 'line'])"
    [overlap] = _findings(results, "overlap")
    assert overlap.arm == "less" and set(overlap.details["dropped"].values()) == {"round", "line"}
