"""Errors for users: they name the value, the valid choices and the next step."""

from __future__ import annotations

import pickle

import pytest

from seedbed.base.errors import (
    BadDataError,
    SeedbedError,
    StorageError,
    TrainingError,
    UsageError,
    nearest,
    unknown,
)


@pytest.mark.parametrize(
    ("cls", "status"), [(UsageError, 2), (BadDataError, 3), (TrainingError, 1), (StorageError, 1)]
)
def test_each_kind_knows_its_exit_status(cls: type[SeedbedError], status: int) -> None:
    error = cls("message", "hint")
    assert (error.exit_status, error.to_dict()) == (
        status,
        {"kind": cls.kind, "message": "message", "hint": "hint"},
    )


def test_the_text_is_message_then_hint() -> None:
    assert str(UsageError("wrong", "do this")) == "wrong\ndo this"
    assert str(UsageError("wrong")) == "wrong"


def test_errors_survive_pickling_between_processes() -> None:
    error = pickle.loads(pickle.dumps(BadDataError("broken", "repair it")))
    assert type(error) is BadDataError
    assert (error.message, error.hint) == ("broken", "repair it")


def test_unknown_names_value_place_nearest_and_all_choices() -> None:
    error = unknown("recipe", "imges", ["images", "classes"], "arm 'half'")
    assert error.message == "unknown recipe 'imges' in arm 'half'"
    assert error.hint == "Did you mean 'images'? Valid: classes, images."


def test_unknown_guesses_nothing_when_nothing_is_near() -> None:
    assert unknown("recipe", "zzz", ["images"]).hint == "Valid: images."
    assert unknown("recipe", "zzz", []).hint == "Valid: (none)."
    assert nearest("zzz", ["images"]) is None


def test_the_first_forty_of_many_valid_names_are_listed() -> None:
    hint = unknown("class", "zz", [f"c{i:03}" for i in range(100)]).hint
    assert "c039, ... (100 in all)" in hint and "c040" not in hint
