"""Paths as people write them.

In: text. Out: a path. Knows nothing of what lies there.
"""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with "~" as the home folder; that of a user who is not there stays as it stands,
    which is nowhere."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises for an unknown user
