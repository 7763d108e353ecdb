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
from typing import Any

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


def _start(study: Path, mark: str) -> subprocess.Popen[bytes]:
    """Run the study; what it prints goes to files, as nobody may read a pipe before it is full."""
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
    with _stdout(study).open("w") as stdout, _stderr(study).open("w") as stderr:
        return subprocess.Popen(
            call, stdout=stdout, stderr=stderr, env=environment, start_new_session=True
        )


def _stdout(study: Path) -> Path:
    return study.with_suffix(".stdout")


def _stderr(study: Path) -> Path:
    return study.with_suffix(".stderr")


def _end(study: Path, process: subprocess.Popen[bytes], timeout_s: float = 600.0) -> dict[str, Any]:
    """Wait for the end; the JSON that was printed."""
    process.wait(timeout_s)
    return json.loads(_stdout(study).read_text())


def _marked(mark: str) -> list[int]:
    """Living processes that were started, however indirectly, with this mark in their
    environment."""
    pids = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
            state = (
                (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] if environment else "Z"
            )
        except OSError:
            continue
        if state != "Z" and f"SEEDBED_TEST_MARK={mark}".encode() in environment.split(b"\0"):
            pids.append(int(entry.name))
    return pids


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


def _wait_for_steps(study: Path, process: subprocess.Popen[bytes], num: int) -> None:
    while _num_done(study) < num and process.poll() is None:
        time.sleep(0.05)


def test_a_study_killed_ten_times_gives_the_same_numbers(tmp_path: Path) -> None:
    whole = _make(tmp_path / "whole")
    started = time.monotonic()
    cells = _end(whole, _start(whole, str(tmp_path)))["cells"]
    seconds = time.monotonic() - started
    assert cells["failed"] == cells["left"] == 0, _stderr(whole).read_text()

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
        process.wait(60)
        assert _wait_until_gone(str(tmp_path)) == [], "workers outlived their study"
        kills_at.append(_num_done(killed))
    process = _start(killed, str(tmp_path))
    result = _end(killed, process)
    assert process.returncode == 0, _stderr(killed).read_text()
    assert result["cells"] == cells
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
    result = _end(study, process, 60)
    assert process.returncode == 130, _stderr(study).read_text()
    assert result["error"]["kind"] == "interrupted"
    assert "Traceback" not in _stderr(study).read_text()
    assert _wait_until_gone(str(tmp_path), 10.0) == []
    process = _start(study, str(tmp_path))
    result = _end(study, process)
    assert process.returncode == 0, _stderr(study).read_text()
    assert result["cells"]["left"] == 0
