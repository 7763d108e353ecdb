"""Keys: what a step depends on, and what it does not."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.trials.plan import Plan
from seedbed.trials.planner import make_plan
from seedbed.trials.study_file import load_study


def _keys(plan: Plan) -> set[str]:
    return {step.key for step in plan.steps}


def _by_place(plan: Plan) -> dict[tuple, str]:
    return {(c.arm, c.seed, c.images_seen, c.target, c.method): c.key for c in plan.cells}


def test_cells_and_steps(plan_of) -> None:
    plan = plan_of()
    # two seeds: two arms on source and target, random on the target alone
    assert len(plan.cells) == 2 * (2 * 2 + 1)
    assert len(plan.steps) == 2 * (3 + 3)
    assert len(_keys(plan)) == len(plan.steps)
    assert plan.left() == list(plan.steps)


def test_keys_do_not_depend_on_the_name_of_an_arm_or_of_the_study(plan_of) -> None:
    renamed = plan_of(
        ("half =", "fifty ="), ("cells =", "microscope ="), ("probe =", "svm ="), name="other.toml"
    )
    assert _keys(renamed) == _keys(plan_of())


def test_keys_do_not_depend_on_paths(make_study, workspace, tmp_path: Path) -> None:
    study = make_study()
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    for name in ("photos", "cells"):
        shutil.copytree(study.folder / name, elsewhere / name)
    shutil.copy(study.folder / "small.toml", elsewhere)
    moved = make_plan(load_study(elsewhere / "small.toml"), Workspace(tmp_path / "another"))
    assert _keys(moved) == _keys(make_plan(study, workspace))


def test_keys_do_not_depend_on_the_text_of_a_recipe(plan_of) -> None:
    plan = plan_of(
        ("[arms]", '[arms]\nwhole = "images(fraction=1.0)"\nfive = "images(per_class=4)"')
    )
    keys = _by_place(plan)
    assert (
        keys["whole", 0, 64, "source", "pretraining"] == keys["all", 0, 64, "source", "pretraining"]
    )
    # 8 training images a class
    assert keys["five", 1, 64, "cells", "probe"] == keys["half", 1, 64, "cells", "probe"]
    assert _keys(plan) == _keys(plan_of())


def test_adding_leaves_the_old_keys(plan_of) -> None:
    old = _by_place(plan_of())
    for change in (
        ("seeds = 2", "seeds = 3"),
        ("[arms]", '[arms]\nquarter = "images(fraction=0.25)"'),
        ('cells = "cells"', 'cells = "cells"\nfew = "folder(\'cells\', train_per_class=3)"'),
        ("[methods]", '[methods]\ntuned = "finetune(images_seen=32)"'),
        ("images_seen = 64", "images_seen = [64, 128]"),
        ("[pretraining]", "[pretraining]\nlearning_rate = 0.2"),
    ):
        new = _by_place(plan_of(change))
        assert {place: new[place] for place in old} == old, change
        assert set(new) > set(old) or change[0] == "[pretraining]"


def test_whatever_changes_the_numbers_changes_the_keys(plan_of) -> None:
    place = ("all", 0, 64, "cells", "probe")
    plain = _by_place(plan_of())[place]
    for change in (
        ("batch_size = 16", "batch_size = 32"),
        ("width=2", "width=3"),
        ("[pretraining]", "[pretraining]\nlearning_rate = 0.1"),
        ("[pretraining]", '[pretraining]\nobjective = "supervised(label_smoothing=0.1)"'),
        ("size_px = 8", "size_px = 16"),
        ("seeds = 2", "seeds = 2\nthreads = 2"),
        ("c=[1.0]", "c=[2.0]"),
    ):
        assert _by_place(plan_of(change))[place] != plain, change


def test_changed_images_change_the_keys(plan_of, tmp_path: Path, encode) -> None:
    before = plan_of()
    (tmp_path / "cells/train/x/000.png").write_bytes(encode(12345))
    after = plan_of()
    places = _by_place(before)
    changed = {place for place, key in _by_place(after).items() if key != places[place]}
    assert changed == {place for place in places if place[3] == "cells"}


def test_the_random_arm_is_shared_by_the_budgets(plan_of) -> None:
    plan = plan_of(("images_seen = 64", "images_seen = [64, 128]"))
    random = [c for c in plan.cells if c.arm == "random"]
    assert {(c.seed, c.images_seen, c.target) for c in random} == {(0, 0, "cells"), (1, 0, "cells")}
    assert {c.key for c in random} <= _keys(plan_of())


def test_random_weights_depend_on_no_schedule(plan_of) -> None:
    random = {c.key for c in plan_of().cells if c.arm == "random"}
    assert random == {
        c.key for c in plan_of(("batch_size = 16", "batch_size = 32")).cells if c.arm == "random"
    }


def test_few_labels_are_redrawn_with_each_seed(plan_of, workspace) -> None:
    from seedbed.tasks.catalogue.classification import Classification

    few = plan_of(('cells = "cells"', "cells = \"folder('cells', train_per_class=3)\""))
    assert {s.task for s in few.steps if s.kind == "measurements"} == {
        "classification(train_per_class=3)"
    }
    tasks = [Classification(train_per_class=3).load(few.stores["cells"], seed) for seed in (0, 1)]
    assert tasks[0].fingerprint != tasks[1].fingerprint
    assert not _keys(few) & {c.key for c in plan_of().cells if c.target == "cells"}


def test_a_key_is_stable_across_processes_and_time(plan_of) -> None:
    assert [s.key for s in plan_of().steps] == [s.key for s in plan_of(name="again.toml").steps]


def test_a_store_is_packed_once(plan_of, workspace) -> None:
    plan_of()
    times = {p: p.stat().st_mtime_ns for p in (workspace.root / "stores").glob("*/store.json")}
    assert len(times) == 2
    plan_of()
    assert {
        p: p.stat().st_mtime_ns for p in (workspace.root / "stores").glob("*/store.json")
    } == times


def test_arms_that_are_one_training_are_told(plan_of) -> None:
    plan = plan_of(("images(fraction=0.5)", "images(per_class=5000)"))
    same, few = plan.notes[-1], plan.notes[0]
    assert same == "all and half are one and the same training: comparing them says nothing"
    assert few.startswith("half: 3 of 3 classes have fewer than 5000 images")
    assert plan_of().notes == []


def test_networks_that_do_not_take_a_targets_images_are_refused_before_anything_is_trained(
    make_study, workspace
) -> None:
    from torch import nn

    from seedbed.models.backbone import Backbone

    study = make_study()
    mine = Backbone.wrap(
        nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        ),
        size_px=16,
    )
    with pytest.raises(
        UsageError, match=r"\[targets\] cells: .*cells is packed at 8 px, and mine, .* takes 16 px"
    ) as caught:
        make_plan(replace(study, arms={**study.arms, "mine": mine}), workspace)
    assert "one input size" in caught.value.hint
    with pytest.raises(UsageError, match=r"\[targets\] cells: .* is packed at 10 px"):
        make_plan(
            make_study(('cells = "cells"', "cells = \"folder('cells', size_px=10)\"")), workspace
        )


def test_settings_that_mean_nothing_change_no_key(plan_of) -> None:
    net = ("small(width=2)", "resnet18(stem='small')")
    plain = _by_place(plan_of(net))[("all", 0, 64, "cells", "probe")]
    for said in ("resnet18(stem='small', weights='random')", "resnet18(stem='small', size_px=8)"):
        assert (
            _by_place(plan_of(("small(width=2)", said)))[("all", 0, 64, "cells", "probe")] == plain
        ), said
    assert (
        _by_place(plan_of(net, ("c=[1.0]", "c=[1.0], k=[7]")))[("all", 0, 64, "cells", "probe")]
        == plain
    )
    knn = _by_place(plan_of(("c=[1.0]", "readout='knn'")))
    assert _by_place(plan_of(("c=[1.0]", "readout='knn', c=[2.0]"))) == knn
    assert _by_place(plan_of(("c=[1.0]", "readout='knn', k=[3]"))) != knn
