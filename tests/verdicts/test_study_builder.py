"""What a question finds out of an unbalanced source before it writes its study."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.trials.planner import make_plan
from seedbed.trials.study_file import load_study, write_study
from seedbed.verdicts.questions import question
from seedbed.verdicts.questions.data_names import target_name
from seedbed.verdicts.questions.study_builder import _network_names


@pytest.fixture
def unbalanced(make_tree) -> str:
    """Three animals of 60 images, four things of 10, of which a fifth becomes the test split."""
    return str(
        make_tree(
            {f"animal/{n}": 60 for n in "xyz"} | {f"thing/{n}": 10 for n in "stuv"}, root="odd"
        )
    )


def test_equal_exposure_counts_images_not_classes(unbalanced: str) -> None:
    arms = question("unrelated-data").study([unbalanced], ["digits()"]).arms
    shares = {arm: spec.budget_share for arm, spec in arms.items() if arm.endswith("-short")}
    [small, large] = sorted(shares[f"minimal-{half}-short"] for half in "ab")
    assert (small, large) == pytest.approx(
        (4 * 8 / (4 * 8 + 3 * 48), 3 * 48 / (4 * 8 + 3 * 48)), abs=1e-3
    )


@pytest.mark.parametrize(
    "name", ["granularity", "unrelated-data", "num-classes", "classes-or-examples"]
)
def test_its_file_can_be_planned(name: str, unbalanced: str, tmp_path: Path) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(write_study(question(name).study([unbalanced], ["digits()"])))
    study = load_study(path)
    plan = make_plan(study, Workspace.at(tmp_path / "work", study.folder))
    assert {cell.arm for cell in plan.cells} == set(study.arms)


def test_a_target_that_holds_the_whole_source_is_refused(unbalanced: str, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="'odd' holds 7 of the source's 7 classes: nothing would be left"
    ):
        question("exclude-target").study([unbalanced], [unbalanced])
    with pytest.raises(
        UsageError, match="no class of target 'digits' is in the source's hierarchy"
    ):
        question("exclude-target").study([unbalanced], ["digits()"])


def test_budgets_too_small_for_all_classes_are_left_out(make_tree) -> None:
    # 60 images, of which a fifth becomes the test split
    few = str(make_tree({f"c{i}": 12 for i in range(5)}, root="few"))
    arms = question("classes-or-examples").study([few], ["digits()"]).arms
    assert [arm for arm in arms if arm.startswith("classes")] == ["classes2", "classes4"]
    with pytest.raises(UsageError, match="6 images of 3 classes are too few"):
        question("classes-or-examples").study(
            [str(make_tree({"a": 3, "b": 3, "c": 3}, root="three"))], ["digits()"]
        )


def test_folders_that_group_classes_are_not_what_a_class_is(make_tree) -> None:
    source = str(
        make_tree(
            {f"animals/{n}": 6 for n in ("cat", "cow")}
            | {f"vehicles/{n}": 6 for n in ("car", "bus")},
            root="mine",
        )
    )
    target = str(make_tree({f"animals/{n}": 6 for n in ("dog", "wolf")}, root="theirs"))
    with pytest.raises(
        UsageError, match="no class of target 'theirs' is in the source's hierarchy"
    ):
        question("exclude-target").study([source], [target])


def test_a_branch_with_a_quote_in_its_name_can_be_excluded(make_tree, tmp_path: Path) -> None:
    source = str(
        make_tree(
            {f"men's/{n}": 4 for n in "ab"} | {f"other/{n}": 4 for n in "xyzuvw"}, root="clothes"
        )
    )
    path = tmp_path / "asked.toml"
    path.write_text(write_study(question("exclude-target").study([source], [])), encoding="utf-8")
    study = load_study(path)
    plan = make_plan(study, Workspace.at(tmp_path / "work", study.folder))
    assert len(plan.views["without-men-s", 0].classes) == 6


def test_what_cannot_be_asked_is_refused(make_tree, tmp_path: Path) -> None:
    two = str(make_tree({"a": 30, "b": 30}, root="two"))
    with pytest.raises(UsageError, match="too few for the question 'classes-or-examples'"):
        question("classes-or-examples").study([two], ["digits()"])
    with pytest.raises(
        UsageError, match="a source of 2 classes is too small for the question 'class-influence'"
    ):
        question("class-influence").study([two], ["digits()"])
    with pytest.raises(UsageError, match="could not be opened .* and no target is named"):
        question("exclude-target").study([str(tmp_path / "nowhere")], [])
    nested = str(make_tree({"m/a": 4, "m/b": 4, "x/c": 4}, root="flat"))
    with pytest.raises(UsageError, match="no branch of the source's hierarchy"):
        question("exclude-target").study([nested], [])
    with pytest.raises(UsageError, match="no class of target 'my-pascal'"):
        question("exclude-target").study([nested], [str(tmp_path / "my-pascal")])


def test_a_second_source_that_is_not_there_is_told_in_the_file(unbalanced: str) -> None:
    text = write_study(
        question("blind-addition").study([unbalanced, "folder('nope')"], ["digits()"])
    )
    assert "# folder('nope') could not be opened" in text


def test_stores_joined_are_taken_at_their_own_size(unbalanced: str, tmp_path: Path) -> None:
    for name, size in (("a", 16), ("b", 16), ("c", 8)):
        pack(open_source(unbalanced), tmp_path / name, size_px=size)
    a, b, c = (str(tmp_path / name) for name in "abc")
    assert question("blind-addition").study([a, b], ["digits()"]).source.size_px == 16
    with pytest.raises(UsageError, match="packed at 8 and 16 px"):
        question("blind-addition").study([a, c], ["digits()"])


def test_targets_of_any_alphabet_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "asked.toml"
    path.write_text(
        write_study(question("images-per-class").study([], ["数据/猫", "数据/狗"])),
        encoding="utf-8",
    )
    assert list(load_study(path).targets) == ["猫", "狗"]


def test_arms_of_a_second_network_go_by_its_own_name(tmp_path: Path) -> None:
    networks = ["small(width=8)", "timm('test_resnet', size_px=32)", "resnet18(stem='small')"]
    arms = question("fine-or-coarse").study(["toy()"], ["digits()"], networks).arms
    assert {"fine", "fine-test_resnet", "fine-resnet18", "random-resnet18"} <= set(arms)
    similar = ["small(width=8)", "small(width=4)"]
    arms = question("fine-or-coarse").study(["toy()"], ["digits()"], similar).arms
    assert "fine-small-width-4" in arms


def test_a_network_that_is_none_or_stands_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"small\(\) and small\(width=16\) are one network"):
        question("fine-or-coarse").study(["toy()"], ["digits()"], ["small()", "small(width=16)"])
    with pytest.raises(UsageError, match="unknown backbone 'smal'"):
        question("fine-or-coarse").study(["toy()"], ["digits()"], ["smal()"])


@pytest.mark.parametrize("data", ["toyy()", "toy(x=1)", "toy("])
def test_a_call_that_is_none_is_refused_and_not_taken_for_data_to_come(data: str) -> None:
    with pytest.raises(UsageError):
        question("fine-or-coarse").study([data], ["digits()"])


def test_more_than_half_of_the_classes_excluded_has_no_control(make_tree, tmp_path: Path) -> None:
    source = str(
        make_tree(
            {f"animals/{n}": 6 for n in "abcd"} | {f"things/{n}": 6 for n in "xy"}, root="mine"
        )
    )
    target = str(make_tree({f"animals/{n}": 6 for n in "abcd"}, root="theirs"))
    path = tmp_path / "asked.toml"
    path.write_text(
        write_study(question("exclude-target").study([source], [target])), encoding="utf-8"
    )
    study = load_study(path)
    assert list(study.arms) == ["all", "without-theirs", "random"]
    plan = make_plan(study, Workspace.at(tmp_path / "work", study.folder))
    assert plan.views["without-theirs", 0].classes == ("things/x", "things/y")


def test_what_a_target_of_a_source_of_ones_own_needs_is_said(make_tree) -> None:
    source = str(
        make_tree({f"animals/{n}": 6 for n in "ab"} | {f"things/{n}": 6 for n in "xy"}, root="mine")
    )
    with pytest.raises(UsageError) as raised:
        question("exclude-target").study([source], ["digits()"])
    assert (
        "wordnet" not in raised.value.hint
        and "a file of label and class or group of the source" in raised.value.hint
    )


@pytest.mark.parametrize(
    "networks", [["small(width=8)", "small(16)"], ["timm('vit_tiny.a')", "timm('vit_tiny-a')"]]
)
def test_networks_whose_names_look_alike_have_arms_of_their_own(networks: list[str]) -> None:
    names = _network_names(networks)
    assert len(set(names)) == 2 and all(names)
    assert _network_names(["resnet18('small')", "vgg16"]) == ["resnet18", "vgg16"]


def test_one_network_has_others_beside_it_and_itself_once() -> None:
    study = question("compare-architectures").study(["toy()"], ["digits()"], ["small()"])
    assert study.pretraining.backbone == "small()"
    assert len(study.arms) == 6


def test_targets_are_named_by_paths_given_by_keyword() -> None:
    assert [
        target_name(t, Path())
        for t in ("folder(path='a/cells/')", "torchvision(name='CIFAR10')", "digits()")
    ] == [
        "cells",
        "CIFAR10",
        "digits",
    ]


def test_a_class_folder_with_parentheses_can_be_excluded(make_tree) -> None:
    source = str(
        make_tree(
            {f"cats (indoor)/{n}": 4 for n in "ab"} | {f"other/{n}": 4 for n in "xyzuvw"},
            root="pets",
        )
    )
    assert "without-cats-indoor" in question("exclude-target").study([source], []).arms
