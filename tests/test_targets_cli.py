"""Boxes, several labels and retrieval from the command line: what is printed, what is written, and
every fault with its next step."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import cli, holidays_tree, same_weights, scenes_folder, weights_of
from voc_tree import object_xml, scenes_tree, write_image, write_sets

import seedbed as sb
from seedbed.cli import main
from seedbed.engine.keys import backbone_keys, measurement_key
from seedbed.engine.opening import open_backbone_for
from seedbed.models.training_progress import Progress
from seedbed.tasks.catalogue.detection import Detection
from seedbed.transfers.methods.detect import Detect

QUICK = (
    "detect(iterations=30, batch_size=2, learning_rates=[0.1], short_px=48, long_px=64,"
    " head_dim=16)"
)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A trained detector's folder, and what the command printed."""
    folder = tmp_path_factory.mktemp("detector")
    net = "small(width=8, weights='random', size_px=32)"
    status, document, _ = cli(
        "transfer",
        net,
        scenes_folder(),
        QUICK,
        "--out",
        folder / "model",
        "--workspace",
        folder / "ws",
        "--metric",
        "map_voc10",
    )
    assert status == 0
    return folder / "model", document


def test_transfer_prints_an_outcome_and_writes_result_files(detector: tuple[Path, dict]) -> None:
    folder, document = detector
    assert document["metric"] == "map_voc10"
    assert document["unit"] == "percent"
    assert document["num_test"] == 6
    assert document["model"] == str(folder)
    assert set(document["facts"]["per_class"]) == {"bar", "square"}
    names = sorted(
        str(p.relative_to(folder / "results")) for p in (folder / "results").rglob("*.txt")
    )
    assert names == ["comp3_det_test_bar.txt", "comp3_det_test_square.txt", "images/test.txt"]


def test_scoring_the_result_files_says_what_the_measurement_said(
    detector: tuple[Path, dict],
) -> None:
    folder, document = detector
    truth = ("--truth", scenes_folder(), "--image-set", "test")
    for option in ("--detections", "--results"):
        status, score, _ = cli(
            "score", "voc-detection", *truth, option, folder / "results", "--ap", "voc10"
        )
        assert status == 0
        assert (score["metric"], score["unit"]) == ("map_voc10", "percent")
        assert score["value"] == pytest.approx(document["value"], abs=1e-9)
        assert score["per_class"] == pytest.approx(document["facts"]["per_class"])


def test_predict_lists_boxes_and_draws_them(detector: tuple[Path, dict], tmp_path: Path) -> None:
    pictures = sorted((scenes_folder() / "JPEGImages").iterdir())[-2:]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    status, found, _ = cli(
        "predict", detector[0], *pictures, broken, "--above", 0.05, "--out", tmp_path / "drawn"
    )
    assert status == 0
    assert [row["path"] for row in found] == [str(p) for p in (*pictures, broken)]
    assert found[2]["error"]
    assert "boxes" not in found[2]
    for row in found[:2]:
        assert row["label"] == (row["boxes"][0]["label"] if row["boxes"] else None)
        for box in row["boxes"]:
            left, top, right, bottom = box["box"]
            assert 0 <= left < right <= 64
            assert 0 <= top < bottom <= 48
    assert len(list((tmp_path / "drawn").iterdir())) == 2
    for path in pictures:
        drawn = np.asarray(Image.open(tmp_path / "drawn" / f"{path.stem}.png"))
        assert drawn.shape == (48, 64, 3)
    status, error, _ = cli("predict", detector[0], *pictures, "--out", tmp_path / "drawn")
    assert status == 2
    assert "exists" in error["error"]["message"]


def test_predict_speaks_to_the_eye(
    detector: tuple[Path, dict], capsys: pytest.CaptureFixture[str]
) -> None:
    picture = sorted((scenes_folder() / "JPEGImages").iterdir())[-1]
    assert main(["predict", str(detector[0]), str(picture), "--above", "0.05"]) == 0
    assert "boxes with a score of 0.05 or more" in capsys.readouterr().out


