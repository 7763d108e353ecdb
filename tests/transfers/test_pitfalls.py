"""Why "CNN codes and SVM" often cannot be reproduced: each pitfall, and the accuracy that it costs.

Handwritten digits at 16 px, 20 labels per class; differences are much larger than the
noise of 360 test images (2 points).
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import digits_store

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.codes import codes
from seedbed.models.zoo import BACKBONES
from seedbed.readout.linear import fit_linear, normalise_rows
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.classification import ClassificationTask, Measurement
from seedbed.transfers.methods import METHODS, Context


@functools.cache
def _task() -> ClassificationTask:
    return Classification(train_per_class=20).load(digits_store(16), 0)


@functools.cache
def _net() -> Backbone:
    """Random weights are enough: the pitfalls are in the use of the codes."""
    net = BACKBONES.make("alexnet(stem='small')").build(["p", "q"], 16, 0)
    net.module.eval()
    return net


@functools.cache
def _measure(method: str) -> Measurement:
    return METHODS.make(method).run(_net(), _task(), Context(seed=0))


def _top1(method: str) -> float:
    return _measure(method).metrics["top1"]


def _top1_of(net: Backbone, method: str) -> float:
    return METHODS.make(method).run(net, _task(), Context(seed=0)).metrics["top1"]


def test_codes_before_the_relu_are_poor() -> None:
    """The spatial mean of a convolution is a linear function of the mean image; only the ReLU makes
    it depend on textures."""
    net, layer = _net(), _net().layer("features.0")
    assert layer.after_relu
    raw = replace(layer, tap="features.0", rectify="", after_relu=False)
    without = replace(net, layers=tuple(raw if la.name == layer.name else la for la in net.layers))
    assert _top1("probe(layer='features.0')") > _top1_of(without, "probe(layer='features.0')") + 30


def test_without_l2_normalisation_c_depends_on_the_network() -> None:
    """The same codes in other units: with normalisation nothing changes; without it, an SVM with
    the same C predicts the prior."""
    task, net = _task(), _net()
    rows = np.concatenate([task.train, task.test])
    values = codes(net, net.images(task.store, rows), "features.10")
    labels = torch.from_numpy(task.labels(task.train))
    truth = torch.from_numpy(task.store.leaves[task.test].astype(np.int64))

    def accuracy(values: torch.Tensor) -> float:
        (svm,) = fit_linear(values[: len(labels)], labels, 10, [10.0])
        return 100 * (svm.scores(values[len(labels) :]).argmax(1) == truth).double().mean().item()

    small = values * (0.01 / values.norm(dim=1).mean())
    assert abs(accuracy(normalise_rows(small)) - accuracy(normalise_rows(values))) < 0.5
    assert accuracy(normalise_rows(small)) > accuracy(small) + 10
    assert (
        _top1("probe(layer='features.10', c=[10.0])")
        > _top1_of(_faint(), "probe(layer='features.10', c=[10.0], normalise=False)") + 10
    )


@functools.cache
def _faint() -> Backbone:
    """The same network with the output of its fifth convolution divided by 10,000."""
    net = BACKBONES.make("alexnet(stem='small')").build(["p", "q"], 16, 0)
    with torch.no_grad():
        net.module.get_submodule("features.10").weight.mul_(1e-4)
        net.module.get_submodule("features.10").bias.mul_(1e-4)
    net.module.eval()
    return net


def test_the_error_for_an_unknown_layer_suggests_best() -> None:
    with pytest.raises(UsageError, match="unknown layer 'bset'") as caught:
        METHODS.make("probe(layer='bset')").check(_net())
    assert "Or 'best'" in caught.value.hint


@pytest.mark.slow
def test_class_scores_are_the_wrong_layer() -> None:
    """A head for two classes keeps two numbers of a code of 1,024."""
    assert _net().penultimate == "classifier.4"
    assert _top1("probe()") > _top1("probe(layer='classifier.6')") + 30


@pytest.mark.slow
def test_a_c_for_other_data_underfits() -> None:
    assert _top1("probe()") > _top1("probe(c=[0.00001])") + 5
    assert _measure("probe(c=[0.00001, 1000.0])").facts["c_at_edge"]


def test_codes_are_computed_in_evaluation_mode() -> None:
    """A network left in training mode gives the codes of evaluation mode, and keeps its
    statistics."""
    net = BACKBONES.make("resnet18(stem='small')").build(["p", "q"], 16, 0)
    images = net.images(digits_store(16), np.arange(20))
    net.module.eval()
    expected = codes(net, images)
    before = {k: v.clone() for k, v in net.module.state_dict().items()}
    net.module.train()
    assert torch.equal(codes(net, images), expected)
    assert all(torch.equal(before[k], v) for k, v in net.module.state_dict().items())
    dropping = _net()
    dropping.module.train()
    images = dropping.images(digits_store(16), np.arange(20))
    assert torch.equal(codes(dropping, images), codes(dropping, images))
