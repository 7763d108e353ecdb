"""Measure our linear readouts against scikit-learn's on the same codes: seconds, and whose
objective is lower.

Synthetic codes in overlapping clusters, rectified and L2-normalised as a net's are; C of 0.1, 1,
10. Ours begins each C where the one before ended; scikit-learn cannot, and fits the three C in
parallel where there are threads for it. Both minimise the same objective: a positive difference
says that scikit-learn's end is higher than ours. Target: 10 times as fast at equal objective.

Expected numbers: see docs/log.md. Command: python benchmarks/readouts.py
The large case (50,000 codes of 4,096 dimensions, 200 classes; half an hour): python
benchmarks/readouts.py --large
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import measuring
import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.svm import LinearSVC

from seedbed.readout.linear import LinearClassifier, fit_linear, normalise_rows, objective


@dataclass(frozen=True)
class Case:
    """One problem."""

    loss: str
    num_codes: int
    dim: int
    num_classes: int
    grid: tuple[float, ...] = (0.1, 1.0, 10.0)

    def __str__(self) -> str:
        return f"{self.loss}, {self.num_codes:,} x {self.dim:,}, {self.num_classes} classes"


CASES = (
    Case("svm", 40_000, 128, 10),
    Case("svm", 10_000, 1_024, 50),
    Case("svm", 300, 4_096, 5),
    Case("softmax", 10_000, 512, 50),
    Case("ridge", 40_000, 512, 50),
)
LARGE = Case("svm", 50_000, 4_096, 200)


def clustered_codes(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 [n, d] codes and int64 [n] labels: clusters in 256 dimensions of falling variance,
    mixed, rectified."""
    generator, rank = torch.Generator().manual_seed(0), min(256, case.dim)
    labels = torch.arange(case.num_codes) % case.num_classes
    scale = torch.arange(1, rank + 1).float() ** -0.5
    centres = 0.4 * scale * torch.randn(case.num_classes, rank, generator=generator)
    inner = centres[labels] + scale * torch.randn(case.num_codes, rank, generator=generator)
    mixed = inner @ torch.randn(rank, case.dim, generator=generator) / rank**0.5
    noise = 0.3 * float(scale.mean()) * torch.randn(case.num_codes, case.dim, generator=generator)
    return normalise_rows((mixed + noise).clamp_min(0)), labels


def model_of(loss: str, c: float):
    """scikit-learn's, with the tolerance that its objective needs to come within 1e-4 of the
    minimum."""
    if loss == "svm":
        return LinearSVC(C=c, dual=False, tol=1e-4, max_iter=10_000)  # pyright: ignore[reportArgumentType]
    return (
        LogisticRegression(C=c, tol=1e-6, max_iter=10_000)
        if loss == "softmax"
        else RidgeClassifier(alpha=1 / (2 * c))
    )


def fit_sklearn(case: Case, codes: np.ndarray, labels: np.ndarray, num_jobs: int) -> list:
    """One estimator for each C."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Parallel(n_jobs=num_jobs)(
            delayed(model_of(case.loss, c).fit)(codes, labels) for c in case.grid
        )  # pyright: ignore


def as_ours(model, c: float) -> LinearClassifier:
    weights, intercept = (
        torch.from_numpy(np.ascontiguousarray(model.coef_.T)),
        torch.from_numpy(np.atleast_1d(model.intercept_)),
    )
    facts = {
        "c": c,
        "num_steps": int(np.max(getattr(model, "n_iter_", 0) or 0)),
        "suboptimality": 0.0,
        "converged": True,
    }
    return LinearClassifier(weights=weights.double(), intercept=intercept.double(), **facts)


def compare(case: Case, num_threads: int, num_rounds: int) -> dict[str, list[float]]:
    """Seconds of both in each round, the order alternating, and their ratio; relative differences
    of the objectives."""
    codes, labels = clustered_codes(case)
    codes_ND, labels_N = (
        codes.double().numpy() if case.loss != "svm" else codes.numpy(),
        labels.numpy(),
    )
    from_seedbed, from_sklearn = [], []
    sides = {
        "seedbed": lambda: from_seedbed.append(
            fit_linear(codes, labels, case.num_classes, case.grid, case.loss)
        ),
        "sklearn": lambda: from_sklearn.append(fit_sklearn(case, codes_ND, labels_N, num_threads)),
    }
    results = measuring.alternate(sides, num_rounds)
    pairs = [
        (
            objective(codes, labels, a, case.loss).sum(),
            objective(codes, labels, as_ours(b, a.c), case.loss).sum(),
        )
        for a, b in zip(from_seedbed[-1], from_sklearn[-1], strict=True)
    ]
    return results | {
        "ratio": [t / o for o, t in zip(results["seedbed"], results["sklearn"], strict=True)],
        "relative_difference": [float((b - a) / a) for a, b in pairs],
        "accuracy": [
            100 * float((f.scores(codes).argmax(1) == labels).double().mean())
            for f in from_seedbed[-1]
        ],
        "all_converged": [float(f.converged) for f in from_seedbed[-1]],
    }


def main() -> None:
    """Print the comparison of each case."""
    parser = measuring.parser(__doc__)
    parser.add_argument("--large", action="store_true", help="the large case too, one round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    record, cases, rows = measuring.identity(arguments), [], []
    measuring.confine(arguments.threads)
    for case in (*CASES, LARGE) if arguments.large else CASES:
        results = compare(case, arguments.threads, 1 if case is LARGE else arguments.rounds)
        cases.append({"case": str(case), **results})
        low, high = min(results["relative_difference"]), max(results["relative_difference"])
        fitted = ", ".join(f"{a:.1f}" for a in results["accuracy"])
        rows.append(
            {
                "problem": str(case),
                "seedbed, s": measuring.spread(results["seedbed"]),
                "scikit-learn, s": measuring.spread(results["sklearn"]),
                "ratio": measuring.spread(results["ratio"], ".1f"),
                "scikit-learn's objective above ours": f"{low:.0e} to {high:.0e} of it",
                "training accuracy by C, %": fitted
                + ("" if all(results["all_converged"]) else " (not converged)"),
            }
        )
        print(rows[-1], flush=True)
    measuring.publish(arguments, record, rows, cases=cases)


if __name__ == "__main__":
    main()
