"""Several labels an image: one against the rest, difficult ones left out, chosen and scored by mean
average precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import average_precision as reference
from tiny import scenes_folder, scenes_store, trained
from voc_tree import object_xml, write_image, write_sets

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.linear import fit_linear
from seedbed.tasks import scoring
from seedbed.tasks.catalogue.multilabel import MultiLabel
from seedbed.transfers.methods import METHODS, Context


def _codes(n: int = 60, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(n, dim, generator=generator)
    marks = (
        (
            codes @ torch.randn(dim, 3, generator=generator)
            + 0.5 * torch.randn(n, 3, generator=generator)
        )
        .sign()
        .to(torch.int8)
    )
    return codes, marks


@pytest.mark.parametrize("loss", ["svm", "logistic", "ridge"])
def test_each_class_is_learnt_as_scikit_learn_learns_it_alone(loss: str) -> None:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import LinearSVC

    codes, marks = _codes()
    marks[:20, 1] = 0  # twenty images are left out of the second class
    (found,) = fit_linear(codes, marks, 3, [2.0], loss)
    for k in range(3):
        counted = (marks[:, k] != 0).numpy()
        x, y = codes.numpy()[counted], marks[:, k].numpy()[counted]
        if loss == "svm":
            model = LinearSVC(C=2.0, dual=False, tol=1e-10, max_iter=100_000).fit(x, y)
            weights, intercept = model.coef_[0], model.intercept_[0]
        elif loss == "logistic":
            model = LogisticRegression(C=2.0, tol=1e-10, max_iter=100_000).fit(x, y)
            weights, intercept = model.coef_[0], model.intercept_[0]
        else:
            model = Ridge(alpha=1 / 4).fit(x, y)
            weights, intercept = model.coef_, model.intercept_
        assert np.allclose(found.weights[:, k].numpy(), weights, atol=1e-3)
        assert found.intercept[k].item() == pytest.approx(intercept, abs=1e-3)


def test_softmax_is_refused_as_it_gives_one_class(tmp_path: Path) -> None:
    codes, marks = _codes()
    with pytest.raises(UsageError, match="predicts one class per image"):
        fit_linear(codes, marks, 3, [1.0], "softmax")
    with pytest.raises(UsageError, match="readout='knn'"):
        METHODS.make("probe(readout='knn')").run(
            trained().backbone, MultiLabel().load(scenes_store("classification"), 0), Context()
        )


def test_the_score_is_the_slow_twins() -> None:
    task = MultiLabel().load(scenes_store("classification"), 0)
    scores = np.random.default_rng(0).random((len(task.test), 2))
    measured = task.score(scores, {})
    marks = measured.predictions["marks"]
    for rule in ("voc07", "voc10"):
        each = reference.of_marks(marks.tolist(), scores.tolist(), 2, rule)
        assert measured.metrics[f"map_{rule}"] == pytest.approx(reference.mean(each), abs=1e-6)


@pytest.mark.parametrize(
    "method",
    [
        "probe(c=[10.0])",
        "probe(readout='logistic', c=[10.0])",
        "finetune(images_seen=400, learning_rates=[0.3], batch_size=8)",
    ],
)
def test_it_learns_what_is_easy_and_keeps_a_model(tmp_path: Path, method: str) -> None:
    """A dark bar is there or not; a trained readout must find it, and each class has a probability
    of its own."""
    data = f"voc({str(scenes_folder())!r}, task='classification')"
    measured = sb.transfer(
        "small(width=8, weights='random', size_px=32)",
        data,
        method,
        workspace=tmp_path / "ws",
        out=tmp_path / "m",
    )
    assert measured.primary == "map_voc07"
    assert measured.facts["per_class"]["bar"] > 80  # pyright: ignore[reportIndexIssue]
    model = sb.load(tmp_path / "m", device="cpu")
    pictures = sorted((scenes_folder() / "JPEGImages").iterdir())[-4:]
    found = sb.predict(model, pictures)
    sums = [sum(p for _, p in one.top) for one in found]
    assert max(sums) > 1.2  # both classes may be there
    # The files for official scorers say the same.
    score = scoring.voc_classification(scenes_folder(), "test", tmp_path / "m" / "results")
    assert score.value == pytest.approx(measured.metrics["map_voc07"], abs=1e-6)


def test_an_exported_model_gives_each_class_a_probability_of_its_own(tmp_path: Path) -> None:
    data = f"voc({str(scenes_folder())!r}, task='classification')"
    net = "small(width=4, weights='random', size_px=32)"
    measured = sb.transfer(net, data, "probe(c=[1.0])", workspace=tmp_path / "ws")
    assert sb.export(measured.model, tmp_path / "m.pt2", format="torch-export") < 1e-4


def test_a_temperature_is_found_for_marks() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 2, generator=generator)
    marks = torch.where(torch.rand(4000, 2, generator=generator) < torch.sigmoid(logits), 1, -1).to(
        torch.int8
    )
    assert fit_temperature(logits * 3, marks) == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits, torch.zeros(4000, 2, dtype=torch.int8)) == 1.0


def test_actions_are_scored_as_their_own_year_does(tmp_path: Path) -> None:
    root = tmp_path / "VOC2012"
    names = [f"p{i:02d}" for i in range(12)]
    for i, name in enumerate(names):
        action = "running" if i % 2 else "reading"
        done = f"<actions><{action}>1</{action}></actions>"
        write_image(root, name, [object_xml("person", (5, 5, 40, 40), extra=done)])
    write_sets(root, {"train": names[:8], "val": names[8:]})
    write_sets(
        root,
        {"train": [f"{n} 1" for n in names[:8]], "val": [f"{n} 1" for n in names[8:]]},
        "Action",
    )
    measured = sb.transfer(
        "small(width=4, weights='random', size_px=32)",
        f"voc({str(root)!r}, task='action')",
        "probe(c=[1.0])",
        workspace=tmp_path / "ws",
        out=tmp_path / "m",
    )
    assert measured.primary == "map_voc10"
    assert measured.facts["per_class"]["walking"] is None  # pyright: ignore[reportIndexIssue]  # nobody walks
    score = scoring.voc_action(root, "val", tmp_path / "m" / "results")
    assert score.value == pytest.approx(measured.metrics["map_voc10"], abs=1e-6)


def test_a_test_without_anything_to_find_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    for name in "abcde":
        write_image(root, name, [object_xml("cat", (1, 1, 9, 9))])
    write_image(root, "f", [])
    write_sets(root, {"train": list("abcde"), "test": ["f"]})
    store = sb.pack(f"voc({str(root)!r}, task='classification')", tmp_path / "v.store", size_px=8)
    with pytest.raises(BadDataError, match="no test image"):
        MultiLabel().load(store, 0)


def test_images_that_all_have_the_only_class_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    for name in "abcdef":
        write_image(root, name, [object_xml("cat", (1, 1, 9, 9))])
    write_sets(root, {"train": list("abcde"), "test": ["f"]})
    store = sb.pack(f"voc({str(root)!r}, task='classification')", tmp_path / "v.store", size_px=8)
    with pytest.raises(BadDataError, match="has its only class") as caught:
        MultiLabel().load(store, 0)
    assert "task='detection'" in caught.value.hint


def test_validation_without_anything_to_find_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    for name in "abcdef":
        write_image(
            root,
            name,
            [object_xml("cat" if name in "ab" else "dog", (1, 1, 9, 9), int(name == "c"))],
        )
    write_sets(root, {"train": list("ad"), "val": ["c"], "test": list("bef")})
    store = sb.pack(f"voc({str(root)!r}, task='classification')", tmp_path / "v.store", size_px=8)
    with pytest.raises(BadDataError, match="no validation image"):
        MultiLabel().load(store, 0)


def test_a_class_that_every_image_is_silent_on_is_not_learnt() -> None:
    codes, marks = _codes()
    marks[:, 1] = 0
    (found,) = fit_linear(codes, marks, 3, [1.0], "svm")
    assert found.converged
    assert not found.weights[:, 1].any()
    (others,) = fit_linear(codes, marks[:, [0, 2]], 2, [1.0], "svm")
    assert torch.allclose(found.weights[:, [0, 2]], others.weights)


def test_another_set_of_classes_is_another_task() -> None:
    task = MultiLabel().load(scenes_store("classification"), 0)
    assert replace(task, chosen=("a", "b")).fingerprint != task.fingerprint


def test_such_images_are_no_source_to_pretrain_on(tmp_path: Path) -> None:
    for task in ("classification", "detection"):
        with pytest.raises(UsageError, match="one label an image is needed"):
            sb.pretrain(scenes_store(task), backbone="small(width=2)", images_seen=16)


def test_classes_that_every_image_has_are_told(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    for i, name in enumerate("abcdefgh"):
        write_image(
            root,
            name,
            [object_xml("cell", (1, 1, 9, 9)), *([object_xml("rare", (20, 1, 29, 9))] * (i % 2))],
        )
    write_sets(root, {"train": list("abcdef"), "test": list("gh")})
    call = f"voc({str(root)!r}, task='classification')"
    measured = sb.transfer(trained().backbone, call, "probe(c=[1.0])", workspace=tmp_path / "ws")
    assert measured.facts["not_told_apart"] == ["cell"]
