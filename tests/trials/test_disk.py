"""What a workspace holds, and what may be removed."""

from __future__ import annotations

import shutil

import pytest
import torch

from seedbed.base.artifacts import _HOST, folder_bytes
from seedbed.models.training_state import Checkpoint
from seedbed.trials.disk import clean, disk_usage, record_study, to_document
from seedbed.trials.planner import make_plan
from seedbed.trials.run import run_study


@pytest.fixture
def ran(make_study, workspace):
    return run_study(
        make_study(("seeds = 2", "seeds = [0]")),
        workspace=workspace.root,
        executor="inline",
        device="cpu",
    )


def test_everything_is_listed_with_its_study(ran, workspace) -> None:
    items = disk_usage(workspace)
    assert {(i.kind, i.key) for i in items} >= {(s.kind, s.key) for s in ran.plan.steps}
    assert sum(i.kind == "stores" for i in items) == 2
    assert {i.studies for i in items} == {("small",)}
    assert [i.bytes for i in items] == sorted((i.bytes for i in items), reverse=True)
    assert all(i.bytes == folder_bytes(workspace.folder(i.kind, i.key)) for i in items)
    document = to_document(items)
    assert document["bytes"] == sum(i.bytes for i in items)
    assert document["unreferenced_bytes"] == 0


def test_what_a_study_refers_to_is_never_removed(ran, workspace, make_study) -> None:
    assert clean(workspace, disk_usage(workspace)) == 0
    began = []
    again = run_study(
        ran.study, workspace=workspace.root, executor="inline", device="cpu", on_event=began.append
    )
    assert began == []
    assert again.outcomes == ran.outcomes


def test_an_arm_that_left_the_study_may_be_removed(ran, workspace, make_study) -> None:
    left = make_study(("seeds = 2", "seeds = [0]"), ('half = "images(fraction=0.5)"\n', ""))
    run_study(left, workspace=workspace.root, executor="inline", device="cpu")
    items = disk_usage(workspace)
    unused = [i for i in items if not i.studies]
    assert {i.kind for i in unused} == {"backbones", "measurements"}
    assert len(unused) == 2
    assert clean(workspace, items) == sum(i.bytes for i in unused) > 0
    assert not any(workspace.folder(i.kind, i.key).exists() for i in unused)
    assert len(disk_usage(workspace)) == len(items) - 2


def test_a_study_that_is_gone_refers_to_nothing(ran, workspace) -> None:
    (ran.study.folder / "small.toml").unlink()
    # its results are still there
    assert to_document(disk_usage(workspace))["unreferenced_bytes"] == 0
    shutil.rmtree(ran.study.results_folder)
    document = to_document(disk_usage(workspace))
    assert document["unreferenced_bytes"] == document["bytes"] > 0


def test_what_killed_processes_left_is_swept(ran, workspace) -> None:
    left = workspace.root / "backbones" / f"abc.writing-{_HOST}-999999999-0f"
    left.mkdir()
    assert "abc.writing" not in {i.key for i in disk_usage(workspace)}
    clean(workspace, disk_usage(workspace))
    assert not left.exists()


def test_an_empty_workspace_holds_nothing(workspace) -> None:
    assert disk_usage(workspace) == []


def test_a_training_that_was_cut_off_is_listed_and_goes_with_its_study(
    ran, workspace, make_study
) -> None:
    plan = make_plan(
        make_study(("seeds = 2", "seeds = [0]"), ("batch_size = 16", "batch_size = 8")), workspace
    )
    record_study(plan)
    mine = next(s.key for s in plan.steps if s.kind == "backbones")
    finished = next(s.key for s in ran.plan.steps if s.kind == "backbones")
    for key in (mine, finished, "0" * 20):
        Checkpoint(path=workspace.unfinished(key)).write({"a": torch.zeros(100)}, {"step": 1})
    found = {i.key: i for i in disk_usage(workspace) if i.kind == "unfinished"}
    assert {key: i.studies for key, i in found.items()} == {
        mine: ("small",),
        finished: (),
        "0" * 20: (),
    }
    assert all(i.bytes > 400 for i in found.values())
    clean(workspace, disk_usage(workspace))
    assert workspace.unfinished(mine).is_file()
    assert not workspace.unfinished(finished).exists()
    assert not workspace.unfinished("0" * 20).exists()
