"""The command line: one JSON document with the fields of the contract, errors with their exit
statuses."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import cli

import seedbed
from seedbed.cli import main
from seedbed.cli.parser import build_parser

OUTCOME = {
    "study", "arm", "seed", "images_seen", "target", "method", "backbone", "metric",
    "unit", "value", "num_test", "higher_is_better",
    "seconds", "key",
}  # fmt: skip
ANSWER = {
    "question", "target", "method", "images_seen", "metric", "unit", "arm", "reference",
    "difference", "interval", "interval_90",
    "interval_seeds", "p_value", "significant", "margin", "verdict", "beyond_margin",
    "converged", "num_seeds", "seeds_needed", "sentence",
}  # fmt: skip
STUDY = """\
reference = "all"
seeds = 2
[source]
data = "photos"
size_px = 8
[pretraining]
backbone = "small(width=2)"
images_seen = 64
batch_size = 16
[arms]
all = ""
half = "images(fraction=0.5)"
random = { init = "random" }
[targets]
cells = "cells"
[methods]
probe = "probe(c=[1.0])"
"""


def _folder(root: Path, counts: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(
                root / label / f"{i}.png"
            )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a target and a study file."""
    root = tmp_path_factory.mktemp("cli")
    _folder(root / "photos", {"a": 10, "b": 10, "c": 10})
    _folder(root / "cells", {"train/x": 6, "train/y": 6, "test/x": 4, "test/y": 4})
    (root / "s.toml").write_text(STUDY)
    return root


@pytest.fixture(scope="module")
def packed(place: Path) -> dict[str, Any]:
    status, document, _ = cli("pack", place / "photos", place / "photos.store", "--size-px", 8)
    assert status == 0
    return document


@pytest.fixture(scope="module")
def pretrained(place: Path, packed) -> dict[str, Any]:
    call = [
        "pretrain",
        packed["store"],
        "--backbone",
        "small(width=2)",
        "--out",
        place / "net",
        "--images-seen",
        64,
        "--device",
        "cpu",
    ]
    status, document, _ = cli(*call)
    assert status == 0
    return document


@pytest.fixture(scope="module")
def ran(place: Path) -> dict[str, Any]:
    status, document, _ = cli(
        "study", "run", place / "s.toml", "--executor", "inline", "--device", "cpu"
    )
    assert status == 0
    return document


def test_pack(packed, place: Path) -> None:
    assert set(packed) >= {
        "store",
        "num_images",
        "num_classes",
        "splits",
        "size_px",
        "num_unreadable",
        "unreadable",
        "images_per_s",
    }
    assert (packed["store"], packed["num_images"], packed["num_classes"], packed["size_px"]) == (
        str(place / "photos.store"),
        30,
        3,
        8,
    )
    assert packed["splits"] == {"train": 24, "val": 0, "test": 6}
    assert (packed["num_unreadable"], packed["unreadable"]) == (0, None)
    again = cli("pack", place / "photos", place / "photos.store", "--size-px", 8)[1]
    assert again | {"images_per_s": 0} == packed | {"images_per_s": 0}


@pytest.mark.parametrize("what", ["photos", "photos.store"])
def test_inspect_data(packed, place: Path, what: str) -> None:
    status, document, _ = cli("inspect", place / what, "--recipe", "images(per_class=5)")
    assert status == 0
    assert set(document) >= {
        "kind",
        "num_images",
        "num_classes",
        "splits",
        "classes",
        "entropy_bits",
        "ids_sha256",
    }
    assert document["kind"] == ("store" if what.endswith("store") else "source")
    assert document["num_images"] == 15
    assert document["splits"]["test"] == 6
    assert document["classes"] == [{"label": c, "name": c, "num_images": 5} for c in "abc"]
    assert document["entropy_bits"] == pytest.approx(np.log2(3))
    from hashlib import sha256

    from seedbed.data.store import Store
    from seedbed.data.view import make_view

    store = Store.open(packed["store"])
    ids = sorted(store.ids[make_view(store, "images(per_class=5)").rows])
    assert document["ids_sha256"] == sha256("\n".join(ids).encode()).hexdigest()


