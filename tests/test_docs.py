"""The documentation agrees with the code: study files load, commands parse, links and names
resolve."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import seedbed
from seedbed.cli import main
from seedbed.cli.parser import build_parser
from seedbed.trials.study_file import load_study, parse_study, write_study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.questions import QUESTIONS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
STUDIES = sorted((DOCS / "studies").glob("*.toml"))
SCRIPTS = sorted(
    [
        DOCS / "make_networks.py",
        *(DOCS / "studies").glob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
        *(ROOT / "scripts").glob("*.py"),
    ]
)
# Pages of the site, and those that GitHub shows.
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
# Records of what was done then: their commands and names are those of their day.
HISTORY = ("log.md", "benchmarks", "decisions")


def _is_history(page: Path) -> bool:
    return page.is_relative_to(DOCS) and page.relative_to(DOCS).parts[0] in HISTORY


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


CURRENT = [page for page in TEXTS if not _is_history(page)]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_files_of_the_docs_load(path: Path) -> None:
    study = load_study(path)
    assert study.question in QUESTIONS.names()
    plain = (
        "tiny-imagenet-to-cifar10",
        "bccd-detection",
        "class-influence-check",
        "networks-for-advice",
        "shipped-network",
    )
    assert path.stem.startswith((study.question, *plain))
    assert path.read_text().startswith("#")
    assert parse_study(write_study(study), path) == study


def test_there_are_study_files_of_the_paper() -> None:
    assert {"fine-or-coarse", "num-classes", "unrelated-data", "class-influence"} <= {
        path.stem for path in STUDIES
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_scripts_import(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(path.parent))
    name = f"docs_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    # imports inside functions
    for name in re.findall(r"^\s+from (seedbed[\w.]*) import", path.read_text(), re.MULTILINE):
        importlib.import_module(name)


def test_no_two_pages_have_one_title() -> None:
    titles = Counter(_title(page).casefold() for page in PAGES)
    assert [title for title, count in titles.items() if count > 1] == []


def _title(page: Path) -> str:
    match = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert match is not None, f"{_name(page)} has no title"
    return match[1]


@pytest.mark.parametrize("page", TEXTS, ids=_name)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("page", CURRENT, ids=_name)
def test_commands_on_the_pages_parse(page: Path) -> None:
    """Each `$ seedbed ...` names commands and options that exist."""
    for line in re.findall(r"^\$ (seedbed .*)$", page.read_text(encoding="utf-8"), re.MULTILINE):
        arguments = shlex.split(line.split(" > ")[0], comments=True)[1:]
        options = build_parser().parse_args(arguments)
        assert options.verb, line


@pytest.mark.parametrize("page", CURRENT, ids=_name)
def test_names_of_the_package_on_the_pages_exist(page: Path) -> None:
    """Each `seedbed.a.b` is a module or a name in one."""
    text = page.read_text(encoding="utf-8")
    names = set(re.findall(r"(?<![\w/.-])seedbed(?:\.\w+)+", text))
    groups = {f"seedbed.{kind}" for kind in ENTRY_POINT_GROUPS}
    assert [name for name in sorted(names - groups) if not _resolves(name)] == []


ENTRY_POINT_GROUPS = (
    "formats",
    "recipes",
    "backbones",
    "tasks",
    "methods",
    "objectives",
    "questions",
    "executors",
)


def _resolves(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return all((found := getattr(found, part, None)) is not None for part in parts[length:])
    return False


def test_the_folder_tables_are_the_folders() -> None:
    folders = {path.name for path in (ROOT / "src" / "seedbed").iterdir() if path.is_dir()}
    folders -= {"__pycache__"}
    for page in (ROOT / "README.md", DOCS / "explanation" / "data-flow.md"):
        rows = re.findall(r"^\| (`.*?) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
        named = {name for row in rows for name in re.findall(r"`(\w+)/`", row)}
        assert folders == named, _name(page)


def test_the_python_reference_has_every_public_name() -> None:
    text = (DOCS / "reference" / "python.md").read_text()
    documented = set(re.findall(r"auto\w+:: seedbed\.(\w+)$", text, re.MULTILINE))
    assert set(seedbed.__all__) <= documented


def test_members_that_the_python_reference_lists_exist() -> None:
    text = (DOCS / "reference" / "python.md").read_text()
    listed = re.findall(r"autoclass:: ([\w.]+)\n   :members: (.+)", text)
    assert listed
    for place, members in listed:
        module, _, name = place.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        assert [m for m in members.split(", ") if not hasattr(cls, m)] == [], place


def test_the_json_reference_has_every_field_of_an_answer() -> None:
    text = (DOCS / "reference" / "json.md").read_text()
    fields = set(Answer.__dataclass_fields__)
    assert fields <= set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("command", ["pack", "inspect", "audit", "transfer"])
def test_the_json_reference_has_every_field_of(command: str, tmp_path: Path, capsys: Any) -> None:
    data, work = "toy(per_class=4, test_per_class=2)", ["--workspace", str(tmp_path / "work")]
    options = {
        "pack": ["pack", data, str(tmp_path / "toy.store"), "--size-px", "8"],
        "inspect": ["inspect", data, "--recipe", "images(fraction=0.5)", *work],
        "audit": ["audit", data, *work],
        "transfer": ["transfer", "small", data, "probe(c=[1.0])", *work],
    }
    assert main([*options[command], "--json"]) == 0
    text = (DOCS / "reference" / "json.md").read_text()
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))
    assert set(json.loads(capsys.readouterr().out)) - documented == set()


def test_pages_that_the_code_names_exist() -> None:
    files = [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "benchmarks").iterdir(),
        *(ROOT / "scripts").iterdir(),
    ]
    missing = {
        f"{_name(file)}: {path}"
        for file in files
        if file.is_file() and file.suffix in {".py", ".md"}
        for path in re.findall(
            r"\bdocs/[\w/-]+\.(?:md|py|toml)\b", file.read_text(encoding="utf-8")
        )
        if not (ROOT / path).is_file()
    }
    assert missing == set()


@pytest.mark.parametrize("page", CURRENT, ids=_name)
def test_python_on_the_pages_calls_what_exists(page: Path) -> None:
    """Each block compiles, and each call of `sb.name(...)` fits the function's arguments."""
    assert _wrong_calls(page.read_text(encoding="utf-8")) == []


def test_calls_that_do_not_exist_are_seen() -> None:
    page = "```python\nsb.audit('photos')\nsb.audit(fotos='photos')\nsb.adit('photos')\n```\n"
    assert _wrong_calls(page) == ["sb.audit(fotos='photos')", "sb.adit('photos')"]


def _wrong_calls(page: str) -> list[str]:
    """The calls of `sb.name(...)` in the Python blocks that the package does not take."""
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(block))]
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return [ast.unparse(c) for c in calls if _is_public(c) and not _fits(c)]


def _is_public(call: ast.Call) -> bool:
    return ast.unparse(call.func).startswith("sb.")


def _fits(call: ast.Call) -> bool:
    keywords = {k.arg: None for k in call.keywords if k.arg}
    try:
        inspect.signature(_attribute(ast.unparse(call.func))).bind(*call.args, **keywords)
    except (AttributeError, TypeError):
        return False
    return True


def _attribute(name: str) -> Any:
    value: Any = seedbed
    for part in name.split(".")[1:]:
        value = getattr(value, part)
    return value
