"""Stages of networks: each parameter of the body is in one, in order."""

from __future__ import annotations

import pytest
from tiny import built

from seedbed.models.backbone import Backbone
from seedbed.models.stages import batch_norms, stages_of
from seedbed.models.zoo import BACKBONES


def _built(call: str, size_px: int) -> Backbone:
    return BACKBONES.make(call).build(["a", "b"], size_px)


@pytest.mark.parametrize(
    ("call", "size_px", "num"),
    [
        ("small(width=4)", 32, 4),
        ("resnet18(stem='small')", 32, 5),
        ("timm('test_resnet')", 64, 5),
        ("timm('test_vit')", 160, None),
    ],
)
def test_every_parameter_of_the_body_has_one_stage(
    call: str, size_px: int, num: int | None
) -> None:
    net = _built(call, size_px)
    stages = stages_of(net)
    names = [name for stage in stages for name in stage.parameters]
    heads = tuple(f"{h}." for h in net.heads)
    assert sorted(names) == sorted(
        n for n, _ in net.module.named_parameters() if not n.startswith(heads)
    )
    assert len(names) == len(set(names))
    if num is not None:
        assert len(stages) == num


def test_stages_follow_the_depth() -> None:
    assert [stage.parameters[0].split(".")[0] for stage in stages_of(built())] == [
        "stage1",
        "stage2",
        "stage3",
        "stage4",
    ]
    stages = stages_of(_built("resnet18(stem='small')", 32))
    assert {name.split(".")[0] for name in stages[1].parameters} == {"layer1"}
    assert {name.split(".")[0] for name in stages[-1].parameters} == {"layer4"}


def test_a_vgg_has_a_stage_per_pool_and_per_fully_connected_layer() -> None:
    stages = stages_of(_built("alexnet(stem='small')", 32))
    assert sum("classifier" in stage.parameters[0] for stage in stages) == 2


def test_modules_without_parameters_have_a_stage_too() -> None:
    stages = stages_of(built())
    assert "stage1.norm" in stages[0].modules
    assert all("head" not in stage.modules for stage in stages)
    stages = stages_of(_built("alexnet(stem='small')", 32))
    # dropout
    assert sum(name == "classifier.0" for stage in stages for name in stage.modules) == 1


def test_batch_norms_are_listed() -> None:
    assert len(batch_norms(built().module)) == 4
