"""ImageNet's size on one machine: list, pack, view and order 1.28 million images, with times and
peak memory.

The source is synthetic: ILSVRC-2012's layout, a tar of 1,000 tars of 1,281 JPEGs each, which are a
few small JPEGs repeated under different names. What is measured is everything that does not depend
on what the images show. Nothing is compared: these are absolute numbers.

Expected numbers: see docs/log.md. Command: python benchmarks/million.py --folder SCRATCH (about 8
GB are needed there)
"""

from __future__ import annotations

import io
import resource
import tarfile
import tempfile
from argparse import Namespace
from pathlib import Path

import measuring
import numpy as np
from PIL import Image

from seedbed.data.formats import open_source
from seedbed.data.loader import Stream, open_images
from seedbed.data.pack import pack
from seedbed.data.preprocessing import Preprocessing
from seedbed.data.view import make_view

RECIPES = (
    "",
    "images(per_class=50)",
    "images(fraction=0.5)",
    "images(total={tenth})",
    "classes(fraction=0.5)",
)


def jpegs(num: int, side_px: int) -> list[bytes]:
    """A few JPEGs of blurred noise."""
    generator, images = np.random.default_rng(0), []
    for _ in range(num):
        small = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((side_px, side_px), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
        images.append(buffer.getvalue())
    return images


def write_source(folder: Path, num_classes: int, per_class: int, side_px: int) -> None:
    """The training archive alone: a tar of tars."""
    archive, images = folder / "ILSVRC2012_img_train.tar", jpegs(16, side_px)
    with tarfile.open(archive, "w") as outer:
        for c in range(num_classes):
            synset = f"n{c:08d}"
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as tar:
                for i in range(per_class):
                    data = images[(7 * c + i) % len(images)]
                    info = tarfile.TarInfo(f"{synset}_{i}.JPEG")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            info = tarfile.TarInfo(f"{synset}.tar")
            info.size = inner.tell()
            inner.seek(0)
            outer.addfile(info, inner)


def peak_mb() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(arguments: Namespace, folder: Path) -> None:
    """Print a line per part, and write the record where it is asked for."""
    record, clock = measuring.identity(arguments), measuring.Clock()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ILSVRC2012_img_train.tar").exists():
        write_source(folder, arguments.classes, arguments.per_class, arguments.side_px)

    def report(name: str) -> None:
        print(
            f"{name}: {clock.seconds[name]:.2f} s; peak memory so far {peak_mb():,.0f} MB",
            flush=True,
        )

    with clock.part("list"):
        source = open_source(str(folder), format_name="ilsvrc")
    report("list")
    with clock.part("pack"):
        packed = pack(
            source, folder / "million.store", size_px=arguments.size_px, workers=arguments.threads
        )
    report("pack")
    print(f"  {packed.store.num_images:,} images, {packed.images_per_s or 0:,.0f} images/s")
    del source
    for recipe in (r.format(tenth=packed.store.num_images // 10) for r in RECIPES):
        name = f"view {recipe or 'all'}"
        with clock.part(name):
            view = make_view(packed.store, recipe)
            _ = view.fingerprint
        report(name)
    view = make_view(packed.store)
    images = open_images(
        packed.store, view.rows, view.labels, Preprocessing(size_px=arguments.size_px)
    )
    with clock.part("an epoch's order"):
        Stream(images, 256, 0).batch(0)
    report("an epoch's order")
    rows = [
        {"part": f"`{n}`" if "(" in n else n, "seconds": f"{s:.2f}"}
        for n, s in clock.seconds.items()
    ]
    rows.append({"part": "peak memory, MB", "seconds": f"{peak_mb():,.0f}"})
    measuring.publish(
        arguments, record, rows, "Each part once.", seconds=clock.seconds, peak_mb=peak_mb()
    )


def main() -> None:
    """Make the source, and measure."""
    parser = measuring.parser(__doc__)
    parser.add_argument(
        "--folder", type=Path, help="an empty folder to work in, kept (default: a temporary one)"
    )
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--per-class", type=int, default=1281)
    parser.add_argument("--side-px", type=int, default=64, help="of the JPEGs")
    parser.add_argument("--size-px", type=int, default=32, help="at which they are packed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(arguments, arguments.folder or Path(scratch))


if __name__ == "__main__":
    main()
