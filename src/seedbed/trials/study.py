"""A study: a source, arms, targets, methods, seeds; declared in TOML or in Python.

In: a study file or keyword arguments. Out: one checked frozen record. Knows nothing of how it is run.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedbed.base.call import Call
from seedbed.base.errors import BadDataError, SeedbedError, UsageError, unknown
from seedbed.base.spec import build
from seedbed.data.source import Source
from seedbed.data.store import Store
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.tasks.catalogue import TASKS
from seedbed.transfers.methods import METHODS
from seedbed.trials.arms import Arm, Pretraining, listed, read_arm

if TYPE_CHECKING:
    from seedbed.trials.results import Results

_OF_TARGET = ("size_px", "train_per_class", "hierarchy")  # what a target may say beside its format's own settings
_NAME = re.compile(r"\w[\w .()+,-]*")
RESERVED = ("source", "source_fine")  # as targets they mean accuracy on the source itself


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set of a study: where it is, and at which size it is packed; a target may limit its training images."""

    data: str | os.PathLike[str] | Source | Store
    size_px: int | None = None
    hierarchy: str | None = None
    train_per_class: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.data, os.PathLike):
            object.__setattr__(self, "data", os.fspath(self.data))
        if self.size_px is not None and not (_is_number(self.size_px, int) and 8 <= self.size_px <= 1024):
            raise UsageError(f"size_px = {self.size_px!r} is not a whole number in 8..1024")
        TASKS.make(self.task)

    @property
    def task(self) -> str:
        """The call of the task that it is as a target."""
        return "classification()" if self.train_per_class is None else f"classification(train_per_class={self.train_per_class})"


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
        margin: difference that is not worth having, in points.
        backbone, objective, images_seen, ...: the pre-training (see Pretraining).
        threads: per worker; part of what makes a result what it is.
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
    seeds: Any = 3  # in the end a tuple
    margin: float = 1.0
    question: str | None = None
    threads: int = 1
    size_px: int | None = None
    hierarchy: str | None = None
    pretraining: Pretraining = field(default_factory=Pretraining)
    folder: Path = field(default_factory=Path.cwd, compare=False)
    backbone: str | None = None
    images_seen: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        put = lambda key, value: object.__setattr__(self, key, value)  # noqa: E731  a frozen dataclass normalises itself once
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"study name {self.name!r} is not a file name", "Begin with a letter or a digit; no '/'.")
        for what in ("arms", "targets"):
            if not isinstance(getattr(self, what), Mapping):
                raise UsageError(f"{what} = {getattr(self, what)!r} is not a mapping of names", f'Write {what}={{"name": ...}}.')
        put("pretraining", self._common())
        put("seeds", _seeds(self.seeds))
        put("source", _data(self.source, "source", size_px=self.size_px, hierarchy=self.hierarchy))
        put("arms", {name: _placed(read_arm(arm, f"[arms] {name}"), Path(self.folder)) for name, arm in self.arms.items()})
        put("targets", {n: read_target(t, n, Path(self.folder)) for n, t in self.targets.items()})
        put("methods", _methods(self.methods))
        put("folder", Path(self.folder))
        self._check()

    def _common(self) -> Pretraining:
        own = {k: v for k, v in (("backbone", self.backbone), ("images_seen", self.images_seen)) if v is not None}
        table = {f.name: getattr(self.pretraining, f.name) for f in fields(Pretraining)} | own
        return build(Pretraining, listed(table, "images_seen"), "[pretraining]")

    def _check(self) -> None:
        if self.question is not None and not isinstance(self.question, str):
            raise UsageError(f"question = {self.question!r} is not a name", "See: seedbed list questions.")
        if not isinstance(self.reference, str):
            raise UsageError(f"reference = {self.reference!r} is not the name of an arm", f"Valid: {', '.join(self.arms)}.")
        if self.reference not in self.arms:
            raise unknown("reference", self.reference, self.arms, "the study: it must be one of its arms")
        if len(self.arms) < 2:
            raise UsageError(f"the study {self.name!r} has one arm only", "Add an arm to compare with the reference.")
        for name, arm in self.arms.items():
            if (own := len(arm.budgets(self.pretraining))) not in (1, len(self.budgets)):
                raise UsageError(
                    f"[arms] {name}: {own} training budgets, where another arm has {len(self.budgets)}",
                    "Give every arm as many, to be compared rank by rank, or one, to be compared with each.",
                )
        if not self.targets:
            raise UsageError(f"the study {self.name!r} has no target", 'Add one under [targets]: digits = "digits()".')
        for name in self.targets:
            if name in RESERVED:
                raise UsageError(f"a target may not be called {name!r}", "That name means accuracy on the source itself.")
        if not _is_number(self.margin, int, float) or not 0 < self.margin < math.inf:
            raise UsageError(f"margin = {self.margin!r} must be a positive number", "1.0 is one point.")
        if not _is_number(self.threads, int) or self.threads < 1:
            raise UsageError(f"threads = {self.threads!r} must be a whole number, at least 1")
        BACKBONES.make(self.pretraining.backbone)
        OBJECTIVES.make(self.pretraining.objective)

    @property
    def budgets(self) -> tuple[int, ...]:
        """The training budgets at which arms are compared, ascending: the reference's, or where it has but one, of the arm with most."""
        names = [self.reference, *self.arms]
        return tuple(sorted(max((self.arms[name].budgets(self.pretraining) for name in names), key=len)))

    def images_seen_of(self, arm: str, budget: int) -> int:
        """What an arm saw in the family of a budget: its own budget of the same rank, or the only one that it has."""
        own = sorted(self.arms[arm].budgets(self.pretraining))
        return own[0] if len(own) == 1 else own[self.budgets.index(budget)]

    @property
    def results_folder(self) -> Path:
        return self.folder / f"{self.name}.study"

    @staticmethod
    def load(path: str | Path) -> Study:
        """The study of a TOML file; errors name the file, the line and the key."""
        return load_study(Path(path))

    def run(self, **options: Any) -> Results:
        """Run what is not done yet, with progress on stderr, and return all results; options as of `seedbed.trials.run.run_study`."""
        from seedbed.trials.progress import StudyProgress
        from seedbed.trials.run import run_study

        with StudyProgress() as progress:
            told = {"on_plan": progress.plan, "on_event": progress.hear, "on_pack": progress.packing}
            return run_study(self, **(told | options))


