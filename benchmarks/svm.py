"""Measure our linear SVM against scikit-learn's LinearSVC on the same codes: seconds, and whose objective is lower.

40,000 synthetic codes of 128 dimensions in 10 overlapping clusters, rectified and L2-normalised as a net's are; C of 0.1, 1, 10.
Ours starts each C where the one before ended; LinearSVC (dual=False, tol=1e-4) cannot, and runs the three C in parallel where there
are threads for it. Both minimise the same objective: a positive difference says that scikit-learn's end is higher than ours.

Expected numbers: see docs/log.md. Command: python benchmarks/svm.py
"""

from __future__ import annotations

import measuring
import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.svm import LinearSVC

from seedbed.readout.linear import LinearClassifier, fit_linear, normalise_rows, objective

GRID = (0.1, 1.0, 10.0)


def clustered_codes(num_codes: int, dim: int, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """float32 [n, d] codes and int64 [n] labels; about half to three quarters of them can be told by a linear classifier."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(num_codes) % num_classes
    centres = 0.15 * torch.randn(num_classes, dim, generator=generator)
    noise = torch.randn(num_codes, dim, generator=generator) @ torch.randn(dim, dim, generator=generator) / dim**0.5
    return normalise_rows((centres[labels] + noise).clamp_min(0)), labels


def fit_sklearn(codes: np.ndarray, labels: np.ndarray, num_jobs: int) -> list[LinearSVC]:
    """One LinearSVC for each C."""
    made = [LinearSVC(C=c, dual=False, tol=1e-4, max_iter=10_000) for c in GRID]  # pyright: ignore[reportArgumentType]
    return Parallel(n_jobs=num_jobs)(delayed(svc.fit)(codes, labels) for svc in made)  # pyright: ignore[reportReturnType]


def as_ours(svc: LinearSVC) -> LinearClassifier:
    weights, intercept = torch.from_numpy(np.ascontiguousarray(svc.coef_.T)), torch.from_numpy(np.atleast_1d(svc.intercept_))
    return LinearClassifier(
        weights=weights, intercept=intercept, c=svc.C, num_steps=int(np.max(svc.n_iter_)), suboptimality=0.0, converged=True
    )


def compare(codes: torch.Tensor, labels: torch.Tensor, num_threads: int, num_rounds: int) -> dict[str, list[float]]:
    """Seconds of both in each round, the order alternating, and their ratio; relative differences of the objectives."""
    torch.set_num_threads(num_threads)
    num_classes = int(labels.max()) + 1
    codes_ND, labels_N = codes.numpy(), labels.numpy()
    ours, theirs = fit_linear(codes, labels, num_classes, GRID), fit_sklearn(codes_ND, labels_N, num_threads)
    sides = {
        "seedbed": lambda: fit_linear(codes, labels, num_classes, GRID),
        "sklearn": lambda: fit_sklearn(codes_ND, labels_N, num_threads),
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for i in range(num_rounds):
        for name in list(sides) if i % 2 == 0 else list(sides)[::-1]:
            found[name].append(measuring.seconds_of(sides[name]))
    pairs = [(objective(codes, labels, a), objective(codes, labels, as_ours(b))) for a, b in zip(ours, theirs, strict=True)]
    return found | {
        "ratio": [t / o for o, t in zip(found["seedbed"], found["sklearn"], strict=True)],
        "relative_difference": torch.cat([(b - a) / a for a, b in pairs]).tolist(),
        "accuracy": [100 * float((f.scores(codes).argmax(1) == labels).double().mean()) for f in ours],
        "num_steps": [float(f.num_steps) for f in ours],
        "all_converged": [float(f.converged) for f in ours],
    }


def main() -> None:
    """Print the comparison for one thread and for all."""
    parser = measuring.parser(__doc__)
    parser.add_argument("--codes", type=int, default=40_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    record, cases = measuring.identity(arguments), []
    measuring.confine(arguments.threads)
    codes, labels = clustered_codes(arguments.codes, arguments.dim, arguments.classes)
    for num_threads in sorted({1, arguments.threads}):
        found = compare(codes, labels, num_threads, arguments.rounds)
        cases.append({"threads": num_threads, **found})
        times = ", ".join(f"{side} {measuring.spread(found[side])} s" for side in ("seedbed", "sklearn"))
        print(f"threads {num_threads}: {times}; ratio {measuring.spread(found['ratio'])}")
        low, high = min(found["relative_difference"]), max(found["relative_difference"])
        fitted = ", ".join(f"{a:.1f} %" for a in found["accuracy"])
        print(f"  objective, sklearn's above ours by {low:.1e} to {high:.1e} of it; training accuracy by C {fitted}", flush=True)
    measuring.write(arguments.json, record | {"cases": cases})


if __name__ == "__main__":
    main()
