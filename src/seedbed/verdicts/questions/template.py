"""The study file that every question writes: commented, complete, and running as printed.

In: the question's arms, and paths. Out: TOML text. Knows nothing of results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from seedbed.base.errors import UsageError
from seedbed.data.store import Store
from seedbed.trials.study import RESERVED

_EMBEDDED_SOURCE, _EMBEDDED_TARGET = "toy()", "digits()"


def study_file(name: str, words: str, reference: str, arms: Sequence[str], sources: Sequence[str], targets: Sequence[str]) -> str:
    """TOML text; without a source or a target the embedded ones stand in, so that the file runs at once."""
    if len(sources) > 1:
        raise UsageError(f"the question {name!r} takes one source, not {len(sources)}", "Give --source once.")
    source = sources[0] if sources else _EMBEDDED_SOURCE
    lines = [
        f"# {words}",
        "# Run:  seedbed study plan FILE   what it will cost;   seedbed study run FILE   then   seedbed report FILE",
        f'question  = "{name}"',
        f'reference = "{reference}"          # every other arm is compared with this one',
        "seeds     = 3              # 3 means 0, 1, 2; more seeds, narrower intervals",
        "margin    = 1.0            # points: what counts as no difference worth having",
        "",
        "[source]                   # what is pre-trained on: a folder of images by class, a store, or a call",
        f"data    = {json.dumps(source)}",
        *([] if Store.is_at(source) else ["size_px = 32               # images are packed once at this size"]),
        "",
        "[pretraining]",
        'backbone    = "small(width=16)"',
        "images_seen = [100_000, 300_000]   # two training budgets: does the effect depend on how long one trains?",
        "",
        "[arms]                     # name = recipe",
        *arms,
        "",
        "[targets]                  # what is transferred to",
        *(f"{target_name(t)} = {json.dumps(t)}" for t in _distinct(targets or [_EMBEDDED_TARGET])),
        "",
        "[methods]",
        'probe = "probe()"          # linear SVM on the frozen codes; add: finetune = "finetune(images_seen=100_000)"',
        "",
    ]
    return "\n".join(lines)


def target_name(path: str) -> str:
    """A TOML key for a target: the last part of its path, or the name of its call."""
    stem = path.split("(")[0] if "(" in path else path.rstrip("/").rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") or "target"
    return f"{name}-data" if name in RESERVED else name


def _distinct(targets: Sequence[str]) -> list[str]:
    names = [target_name(t) for t in targets]
    if len(set(names)) < len(names):
        raise UsageError(f"two targets would have the same name: {', '.join(names)}", "Write the file and name them by hand.")
    return list(targets)
