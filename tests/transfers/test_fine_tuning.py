"""Fine-tuning: frozen stages, decay of learning rates, L2-SP, and equal tuning from pre-trained and
random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import digits_store, trained

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.stages import batch_norms
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.task import Measurement
from seedbed.transfers.fine_tuning import Tuning
from seedbed.transfers.methods import METHODS, Context

_QUICK = "images_seen=640, learning_rates=[0.1], batch_size=32"


def _run(call: str, per_class: int = 10) -> Measurement:
    return METHODS.make(call).run(
        trained().backbone,
        Classification(train_per_class=per_class).load(digits_store(), 0),
        Context(),
    )


def _tuned(call: str) -> Backbone:
    model = _run(call).model
    assert model is not None
    return model.backbone


def _moved(tuned: Backbone) -> dict[str, float]:
    """Distance of each tensor of the body from its initial value."""
    before = trained().backbone.module.state_dict()
    after = tuned.module.state_dict()
    return {
        n: float((after[n].float() - t.float()).norm())
        for n, t in before.items()
        if not n.startswith("head.")
    }


def test_only_the_last_stages_move() -> None:
    moved = _moved(_tuned(f"finetune({_QUICK}, stages=1)"))
    assert all(distance == 0 for name, distance in moved.items() if not name.startswith("stage4."))
    assert moved["stage4.conv.weight"] > 0
    assert moved["stage4.norm.running_mean"] > 0  # batch norm of trained stages learns


def test_training_the_last_layer_does_not_change_the_body() -> None:
    tuned = _tuned(f"finetune({_QUICK}, stages=0)")
    assert set(_moved(tuned).values()) == {0.0}
    head = tuned.module.get_parameter("head.weight")
    assert not torch.equal(
        head, trained().backbone.with_new_head(tuned.classes, 0).module.get_parameter("head.weight")
    )
    assert _run(f"finetune({_QUICK}, stages=0)").metrics["top1"] > 20


def test_batch_norm_keeps_its_statistics_if_it_rests() -> None:
    moved = _moved(_tuned(f"finetune({_QUICK}, batch_norm='rests')"))
    assert all(moved[name] == 0 for name in moved if "running" in name or "tracked" in name)
    assert moved["stage1.norm.weight"] > 0
    assert _moved(_tuned(f"finetune({_QUICK})"))["stage1.norm.running_mean"] > 0
    assert len(batch_norms(trained().backbone.module)) == 4


def test_stage_decay_slows_earlier_stages() -> None:
    plain, slowed = (
        _moved(_tuned(f"finetune({_QUICK})")),
        _moved(_tuned(f"finetune({_QUICK}, stage_decay=0.2)")),
    )
    ratios = [
        slowed[f"stage{i}.conv.weight"] / plain[f"stage{i}.conv.weight"] for i in (1, 2, 3, 4)
    ]
    assert ratios[0] < 0.1
    assert ratios == sorted(ratios)


def test_l2_sp_keeps_the_body_near_its_initial_weights() -> None:
    free, regularised = (
        _moved(_tuned(f"finetune({_QUICK})")),
        _moved(_tuned(f"finetune({_QUICK}, l2_sp=1.0)")),
    )
    assert sum(v for n, v in regularised.items() if "conv" in n) < 0.6 * sum(
        v for n, v in free.items() if "conv" in n
    )


def test_all_parameters_require_gradients_after_the_training() -> None:
    tuned = _tuned(f"finetune({_QUICK}, stages=1)")
    assert all(p.requires_grad for p in tuned.module.parameters())
    assert all(p.requires_grad for p in trained().backbone.module.parameters())


def test_too_many_stages_are_rejected_before_training() -> None:
    with pytest.raises(UsageError, match="stages = 9, but small\\(width=4\\) has 4"):
        METHODS.make("finetune(stages=9)").check(trained().backbone)
    for call, words in (
        ("finetune(stages=-1)", "stages = -1"),
        ("finetune(stage_decay=0.0)", "stage_decay = 0.0"),
        ("finetune(l2_sp=-1.0)", "must not be negative"),
        ("finetune(images_seen='auto')", "images_seen"),
    ):
        with pytest.raises(UsageError, match=words):
            METHODS.make(call)


def test_steps_follow_the_size_of_the_data() -> None:
    tuning = Tuning(images_seen="by_size", batch_size=100)
    assert [tuning.num_images(n) // 100 for n in (19_999, 20_000, 499_999, 500_000)] == [
        500,
        10_000,
        10_000,
        20_000,
    ]


def test_with_few_labels_folds_choose_and_all_labels_are_trained_on() -> None:
    facts = _run(
        "finetune(images_seen=64, learning_rates=[0.05, 0.1], batch_size=16)", per_class=5
    ).facts
    assert facts["num_train"] == 50
    task = Classification().load(digits_store(), 0)
    many = METHODS.make("finetune(images_seen=64, learning_rates=[0.1], batch_size=16)").run(
        trained().backbone, task, Context()
    )
    assert many.facts["num_train"] == len(task.train)


def test_scratch_starts_from_weights_of_its_seed() -> None:
    task = Classification(train_per_class=10).load(digits_store(), 0)
    call = METHODS.make(f"scratch({_QUICK})")
    a, again, b = (call.run(trained().backbone, task, Context(seed=s)) for s in (0, 0, 1))
    assert np.array_equal(a.predictions["ranked"], again.predictions["ranked"])
    assert not np.array_equal(a.predictions["ranked"], b.predictions["ranked"])
    assert a.facts["weights"] == "random, seed 0"
    finetuned = METHODS.make(f"finetune({_QUICK})").run(trained().backbone, task, Context(seed=0))
    assert finetuned.facts["images_seen"] == a.facts["images_seen"]


def test_scratch_rejects_modules_of_users() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 2)
    )
    wrapped = Backbone.wrap(module, size_px=8)
    with pytest.raises(UsageError, match="module of your own"):
        METHODS.make("scratch()").check(wrapped)


def test_options_at_their_default_change_no_key() -> None:
    plain, options = (
        METHODS.make("finetune()").identity(),
        METHODS.make("finetune(stages='all', l2_sp=0.0)").identity(),
    )
    assert plain == options
    assert METHODS.make("finetune(stages=2)").identity() != plain
