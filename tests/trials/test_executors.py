"""Executors: the same numbers wherever steps run; a worker that dies costs one retry."""

from __future__ import annotations

import json
import os
import signal

import pytest
from safetensors import safe_open

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import SeedbedError
from seedbed.engine.steps import torch_threads
from seedbed.trials.executors import Event
from seedbed.trials.executors.processes import Processes, _Place, _Pool
from seedbed.trials.executors.queue import Queue, describe
from seedbed.trials.planner import make_plan
from seedbed.trials.run import run_study

SAME = ["arm", "seed", "images_seen", "target", "method", "metric", "value", "num_test", "key"]


@pytest.mark.slow
def test_processes_equal_inline_though_a_worker_is_killed(
    make_study, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a study whose source has its hierarchy from a file, started in a folder that holds a
    module of the same name as one of Python's own."""
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / "queue.py").write_text("raise RuntimeError('the wrong queue')")
    monkeypatch.chdir(tmp_path / "cwd")
    (tmp_path / "tree.csv").write_text("child,parent\na,vowel\nb,consonant\nc,consonant\n")
    study = make_study(
        ("seeds = 2", "seeds = [0]"),
        ("size_px = 8", 'size_px = 8\nhierarchy = "tree.csv"'),
        ("images(fraction=0.5)", "bottom_up(depth=1)"),
    )
    inline = run_study(study, workspace=tmp_path / "inline", executor="inline", device="cpu")

    spawned, events, killed = [], [], []
    real = _Pool._start_worker

    def add(pool):
        real(pool)
        spawned.append(pool._places[-1].worker.process)

    def hear(event: Event) -> None:
        events.append((event.what, event.step.key))
        # At a step's first word from its worker (its weights are not saved yet) all workers die.
        if event.what == "progress" and not killed:
            killed.append(event.step.key)
            for process in spawned:
                os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(_Pool, "_start_worker", add)
    there = Workspace(tmp_path / "processes")
    results = run_study(
        study, workspace=there.root, executor="processes", workers=2, device="cpu", on_event=hear
    )

    assert killed
    assert len(spawned) == 4  # two, and one for each that died
    assert all(process.poll() is not None for process in spawned)
    assert (results.num_done, results.num_failed) == (5, 0)
    assert results.to_pandas()[SAME].equals(inline.to_pandas()[SAME])
    for kind in ("backbones", "measurements"):
        assert there.keys(kind) == Workspace(tmp_path / "inline").keys(kind)
        for key in there.keys(kind):
            for name in ("weights.safetensors", "predictions.safetensors", "codes.safetensors"):
                a, b = there.folder(kind, key) / name, tmp_path / "inline" / kind / key / name
                assert a.exists() == b.exists()
                assert not a.exists() or a.read_bytes() == b.read_bytes(), (kind, key, name)
    assert not list(there.root.rglob("*.writing-*"))
    merged = {o.num_train_classes for o in results.outcomes if o.arm == "half"}
    assert merged == {2}  # the workers read the hierarchy too


def test_ctrl_c_keeps_the_state_of_the_trainings_that_workers_run(make_study, tmp_path) -> None:
    study = make_study(("images_seen = ", "images_seen = 9_000_000 #"))
    steps = [step for step in make_plan(study, Workspace(tmp_path)).left() if step.needs is None]
    in_training: set[str] = set()

    def press_ctrl_c_when_two_train(event: Event) -> None:
        if event.what == "progress":
            in_training.add(event.step.key)
        if len(in_training) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Processes(workers=2).run(steps, Workspace(tmp_path), "cpu", press_ctrl_c_when_two_train)

    for key in in_training:
        with safe_open(Workspace(tmp_path).unfinished(key), framework="np") as file:
            assert json.loads(file.metadata()["facts"])["step"] > 0


def test_workers_that_cannot_begin_end_the_run(
    make_study, workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedbed.base.worker_pool.sys.executable", "/bin/false")
    plan = make_plan(make_study(), workspace)
    with pytest.raises(SeedbedError, match="ended before it began"):
        Processes(workers=2).run(list(plan.steps), workspace, "cpu", lambda event: None)


def test_what_another_process_finished_meanwhile_is_not_done_again(plan_of, workspace) -> None:
    plan = plan_of()
    events: list[Event] = []
    queue = Queue(list(plan.steps), workspace, events.append)
    first = plan.steps[0]
    with workspace.adding(first.kind, first.key, {}):
        pass
    taken = []
    while (step := queue.take()) is not None:
        taken.append(step.key)
    assert first.key not in taken
    assert [(e.what, e.step.key) for e in events] == [("done", first.key)]


class _Dead:
    """A connection whose other end is gone."""

    def send(self, _: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    def close(self) -> None:
        pass


class _DeadWorker:
    """A worker that died; its connection is closed at the other end."""

    connection = _Dead()


def test_an_idle_worker_that_died_unseen_does_not_end_the_run(make_study, workspace) -> None:
    plan = make_plan(make_study(), workspace)
    events: list[Event] = []
    pool = _Pool(list(plan.steps), workspace, "cpu", events.append, 1)
    pool._places.append(_Place(_DeadWorker()))  # type: ignore[arg-type]
    pool._give_work()
    assert all(event.what != "failed" for event in events)


def test_the_queue_gives_measurements_first_and_long_trainings_before_short_ones(
    plan_of, workspace
) -> None:
    plan = plan_of(("images_seen = 64", "images_seen = [64, 128]"))
    events: list[Event] = []
    queue = Queue(list(plan.steps), workspace, events.append)
    first = queue.take()
    assert first is not None
    assert first.num_images == 128
    taken = []
    while (step := queue.take()) is not None:
        taken.append(step)
    assert all(step.needs is None for step in taken)  # no input is there yet
    assert [s.num_images for s in taken] == sorted((s.num_images for s in taken), reverse=True)
    assert events == []


def test_the_queue_fails_what_needs_a_failed_step(plan_of, workspace) -> None:
    plan = plan_of()
    events: list[Event] = []
    queue = Queue(list(plan.steps), workspace, events.append)
    while (step := queue.take()) is not None:
        queue.fail(step, "made to fail")
    assert len(queue) == 0
    assert {e.step.key for e in events} == {s.key for s in plan.steps}
    assert sum(e.error == "its pre-training failed" for e in events) == 6


def test_the_threads_of_torch_are_restored() -> None:
    import torch

    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_an_error_is_described_in_one_line() -> None:
    assert describe(KeyError("x")) == "KeyError: 'x'"
    assert describe(SeedbedError("words", "hint")) == "words"
