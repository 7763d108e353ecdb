"""A study: a source, arms, targets, methods and seeds.

In: keyword arguments. Out: one checked, frozen record. `study_file` reads and writes it as TOML;
`run` runs it. `sb.Study` is this record with verbs.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from seedbed.base.errors import UsageError, unknown
from seedbed.base.spec import build
from seedbed.engine.data_spec import DataSpec, is_number, read_data, read_target
from seedbed.metrics import METRICS
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.transfers.methods import METHODS
from seedbed.trials.arms import Arm, Pretraining, read_arm, with_list

RESERVED = ("source", "source_fine")  # as targets they mean accuracy on the source itself
_NAME = re.compile(r"\w[\w .()+,-]*")
_DEFAULT_NUM_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study, checked when it is created.

    Args:
        name: its name; `NAME.study/` holds its results.
        source: a path, a call string, a Source, a Store, or a DataSpec.
        arms: name -> recipe, or a table of settings (`{"init": "random"}`).
        reference: the arm that the others are compared with.
        targets: name -> a path, a call string, a Source, a Store, or a DataSpec.
        methods: call strings, or name -> call string.
        seeds: how many (3 means 0, 1, 2), or which; at least 2 for a verdict.
        sample_seeds, init_seeds: instead of seeds, a nested design: each draw of images and classes
            is trained from each initialisation.
        margin: the largest difference that counts as no difference, in points.
        question: the question that the study asks; `sb.answers` answers it.
        threads: CPU threads of each worker; results depend on it.
        size_px, hierarchy: of the source: the size at which its images are packed, and its classes.
        fine_labels: measure each arm on all fine labels of the source too: a probe, and induction
            (docs/explanation/concepts.md).
        pretraining: how every arm is pre-trained.
        backbone, images_seen: shorthands for these two settings of the pre-training.
        folder: paths are relative to it, and the results go there.
        comments: what `to_toml` writes as comments: "" -> lines at the top, "arms" -> lines below
            the table's heading, "arms.half" or "seeds" -> a comment on that line.

    Raises:
        UsageError: an unknown name or key, a value out of range, a reference that is not an arm.
    """

    name: str
    source: Any  # stored as a DataSpec
    arms: Mapping[str, Any]  # stored as name -> Arm
    reference: str
    targets: Mapping[str, Any]  # stored as name -> DataSpec
    methods: Any = ("probe()",)  # stored as name -> call string
    seeds: Any = None  # stored as a tuple
    sample_seeds: Any = None
    init_seeds: Any = None
    margin: float = 1.0
    question: str | None = None
    threads: int = 1
    # compared as a part of the source
    size_px: int | None = field(default=None, compare=False)
    hierarchy: str | Mapping[str, str] | None = field(default=None, compare=False)
    fine_labels: bool = False
    pretraining: Pretraining = field(default_factory=Pretraining)
    folder: Path = field(default_factory=Path.cwd, compare=False)
    comments: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    backbone: InitVar[str | None] = None
    images_seen: InitVar[int | Sequence[int] | None] = None

    def __post_init__(self, backbone: str | None, images_seen: int | Sequence[int] | None) -> None:
        _check_name(self.name)
        for argument in ("arms", "targets"):
            _check_mapping(argument, getattr(self, argument))
        folder = Path(self.folder)
        checked = {
            "pretraining": _read_pretraining(
                self.pretraining, backbone=backbone, images_seen=images_seen
            ),
            **_read_seeds(self.seeds, self.sample_seeds, self.init_seeds),
            "source": _read_source(self.source, size_px=self.size_px, hierarchy=self.hierarchy),
            "arms": {n: read_arm(arm, f"[arms] {n}") for n, arm in self.arms.items()},
            "targets": {n: read_target(t, n, folder) for n, t in self.targets.items()},
            "methods": _read_methods(self.methods),
            "folder": folder,
        }
        for attribute, value in checked.items():
            object.__setattr__(self, attribute, value)
        _check(self)

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

    @property
    def budgets(self) -> tuple[int, ...]:
        """The training budgets at which arms are compared, ascending: those of the reference, or,
        if it has only one, of the arm with most."""
        names = [self.reference, *self.arms]
        return tuple(
            sorted(max((self.arms[name].budgets(self.pretraining) for name in names), key=len))
        )

    def images_seen_of(self, arm: str, budget: int) -> int:
        """The images that an arm saw when the study's budget was `budget`: the arm's budget of the
        same rank, or its only one."""
        budgets = sorted(self.arms[arm].budgets(self.pretraining))
        return budgets[0] if len(budgets) == 1 else budgets[self.budgets.index(budget)]

    def margin_of(self, metric: str) -> float:
        """The margin in the metric's unit: the metric's default (0.04 for a score of 0 to 4) if the
        study sets no other margin than 1.0."""
        return METRICS.get(metric).default_margin if self.margin == 1.0 else self.margin

    @property
    def results_folder(self) -> Path:
        return self.folder / f"{self.name}.study"


def _read_pretraining(pretraining: Pretraining, **shorthands: Any) -> Pretraining:
    """The pre-training with the shorthands that are set, checked."""
    settings = {f.name: getattr(pretraining, f.name) for f in fields(Pretraining)}
    settings |= {name: value for name, value in shorthands.items() if value is not None}
    return build(Pretraining, with_list(settings, "images_seen"), "[pretraining]")


