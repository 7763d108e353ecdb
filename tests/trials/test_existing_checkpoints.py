"""Existing checkpoints and modules of one's own as arms of a study."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import seedbed as api
from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.zoo import BACKBONES
from seedbed.trials.cost import estimate
from seedbed.trials.planner import make_plan
from seedbed.trials.run import run_study
from seedbed.verdicts.families import answer_families
from seedbed.writeup import report
from seedbed.writeup.figures import differences_svg
from seedbed.writeup.tables import family_tables

WITH_FOLDER = ("[arms]", '[arms]\nmine = { weights = "net" }')


@pytest.fixture
def net(tmp_path: Path, make_study) -> Path:
    """A backbone that was trained before, beside the study file."""
    make_study()
    store = api.pack(str(tmp_path / "photos"), tmp_path / "photos.store", size_px=8)
    api.pretrain(store, "small(width=3)", tmp_path / "net", images_seen=64, device="cpu")
    return tmp_path / "net"


def test_a_checkpoint_is_measured_as_it_is(make_study, workspace, net: Path) -> None:
    results = run_study(
        make_study(WITH_FOLDER), workspace=workspace.root, executor="inline", device="cpu"
    )
    assert (results.num_failed, results.num_left) == (0, 0)
    mine = [o for o in results.outcomes if o.arm == "mine" and o.primary]
    assert [(o.target, o.seed, o.images_seen) for o in mine] == [("cells", 0, 0), ("cells", 1, 0)]
    alone = api.transfer(
        net,
        str(make_study().folder / "cells"),
        "probe(c=[1.0])",
        device="cpu",
        workspace=workspace.root,
    )
    assert mine[0].value == alone.metrics["top1"]
    answers = answer_families(results, "contrasts")
    [table] = [t for t in family_tables(results, answers) if t.target == "cells" and t.images_seen]
    # of its images nothing is known
    assert [row.num_images for row in table.rows if row.arm == "mine"] == [None]
    assert "existing weights" in differences_svg([table], "f")
    answer = next(a for a in answers if a.arm == "mine" and a.target == "cells")
    assert "this checkpoint ('mine')" in answer.sentence
    assert answer.images_seen == 64  # in the family of the budget


def test_where_a_checkpoint_lies_does_not_matter_and_what_it_holds_does(
    make_study, workspace, net: Path, tmp_path: Path
) -> None:
    first = make_plan(make_study(WITH_FOLDER), workspace)
    shutil.copytree(net, tmp_path / "elsewhere")
    moved = make_plan(make_study(("[arms]", '[arms]\nmine = { weights = "elsewhere" }')), workspace)
    assert [c.key for c in first.cells] == [c.key for c in moved.cells]
    api.pretrain(
        tmp_path / "photos.store",
        "small(width=3)",
        tmp_path / "other",
        images_seen=300,
        device="cpu",
    )
    other = make_plan(make_study(("[arms]", '[arms]\nmine = { weights = "other" }')), workspace)
    assert {c.key for c in other.cells if c.arm == "mine"}.isdisjoint(c.key for c in first.cells)


def test_a_file_of_weights_with_its_network_named(make_study, workspace, tmp_path: Path) -> None:
    made = BACKBONES.make("resnet18(stem='small')").build(["p", "q", "r"], 8, 3)
    torch.save(made.module.state_dict(), tmp_path / "mine.pth")
    arm = """[arms]\nmine = { weights = "mine.pth", backbone = "resnet18(stem='small')" }"""
    study = make_study(("[arms]", arm))
    assert estimate(make_plan(study, workspace), workers=1).disk_bytes > 4 * 11_000_000
    results = run_study(study, workspace=workspace.root, executor="inline", device="cpu")
    assert results.num_failed == 0
    assert {o.backbone.split("(")[0] for o in results.outcomes if o.arm == "mine"} == {"resnet18"}


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ('{ weights = "nowhere.pth" }', "there are no weights at .*nowhere.pth"),
        (
            '{ weights = "net", recipe = "images(fraction=0.5)" }',
            "an existing checkpoint is not trained",
        ),
        ('{ weights = "net", images_seen = 64 }', "'images_seen' would have no effect"),
        ('{ weights = "net", init = "random" }', "either random or an existing checkpoint"),
    ],
)
def test_what_a_checkpoint_cannot_be_is_said(
    make_study, workspace, net: Path, arm: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan(make_study(("[arms]", f"[arms]\nmine = {arm}")), workspace)


class Mine(nn.Module):
    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.out = nn.Linear(6, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.norm(self.conv(x))).mean((2, 3)))


@pytest.mark.slow
def test_a_module_of_ones_own_is_an_arm(make_study, workspace, tmp_path: Path) -> None:
    torch.manual_seed(0)
    mine = Backbone.wrap(Mine(), size_px=8)
    methods = {
        "probe": "probe(c=[1.0])",
        "tuned": "finetune(images_seen=32, learning_rates=[0.1], batch_size=8)",
    }
    base = make_study()
    study = replace(base, arms={**base.arms, "own": mine}, methods=methods)
    with pytest.raises(UsageError, match="cannot send a module of yours to other processes"):
        run_study(study, workspace=workspace.root, executor="processes", device="cpu")
    before = {k: v.clone() for k, v in mine.module.state_dict().items()}
    results = run_study(study, workspace=workspace.root, device="cpu", workers=2)
    assert (results.num_failed, results.num_left) == (0, 0)
    own = {o.method: o for o in results.outcomes if o.arm == "own" and o.seed == 0 and o.primary}
    assert (
        own["probe"].value
        == api.transfer(mine, str(base.folder / "cells"), "probe(c=[1.0])", device="cpu").metrics[
            "top1"
        ]
    )
    assert all(torch.equal(before[k], v) for k, v in mine.module.state_dict().items())
    page = report(results, tmp_path / "r.html").read_text()
    assert "an existing checkpoint: Mine" in page
