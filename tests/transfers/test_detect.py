"""detect(): training, frozen stages, resuming, choice of the learning rate, domain adaptation."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import dusk_store, same_weights, scenes_folder, scenes_store, weights_of

import seedbed as sb
from seedbed.base.artifacts import Workspace
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.annotations import Boxes
from seedbed.data.detection_batches import DetectionStream
from seedbed.models.backbone import Backbone
from seedbed.models.box_head import pretrained_box_head
from seedbed.models.feature_maps import FeatureMaps, nominal_stride, pyramid_maps, single_map
from seedbed.models.zoo import BACKBONES
from seedbed.readout.detector import Detector, DetectorSettings
from seedbed.tasks.catalogue.detection import Detection
from seedbed.tasks.detection import DetectionTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.detector_training import (
    DetectorTrainer,
    _aligned_loss,
    _AlignedDetector,
    _TwoDomainBatches,
    adapt_batch_norms,
    detect_objects,
)
from seedbed.transfers.methods import METHODS, Context
from seedbed.transfers.methods.detect import Detect

SMALL = {"short_px": 48, "long_px": 64, "head_dim": 32, "regions": 16, "proposals": 40}
_NO_BOXES = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))
QUICK = replace(Detect(), iterations=4, batch_size=2, learning_rates=(0.02,), **SMALL)


def backbone(call: str = "small(width=4)", size_px: int = 32) -> Backbone:
    return BACKBONES.make(call).build(["a", "b"], size_px)


@pytest.fixture(scope="module")
def task() -> DetectionTask:
    return Detection().load(scenes_store(), 0)


@pytest.fixture(scope="module")
def dusk() -> DetectionTask:
    return Detection().load(dusk_store(), 0)


def new_trainer(task: DetectionTask, method: Detect = QUICK, **options: Any) -> DetectorTrainer:
    defaults = {
        "backbone": backbone(),
        "settings": method.detector_settings(),
        "training": method.training(),
        "seed": 0,
        "device": "cpu",
    }
    return DetectorTrainer(task=task, **{**defaults, **options})


@pytest.fixture(scope="module")
def trained_detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Measurement, Path]:
    """A detector after 120 steps on twelve images, and its folder."""
    folder = tmp_path_factory.mktemp("detector")
    sizes = ", ".join(f"{name}={value}" for name, value in SMALL.items())
    measured = sb.transfer(
        backbone("small(width=8)"),
        str(scenes_folder()),
        f"detect(iterations=120, batch_size=4, learning_rates=[0.1], {sizes})",
        out=folder / "model",
        workspace=folder / "ws",
    )
    return measured, folder / "model"


def test_it_learns_to_detect_simple_objects(
    task: DetectionTask, trained_detector: tuple[Measurement, Path]
) -> None:
    """Bright squares and dark bars on noise: it detects most of them in six other images."""
    measured, _ = trained_detector
    assert measured.metrics["map_voc10"] > 60
    assert measured.facts["per_class"]["square"] > 60  # pyright: ignore[reportIndexIssue]
    method = replace(QUICK, iterations=1, batch_size=4, learning_rates=(0.1,))
    baseline = method.run(backbone("small(width=8)"), task, Context(seed=0))
    assert baseline.metrics["map_voc10"] < measured.metrics["map_voc10"] - 30


@pytest.mark.slow
def test_boxes_are_in_pixels_of_the_original_image(task: DetectionTask) -> None:
    """A detector that is trained at half the size detects squares of 20 px all over the image, not
    in a quarter of it."""
    method = replace(
        QUICK, iterations=80, batch_size=4, learning_rates=(0.1,), short_px=36, long_px=48
    )
    predictions = method.run(backbone("small(width=8)"), task, Context(seed=0)).predictions
    best = predictions["detections.corners"][predictions["detections.scores"] > 0.5]
    assert len(best)
    sides = best[:, 2:] - best[:, :2]
    assert 10 < np.median(sides[:, 0]) < 30
    assert best.max() > 40


def test_the_learning_rate_is_chosen_on_validation_images(task: DetectionTask) -> None:
    model, facts = new_trainer(task, replace(QUICK, learning_rates=(0.02, 1e-6))).tune()
    assert set(facts["validation_map_voc07"]) == {"0.02", "1e-06"}
    assert facts["num_train"] == len(task.train)
    tried = {float(rate): value for rate, value in facts["validation_map_voc07"].items()}
    assert tried[facts["learning_rate"]] == max(tried.values())
    assert model.classes == ("bar", "square")
    _, facts = new_trainer(task).tune()
    assert facts["num_train"] == len(task.train) + len(task.validation)  # nothing is chosen


def test_test_boxes_are_not_available_before_scoring(
    task: DetectionTask, dusk: DetectionTask
) -> None:
    with pytest.raises(AssertionError, match="scoring alone"):
        task.boxes(task.test[:1])
    assert dusk.unlabelled is not None
    assert dusk.in_domain is not None
    for rows in (dusk.unlabelled, dusk.in_domain):
        with pytest.raises(AssertionError):
            dusk.boxes(rows[:1])


def test_frozen_stages_do_not_change(task: DetectionTask) -> None:
    before = weights_of(backbone().module)
    after = weights_of(
        new_trainer(task, replace(QUICK, frozen_stages=2)).train(task.train, 0.05).backbone.module
    )
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"stage3", "stage4"}


def test_batch_norm_keeps_its_statistics_if_it_rests(task: DetectionTask) -> None:
    resting = (
        new_trainer(task, replace(QUICK, batch_norm="rests"))
        .train(task.train, 0.05)
        .backbone.module
    )
    learning = new_trainer(task).train(task.train, 0.05).backbone.module
    means = {
        name: t
        for name, t in backbone().module.state_dict().items()
        if name.endswith("running_mean")
    }
    assert all(torch.equal(t, resting.state_dict()[name]) for name, t in means.items())
    assert not all(torch.equal(t, learning.state_dict()[name]) for name, t in means.items())


def test_an_interrupted_training_resumes_exactly(
    task: DetectionTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = replace(QUICK, iterations=6)
    whole = new_trainer(task, method).train(task.train, 0.02)

    class KilledError(Exception):
        pass

    def state_path(name: str) -> Path:
        return tmp_path / f"{name}.safetensors"

    interrupted = new_trainer(task, method, unfinished=state_path)
    scenes = interrupted.scenes(task.train)
    from seedbed.models import training_state

    class AlwaysDue(training_state.Checkpoint):
        def is_due(self) -> bool:
            return True

    monkeypatch.setattr("seedbed.transfers.detector_training.Checkpoint", AlwaysDue)
    num_calls = 0
    begin = scenes.begin

    def begin_or_fail(which: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        if num_calls > 4:
            raise KilledError
        return begin(which)

    with monkeypatch.context() as patch:
        patch.setattr(scenes, "begin", begin_or_fail)
        with pytest.raises(KilledError):
            interrupted.train(task.train, 0.02)
    assert state_path("0.02").is_file()
    monkeypatch.undo()
    resumed = new_trainer(task, method, unfinished=state_path).train(task.train, 0.02)
    assert same_weights(weights_of(whole.detector), weights_of(resumed.detector))


def test_one_map_or_a_pyramid() -> None:
    net = backbone("resnet18(stem='small')", 32)
    assert nominal_stride(single_map(net)) <= 16
    strides = [nominal_stride(layer) for layer in pyramid_maps(net)]
    assert strides == sorted(set(strides))
    assert len(strides) >= 2
    with pytest.raises(UsageError, match="is not a feature map"):
        single_map(net, net.penultimate)
    with pytest.raises(UsageError, match="pyramid needs two or more"):
        pyramid_maps(replace(net, layers=net.layers[:1]))


@pytest.mark.parametrize("feature", ["c4", "c5", "fpn", "stage2"])
def test_each_kind_of_feature_map_gives_a_detector(feature: str) -> None:
    detector = Detector(backbone(), DetectorSettings(feature=feature, **SMALL), 2)
    images = [torch.zeros(3, 48, 64, dtype=torch.uint8), torch.zeros(3, 40, 30, dtype=torch.uint8)]
    detector.eval()
    with torch.inference_mode():
        outputs = detector(images)
    assert len(outputs) == 2
    for image, output in zip(images, outputs, strict=True):
        assert output["boxes"].shape == (len(output["scores"]), 4)
        assert (output["boxes"][:, 2] <= image.shape[2]).all()
        assert (output["boxes"][:, 3] <= image.shape[1]).all()


def test_the_head_does_not_run_and_images_may_have_any_size() -> None:
    """AlexNet for small images ends in layers for one size; its feature maps have any size."""
    net = backbone("alexnet(stem='small')", 32)
    maps = FeatureMaps(net.module, [single_map(net)]).eval()
    with torch.inference_mode():
        assert maps(torch.zeros(1, 3, 48, 80))[0].shape[2:] == (6, 10)
        values = maps(torch.ones(1, 3, 32, 32))[0]
        outputs: list[torch.Tensor] = []
        handle = single_map(net).hook(net.module, lambda output: outputs.append(output.clone()))
        net.module.eval()(torch.ones(1, 3, 32, 32))
        handle.remove()
    assert torch.allclose(values, outputs[0].clamp_min(0))


def test_the_layers_of_the_network_can_be_the_box_head() -> None:
    net = backbone("alexnet(stem='small')", 32)
    head = pretrained_box_head(net)
    assert (head.side, head.dim) == (4, 1024)
    features = torch.rand(3, 256, 4, 4)
    head.module.eval()
    expected = net.module.get_submodule("classifier")[:-1].eval()(features.flatten(1))
    assert torch.equal(head.module(features), expected)
    detector = Detector(net, DetectorSettings(box_head="own", **SMALL), 2)
    assert torch.equal(
        detector.heads.box_head[2].weight, net.module.get_submodule("classifier.1").weight
    )  # pyright: ignore
    with pytest.raises(UsageError, match="no fully connected layers"):
        replace(QUICK, box_head="own").check(backbone())


@pytest.mark.slow
def test_the_drop_between_domains_is_reported(dusk: DetectionTask) -> None:
    assert dusk.classes == ("bar", "square")
    method = replace(QUICK, iterations=60, batch_size=4, learning_rates=(0.1,))
    measured = method.run(backbone("small(width=8)"), dusk, Context(seed=0))
    in_domain, drop = measured.facts["in_domain"], measured.facts["drop"]
    assert in_domain == pytest.approx(measured.metrics["map_voc07"] + drop)
    assert measured.num_test == 6
    assert drop > 0  # pyright: ignore[reportOperatorIssue]  # the images are three times darker


def test_adaptive_batch_norm_has_the_statistics_of_the_new_domain(dusk: DetectionTask) -> None:
    trainer = new_trainer(dusk)
    model = trainer.train(dusk.train, 0.02)
    assert dusk.unlabelled is not None
    scenes = trainer.scenes(dusk.unlabelled)
    before = {n: t.clone() for n, t in model.detector.state_dict().items()}
    assert adapt_batch_norms(model, scenes) == 4
    after = model.detector.state_dict()
    changed = {
        n
        for n in before
        if not torch.equal(before[n], after[n]) and not n.endswith("num_batches_tracked")
    }
    assert changed == {n for n in before if n.endswith(("running_mean", "running_var"))}
    # Reference: the mean of the pooled output of the first convolution, batch by batch.
    stage = model.detector.maps.network.get_submodule("stage1")
    means = []
    with torch.inference_mode():
        for _, images in scenes.plain(4):
            batch = model.detector.preprocess(images).tensors
            means.append(stage.pool(stage.conv(batch)).mean((0, 2, 3)))  # pyright: ignore
    assert torch.allclose(
        torch.stack(means).mean(0), after["maps.network.stage1.norm.running_mean"], atol=1e-5
    )


def test_aligned_features_train_on_both_domains(dusk: DetectionTask) -> None:
    plain = new_trainer(dusk).train(dusk.train, 0.02)
    aligned = new_trainer(dusk, replace(QUICK, adapt="align", align_weight=1.0)).train(
        dusk.train, 0.02
    )
    assert not same_weights(weights_of(plain.backbone.module), weights_of(aligned.backbone.module))


def test_the_domain_classifier_separates_domains_and_the_features_do_the_opposite(
    dusk: DetectionTask,
) -> None:
    detector = Detector(backbone(), DetectorSettings(**SMALL), 2).eval()
    images = new_trainer(dusk).scenes(dusk.train).images([0, 1])

    def gradients(reversal: float | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of the first filters of the network and of the domain classifier."""
        aligned = _AlignedDetector(detector, 0)
        aligned.zero_grad()
        if reversal is None:  # reference without reversal
            (features,) = detector.features(detector.preprocess(images).tensors).values()
            scores = aligned.critic(features)
            loss = torch.nn.functional.softplus(-scores).mean()  # of the second domain
        else:
            loss = aligned.domain_loss(images, 1.0, reversal)
        loss.backward()
        first, critic = (
            next(detector.maps.network.parameters()).grad,
            next(aligned.critic.parameters()).grad,
        )
        assert first is not None
        assert critic is not None
        return first.clone(), critic.clone()

    plain, plain_critic = gradients(None)
    reversed_, critic = gradients(0.25)
    assert plain.abs().max() > 0
    assert torch.allclose(reversed_, -0.25 * plain, rtol=1e-3, atol=1e-8)
    assert torch.allclose(critic, plain_critic, rtol=1e-3, atol=1e-8)


