"""Write values and keys as TOML, for study files with comments.

The standard library reads TOML but does not write it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any


def toml_value(value: Any) -> str:
    """A value as one line of TOML: strings in quotes, integers with `_` between thousands, mappings
    as inline tables.

    >>> print(toml_value({"recipe": "images(per_class=50)", "images_seen": [100_000, 300_000]}))
    { recipe = "images(per_class=50)", images_seen = [100_000, 300_000] }
    """
    if isinstance(value, Mapping):
        items = [f"{toml_key(key)} = {toml_value(inner)}" for key, inner in value.items()]
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    if isinstance(value, os.PathLike):
        return toml_value(os.fspath(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None:
        raise TypeError("TOML has no value for None")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """A key as TOML, in quotes if it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)
