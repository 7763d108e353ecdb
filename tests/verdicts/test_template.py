"""What a question finds out of an unbalanced source before it writes its study."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from seedbed.base.errors import UsageError
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


def test_a_target_that_holds_the_whole_source_is_refused(unbalanced: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'odd' holds 7 of the source's 7 classes: nothing would be left"):
        question("exclude-target").study([unbalanced], [unbalanced])
    with pytest.raises(UsageError, match="no class of target 'digits' is in the source's hierarchy"):
        question("exclude-target").study([unbalanced], ["digits()"])


def test_budgets_too_small_for_all_classes_are_left_out(make_tree) -> None:
    few = str(make_tree({f"c{i}": 12 for i in range(5)}, root="few"))  # 60 images, of which a fifth becomes the test split
    arms = tomllib.loads(question("classes-or-examples").study([few], ["digits()"]))["arms"]
    assert [arm for arm in arms if arm.startswith("classes")] == ["classes2", "classes4"]
    with pytest.raises(UsageError, match="6 images of 3 classes are too few"):
        question("classes-or-examples").study([str(make_tree({"a": 3, "b": 3, "c": 3}, root="three"))], ["digits()"])
