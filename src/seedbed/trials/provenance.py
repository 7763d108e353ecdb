"""What made a number: versions and commit.

In: nothing. Out: names and versions for manifests and reports; never part of a key.
"""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from seedbed import __version__


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, of the packages that make the numbers, and the commit of seedbed where it runs from a checkout."""
    found = {"python": platform.python_version()}
    found["seedbed"] = __version__
    for package in ("torch", "numpy", "Pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"commit": _commit()}


def _commit() -> str:
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
