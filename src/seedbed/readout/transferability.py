"""Transferability scores: estimate without training how well a network suits a task.

In: codes float [n, d], or probabilities float [n, Z] of the Z classes of the source, and labels
int64 [n] of the task. Out: one number; higher is better. Images of the source are not needed.

- `logme` (You et al. 2021, algorithm 1): log evidence per image, in nats, of a Bayesian linear
  regression of the 0/1 labels of a class on the codes, with its two precisions at their maximum;
  the mean over the classes. Ranks networks for fine-tuning and for linear readouts.
- `h_score` (Bao et al. 2019): trace of cov(codes)^-1 times the covariance of the class means of the
  codes, in 0..min(d, K - 1). Covariances are shrunk as in Ibrahim et al. (2021), after Ledoit and
  Wolf (2004). Without that, the score only counts dimensions unless n is far above d.
- `leep` (Nguyen et al. 2020): mean log probability of the labels, in nats, under the empirical
  conditional p(label | class of the source).
- `nce` (Tran et al. 2019): negative conditional entropy of the labels given the source class that
  the network predicts, in nats.
- `knn_accuracy`: leave-one-out accuracy of the k nearest neighbours by cosine similarity, percent.
"""

from __future__ import annotations

import math

import torch

from seedbed.readout.linear import normalise_rows
from seedbed.readout.neighbours import nearest, vote

_MAX_ITERATIONS = 100
_TINY = 1e-12


def logme(codes: torch.Tensor, labels: torch.Tensor) -> float:
    """Maximum log evidence per image, in nats; higher is better.

    Args:
        codes: float [n, d], as the network gives them.
        labels: int64 [n].
    """
    values = codes.double()
    num, dim = values.shape
    left, singular, _ = torch.linalg.svd(values, full_matrices=False)
    sigma = singular.square()
    evidences = []
    for label in labels.unique():
        target = (labels == label).double()
        projected, norm = (left.T @ target).square(), float(target.square().sum())
        evidences.append(_evidence(sigma, projected, norm, num, dim))
    return sum(evidences) / len(evidences)


def _evidence(
    sigma: torch.Tensor, projected: torch.Tensor, norm: float, num: int, dim: int
) -> float:
    """Maximum log evidence of one regression, from the squared singular values of the codes, the
    squared projections of the target, and its squared norm."""
    # The part of the target outside the span of the codes.
    outside = max(0.0, norm - float(projected.sum()))
    alpha, beta = 1.0, 1.0

    def fit() -> tuple[float, float]:
        """Squared norms of the mean weights and of their residual."""
        shrunk = alpha / beta / (sigma + alpha / beta)
        weights = float((sigma * projected / (sigma + alpha / beta) ** 2).sum())
        return weights, float((shrunk.square() * projected).sum()) + outside

    for _ in range(_MAX_ITERATIONS):
        previous = alpha / beta
        weights, residual = fit()
        gamma = float((sigma / (sigma + alpha / beta)).sum())
        alpha, beta = gamma / max(weights, _TINY), (num - gamma) / max(residual, _TINY)
        if abs(alpha / beta - previous) <= 1e-6 * previous:
            break
    weights, residual = fit()
    log_det = float(torch.log(alpha + beta * sigma).sum()) + (dim - len(sigma)) * math.log(alpha)
    evidence = (
        num / 2 * math.log(beta) + dim / 2 * math.log(alpha) - num / 2 * math.log(2 * math.pi)
    )
    return (evidence - beta / 2 * residual - alpha / 2 * weights - log_det / 2) / num


def h_score(codes: torch.Tensor, labels: torch.Tensor, *, shrink: bool = True) -> float:
    """Trace of the inverse covariance of the codes times the covariance of their class means;
    higher is better. `shrink=False` computes the score of 2019.

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
        return 0.0  # constant codes do not separate classes
    share = _shrinkage(centred, covariance)
    dim = values.shape[1]
    eye = torch.eye(dim, dtype=torch.float64, device=values.device) * (
        torch.trace(covariance) / dim
    )
    shrunk = (1 - share) * covariance + share * eye
    return float((1 - share) * torch.trace(torch.linalg.solve(shrunk, between)))


def _shrinkage(centred: torch.Tensor, covariance: torch.Tensor) -> float:
    """The optimal weight, in 0..1, of a multiple of the identity in the covariance (Ledoit and Wolf
    2004)."""
    num, dim = centred.shape
    mean = torch.trace(covariance) / dim
    # d^2 of the paper times the dimension.
    spread = covariance.square().sum() - dim * mean.square()
    if float(spread) <= 0:
        return 1.0
    fourth = (centred.square().sum(1).square()).sum() / num - covariance.square().sum()
    return float((fourth / num / spread).clamp(0, 1))


def leep(probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    """Log expected empirical prediction, in nats, at most 0; higher is better.

    Args:
        probabilities: float [n, Z] of the classes of the source; rows sum to 1.
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
    """Negative conditional entropy of the labels given those of the source, in nats, at most 0;
    higher is better. Both are int64 [n]."""
    _, source = source_labels.unique(return_inverse=True)
    _, target = labels.unique(return_inverse=True)
    joint = torch.zeros(int(source.max()) + 1, int(target.max()) + 1, dtype=torch.float64)
    ones = torch.ones(len(target), dtype=torch.float64)
    joint.index_put_((source.cpu(), target.cpu()), ones, accumulate=True)
    joint /= joint.sum()
    conditional = joint / joint.sum(1, keepdim=True)
    return float((joint * conditional.clamp_min(_TINY).log()).sum())


def knn_accuracy(codes: torch.Tensor, labels: torch.Tensor, k: int = 5) -> float:
    """Leave-one-out accuracy of the k nearest neighbours, in percent; codes float [n, d], labels
    int64 [n]."""
    values = normalise_rows(codes.float())
    k = min(k, len(values) - 1)
    similarities, rows = nearest(values, values, k + 1)
    is_itself = rows == torch.arange(len(values), device=rows.device)[:, None]
    # With many equal codes, an image may not be among its own nearest neighbours.
    is_itself[~is_itself.any(1), -1] = True
    similarities = similarities[~is_itself].view(len(values), k)
    neighbours = rows[~is_itself].view(len(values), k)
    classes, which = labels.unique(return_inverse=True)
    scores = vote(similarities, which[neighbours], len(classes), k)
    return 100.0 * float((scores.argmax(1) == which).double().mean())
