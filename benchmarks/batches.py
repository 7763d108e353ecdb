"""Measure training batches at 64 px, cropped, flipped and normalised: from a packed store against
ImageFolder and a DataLoader.

Both give float32 batches of 256 in a random order, of the same images, with random shifted crops
and flips, on the same cores; the DataLoader has a worker per core. The plain gather of a batch from
the memory map stands beside them: what no augmentation could beat. Rounds alternate in one process;
    ratios are medians of the rounds'. Target: 25 times the DataLoader on the CPU.

Expected numbers: see docs/log.md. Command: SEEDBED_DATA=DATA python benchmarks/batches.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import measuring
import numpy as np
import torch
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from seedbed.data.images import Resident, shared_tensor
from seedbed.data.loader import Stream
from seedbed.data.pack import pack
from seedbed.data.store import Store

SIDES = {
    "store": "store: cropped, flipped, normalised",
    "gather": "store: the gather alone, uint8",
    "loader": "ImageFolder and DataLoader",
}
BATCH, MEAN, STD = 256, (0.5,) * 3, (0.25,) * 3


def from_store(store: Store, num_batches: int) -> int:
    """Images given."""
    stream = Stream(Resident(store.pixels, np.arange(store.num_images), store.leaves), BATCH, 0)
    return sum(len(stream.batch(step)[0]) for step in range(num_batches))


def gathered(store: Store, num_batches: int) -> int:
    """Images given by the gather alone, as uint8."""
    pixels, order = (
        shared_tensor(store.pixels),
        torch.randperm(store.num_images, generator=torch.Generator().manual_seed(0)),
    )
    return sum(
        len(pixels.index_select(0, order[i * BATCH : (i + 1) * BATCH])) for i in range(num_batches)
    )


def from_loader(folder: Path, size_px: int, num_batches: int, num_workers: int) -> int:
    """Images given."""
    augment = transforms.Compose(
        [
            transforms.Resize(size_px),
            transforms.CenterCrop(size_px),
            transforms.RandomCrop(size_px, padding=size_px // 8, padding_mode="reflect"),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    dataset = ImageFolder(str(folder), augment)
    chosen = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[
        : num_batches * BATCH
    ]
    return sum(
        len(images)
        for images, _ in DataLoader(
            Subset(dataset, chosen.tolist()), BATCH, num_workers=num_workers
        )
    )


def measure(
    folder: Path, store: Store, num_batches: int, num_workers: int, num_rounds: int
) -> dict[str, list[float]]:
    """Images per second of all three in each round; a first, unmeasured round fills the page
    cache."""
    sides = {
        "store": lambda: from_store(store, 8 * num_batches),
        "gather": lambda: gathered(store, min(8 * num_batches, store.num_images // BATCH)),
        "loader": lambda: from_loader(folder, store.size_px, num_batches, num_workers),
    }
    counts = {name: run() for name, run in sides.items()}
    times = measuring.alternate(sides, num_rounds)
    return {name: [counts[name] / seconds for seconds in times[name]] for name in sides}


def main() -> None:
    """Print the rates and their ratios."""
    parser = measuring.parser(__doc__)
    parser.add_argument(
        "--folder", type=Path, help="image folder (default: Tiny ImageNet's training images)"
    )
    parser.add_argument(
        "--data", type=Path, help="folder that holds the default folder (default: $SEEDBED_DATA)"
    )
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument(
        "--batches",
        type=int,
        default=60,
        help="of the DataLoader; the store gives eight times as many",
    )
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    folder = arguments.folder or measuring.data_folder("tiny-imagenet-200/train", arguments.data)
    record = measuring.identity(arguments)
    measuring.confine(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        store = pack(
            f"folder({str(folder)!r})", Path(scratch, "store"), size_px=arguments.size_px
        ).store
        rates_by_side = measure(
            folder, store, arguments.batches, arguments.threads, arguments.rounds
        )
    rows = []
    for name, rates in rates_by_side.items():
        ratios = [r / q for r, q in zip(rates, rates_by_side["loader"], strict=True)]
        rows.append(
            {
                "batches": SIDES[name],
                "images/s": measuring.spread(rates, ",.0f"),
                "of the DataLoader": measuring.spread(ratios, ".1f"),
            }
        )
    measuring.publish(arguments, record, rows, images_per_s=rates_by_side)


if __name__ == "__main__":
    main()