_TOP = ("question", "reference", "seeds", "margin", "threads")
_TABLES = ("source", "pretraining", "arms", "targets", "methods")


def load_study(path: Path) -> Study:
    """Read a study file. Raises BadDataError when there is none, UsageError for what it says wrongly, with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadDataError(
            f"cannot read the study {path}: {error.strerror}", "Make one: seedbed study new images-per-class."
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", "Save it as UTF-8.") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}", 'Texts need quotes: half = "images(fraction=0.5)".') from None
    try:
        return _from_table(table, path)
    except UsageError as error:
        raise _located(error, text, path) from None


def _from_table(table: dict[str, Any], path: Path) -> Study:
    for key in table:
        if key not in (*_TOP, *_TABLES):
            raise unknown("key", key, (*_TOP, *_TABLES), "the study")
    for key in ("source", "arms", "targets", "reference"):
        if key not in table:
            raise UsageError(f"the study has no {key!r}", 'A study needs [source], [arms], [targets] and reference = "ARM".')
    for key in _TABLES:
        if not isinstance(table.get(key, {}), dict):
            raise UsageError(
                f"{key!r} is {table[key]!r}, and it must be a table", f"Begin a line with [{key}]; see docs/study-files.md."
            )
    source = table["source"]
    keys = ("data", "size_px", "hierarchy")
    for key in source:
        if key not in keys:
            raise unknown("key", key, keys, "[source]")
    if "data" not in source:
        raise UsageError("[source] has no 'data'", 'Write data = "folder/", or data = "toy()".')
    pretraining = build(Pretraining, listed(table.get("pretraining", {}), "images_seen"), "[pretraining]")
    return Study(
        name=path.stem,
        folder=path.resolve().parent,
        source=source["data"],
        size_px=source.get("size_px"),
        hierarchy=source.get("hierarchy"),
        pretraining=pretraining,
        arms=table["arms"],
        targets=table["targets"],
        methods=table.get("methods", {"probe": "probe()"}),
        **{key: table[key] for key in _TOP if key in table},
    )


def _located(error: SeedbedError, text: str, path: Path) -> UsageError:
    """The same error with the line of the first quoted name that stands in the file."""
    lines = list(enumerate(text.splitlines(), 1))
    entry = re.match(r"\[\w+\] ([^:]+):", error.message)  # "[arms] half: ...": that line, whatever is quoted later
    for number, line in lines if entry else ():
        if re.match(rf"\s*[\"']?{re.escape(entry[1])}[\"']?\s*=", line):  # pyright: ignore[reportOptionalSubscript]
            return UsageError(f"{path}, line {number}: {error.message}", error.hint)
    for quoted in re.findall(r"'([^']+)'", error.message):
        name = re.escape(quoted)
        for pattern in (rf"^\s*[\"']?{name}[\"']?\s*=", rf"(?<![\w-]){name}(?![\w-])"):  # a key of that name first
            for number, line in lines:
                if re.search(pattern, line.split("#")[0]):
                    return UsageError(f"{path}, line {number}: {error.message}", error.hint)
    return UsageError(f"{path}: {error.message}", error.hint)


def _placed(arm: Arm, folder: Path) -> Arm:
    """The arm with its weights taken from the study's folder, where they are a path."""
    if arm.weights is None or arm.weights in ("cached", "download"):
        return arm
    return replace(arm, weights=str(folder / Path(arm.weights).expanduser()))


