"""seedbed: what in a pre-training data set makes transfer work, and how to transfer to your own
data.

Names are imported when they are first used, so that `import seedbed` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedbed.api import (
        advise,
        answers,
        ask,
        audit,
        codes,
        export,
        findings,
        load,
        pack,
        predict,
        pretrain,
        report,
        score,
        similar,
        transfer,
    )
    from seedbed.base.errors import BadDataError, SeedbedError, UsageError
    from seedbed.data.hierarchy import Hierarchy
    from seedbed.data.recipes import Recipe
    from seedbed.data.source import Source
    from seedbed.data.store import Store
    from seedbed.models.backbone import Backbone
    from seedbed.tasks.task import Task
    from seedbed.trials.study import Study

__version__ = "0.1.0"

_PLACES = {
    "Backbone": "seedbed.models.backbone",
    "BadDataError": "seedbed.base.errors",
    "Hierarchy": "seedbed.data.hierarchy",
    "Recipe": "seedbed.data.recipes",
    "SeedbedError": "seedbed.base.errors",
    "Source": "seedbed.data.source",
    "Store": "seedbed.data.store",
    "Study": "seedbed.trials.study",
    "Task": "seedbed.tasks.task",
    "UsageError": "seedbed.base.errors",
    "advise": "seedbed.api",
    "answers": "seedbed.api",
    "ask": "seedbed.api",
    "audit": "seedbed.api",
    "codes": "seedbed.api",
    "export": "seedbed.api",
    "findings": "seedbed.api",
    "load": "seedbed.api",
    "pack": "seedbed.api",
    "predict": "seedbed.api",
    "pretrain": "seedbed.api",
    "report": "seedbed.api",
    "score": "seedbed.api",
    "similar": "seedbed.api",
    "transfer": "seedbed.api",
}

__all__ = [
    "Backbone",
    "BadDataError",
    "Hierarchy",
    "Recipe",
    "SeedbedError",
    "Source",
    "Store",
    "Study",
    "Task",
    "UsageError",
    "advise",
    "answers",
    "ask",
    "audit",
    "codes",
    "export",
    "findings",
    "load",
    "pack",
    "predict",
    "pretrain",
    "report",
    "score",
    "similar",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(
        f"module 'seedbed' has no attribute {name!r}; it has: {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
