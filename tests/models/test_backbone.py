"""Networks, their layer tables and their initial weights."""

from __future__ import annotations

import pytest
import torch
from tiny import built

from seedbed.base.errors import UsageError
from seedbed.base.randomness import stream
from seedbed.models.backbone import Backbone
from seedbed.models.resolve import open_backbone
from seedbed.trials.arms import read_arm


@pytest.mark.parametrize(("size_px", "width"), [(8, 2), (16, 4), (32, 3)])
def test_the_layer_table_equals_the_real_shapes(size_px: int, width: int) -> None:
    backbone = built(f"small(width={width})", size_px=size_px)
    seen: dict[str, tuple[int, ...]] = {}
    for name, part in backbone.module.named_children():
        part.register_forward_hook(
            lambda _m, _i, out, name=name: seen.__setitem__(name, tuple(out.shape[1:]))
        )
    backbone.module.eval()(torch.randn(2, 3, size_px, size_px))
    assert [la.name for la in backbone.layers] == ["stage1", "stage2", "stage3", "stage4", "pool"]
    for layer in backbone.layers:
        assert layer.shape == seen[layer.name]
        assert layer.stride == (size_px // layer.shape[1] if len(layer.shape) == 3 else None)
    assert backbone.layer().name == "pool"
    assert backbone.layer().shape == (8 * width,)


def test_layers_after_relu_are_not_negative() -> None:
    backbone = built(seed=3)
    outputs: dict[str, torch.Tensor] = {}
    for layer in backbone.layers:
        submodule = backbone.module.get_submodule(layer.name)
        submodule.register_forward_hook(
            lambda _m, _i, out, name=layer.name: outputs.__setitem__(name, out)
        )
    backbone.module.eval()(torch.randn(4, 3, 8, 8))
    for layer in backbone.layers:
        assert layer.after_relu == bool((outputs[layer.name] >= 0).all())


def test_the_body_does_not_depend_on_the_number_of_classes() -> None:
    few, many = (dict(built(num_classes=k, seed=5).module.named_parameters()) for k in (3, 17))
    assert few.keys() == many.keys()
    for name, values in few.items():
        if not name.startswith("head."):
            assert torch.equal(values, many[name]), name
    assert few["head.weight"].shape == (3, 32)
    assert many["head.weight"].shape == (17, 32)


def test_the_head_has_its_own_stream() -> None:
    parameters = dict(built(num_classes=6, seed=9).module.named_parameters())
    for name, purpose, gain in (
        ("head.weight", "init/head", 1.0),
        ("stage2.conv.weight", "init/body", 2.0),
    ):
        values = parameters[name]
        generator = torch.Generator().manual_seed(stream(9, purpose, name))
        expected = (
            torch.randn(tuple(values.shape), generator=generator)
            * (gain / values[0].numel()) ** 0.5
        )
        assert torch.equal(values.detach(), expected), name
    assert not parameters["head.bias"].any()
    assert (parameters["stage1.norm.weight"] == 1).all()


def test_the_seed_matters_and_nothing_else() -> None:
    torch.manual_seed(1)
    a = built(seed=1).module.state_dict()
    torch.manual_seed(2)
    b, c = built(seed=1).module.state_dict(), built(seed=2).module.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["stage1.conv.weight"], c["stage1.conv.weight"])


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown layer 'stage9'") as caught:
        built().layer("stage9")
    assert "Did you mean 'stage" in caught.value.hint
    assert "penultimate" in caught.value.hint


def test_num_parameters_counts_all() -> None:
    widths = [3, 4, 8, 16, 32]
    convolutions = sum(9 * a * b + 2 * b for a, b in zip(widths, widths[1:], strict=False))
    assert built(num_classes=10).num_parameters == convolutions + 32 * 10 + 10


@pytest.mark.parametrize(
    ("module", "settings", "message"),
    [
        (torch.nn.Linear, {"size_px": 8}, "is not an nn.Module"),
        (torch.nn.Flatten(), {"size_px": -2}, "size_px = -2"),
        (torch.nn.Flatten(), {"size_px": 8, "mean": [0.5, 0.5]}, "three numbers each"),
    ],
)
def test_unsuitable_modules_are_rejected(module, settings: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Backbone.wrap(module, **settings)


def test_the_error_for_a_module_in_place_of_a_backbone_suggests_wrap() -> None:
    for use in (lambda m: open_backbone(m), lambda m: read_arm(m, "[arms] mine")):
        with pytest.raises(UsageError) as caught:
            use(torch.nn.Flatten())
        assert "sb.Backbone.wrap(module, size_px=32)" in caught.value.hint


def test_a_backbone_can_be_copied_after_a_layer_lookup() -> None:
    import copy

    net = built()
    assert net.layer("stage2.conv").tap
    copied = copy.deepcopy(net)
    assert copied.module is not net.module
    assert copied.layer("stage2.conv") == net.layer("stage2.conv")
