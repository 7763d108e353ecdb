"""The plan of a study: its cells, and the steps behind them, each with its key.

`seedbed.trials.planner` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from seedbed.base.artifacts import Workspace
from seedbed.data.store import Store
from seedbed.data.view import View
from seedbed.trials.steps import Step
from seedbed.trials.study import Study


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry of the results: an arm at a seed and a budget, on a target by a method; the source
    itself is a target too."""

    arm: str
    seed: int
    images_seen: int
    target: str
    method: str
    backbone: str
    kind: str
    key: str
    backbone_key: str
    init_seed: int  # the same as `seed`, but in a nested design
    num_test: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of a study in order, and each distinct step once."""

    study: Study
    workspace: Workspace
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...]
    views: dict[tuple[str, int], View]  # (arm, seed) -> view, of the arms that train
    stores: dict[str, Store]  # "source" and each target

    @cached_property
    def by_key(self) -> dict[str, Step]:
        return {step.key: step for step in self.steps}

    @cached_property
    def notes(self) -> list[str]:
        """What the recipes remarked at the first seed, and arms that are one and the same
        training."""
        seed = self.study.seeds[0]
        notes = [f"{arm}: {note}" for arm in self.study.arms for note in self.arm_notes(arm, seed)]
        trainings: dict[tuple[str, ...], list[str]] = {}
        for arm in self.study.arms:
            trainings.setdefault(
                tuple(dict.fromkeys(c.backbone_key for c in self.cells if c.arm == arm)), []
            ).append(arm)
        same = [arms for arms in trainings.values() if len(arms) > 1]
        return notes + [
            f"{' and '.join(arms)} are one and the same training: comparing them says nothing"
            for arms in same
        ]

    def arm_notes(self, arm: str, seed: int) -> tuple[str, ...]:
        """What a reader must know of an arm's images and classes; nothing of one that is not
        trained."""
        trains = self.study.arms[arm].trains and (arm, seed) in self.views
        if not trains:
            return ()
        targets = {name: store for name, store in self.stores.items() if name != "source"}
        return (
            *self.views[arm, seed].notes,
            *self.study.arms[arm].recipe.resolution_notes(self.stores["source"], targets),
        )

    @property
    def has_user_modules(self) -> bool:
        """Whether some step holds a module of the user's own, which worker processes cannot
        build."""
        return any(getattr(step, "model", None) is not None for step in self.steps)

    def left(self) -> list[Step]:
        """Steps that are not done."""
        return [step for step in self.steps if not self.workspace.has(step.kind, step.key)]
