"""Folders and files are written atomically."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seedbed.base import artifacts
from seedbed.base.artifacts import (
    _HOST,
    MANIFEST,
    Workspace,
    atomic_folder,
    folder_bytes,
    remove_abandoned,
    write_json,
)
from seedbed.base.errors import StorageError


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    final = tmp_path / "deep" / "result"
    with atomic_folder(final) as aside:
        (aside / "a.txt").write_text("x")
        assert not final.exists()
    assert [p.name for p in final.parent.iterdir()] == ["result"]
    assert (final / "a.txt").read_text() == "x"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_crash_inside_the_block_leaves_nothing(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    with pytest.raises(failure), atomic_folder(tmp_path / "result") as aside:
        (aside / "a.txt").write_text("half")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_crash_keeps_the_older_folder(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "result") as aside:
        (aside / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "result"):
        raise RuntimeError
    assert (tmp_path / "result" / "a.txt").read_text() == "old"


def test_a_new_folder_replaces_all_of_the_older_one(tmp_path: Path) -> None:
    for name in ("old.txt", "new.txt"):
        with atomic_folder(tmp_path / "result") as aside:
            (aside / name).write_text(name)
    assert [p.name for p in tmp_path.iterdir()] == ["result"]
    assert [p.name for p in (tmp_path / "result").iterdir()] == ["new.txt"]


def test_sweep_removes_what_dead_writers_left(tmp_path: Path, dead_pid: int) -> None:
    (tmp_path / f"x.writing-{_HOST}-{dead_pid}-0a1b2c3d").mkdir()
    (tmp_path / f"x.writing-{_HOST}-{dead_pid}-0a1b2c3d" / "part").write_text("half")
    (tmp_path / f"card.json.writing-{_HOST}-{dead_pid}-0a1b2c3d").write_text("{")
    remove_abandoned(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sweep_spares_living_writers_and_everything_else(tmp_path: Path) -> None:
    names = {
        f"x.writing-{_HOST}-{os.getpid()}-0a1b2c3d",
        "x",
        "x.writing",
        "x.writing-soon-0a",
        "writing-1.txt",
    }
    for name in names:
        (tmp_path / name).mkdir()
    remove_abandoned(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == names


def test_another_machines_writers_are_left_alone_for_a_week(tmp_path: Path, dead_pid: int) -> None:
    for name, age_s in (("fresh", 6 * 86400), ("stale", 8 * 86400)):
        path = tmp_path / f"{name}.writing-elsewhere-{dead_pid}-0a"
        path.mkdir()
        os.utime(path, (time.time() - age_s,) * 2)
    remove_abandoned(tmp_path)
    assert [p.name.split(".")[0] for p in tmp_path.iterdir()] == ["fresh"]


def test_writing_sweeps_first(tmp_path: Path, dead_pid: int) -> None:
    (tmp_path / f"other.writing-{_HOST}-{dead_pid}-0a1b2c3d").mkdir()
    with atomic_folder(tmp_path / "result"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EACCES, "no permission"),
    ],
)
def test_a_system_error_of_the_disk_becomes_a_storage_error(
    tmp_path: Path, number: int, message: str
) -> None:
    with pytest.raises(StorageError, match=message) as caught, atomic_folder(tmp_path / "result"):
        raise OSError(number, os.strerror(number))
    assert "result" in caught.value.message
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_another_system_error_passes_unchanged(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError), atomic_folder(tmp_path / "result"):
        raise TimeoutError(errno.ETIMEDOUT, "timed out")


def test_a_full_disk_while_writing_json_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "card.json"
    write_json(path, {"n": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No workspace left on device")

    monkeypatch.setattr(artifacts.os, "replace", full)
    with pytest.raises(StorageError):
        write_json(path, {"n": 2})
    assert json.loads(path.read_text()) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["card.json"]


def test_invalid_json_is_rejected_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "card.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_json_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from seedbed.base.artifacts import write_json; "
        "write_json(Path('c.json'), {'n': '\\u732b'})"
    )
    source = str(Path(artifacts.__file__).parents[2])
    env = {
        "PYTHONPATH": source,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PATH": os.environ["PATH"],
    }
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, check=True, capture_output=True
    )
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8")) == {"n": "\u732b"}


def test_a_step_is_done_once_its_manifest_is_there(tmp_path: Path) -> None:
    workspace, manifest = Workspace(tmp_path), {"kind": "test"}
    with workspace.adding("backbones", "k1", manifest) as folder:
        (folder / "weights").write_bytes(b"12345")
        manifest["seconds"] = "3"
        assert not (folder / MANIFEST).exists()
        assert not workspace.has("backbones", "k1")
    assert workspace.has("backbones", "k1")
    assert workspace.manifest("backbones", "k1") == {"kind": "test", "seconds": "3"}
    assert folder_bytes(workspace.folder("backbones", "k1")) > 5


def test_keys_lists_finished_steps_only(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.keys("backbones") == []
    for key in ("b", "a"):
        with workspace.adding("backbones", key, {}):
            pass
    workspace.folder("backbones", "unfinished").mkdir()
    assert workspace.keys("backbones") == ["a", "b"]


def test_the_first_of_two_writers_of_one_key_wins(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with (
        workspace.adding("kind", "key", {"by": "second"}) as second,
        workspace.adding("kind", "key", {"by": "first"}) as first,
    ):
        (second / "data").write_text("second")
        (first / "data").write_text("first")
    assert workspace.manifest("kind", "key") == {"by": "first"}
    assert (workspace.folder("kind", "key") / "data").read_text() == "first"
    assert [p.name for p in (tmp_path / "kind").iterdir()] == ["key"]


def test_many_writers_of_one_key_leave_one_finished_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    missing = []

    def write(number: int) -> None:
        for _ in range(50):
            with workspace.adding("kind", "key", {"by": number}) as folder:
                (folder / "data").write_text(str(number))
            missing.append(not workspace.has("kind", "key"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert not any(missing)
    assert [p.name for p in (tmp_path / "kind").iterdir()] == ["key"]


def test_a_named_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_json(tmp_path / "pipe", {"a": 1})
    assert json.loads(os.read(reader, 100)) == {"a": 1}
    assert (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_writing_json_to_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write .*directory"):
        write_json(tmp_path, {})
