"""Hierarchies in studies, and targets whose classes are taken out of the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedbed.base.errors import BadDataError, UsageError
from seedbed.trials.planner import make_plan
from seedbed.trials.study_file import load_study

TREE = "child,parent\na,vowel\nb,consonant\nc,consonant\n"


@pytest.fixture
def asked(write_study, tmp_path: Path):
    """A study whose source has a tree from a file, and whose arms ask for parts of it."""
    (tmp_path / "tree.csv").write_text(TREE)
    (tmp_path / "what.csv").write_text("x,b\ny,c\n")

    def go(recipe: str, target: str = '"cells"'):
        return load_study(
            write_study(
                ("size_px = 8", 'size_px = 8\nhierarchy = "tree.csv"'),
                ('half = "images(fraction=0.5)"', f"half = {recipe}"),
                ('cells = "cells"', f"cells = {target}"),
            )
        )

    return go


def test_a_targets_classes_are_taken_out_of_the_source(asked, workspace) -> None:
    target = "\"folder('cells', hierarchy='what.csv')\""
    plan = make_plan(asked("\"exclude(synsets=['b'])\"", target), workspace)
    assert plan.views["half", 0].classes == ("a", "c")
    with pytest.raises(BadDataError, match=r"exclude\(synsets=\[.b., .c.\]\).* leaves 1 class"):
        make_plan(asked("\"exclude(target='cells')\"", target), workspace)


def test_a_target_of_unknown_classes_says_how_to_name_them(asked, workspace) -> None:
    with pytest.raises(
        UsageError, match="no class of target 'cells' is in the source's hierarchy: x, y"
    ) as caught:
        make_plan(asked("\"exclude(target='cells')\""), workspace)
    assert "hierarchy='FILE.csv'" in caught.value.hint


def test_what_was_dropped_is_noted(asked, workspace) -> None:
    plan = make_plan(asked("\"exclude(synsets=['vowel'])\""), workspace)
    assert "half: exclude drops 1 of 3 classes: a" in plan.notes


def test_classes_of_a_target_that_the_source_does_not_have_are_told(
    asked, workspace, tmp_path: Path
) -> None:
    (tmp_path / "part.csv").write_text("x,b\ny,elsewhere\n")
    target = "\"folder('cells', hierarchy='part.csv')\""
    plan = make_plan(asked("\"exclude(target='cells')\"", target), workspace)
    assert plan.views["half", 0].classes == ("a", "c")
    [note] = [n for n in plan.notes if "nothing is dropped" in n]
    assert note.startswith(
        "half: exclude(target='cells'): 1 of the target's 2 classes"
    ) and note.endswith(": y")


def test_a_target_with_a_hierarchy_that_shares_no_class_excludes_nothing_silently(
    asked, workspace, tmp_path: Path
) -> None:
    (tmp_path / "far.csv").write_text("x,far\ny,elsewhere\n")
    with pytest.raises(UsageError, match="no class of target 'cells'"):
        make_plan(
            asked("\"exclude(target='cells')\"", "\"folder('cells', hierarchy='far.csv')\""),
            workspace,
        )
