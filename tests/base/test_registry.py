"""Registries of plug-ins: lazy imports, errors for unknown names, entry points of outside
packages."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from seedbed.base import registry as registry_module
from seedbed.base.call import Call
from seedbed.base.errors import UsageError
from seedbed.base.registry import Registry


@dataclass(frozen=True)
class Thing:
    """A thing with a size.

    Not part of the summary.
    """

    size: int = 2


def _registry(**entry_points: str) -> Registry[Thing]:
    registry: Registry[Thing] = Registry("thing", "seedbed.things_of_tests")
    registry.add("thing", f"{__name__}:Thing")
    registry.__dict__["_entry_points"] = {
        n: EntryPoint(n, class_path, "seedbed.things_of_tests")
        for n, class_path in entry_points.items()
    }
    return registry


def test_a_class_is_imported_on_first_use() -> None:
    registry = _registry()
    registry.add("broken", "no_such_module_at_all:Broken")
    assert registry.names() == ["broken", "thing"]
    assert registry.get("thing") is Thing
    with pytest.raises(ModuleNotFoundError):
        registry.get("broken")


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        _registry().get("thnig", "arm 'a'")
    assert caught.value.message == "unknown thing 'thnig' in arm 'a'"
    assert "'thing'" in caught.value.hint


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        _registry().add("thing", "elsewhere:Thing")


@pytest.mark.parametrize(
    "call", ["thing(size=5)", "thing(5)", Call(name="thing", kwargs={"size": 5})]
)
def test_make_takes_a_text_or_a_call(call: Call | str) -> None:
    assert _registry().make(call) == Thing(5)


def test_make_checks_settings() -> None:
    with pytest.raises(UsageError, match="size = 'big'"):
        _registry().make("thing(size='big')")


def test_describe_shows_name_call_and_first_line() -> None:
    assert _registry().describe() == [
        {"name": "thing", "call": "thing(size=2)", "summary": "A thing with a size."}
    ]


def test_outside_packages_join_and_built_in_names_win() -> None:
    registry = _registry(thing="builtins:dict", other="builtins:int")
    assert registry.names() == ["other", "thing"]
    assert registry.get("thing") is Thing
    assert registry.get("other") is int


def test_an_outside_package_that_fails_to_import_is_named() -> None:
    with pytest.raises(UsageError, match="no_such_package:Odd cannot be imported"):
        _registry(odd="no_such_package:Odd").get("odd")


def test_entry_points_are_looked_up_by_group(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[str] = []

    def entry_points(group: str) -> list[EntryPoint]:
        groups.append(group)
        return [EntryPoint("counter", "collections:Counter", group)]

    monkeypatch.setattr(registry_module, "entry_points", entry_points)
    assert Registry("thing", "seedbed.some_group").names() == ["counter"]
    assert groups == ["seedbed.some_group"]
