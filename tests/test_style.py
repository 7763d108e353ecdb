"""The style of src: lengths of lines, functions and modules, and words that are no names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "src").rglob("*.py"))

MAX_COLUMNS = 100
MAX_FUNCTION_LINES = 50
MAX_MODULE_LINES = 400

# Checks that src does not pass yet: "columns", "functions", "modules", "names".
# Each is removed here as soon as src passes it.
NOT_PASSED_YET: tuple[str, ...] = ()


def _check(name: str) -> pytest.MarkDecorator:
    """Let a check that is listed in NOT_PASSED_YET fail."""
    return pytest.mark.xfail(name in NOT_PASSED_YET, reason=f"src breaks it: {name}", strict=False)


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_text(path))


def _place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def excluded_words(text: str) -> set[str]:
    """The words in backticks in the first column of the table under "Words not used as names"."""
    section = re.search(r"^#+ Words not used as names$(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert section, "CONTRIBUTING.md has no heading 'Words not used as names'"
    rows = re.findall(r"^\|([^|]*)\|", section[1], re.M)
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def function_lengths(tree: ast.Module) -> Iterator[tuple[ast.AST, str, int]]:
    """Each function with its name and its number of lines, docstring and decorators excluded."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno
            num = node.end_lineno - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None and first.end_lineno:
                num -= first.end_lineno - first.lineno + 1
            yield node, node.name, num


def defined_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each name that the module itself gives to something: functions, classes, parameters,
    variables, attributes and import aliases, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str()):
                yield node.lineno, str(node.asname)
            case ast.ExceptHandler(name=str()):
                yield node.lineno, str(node.name)
            case ast.MatchAs(name=str()) | ast.MatchStar(name=str()):
                yield node.lineno, str(node.name)
            case ast.MatchMapping(rest=str()):
                yield node.lineno, str(node.rest)


@_check("columns")
def test_no_line_is_above_100_columns() -> None:
    long = [
        f"{_place(path, number)}: {len(line)} columns"
        for path in MODULES
        for number, line in enumerate(_text(path).splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert long == []


@_check("functions")
def test_no_function_is_above_50_lines() -> None:
    long = [
        f"{_place(path, getattr(node, 'lineno', 0))}: {name} has {num} lines"
        for path in MODULES
        for node, name, num in function_lengths(_tree(path))
        if num > MAX_FUNCTION_LINES
    ]
    assert long == []


@_check("modules")
def test_no_module_is_above_400_lines() -> None:
    lengths = {path: len(_text(path).splitlines()) for path in MODULES}
    long = [f"{_place(p, n)} lines" for p, n in lengths.items() if n > MAX_MODULE_LINES]
    assert long == []


@_check("names")
def test_no_name_is_a_word_that_says_nothing() -> None:
    words = excluded_words(_text(ROOT / "CONTRIBUTING.md"))
    assert {"found", "made", "told", "wanted"} <= words
    bad = sorted(
        f"{_place(path, line)}: {name}"
        for path in MODULES
        for line, name in set(defined_names(_tree(path)))
        if name.strip("_") in words
    )
    assert bad == []


def test_the_checks_see_what_they_look_for() -> None:
    text = '''\
import os as kept
def found(told, *put, made=1):
    """One line,

    two more."""
    try:
        self.given = [taken for taken in told]
    except ValueError as asked:
        os.gone
    match told:
        case [said, *theirs]: pass
        case {"a": 1, **mine}: pass
    for ours, (_own_, _) in told: wanted: int = 1
'''
    tree = ast.parse(text)
    assert [(name, num) for _, name, num in function_lengths(tree)] == [("found", 9)]
    names = "kept found told put made given taken asked said theirs mine ours _own_ _ wanted"
    assert {name for _, name in defined_names(tree)} == set(names.split())
    table = (
        "# Words not used as names\n\n| word | write |\n|---|---|\n| `found`, `made` | `rows` |\n"
    )
    assert excluded_words(table + "\n## Else\n\n| `x` | y |\n") == {"found", "made"}