def _read_source(source: Any, **settings: Any) -> DataSpec:
    """The source with the settings that are set."""
    chosen = {name: value for name, value in settings.items() if value is not None}
    return replace(read_data(source, "source"), **chosen)


def _read_seeds(seeds: Any, sample_seeds: Any, init_seeds: Any) -> dict[str, Any]:
    """The three arguments as tuples; a nested design has its sample seeds as `seeds`."""
    if (sample_seeds is None) != (init_seeds is None):
        raise UsageError(
            "a nested design needs both 'sample_seeds' and 'init_seeds'",
            "For example sample_seeds = 4 and init_seeds = 3.",
        )
    if sample_seeds is None:
        return {"seeds": _read_seed_list(_DEFAULT_NUM_SEEDS if seeds is None else seeds, "seeds")}
    samples = _read_seed_list(sample_seeds, "sample_seeds")
    # dataclasses.replace passes on the seeds that are stored, which are the sample seeds
    if seeds is not None and seeds != samples:
        raise UsageError(
            "'seeds' does not go together with 'sample_seeds' and 'init_seeds'",
            "Give seeds alone, or the other two.",
        )
    return {
        "seeds": samples,
        "sample_seeds": samples,
        "init_seeds": _read_seed_list(init_seeds, "init_seeds"),
    }


def _read_seed_list(seeds: Any, name: str) -> tuple[int, ...]:
    """Seeds from a number of them or a list; raises UsageError for anything else."""
    if is_number(seeds, int):
        values = tuple(range(seeds))
    else:
        values = tuple(seeds) if isinstance(seeds, list | tuple | range) else ()
    is_valid = all(is_number(seed, int) and seed >= 0 for seed in values)
    if not values or not is_valid or len(set(values)) < len(values):
        raise UsageError(
            f"{name} = {seeds!r} must be a positive number or a list of distinct seeds >= 0",
            f"{name} = 3 means 0, 1, 2.",
        )
    return values


def _read_methods(methods: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """name -> call string, each call checked; a call alone is named after its method."""
    if isinstance(methods, Mapping):
        calls = dict(methods)
    else:
        calls = {str(method).split("(")[0]: method for method in methods}
    if not calls or len(calls) < len(methods):
        raise UsageError(
            f"methods = {methods!r} must be one or more, each with its own name",
            'Write {"name": "probe()"}.',
        )
    for name, text in calls.items():
        if not isinstance(text, str):
            raise UsageError(
                f"[methods] {name} = {text!r} is not a call",
                'Write probe = "probe()"; see: seedbed list methods.',
            )
        METHODS.make(text)
    return calls


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"study name {name!r} is not a file name",
            "Begin with a letter or a digit; no '/'.",
        )


def _check_mapping(argument: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{argument} = {value!r} is not a mapping of names",
            f'Write {argument}={{"name": ...}}.',
        )


def _check(study: Study) -> None:
    if study.question is not None and not isinstance(study.question, str):
        raise UsageError(
            f"question = {study.question!r} is not a name", "See: seedbed list questions."
        )
    _check_arms(study)
    _check_targets(study)
    if not isinstance(study.fine_labels, bool):
        raise UsageError(f"fine_labels = {study.fine_labels!r} must be true or false")
    if not is_number(study.margin, int, float) or not 0 < study.margin < math.inf:
        raise UsageError(
            f"margin = {study.margin!r} must be a positive number", "1.0 is one point."
        )
    if not is_number(study.threads, int) or study.threads < 1:
        raise UsageError(f"threads = {study.threads!r} must be a whole number, at least 1")
    BACKBONES.make(study.pretraining.backbone)
    OBJECTIVES.make(study.pretraining.objective)


def _check_arms(study: Study) -> None:
    """Check that the reference is an arm, that there are two arms, and that their training budgets
    can be compared."""
    if not isinstance(study.reference, str):
        raise UsageError(
            f"reference = {study.reference!r} is not the name of an arm",
            f"Valid: {', '.join(study.arms)}.",
        )
    if study.reference not in study.arms:
        raise unknown(
            "reference", study.reference, study.arms, "the study: it must be one of its arms"
        )
    if len(study.arms) < 2:
        raise UsageError(
            f"the study {study.name!r} has only one arm",
            "Add an arm to compare with the reference.",
        )
    num_budgets = {name: len(_budgets(study, name, arm)) for name, arm in study.arms.items()}
    for name, num in num_budgets.items():
        if num not in (1, len(study.budgets)):
            raise UsageError(
                f"{num} training budgets, where another arm has {len(study.budgets)}",
                "Give every arm the same number of budgets, to be compared by rank, or one, to be "
                "compared with each.",
                (f"[arms] {name}",),
            )


def _budgets(study: Study, name: str, arm: Arm) -> tuple[int, ...]:
    """The training budgets of an arm; raises UsageError if they are not valid."""
    try:
        return arm.budgets(study.pretraining)
    except ValueError as error:
        hint = "Its share of the budgets makes two of them equal."
        raise UsageError(
            str(error), hint if arm.budget_share is not None else "", (f"[arms] {name}",)
        ) from None


def _check_targets(study: Study) -> None:
    if not study.targets:
        raise UsageError(
            f"the study {study.name!r} has no target",
            'Add one under [targets]: digits = "digits()".',
        )
    for name in study.targets:
        if name in RESERVED:
            raise UsageError(
                f"a target may not be called {name!r}",
                "That name means accuracy on the source itself.",
            )
