"""`seedbed demo`: a whole study on the embedded default, with no data at hand and no network.

In: a folder and a seed. Out: a study of the toy source, transferred to scikit-learn's real
handwritten digits and to toy's own fine
classes: five arms, three seeds, one training budget; answers and a report.
"""

from __future__ import annotations

from pathlib import Path

from seedbed.base.errors import UsageError
from seedbed.trials.study import Study
from seedbed.trials.study_file import load_study

_FILE = """\
# seedbed demo: what do fewer images, coarser labels, or no pre-training cost? About 3 minutes on two cores.
# Run: seedbed study run demo.toml
question  = "contrasts"
reference = "all"
seeds     = {seeds}
margin    = 1.0                        # points: what counts as no difference worth having

[source]
data    = "toy()"                      # drawn images: 60 fine classes in a tree of families and kinds
size_px = 32

[pretraining]
backbone    = "small(width=16)"
images_seen = 60_000

[arms]
all       = ""                         # 500 images of each class
fifth     = "images(fraction=0.2)"
twentieth = "images(fraction=0.05)"
families  = "bottom_up(depth=1)"       # the same images, labelled with the five families alone
random    = {{ init = "random" }}        # no pre-training

[targets]
fine   = "toy(per_class=40, test_per_class=40, seed=1)"
digits = "digits()"                    # real scans of handwritten digits

[methods]
probe = "probe()"
"""


def write_demo(out: str | Path, seed: int = 0) -> Study:
    """Write `demo.toml` into the folder and read it back; seeds are `seed`, `seed + 1`, `seed +
    2`."""
    if seed < 0:
        raise UsageError(f"seed = {seed} is negative", "Give 0 or more.")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "Name a folder: seedbed demo --out DIR.")
    folder.mkdir(parents=True, exist_ok=True)
    path, text = folder / "demo.toml", _FILE.format(seeds=[seed, seed + 1, seed + 2])
    if path.exists() and path.read_text() != text:
        raise UsageError(
            f"{path} is there and is another study",
            "Run it with `seedbed study run`, or name another folder: --out DIR.",
        )
    path.write_text(text)
    return load_study(path)
