"""Running a study: every step once, failures recorded, results written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from seedbed.base.errors import StorageError, UsageError
from seedbed.metrics import METRICS
from seedbed.trials.executors import Event
from seedbed.trials.results import Results
from seedbed.trials.run import run_study, study_status
from seedbed.trials.steps import PretrainStep

CONTRACT = (
    "study", "arm", "seed", "images_seen", "target", "method", "backbone", "metric",
    "unit", "value", "num_test", "higher_is_better",
    "seconds", "key",
)  # fmt: skip


@pytest.fixture
def run(make_study, workspace):
    """Run a study inline; returns its results and the labels of the steps that began."""

    def go(*changes: tuple[str, str]) -> tuple[Results, list[str]]:
        began: list[str] = []

        def hear(event: Event) -> None:
            if event.what == "began":
                began.append(event.step.label)

        return (
            run_study(
                make_study(*changes),
                workspace=workspace.root,
                executor="inline",
                device="cpu",
                on_event=hear,
            ),
            began,
        )

    return go


def test_a_second_run_runs_nothing_and_says_the_same(run) -> None:
    (first, began), (again, began_again) = run(), run()
    assert len(began) == 12
    assert began_again == []
    assert first.outcomes == again.outcomes
    assert (first.num_done, first.num_failed, first.num_left) == (10, 0, 0)


def test_an_added_arm_runs_its_own_steps_alone(run) -> None:
    run()
    results, began = run(("[arms]", '[arms]\nquarter = "images(fraction=0.25)"'))
    assert len(began) == 4
    assert all(label.startswith("quarter") for label in began)
    assert results.num_done == 14


def test_each_number_names_the_folder_that_says_how_it_was_made(run, workspace) -> None:
    results, _ = run()
    measured = next(
        o for o in results.outcomes if (o.arm, o.seed, o.target) == ("half", 1, "cells")
    )
    settings = workspace.manifest("measurements", measured.key)["settings"]
    assert (settings["method"], Path(settings["target"]).name, settings["seed"]) == (
        "probe(c=[1.0])",
        "cells",
        1,
    )
    assert settings["method_settings"]["c"] == [1.0]
    training = workspace.manifest("backbones", settings["backbone"])["settings"]
    assert (training["recipe"], training["seeds"]) == (
        "images(fraction=0.5)",
        {"sample": 1, "init": 1},
    )
    assert (training["schedule"]["images_seen"], training["schedule"]["batch_size"]) == (64, 16)


def test_results_are_written_as_csv_and_parquet(run) -> None:
    results, _ = run()
    folder = results.study.results_folder
    csv, parquet = pd.read_csv(folder / "results.csv"), pd.read_parquet(folder / "results.parquet")
    assert len(csv) == len(parquet) == len(results.outcomes)
    assert set(CONTRACT) <= set(parquet.columns)
    assert parquet["value"].tolist() == [o.value for o in results.outcomes]
    assert parquet["value"].between(0, 100).all()
    assert not list(folder.glob(".*"))
    assert (folder / "run.log").read_text().count("done:") == 12


def test_an_outcome_has_the_fields_of_the_contract(run) -> None:
    results, _ = run()
    row = results.outcomes[0].to_dict()
    assert tuple(row)[: len(CONTRACT)] == CONTRACT
    json.dumps(row, allow_nan=False)
    by_target = {o.target: o for o in results.outcomes if o.primary}
    assert by_target["source"].method == "pretraining"
    assert by_target["cells"].num_test == 8
    assert by_target["cells"].unit == "percent"
    random = next(o for o in results.outcomes if o.arm == "random")
    assert (random.images_seen, random.num_train_images, random.target) == (0, 0, "cells")
    half = next(o for o in results.outcomes if o.arm == "half")
    assert (half.num_train_images, half.num_train_classes) == (12, 3)
    assert half.entropy_bits == pytest.approx(math.log2(3))


def test_contributions_average_to_the_value(run) -> None:
    results, _ = run()
    for outcome in results.outcomes:
        metric, predictions = METRICS.get(outcome.metric), results.predictions(outcome)
        each = metric.per_image(predictions)
        assert each is not None
        assert len(each) == len(metric.truth(predictions)) == outcome.num_test
        assert each.mean() == pytest.approx(outcome.value)


def test_a_failing_step_costs_its_own_cells_alone_and_is_tried_again(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PretrainStep.run

    def fails(self, *args, **kwargs):
        if self.label.startswith("half, seed 1"):
            raise ZeroDivisionError("made to fail")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(PretrainStep, "run", fails)
    results, began = run()
    assert (results.num_done, results.num_failed, results.num_left) == (8, 2, 0)
    assert len(began) == 11  # the measurement that needs it never begins
    errors = {f.label: f.error for f in results.failures}
    assert errors == {
        "half, seed 1, 64 images": "ZeroDivisionError: made to fail",
        "half, seed 1, 64 images on cells by probe": "its pre-training failed",
    }
    assert "Traceback" in (results.study.results_folder / "run.log").read_text()
    status = study_status(results.study, results.plan.workspace.root)
    assert (status.num_done, status.num_failed) == (8, 2)

    monkeypatch.undo()
    mended, began = run()
    assert sorted(began) == sorted(errors)
    assert (mended.num_done, mended.num_failed, mended.failures) == (10, 0, ())
    assert json.loads((mended.study.results_folder / "failures.json").read_text()) == []


def test_a_full_disk_ends_the_run(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self, *args, **kwargs):
        raise StorageError("no space left on the disk while writing here", "Free some space.")

    monkeypatch.setattr(PretrainStep, "run", full)
    with pytest.raises(StorageError, match="no space left"):
        run()


def test_the_disk_running_full_under_safetensors_ends_the_run(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """safetensors speaks of the system's refusals in an exception of its own, which is no
    OSError."""
    from safetensors import SafetensorError

    def full(*args, **kwargs):
        raise SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        )

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(StorageError, match="no space left"):
        run()


def test_status_runs_nothing(make_study, workspace) -> None:
    status = study_status(make_study(), workspace.root)
    assert (status.num_done, status.num_left, status.outcomes) == (0, 10, ())


def test_wrong_executors_and_workers_are_refused(make_study, workspace) -> None:
    study = make_study()
    for options, message in (
        ({"executor": "ray"}, "unknown executor 'ray'"),
        ({"workers": 0}, "workers = 0"),
    ):
        with pytest.raises(UsageError, match=message):
            run_study(study, workspace=workspace.root, device="cpu", **options)
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        run_study(study, workspace=workspace.root, device="gpu", executor="inline")


def test_a_layer_that_is_not_there_is_refused_before_anything_is_trained(run, workspace) -> None:
    with pytest.raises(UsageError, match=r"\[methods\] probe: .*stage9"):
        run(("probe(c=[1.0])", "probe(layer='stage9')"))
    assert not (workspace.root / "backbones").exists()


def test_an_arm_whose_classes_have_no_test_images_has_no_accuracy_on_the_source(
    run, make_tree
) -> None:
    make_tree({"train/a": 6, "train/b": 6, "train/c": 6, "test/b": 2, "test/c": 2}, root="other")
    results, _ = run(
        ('"photos"', '"other"'),
        ("images(fraction=0.5)", "classes(names=['a', 'b']) | classes(names=['a', 'b'])"),
    )
    assert results.num_left == results.num_failed == 0
    results, _ = run(('"photos"', '"other"'), ('all = ""', "all = \"classes(names=['b', 'c'])\""))
    assert {o.target for o in results.outcomes if o.arm == "all"} == {"source", "cells"}


def test_a_log_that_cannot_be_written_is_a_storage_error(run, make_study) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("no /dev/full")
    folder = make_study().results_folder
    folder.mkdir()
    (folder / "run.log").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="no space left"):
        run()


def test_results_are_printed_as_means(run) -> None:
    results, _ = run()
    text = repr(results)
    assert text.startswith("small: 10 of 10 cells done, 0 failed")
    assert len(text.splitlines()) < 15
