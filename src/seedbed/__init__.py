"""seedbed: what in pre-training data makes transfer work, and transfer to your own data.

Names are imported when they are first used, so that `import seedbed` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedbed.api.advice import advise
    from seedbed.api.data import Source, audit, pack
    from seedbed.api.models import export, load, predict, similar
    from seedbed.api.networks import codes, pretrain, reference_codes
    from seedbed.api.scoring import score
    from seedbed.api.studies import Study, answers, ask, findings, report, run
    from seedbed.api.transfer import transfer
    from seedbed.base.errors import BadDataError, SeedbedError, UsageError
    from seedbed.data.hierarchy import Hierarchy
    from seedbed.data.recipes import Recipe
    from seedbed.data.store import Store
    from seedbed.models.backbone import Backbone
    from seedbed.tasks.task import Task

__version__ = "0.1.0"

_MODULES = {
    "Backbone": "seedbed.models.backbone",
    "BadDataError": "seedbed.base.errors",
    "Hierarchy": "seedbed.data.hierarchy",
    "Recipe": "seedbed.data.recipes",
    "SeedbedError": "seedbed.base.errors",
    "Source": "seedbed.api.data",
    "Store": "seedbed.data.store",
    "Study": "seedbed.api.studies",
    "Task": "seedbed.tasks.task",
    "UsageError": "seedbed.base.errors",
    "advise": "seedbed.api.advice",
    "answers": "seedbed.api.studies",
    "ask": "seedbed.api.studies",
    "audit": "seedbed.api.data",
    "codes": "seedbed.api.networks",
    "export": "seedbed.api.models",
    "findings": "seedbed.api.studies",
    "load": "seedbed.api.models",
    "pack": "seedbed.api.data",
    "predict": "seedbed.api.models",
    "pretrain": "seedbed.api.networks",
    "reference_codes": "seedbed.api.networks",
    "report": "seedbed.api.studies",
    "run": "seedbed.api.studies",
    "score": "seedbed.api.scoring",
    "similar": "seedbed.api.models",
    "transfer": "seedbed.api.transfer",
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
    "reference_codes",
    "report",
    "run",
    "score",
    "similar",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(
        f"module 'seedbed' has no attribute {name!r}; it has: {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
