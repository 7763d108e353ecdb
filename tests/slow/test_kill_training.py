"""A pre-training killed twenty times at random moments, and gone on with each time: the same
weights, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seedbed.data.pack import pack

pytestmark = pytest.mark.slow
KILLS = 20


def _command(store: Path, out: Path) -> list[str]:
    """Each training has a workspace of its own: a finished one would not be repeated."""
    # A checkpoint every 50 ms, so that twenty kills find twenty states; alexnet has dropout, whose
    # noise must come back too.
    options = [
        "--images-seen",
        "9600",
        "--batch-size",
        "32",
        "--learning-rate",
        "0.01",
        "--checkpoint-minutes",
        "0.001",
        "--device",
        "cpu",
    ]
    backbone = "alexnet(stem='small')"
    return [
        sys.executable,
        "-m",
        "seedbed.cli",
        "pretrain",
        str(store),
        "--backbone",
        backbone,
        "--out",
        str(out),
        "--workspace",
        str(_workspace(out)),
        *options,
    ]


def _workspace(out: Path) -> Path:
    return out.parent / f"{out.name}.workspace"


def _unfinished(out: Path) -> set[tuple[str, int]]:
    """The states of unfinished trainings, with their times."""
    paths = (_workspace(out) / "unfinished").glob("*.safetensors")
    return {(path.name, path.stat().st_mtime_ns) for path in paths}


def test_killed_twenty_times_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    store = pack(
        "toy(per_class=20, test_per_class=2)", tmp_path / "toy.store", size_px=16
    ).store.path
    environment = os.environ | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    started = time.monotonic()
    subprocess.run(
        _command(store, tmp_path / "whole"), check=True, capture_output=True, env=environment
    )
    seconds = time.monotonic() - started
    generator, kills, ended = np.random.default_rng(0), 0, False
    while kills < KILLS and not ended:
        process = subprocess.Popen(
            _command(store, tmp_path / "cut"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        before = _unfinished(tmp_path / "cut")
        deadline = time.monotonic() + 60
        while (
            _unfinished(tmp_path / "cut") == before
            and process.poll() is None
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)  # it has begun, and left a state of its own
        try:
            process.wait(generator.uniform(0, seconds / KILLS))
            ended = True
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    assert not ended, f"it ended after {kills} kills: give it more to do"
    print(f"{kills} kills of a training of {seconds:.0f} s")
    done = subprocess.run(
        [*_command(store, tmp_path / "cut"), "--json"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (tmp_path / "cut" / "weights.safetensors").read_bytes() == (
        tmp_path / "whole" / "weights.safetensors"
    ).read_bytes()
    import json

    resumed = json.loads(done.stdout)["resumed_at"]
    print(f"went on at steps {resumed} of 300")
    assert len(resumed) >= KILLS
    assert not _unfinished(tmp_path / "cut")
