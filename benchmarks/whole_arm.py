"""Measure one whole arm, from image files to a target's accuracy, by seedbed and by a plain script,
side by side in one run.

The arm: N images of Tiny ImageNet at 32 px seen in batches of 128 by a four-layer net, and its
top-1 on the held-out images; penultimate codes of CIFAR-10's 60,000 images, L2-normalised; a linear
SVM with C of 0.1, 1, 10 chosen on validation and refitted; top-1 on CIFAR-10's test images. The
plain script is `plain_arm.py`. Both sides get the same cores and a warm page cache, and each has
run once on a few images before. seedbed starts without a store, so its total contains the packing
of both data sets, which later arms would find done.

Expected numbers: see docs/log.md. Command: SEEDBED_DATA=DATA python benchmarks/whole_arm.py
A first try in a minute: ... whole_arm.py --images-seen 2000 --images-per-class 10
"""

from __future__ import annotations

import os
import statistics
import tempfile
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import measuring
import numpy as np
import plain_arm
import torch
from measuring import Clock
from plain_arm import Settings

from seedbed.base.device import num_cores
from seedbed.data.pack import pack
from seedbed.data.store import Store
from seedbed.data.view import make_view
from seedbed.metrics.accuracy import rank
from seedbed.models.backbone import Backbone
from seedbed.models.codes import codes
from seedbed.models.schedule import Schedule
from seedbed.models.zoo.small import Small
from seedbed.pretraining.pretrain import Seeds, Training, pretrain_view
from seedbed.readout.linear import fit_linear, normalise_rows
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.classification import ClassificationTask

PARTS = ("pack", "train", "codes", "svm")
Outcome = tuple[dict[str, float], dict[str, float]]  # seconds of the parts, accuracies in percent


def run_seedbed(settings: Settings) -> Outcome:
    """The arm by seedbed, as `Probe.run` does it, its two halves timed apart."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        with clock.part("pack"):
            source, target = (
                pack(
                    str(path),
                    f"{folder}/{path.name}",
                    size_px=settings.size_px,
                    workers=settings.num_threads,
                ).store
                for path in (settings.tiny, settings.cifar)
            )
        with clock.part("train"):
            backbone, source_top1 = _train(source, settings)
        with clock.part("codes"):
            task = Classification().load(target, settings.seed)
            all_codes = _codes(backbone, task)
        with clock.part("svm"):
            target_top1 = _svm(all_codes, task, settings.grid)
    return clock.seconds, {"source_top1": source_top1, "target_top1": target_top1}


def _train(store: Store, settings: Settings) -> tuple[Backbone, float]:
    schedule = Schedule(
        images_seen=settings.num_images_seen,
        batch_size=settings.batch_size,
        peak_learning_rate=settings.peak_learning_rate,
    )
    pretrained = pretrain_view(
        make_view(store),
        Small(width=settings.width),
        Training(schedule=schedule),
        seeds=Seeds(init=settings.seed),
    )
    return pretrained.backbone, pretrained.metrics["top1"]


def _codes(backbone: Backbone, task: ClassificationTask) -> torch.Tensor:
    return normalise_rows(codes(backbone, backbone.images(task.store, _rows(task))))


def _rows(task: ClassificationTask) -> np.ndarray:
    return np.concatenate([task.train, task.validation, task.test])


def _svm(all_codes: torch.Tensor, task: ClassificationTask, grid: tuple[float, ...]) -> float:
    num_train, num_known = len(task.train), len(task.train) + len(task.validation)
    labels = torch.from_numpy(task.labels(_rows(task)[:num_known]))
    classifiers = fit_linear(all_codes[:num_train], labels[:num_train], task.num_classes, grid)
    right = [
        float((f.scores(all_codes[num_train:num_known]).argmax(1) == labels[num_train:]).sum())
        for f in classifiers
    ]
    best = grid[right.index(max(right))]
    final = fit_linear(all_codes[:num_known], labels, task.num_classes, [best])[0]
    return task.score(rank(final.scores(all_codes[num_known:]).numpy()), {}).metrics["top1"]


def measure(settings: Settings, num_rounds: int) -> dict[str, list[Outcome]]:
    """Both sides in each round, the other one first in every second round."""
    outcomes: dict[str, list[Outcome]] = {"seedbed": [], "plain": []}
    sides = [("seedbed", run_seedbed), ("plain", plain_arm.run)]
    for i in range(num_rounds):
        for name, run in sides if i % 2 == 0 else sides[::-1]:
            outcomes[name].append(run(settings))
            seconds = sum(outcomes[name][-1][0].values())
            print(f"round {i + 1} of {num_rounds}: {name} took {seconds:.1f} s", flush=True)
    return outcomes


def tabulate(outcomes: dict[str, list[Outcome]]) -> dict[str, dict[str, float]]:
    """The median seconds of each part and the median ratio of the rounds, by row."""
    rows: dict[str, dict[str, float]] = {}
    for row, parts in (
        *((p, (p,)) for p in PARTS),
        ("total", PARTS),
        ("total without packing", PARTS[1:]),
    ):
        of_seedbed, of_plain = (
            [sum(seconds.get(p, 0.0) for p in parts) for seconds, _ in outcomes[side]]
            for side in ("seedbed", "plain")
        )
        ratios = [t / o for o, t in zip(of_seedbed, of_plain, strict=True)]
        rows[row] = {
            "seedbed_s": statistics.median(of_seedbed),
            "plain_s": statistics.median(of_plain),
            "ratio": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        }
    for name in ("source_top1", "target_top1"):
        of_seedbed, of_plain = (
            statistics.median(accuracy[name] for _, accuracy in outcomes[side])
            for side in ("seedbed", "plain")
        )
        rows[name] = {"seedbed": of_seedbed, "plain": of_plain}
    return rows


def shown(rows: dict[str, dict[str, float]]) -> list[dict[str, str]]:
    """The table's cells as text."""
    cells = []
    for row, numbers in rows.items():
        if "ratio" in numbers:
            ratio = "" if row == "pack" else f"{numbers['ratio']:.2f}"
            cells.append(
                (row, f"{numbers['seedbed_s']:.1f} s", f"{numbers['plain_s']:.1f} s", ratio)
            )
        else:
            cells.append(
                (
                    row.replace("_", " "),
                    f"{numbers['seedbed']:.2f} %",
                    f"{numbers['plain']:.2f} %",
                    "",
                )
            )
    return [
        dict(zip(("part", "seedbed", "plain", "plain / seedbed"), row, strict=True))
        for row in cells
    ]


