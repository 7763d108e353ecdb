"""The verbs for Python: each takes paths or objects, and means what the command of the same name
means.

In: what a user has. Out: what the verb makes. The command line is a thin layer over these.
"""

from seedbed.api.advising import advise
from seedbed.api.data import open_store, pack, rows_of
from seedbed.api.networks import codes, open_for, pretrain
from seedbed.api.own import audit, transfer
from seedbed.api.scoring import score
from seedbed.api.studies import answers, ask, findings, report
from seedbed.api.trained import export, load, predict, similar

__all__ = [
    "advise",
    "answers",
    "ask",
    "audit",
    "codes",
    "export",
    "findings",
    "load",
    "open_for",
    "open_store",
    "pack",
    "predict",
    "pretrain",
    "report",
    "rows_of",
    "score",
    "similar",
    "transfer",
]
