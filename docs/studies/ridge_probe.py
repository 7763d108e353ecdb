"""The backbones of a study under another readout: ridge regression on one-hot labels,
scikit-learn's RidgeClassifier.

Reads a finished study and its workspace; prints top-1 on the target, percent: mean and standard
deviation over seeds, by arm and training budget. Codes as `probe()` takes them (L2-normalised);
alpha is chosen on validation, then refitted on training and validation.

    python docs/studies/ridge_probe.py tiny-imagenet-to-cifar10.toml --workspace seedbed-work
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import normalize

from seedbed.base.artifacts import Workspace
from seedbed.models.checkpoint import load_backbone
from seedbed.models.codes import codes
from seedbed.tasks.catalogue.classification import Classification
from seedbed.trials.planner import make_plan
from seedbed.trials.study_file import load_study

ALPHAS = (0.01, 0.1, 1.0, 10.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--workspace")
    options = parser.parse_args()
    study = load_study(options.file)
    place = Workspace.at(options.workspace, study.folder)
    plan = make_plan(study, place)
    (target,) = study.targets
    task = Classification().load(plan.stores[target], 0)
    top1_by_arm: dict[tuple[int, str], list[float]] = defaultdict(list)
    trained = {
        (c.images_seen, c.arm, c.seed): c.backbone_key
        for c in plan.cells
        if place.has("backbones", c.backbone_key)
    }
    for (images_seen, arm, seed), key in trained.items():
        value = ridge_top1(place, key, task)
        top1_by_arm[images_seen, arm].append(value)
        print(f"{images_seen:>9,} images seen  {arm:>8}  seed {seed}  {value:.2f}", flush=True)
    print()
    for (images_seen, arm), values in top1_by_arm.items():
        spread = f"{np.std(values, ddof=1):.2f}" if len(values) > 1 else "-"
        budget = f"{images_seen:>9,} images seen"
        print(f"{budget}  {arm:>8}  {np.mean(values):.2f}  sd {spread}  {len(values)} seeds")


def ridge_top1(place: Workspace, key: str, task) -> float:
    net = load_backbone(place.folder("backbones", key))
    rows = np.concatenate([task.train, task.validation, task.test])
    layer_codes = normalize(codes(net, net.images(task.store, rows)).numpy())
    num_train, num_known = len(task.train), len(task.train) + len(task.validation)
    labels = task.labels(rows[:num_known])

    def right(alpha: float) -> float:
        model = RidgeClassifier(alpha=alpha).fit(layer_codes[:num_train], labels[:num_train])
        return float(np.mean(model.predict(layer_codes[num_train:num_known]) == labels[num_train:]))

    best = max(ALPHAS, key=right)
    final = RidgeClassifier(alpha=best).fit(layer_codes[:num_known], labels)
    return task.score(final.predict(layer_codes[num_known:])[:, None], {}).metrics["top1"]


if __name__ == "__main__":
    main()