def test_running_statistics_are_those_of_the_labelled_domain(dusk: DetectionTask) -> None:
    trainer = new_trainer(dusk, replace(QUICK, adapt="align"))
    aligned = _AlignedDetector(Detector(backbone(), DetectorSettings(**SMALL), 2), 0).train()
    rows = dusk.train[:2]
    batches = _TwoDomainBatches(
        labelled=DetectionStream(trainer.scenes(rows), dusk.boxes(rows), 2, 0),
        unlabelled=DetectionStream(trainer.scenes(rows), [_NO_BOXES] * 2, 2, 0),
    )
    loss = _aligned_loss(batches, trainer.training)
    images, boxes = batches.batch(0)
    mean = aligned.detector.state_dict()["maps.network.stage1.norm.running_mean"]
    before = mean.clone()
    unlabelled = [i for i, image_boxes in enumerate(boxes) if image_boxes is None]
    assert len(unlabelled) == 2
    loss(aligned, ([images[i] for i in unlabelled], [None, None]))
    assert torch.equal(mean, before)
    loss(aligned, (images, boxes))
    assert not torch.equal(mean, before)


def test_validation_images_without_boxes_are_an_error(task: DetectionTask) -> None:
    empty = replace(task, validation=task.validation[:0])
    assert empty.has_nothing_to_find(empty.validation)
    assert not task.has_nothing_to_find(task.validation)
    with pytest.raises(BadDataError, match="no learning rate can be chosen") as caught:
        replace(QUICK, learning_rates=(0.01, 0.02)).run(backbone(), empty, Context())
    assert "learning_rates=[0.03]" in caught.value.hint
    QUICK.check_target(empty)  # one learning rate: nothing is chosen


