"""Transferability scores: how well a network may serve a task, told from its codes or its own
head's probabilities without training.

In: codes float [n, d] or probabilities float [n, Z] over the source's Z classes, and labels int64
[n] of the task. Out: one number, higher is better. None needs the source's images. What each is
good for, measured: docs/own-images.md.

- `logme` (You et al. 2021, algorithm 1): the log evidence per image of a Bayesian linear regression
  of each class's 0/1 labels on
the codes,
  its two precisions at their maximum, averaged over the classes; in nats. Ranks networks for
  fine-tuning and for a linear readout.
- `h_score` (Bao et al. 2019), with the shrinkage of Ibrahim et al. 2021: the trace of cov(codes)^-1
  times the covariance of the
codes' class
  means, in 0..min(d, K - 1); covariances by Ledoit and Wolf (2004), without which it only counts
  dimensions when n is not far above d.
- `leep` (Nguyen et al. 2020): mean log probability, in nats, that the empirical conditional p(label
  | source class) gives the labels.
- `nce` (Tran et al. 2019): minus the entropy of the labels given the source class that the network
  says, in nats.
- `knn_accuracy`: leave-one-out accuracy of the k nearest by cosine similarity, percent.
"""

from __future__ import annotations

import math

import torch

from seedbed.readout.linear import normalise_rows
from seedbed.readout.neighbours import nearest, vote

_MOST_ROUNDS = 100
_TINY = 1e-12


def logme(codes: torch.Tensor, labels: torch.Tensor) -> float:
    """Log maximum evidence per image, nats; higher is better.

    Args:
        codes: float [n, d], as the network gives them.
        labels: int64 [n].
    """
    values = codes.double()
    num, dim = values.shape
    left, singular, _ = torch.linalg.svd(values, full_matrices=False)
    sigma = singular.square()
    found = []
    for label in labels.unique():
        target = (labels == label).double()
        found.append(
            _evidence(sigma, (left.T @ target).square(), float(target.square().sum()), num, dim)
        )
    return sum(found) / len(found)


def _evidence(
    sigma: torch.Tensor, projected: torch.Tensor, norm: float, num: int, dim: int
) -> float:
    """Of one regression: squared singular values, squared projections of the target, its squared
    norm."""
    # of the target, out of the reach of any weights
    outside = max(0.0, norm - float(projected.sum()))
    alpha, beta = 1.0, 1.0

    def fit() -> tuple[float, float]:
        """Squared norms of the mean weights and of what they leave."""
        shrunk = alpha / beta / (sigma + alpha / beta)
        weights = float((sigma * projected / (sigma + alpha / beta) ** 2).sum())
        return weights, float((shrunk.square() * projected).sum()) + outside

    for _ in range(_MOST_ROUNDS):
        before = alpha / beta
        weights, residual = fit()
        gamma = float((sigma / (sigma + alpha / beta)).sum())
        alpha, beta = gamma / max(weights, _TINY), (num - gamma) / max(residual, _TINY)
        if abs(alpha / beta - before) <= 1e-6 * before:
            break
    weights, residual = fit()
    log_det = float(torch.log(alpha + beta * sigma).sum()) + (dim - len(sigma)) * math.log(alpha)
    evidence = (
        num / 2 * math.log(beta) + dim / 2 * math.log(alpha) - num / 2 * math.log(2 * math.pi)
    )
    return (evidence - beta / 2 * residual - alpha / 2 * weights - log_det / 2) / num


def h_score(codes: torch.Tensor, labels: torch.Tensor, *, shrink: bool = True) -> float:
    """Trace of the inverse covariance of the codes times that of their class means; higher is
    better. `shrink=False`: as in 2019.

    Args:
        codes: float [n, d], 2 or more.
        labels: int64 [n].
    """
    values = codes.double()
    centred = values - values.mean(0, keepdim=True)
    classes, which = labels.unique(return_inverse=True)
    means = torch.zeros(len(classes), values.shape[1], dtype=torch.float64, device=values.device)
    means.index_add_(0, which, centred)
    counts = torch.bincount(which, minlength=len(classes)).double()
    means /= counts[:, None]
    between = (means * counts[:, None]).T @ means / len(values)
    covariance = centred.T @ centred / len(values)
    if not shrink:
        return float(torch.trace(torch.linalg.pinv(covariance, rtol=1e-10) @ between))
    if float(torch.trace(covariance)) <= 0:
        return 0.0  # codes that never vary tell nothing apart
    share = _shrinkage(centred, covariance)
    dim = values.shape[1]
    eye = torch.eye(dim, dtype=torch.float64, device=values.device) * (
        torch.trace(covariance) / dim
    )
    shrunk = (1 - share) * covariance + share * eye
    return float((1 - share) * torch.trace(torch.linalg.solve(shrunk, between)))


def _shrinkage(centred: torch.Tensor, covariance: torch.Tensor) -> float:
    """Ledoit and Wolf's share of a multiple of the identity that lies nearest to the true
    covariance, in 0..1."""
    num, dim = centred.shape
    mean = torch.trace(covariance) / dim
    # d^2 of the paper, times the dimension
    spread = covariance.square().sum() - dim * mean.square()
    if float(spread) <= 0:
        return 1.0
    fourth = (centred.square().sum(1).square()).sum() / num - covariance.square().sum()
    return float((fourth / num / spread).clamp(0, 1))


def leep(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Log expected empirical prediction, nats, at most 0; higher is better.

    Args:
        probabilities: float [n, Z], of the source's classes, rows sum to 1.
        labels: int64 [n].
    """
    values = probabilities.double()
    classes, which = labels.unique(return_inverse=True)
    joint = torch.zeros(len(classes), values.shape[1], dtype=torch.float64, device=values.device)
    joint.index_add_(0, which, values)
    conditional = joint / joint.sum(0, keepdim=True).clamp_min(_TINY)
    expected = (values @ conditional.T)[torch.arange(len(values)), which]
    return float(expected.clamp_min(_TINY).log().mean())


def nce(source_labels: torch.Tensor, labels: torch.Tensor) -> float:
    """Minus the conditional entropy of the labels given the source's, nats, at most 0; higher is
    better. Both int64 [n]."""
    _, theirs = source_labels.unique(return_inverse=True)
    _, which = labels.unique(return_inverse=True)
    joint = torch.zeros(int(theirs.max()) + 1, int(which.max()) + 1, dtype=torch.float64)
    joint.index_put_(
        (theirs.cpu(), which.cpu()), torch.ones(len(which), dtype=torch.float64), accumulate=True
    )
    joint /= joint.sum()
    conditional = joint / joint.sum(1, keepdim=True)
    return float((joint * conditional.clamp_min(_TINY).log()).sum())


def knn_accuracy(codes: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """Leave-one-out accuracy of the k nearest, percent; codes float [n, d], labels int64 [n]."""
    values = normalise_rows(codes.float())
    k = min(k, len(values) - 1)
    similarities, rows = nearest(values, values, k + 1)
    own = rows == torch.arange(len(values), device=rows.device)[:, None]
    own[~own.any(1), -1] = True  # many equal codes: the image itself is not among the nearest
    others, near = similarities[~own].view(len(values), k), rows[~own].view(len(values), k)
    classes, which = labels.unique(return_inverse=True)
    scores = vote(others, which[near], len(classes), k)
    return 100.0 * float((scores.argmax(1) == which).double().mean())
