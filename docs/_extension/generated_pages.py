"""Fill the generated parts of pages when the site is built.

In: pages with lines such as `<!-- generated: methods -->`. Out: the same pages, each such line
replaced by Markdown that is made from the argument parser, a plug-in table or a record of seedbed.
The list of generators is `GENERATORS` at the end of the file.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

MARK = re.compile(r"^<!-- generated: (?P<name>[\w-]+) -->$", re.MULTILINE)


def fill(text: str) -> str:
    """The page with every mark replaced; raises KeyError for an unknown name."""
    return MARK.sub(lambda match: GENERATORS[match["name"]](), text)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(columns)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(c) for c in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def command_line() -> str:
    """Every command of the argument parser: usage, arguments, options."""
    from seedbed.cli.parser import build_parser

    return "\n\n".join(_command_sections(build_parser(), "seedbed"))


def _command_sections(parser: argparse.ArgumentParser, name: str) -> Iterable[str]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        for verb, child in action.choices.items():
            if any(isinstance(a, argparse._SubParsersAction) for a in child._actions):
                yield from _command_sections(child, f"{name} {verb}")
            else:
                yield _command_section(child, f"{name} {verb}")


def _command_section(parser: argparse.ArgumentParser, name: str) -> str:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    usage = textwrap.fill(usage, 88, subsequent_indent=" " * 8, break_long_words=False)
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    rows = [(_argument_name(a), _argument_help(a)) for a in actions]
    arguments = table(("argument", "meaning"), rows)
    return f"## {name}\n\n{parser.description}\n\n```text\n{usage}\n```\n\n{arguments}"


def _argument_name(action: argparse.Action) -> str:
    value = action.metavar or action.dest.upper()
    if not action.option_strings:
        return f"`{value}`"
    shown = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{option}{shown}`" for option in action.option_strings)


def _argument_help(action: argparse.Action) -> str:
    values = {**vars(action), "prog": "seedbed"}
    text = (action.help or "") % values
    repeated = isinstance(action, argparse._AppendAction) and "several times" not in text
    text += " (may be given several times)" if repeated else ""
    return text + (" (required)" if action.option_strings and action.required else "")


def plugins(registry: Any) -> str:
    """A table of a registry: the call with its defaults, and the summary."""
    rows = [(f"`{row['call']}`", row["summary"]) for row in registry.describe()]
    return table(("call, with its defaults", "meaning"), rows)


def formats() -> str:
    from seedbed.data.formats import FORMATS

    return plugins(FORMATS)


def recipes() -> str:
    """Recipes, with the kind of each."""
    from seedbed.data.recipes import RECIPES, ClassRecipe, ImageRecipe

    def kind(name: str) -> str:
        cls = RECIPES.get(name)
        return {ClassRecipe: "class", ImageRecipe: "image"}.get(cls.__bases__[0], "label")

    rows = [(f"`{row['call']}`", kind(row["name"]), row["summary"]) for row in RECIPES.describe()]
    return table(("call, with its defaults", "kind", "meaning"), rows)


def methods() -> str:
    """Methods, with the tasks that each can do."""
    from seedbed.transfers.methods import METHODS

    rows = []
    for row in METHODS.describe():
        tasks = ", ".join(METHODS.get(row["name"]).takes)
        rows.append((f"`{row['name']}()`", tasks, row["summary"]))
    return table(("method", "tasks", "meaning"), rows)


def method_settings() -> str:
    """A section for each method: its settings and their defaults, and the rest of its docstring."""
    from seedbed.transfers.methods import METHODS

    sections = []
    for name in METHODS.names():
        cls = METHODS.get(name)
        rows = [
            (f"`{f.name}`", _values(f), f"`{_plain(f.default)!r}`")
            for f in dataclasses.fields(cls)
            if f.init
        ]
        body = table(("setting", "values", "default"), rows) if rows else "It has no settings."
        details = inspect.cleandoc(cls.__doc__ or "").split("\n\n", 1)[1:]
        sections += [f"### {name}()", body, *details]
    return "\n\n".join(sections)


def _plain(value: Any) -> Any:
    """A value as it is written in a call: tuples as lists."""
    return list(value) if isinstance(value, tuple) else value


def _values(field: dataclasses.Field[Any]) -> str:
    """The type of a setting in words: its literal values, or numbers, lists of numbers, text."""
    text = str(field.type)
    for match in re.findall(r"Literal\[([^\]]*)\]", text):
        text = text.replace(f"Literal[{match}]", match.replace(", ", " | "))
    text = re.sub(r"tuple\[(\w+), \.\.\.\]", r"list of \1", text)
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "`True`, `False`"}
    parts = [part.strip() for part in text.split("|")]
    return ", ".join(
        f"`{w}`" if w.startswith(("'", "None")) else _in_words(w, words) for w in parts
    )


def _in_words(text: str, words: dict[str, str]) -> str:
    if text.startswith("list of "):
        return f"list of {words[text.removeprefix('list of ')]}s"
    return words.get(text, f"`{text}`")


def tasks() -> str:
    from seedbed.tasks.catalogue import TASKS

    return plugins(TASKS)


def metrics() -> str:
    """Metrics: unit and range, direction, what the test consists of, default margin."""
    from seedbed.metrics import METRICS

    rows = []
    for name in METRICS:
        metric = METRICS.get(name)
        better = "higher" if metric.higher_is_better else "lower"
        span = f"0 to {metric.highest:g} {'%' if metric.unit == 'percent' else ''}".strip()
        margin = f"{metric.default_margin:g}"
        rows.append((f"`{name}`", metric.title, span, better, metric.counted_in[1], margin))
    return table(("name", "title", "range", "better", "counted in", "default margin"), rows)


def questions() -> str:
    from seedbed.verdicts.questions import QUESTIONS

    rows = [(f"`{row['name']}`", row["summary"]) for row in QUESTIONS.describe()]
    return table(("question", "in words"), rows)


def executors() -> str:
    from seedbed.trials.executors import EXECUTORS

    return plugins(EXECUTORS)


def backbones() -> str:
    from seedbed.models.zoo import BACKBONES

    return plugins(BACKBONES)


def objectives() -> str:
    from seedbed.pretraining.objectives import OBJECTIVES

    return plugins(OBJECTIVES)


GENERATORS: dict[str, Callable[[], str]] = {
    "backbones": backbones,
    "command-line": command_line,
    "executors": executors,
    "formats": formats,
    "method-settings": method_settings,
    "methods": methods,
    "metrics": metrics,
    "objectives": objectives,
    "questions": questions,
    "recipes": recipes,
    "tasks": tasks,
}


def setup(app: Any) -> dict[str, Any]:
    """Sphinx's entry point."""

    def fill_source(_app: Any, _page: str, source: list[str]) -> None:
        source[0] = fill(source[0])

    app.connect("source-read", fill_source)
    return {"parallel_read_safe": True}
