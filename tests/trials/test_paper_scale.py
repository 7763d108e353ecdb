"""The paper's experiments at full scale: study plan takes each file as it stands, on trees with the
layouts of the real sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import cli
from voc_tree import object_xml, write_image, write_sets

from seedbed.base.artifacts import Workspace
from seedbed.trials.cost import estimate
from seedbed.trials.plan import Plan
from seedbed.trials.planner import make_plan
from seedbed.trials.study_file import load_study

FILES = sorted((Path(__file__).parents[2] / "docs" / "studies" / "paper-scale").glob("*.toml"))
# Cats, dogs, cars, bicycles and buses are PASCAL's; fish, fruit, shoes, keyboards and alps are not.
_PASCAL = ("n02099601", "n02123045", "n02124075", "n02930766", "n03792782", "n04146614")
_OTHERS = (
    "n01440764",
    "n01443537",
    "n03085013",
    "n04120489",
    "n07753592",
    "n09193705",
    "n12267677",
)
SYNSETS = (*_PASCAL, *_OTHERS)
PER_SYNSET = 12
BUDGETS = {"500_000": "80", "250_000": "40", "125_000": "24"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small trees of the sets' own layouts: ILSVRC2012/, VOC2007/, VOC2012/, SUN397/."""
    from conftest import encoded_image

    root = tmp_path_factory.mktemp("paper")
    for k, synset in enumerate(SYNSETS):
        (root / "ILSVRC2012" / "train" / synset).mkdir(parents=True)
        for i in range(PER_SYNSET):
            path = root / "ILSVRC2012" / "train" / synset / f"{synset}_{i}.JPEG"
            path.write_bytes(encoded_image(100 * k + i, (40, 32), "JPEG"))
    names = [f"{i:06d}" for i in range(12)]
    for i, name in enumerate(names):
        write_image(
            root / "VOC2007",
            name,
            [object_xml(("cat", "dog")[i % 2], (3, 3, 40, 40))],
            suffix=".jpg",
        )
        done = (
            "<actions><running>1</running></actions>"
            if i % 2
            else "<actions><reading>1</reading></actions>"
        )
        write_image(
            root / "VOC2012",
            name,
            [object_xml("person", (3, 3, 40, 40), extra=done)],
            suffix=".jpg",
        )
    for year in ("VOC2007", "VOC2012"):
        write_sets(
            root / year,
            {"train": names[:5], "val": names[5:8], "trainval": names[:8], "test": names[8:]},
        )
    write_sets(
        root / "VOC2012",
        {"train": [f"{n} 1" for n in names[:6]], "val": [f"{n} 1" for n in names[6:]]},
        "Action",
    )
    for p, kind in ((0, "Training"), (5, "Testing")):
        lines = []
        for k, label in enumerate(("a/abbey", "k/kitchen")):
            for i in range(p, p + 5):
                path = root / "SUN397" / label / f"sun_{i}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded_image(1000 + 10 * k + i, (32, 32), "JPEG"))
                lines.append(f"/{label}/sun_{i}.jpg\n")
        (root / "SUN397" / f"{kind}_01.txt").write_text("".join(lines))
    (root / "SUN397" / "ClassName.txt").write_text("/a/abbey\n/k/kitchen\n")
    return root


def plan_of(path: Path, data: Path) -> Plan:
    """The plan of a file as it stands, but for budgets of images that a small tree does not
    hold."""
    text = path.read_text(encoding="utf-8")
    for whole, small in BUDGETS.items():
        text = text.replace(f"images={whole}", f"images={small}")
    placed = data / path.name
    placed.write_text(text, encoding="utf-8")
    return make_plan(load_study(placed), Workspace(data / "seedbed-work"))


def test_every_question_of_the_paper_has_a_file() -> None:
    assert [path.stem for path in FILES] == [
        "classes-or-examples",
        "exclude-target",
        "images-per-class",
        "num-classes",
        "random-or-pretrained",
        "unrelated-data",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_planned(path: Path, data: Path) -> None:
    plan = plan_of(path, data)
    study = plan.study
    assert study.seeds == (0, 1, 2)
    assert study.pretraining.backbone == "alexnet"
    assert len(study.budgets) == 2
    measured = {
        (c.target, c.method) for c in plan.cells if c.target not in ("source", "source_fine")
    }
    if path.stem == "unrelated-data":
        assert {method for _, method in measured} == {"last-layer", "all-layers"}
    else:  # each target by the method that can do what is asked of it
        assert measured == {
            ("detection", "detect"),
            ("actions", "finetune"),
            ("scenes", "finetune"),
        }
    assert {c.arm for c in plan.cells} == set(study.arms)


@pytest.mark.slow
def test_a_file_is_costed(data: Path) -> None:
    plan = plan_of(next(p for p in FILES if p.stem == "random-or-pretrained"), data)
    found = estimate(plan, workers=1)
    # Three seeds, two training budgets of 38 and 115 million images, on a processor: months, and
    # that is what must be said.
    assert found.seconds > 30 * 24 * 3600
    assert found.disk_bytes > 6 * 4 * 50_000_000


@pytest.mark.slow
def test_the_command_line_plans_it(data: Path) -> None:
    plan_of(next(p for p in FILES if p.stem == "random-or-pretrained"), data)
    status, document, _ = cli("study", "plan", data / "random-or-pretrained.toml", "--json")
    assert status == 0
    assert document["steps"] > 0
    assert document["done"] == 0
    shutil.rmtree(data / "random-or-pretrained.study", ignore_errors=True)