def test_a_detectors_folder_is_still_a_backbone(
    detector: tuple[Path, dict], tmp_path: Path
) -> None:
    status, document, _ = cli(
        "transfer", detector[0], "digits()", "probe(c=[1.0])", "--workspace", tmp_path / "ws"
    )
    assert status == 0
    assert document["metric"] == "top1"
    status, error, _ = cli("export", detector[0], tmp_path / "x.onnx")
    assert status == 2
    assert "cannot be exported" in error["error"]["message"]


def test_inspect_counts_boxes(tmp_path: Path) -> None:
    root = tmp_path / "VOC"
    for name in "abcd":
        boxes = [
            object_xml("cat", (1, 1, 9, 9)),
            object_xml("cat", (20, 1, 29, 9), 1),
            *([object_xml("dog", (5, 5, 20, 20))] * (name == "a")),
        ]
        write_image(root, name, boxes)
    write_sets(root, {"train": ["a", "b"], "test": ["c", "d"]})
    status, document, _ = cli("inspect", root)
    assert status == 0
    assert document["annotations"] == "boxes"
    assert document["classes"] == [
        {"label": "cat", "name": "cat", "num_images": 2, "num_boxes": 4},
        {"label": "dog", "name": "dog", "num_images": 1, "num_boxes": 1},
    ]
    assert (document["num_boxes"], document["num_difficult"]) == (9, 4)
    assert document["splits"] == {"train": 2, "val": 0, "test": 2}
    status, document, _ = cli("inspect", f"voc({str(root)!r}, task='classification')")
    assert [row["num_images"] for row in document["classes"]] == [2, 1]
    status, document, _ = cli("audit", root, "--workspace", tmp_path / "ws")
    assert status == 0
    assert document["num_images"] == 4


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["score", "top-k", "nowhere.txt", "scores.txt"], 3, "cannot read nowhere.txt"),
        (["score", "ukbench", "nowhere.txt"], 3, "there is no ranking nowhere.txt"),
        (["score", "banana"], 2, "banana"),
        (
            ["score", "voc-detection", "--truth", ".", "--image-set", "test", "--results", "."],
            3,
            "is not a VOC folder",
        ),
    ],
)
def test_faults_of_score_have_a_status_and_words(
    arguments: list[str], status: int, words: str
) -> None:
    found, document, _ = cli(*arguments)
    assert found == status
    assert words in document["error"]["message"]


