"""Scores of result files that any tool wrote, by the metrics that our own measurements have.

In: ground truth as it is distributed, and result files. Out: one record: the metric, its value, the
value of each class or query. Nothing is trained, no image is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from seedbed.base.errors import BadDataError, UsageError, unknown
from seedbed.base.paths import expand_user
from seedbed.data.oxford_ground_truth import list_name, read_queries
from seedbed.data.voc_annotations import Record, label_mark
from seedbed.data.voc_layout import ACTIONS, VocFolder, is_list, read_persons
from seedbed.metrics import METRICS
from seedbed.metrics.accuracy import accuracies, rank, top_k_contributions
from seedbed.metrics.average_precision import RULES, Decisions, by_rule
from seedbed.metrics.detection import BoxRows, decisions_of_boxes
from seedbed.metrics.retrieval import GROUP, MAP_HOLIDAYS, MAP_OXFORD, places_of, trapezoid_ap
from seedbed.tasks.result_files import (
    Ranking,
    class_files,
    holidays_image,
    image_number,
    read_pascal,
    read_rankings,
)

_HOLIDAYS = 100_000  # its images are numbers from here on


@dataclass(frozen=True, kw_only=True)
class Score:
    """What result files are worth."""

    metric: str
    value: float
    # None: nothing of it is there to be found
    per_class: Mapping[str, float | None] = field(default_factory=dict)
    others: Mapping[str, float] = field(default_factory=dict)  # metrics beside
    num: int = 0  # images, persons or queries that were scored
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        return METRICS.get(self.metric).unit


def voc_detection(
    truth: str | Path, image_set: str, results: str | Path, ap: str = "voc07"
) -> Score:
    """Mean average precision of PASCAL result files, lines `image score xmin ymin xmax ymax`; the
    rules: `seedbed.metrics.detection`."""
    _check_rule(ap)
    folder = VocFolder.find(truth)
    images, records, classes = _annotated(folder, image_set)
    place = {name: i for i, name in enumerate(classes)}
    given = class_files(results, classes)
    row_of = {image: i for i, image in enumerate(images)}
    read = {label: read_pascal(path, row_of, "detection") for label, path in given.files.items()}
    rows = np.concatenate([rows for rows, _ in read.values()])
    values = np.concatenate([values for _, values in read.values()])
    labels = np.concatenate(
        [np.full(len(r), place[label], np.int32) for label, (r, _) in read.items()]
    )
    objects = [(i, o) for i, record in enumerate(records) for o in record.objects]
    boxes = BoxRows(
        images=np.array([i for i, _ in objects], np.int64),
        labels=np.array([place[o.name] for _, o in objects], np.int32),
        boxes=np.array([o.box for _, o in objects], np.float64).reshape(-1, 4),
    )
    difficult = np.array([o.difficult for _, o in objects], bool)
    found = BoxRows(images=rows, labels=labels, boxes=values[:, 1:])
    decisions = decisions_of_boxes(boxes, difficult, found, values[:, 0], len(images), len(classes))
    silent = len(images) - len(np.unique(rows))
    nothing = (f"nothing was found in {silent:,} of {len(images):,} images",) if silent else ()
    return _of_classes(
        decisions, classes, ap, (*_notes(given.missing, given.strange), *nothing), len(images)
    )


def voc_classification(
    truth: str | Path, image_set: str, results: str | Path, ap: str = "voc07"
) -> Score:
    """Mean average precision of PASCAL result files, lines `image score`; an image without a line
    comes last, as in the devkit."""
    _check_rule(ap)
    folder = VocFolder.find(truth)
    images, records, classes = _annotated(folder, image_set)
    marks = np.stack(
        [_marks_of(folder, label, image_set, images, records) for label in classes], axis=1
    )
    return _of_marks(
        marks, {image: i for i, image in enumerate(images)}, results, classes, ap, "classification"
    )


def voc_action(truth: str | Path, image_set: str, results: str | Path, ap: str = "voc10") -> Score:
    """Mean average precision over the ten actions, of lines `image object score`; a person without
    a line comes last."""
    _check_rule(ap)
    folder = VocFolder.find(truth)
    persons = read_persons(folder, image_set)
    if not persons:
        raise BadDataError(
            f"no person is asked about in the set {image_set!r} of {folder.root}/ImageSets/Action",
            "Name another set.",
        )
    row_of = {f"{image} {number}": i for i, (image, number) in enumerate(persons)}
    marks = np.stack(list(persons.values()))
    return _of_marks(marks, row_of, results, ACTIONS, ap, "action")


def holidays(ranking: str | Path, images: str | Path | None = None) -> Score:
    """Holidays' mean average precision of rankings; `images`: a list or a folder of all images,
    else those that the rankings name."""
    given = {
        holidays_image(one.query, one.where): one for one in read_rankings(ranking, least=_HOLIDAYS)
    }
    found = {
        query: [holidays_image(f, one.where) for f in one.images] for query, one in given.items()
    }
    named = set(found) | {n for names in found.values() for n in names}
    everything = named
    notes = [
        "what is right was counted among the images that the rankings name: --images says what there is"
    ]
    if images is not None:
        everything, notes = {holidays_image(name, str(images)) for name in _names(images)}, []
        if strange := sorted(map(str, named - everything)):
            notes.append(
                f"{len(strange):,} images of the rankings are not among {images}, {strange[0]} the first: they count as wrong"
            )
    numbers = {n for n in everything if isinstance(n, int)}
    queries = sorted(n for n in numbers if n % 100 == 0)
    if lacking := [n for n in queries if n not in found]:
        more = f" (and {len(lacking) - 1:,} more)" if len(lacking) > 1 else ""
        raise BadDataError(
            f"{ranking} has no ranking of the query {lacking[0]}{more}", "Rank all queries."
        )
    each: dict[str, float] = {}
    missed = _Missed()
    for query in queries:
        positives = {n for n in numbers if n // 100 == query // 100 and n != query}
        if positives:
            places = places_of(found[query], positives, {query}, given[query].places)
            each[str(query)] = trapezoid_ap(missed.counted(places, positives), len(positives))
    if not each:
        raise BadDataError(
            f"{ranking} has no query of Holidays with another image of its group",
            "Queries are numbers that end in 00.",
        )
    twice = sum(len(names) - len(set(names)) for names in found.values())
    again = [f"{twice:,} images stand in a ranking again: the first place counts"] if twice else []
    return _of_queries(
        MAP_HOLIDAYS.name, each, (*notes, *_how_read(given.values()), *again, *missed.notes)
    )


def _how_read(given: Iterable[Ranking]) -> list[str]:
    """That places were not taken as they stand."""
    return (
        ["places were read as counted from 1, as no 0 stands among them"]
        if any(one.from_one for one in given)
        else []
    )


@dataclass
class _Missed:
    """Right images that stand in no ranking: a truncated list is told from a bad one."""

    num: int = 0
    of: int = 0

    def counted(self, places: np.ndarray, positives: Sized) -> np.ndarray:
        self.num += len(positives) - len(places)
        self.of += len(positives)
        return places

    @property
    def notes(self) -> tuple[str, ...]:
        return (
            (
                f"{self.num:,} of {self.of:,} right images stand in no ranking: they count as not found",
            )
            if self.num
            else ()
        )


def oxford(truth: str | Path, ranking: str | Path) -> Score:
    """Mean average precision of Oxford's or Paris's rankings, by the files good, ok, junk of each
    query."""
    given = {one.query: one for one in read_rankings(ranking, list_name)}
    queries = read_queries(expand_user(truth))
    each: dict[str, float] = {}
    missed = _Missed()
    for query in queries:
        if list_name(query.name) not in given:
            raise BadDataError(
                f"{ranking} has no ranking of the query {query.name}",
                "Rank all queries: a file <query>.txt, or a line each.",
            )
        positives = query.names("good", "ok")
        one = given[list_name(query.name)]
        places = places_of(one.images, positives, query.names("junk"), one.places)
        each[query.name] = trapezoid_ap(missed.counted(places, positives), len(positives))
    listed = {name for query in queries for name in query.names("good", "ok", "junk")}
    if not any(name in listed for one in given.values() for name in one.images):
        example = next(iter(queries)).lists["good"] or next(iter(queries)).lists["ok"]
        raise BadDataError(
            f"no image that {ranking} names is in any list of {truth}: it begins with {next(iter(given.values())).images[0]!r}",
            f"Name images as the lists do: {example[0].text}."
            if example
            else "Name images as the lists do.",
        )
    strange = sorted(given.keys() - {list_name(query.name) for query in queries})
    notes = (f"passed over, as of no query: {', '.join(strange[:5])}",) if strange else ()
    return _of_queries(MAP_OXFORD.name, each, (*notes, *_how_read(given.values()), *missed.notes))


def ukbench(ranking: str | Path) -> Score:
    """UKBench's N-S score of rankings: how many of the four images of a group, the query among
    them, stand in the first four."""
    given: Sequence[Ranking] = read_rankings(ranking)
    each: dict[str, float] = {}
    short = 0
    for one in given:
        query = image_number(one.query, "UKBench", one.where)
        places = one.places or range(len(one.images))
        shown = [name for name, place in zip(one.images, places, strict=True) if place < GROUP]
        short += len(shown) < GROUP
        first = [image_number(name, "UKBench", one.where) for name in shown]
        each[str(query)] = float(sum(n // GROUP == query // GROUP for n in dict.fromkeys(first)))
    notes = [] if len(each) == 10_200 else [f"{len(each):,} queries; all of UKBench are 10,200"]
    if short:
        notes.append(
            f"{short:,} rankings lack some of their first {GROUP}: what is not there counts as not found"
        )
    score = _of_queries("ns_score", each, tuple(notes))
    return replace(score, others={"recall_at_4": 100 * score.value / GROUP})


def top_k(labels: str | Path, scores: str | Path, k: int = 1) -> Score:
    """Top-k accuracy: labels (a whole number a line, or .npy [n]) and scores (a line of K numbers
    an image, or .npy [n, K])."""
    truth, given = _table(labels).ravel(), _table(scores)
    if given.ndim != 2 or len(truth) != len(given):
        raise BadDataError(
            f"{labels} has {len(truth):,} labels and {scores} has {len(given):,} rows",
            "One row of scores for each label.",
        )
    if np.isnan(given).any():
        raise BadDataError(
            f"{scores} has scores that are no numbers (nan)", "A ranking needs a number for each."
        )
    whole, num_classes = np.nan_to_num(truth, nan=-1.0).astype(np.int64), given.shape[1]
    if not np.array_equal(whole, truth) or whole.min() < 0 or whole.max() >= num_classes:
        raise BadDataError(
            f"{labels} holds labels that are not 0 to {num_classes - 1}",
            "Labels are columns of the scores, from 0.",
        )
    if not 1 <= k <= num_classes:
        raise UsageError(f"k = {k} is not between 1 and the {num_classes} classes")
    ranked = rank(given, max(5, k))
    each = top_k_contributions(whole, ranked, k)
    per_class = {str(c): float(each[whole == c].mean()) for c in np.unique(whole)}
    metric = f"top{k}" if k in (1, 5) else "top1"
    others = {
        name: value
        for name, value in accuracies(whole, ranked, num_classes).items()
        if name != metric
    }
    if k not in (1, 5):
        raise UsageError(f"k = {k}: the metrics are top1 and top5", "Take 1 or 5.")
    return Score(
        metric=metric, value=float(each.mean()), per_class=per_class, others=others, num=len(whole)
    )


def _check_rule(ap: str) -> None:
    if ap not in RULES:
        raise unknown("rule of average precision", ap, RULES)


def _annotated(
    folder: VocFolder, image_set: str
) -> tuple[list[str], list[Record], tuple[str, ...]]:
    """The images of a set, their annotations, and the classes that these name."""
    images = folder.images(image_set)
    records = [folder.record(image) for image in images]
    classes = tuple(sorted({o.name for r in records for o in r.objects}))
    if not classes:
        raise BadDataError(
            f"no image of the set {image_set!r} of {folder.root} holds an object",
            "There is nothing to be found in it.",
        )
    return images, records, classes


def _marks_of(
    folder: VocFolder, label: str, image_set: str, images: Sequence[str], records: Sequence[Record]
) -> np.ndarray:
    """1, 0 or -1 of each image: by the class's list where there is one, else by the annotations."""
    flags = folder.flags(label, image_set)
    if flags is None:
        return np.array([label_mark(r.objects, label) for r in records], np.int8)
    if is_list(image_set):  # of several sets, some without a list of the class
        by_annotation = {
            i: label_mark(r.objects, label)
            for i, r in zip(images, records, strict=True)
            if i not in flags
        }
        flags = {**by_annotation, **flags}
    if lacking := [image for image in images if image not in flags]:
        raise BadDataError(
            f"ImageSets/Main/{label}_{image_set}.txt does not name {lacking[0]}, which {image_set}.txt names",
            "Get both again.",
        )
    return np.array([flags[image] for image in images], np.int8)


