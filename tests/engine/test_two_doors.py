"""Verbs and studies run the same steps: what one has paid for is free for the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import seedbed as sb
from seedbed.engine.keys import CARD_DIGEST, CARD_KEY
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.trials.results import Results

SOURCE = "toy(per_class=8, test_per_class=2)"
NETWORK, METHOD = "small(width=2)", "probe(c=[1.0])"


def study_in(folder: Path, **changes) -> sb.Study:
    settings = {
        "name": "doors",
        "source": SOURCE,
        "size_px": 8,
        "arms": {"all": "", "half": "images(fraction=0.5)"},
        "reference": "all",
        "targets": {"digits": "digits()"},
        "methods": {"probe": METHOD},
        "seeds": 1,
        "backbone": NETWORK,
        "images_seen": 256,
        "folder": folder,
    }
    return sb.Study(**{**settings, **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    """A finished study, and its workspace."""
    folder = tmp_path_factory.mktemp("doors")
    workspace = folder / "work"
    return study_in(folder).run(executor="inline", device="cpu", workspace=workspace), workspace


def cell(results: Results, arm: str):
    return next(o for o in results.outcomes if o.arm == arm and o.target == "digits" and o.primary)


def test_a_measurement_of_a_study_is_free_for_transfer(finished) -> None:
    results, workspace = finished
    outcome = cell(results, "half")
    network = next(p for name, p in results.backbones().items() if name.startswith("half"))
    measured = sb.transfer(network, "digits()", METHOD, device="cpu", workspace=workspace)
    assert measured.was_stored
    assert measured.key == outcome.key
    assert measured.metrics[outcome.metric] == outcome.value
    facts = {name: value for name, value in measured.facts.items() if name != "data_notes"}
    assert facts == dict(outcome.facts)


def test_the_model_of_a_stored_measurement_is_trained_when_it_is_asked_for(finished) -> None:
    results, workspace = finished
    network = results.backbones()["all, seed 0, 256 images"]
    measured = sb.transfer(network, "digits()", METHOD, device="cpu", workspace=workspace)
    assert measured.was_stored
    scores = measured.model.scores(
        measured.model.backbone.images(sb.Store.open(store_of(results)), np.arange(5))
    )
    assert scores.shape == (5, 10)


def store_of(results: Results) -> Path:
    return results.plan.stores["digits"].path


def test_a_training_of_a_study_is_free_for_pretrain(finished, tmp_path: Path) -> None:
    results, workspace = finished
    trained = sb.pretrain(
        SOURCE,
        NETWORK,
        tmp_path / "net",
        recipe="images(fraction=0.5)",
        images_seen=256,
        size_px=8,
        device="cpu",
        workspace=workspace,
    )
    assert trained.fitted is None
    assert trained.backbone.card[CARD_KEY] == cell(results, "half").backbone_key
    assert trained.metrics == {
        o.metric: o.value for o in results.outcomes if o.arm == "half" and o.target == "source"
    }
    copied = sb.transfer(tmp_path / "net", "digits()", METHOD, device="cpu", workspace=workspace)
    assert copied.was_stored


def test_what_verbs_have_paid_for_is_free_for_a_study(tmp_path: Path) -> None:
    workspace, events = tmp_path / "work", []
    options = {"device": "cpu", "workspace": workspace, "threads": 1}
    trained = sb.pretrain(SOURCE, NETWORK, tmp_path / "net", images_seen=256, size_px=8, **options)
    measured = sb.transfer(tmp_path / "net", "digits()", METHOD, **options)
    assert not measured.was_stored
    study = study_in(tmp_path, arms={"all": "", "random": {"init": "random"}})
    results = study.run(
        executor="inline", device="cpu", workspace=workspace, on_event=events.append
    )
    begun = {event.step.label for event in events if event.what == "began"}
    assert begun and all(label.startswith("random") for label in begun)
    assert cell(results, "all").key == measured.key
    assert cell(results, "all").value == measured.metrics["top1"]
    assert cell(results, "all").backbone_key == trained.backbone.card[CARD_KEY]


def test_a_network_whose_weights_were_changed_is_another_network(finished, tmp_path: Path) -> None:
    results, workspace = finished
    net = load_backbone(results.backbones()["all, seed 0, 256 images"])
    assert net.card[CARD_DIGEST]
    with torch.no_grad():
        next(net.module.parameters()).mul_(2.0)
    (tmp_path / "changed").mkdir()
    save_backbone(net, tmp_path / "changed")
    measured = sb.transfer(
        tmp_path / "changed", "digits()", METHOD, device="cpu", workspace=workspace
    )
    assert not measured.was_stored
    assert measured.key != cell(results, "all").key


def test_a_backbone_object_is_known_by_its_tensors(finished) -> None:
    results, workspace = finished
    net = load_backbone(results.backbones()["all, seed 0, 256 images"])
    options = {"device": "cpu", "workspace": workspace}
    first = sb.transfer(net, "digits()", METHOD, **options)
    again = sb.transfer(replace(net), "digits()", METHOD, **options)
    assert not first.was_stored
    assert again.was_stored and again.key == first.key
    assert first.metrics["top1"] == cell(results, "all").value


def test_a_study_finds_the_measurement_of_an_existing_checkpoint(finished, tmp_path: Path) -> None:
    results, workspace = finished
    folder = results.backbones()["half, seed 0, 256 images"]
    study = study_in(tmp_path, name="given", arms={"all": "", "mine": {"weights": str(folder)}})
    again = study.run(executor="inline", device="cpu", workspace=workspace)
    measured = sb.transfer(folder, "digits()", METHOD, device="cpu", workspace=workspace)
    assert cell(again, "mine").value == measured.metrics["top1"]