def test_score_top_k_for_the_eye(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.txt").write_text("0\n1\n")
    (tmp_path / "scores.txt").write_text("0.9 0.1\n0.8 0.2\n")
    assert main(["score", "top-k", str(tmp_path / "labels.txt"), str(tmp_path / "scores.txt")]) == 0
    assert "top1: 50.00 % on 2 images" in capsys.readouterr().out


def test_what_needs_one_label_an_image_says_so(tmp_path: Path) -> None:
    for arguments in (
        ("pretrain", scenes_folder(), "--out", tmp_path / "net", "--workspace", tmp_path / "ws"),
        (
            "advise",
            scenes_folder(),
            "--out",
            tmp_path / "advice",
            "--minutes",
            "0.1",
            "--workspace",
            tmp_path / "ws",
        ),
        (
            "codes",
            "small",
            scenes_folder(),
            "--out",
            tmp_path / "c.safetensors",
            "--workspace",
            tmp_path / "ws",
        ),
    ):
        status, document, _ = cli(*arguments)
        assert status == 2
        assert "one label an image is needed" in document["error"]["message"]
    assert json.dumps(document)


def test_where_no_box_is_sure_enough_the_highest_score_is_told(
    detector: tuple[Path, dict], capsys: pytest.CaptureFixture[str]
) -> None:
    picture = sorted((scenes_folder() / "JPEGImages").iterdir())[-1]
    assert main(["predict", str(detector[0]), str(picture), "--above", "1.0"]) == 0
    said = capsys.readouterr().out
    assert "no box reaches 1; the highest score is 0." in said
    above = said.partition("--above ")[2].split()[0]
    _, [found], _ = cli("predict", detector[0], picture, "--above", above)
    assert found["boxes"]
    assert found["best_score"] >= float(above)


def test_all_labels_that_are_likely_enough_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = f"voc({str(scenes_folder())!r}, task='classification')"
    net = "small(width=8, weights='random', size_px=32)"
    assert (
        cli(
            "transfer",
            net,
            scenes,
            "probe(c=[1.0])",
            "--out",
            tmp_path / "m",
            "--workspace",
            tmp_path / "ws",
        )[0]
        == 0
    )
    picture = sorted((scenes_folder() / "JPEGImages").iterdir())[-1]
    _, [every], _ = cli("predict", tmp_path / "m", picture, "--above", 0.0)
    assert sorted(every["labels"]) == ["bar", "square"]
    _, [none], _ = cli("predict", tmp_path / "m", picture, "--above", 1.0)
    assert none["labels"] == []
    assert none["label"] == every["label"]
    assert main(["predict", str(tmp_path / "m"), str(picture), "--above", "0"]) == 0
    assert ", ".join(every["labels"]) in capsys.readouterr().out


def test_queries_are_called_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = holidays_tree(tmp_path / "holidays")
    net = "small(width=4, weights='random', size_px=16)"
    assert (
        main(
            [
                "transfer",
                net,
                str(root),
                "retrieve(whiten=False)",
                "--workspace",
                str(tmp_path / "ws"),
            ]
        )
        == 0
    )
    assert "on 6 queries" in capsys.readouterr().out
    assert main(["inspect", str(root)]) == 0
    assert "6 queries, 18 gallery images" in capsys.readouterr().out


def test_what_a_store_of_boxes_keeps_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pack", str(scenes_folder()), str(tmp_path / "v.store")]) == 0
    assert "2 classes as they are, whole" in capsys.readouterr().out
    write_image(tmp_path / "VOC", "a", [object_xml("cat", (1, 1, 9, 9))])
    write_image(tmp_path / "VOC", "b", [object_xml("cat", (1, 1, 9, 9))])
    write_sets(tmp_path / "VOC", {"train": ["a"]})
    status, document, _ = cli("pack", tmp_path / "VOC", tmp_path / "w.store")
    assert status == 0
    assert document["notes"] == [f"1 image of {tmp_path / 'VOC'} in no image set left out"]


@pytest.mark.slow
def test_a_detector_that_is_interrupted_goes_on(tmp_path: Path) -> None:
    """With the same weights, bit for bit, and nothing of the interruption left."""
    how = (
        "small(width=4, weights='random', size_px=32)",
        str(scenes_folder()),
        QUICK.replace("30", "25"),
    )

    def interrupt(progress: Progress) -> None:
        if progress.images_done >= 40:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            sb.transfer(*how, workspace=tmp_path / "ws", on_progress=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(list((tmp_path / "ws" / "unfinished").iterdir())) == 1
    seen: list[int] = []
    resumed = sb.transfer(
        *how, workspace=tmp_path / "ws", on_progress=lambda p: seen.append(p.images_done)
    )
    assert min(seen) == 50  # the rest alone: 20 steps of 2 were done
    assert not (tmp_path / "ws" / "unfinished").exists()
    assert resumed.facts["resumed_at"] == {"0.1": [20]}
    whole = sb.transfer(*how, workspace=tmp_path / "ws2")
    assert resumed.metrics == whole.metrics
    assert same_weights(weights_of(resumed.model.detector), weights_of(whole.model.detector))


def test_a_training_that_was_cut_off_is_taken_up_by_the_same_network_alone(tmp_path: Path) -> None:
    """The same weights with other means of the pixels are another network."""
    store = sb.pack(str(scenes_folder()), tmp_path / "s.store")
    net = open_backbone_for("small(width=4, weights='random', size_px=32)", "", device="cpu")
    other = replace(net, preprocessing=replace(net.preprocessing, mean=(0.0, 0.0, 0.0)))
    one = key_of(net, store)
    assert one == key_of(net, store)
    assert one != key_of(other, store)


def key_of(net: sb.Backbone, store: sb.Store) -> str:
    [key] = backbone_keys(net, net)
    task = Detection().load(store, 0).fingerprint
    return measurement_key(backbone=key, task=task, method=Detect(), seed=0, threads=1)


def test_where_nothing_can_be_written_a_detector_is_trained_all_the_same(tmp_path: Path) -> None:
    store = sb.pack(str(scenes_folder()), tmp_path / "s.store")
    (tmp_path / "file").write_text("no folder")
    short = QUICK.replace("30", "2")
    found = sb.transfer(
        "small(width=4, weights='random', size_px=32)",
        store,
        short,
        workspace=tmp_path / "file" / "ws",
    )
    assert found.num_test == 6


@pytest.mark.parametrize("layout", ["beside", "folders", "splits", "lists"])
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_every_layouts_results_are_scored_as_they_were_measured(
    tmp_path: Path, layout: str, task: str
) -> None:
    """Also where the test split was derived: the list of its images stands beside the results."""
    root = tmp_path / "cells"
    scenes_tree(root, 10, 0, 0)
    if layout == "lists":
        (root / "ImageSets/Main/trainval.txt").unlink()
        (root / "ImageSets/Main/val.txt").unlink()
        (root / "ImageSets/Main/test.txt").unlink()
    else:
        shutil.rmtree(root / "ImageSets")
    if layout in ("beside", "splits"):
        for path in [*(root / "JPEGImages").iterdir(), *(root / "Annotations").iterdir()]:
            folder = root / (
                "" if layout == "beside" else "test" if int(path.stem[-3:]) < 4 else "train"
            )
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name)
    method = QUICK.replace("30", "5") if task == "detection" else "probe(c=[1.0])"
    net = "small(width=4, weights='random', size_px=32)"
    data = f"voc({str(root)!r}, task={task!r})"
    status, document, _ = cli(
        "transfer", net, data, method, "--out", tmp_path / "m", "--workspace", tmp_path / "ws"
    )
    assert status == 0
    results = tmp_path / "m" / "results"
    listed = ("--image-set", results / "images" / "test.txt")
    status, score, _ = cli("score", f"voc-{task}", "--truth", root, *listed, "--results", results)
    assert status == 0
    assert score["value"] == pytest.approx(document["value"], abs=1e-9)
    assert score["num"] == document["num_test"]
    if layout == "splits":
        assert (
            cli(
                "score", f"voc-{task}", "--truth", root, "--image-set", "test", "--results", results
            )[1]
            == score
        )


def test_questions_take_labelled_domains_and_images_to_learn_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = holidays_tree(tmp_path / "holidays")
    for target, method in (
        (f"holidays({str(root)!r}, learn_on='digits()')", 'retrieve = "retrieve()"'),
        (f"voc({str(scenes_folder())!r}, labelled={str(scenes_folder(0.3))!r})", "detect = "),
    ):
        assert main(["study", "new", "images-per-class", "--target", target]) == 0
        assert method in capsys.readouterr().out
    assert sb.ask("images-per-class", [], f"holidays({str(root)!r}, learn_on='digits()')").targets
    with pytest.raises(sb.BadDataError, match="gone"):
        sb.ask("images-per-class", [], f"holidays({str(root)!r}, learn_on='gone/')")


def test_transfer_leaves_its_measurement_in_the_workspace_and_no_unfinished_training(
    tmp_path: Path,
) -> None:
    store = sb.pack(str(scenes_folder()), tmp_path / "s.store")
    (tmp_path / "there").mkdir()
    for name in ("there", "new"):
        sb.transfer(
            "small(width=4, weights='random', size_px=32)",
            store,
            QUICK.replace("30", "2"),
            workspace=tmp_path / name,
        )
        assert [path.name for path in (tmp_path / name).iterdir()] == ["measurements"]
