"""The data of a study: which images, at which size, from where."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.pack import pack
from seedbed.data.source import TEST, TRAIN
from seedbed.trials.run import run_study, study_status
from seedbed.trials.study_data import data_notes, pack_study
from seedbed.trials.study_file import load_study


def test_targets_are_packed_at_the_size_of_a_source_that_is_a_store(
    make_study, workspace, tmp_path: Path
) -> None:
    study = make_study(('data = "photos"\nsize_px = 8', 'data = "photos.store"'))
    pack(tmp_path / "photos", tmp_path / "photos.store", size_px=12)
    assert {name: store.size_px for name, store in pack_study(study, workspace).items()} == {
        "source": 12,
        "cells": 12,
    }


def test_a_target_may_be_packed_at_a_size_of_its_own(make_study, workspace) -> None:
    study = make_study(('cells = "cells"', "cells = \"folder('cells', size_px=10)\""))
    assert {name: store.size_px for name, store in pack_study(study, workspace).items()} == {
        "source": 8,
        "cells": 10,
    }


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        (('"photos"', '"x.store"'), "[source]", "size_px says 8 px"),
        (('"cells"', '"x.store"'), "[targets] cells", "the source is packed at 8 px"),
    ],
)
def test_a_store_of_another_size_is_refused(
    make_study, workspace, tmp_path: Path, change, place: str, says: str
) -> None:
    study = make_study(change)
    pack(tmp_path / "photos", tmp_path / "x.store", size_px=12)
    with pytest.raises(UsageError) as caught:
        pack_study(study, workspace)
    assert caught.value.message.startswith(f"{place}: ")
    assert "x.store is packed at 12 px" in caught.value.message
    assert says in caught.value.message
    assert "--size-px 8" in caught.value.hint


@pytest.mark.parametrize("data", ["photos", "folder('photos')", "folder(path='photos')"])
def test_paths_are_relative_to_the_study_and_to_nothing_else(
    write_study, make_tree, workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    path = write_study(('data = "photos"', f'data = "{data}"'))
    make_tree({"x": 2, "y": 2}, root="elsewhere")
    shutil.move(tmp_path / "elsewhere", tmp_path / "here" / "photos")
    monkeypatch.chdir(tmp_path / "here")
    assert pack_study(load_study(path), workspace)["source"].num_images == 30
    shutil.rmtree(tmp_path / "photos")
    with pytest.raises(BadDataError, match=f"there is no {tmp_path}/photos") as caught:
        pack_study(load_study(path), workspace)
    assert "current folder" not in caught.value.hint


def test_a_folder_may_be_named_like_a_call(write_study, workspace, tmp_path: Path) -> None:
    path = write_study(('"cells"', '"my cells (2024)/"'))
    (tmp_path / "cells").rename(tmp_path / "my cells (2024)")
    assert pack_study(load_study(path), workspace)["cells"].num_images == 20


def test_what_is_left_out_and_what_is_derived_is_told(
    make_study, workspace, tmp_path: Path
) -> None:
    study = make_study()
    for i in range(200):
        shutil.copy(tmp_path / "photos/a/000.png", tmp_path / f"photos/a/copy{i}.png")
    (tmp_path / "photos/a/copy7.png").write_bytes(b"this is no image")
    stores = pack_study(study, workspace)
    first, *others = data_notes(stores)
    assert first.startswith("source: 1 unreadable image left out, listed in ")
    assert "copy7.png" in Path(first.rsplit(" ", 1)[1]).read_text()
    assert any(note.startswith("source: test images are ") for note in others)


def test_too_many_unreadable_images_say_how_to_allow_them(
    make_study, workspace, tmp_path: Path
) -> None:
    study = make_study()
    (tmp_path / "photos/a/003.png").write_bytes(b"this is no image")
    with pytest.raises(BadDataError, match=r"\[source\]: 1 of 30 images") as caught:
        pack_study(study, workspace)
    command = f"seedbed pack {tmp_path}/photos STORE --size-px 8 --allow-unreadable 0.034"
    assert command in caught.value.hint


def test_results_are_read_again_without_the_images(make_study, workspace, tmp_path: Path) -> None:
    study = make_study(("seeds = 2", "seeds = [0]"), ("images_seen = 64", "images_seen = 16"))
    results = run_study(study, workspace=workspace.root, executor="inline", device="cpu")
    shutil.rmtree(tmp_path / "photos")
    assert study_status(study, workspace.root).outcomes == results.outcomes


def test_a_measurement_whose_backbone_was_removed_counts_as_left(make_study, workspace) -> None:
    study = make_study(("seeds = 2", "seeds = [0]"), ("images_seen = 64", "images_seen = 16"))
    results = run_study(study, workspace=workspace.root, executor="inline", device="cpu")
    cell = next(c for c in results.plan.cells if (c.arm, c.target) == ("half", "cells"))
    shutil.rmtree(workspace.folder("backbones", cell.backbone_key))
    status = study_status(study, workspace.root)
    assert (status.num_done, status.num_left) == (3, 2)
    assert (
        run_study(study, workspace=workspace.root, executor="inline", device="cpu")
        .to_pandas()["value"]
        .equals(results.to_pandas()["value"])
    )


def test_test_images_that_the_source_trains_on_are_told(
    make_study, workspace, tmp_path: Path
) -> None:
    study = make_study()
    stores = pack_study(study, workspace)
    source, target = stores["source"], stores["cells"]
    trained_on = source.ids[source.splits == TRAIN]
    equal = np.isin(
        target.checksums[target.splits == TEST], source.checksums[source.splits == TRAIN]
    ).sum()
    for i, id_ in enumerate(trained_on[:3]):
        shutil.copy(tmp_path / "photos" / id_, tmp_path / "cells/test/x" / f"copy{i}.png")
    notes = data_notes(pack_study(study, workspace))
    expected = (
        f"cells: {equal + 3} of its 11 test images are training images of the source, byte for byte"
    )
    assert any(n.startswith(expected) for n in notes)
    for i, path in enumerate((tmp_path / "cells/test").rglob("*.png")):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(
            path
        )
    assert not any("byte for byte" in note for note in data_notes(pack_study(study, workspace)))
