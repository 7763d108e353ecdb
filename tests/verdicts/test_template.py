"""What a question finds out of an unbalanced source before it writes its study."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from seedbed.trials.plan import make_plan
from seedbed.trials.run import open_workspace
from seedbed.trials.study import load_study
from seedbed.verdicts.questions import question


@pytest.fixture
def unbalanced(make_tree) -> str:
    """Three animals of 60 images, four things of 10, of which a fifth becomes the test split."""
    return str(make_tree({f"animal/{n}": 60 for n in "xyz"} | {f"thing/{n}": 10 for n in "stuv"}, root="odd"))


def test_equal_exposure_counts_images_not_classes(unbalanced: str) -> None:
    arms = tomllib.loads(question("unrelated-data").study([unbalanced], ["digits()"]))["arms"]
    shares = {arm: spec["images_seen"][0] / 100_000 for arm, spec in arms.items() if arm.endswith("-short")}
    [small, large] = sorted(shares[f"minimal-{half}-short"] for half in "ab")
    assert (small, large) == pytest.approx((4 * 8 / (4 * 8 + 3 * 48), 3 * 48 / (4 * 8 + 3 * 48)), abs=1e-5)


@pytest.mark.parametrize("name", ["granularity", "unrelated-data", "num-classes", "classes-or-examples"])
def test_its_file_can_be_planned(name: str, unbalanced: str, tmp_path: Path) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(question(name).study([unbalanced], ["digits()"]))
    study = load_study(path)
    plan = make_plan(study, open_workspace(study, tmp_path / "work"))
    assert {cell.arm for cell in plan.cells} == set(study.arms)
