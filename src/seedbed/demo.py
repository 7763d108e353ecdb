"""The study of `seedbed demo`, which needs no data and no network connection.

In: a folder and a seed. Out: a study of the toy source with five arms, three seeds and one training
budget, transferred to scikit-learn's handwritten digits and to toy's fine classes.
"""

from __future__ import annotations

from pathlib import Path

from seedbed.base.errors import UsageError
from seedbed.trials.study import Study
from seedbed.trials.study_file import load_study

_FILE = """\
# seedbed demo: what do fewer images, coarser labels, or no pre-training cost?
# About 3 minutes on two cores. Run: seedbed study run demo.toml
question  = "contrasts"
reference = "all"
seeds     = {seeds}
margin    = 1.0                        # points: smaller differences do not matter

[source]
# drawn images: 60 fine classes in a hierarchy of families and kinds
data    = "toy()"
size_px = 32

[pretraining]
backbone    = "small(width=16)"
images_seen = 60_000

[arms]
all       = ""                         # 500 images of each class
fifth     = "images(fraction=0.2)"
twentieth = "images(fraction=0.05)"
families  = "bottom_up(depth=1)"       # the same images, labelled with five families
random    = {{ init = "random" }}        # no pre-training

[targets]
fine   = "toy(per_class=40, test_per_class=40, seed=1)"
digits = "digits()"                    # real scans of handwritten digits

[methods]
probe = "probe()"
"""


def write_demo(out: str | Path, seed: int = 0) -> Study:
    """Write `demo.toml` with seeds `seed` to `seed + 2` into the folder, and load it."""
    if seed < 0:
        raise UsageError(f"seed must not be negative, got {seed}", "Use 0 or a positive number.")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "Choose a folder: seedbed demo --out DIR.")
    folder.mkdir(parents=True, exist_ok=True)
    path, text = folder / "demo.toml", _FILE.format(seeds=[seed, seed + 1, seed + 2])
    if path.exists() and path.read_text() != text:
        raise UsageError(
            f"{path} exists and is a different study",
            f"Run it with `seedbed study run {path}`, or choose another folder: --out DIR.",
        )
    path.write_text(text)
    return load_study(path)
