"""The network tables in the docs are up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_in_the_docs_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_networks", DOCS / "make_networks.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (DOCS / "reference" / "networks.md").read_text(encoding="utf-8")
    tables = text.partition(script.MARK)[2]
    assert tables.strip() == script.tables().strip(), "run: python docs/make_networks.py"
