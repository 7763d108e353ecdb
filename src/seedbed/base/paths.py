"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Replace "~" by the home folder; "~name" of an unknown user stays as it is."""
    # Path.expanduser raises for an unknown user.
    return Path(os.path.expanduser(path))  # noqa: PTH111
