"""A study killed at random moments and resumed gives the numbers of one that ran through; Ctrl-C
ends everything with 130."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

STUDY = """\
reference = "all"
seeds = 3
[source]
data = "photos"
size_px = 16
[pretraining]
backbone = "small(width=8)"
images_seen = [2_000, 4_000]
[arms]
all = ""
half = "images(fraction=0.5)"
random = { init = "random" }
[targets]
cells = "photos"
[methods]
probe = "probe()"
tuned = "finetune(images_seen=1_000, learning_rates=[0.1])"
"""
NUM_KILLS = 10


def _make(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in "abcd":
        (root / "photos" / label).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 200, (20, 20, 3), dtype=np.uint8) + np.uint8(
                12 * "abcd".index(label)
            )
            Image.fromarray(pixels).save(root / "photos" / label / f"{i}.png")
    (root / "s.toml").write_text(STUDY)
    return root / "s.toml"


def _start(study: Path, mark: str) -> subprocess.Popen[str]:
    call = [
        sys.executable,
        "-m",
        "seedbed.cli",
        "study",
        "run",
        str(study),
        "--json",
        "--workers",
        "2",
        "--device",
        "cpu",
    ]
    environment = os.environ | {"SEEDBED_TEST_MARK": mark}
    return subprocess.Popen(
        call,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def _marked(mark: str) -> list[int]:
    """Living processes that were started, however indirectly, with this mark in their
    environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
            state = (
                (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] if environment else "Z"
            )
        except OSError:
            continue
        if state != "Z" and f"SEEDBED_TEST_MARK={mark}".encode() in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def _wait_until_gone(mark: str, timeout_s: float = 60.0) -> list[int]:
    """What is still alive after a while."""
    deadline = time.monotonic() + timeout_s
    while (alive := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return alive


def _numbers(study: Path) -> pd.DataFrame:
    table = pd.read_parquet(study.with_suffix(".study") / "results.parquet")
    return table.drop(columns=["seconds"])


def _num_done(study: Path) -> int:
    return len(list((study.parent / "seedbed-work").glob("*/*/manifest.json")))


def _wait_for_steps(study: Path, process: subprocess.Popen[str], num: int) -> None:
    while _num_done(study) < num and process.poll() is None:
        time.sleep(0.05)


def test_a_study_killed_ten_times_gives_the_same_numbers(tmp_path: Path) -> None:
    whole = _make(tmp_path / "whole")
    started = time.monotonic()
    out, err = _start(whole, str(tmp_path)).communicate(timeout=600)
    seconds = time.monotonic() - started
    cells = json.loads(out)["cells"]
    assert cells["failed"] == cells["left"] == 0, err

    killed = _make(tmp_path / "killed")
    chance = random.Random(20160830)
    kills_at = []
    for i in range(NUM_KILLS):
        process = _start(killed, str(tmp_path))
        # Half of the kills fall anywhere, half soon after another step was finished: while the next
        # ones are written.
        if i % 2:
            _wait_for_steps(killed, process, _num_done(killed) + chance.randint(1, 3))
            time.sleep(chance.uniform(0, 0.3))
        else:
            time.sleep(chance.uniform(0.5, 0.7 * seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert _wait_until_gone(str(tmp_path)) == [], "workers outlived their study"
        kills_at.append(_num_done(killed))
    process = _start(killed, str(tmp_path))
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert json.loads(out)["cells"] == cells
    print(f"finished steps at each kill: {kills_at} of {_num_done(killed)}")
    pd.testing.assert_frame_equal(_numbers(killed), _numbers(whole), check_exact=True)
    left = [
        str(p) for p in killed.parent.rglob("*") if ".writing-" in p.name or p.name.endswith(".tmp")
    ]
    assert left == []
    assert _wait_until_gone(str(tmp_path)) == []


def test_ctrl_c_ends_the_workers_and_exits_130(tmp_path: Path) -> None:
    study = _make(tmp_path)
    process = _start(study, str(tmp_path))
    _wait_for_steps(study, process, 2)
    assert len(_marked(str(tmp_path))) >= 3  # the command and two workers
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["kind"] == "interrupted"
    assert "Traceback" not in err
    assert _wait_until_gone(str(tmp_path), 10.0) == []
    process = _start(study, str(tmp_path))
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert json.loads(out)["cells"]["left"] == 0