def _of_marks(
    marks: np.ndarray,
    row_of: Mapping[str, int],
    results: str | Path,
    classes: Sequence[str],
    ap: str,
    task: str,
) -> Score:
    given = class_files(results, classes)
    scores = np.full(marks.shape, -np.inf)
    for label, path in given.files.items():
        rows, values = read_pascal(path, row_of, task)
        if len(np.unique(rows)) < len(rows):
            twice = next(name for name, row in row_of.items() if (rows == row).sum() > 1)
            raise BadDataError(f"{path} has two lines of {twice!r}", "One score each.")
        scores[rows, classes.index(label)] = values[:, 0]
    missing = int(np.isneginf(scores[:, [classes.index(c) for c in given.files]]).sum())
    lacking = (f"{missing:,} results are missing and count as last",) if missing else ()
    notes = (*_notes(given.missing, given.strange), *lacking)
    return _of_classes(Decisions.of_marks(marks, scores), tuple(classes), ap, notes, len(marks))


def _of_classes(
    decisions: Decisions, classes: Sequence[str], ap: str, notes: tuple[str, ...], num: int
) -> Score:
    metric, *others = by_rule(ap)
    precisions = metric.by_class(decisions, classes)
    if not any(value is not None for value in precisions.values()):
        raise BadDataError(
            "no class has anything to be found that is not difficult", "Choose another image set."
        )
    return Score(
        metric=metric.name,
        value=decisions.mean(ap),
        per_class=precisions,
        others={other.name: decisions.mean(other.rule) for other in others},
        num=num,
        notes=notes,
    )


