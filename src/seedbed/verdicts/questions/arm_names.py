"""What the sentences of several questions call an arm.

In: results and an arm. Out: its name with what it was trained on. Knows nothing of numbers.
"""

from __future__ import annotations

from seedbed.trials.results import Results
from seedbed.verdicts.answer import quoted


def with_classes(results: Results, arm: str) -> str | None:
    """ "'coarse' (73 classes)", "its random control 'like-73'"; None where there is nothing to
    add."""
    study = results.study
    if not study.arms[arm].trains:
        return f"{quoted(arm)} (no pre-training)" if study.arms[arm].init == "random" else None
    if study.arms[arm].recipe.control_for is not None:
        return f"its random control {quoted(arm)}"
    rows = [o for o in results.outcomes if o.arm == arm and o.num_train_images]
    return (
        f"{quoted(arm)} ({rows[0].num_train_classes:,} classes of {rows[0].num_train_images:,} images)"
        if rows
        else None
    )
