"""What made a number: versions and commit.

In: nothing. Out: names and versions for manifests and reports; never part of a key.
"""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python, of the packages that make the numbers, and the commit of seedbed where it
    runs from a checkout."""
    texts = {"python": platform.python_version()}
    for package in ("seedbed", "torch", "numpy", "Pillow"):
        try:
            texts[package] = version(package)
        except PackageNotFoundError:
            texts[package] = "source tree" if package == "seedbed" else "not installed"
    return texts | {"commit": _commit()}


def _commit() -> str:
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
