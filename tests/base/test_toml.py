"""Values as TOML text, read back by the standard library."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.base.toml import toml_key, toml_value

_PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8")),
)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@given(st.text(st.characters(codec="utf-8"), min_size=0), _VALUES)
def test_written_values_are_read_back(key: str, value: object) -> None:
    assert tomllib.loads(f"{toml_key(key)} = {toml_value(value)}") == {key: value}


def test_paths_infinities_and_none() -> None:
    assert tomllib.loads(f"a = {toml_value(Path('x y') / 'z')}\nb = {toml_value(math.inf)}") == {
        "a": "x y/z",
        "b": math.inf,
    }
    with pytest.raises(TypeError, match="None"):
        toml_value({"a": [None]})
