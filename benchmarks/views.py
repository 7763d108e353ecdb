"""Measure what a view costs on 1.28 million rows of 1,000 classes: images(per_class),
images(fraction), classes(fraction), both.

The store is made in a temporary folder without pixels, which no view reads. "Store open" is the
best of 5 with the columns already read, as every arm after the first finds them; "first" opens the
store and reads its columns too. Below, what naming a view costs.

Expected numbers: see docs/log.md. Command: python benchmarks/views.py
"""

from __future__ import annotations

import resource
import tempfile
from importlib.resources import files
from pathlib import Path

import measuring
import numpy as np

from seedbed.base.artifacts import write_json
from seedbed.base.randomness import item_hashes, mix
from seedbed.data import decode
from seedbed.data.source import SPLITS
from seedbed.data.store import ROWS, STORE_JSON, VERSION, Store
from seedbed.data.view import make_view

RECIPES = (
    "images(per_class=250)",
    "images(fraction=0.5)",
    "classes(fraction=0.5)",
    "classes(fraction=0.5) | images(per_class=250)",
)
# Of WordNet's 21,841 classes.
LARGE = (
    "images(per_class=100)",
    "images(total=1000000)",
    "bottom_up(depth=6)",
    "top_down(rounds=2)",
    "exclude(target='pascal')",
    "split(kind='minimal', half='a')",
    "classes(num=1000, pick='spread')",
    "classes(num=1000, pick='siblings')",
    "budget(images=1000000, favour='classes')",
    "budget(images=1000000, favour='examples')",
    "imbalance(ratio=100)",
    "shuffle_labels(fraction=0.3)",
    "like(recipe='bottom_up(depth=6)')",
    "like(recipe=\"exclude(target='pascal')\")",
)
NUM_TEST_PER_CLASS = 50


def synsets() -> list[str]:
    """The 21,841 classes of the whole of ImageNet, as timm lists them."""
    return sorted((files("timm") / "data/_info/imagenet22k_synsets.txt").read_text().split())


def write_store(folder: Path, num_rows: int, classes: list[str]) -> None:
    """`rows.parquet` and `store.json` of that many training rows and 50 test rows per class, ids
    sorted as `pack` sorts them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    num_classes = len(classes)
    per_class = {"test": NUM_TEST_PER_CLASS, "train": num_rows // num_classes}
    ids = [
        f"{split}/{c}/{c}_{i:06d}.JPEG"
        for split, num in per_class.items()
        for c in classes
        for i in range(num)
    ]
    leaves = np.concatenate(
        [np.repeat(np.arange(num_classes), num) for num in per_class.values()]
    ).astype(np.int32)
    splits = np.repeat(
        [SPLITS.index(s) for s in per_class], [n * num_classes for n in per_class.values()]
    ).astype(np.int8)
    table = {
        "id": pa.array(ids, pa.string()),
        "id_hash": item_hashes(ids),
        "leaf": pa.DictionaryArray.from_arrays(leaves, pa.array(classes)),
        "split": pa.DictionaryArray.from_arrays(splits, pa.array(SPLITS)),
        "checksum": mix(np.arange(len(ids), dtype=np.uint64), 0),
    }
    pq.write_table(pa.table(table), folder / ROWS)
    write_json(
        folder / STORE_JSON,
        {
            "version": VERSION,
            "source": "synthetic",
            "classes": classes,
            "parents": None,
            "names": {},
            "size_px": 32,
        }
        | {"fit": "crop", "decoder_revision": decode.REVISION},
    )


def measure(
    folder: Path, recipe: str, num_repeats: int, hierarchy: str | None
) -> dict[str, float | str]:
    """Seconds of a view of a store just opened, and the least of several of an open one."""

    def opened() -> Store:
        return Store.open(folder).with_hierarchy(hierarchy)

    first_s = measuring.seconds_of(lambda: make_view(opened(), recipe))
    store = opened()
    make_view(store, recipe)
    open_s = [measuring.seconds_of(lambda: make_view(store, recipe)) for _ in range(num_repeats)]
    view = make_view(store, recipe)
    return {
        "recipe": recipe,
        "best_s": min(open_s),
        "worst_s": max(open_s),
        "first_s": first_s,
        "fingerprint_s": measuring.seconds_of(lambda: view.fingerprint),
        "ids_sha256_s": measuring.seconds_of(lambda: view.ids_sha256),
        "num_rows": len(view.rows),
    }


def main() -> None:
    """A row for each recipe."""
    parser = measuring.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_280_000, help="training rows")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument(
        "--imagenet22k",
        action="store_true",
        help="14 million rows of ImageNet's 21,841 classes, under WordNet",
    )
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    record = measuring.identity(arguments)
    measuring.confine(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        large = arguments.imagenet22k
        classes = synsets() if large else [f"n{i:08d}" for i in range(arguments.classes)]
        write_store(Path(folder), 14_197_122 if large else arguments.rows, classes)
        recipes, repeats, hierarchy = (
            (LARGE, 1, "wordnet") if large else (RECIPES, arguments.repeats, None)
        )
        results = [measure(Path(folder), recipe, repeats, hierarchy) for recipe in recipes]
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        {
            "recipe": f"`{row['recipe']}`".replace("|", "then"),
            "rows kept": f"{row['num_rows']:,}",
            "store open, s": f"{row['best_s']:.3f}",
            "first, s": f"{row['first_s']:.2f}",
            "fingerprint, s": f"{row['fingerprint_s']:.3f}",
            "ids' SHA-256, s": f"{row['ids_sha256_s']:.2f}",
        }
        for row in results
    ]
    note = (
        f"An open store: the least of {repeats}; the rest once. Peak memory of the process "
        f"{peak_mb:,.0f} MB, making the index included."
    )
    measuring.publish(arguments, record, rows, note, views=results)


if __name__ == "__main__":
    main()
