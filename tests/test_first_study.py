"""The tutorial of a first study: its commands and its Python run, on fewer images and a smaller
network."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from seedbed.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "tutorials" / "first-study.md").read_text()
SMALLER = {
    "toy(per_class=200)": "toy(per_class=3, test_per_class=1)",
    "per_class=20, test_per_class=20": "per_class=3, test_per_class=2",
    "digits(train_per_class=20)": "digits(train_per_class=5)",
    "small(width=16)": "small(width=2)",
    "30_000": "64",
    "probe()": "probe(c=[1.0])",
    "size_px = 32": "size_px = 16",
    "size_px=32": "size_px=16",
}


def _smaller(text: str) -> str:
    for old, new in SMALLER.items():
        text = text.replace(old, new)
    return text


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seedbed.trials.cost._MEASURE_S", 0.05)
    return tmp_path


def test_the_study_file_and_the_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, target = map(_smaller, _blocks("toml"))
    file = folder / "tenth.toml"
    file.write_text(study)
    printed = []
    for command in re.findall(r"^\$ (seedbed .*)$", PAGE, re.MULTILINE):
        arguments = shlex.split(command)[1:]
        if len(printed) == 2:
            file.write_text(study.replace("[targets]\n", f"[targets]\n{target}"))
        arguments += ["--executor", "inline"] if arguments[:2] == ["study", "run"] else []
        assert main(arguments) == 0, command
        printed.append(capsys.readouterr().out)
    # What the page quotes: steps and cells do not depend on the size.
    assert "tenth: 18 steps (0 done), 15 cells" in PAGE
    assert "tenth: 18 steps (0 done), 15 cells" in printed[0]
    assert "27 steps (18 done)" in PAGE
    assert "27 steps (18 done)" in printed[2]
    assert "drawings, probe: top-1 accuracy" in printed[3]
    written = {path.name for path in (folder / "tenth.study").iterdir()}
    assert {"report.html", "results.csv", "results.parquet", "answers.json"} <= written


def test_the_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = map(_smaller, _blocks("python"))
    code = code.replace("seeds=3,", 'seeds=2, backbone="small(width=2)",')
    code = code.replace("study.run()", 'study.run(executor="inline")')
    exec(compile(code, "docs/tutorials/first-study.md", "exec"), {})
    assert "tenth" in capsys.readouterr().out
    assert (folder / "tenth.html").is_file()
