"""Measure packing an image folder against reading the same images once through torchvision's
ImageFolder and a DataLoader.

Both decode every image, resize its shorter side and crop the centre to the same size, on the same
cores, with files in the page cache; packing also checks, hashes and writes them. Beside it,
decoding alone on one core, against Pillow decoding in full. Rounds alternate in one process; the
ratio is the median of the rounds'. Target: 2 on photographs.

Expected numbers: see docs/log.md. Command: SEEDBED_DATA=DATA python benchmarks/packing.py
Or: python benchmarks/packing.py --folder PHOTOS --size-px 64
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import measuring
import numpy as np
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from seedbed.data.decode import decode
from seedbed.data.image_suffixes import has_image_suffix
from seedbed.data.pack import pack

SIDES = {"seedbed, images/s": "pack", "other, images/s": "loader"}
DEFAULT_FOLDERS = ("tiny-imagenet-200/train", "hymenoptera")


def pack_once(folder: Path, size_px: int, num_workers: int) -> int:
    """Pack into a new store; return the number of images."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = pack(str(folder), Path(scratch, "store"), size_px=size_px, workers=num_workers)
        return packed.store.num_images + packed.num_unreadable


def load_once(folder: Path, size_px: int, num_workers: int) -> int:
    """Read every image by a DataLoader as uint8 batches; return the number of images."""
    transform = transforms.Compose(
        [transforms.Resize(size_px), transforms.CenterCrop(size_px), transforms.PILToTensor()]
    )
    dataset = ImageFolder(
        str(folder),
        transform,
        is_valid_file=lambda p: has_image_suffix(p),
    )
    return sum(
        len(images) for images, _ in DataLoader(dataset, batch_size=256, num_workers=num_workers)
    )


def measure(
    folder: Path, size_px: int, num_workers: int, num_rounds: int
) -> dict[str, list[float]]:
    """Images per second of both in each round, and their ratio; a first round, unmeasured, fills
    the page cache."""
    sides = {"pack": pack_once, "loader": load_once}
    counts = {name: run(folder, size_px, num_workers) for name, run in sides.items()}
    assert counts["pack"] == counts["loader"], f"the two sides see different images: {counts}"
    timed = {name: lambda run=run: run(folder, size_px, num_workers) for name, run in sides.items()}
    times = measuring.alternate(timed, num_rounds)
    rates = {name: [counts[name] / seconds for seconds in times[name]] for name in sides}
    return rates | {"ratio": [p / q for p, q in zip(rates["pack"], rates["loader"], strict=True)]}


def measure_decoding(
    folder: Path, size_px: int, num_images: int, num_rounds: int
) -> dict[str, list[float]]:
    """Images per second of one core, from bytes in memory to a square: our decoder, and Pillow's
    full decode."""
    files = [p for p in sorted(folder.rglob("*")) if has_image_suffix(p.name)][:num_images]
    images = [p.read_bytes() for p in files]
    fit = transforms.Compose([transforms.Resize(size_px), transforms.CenterCrop(size_px)])

    def decode_as_pack() -> None:
        for data in images:
            decode(data, size_px, "crop")

    def pillow() -> None:
        for data in images:
            np.asarray(fit(Image.open(io.BytesIO(data)).convert("RGB")))

    times = measuring.alternate({"pack": decode_as_pack, "loader": pillow}, num_rounds)
    rates = {name: [len(images) / seconds for seconds in times[name]] for name in times}
    return rates | {"ratio": [p / q for p, q in zip(rates["pack"], rates["loader"], strict=True)]}


def main() -> None:
    """A row for each folder and each kind of work."""
    parser = measuring.parser(__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        action="append",
        help="image folder, may be repeated (default: two of the data folder)",
    )
    parser.add_argument(
        "--data", type=Path, help="folder that holds the default folders (default: $SEEDBED_DATA)"
    )
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    folders = arguments.folder or [
        measuring.data_folder(name, arguments.data) for name in DEFAULT_FOLDERS
    ]
    record, cases, rows = measuring.identity(arguments), [], []
    measuring.confine(arguments.threads)
    for folder in folders:
        work = {
            "pack, against ImageFolder and DataLoader": measure(
                folder, arguments.size_px, arguments.threads, arguments.rounds
            ),
            "decode on one core, against Pillow": measure_decoding(
                folder, arguments.size_px, 500, arguments.rounds
            ),
        }
        for what, sides in work.items():
            cases.append(
                {"folder": folder.name, "work": what, "size_px": arguments.size_px, **sides}
            )
            rates = {name: measuring.spread(sides[side], ",.0f") for name, side in SIDES.items()}
            name = f"{folder.parent.name}/{folder.name}" if folder.name == "train" else folder.name
            rows.append(
                {
                    "images": f"{name}, {arguments.size_px} px",
                    "work": what,
                    **rates,
                    "ratio": measuring.spread(sides["ratio"]),
                }
            )
            print(rows[-1], flush=True)
    measuring.publish(arguments, record, rows, cases=cases)


if __name__ == "__main__":
    main()
