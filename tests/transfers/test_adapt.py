"""DANN and deep CORAL against plain versions of one step, and CORAL where it is known to help."""

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
from seedbed.transfers.methods.adapt import _Adversarial, _Both, _Pairs, _with_codes


class _Fixed:
    """Batches that are always the same."""

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


def test_the_reversal_is_the_identity_whose_gradient_comes_back_reversed() -> None:
    codes = torch.randn(4, 3, requires_grad=True)
    out = GradientReversal.apply(codes, 0.3)
    assert torch.equal(out, codes)
    out.sum().backward()
    assert torch.allclose(codes.grad, torch.full_like(codes, -0.3))


def _loss_of(kind: str, step: int, num_steps: int):
    """Our loss of one batch, on a copy of the network, and the copy."""
    from seedbed.transfers.methods.adapt import Adapt

    network = replace(trained().backbone, module=copy.deepcopy(trained().backbone.module))
    network.module.eval()
    settings = Adapt(kind=kind, weight=0.7)  # pyright: ignore
    pairs = _Pairs(trainer=None, unlabelled=np.zeros(1), settings=settings)  # pyright: ignore
    mine, labels, theirs = _batch()
    both = _Both(labelled=_Fixed(mine, labels), unlabelled=_Fixed(theirs, torch.full((8,), -1)))
    layer = network.layer()
    if kind == "deep_coral":
        return (
            network,
            None,
            _with_codes(network, layer, pairs._coral),
            both.batch(step),
            network.module,
        )
    whole = _Adversarial(network.module, layer.dim, seed=0).eval()
    return (
        network,
        whole,
        _with_codes(network, layer, pairs._dann(whole, both, num_steps)),
        both.batch(step),
        whole,
    )


def test_deep_coral_is_cross_entropy_plus_the_distance_of_covariances() -> None:
    network, _, loss, batch, module = _loss_of("deep_coral", 0, 1)
    value, _ = loss(module, batch)
    mine, labels, theirs = _batch()
    body = nn.Sequential(*list(network.module.children())[:-1])
    a, b = body(mine).detach().numpy(), body(theirs).detach().numpy()
    slow = ((np.cov(a.T) - np.cov(b.T)) ** 2).sum() / (4 * a.shape[1] ** 2)
    assert value.item() == pytest.approx(
        functional.cross_entropy(network.module(mine), labels).item() + 0.7 * slow, rel=1e-4
    )


@pytest.mark.parametrize("num_parts", [2, 4])
def test_a_batch_that_was_cut_adapts_all_the_same(num_parts: int) -> None:
    """Where memory runs out: every part holds both domains."""
    _, _, loss, (images, labels), module = _loss_of("dann", 3, 10)
    whole, _ = loss(module, (images, labels))
    parts = list(zip(images.tensor_split(num_parts), labels.tensor_split(num_parts), strict=True))
    assert all(0 < (part[1] >= 0).sum() < len(part[1]) for part in parts)
    summed = sum(loss(module, part)[0].detach() * len(part[1]) / len(labels) for part in parts)
    assert float(summed) == pytest.approx(whole.item(), rel=1e-4)


def test_dann_is_its_two_player_game() -> None:
    """Gradients of one step: the critic learns to tell domains apart, the body to keep it from
    that, the head as ever."""
    step, num_steps = 3, 10
    network, whole, loss, batch, module = _loss_of("dann", step, num_steps)
    value, _ = loss(module, batch)
    value.backward()
    mine, labels, theirs = _batch()
    plain = copy.deepcopy(whole)
    plain.zero_grad(set_to_none=True)
    body, head = nn.Sequential(*list(plain.network.children())[:-1]), plain.network[-1]
    codes = body(torch.cat([mine, theirs]))
    classes = functional.cross_entropy(head(codes[:8]), labels)
    domains = torch.cat([torch.zeros(8), torch.ones(8)])
    game = functional.binary_cross_entropy_with_logits(plain.critic(codes)[:, 0], domains)
    strength = 0.7 * (2 / (1 + math.exp(-10 * step / num_steps)) - 1)
    of_body = list(body.parameters())
    wanted = [
        a - strength * b
        for a, b in zip(
            torch.autograd.grad(classes, of_body, retain_graph=True),
            torch.autograd.grad(game, of_body, retain_graph=True),
            strict=True,
        )
    ]
    of_critic = torch.autograd.grad(game, list(plain.critic.parameters()), retain_graph=True)
    found = {n: p.grad for n, p in whole.named_parameters()}
    for (name, _), gradient in zip(
        ((n, p) for n, p in plain.network.named_parameters() if not n.startswith("head")),
        wanted,
        strict=True,
    ):
        assert torch.allclose(found[f"network.{name}"], gradient, atol=1e-6), name
    for (name, _), gradient in zip(plain.critic.named_parameters(), of_critic, strict=True):
        assert torch.allclose(found[f"critic.{name}"], gradient, atol=1e-6), name
    assert value.item() == pytest.approx((classes + game).item(), rel=1e-5)
    assert network is not None


def test_the_gradient_is_not_reversed_in_the_first_step() -> None:
    _, whole, loss, batch, module = _loss_of("dann", 0, 10)
    loss(module, batch)[0].backward()
    plain = copy.deepcopy(whole)
    plain.zero_grad(set_to_none=True)
    mine, labels, _ = _batch()
    functional.cross_entropy(plain.network(mine), labels).backward()
    for (name, p), (_, q) in zip(
        whole.network.named_parameters(), plain.network.named_parameters(), strict=True
    ):
        assert torch.allclose(p.grad, q.grad, atol=1e-6), name


def test_coral_mends_a_shift_of_covariance() -> None:
    """Two classes along one axis; the target is squeezed and turned by a symmetric map, which CORAL
    finds where the source is round."""
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

    def right(learnt: torch.Tensor) -> float:
        (fitted,) = fit_linear(learnt, truth, 2, [1.0])
        return float((fitted.scores(target).argmax(1) == truth).double().mean())

    assert right(source) < 0.85
    assert right(coral(source, target)) > 0.95