def _of_queries(metric: str, each: Mapping[str, float], notes: tuple[str, ...] = ()) -> Score:
    return Score(
        metric=metric,
        value=float(np.mean(list(each.values()))),
        per_class=dict(each),
        num=len(each),
        notes=notes,
    )


def _notes(missing: Sequence[str], strange: Sequence[str]) -> tuple[str, ...]:
    found = []
    if missing:
        found.append(
            f"no result file of {', '.join(missing)}: nothing was found of {'it' if len(missing) == 1 else 'them'}"
        )
    if strange:
        found.append(f"passed over, as of no class of the image set: {', '.join(strange[:5])}")
    return tuple(found)


def _names(images: str | Path) -> list[str]:
    """Names of images: of a list, or of the files below a folder."""
    from seedbed.data.image_files import list_images

    root = expand_user(images)
    if root.is_dir():
        return [Path(found.path).name for found in list_images(root)]
    if not root.is_file():
        raise BadDataError(
            f"there is no {images}", "Name a folder of images, or a list with one a line."
        )
    return [
        line.split()[0] for line in root.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def _table(path: str | Path) -> np.ndarray:
    """Numbers of a .npy file, or of lines of text with commas or blanks between."""
    root = expand_user(path)
    try:
        if root.suffix == ".npy":
            found = np.load(root, allow_pickle=False)
            if found.dtype.kind not in "iufb" or not found.ndim:
                raise ValueError(f"it holds {found.dtype} of shape {found.shape}")
            return _not_empty(found.astype(np.float64), path)
        lines = [
            line.replace(",", " ").split()
            for line in root.read_text(encoding="utf-8-sig").splitlines()
            if line.strip()
        ]
        return _not_empty(np.array(lines, np.float64), path)
    except (OSError, EOFError) as error:
        raise BadDataError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}",
            "Name a .npy file, or text with one row a line.",
        ) from None
    except ValueError as error:
        raise BadDataError(
            f"{path} is no table of numbers: {error}", "One row a line, as many numbers in each."
        ) from None


def _not_empty(found: np.ndarray, path: str | Path) -> np.ndarray:
    if not found.size:
        raise BadDataError(f"{path} is empty", "One row a line.")
    return found