def test_inspect_a_backbone_and_a_study(pretrained, ran, place: Path) -> None:
    document = cli("inspect", place / "net")[1]
    assert document["kind"] == "backbone"
    assert document["architecture"] == "small(width=2)"
    assert document["layers"][0].keys() >= {"name", "shape", "stride", "after_relu"}
    assert cli("inspect", place / "s.toml")[1]["cells"] == ran["cells"]


def test_pretrain(pretrained, place: Path) -> None:
    wanted = {
        "backbone",
        "source_top1",
        "source_top5",
        "num_images",
        "num_classes",
        "images_seen",
        "epochs",
        "images_per_s",
        "seconds",
    }
    assert set(pretrained) >= wanted
    assert (pretrained["backbone"], pretrained["num_images"], pretrained["num_classes"]) == (
        str(place / "net"),
        24,
        3,
    )
    assert (pretrained["images_seen"], pretrained["source_top5"]) == (64, None)
    assert pretrained["epochs"] == pytest.approx(64 / 24)
    assert 0 <= pretrained["source_top1"] <= 100


def test_codes(pretrained, place: Path) -> None:
    from safetensors import safe_open

    out = place / "codes.safetensors"
    status, document, _ = cli(
        "codes",
        place / "net",
        place / "photos.store",
        "--out",
        out,
        "--device",
        "cpu",
        "--split",
        "test",
    )
    assert status == 0
    assert set(document) >= {"codes", "num_images", "dim", "layer", "images_per_s"}
    assert (document["codes"], document["num_images"], document["dim"], document["layer"]) == (
        str(out),
        6,
        16,
        "pool",
    )
    with safe_open(out, "np") as file:
        assert file.get_tensor("codes").shape == (6, 16)
        assert file.get_tensor("labels").tolist() == [0, 0, 1, 1, 2, 2]
        assert len(json.loads(file.metadata()["ids"])) == 6
        assert json.loads(file.metadata()["classes"]) == ["a", "b", "c"]


def test_transfer(pretrained, place: Path) -> None:
    call = [
        "transfer",
        place / "net",
        place / "cells",
        "probe(c=[1.0])",
        "--device",
        "cpu",
        "--workspace",
        place / "w",
    ]
    status, document, _ = cli(*call)
    assert status == 0
    assert set(document) >= OUTCOME
    assert (document["metric"], document["unit"], document["num_test"], document["seed"]) == (
        "top1",
        "percent",
        8,
        0,
    )
    again = cli(*call)[1]
    assert (again["value"], again["key"]) == (document["value"], document["key"])


