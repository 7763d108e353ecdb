"""A study: a source, arms, targets, methods and seeds.

In: keyword arguments. Out: one checked, frozen record. `study_file` reads and writes it as TOML;
`run` runs it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.base.errors import UsageError, unknown
from seedbed.base.paths import expanded
from seedbed.base.spec import build
from seedbed.metrics import UNITS
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.transfers.methods import METHODS
from seedbed.trials.arms import Arm, Pretraining, listed, read_arm
from seedbed.trials.data import is_number, read_data, read_target

if TYPE_CHECKING:
    from seedbed.trials.results import Results

_NAME = re.compile(r"\w[\w .()+,-]*")
_MARGIN_OF_SCORE = 0.04
RESERVED = ("source", "source_fine")  # as targets they mean accuracy on the source itself


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study, checked when it is made.

    Args:
        name: its name; `NAME.study/` holds its results.
        source: a path, a call string, a Source, a Store, or a Data.
        arms: name -> recipe, or a table of settings (`{"init": "random"}`).
        reference: the arm that the others are compared with.
        targets: name -> a path, a call string, a Source, a Store, or a Data.
        methods: call strings, or name -> call string.
        seeds: how many (3 means 0, 1, 2), or which; at least 2 for a verdict.
        sample_seeds, init_seeds: instead of seeds, a nested design: each draw of images and classes
            is trained from each initialisation.
        margin: difference that is not worth having, in points.
        backbone, objective, images_seen, ...: the pre-training (see Pretraining).
        threads: per worker; part of what makes a result what it is.
        fine_labels: measure each arm on all fine labels of the source too: a probe, and induction
            (docs/concepts.md).
        folder: paths are relative to it, and the results go there.

    Raises:
        UsageError: an unknown name or key, a value out of range, a reference that is not an arm.
    """

    name: str
    source: Any
    arms: Mapping[str, Any]
    reference: str
    targets: Mapping[str, Any]
    methods: Any = ("probe()",)  # in the end a dict: name -> call string
    seeds: Any = None  # in the end a tuple; 3 where nothing is said
    sample_seeds: Any = None
    init_seeds: Any = None
    margin: float = 1.0
    question: str | None = None
    threads: int = 1
    size_px: int | None = None
    hierarchy: str | None = None
    fine_labels: bool = False
    pretraining: Pretraining = field(default_factory=Pretraining)
    folder: Path = field(default_factory=Path.cwd, compare=False)
    backbone: str | None = None
    images_seen: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731  a frozen dataclass normalises itself once
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"study name {self.name!r} is not a file name",
                "Begin with a letter or a digit; no '/'.",
            )
        for what in ("arms", "targets"):
            if not isinstance(getattr(self, what), Mapping):
                raise UsageError(
                    f"{what} = {getattr(self, what)!r} is not a mapping of names",
                    f'Write {what}={{"name": ...}}.',
                )
        put("pretraining", self._common())
        self._put_seeds(put)
        said = {
            k: v
            for k, v in (("size_px", self.size_px), ("hierarchy", self.hierarchy))
            if v is not None
        }
        put("source", replace(read_data(self.source, "source"), **said))
        put(
            "arms",
            {
                name: _placed(read_arm(arm, f"[arms] {name}"), Path(self.folder))
                for name, arm in self.arms.items()
            },
        )
        put("targets", {n: read_target(t, n, Path(self.folder)) for n, t in self.targets.items()})
        put("methods", _methods(self.methods))
        put("folder", Path(self.folder))
        self._check()

    def _put_seeds(self, put: Callable[[str, Any], None]) -> None:
        if (self.sample_seeds is None) != (self.init_seeds is None):
            raise UsageError(
                "a nested design has both 'sample_seeds' and 'init_seeds'",
                "sample_seeds = 4 and init_seeds = 3, say.",
            )
        if self.sample_seeds is None:
            put("seeds", _seeds(3 if self.seeds is None else self.seeds, "seeds"))
            return
        made_of_another = isinstance(self.seeds, tuple) and self.seeds == self.sample_seeds
        if self.seeds is not None and not made_of_another:
            raise UsageError(
                "'seeds' stands beside 'sample_seeds' and 'init_seeds'",
                "Give seeds alone, or the other two.",
            )
        for name in ("sample_seeds", "init_seeds"):
            put(name, _seeds(getattr(self, name), name))
        put("seeds", self.sample_seeds)

    @property
    def is_nested(self) -> bool:
        """Whether each sample is trained from several initialisations."""
        return self.init_seeds is not None

    @property
    def draws(self) -> tuple[tuple[int, int], ...]:
        """(sample seed, init seed) of each training of an arm."""
        if not self.is_nested:
            return tuple((seed, seed) for seed in self.seeds)
        return tuple(itertools.product(self.sample_seeds, self.init_seeds))

    def _common(self) -> Pretraining:
        own = {
            k: v
            for k, v in (("backbone", self.backbone), ("images_seen", self.images_seen))
            if v is not None
        }
        table = {f.name: getattr(self.pretraining, f.name) for f in fields(Pretraining)} | own
        return build(Pretraining, listed(table, "images_seen"), "[pretraining]")

    def _check(self) -> None:
        if self.question is not None and not isinstance(self.question, str):
            raise UsageError(
                f"question = {self.question!r} is not a name", "See: seedbed list questions."
            )
        if not isinstance(self.reference, str):
            raise UsageError(
                f"reference = {self.reference!r} is not the name of an arm",
                f"Valid: {', '.join(self.arms)}.",
            )
        if self.reference not in self.arms:
            raise unknown(
                "reference", self.reference, self.arms, "the study: it must be one of its arms"
            )
        if len(self.arms) < 2:
            raise UsageError(
                f"the study {self.name!r} has one arm only",
                "Add an arm to compare with the reference.",
            )
        for name, arm in self.arms.items():
            try:
                arm.budgets(self.pretraining)
            except ValueError as error:
                hint = (
                    ""
                    if arm.budget_share is None
                    else "Its share of the budgets leaves two of one size."
                )
                raise UsageError(f"[arms] {name}: {error}", hint) from None
        for name, arm in self.arms.items():
            if (own := len(arm.budgets(self.pretraining))) not in (1, len(self.budgets)):
                raise UsageError(
                    f"[arms] {name}: {own} training budgets, where another arm has {len(self.budgets)}",
                    "Give every arm as many, to be compared rank by rank, or one, to be compared with each.",
                )
        if not self.targets:
            raise UsageError(
                f"the study {self.name!r} has no target",
                'Add one under [targets]: digits = "digits()".',
            )
        for name in self.targets:
            if name in RESERVED:
                raise UsageError(
                    f"a target may not be called {name!r}",
                    "That name means accuracy on the source itself.",
                )
        if not isinstance(self.fine_labels, bool):
            raise UsageError(f"fine_labels = {self.fine_labels!r} must be true or false")
        if not is_number(self.margin, int, float) or not 0 < self.margin < math.inf:
            raise UsageError(
                f"margin = {self.margin!r} must be a positive number", "1.0 is one point."
            )
        if not is_number(self.threads, int) or self.threads < 1:
            raise UsageError(f"threads = {self.threads!r} must be a whole number, at least 1")
        BACKBONES.make(self.pretraining.backbone)
        OBJECTIVES.make(self.pretraining.objective)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The training budgets at which arms are compared, ascending: the reference's, or where it
        has but one, of the arm with most."""
        names = [self.reference, *self.arms]
        return tuple(
            sorted(max((self.arms[name].budgets(self.pretraining) for name in names), key=len))
        )

    def images_seen_of(self, arm: str, budget: int) -> int:
        """What an arm saw in the family of a budget: its own budget of the same rank, or the only
        one that it has."""
        own = sorted(self.arms[arm].budgets(self.pretraining))
        return own[0] if len(own) == 1 else own[self.budgets.index(budget)]

    def margin_of(self, metric: str) -> float:
        """The difference that is not worth having, in the metric's unit: a score of 0..4 has 0.04
        where no other margin than 1.0 is set."""
        return _MARGIN_OF_SCORE if UNITS[metric] == "score" and self.margin == 1.0 else self.margin

    @property
    def results_folder(self) -> Path:
        return self.folder / f"{self.name}.study"

    @staticmethod
    def load(path: str | Path) -> Study:
        """The study of a TOML file; errors name the file, the line and the key."""
        from seedbed.trials.study_file import load_study

        return load_study(Path(path))

    def run(self, **options: Any) -> Results:
        """Run what is not done yet, with progress on stderr, and return all results; options as of
        `seedbed.trials.run.run_study`."""
        from seedbed.trials.progress import StudyProgress
        from seedbed.trials.run import run_study

        with StudyProgress() as progress:
            told = {
                "on_plan": progress.plan,
                "on_event": progress.hear,
                "on_pack": progress.packing,
            }
            return run_study(self, **(told | options))

    def backbones(self, **options: Any) -> dict[str, Path]:
        """Folders of the study's backbones by arm, seed and training budget, for `advise`; what is
        not done yet is run first."""
        return self.run(**options).backbones()


def _placed(arm: Arm, folder: Path) -> Arm:
    """The arm with its weights taken from the study's folder, where they are a path."""
    if arm.weights is None or arm.weights in ("cached", "download"):
        return arm
    return replace(arm, weights=str(folder / expanded(arm.weights)))


def _seeds(seeds: Any, name: str) -> tuple[int, ...]:
    given = (
        tuple(range(seeds))
        if is_number(seeds, int)
        else tuple(seeds)
        if isinstance(seeds, list | tuple | range)
        else ()
    )
    if (
        not given
        or len(set(given)) != len(given)
        or any(not is_number(s, int) or s < 0 for s in given)
    ):
        raise UsageError(
            f"{name} = {seeds!r} must be a positive number or a list of distinct seeds >= 0",
            f"{name} = 3 means 0, 1, 2.",
        )
    return given


def _methods(methods: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    given = (
        dict(methods)
        if isinstance(methods, Mapping)
        else {str(m).split("(")[0]: m for m in methods}
    )
    if not given or len(given) < len(methods):
        raise UsageError(
            f"methods = {methods!r} must be one or more, each with a name of its own",
            'Write {"name": "probe()"}.',
        )
    for name, text in given.items():
        if not isinstance(text, str):
            raise UsageError(
                f"[methods] {name} = {text!r} is not a call",
                'Write probe = "probe()"; see: seedbed list methods.',
            )
        METHODS.make(text)
    return given
