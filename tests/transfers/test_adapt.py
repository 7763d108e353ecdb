"""DANN and deep CORAL against simple versions of one step, and CORAL on data where it helps."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import trained
from torch import nn
from torch.nn import functional

from seedbed.readout.alignment import coral
from seedbed.readout.linear import fit_linear
from seedbed.transfers.gradient_reversal import GradientReversal
from seedbed.transfers.methods.adapt import (
    _Adversarial,
    _two_domain_loss,
    _TwoDomainBatches,
    _TwoDomainTrainer,
)


class _Fixed:
    """Batches that are all equal."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self._batch, self.batch_size, self.seed = (images, labels), len(images), 0

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._batch


def _batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(8, 3, 8, 8, generator=generator),
        torch.randint(0, 10, (8,), generator=generator),
        torch.randn(8, 3, 8, 8, generator=generator) + 1,
    )


def test_gradient_reversal_is_the_identity_with_a_negated_gradient() -> None:
    codes = torch.randn(4, 3, requires_grad=True)
    out = GradientReversal.apply(codes, 0.3)
    assert torch.equal(out, codes)
    out.sum().backward()
    assert torch.allclose(codes.grad, torch.full_like(codes, -0.3))


def _prepare(kind: str, step: int, num_steps: int):
    """A copy of the network, the adversarial module, the loss, a batch, and the module to train."""
    from seedbed.transfers.methods.adapt import Adapt

    network = replace(trained().backbone, module=copy.deepcopy(trained().backbone.module))
    network.module.eval()
    method = Adapt(kind=kind, weight=0.7)  # pyright: ignore
    pairs = _TwoDomainTrainer(trainer=None, unlabelled=np.zeros(1), method=method)
    source, labels, target = _batch()
    batches = _TwoDomainBatches(
        labelled=_Fixed(source, labels), unlabelled=_Fixed(target, torch.full((8,), -1))
    )
    layer = network.layer()
    if kind == "deep_coral":
        return (
            network,
            None,
            _two_domain_loss(network, layer, pairs._coral_loss),
            batches.batch(step),
            network.module,
        )
    whole = _Adversarial(network.module, layer.dim, seed=0).eval()
    return (
        network,
        whole,
        _two_domain_loss(network, layer, pairs._domain_loss(whole, batches, num_steps)),
        batches.batch(step),
        whole,
    )


def test_deep_coral_is_cross_entropy_plus_the_distance_of_covariances() -> None:
    network, _, loss, batch, module = _prepare("deep_coral", 0, 1)
    value, _ = loss(module, batch)
    source, labels, target = _batch()
    body = nn.Sequential(*list(network.module.children())[:-1])
    a, b = body(source).detach().numpy(), body(target).detach().numpy()
    slow = ((np.cov(a.T) - np.cov(b.T)) ** 2).sum() / (4 * a.shape[1] ** 2)
    assert value.item() == pytest.approx(
        functional.cross_entropy(network.module(source), labels).item() + 0.7 * slow, rel=1e-4
    )


@pytest.mark.parametrize("num_parts", [2, 4])
def test_the_loss_is_the_same_for_micro_batches(num_parts: int) -> None:
    """Each micro-batch holds both domains."""
    _, _, loss, (images, labels), module = _prepare("dann", 3, 10)
    whole, _ = loss(module, (images, labels))
    parts = list(zip(images.tensor_split(num_parts), labels.tensor_split(num_parts), strict=True))
    assert all(0 < (part[1] >= 0).sum() < len(part[1]) for part in parts)
    summed = sum(loss(module, part)[0].detach() * len(part[1]) / len(labels) for part in parts)
    assert float(summed) == pytest.approx(whole.item(), rel=1e-4)


def test_dann_is_a_two_player_game() -> None:
    """Gradients of one step: the domain classifier learns to separate the domains, the body to
    prevent it, and the head to classify."""
    step, num_steps = 3, 10
    network, whole, loss, batch, module = _prepare("dann", step, num_steps)
    value, _ = loss(module, batch)
    value.backward()
    source, labels, target = _batch()
    plain = copy.deepcopy(whole)
    plain.zero_grad(set_to_none=True)
    body, head = nn.Sequential(*list(plain.network.children())[:-1]), plain.network[-1]
    codes = body(torch.cat([source, target]))
    classes = functional.cross_entropy(head(codes[:8]), labels)
    domains = torch.cat([torch.zeros(8), torch.ones(8)])
    game = functional.binary_cross_entropy_with_logits(plain.critic(codes)[:, 0], domains)
    strength = 0.7 * (2 / (1 + math.exp(-10 * step / num_steps)) - 1)
    of_body = list(body.parameters())
    expected = [
        a - strength * b
        for a, b in zip(
            torch.autograd.grad(classes, of_body, retain_graph=True),
            torch.autograd.grad(game, of_body, retain_graph=True),
            strict=True,
        )
    ]
    of_critic = torch.autograd.grad(game, list(plain.critic.parameters()), retain_graph=True)
    gradients = {n: p.grad for n, p in whole.named_parameters()}
    for (name, _), gradient in zip(
        ((n, p) for n, p in plain.network.named_parameters() if not n.startswith("head")),
        expected,
        strict=True,
    ):
        assert torch.allclose(gradients[f"network.{name}"], gradient, atol=1e-6), name
    for (name, _), gradient in zip(plain.critic.named_parameters(), of_critic, strict=True):
        assert torch.allclose(gradients[f"critic.{name}"], gradient, atol=1e-6), name
    assert value.item() == pytest.approx((classes + game).item(), rel=1e-5)
    assert network is not None


def test_the_gradient_is_not_reversed_in_the_first_step() -> None:
    _, whole, loss, batch, module = _prepare("dann", 0, 10)
    loss(module, batch)[0].backward()
    plain = copy.deepcopy(whole)
    plain.zero_grad(set_to_none=True)
    source, labels, _ = _batch()
    functional.cross_entropy(plain.network(source), labels).backward()
    for (name, p), (_, q) in zip(
        whole.network.named_parameters(), plain.network.named_parameters(), strict=True
    ):
        assert torch.allclose(p.grad, q.grad, atol=1e-6), name


def test_coral_removes_a_shift_of_covariance() -> None:
    """Two classes along one axis; the target is transformed by a symmetric map, which CORAL
    recovers if the covariance of the source is isotropic."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=600)
    codes = 20 * np.stack(
        [2.0 * labels - 1 + 0.3 * generator.normal(size=600), generator.normal(size=600)], axis=1
    )
    source, target = (
        torch.from_numpy(codes),
        torch.from_numpy(codes @ np.array([[0.6, 1.0], [1.0, 2.2]])),
    )
    truth = torch.from_numpy(labels)

    def accuracy(train: torch.Tensor) -> float:
        (classifier,) = fit_linear(train, truth, 2, [1.0])
        return float((classifier.scores(target).argmax(1) == truth).double().mean())

    assert accuracy(source) < 0.85
    assert accuracy(coral(source, target)) > 0.95
