"""The other side of `whole_arm.py`: one arm as a competent practitioner writes it, without seedbed.

torchvision folders and transforms, a DataLoader with a worker per core, a plain SGD loop with
OneCycleLR, codes by a DataLoader, and scikit-learn's LinearSVC with C by grid search on a
validation split (the three fits in parallel), refitted on all. In: the folders and settings. Out:
seconds of the parts and accuracies. Imports nothing of seedbed but the net of `pool-first`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from measuring import Clock
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.svm import LinearSVC
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader

_NORMALISE = transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What both sides are told."""

    tiny: Path
    cifar: Path
    num_images_seen: int
    width: int
    seed: int
    num_threads: int
    grid: tuple[float, ...] = (0.1, 1.0, 10.0)
    size_px: int = 32
    batch_size: int = 128
    peak_learning_rate: float = 0.2
    plain_net: str = "conventional"
    channels_last: bool = False  # of the plain side

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


class AnnotatedImages(Dataset):
    """Tiny ImageNet's validation images, whose labels are in a text file."""

    def __init__(
        self, root: Path, class_to_idx: dict[str, int], transform: transforms.Compose
    ) -> None:
        rows = [
            line.split("\t")[:2] for line in (root / "val_annotations.txt").read_text().splitlines()
        ]
        self.samples = [(str(root / "images" / name), class_to_idx[label]) for name, label in rows]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path, label = self.samples[index]
        return self.transform(default_loader(path)), label


def run(settings: Settings) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of train, codes and svm; source and target top-1, percent."""
    torch.manual_seed(settings.seed)
    clock = Clock()
    with clock.part("train"):
        net, source_top1 = _train(settings)
    with clock.part("codes"):
        body = nn.Sequential(*list(net.children())[:-1])
        known, test = (_codes(body, settings, split) for split in ("train", "test"))
    with clock.part("svm"):
        target_top1 = _svm(known, test, settings)
    return clock.seconds, {"source_top1": source_top1, "target_top1": target_top1}


def _net(settings: Settings, num_classes: int) -> nn.Module:
    if settings.plain_net == "pool-first":
        from seedbed.models.zoo.small import Small

        net = (
            Small(width=settings.width)
            .build([str(i) for i in range(num_classes)], settings.size_px)
            .module
        )
    else:
        net = _conventional(settings.width, num_classes)
    return net.to(memory_format=settings.memory_format)  # pyright: ignore[reportCallIssue]


def _conventional(width: int, num_classes: int) -> nn.Module:
    """Convolution, batch norm, ReLU, then the pool: the order of most code."""
    widths = [3, width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = []
    for i, (num_in, num_out) in enumerate(pairwise(widths)):
        layers += [
            nn.Conv2d(num_in, num_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(num_out),
            nn.ReLU(inplace=True),
        ]
        layers += [nn.MaxPool2d(2)] if i < 3 else []
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], num_classes)
    )


def _loader(dataset: Dataset, settings: Settings, *, shuffle: bool = False) -> DataLoader:
    return DataLoader(
        dataset,
        batch_size=settings.batch_size if shuffle else 500,
        shuffle=shuffle,
        drop_last=shuffle,
        num_workers=settings.num_threads,
        persistent_workers=shuffle,
    )


def _plain_transform(settings: Settings) -> transforms.Compose:
    return transforms.Compose(
        [transforms.Resize(settings.size_px), transforms.ToTensor(), _NORMALISE]
    )


def _train(settings: Settings) -> tuple[nn.Module, float]:
    augment = [
        transforms.Resize(settings.size_px),
        transforms.RandomCrop(settings.size_px, padding=settings.size_px // 8),
    ]
    augment += [transforms.RandomHorizontalFlip(), transforms.ToTensor(), _NORMALISE]
    dataset = ImageFolder(str(settings.tiny / "train"), transforms.Compose(augment))
    net = _net(settings, len(dataset.classes))
    _fit(net, _loader(dataset, settings, shuffle=True), settings)
    held_out = AnnotatedImages(
        settings.tiny / "val", dataset.class_to_idx, _plain_transform(settings)
    )
    return net.eval(), _accuracy(net, _loader(held_out, settings), settings)


def _fit(net: nn.Module, loader: DataLoader, settings: Settings) -> None:
    num_steps = math.ceil(settings.num_images_seen / settings.batch_size)
    peak = settings.peak_learning_rate
    optimiser = torch.optim.SGD(
        net.parameters(), lr=peak, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        peak,
        total_steps=num_steps,
        pct_start=0.2,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    criterion, step = nn.CrossEntropyLoss(), 0
    while step < num_steps:
        for images, labels in loader:
            images = images.contiguous(memory_format=settings.memory_format)
            loss = criterion(net(images), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            step += 1
            if step == num_steps:
                break


@torch.inference_mode()
def _accuracy(net: nn.Module, loader: DataLoader, settings: Settings) -> float:
    right = [
        (net(images.contiguous(memory_format=settings.memory_format)).argmax(1) == labels).float()
        for images, labels in loader
    ]
    return 100 * float(torch.cat(right).mean())


@torch.inference_mode()
def _codes(body: nn.Module, settings: Settings, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """L2-normalised codes [n, d] and labels [n] of a split of CIFAR-10."""
    dataset = ImageFolder(str(settings.cifar / split), _plain_transform(settings))
    outputs, targets = [], []
    for images, labels in _loader(dataset, settings):
        outputs.append(body(images.contiguous(memory_format=settings.memory_format)))
        targets.append(labels)
    return nn.functional.normalize(torch.cat(outputs)), torch.cat(targets)


def _svm(
    known: tuple[torch.Tensor, torch.Tensor],
    test: tuple[torch.Tensor, torch.Tensor],
    settings: Settings,
) -> float:
    search = GridSearchCV(
        LinearSVC(dual=False, tol=1e-4, max_iter=10_000),  # pyright: ignore[reportArgumentType]
        {"C": list(settings.grid)},
        cv=StratifiedShuffleSplit(1, test_size=0.2, random_state=settings.seed),
        n_jobs=settings.num_threads,
    )
    search.fit(known[0].numpy(), known[1].numpy())
    right = search.predict(test[0].numpy()) == test[1].numpy()
    return 100 * float(right.mean())