def test_the_fingerprint_depends_on_the_boxes_of_the_labelled_domain(dusk: DetectionTask) -> None:
    assert dusk.in_domain is not None
    boxes = dusk.store.annotations
    assert isinstance(boxes, Boxes)
    corners = boxes.corners.copy()
    corners[np.isin(boxes.rows, dusk.in_domain)] += 1.0
    other = copy.copy(dusk.store)
    other.__dict__["annotations"] = replace(boxes, corners=corners)
    again = copy.copy(dusk.store)
    again.__dict__["annotations"] = replace(boxes)
    assert replace(dusk, store=again).fingerprint == dusk.fingerprint
    assert replace(dusk, store=other).fingerprint != dusk.fingerprint


def test_networks_for_one_size_are_rejected_before_training() -> None:
    fixed = BACKBONES.make("timm('swin_tiny_patch4_window7_224')").build(["a", "b"], 224)
    with pytest.raises(UsageError, match="does not accept images of 256 x 160 px"):
        QUICK.check(fixed)
    QUICK.check(backbone())


def test_adaptation_with_one_domain_is_an_error(task: DetectionTask) -> None:
    with pytest.raises(UsageError, match="images of another") as caught:
        replace(QUICK, adapt="align").run(backbone(), task, Context())
    assert "labelled=" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("iterations=0", "at least 1"),
        ("learning_rates=[]", "positive"),
        ("drops=[1.5]", "shares of the iterations"),
        ("short_px=500, long_px=400", "long_px at least short_px"),
        ("anchors=[3.0]", "shares of short_px"),
        ("nms=1.0", "must lie in"),
        ("feature=3", "feature"),
    ],
)
def test_settings_out_of_range_are_rejected(settings: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        METHODS.make(f"detect({settings})")


def test_too_many_frozen_stages_are_rejected_before_training() -> None:
    with pytest.raises(UsageError, match="has 4 besides its head"):
        replace(QUICK, frozen_stages=9).check(backbone())


def test_a_saved_detector_is_loaded_and_predicts(
    tmp_path: Path, trained_detector: tuple[Measurement, Path]
) -> None:
    measured, folder = trained_detector
    model = sb.load(folder, device="cpu")
    pictures = sorted((scenes_folder() / "JPEGImages").iterdir())[-3:]
    first, again = (sb.predict(m, pictures, above=0.3) for m in (measured.model, model))
    assert [one.boxes for one in first] == [one.boxes for one in again]
    assert any(one.boxes for one in first)
    for one in first:
        assert one.boxes is not None
        scores = [box.probability for box in one.boxes]
        assert scores == sorted(scores, reverse=True)
        assert all(0.3 <= s <= 1 for s in scores)
    drawn = tmp_path / "drawn"
    sb.predict(model, pictures, above=0.3, out=drawn)
    assert sorted(p.stem for p in drawn.iterdir()) == [p.stem for p in pictures]
    with pytest.raises(UsageError, match="cannot be exported"):
        sb.export(model, tmp_path / "model.onnx")


def test_a_damaged_detector_is_an_error(tmp_path: Path) -> None:
    from seedbed.base.errors import BadDataError

    method = (
        "detect(iterations=1, batch_size=1, learning_rates=[0.1], short_px=32, long_px=48, "
        "head_dim=8)"
    )
    sb.transfer(
        backbone(), str(scenes_folder()), method, out=tmp_path / "model", workspace=tmp_path / "ws"
    )
    (tmp_path / "model" / "detector.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadDataError, match="cannot be used"):
        sb.load(tmp_path / "model", device="cpu")


def test_detections_do_not_depend_on_the_batch_size(
    task: DetectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = new_trainer(task)
    model = trainer.train(task.train, 0.02)
    scenes = trainer.scenes(task.test)
    one = detect_objects(model, scenes)
    monkeypatch.setattr("seedbed.transfers.detector_training._EVAL_BATCH_SIZE", 1)
    other = detect_objects(model, scenes)
    assert np.array_equal(one.images, other.images)
    assert np.allclose(one.scores, other.scores, atol=1e-5)


def test_detections_do_not_depend_on_earlier_images() -> None:
    """torchvision infers the scales of the maps from the first image, wrongly if it is narrow."""
    net = backbone("resnet18(stem='small')", 32)
    narrow, usual = (
        torch.zeros(3, 40, 400, dtype=torch.uint8),
        torch.full((3, 48, 64), 90, dtype=torch.uint8),
    )
    for feature in ("c5", "fpn"):
        first, other = (
            Detector(net, DetectorSettings(feature=feature, **SMALL), 2).eval() for _ in range(2)
        )
        with torch.inference_mode():
            first([narrow])
            assert torch.equal(first([usual])[0]["scores"], other([usual])[0]["scores"])
            assert first.heads.box_roi_pool.scales == [
                1 / nominal_stride(layer) for layer in first.maps.layers
            ]


def test_batch_norms_after_the_last_map_do_not_change(dusk: DetectionTask) -> None:
    trainer = new_trainer(dusk, replace(QUICK, feature="stage2"))
    model = trainer.train(dusk.train, 0.02)
    before = model.backbone.module.get_submodule("stage4.norm").running_var.clone()
    assert dusk.unlabelled is not None
    assert adapt_batch_norms(model, trainer.scenes(dusk.unlabelled)) == 2
    assert torch.equal(model.backbone.module.get_submodule("stage4.norm").running_var, before)


def test_unsuitable_networks_are_rejected_before_training() -> None:
    alexnet = backbone("alexnet(stem='small')", 32)
    replace(QUICK, box_head="own").check(alexnet)
    for settings, message in (
        ({"box_head": "own", "feature": "features.2"}, "has another number"),
        ({"adapt": "batch_norm"}, "needs batch norm"),
        ({"feature": "avgpool"}, "is not a feature map"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(QUICK, **settings).check(alexnet)


def test_the_progress_covers_all_learning_rates(task: DetectionTask) -> None:
    reports: list[tuple[int, int]] = []
    method = replace(QUICK, learning_rates=(0.01, 0.02))
    new_trainer(
        task, method, on_progress=lambda p: reports.append((p.images_done, p.images_total))
    ).tune()
    assert {total for _, total in reports} == {16}
    assert [done for done, _ in reports] == [8, 16]


def test_a_finished_training_of_the_grid_is_not_resumed(
    task: DetectionTask, tmp_path: Path
) -> None:
    """A grid was interrupted in its second training; the first one is used as it is."""
    states = Workspace(tmp_path).unfinished_states(lambda: "k")
    new_trainer(task, unfinished=states).train(task.train, 0.01)
    again = new_trainer(task, replace(QUICK, learning_rates=(0.01, 0.02)), unfinished=states)
    again.tune()
    assert again.resumed_at == {}


def test_the_cost_is_said_before_it_begins_and_changes_nothing(task: DetectionTask) -> None:
    method = replace(QUICK, learning_rates=(0.02, 0.05))
    sentences: list[str] = []
    done: list[int] = []
    told = method.run(
        backbone(),
        task,
        Context(
            on_message=sentences.append,
            on_progress=lambda progress: done.append(len(sentences)),
        ),
    )
    assert "2 trainings of 4 steps of 2 images at 48 px: about " in sentences[0]
    assert "images/s" in sentences[0]
    assert "learning_rates=[0.1]" in sentences[1]
    assert min(done) == len(sentences)  # all of it before the first step
    untold = method.run(backbone(), task, Context())
    assert told.metrics == untold.metrics
    assert same_weights(weights_of(told.model.detector), weights_of(untold.model.detector))


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (["small", "resnet50"], "resnet50 on this machine was pre-trained on more"),
        (["small"], "pip install 'seedbed[imagenet]'"),
    ],
)
def test_a_larger_network_is_suggested_where_a_small_one_is_named(
    networks: list[str], words: str, task: DetectionTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedbed.transfers.methods.detect.local_networks", lambda: networks)
    sentences: list[str] = []
    method = replace(QUICK, iterations=1)
    method.run(backbone(), task, Context(on_message=sentences.append))
    assert words in sentences[-1]
    sentences.clear()
    wrapped = replace(backbone(), architecture="resnet50()")
    method.run(wrapped, task, Context(on_message=sentences.append))
    assert not any("photographs" in sentence for sentence in sentences)