def few_images(root: Path, folder: Path, per_class: int) -> Path:
    """A copy of a data set by links to the first images of each class; Tiny ImageNet's annotations
    are cut to as many."""
    for class_folder in sorted(
        p for p in root.glob("*/*") if p.is_dir() and p.parent.name != "val"
    ):
        inner = "images" if (class_folder / "images").is_dir() else ""
        copy = folder / root.name / class_folder.relative_to(root) / inner
        copy.mkdir(parents=True)
        for path in sorted((class_folder / inner).iterdir())[:per_class]:
            (copy / path.name).symlink_to(path.resolve())
    if (root / "val/val_annotations.txt").is_file():
        _few_annotated(root / "val", folder / root.name / "val", per_class * 10)
    return folder / root.name


def _few_annotated(root: Path, copy: Path, num_images: int) -> None:
    (copy / "images").mkdir(parents=True)
    lines = (root / "val_annotations.txt").read_text().splitlines()[:num_images]
    (copy / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    for name in (line.split("\t")[0] for line in lines):
        (copy / "images" / name).symlink_to((root / "images" / name).resolve())


def warm_page_cache(root: Path) -> None:
    """Read every file once, so that neither side pays for the disk."""
    for folder, _, names in os.walk(root):
        for name in names:
            Path(folder, name).read_bytes()


def warm_up(settings: Settings) -> None:
    """Run both sides on a few images, so that neither pays for first imports and the start of
    worker processes."""
    with tempfile.TemporaryDirectory() as folder:
        tiny, cifar = (
            few_images(root, Path(folder), 10) for root in (settings.tiny, settings.cifar)
        )
        few = replace(settings, tiny=tiny, cifar=cifar, num_images_seen=2_000)
        run_seedbed(few)
        plain_arm.run(few)


def parse() -> Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with tiny-imagenet-200/ and cifar10/ (default: $SEEDBED_DATA)",
    )
    parser.add_argument("--images-seen", type=int, default=300_000)
    parser.add_argument("--width", type=int, default=16, help="channels of the first layer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--rounds", type=int, default=1, help="how often both sides are run, the order alternating"
    )
    parser.add_argument(
        "--plain-net",
        choices=("conventional", "pool-first"),
        default="pool-first",
        help="net of the plain side: ours, or with norm and ReLU before pooling",
    )
    parser.add_argument(
        "--plain-channels-last",
        action="store_true",
        help="give the plain side this memory format too",
    )
    parser.add_argument(
        "--images-per-class",
        type=int,
        help="use only so many images of each class (to try the script out)",
    )
    return parser.parse_args()


def main() -> None:
    """Run both sides and print the table."""
    arguments = parse()
    roots = [
        measuring.data_folder(name, arguments.data) for name in ("tiny-imagenet-200", "cifar10")
    ]
    record = measuring.identity(arguments)
    measuring.confine(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.images_per_class:
            roots = [few_images(root, Path(folder), arguments.images_per_class) for root in roots]
        for root in roots:
            warm_page_cache(root)
        settings = Settings(
            tiny=roots[0],
            cifar=roots[1],
            num_images_seen=arguments.images_seen,
            width=arguments.width,
            seed=arguments.seed,
            num_threads=num_cores(),
            plain_net=arguments.plain_net,
            channels_last=arguments.plain_channels_last,
        )
        warm_up(settings)
        outcomes = measure(settings, arguments.rounds)
    rows = tabulate(outcomes)
    note = f"Medians of n = {arguments.rounds}."
    measuring.publish(arguments, record, shown(rows), note, parts=rows, rounds=outcomes)


if __name__ == "__main__":
    main()
