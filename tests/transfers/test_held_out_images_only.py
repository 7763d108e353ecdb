"""Data sets with test or validation images alone: methods that train nothing are scored on all of
them, through the API, the command line and a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import cli, digits_store, trained

import seedbed as api
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.formats import open_source
from seedbed.data.pack import pack
from seedbed.models.checkpoint import save_backbone
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.catalogue.retrieval import Retrieval
from seedbed.transfers.methods import METHODS, Context
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.trials.study_data import data_notes


def digits_folder(root: Path, splits: dict[str, int]) -> Path:
    """Images of ten digits, so many of each class in each split folder."""
    store = digits_store()
    for split, num in splits.items():
        for label in range(10):
            folder = root / split / str(label)
            folder.mkdir(parents=True)
            rows = np.flatnonzero((store.leaves == label) & (store.splits == 2))
            for row in rows[:num]:
                Image.fromarray(store.pixels[row]).save(folder / f"{row}.png")
    return root


@pytest.fixture
def network(tmp_path: Path) -> Path:
    (tmp_path / "network").mkdir()
    save_backbone(trained().backbone, tmp_path / "network")
    return tmp_path / "network"


def as_is(network: Path, data: Path) -> dict[str, object]:
    measured = api.transfer(
        network, str(data), "as_is()", device="cpu", workspace=network.parent / "workspace"
    )
    return {**measured.metrics, "num": measured.num_test}


@pytest.mark.parametrize("split", ["test", "val", "Testing"])
def test_one_image_a_class_is_enough(network: Path, tmp_path: Path, split: str) -> None:
    data = digits_folder(tmp_path / "photos", {split: 1})
    assert open_source(str(data)).classes == tuple("0123456789")
    assert as_is(network, data)["num"] == 10


def test_all_images_are_scored(network: Path, tmp_path: Path) -> None:
    alone = as_is(network, digits_folder(tmp_path / "alone", {"test": 5}))
    assert alone["num"] == 50
    # the validation images are not: they chose something, perhaps
    assert as_is(network, digits_folder(tmp_path / "both", {"test": 5, "val": 2})) == alone
    # nor does it matter what lies in train/
    assert as_is(network, digits_folder(tmp_path / "whole", {"test": 5, "train": 7})) == alone


def test_a_class_without_training_images_is_scored(network: Path, tmp_path: Path) -> None:
    data = digits_folder(tmp_path / "photos", {"test": 2, "train": 3})
    for path in (data / "train" / "3").iterdir():
        path.unlink()
    assert as_is(network, data)["num"] == 20
    with pytest.raises(BadDataError, match="class '3' of .* has no training image"):
        api.transfer(network, str(data), "probe()", device="cpu", workspace=tmp_path / "workspace")


def test_methods_that_train_split_them_as_before_or_say_what_is_missing(
    network: Path, tmp_path: Path
) -> None:
    many = digits_folder(tmp_path / "many", {"test": 5})
    options = {"device": "cpu", "workspace": tmp_path / "workspace"}
    measured = api.transfer(network, str(many), "probe(c=[1.0])", **options)
    assert 10 <= measured.num_test < 50
    assert "by content hash within each class" in str(measured.facts["data_notes"])
    one = digits_folder(tmp_path / "one", {"test": 1})
    with pytest.raises(BadDataError, match="has no training images, and class '0'") as caught:
        api.transfer(network, str(one), "probe(c=[1.0])", **options)
    assert "as_is()" in caught.value.hint
    with pytest.raises(UsageError, match="train_per_class=3: class '0' .* has 0 training images"):
        api.transfer(network, str(many), "as_is()", train_per_class=3, **options)


def test_classes_can_be_selected(network: Path, tmp_path: Path) -> None:
    data = digits_folder(tmp_path / "photos", {"test": 3})
    store = pack(str(data), tmp_path / "photos.store", size_px=8).store
    spec = Classification(recipe="classes(names=['3', '7', '8'])")
    task = spec.load(store, 0, needs_training_images=False)
    assert (task.classes, task.num_test) == (("3", "7", "8"), 9)
    assert METHODS.make("as_is()").run(trained().backbone, task, Context()).num_test == 9


def test_a_gallery_of_test_images_alone(tmp_path: Path) -> None:
    data = digits_folder(tmp_path / "photos", {"test": 5})
    store = pack(str(data), tmp_path / "photos.store", size_px=8).store
    plain = METHODS.make("retrieve(whiten=False)")
    assert not plain.needs_training_images()
    assert METHODS.make("retrieve()").needs_training_images()
    task = Retrieval().load(store, 0, needs_training_images=False)
    assert (len(task.train), task.num_test) == (0, 50)
    assert plain.run(trained().backbone, task, Context()).num_test == 50
    assert len(Retrieval().load(store, 0).train) > 0


def test_shared_images_are_counted_among_all_test_images(tmp_path: Path) -> None:
    stores = {
        name: pack(str(digits_folder(tmp_path / name, splits)), tmp_path / f"{name}.store").store
        for name, splits in (("source", {"train": 3, "test": 1}), ("target", {"test": 4}))
    }
    notes = [note for note in data_notes(stores) if "byte for byte" in note]
    assert len(notes) == 1
    assert notes[0].startswith("target: 30 of its 40 test images are training images of the source")


def test_a_store_packed_without_the_found_splits_is_packed_again(tmp_path: Path) -> None:
    import json

    data = digits_folder(tmp_path / "photos", {"test": 5})
    path = pack(str(data), tmp_path / "photos.store", size_px=8).store.path
    card = json.loads((path / "store.json").read_text())
    del card["only_held_out"]
    (path / "store.json").write_text(json.dumps(card))
    assert pack(str(data), path, size_px=8).store.only_held_out


def test_existing_tasks_are_the_same_for_methods_that_train_nothing() -> None:
    store = digits_store()
    for spec in (Classification(), Classification(train_per_class=5), Retrieval()):
        assert (
            spec.load(store, 0).fingerprint
            == spec.load(store, 0, needs_training_images=False).fingerprint
        )


def test_from_the_command_line(network: Path, tmp_path: Path) -> None:
    data = digits_folder(tmp_path / "photos", {"test": 1})
    common = ["--device", "cpu", "--workspace", tmp_path / "workspace"]
    status, document, _ = cli("transfer", network, data, "as_is()", *common)
    assert (status, document["num_test"]) == (0, 10)
    assert document["value"] == as_is(network, data)["top1"]
    status, document, _ = cli("transfer", network, data, "probe()", *common)
    assert status == 3
    assert "add a train/ folder" in document["error"]["hint"].lower()


def test_as_a_target_of_a_study(tmp_path: Path) -> None:
    study = Study(
        name="held out",
        source="digits()",
        size_px=8,
        arms={"all": "", "half": "images(fraction=0.5)"},
        reference="all",
        targets={
            "alone": str(digits_folder(tmp_path / "alone", {"val": 1})),
            "several": str(digits_folder(tmp_path / "several", {"test": 5})),
        },
        methods={"as_is": "as_is()"},
        seeds=1,
        backbone="small(width=4)",
        images_seen=256,
        folder=tmp_path,
    )  # pyright: ignore[reportCallIssue]
    results = run_study(study, executor="inline", workspace=tmp_path / "workspace")
    assert (results.num_failed, results.num_left) == (0, 0)
    num_test = {cell.target: cell.num_test for cell in results.plan.cells if cell.method == "as_is"}
    assert num_test == {"alone": 10, "several": 50}
    assert {o.num_test for o in results.outcomes if o.target == "several"} == {50}
