"""Measure what a view costs on 1.28 million rows of 1,000 classes: images(per_class), images(fraction), classes(fraction), both.

The store is made in a temporary folder without pixels, which no view reads. "Store open" is the best of 5 with the columns already
read, as every arm after the first finds them; "first" opens the store and reads its columns too. Below, what naming a view costs.

Expected numbers: see docs/log.md. Command: python benchmarks/views.py
"""

from __future__ import annotations

import tempfile
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
NUM_TEST_PER_CLASS = 50


def write_store(folder: Path, num_rows: int, num_classes: int) -> None:
    """`rows.parquet` and `store.json` of that many training rows and 50 test rows per class, ids sorted as `pack` sorts them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    classes = [f"n{i:08d}" for i in range(num_classes)]
    per_class = {"test": NUM_TEST_PER_CLASS, "train": num_rows // num_classes}
    ids = [f"{split}/{c}/{c}_{i:06d}.JPEG" for split, num in per_class.items() for c in classes for i in range(num)]
    leaves = np.concatenate([np.repeat(np.arange(num_classes), num) for num in per_class.values()]).astype(np.int32)
    splits = np.repeat([SPLITS.index(s) for s in per_class], [n * num_classes for n in per_class.values()]).astype(np.int8)
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
        {"version": VERSION, "source": "synthetic", "classes": classes, "parents": None, "names": {}, "size_px": 32}
        | {"fit": "crop", "decoder_revision": decode.REVISION},
    )


def measure(folder: Path, recipe: str, num_repeats: int) -> dict[str, float | str]:
    """Seconds of a view of a store just opened, and the least of several of an open one."""
    first_s = measuring.seconds_of(lambda: make_view(Store.open(folder), recipe))
    store = Store.open(folder)
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
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    record = measuring.identity(arguments)
    measuring.confine(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder), arguments.rows, arguments.classes)
        found = [measure(Path(folder), recipe, arguments.repeats) for recipe in RECIPES]
    rows = [
        {
            "recipe": f"`{row['recipe']}`".replace("|", "then"),
            "rows kept": f"{row['num_rows']:,}",
            "store open, s": f"{row['best_s']:.3f}",
            "first, s": f"{row['first_s']:.2f}",
            "fingerprint, s": f"{row['fingerprint_s']:.3f}",
            "ids' SHA-256, s": f"{row['ids_sha256_s']:.2f}",
        }
        for row in found
    ]
    note = f"An open store: the least of {arguments.repeats}; the rest once."
    measuring.publish(arguments, record, rows, note, views=found)


if __name__ == "__main__":
    main()
