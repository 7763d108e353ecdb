"""advise(), end to end, on digits: a pre-trained and a random network, much and little time."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tiny import cli, digits_store, trained

import seedbed as sb
from seedbed.advice import learning_curve, negative_transfer, successive_halving
from seedbed.advice.advice import Advice
from seedbed.advice.contender import Contender
from seedbed.base.errors import BadDataError, UsageError
from seedbed.tasks.classification import ClassificationTask

NETS = ("small(width=4, weights='random')", "small(width=2, weights='random')")


@contextmanager
def _short_trainings() -> Iterator[None]:
    """Fine-tuning sees 300 images instead of 3,000 or more; pre-trained and random weights are
    compared at one learning rate; a learning curve has two draws of each size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(successive_halving, "_MIN_IMAGES_SEEN", 300)
        patch.setattr(successive_halving, "_EPOCHS", 2)
        patch.setattr(negative_transfer, "LEARNING_RATES", (0.1,))
        patch.setattr(learning_curve, "_NUM_DRAWS", 2)
        yield


@functools.cache
def _advice() -> Advice:
    """Three minutes are far more than needed."""
    nets = [trained().backbone, NETS[0]]
    with _short_trainings():
        return sb.advise(digits_store(), nets, minutes=3, train_per_class=12)


def test_the_advice_names_a_winner_and_its_expected_accuracy() -> None:
    advice = _advice()
    assert advice.winner.accuracy == max(
        c.accuracy for c in advice.candidates if not c.is_preliminary
    )
    low, high = advice.expected.interval
    assert low < advice.expected.value < high
    assert advice.expected.optimism > -1
    assert low - 8 < advice.test.metrics["top1"] < high + 8
    kinds = {c.kind for c in advice.candidates}
    assert {"probe", "joined", "neighbours", "augmented", "finetune"} <= kinds
    assert {c.backbone for c in advice.candidates} == set(advice.layers)
    text = str(advice)
    assert f"Use {advice.winner.backbone} with {advice.winner.method}" in text
    assert "The cs231n rule of thumb says" in text
    assert "360 test images" in text or "359 test images" in text


def test_every_candidate_was_scored_on_the_same_images() -> None:
    on_all_images = [c for c in _advice().candidates if not c.is_preliminary]
    images = np.sort(on_all_images[0].images)
    assert len(images) == 120
    assert all(np.array_equal(np.sort(c.images), images) for c in on_all_images)


def test_the_recommendation_is_a_call_that_transfer_accepts() -> None:
    advice = _advice()
    backbone = (
        trained().backbone if advice.winner.backbone == next(iter(advice.layers)) else NETS[0]
    )
    measured = sb.transfer(backbone, digits_store(), advice.winner.method, train_per_class=12)
    assert np.array_equal(measured.predictions["ranked"], advice.test.predictions["ranked"])


def test_mistakes_are_wrong_and_sorted_by_confidence() -> None:
    advice = _advice()
    assert advice.mistakes
    confidence = [m.probability for m in advice.mistakes]
    assert confidence == sorted(confidence, reverse=True)
    assert all(m.label != m.predicted for m in advice.mistakes)
    assert advice.confusion.sum() == 120
    assert 100 * np.trace(advice.confusion) / 120 == pytest.approx(advice.winner.accuracy)


def _accuracies(advice: Advice) -> list[tuple[str, str, float]]:
    """Of all candidates without fine-tuning, which depends on the time."""
    return [(c.backbone, c.method, c.accuracy) for c in advice.candidates if c.kind != "finetune"]


