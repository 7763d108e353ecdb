"""The pages under "Extend seedbed": each package is written to disk as printed and registered by
its own entry point, and its contract test and commands run."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import seedbed as sb
from seedbed.data.formats import FORMATS
from seedbed.data.recipes import RECIPES
from seedbed.metrics import METRICS
from seedbed.transfers.methods import METHODS
from seedbed.trials.executors import EXECUTORS
from seedbed.verdicts.questions import QUESTIONS

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(p for p in (DOCS / "how-to" / "extend").glob("*.md") if p.stem != "index")
PAGES_BY_NAME = {page.stem: page for page in PAGES}
REGISTRIES = {
    r.group: r for r in (EXECUTORS, FORMATS, METHODS, METRICS._registry, QUESTIONS, RECIPES)
}


def _files(page: Path) -> dict[str, str]:
    """File name -> content, of the blocks of code that stand under a file name."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(blocks)


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def package(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    add_entry_points: Callable[..., None],
) -> Iterator[Path]:
    """The package of a page, installed."""
    files = _files(request.param)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    for group, entries in project["entry-points"].items():
        add_entry_points(REGISTRIES[group], **entries)
    yield tmp_path
    for name in files:
        sys.modules.pop(Path(name).stem, None)


def test_every_kind_has_a_page() -> None:
    assert {page.stem for page in PAGES} == {
        "executor",
        "format",
        "method",
        "metric",
        "question",
        "recipe",
    }


def test_the_contract_test_passes(package: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (file,) = package.glob("test_*.py")
    tests = [f for n, f in vars(importlib.import_module(file.stem)).items() if n.startswith("test")]
    assert tests
    for test in tests:
        given: dict[str, Any] = {}
        if "tmp_path" in inspect.signature(test).parameters:
            given["tmp_path"] = tmp_path_factory.mktemp("page")
        test(**given)


@pytest.mark.parametrize("package", [PAGES_BY_NAME["metric"]], indirect=True, ids=["metric"])
def test_a_target_may_be_measured_by_the_metric_of_the_page(package: Path) -> None:
    measured = sb.transfer(
        "small(width=4, weights='random', size_px=8)",
        "digits(train_per_class=5, metric='top3')",
        "probe(c=[1.0])",
        workspace=package,
    )
    assert measured.primary == "top3"
    assert measured.metrics["top1"] < measured.metrics["top3"] < measured.metrics["top5"]


def test_the_wheel_holds_the_module(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text())
    (module,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert (package / module).is_file()
    for entries in project["project"]["entry-points"].values():
        assert all(path.split(":")[0] == Path(module).stem for path in entries.values())