def test_a_transfer_shows_the_number_first_with_its_interval(
    pretrained, place: Path, capsys
) -> None:
    call = [
        "transfer",
        place / "net",
        place / "cells",
        "probe(c=[0.001,1.0])",
        "--device",
        "cpu",
        "--workspace",
        place / "w",
    ]
    _, document, _ = cli(*call)
    low, high = document["interval"]
    assert low < document["value"] < high or document["value"] in (0.0, 100.0)
    assert main([*map(str, call)]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = (
        f"top1: {document['value']:.2f} % (95 % interval {low:.2f} to {high:.2f}) on"
        f" {document['num_test']} test images"
    )
    assert lines[0] == expected
    table = lines.index("c was selected on validation images:")
    assert [line.split()[0] for line in lines[table + 1 : table + 4]] == ["c", "0.001", "1"]


def test_random_weights_are_drawn_from_the_seed_and_said(packed, place: Path) -> None:
    """Three seeds of a baseline are three networks; a network without a size takes that of the
    store."""
    found = []
    for seed in (0, 1, 0):
        call = [
            "transfer",
            "small(width=2, weights='random')",
            packed["store"],
            "probe(c=[1.0])",
            "--seed",
            seed,
        ]
        status, document, _ = cli(*call, "--device", "cpu", "--workspace", place / "w")
        assert status == 0, document
        assert document["weights"] == f"random, seed {seed}"
        out = place / f"random-{seed}-{len(found)}.safetensors"
        assert (
            cli(
                "codes",
                "small(width=2, weights='random')",
                packed["store"],
                "--out",
                out,
                "--seed",
                seed,
                "--device",
                "cpu",
            )[0]
            == 0
        )
        found.append(out.read_bytes())
    assert found[0] == found[2] != found[1]


def test_a_size_that_a_store_has_not_is_refused(packed, place: Path) -> None:
    status, document, _ = cli(
        "pretrain", packed["store"], "--size-px", 16, "--out", place / "sized", "--images-seen", 64
    )
    assert status == 2
    assert "is packed at 8 px, and size_px says 16 px" in document["error"]["message"]
    assert not (place / "sized").exists()


def test_the_hierarchy_verb_needs_no_images(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "leaves.txt").write_text("n02084071\nn02121620\nn02958343\n\nn02084071\n")
    status, document, _ = cli("hierarchy", place / "leaves.txt", "--recipe", "bottom_up(depth=4)")
    assert status == 0
    assert document["num_classes"] == len(set(document["classes"].values())) == 2
    assert (
        document["classes"]["n02084071"]
        == document["classes"]["n02121620"]
        != document["classes"]["n02958343"]
    )
    assert set(document["names"]) == set(document["classes"].values())
    assert document["entropy_bits"] == pytest.approx(0.918, abs=1e-3)
    assert (
        main(["hierarchy", str(place / "leaves.txt"), "--recipe", "exclude(target='pascal')"]) == 0
    )
    assert capsys.readouterr().out.splitlines()[0] == "3 leaves, 0 classes, 3 leaves dropped"
    assert cli("hierarchy", place / "nowhere.txt")[0] == 3


def test_packing_under_another_hierarchy(place: Path) -> None:
    (place / "tree.csv").write_text("child,parent\na,vowel\nb,consonant\nc,consonant\n")
    assert (
        cli(
            "pack",
            place / "photos",
            place / "treed.store",
            "--size-px",
            8,
            "--hierarchy",
            place / "tree.csv",
        )[0]
        == 0
    )
    status, document, _ = cli("inspect", place / "treed.store", "--recipe", "bottom_up(depth=1)")
    assert (status, document["num_classes"]) == (0, 2)
    assert [step["num_classes"] for step in document["steps"]] == [2]
    status, document, _ = cli(
        "pack", place / "photos", place / "treed.store", "--size-px", 8, "--hierarchy", "wordnt"
    )
    assert (status, document["error"]["message"][:25]) == (2, "unknown hierarchy 'wordnt")


def test_a_network_that_is_misspelt_is_found(place: Path) -> None:
    for name in ("resnet19", "resnet19()"):
        status, document, _ = cli("inspect", name)
        assert (status, document["error"]["hint"]) == (3, "Did you mean 'resnet18'?")


def test_the_key_of_a_transfer_tells_two_backbones_apart(packed, place: Path) -> None:
    keys = set()
    for name, backbone, budget in (
        ("n1", "small(width=2)", 64),
        ("n2", "small(width=3)", 64),
        ("n3", "small(width=2)", 256),
    ):
        cli(
            "pretrain",
            packed["store"],
            "--backbone",
            backbone,
            "--out",
            place / name,
            "--images-seen",
            budget,
            "--device",
            "cpu",
        )
        call = [
            "transfer",
            place / name,
            place / "cells",
            "probe(c=[1.0])",
            "--device",
            "cpu",
            "--workspace",
            place / "w",
        ]
        keys.add(cli(*call)[1]["key"])
    assert len(keys) == 3


def test_study_new(place: Path) -> None:
    status, document, _ = cli(
        "study",
        "new",
        "images-per-class",
        "--source",
        place / "photos",
        "--target",
        place / "cells",
    )
    assert status == 0
    assert set(document) == {"study"}
    (place / "new.toml").write_text(document["study"])
    from seedbed.trials.study_file import load_study

    assert load_study(place / "new.toml").question == "images-per-class"


def test_study_plan(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("seedbed.trials.cost._MEASURE_S", 0.05)
    status, document, _ = cli("study", "plan", place / "s.toml", "--workspace", tmp_path / "fresh")
    assert status == 0
    assert set(document) >= {"steps", "done", "estimated_seconds", "estimated_disk_bytes", "cells"}
    assert (document["steps"], document["done"], len(document["cells"])) == (12, 0, 10)
    assert document["estimated_seconds"] > 0
    assert document["estimated_disk_bytes"] > 0
    assert not (tmp_path / "fresh" / "backbones").exists()


def test_study_run_and_status(ran, place: Path) -> None:
    assert set(ran) >= {"study", "cells", "rows", "answers"}
    assert ran["study"] == "s"
    assert ran["cells"] == {"done": 10, "failed": 0, "left": 0}
    assert all(set(row) >= OUTCOME for row in ran["rows"])
    assert all(set(answer) >= ANSWER for answer in ran["answers"])
    assert {(a["arm"], a["target"]) for a in ran["answers"]} == {
        ("half", "source"),
        ("half", "cells"),
        ("random", "cells"),
    }
    status, document, _ = cli("study", "status", place / "s.toml")
    assert (status, document) == (0, ran)


def test_report(ran, place: Path) -> None:
    status, document, _ = cli("report", place / "s.toml", "--out", place / "page.html")
    assert (status, document) == (0, {"report": str(place / "page.html")})
    assert "<html" in (place / "page.html").read_text()[:500].lower()


def test_report_before_any_result_is_bad_data(place: Path, tmp_path: Path) -> None:
    status, document, _ = cli("report", place / "s.toml", "--workspace", tmp_path / "fresh")
    assert status == 3
    assert "has no results yet" in document["error"]["message"]


def test_list() -> None:
    status, document, _ = cli("list")
    assert status == 0
    assert list(document) == [
        "formats",
        "recipes",
        "backbones",
        "objectives",
        "tasks",
        "methods",
        "questions",
        "metrics",
        "executors",
    ]
    assert all(
        set(row) == {"name", "call", "summary"} and row["summary"]
        for rows in document.values()
        for row in rows
    )
    assert list(cli("list", "recipes")[1]) == ["recipes"]
    status, document, _ = cli("list", "recipe")
    assert status == 2
    assert "Did you mean 'recipes'?" in document["error"]["hint"]


def test_disk(ran, place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "seedbed-work", tmp_path / "w")
    status, document, _ = cli("disk", "--workspace", tmp_path / "w")
    assert status == 0
    assert set(document) >= {"bytes", "unreferenced_bytes", "items"}
    assert document["bytes"] == sum(item["bytes"] for item in document["items"])
    assert document["unreferenced_bytes"] == 0
    assert all(
        set(item) == {"kind", "key", "bytes", "studies"} and list(item["studies"]) == ["s"]
        for item in document["items"]
    )
    (tmp_path / "w/studies").rename(tmp_path / "elsewhere")
    assert cli("disk", "--clean", "--workspace", tmp_path / "w")[0] == 0
    assert cli("disk", "--workspace", tmp_path / "w")[1]["bytes"] == 0
    assert cli("disk", "--workspace", tmp_path / "nowhere")[0] == 3


def test_demo_is_a_study_of_the_embedded_data(tmp_path: Path) -> None:
    """The demo takes minutes to run: here its file is only written and loaded."""
    from seedbed.demo import write_demo

    options = build_parser().parse_args(["demo", "--json"])
    assert (options.out, options.seed, options.verb) == ("seedbed-demo", 0, "studies:demo")
    study = write_demo(tmp_path / "demo", seed=5)
    assert study.seeds == (5, 6, 7)
    assert list(study.targets) == ["fine", "digits"]
    assert study.source.data == "toy()"
    assert write_demo(tmp_path / "demo", seed=5) == study
    from seedbed.base.errors import UsageError

    with pytest.raises(UsageError, match="is a different study"):
        write_demo(tmp_path / "demo", seed=6)


def test_the_demo_prints_one_json_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    """Runs the verb with a tiny study instead of the demo's."""
    from seedbed.trials.study_file import load_study

    monkeypatch.setattr("seedbed.demo.write_demo", lambda out, seed: load_study(place / "s.toml"))
    monkeypatch.setattr("seedbed.trials.run.default_workers", lambda device: 1)
    status, document, _ = cli("demo", "--out", tmp_path)
    assert status == 0
    assert set(document) >= {"study", "report", "rows", "answers", "seconds"}
    assert Path(document["report"]).is_file()
    assert all(set(row) >= OUTCOME for row in document["rows"])


def test_failed_cells_give_status_4_and_the_document(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seedbed.trials.steps import PretrainStep

    def fails(self, *args, **kwargs):
        raise ZeroDivisionError("made to fail")

    (tmp_path / "s.toml").write_text(
        STUDY.replace('"photos"', f'"{place}/photos"').replace('"cells"', f'"{place}/cells"')
    )
    monkeypatch.setattr(PretrainStep, "run", fails)
    status, document, _ = cli(
        "study", "run", tmp_path / "s.toml", "--executor", "inline", "--device", "cpu"
    )
    assert status == 4
    assert document["cells"] == {"done": 0, "failed": 10, "left": 0}
    assert document["rows"] == document["answers"] == []


def test_an_unknown_question_is_refused_before_anything_runs(place: Path, tmp_path: Path) -> None:
    text = STUDY.replace('"photos"', f'"{place}/photos"').replace('"cells"', f'"{place}/cells"')
    (tmp_path / "s.toml").write_text('question = "image-per-class"\n' + text)
    status, document, _ = cli(
        "study", "run", tmp_path / "s.toml", "--executor", "inline", "--device", "cpu"
    )
    assert status == 2
    assert "Did you mean 'images-per-class'?" in document["error"]["hint"]
    assert not (tmp_path / "seedbed-work" / "backbones").exists()


ERRORS = {
    "unknown verb": (["pakc"], 2, "pakc", "Did you mean 'pack'?"),
    "unknown study verb": (["study", "rnu"], 2, "rnu", "Did you mean 'run'?"),
    "no argument": (["pack"], 2, "SOURCE", "--help"),
    "no number": (["pack", "a", "b", "--size-px", "big"], 2, "big", "--help"),
    "unknown option": (["list", "--colour"], 2, "--colour", "--help"),
    "missing source": (
        ["pack", "nowhere/at/all", "x.store"],
        3,
        "nowhere/at/all",
        "Check the path",
    ),
    "no store": (
        ["pretrain", "nowhere.store", "--backbone", "small", "--out", "x"],
        3,
        "nowhere.store",
        "Check the path",
    ),
    "no backbone": (
        ["codes", "nowhere", "digits()", "--out", "x.safetensors"],
        2,
        "nowhere",
        "seedbed pretrain",
    ),
    "no study": (["study", "run", "nowhere.toml"], 3, "nowhere.toml", "seedbed study new"),
    "not a study": (["study", "run", "nowhere.csv"], 2, "nowhere.csv", ".toml"),
    "unknown question": (
        ["study", "new", "image-per-class"],
        2,
        "image-per-class",
        "images-per-class",
    ),
    "size": (["pack", "digits()", "x.store", "--size-px", "4"], 2, "size_px = 4", ""),
    "unknown format": (
        ["pack", "digits()", "x.store", "--format", "foldr"],
        2,
        "foldr",
        "Did you mean 'folder'?",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_documents_with_their_exit_status(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, wanted, message, hint = ERRORS[case]
    status, document, err = cli(*arguments)
    assert status == wanted
    assert set(document) == {"error"}
    assert set(document["error"]) == {"kind", "message", "hint"}
    assert message in document["error"]["message"]
    assert hint in document["error"]["hint"]
    assert document["error"]["message"] in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["pretrain", "{store}", "--backbone", "small", "--out", "{place}/x", "--images-seen", "-1"],
        ["pretrain", "{store}", "--backbone", "smal", "--out", "{place}/x"],
        ["pretrain", "{store}", "--backbone", "small", "--out", "{place}/photos"],
        ["pretrain", "{store}", "--backbone", "small", "--out", "{place}/x", "--device", "gpu"],
        ["codes", "{place}/net", "{store}", "--out", "{place}/x.safetensors", "--layer", "stage9"],
        ["codes", "{place}/net", "{store}", "--out", "{place}/x.safetensors", "--split", "dev"],
        ["transfer", "{place}/net", "{store}", "prob()"],
        ["transfer", "{place}/net", "{store}", "probe(c=[-1])"],
        ["inspect", "{store}", "--recipe", "imags(total=3)"],
        ["study", "run", "{place}/s.toml", "--executor", "ray"],
        ["study", "run", "{place}/s.toml", "--workers", "0", "--workspace", "{place}/fresh"],
    ],
)
def test_wrong_words_give_status_2(arguments: list[str], packed, pretrained, place: Path) -> None:
    status, document, _ = cli(*(a.format(store=packed["store"], place=place) for a in arguments))
    assert (status, document["error"]["kind"]) == (2, "usage")
    assert document["error"]["hint"] or "workers" in document["error"]["message"]
    assert not (place / "x").exists()


@pytest.mark.parametrize("verb", ["codes", "transfer"])
def test_a_store_of_another_size_is_refused(verb: str, pretrained, place: Path) -> None:
    cli("pack", place / "photos", place / "larger.store", "--size-px", 16)
    rest = ["probe()"] if verb == "transfer" else ["--out", place / "x.safetensors"]
    status, document, _ = cli(verb, place / "net", place / "larger.store", *rest, "--device", "cpu")
    assert status == 2
    assert "packed at 16 px, and the network takes" in document["error"]["message"]
    assert "--size-px" in document["error"]["hint"]


def test_the_same_training_again_does_nothing(packed, pretrained, place: Path) -> None:
    """A script that is run twice does not fail."""
    files = {p: p.stat().st_mtime_ns for p in (place / "net").iterdir()}
    call = [
        "--backbone",
        "small(width=2)",
        "--out",
        place / "net",
        "--images-seen",
        64,
        "--device",
        "cpu",
    ]
    status, again, _ = cli("pretrain", packed["store"], *call)
    assert status == 0
    assert again["images_per_s"] is None  # nothing was trained
    timeless = {"images_per_s", "seconds"}
    assert {k: v for k, v in again.items() if k not in timeless} == {
        k: v for k, v in pretrained.items() if k not in timeless
    }
    assert {p: p.stat().st_mtime_ns for p in (place / "net").iterdir()} == files


def test_early_stopping_says_when_it_ended_and_what_was_kept(
    packed, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "pretrain",
        packed["store"],
        "--backbone",
        "small(width=2)",
        "--images-seen",
        2560,
        "--early-stopping",
        1,
    ]
    assert (
        main(
            [
                *map(str, call),
                "--batch-size",
                "16",
                "--out",
                str(place / "early"),
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    card = json.loads((place / "early" / "card.json").read_text())
    early, trained = card["training"]["early_stopping"], card["images_trained"]
    assert trained < 2560
    assert f"{trained:,} images seen" in printed
    at_step = f"early stopping: at step {trained // 16} of 160"
    assert f"{at_step}; the weights are those of step {early['best_at_step']}, with " in printed
    assert "on 6 held-out training images" in printed
    assert card["epochs"] == pytest.approx(trained / 18)  # of 24, those that were trained on
    assert (
        main(
            [
                *map(str, call),
                "--batch-size",
                "16",
                "--out",
                str(place / "early"),
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    again = capsys.readouterr().out
    assert at_step in again
    assert "this training was finished before" in again


def test_inspecting_a_trained_backbone_shows_its_table_and_its_facts(
    pretrained, place: Path, capsys
) -> None:
    assert main(["inspect", str(place / "net")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("small(width=2) at 8 px, ")
    assert lines[1].split() == ["name", "shape", "stride", "after", "relu", "dim", "pooling"]
    assert lines[2].split() == [
        "stage1",
        "2",
        "x",
        "4",
        "x",
        "4",
        "2",
        "yes",
        "2",
        "mean",
        "over",
        "space",
    ]
    assert {line.split(":")[0] for line in lines[7:]} >= {
        "penultimate",
        "source",
        "images seen",
        "source top1",
    }


def test_what_is_there_is_not_overwritten(pretrained, place: Path) -> None:
    before = (place / "net" / "card.json").read_bytes()
    status, document, _ = cli(
        "pretrain",
        place / "photos.store",
        "--out",
        place / "net",
        "--images-seen",
        8,
        "--device",
        "cpu",
    )
    assert (
        status,
        document["error"]["message"].endswith("holds a backbone of another training"),
    ) == (2, True)
    assert (place / "net" / "card.json").read_bytes() == before
    (place / "notes.txt").write_text("mine")
    status, document, _ = cli(
        "codes",
        place / "net",
        place / "photos.store",
        "--out",
        place / "notes.txt",
        "--device",
        "cpu",
    )
    assert status == 2
    assert (place / "notes.txt").read_text() == "mine"


def test_transfer_takes_a_target_as_a_study_does(pretrained, place: Path, tmp_path: Path) -> None:
    task = f"folder('{place}/cells', train_per_class=3)"
    call = [
        "transfer",
        place / "net",
        task,
        "probe(c=[1.0])",
        "--device",
        "cpu",
        "--workspace",
        tmp_path,
    ]
    assert cli(*call)[1]["facts"]["num_train"] == 6
    call[2] = task.replace("train_per_class", "train_per_clas")
    status, document, _ = cli(*call)
    assert status == 2
    assert "Did you mean 'train_per_class'?" in document["error"]["hint"]


def test_codes_into_a_folder_that_is_not_there_is_no_internal_error(
    pretrained, place: Path
) -> None:
    out = place / "no" / "such" / "codes.safetensors"
    status, document, _ = cli(
        "codes", place / "net", place / "photos.store", "--out", out, "--device", "cpu"
    )
    assert status == 0 or document["error"]["kind"] != "internal"


def test_an_interruption_gives_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("seedbed.verbs.workspace.list_plugins", interrupted)
    status, document, _ = cli("list")
    assert (status, document["error"]["kind"]) == (130, "interrupted")


def test_a_fault_of_ours_gives_1_and_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(options):
        raise RuntimeError("made to fail")

    monkeypatch.setattr("seedbed.verbs.workspace.list_plugins", broken)
    status, document, err = cli("list")
    assert (status, document["error"]["kind"]) == (1, "internal")
    assert "made to fail" in document["error"]["message"]
    assert "report" in document["error"]["hint"]
    assert "Traceback" in err


def test_without_json_the_same_is_said_for_the_eye(
    packed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", packed["store"]]) == 0
    out = capsys.readouterr().out
    assert "24 training images, 3 classes" in out
    assert "test 6" in out
    assert main(["inspect", "nowhere"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("seedbed: there is no nowhere\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"seedbed {seedbed.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["pack", "--help"], ["study", "run", "--help"]])
def test_help_names_the_verbs_and_options(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 0
    assert ("transfer" if not arguments else "--json") in capsys.readouterr().out


def test_import_is_light_and_lazy() -> None:
    """Neither seedbed nor its command line imports what is heavy; every public name is there all
    the same."""
    code = (
        "import sys, seedbed, seedbed.cli.parser; seedbed.cli.parser.build_parser();heavy ="
        " {'torch', 'numpy', 'pandas', 'pyarrow', 'PIL', 'sklearn', 'scipy', 'matplotlib', 'rich',"
        " 'pydantic', 'jinja2'};print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert all(getattr(seedbed, name) is not None for name in seedbed.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'; it has: Backbone"):
        _ = seedbed.nothing


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("as_json", [False, True])
def test_names_print_on_any_terminal(
    encoding: str, as_json: bool, make_tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_tree({"héron": 3, "日本": 3})
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["inspect", str(photos), *(["--json"] if as_json else [])]) == 0
    stdout.flush()
    text = stdout.buffer.getvalue().decode(encoding)
    if as_json:
        assert [row["label"] for row in json.loads(text)["classes"]] == ["héron", "日本"]
    else:
        assert r"\u65e5\u672c" in text