def test_test_labels_are_not_used_for_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other test labels only the final scores differ."""
    before = _accuracies(_advice())
    real = ClassificationTask._labels

    def wrong(self: ClassificationTask, rows: np.ndarray) -> np.ndarray:
        labels = real(self, rows)
        return np.where(np.isin(rows, self.test), (labels + 1) % self.num_classes, labels)

    monkeypatch.setattr(ClassificationTask, "_labels", wrong)
    other = sb.advise(
        digits_store(), [trained().backbone, NETS[0]], minutes=0.02, train_per_class=12
    )
    after = _accuracies(other)
    assert after
    assert after == [row for row in before if row in after]
    assert other.test.metrics["top1"] < 50


def test_little_time_gives_probes_and_notes_on_what_was_left_out() -> None:
    advice = sb.advise(digits_store(), [NETS[0]], minutes=0.001, train_per_class=10)
    assert {c.kind for c in advice.candidates} == {"probe"}
    assert any("no time to fine-tune" in note for note in advice.notes)
    assert advice.negative_transfer[0].verdict == "undecided"
    assert advice.negative_transfer[0].difference is None
    assert "was not measured" in advice.negative_transfer[0].sentence


@pytest.mark.slow
def test_the_command_writes_a_report_and_a_model_that_predicts(tmp_path: Path) -> None:
    from PIL import Image

    out = tmp_path / "advice"
    arguments = [
        "advise",
        "digits()",
        "--backbone",
        "small(width=4, weights='random', size_px=8)",
        "--minutes",
        "0.1",
    ]
    with _short_trainings():
        status, document, messages = cli(
            *arguments, "--train-per-class", "8", "--out", out, "--workspace", tmp_path / "ws"
        )
    assert status == 0
    assert document["report"] == str(out / "report.html")
    assert {"size", "similarity", "evidence"} <= document["scenario"].keys()
    assert {"backbone", "method", "why"} <= document["recommendation"].keys()
    assert {"backbone", "verdict", "from_scratch", "difference", "interval"} <= document[
        "negative_transfer"
    ][0].keys()
    assert document["candidates"][0]["value"] >= document["candidates"][-1]["value"]
    assert "leader:" in messages
    page = (out / "report.html").read_text()
    assert "mathdefault" not in page  # axis numbers are plain text
    for words in (
        "Summary",
        "Accuracy by layer",
        "Learning curve",
        "Does pre-training help?",
        "Most confident mistakes",
        "<svg",
    ):
        assert words in page
    Image.fromarray(np.asarray(digits_store(8).pixels[3])).save(tmp_path / "three.png")
    status, predictions, _ = cli("predict", out / "model", tmp_path / "three.png")
    assert status == 0
    assert predictions[0]["label"] in list("0123456789")
    assert 0 < predictions[0]["probability"] <= 1
    status, failed, _ = cli(*arguments, "--out", out)
    assert status == 2
    assert "exists" in failed["error"]["message"]
    assert (
        json.loads((out / "model" / "card.json").read_text())["model"]["method"]
        == document["recommendation"]["method"]
    )


@pytest.mark.slow
def test_a_network_that_cannot_be_opened_is_left_out_with_a_note() -> None:
    advice = sb.advise(digits_store(), [NETS[0], "vgg16"], minutes=0.005, train_per_class=5)
    assert any(
        note.startswith("vgg16 is left out: there are no weights of vgg16") for note in advice.notes
    )
    with pytest.raises(BadDataError, match="no weights of vgg16"):
        sb.advise(digits_store(), ["vgg16"], minutes=0.01)


def test_wrong_options_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in (0, float("inf"), float("nan")):
        with pytest.raises(UsageError, match="minutes = "):
            sb.advise(digits_store(), NETS, minutes=minutes)

    def fail(*_: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(BadDataError, match="cannot download .*no connection"):
        sb.advise(digits_store(), NETS[:1], minutes=0.01, download=True)


def test_without_any_network_the_error_gives_the_reasons() -> None:
    with pytest.raises(
        BadDataError,
        match="no network could be compared: vgg16 is left out: .*; resnet50 is left out",
    ):
        sb.advise(digits_store(), ["vgg16", "resnet50"], minutes=0.01)


@pytest.fixture
def no_forward_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the codes of each network fit into the time."""
    monkeypatch.setattr(Contender, "forward_seconds", lambda *_: 0.0)


@pytest.mark.usefixtures("no_forward_seconds")
def test_networks_with_the_same_name_are_numbered() -> None:
    import torch

    def net(width: int) -> sb.Backbone:
        layers = [
            torch.nn.Conv2d(3, width, 3, 2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(9 * width, 2),
        ]
        return sb.Backbone.wrap(torch.nn.Sequential(*layers), size_px=8)

    advice = sb.advise(digits_store(), [net(4), net(6)], minutes=0.01, train_per_class=5)
    assert list(advice.layers) == ["Sequential", "Sequential (2)"]


def test_a_training_that_diverges_does_not_stop_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    from seedbed.base.errors import DivergedError

    def diverges(*_: object) -> None:
        raise DivergedError("the loss is not finite by step 3", "")

    monkeypatch.setattr(successive_halving, "_train_fold", diverges)
    with _short_trainings():
        advice = sb.advise(digits_store(), [NETS[0]], minutes=1, train_per_class=5)
    assert advice.winner.kind != "finetune"


@pytest.mark.usefixtures("no_forward_seconds")
@pytest.mark.slow
def test_networks_with_constant_or_nan_codes_are_left_out_or_lose() -> None:
    import torch

    flat, broken = (
        sb.Backbone.wrap(_constant(value), size_px=8, name=name)
        for value, name in ((0.0, "flat"), (float("nan"), "broken"))
    )
    advice = sb.advise(
        digits_store(), [trained().backbone, flat, broken], minutes=0.01, train_per_class=5
    )
    assert any(note.startswith("broken is left out") for note in advice.notes)
    assert advice.winner.backbone != "flat"
    assert np.isfinite(list(advice.scenario.scores["flat"].values())).all()
    json.dumps(advice.to_dict(), allow_nan=False)
    assert torch is not None


def _constant(value: float):
    import torch

    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 2)
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)
    return module


@pytest.mark.slow
def test_a_class_may_have_any_name(make_tree, tmp_path: Path) -> None:
    photos = make_tree({"$^$": 8, "b<script>": 8})
    out = tmp_path / "out"
    sb.advise(
        photos,
        ["small(width=2, weights='random', size_px=8)"],
        minutes=0.01,
        out=out,
        workspace=tmp_path / "ws",
    )
    page = (out / "report.html").read_text()
    assert "b<script>" not in page
    assert "b&lt;script&gt;" in page
    assert (out / "model" / "head.safetensors").is_file()


@pytest.mark.slow
def test_the_rule_never_recommends_nearest_neighbours() -> None:
    advice = _advice()
    assert advice.rule.method is None or "knn" not in advice.rule.method
    assert {c.kind for c in advice.candidates if "knn" in c.method} == {"neighbours"}


def test_photographs_with_the_network_that_comes_with_seedbed(
    real_data: Path, tmp_path: Path
) -> None:
    messages: list[str] = []
    photos = real_data / "hymenoptera"
    advice = sb.advise(
        photos,
        ["small"],
        minutes=0.1,
        workspace=tmp_path,
        on_event=lambda _, message: messages.append(message),
    )
    assert messages[0].startswith("leader: small / probe(layer=")
    assert (advice.scenario.size, advice.scenario.similarity) == ("small", "similar")
    assert advice.scenario.shared_classes == ("bees",)
    assert advice.expected.value > 70
    assert advice.test.metrics["top1"] > 65
