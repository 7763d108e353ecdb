"""Measure packing an image folder against reading the same images once through torchvision's ImageFolder and a DataLoader.

Both decode every image, resize its shorter side and crop the centre to the same size, on the same cores, with files in the page
cache; packing also checks, hashes and writes them. Rounds alternate in one process; the ratio is the median of the rounds'.

Expected numbers: see docs/log.md. Command: SEEDBED_DATA=DATA python benchmarks/packing.py
Or: python benchmarks/packing.py --folder PHOTOS --size-px 64
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import measuring
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from seedbed.data.files import IMAGE_SUFFIXES
from seedbed.data.pack import pack

DEFAULT_FOLDERS = ("tiny-imagenet-200/train", "hymenoptera")


def pack_once(folder: Path, size_px: int, num_workers: int) -> int:
    """Pack into a new store; return the number of images."""
    with tempfile.TemporaryDirectory() as made:
        packed = pack(str(folder), Path(made, "store"), size_px=size_px, workers=num_workers)
        return packed.store.num_images + packed.num_unreadable


def load_once(folder: Path, size_px: int, num_workers: int) -> int:
    """Read every image by a DataLoader as uint8 batches; return the number of images."""
    transform = transforms.Compose([transforms.Resize(size_px), transforms.CenterCrop(size_px), transforms.PILToTensor()])
    dataset = ImageFolder(str(folder), transform, is_valid_file=lambda p: os.path.splitext(p)[1].lower() in IMAGE_SUFFIXES)
    return sum(len(images) for images, _ in DataLoader(dataset, batch_size=256, num_workers=num_workers))


def measure(folder: Path, size_px: int, num_workers: int, num_rounds: int) -> dict[str, list[float]]:
    """Images per second of both in each round, and their ratio; a first round, unmeasured, fills the page cache."""
    sides = {"pack": pack_once, "loader": load_once}
    counts = {name: run(folder, size_px, num_workers) for name, run in sides.items()}
    assert counts["pack"] == counts["loader"], f"the two sides see different images: {counts}"
    timed = {name: lambda run=run: run(folder, size_px, num_workers) for name, run in sides.items()}
    taken = measuring.alternate(timed, num_rounds)
    found = {name: [counts[name] / seconds for seconds in taken[name]] for name in sides}
    return found | {"ratio": [p / q for p, q in zip(found["pack"], found["loader"], strict=True)]}


def main() -> None:
    """Print a line per folder."""
    parser = measuring.parser(__doc__)
    parser.add_argument(
        "--folder", type=Path, action="append", help="image folder, may be repeated (default: two of the data folder)"
    )
    parser.add_argument("--data", type=Path, help="folder that holds the default folders (default: $SEEDBED_DATA)")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    folders = arguments.folder or [measuring.data_folder(name, arguments.data) for name in DEFAULT_FOLDERS]
    record, cases = measuring.identity(arguments), []
    measuring.confine(arguments.threads)
    for folder in folders:
        found = measure(folder, arguments.size_px, arguments.threads, arguments.rounds)
        cases.append({"folder": folder.name, "size_px": arguments.size_px, **found})
        rates = ", ".join(f"{side} {measuring.spread(found[side], ',.0f')} images/s" for side in ("pack", "loader"))
        print(f"{folder.name} at {arguments.size_px} px: {rates}; ratio {measuring.spread(found['ratio'])}", flush=True)
    measuring.write(arguments.json, record | {"cases": cases})


if __name__ == "__main__":
    main()