def _is_number(value: Any, *types: type) -> bool:
    return isinstance(value, types) and not isinstance(value, bool)


def _seeds(seeds: Any) -> tuple[int, ...]:
    given = tuple(range(seeds)) if _is_number(seeds, int) else tuple(seeds) if isinstance(seeds, list | tuple | range) else ()
    if not given or len(set(given)) != len(given) or any(not _is_number(s, int) or s < 0 for s in given):
        raise UsageError(f"seeds = {seeds} must be a positive number or a list of distinct seeds >= 0", "seeds = 3 means 0, 1, 2.")
    return given


def _data(value: Any, where: str, **defaults: Any) -> Data:
    if isinstance(value, Data):
        return value
    if isinstance(value, str | os.PathLike | Source | Store):
        return Data(data=value, **defaults)
    raise UsageError(f"{where} = {value!r} is not a data set", "Give a path, a call string, a Source or a Store.")


def read_target(value: Any, name: str, folder: Path) -> Data:
    """A target's own settings are taken out of its call string: folder('cells/', size_px=32, train_per_class=5)."""
    data = _data(value, f"[targets] {name}")
    if not isinstance(data.data, str) or "(" not in data.data or os.path.exists(folder / data.data):
        return data
    from seedbed.data.formats import FORMATS, parse_data

    call = parse_data(data.data)
    of_format = [f.name for f in fields(FORMATS.get(call.name))]  # pyright: ignore[reportArgumentType]
    for key in call.kwargs:
        if key not in (*of_format, *_OF_TARGET):
            raise unknown("key", key, (*of_format, *_OF_TARGET), f"[targets] {name}: {data.data}")
    own = {key: call.kwargs[key] for key in _OF_TARGET if key in call.kwargs}
    rest = Call(name=call.name, args=call.args, kwargs={key: value for key, value in call.kwargs.items() if key not in own})
    try:
        return Data(data=str(rest), **own) if own else data
    except UsageError as error:
        raise UsageError(f"[targets] {name}: {error.message}", error.hint) from None


def _methods(methods: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    given = dict(methods) if isinstance(methods, Mapping) else {str(m).split("(")[0]: m for m in methods}
    if not given or len(given) < len(methods):
        raise UsageError(f"methods = {methods!r} must be one or more, each with a name of its own", 'Write {"name": "probe()"}.')
    for name, text in given.items():
        if not isinstance(text, str):
            raise UsageError(f"[methods] {name} = {text!r} is not a call", 'Write probe = "probe()"; see: seedbed list methods.')
        METHODS.make(text)
    return given


__all__ = ["Arm", "Data", "Pretraining", "Study", "load_study"]
