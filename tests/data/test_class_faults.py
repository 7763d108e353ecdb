"""Data that no classifier can be trained on: audit and inspect report what is wrong with it, pack,
transfer and advise refuse it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tiny import cli

from seedbed.api.data import audit
from seedbed.base.errors import BadDataError
from seedbed.cli import main
from seedbed.data.concatenated_sources import join
from seedbed.data.formats import open_source
from seedbed.data.pack import pack


@dataclass(frozen=True, kw_only=True)
class Case:
    """A folder of images, what audit and inspect say of it, and how pack refuses it."""

    counts: dict[str, int]
    damaged: tuple[str, ...] = ()
    fields: dict[str, list[str]] = field(default_factory=dict)
    note: str
    refusal: str | None


CASES = {
    "a class of one image": Case(
        counts={"cats": 12, "dogs": 11, "owls": 1},
        fields={"single_image_classes": ["owls"]},
        note="1 class with one image: 'owls'",
        refusal="class 'owls'",
    ),
    "every class has one image": Case(
        counts={"cats": 1, "dogs": 1},
        fields={"single_image_classes": ["cats", "dogs"]},
        note="2 classes with one image: 'cats', 'dogs'",
        refusal="class 'cats'",
    ),
    "one class": Case(
        counts={"cats": 12},
        note="one class only ('cats'); a classifier needs at least two classes",
        refusal="one class only ('cats')",
    ),
    "an empty class": Case(
        counts={"cats": 12, "dogs": 11, "void": 0},
        fields={"empty_classes": ["void"]},
        note="1 class without images: 'void'",
        refusal=None,
    ),
    "an empty class in a folder of splits": Case(
        counts={"train/cats": 3, "train/dogs": 3, "test/cats": 2, "test/dogs": 0, "test/void": 0},
        fields={"empty_classes": ["void"]},
        note="1 class without images: 'void'",
        refusal=None,
    ),
    "a class that cannot be read": Case(
        counts={"broken": 0, "cats": 12, "dogs": 11},
        damaged=("broken/1.png", "broken/2.png"),
        fields={"unreadable_classes": ["broken"]},
        note="1 class without readable images: 'broken'",
        refusal="2 of 25 images are unreadable",
    ),
    "no image can be read": Case(
        counts={"broken": 0, "torn": 0},
        damaged=("broken/1.png", "broken/2.png", "torn/1.png"),
        fields={"unreadable_classes": ["broken", "torn"]},
        note="2 classes without readable images: 'broken', 'torn'",
        refusal="3 of 3 images are unreadable",
    ),
}
FIELDS = ("empty_classes", "unreadable_classes", "single_image_classes")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("verb", ["audit", "inspect"])
def test_audit_and_inspect_report_faults(verb: str, case: Case, make_tree, tmp_path: Path) -> None:
    root = make_tree(case.counts, damaged=case.damaged)
    workspace = ["--workspace", tmp_path / "work"] if verb == "audit" else []
    status, document, _ = cli(verb, root, *workspace)
    assert status == 0, document
    assert {name: document[name] for name in FIELDS if document[name]} == case.fields
    assert case.note in document["notes"]
    num_unreadable = (
        document["num_unreadable"] if verb == "inspect" else len(document["unreadable"])
    )
    assert num_unreadable == len(case.damaged)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("verb", ["audit", "inspect"])
def test_faults_are_printed(
    verb: str, case: Case, make_tree, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([verb, str(make_tree(case.counts, damaged=case.damaged))]) == 0
    assert case.note in capsys.readouterr().out


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pack_refuses_data_with_faults(case: Case, make_tree, tmp_path: Path) -> None:
    root, store = make_tree(case.counts, damaged=case.damaged), tmp_path / "x.store"
    status, document, _ = cli("pack", root, store)
    if case.refusal is None:
        assert status == 0
        return
    assert status == 3
    assert case.refusal in document["error"]["message"]
    assert not store.exists()


@pytest.mark.parametrize(
    "name", ["a class of one image", "one class", "a class that cannot be read"]
)
@pytest.mark.parametrize("verb", ["transfer", "advise"])
def test_training_refuses_data_that_an_audit_has_packed(
    verb: str, name: str, make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDBED_WORKSPACE", str(tmp_path / "work"))
    case = CASES[name]
    root = make_tree(case.counts, damaged=case.damaged)
    assert cli("audit", root)[0] == 0
    backbone = ("small(width=4, weights='random', size_px=64)",) if verb == "transfer" else ()
    method = ("probe()",) if verb == "transfer" else ()
    status, document, _ = cli(verb, *backbone, root, *method)
    assert status == 3
    assert case.refusal is not None
    assert case.refusal in document["error"]["message"]


def test_a_store_packed_for_inspection_is_refused_for_training(make_tree, tmp_path: Path) -> None:
    root, path = make_tree({"cats": 4, "dogs": 4, "owls": 1}), tmp_path / "x.store"
    store = pack(str(root), path, size_px=8, for_inspection=True).store
    assert store.num_images == 9
    assert store.splits[list(store.ids).index("owls/000.png")] == 0  # a lone image stays in train
    with pytest.raises(BadDataError, match="class 'owls'"):
        pack(str(root), path, size_px=8)
    assert pack(str(root), path, size_px=8, for_inspection=True).images_per_s is None


def test_inspection_does_not_change_a_sound_store(make_tree, tmp_path: Path) -> None:
    root = make_tree({"cats": 4, "dogs": 4})
    cards = [
        pack(str(root), tmp_path / f"{flag}.store", size_px=8, for_inspection=flag).store.card
        for flag in (False, True)
    ]
    assert cards[0] == cards[1]


def test_an_empty_class_that_appears_later_is_reported(make_tree, tmp_path: Path) -> None:
    root, workspace = make_tree({"cats": 4, "dogs": 4}), tmp_path / "work"
    assert audit(str(root), workspace=workspace).empty_classes == []
    (root / "void").mkdir()
    assert audit(str(root), workspace=workspace).empty_classes == ["void"]
    (root / "void").rmdir()
    assert audit(str(root), workspace=workspace).empty_classes == []


def test_a_joined_source_of_one_class_is_refused_by_name(make_tree, tmp_path: Path) -> None:
    sources = {
        "many": open_source(str(make_tree({"cats": 4, "dogs": 4}, root="many"))),
        "one": open_source(str(make_tree({"owls": 4}, root="one"))),
    }
    with pytest.raises(BadDataError, match=r"one has one class only \('one/owls'\)"):
        pack(join(sources), tmp_path / "x.store")


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ({"cats": 5, "dogs": 5}, "no test split in the data; test images are 20% of the images"),
        ({"train/cats": 5, "train/dogs": 5}, "no test split in the data; test images are 20% of"),
        (
            {"train/cats": 5, "train/dogs": 5, "val/cats": 2, "val/dogs": 2},
            "no test split in the data; test images are the validation split of the data",
        ),
        ({"cats": 1, "dogs": 1}, "no test images"),
        ({"train/cats": 5, "train/dogs": 5, "test/cats": 2, "test/dogs": 2}, None),
    ],
)
def test_an_audit_says_where_test_images_come_from(
    counts: dict[str, int], note: str | None, make_tree, tmp_path: Path
) -> None:
    status, document, _ = cli("audit", make_tree(counts), "--workspace", tmp_path / "work")
    assert status == 0
    about_tests = [one for one in document["notes"] if "test" in one]
    assert [one.startswith(note or "") for one in about_tests] == ([True] if note else [])
    assert bool(document["derived_splits"]) == (note is not None)
    assert sum(document["splits"].values()) == document["num_images"]
