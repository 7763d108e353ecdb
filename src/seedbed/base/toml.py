"""Values and keys as TOML text, for the study files that are written with their comments.

In: plain values. Out: one line each. Reading TOML is the standard library's.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any


def toml_value(value: Any) -> str:
    """One line of TOML: strings quoted, whole numbers with `_` between thousands, lists, mappings
    as inline tables.

    >>> print(toml_value({"recipe": "images(per_class=50)", "images_seen": [100_000, 300_000]}))
    { recipe = "images(per_class=50)", images_seen = [100_000, 300_000] }
    """
    if isinstance(value, Mapping):
        return (
            "{ "
            + ", ".join(f"{toml_key(key)} = {toml_value(inner)}" for key, inner in value.items())
            + " }"
        )
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    if isinstance(value, os.PathLike):
        return toml_value(os.fspath(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None:
        raise TypeError("TOML has no word for None")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """A key as it is, where it needs no quotes."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)
