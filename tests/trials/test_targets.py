"""A study of several kinds of tasks: each target by the methods that can do it, verdicts on average
precision, and a page for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import holidays_tree, scenes_folder

import seedbed as sb
from seedbed.base.artifacts import Workspace
from seedbed.base.errors import BadDataError, UsageError
from seedbed.metrics.average_precision import MAP_VOC07
from seedbed.transfers.methods import METHODS as DETECT
from seedbed.trials.planner import make_plan
from seedbed.trials.results import Results
from seedbed.trials.study_file import parse_study, write_study
from seedbed.verdicts.arm_scores import NUM_RESAMPLES
from seedbed.verdicts.questions import answer, question
from seedbed.writeup.html import render
from seedbed.writeup.task_results import _limits

METHODS = {
    "detect": (
        "detect(iterations=8, batch_size=2, learning_rates=[0.05], short_px=32, long_px=48,"
        " head_dim=8)"
    ),
    "probe": "probe(c=[1.0])",
    "retrieve": "retrieve(dim=8)",
}


def study_in(folder: Path, **changes: object) -> sb.Study:
    given = {
        "name": "kinds",
        "source": "toy(per_class=6)",
        "size_px": 16,
        "arms": {"all": "", "random": {"init": "random"}},
        "reference": "random",
        "targets": {
            "boxes": str(scenes_folder()),
            "kinds": f"voc({str(scenes_folder())!r}, task='classification')",
            "numbers": "digits()",
        },
        "methods": METHODS,
        "seeds": 2,
        "backbone": "small(width=4)",
        "images_seen": 256,
        "folder": folder,
    }
    return sb.Study(**{**given, **changes})  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("kinds")
    return study_in(folder).run(executor="inline", workspace=folder / "ws")


def test_each_target_by_the_methods_that_can_do_it(results: Results) -> None:
    primary = {
        (o.target, o.method): o.metric
        for o in results.outcomes
        if o.primary and o.target != "source"
    }
    assert primary == {
        ("boxes", "detect"): "map_voc07",
        ("kinds", "probe"): "map_voc07",
        ("numbers", "probe"): "top1",
        ("numbers", "retrieve"): "map_retrieval",
    }
    assert results.num_failed == 0
    assert {o.num_test for o in results.outcomes if o.target == "boxes"} == {6}


def test_verdicts_on_average_precision_speak_of_new_images_too(results: Results) -> None:
    answers = {(a.target, a.method): a for a in answer(results)}
    found = answers["boxes", "detect"]
    assert found.interval is not None
    assert found.interval_seeds is not None
    width = lambda ends: ends[1] - ends[0]  # noqa: E731
    assert width(found.interval) >= width(found.interval_seeds)
    by_arm = {
        arm: [
            o.value for o in results.outcomes if o.primary and o.target == "boxes" and o.arm == arm
        ]
        for arm in ("all", "random")
    }
    assert found.difference == pytest.approx(np.mean(by_arm["all"]) - np.mean(by_arm["random"]))
    assert found.metric == "map_voc07"


def test_the_share_of_the_images_is_a_bootstrap_of_the_metric(results: Results) -> None:
    """By hand: the spread of the difference over resamples of the six test images, the same ones
    for both arms."""
    from seedbed.verdicts.families import families
    from seedbed.verdicts.family_scores import family_scores
    from seedbed.verdicts.pairs import Pair

    family = next(f for f in families(results) if f.target == "boxes")
    scores, _ = family_scores(results, family, [Pair(arm="all", reference="random")])
    outcomes = {arm: family.rows[arm] for arm in ("all", "random")}
    generator = np.random.default_rng(0)
    expected = {arm: [] for arm in outcomes}
    for _ in range(NUM_RESAMPLES):
        drawn = generator.integers(6, size=6)
        for arm, rows in outcomes.items():
            values = []
            for outcome in rows:
                predictions = results.predictions(outcome)
                decisions = MAP_VOC07.decisions(predictions)
                order = np.argsort(predictions["ids"], kind="stable")
                values.append(decisions.mean("voc07", order[drawn]))
            expected[arm].append(np.mean(values))
    for arm in outcomes:
        assert np.allclose(scores[arm].bootstrap_means(), expected[arm])


def test_the_page_shows_results_by_class_and_pictures(results: Results) -> None:
    page = render(results, answer(results))
    assert "Results by class and sample pictures" in page
    for words in (
        "boxes, detect",
        "kinds, probe",
        "numbers, retrieve",
        "Average precision of each class",
        "Precision-recall curves of each class",
    ):
        assert words in page
    # detections of two arms, rankings of two arms
    assert page.count("data:image/jpeg;base64,") == 4
    assert (
        "numbers, probe</h3>"
        not in page.partition("Results by class and sample pictures")[2].partition("</section>")[0]
    )
    assert "mean average precision (VOC 2007)" in page


def test_the_page_says_what_it_leaves_out() -> None:
    assert (
        _limits(2, 20, pictures=False)
        == "Shown are curves of the first 12 of 20 classes; the workspace holds the rest."
    )
    many = _limits(7, 80, pictures=True)
    for words in (
        "the first 6 of 7 arms",
        "bars of the first 30 of 80 classes",
        "curves of the first 12,",
        "pictures of the first 3 of 7 arms",
    ):
        assert words in many
    assert _limits(2, 12, pictures=True) == ""


def test_a_margin_of_a_score_is_in_its_own_unit(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    assert study.margin_of("map_voc07") == 1.0
    assert study.margin_of("ns_score") == 0.04
    assert study_in(tmp_path, margin=0.5).margin_of("ns_score") == 0.5


def test_a_method_that_fits_no_target_and_a_target_that_no_method_fits_are_refused(
    tmp_path: Path,
) -> None:
    place = Workspace(tmp_path / "ws")
    with pytest.raises(UsageError, match=r"\[methods\] detect: .* none of the study's targets"):
        make_plan(study_in(tmp_path, targets={"numbers": "digits()"}), place)
    with pytest.raises(UsageError, match=r"\[targets\] boxes: .*detection") as caught:
        make_plan(study_in(tmp_path, methods={"probe": "probe()"}), place)
    assert "detect()" in caught.value.hint
    with pytest.raises(UsageError, match="is for images with one label each"):
        make_plan(
            study_in(
                tmp_path, targets={"boxes": f"voc({str(scenes_folder())!r}, train_per_class=3)"}
            ),
            place,
        )


def test_unfinished_trainings_of_a_detector_are_cleared_away(results: Results) -> None:
    left = results.plan.workspace.root / "unfinished"
    assert not left.exists() or not list(left.iterdir())


def test_adding_a_method_changes_no_key(tmp_path: Path, results: Results) -> None:
    more = study_in(
        results.study.folder,
        methods={**METHODS, "knn": "probe(readout='knn')"},
        targets={
            "numbers": "digits()",
        },
    )
    with pytest.raises(UsageError, match="none of the study's targets"):
        make_plan(more, results.plan.workspace)
    again = make_plan(
        study_in(results.study.folder, methods={**METHODS, "ridge": "probe(readout='ridge')"}),
        results.plan.workspace,
    )
    assert {c.key for c in results.plan.cells} <= {c.key for c in again.cells}


def test_every_set_that_is_missing_is_named_before_anything_is_packed(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "ws")
    with pytest.raises(BadDataError) as caught:
        make_plan(
            study_in(
                tmp_path, targets={"a": "nowhere/", "numbers": "digits()", "b": "voc('gone/')"}
            ),
            place,
        )
    assert "[targets] a: there is no" in caught.value.message
    assert "[targets] b too" in caught.value.message
    assert "gone" in caught.value.message
    assert not (tmp_path / "ws" / "stores").exists()


def test_a_metric_of_one_method_leaves_the_others_out(tmp_path: Path) -> None:
    targets = {
        "numbers": "digits(metric='map_retrieval')",
        "others": "digits(metric='mean_class_accuracy')",
    }
    methods = {"probe": "probe(c=[1.0])", "retrieve": "retrieve(dim=8)"}
    plan = make_plan(
        study_in(tmp_path, targets=targets, methods=methods), Workspace(tmp_path / "ws")
    )
    assert {(c.target, c.method) for c in plan.cells if c.target != "source"} == {
        ("numbers", "retrieve"),
        ("others", "probe"),
    }
    with pytest.raises(
        UsageError, match=r"\[methods\] probe: .* none of the study's targets: .*map_retrieval"
    ):
        make_plan(
            study_in(tmp_path, targets={"numbers": targets["numbers"]}, methods=methods),
            Workspace(tmp_path / "ws"),
        )


def test_what_a_method_lacks_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    photos = holidays_tree(tmp_path / "holidays")
    place = Workspace(tmp_path / "ws")
    with pytest.raises(
        UsageError, match=r"\[targets\] photos, by retrieve: whitening needs training images"
    ):
        make_plan(
            study_in(
                tmp_path, targets={"photos": str(photos)}, methods={"retrieve": "retrieve(dim=4)"}
            ),
            place,
        )
    targets = {"photos": f"holidays({str(photos)!r}, learn_on='digits()')"}
    assert make_plan(
        study_in(tmp_path, targets=targets, methods={"retrieve": "retrieve(dim=4)"}), place
    ).cells
    with pytest.raises(UsageError, match=r"retrieve\(\) uses no labels"):
        make_plan(
            study_in(
                tmp_path,
                targets={"n": "digits(train_per_class=3)"},
                methods={"retrieve": "retrieve(dim=4)"},
            ),
            place,
        )


def test_aligning_costs_the_other_domains_images_too() -> None:
    plain, aligned = (
        DETECT.make(f"detect({how})").num_images_trained() for how in ("", "adapt='align'")
    )
    assert aligned == 2 * plain


def test_a_question_is_written_with_methods_that_its_targets_take(tmp_path: Path) -> None:
    photos = holidays_tree(tmp_path / "holidays")
    ask = question("negative-transfer").study
    finetuning = {"finetune", "finetune-long"}
    assert set(ask([], [str(scenes_folder())]).methods) == {"detect"}
    assert set(ask([], ["digits()"]).methods) == finetuning
    both = ask([], [str(scenes_folder()), "digits()"])
    assert set(both.methods) == {"detect", *finetuning}
    assert ask([], [str(photos)]).methods["retrieve"] == "retrieve(whiten=False)"
    fitted = ask([], [f"holidays({str(photos)!r}, learn_on='digits()')"])
    assert fitted.methods["retrieve"] == "retrieve()"
    study = parse_study(write_study(both), tmp_path / "both.toml")
    assert {
        c.method for c in make_plan(study, Workspace(tmp_path / "ws")).cells if c.target != "source"
    } == {*study.methods}
