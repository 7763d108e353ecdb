"""Contract tests for plug-ins of outside packages.

In: the call of a plug-in, registered by an entry point or with `REGISTRY.add(...)`. Out: nothing,
or a ContractError that says what the plug-in does wrong. Call these functions from your own tests:

    def test_contract() -> None:
        seedbed.testing.check_recipe("every_second()")

The checks run on the embedded data sets, which are packed once for each process.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seedbed.base.artifacts import Workspace
from seedbed.base.randomness import Draw
from seedbed.base.registry import Registry
from seedbed.data.formats import FORMATS
from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.data.pack import pack
from seedbed.data.recipes import RECIPES, ClassRecipe, ImageRecipe, LabelRecipe
from seedbed.data.source import TRAIN, Source
from seedbed.data.store import Store
from seedbed.data.view import make_view
from seedbed.engine.opening import load_task
from seedbed.metrics import METRICS
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone, save_backbone
from seedbed.models.codes import codes
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.training_progress import Progress
from seedbed.models.zoo import BACKBONES
from seedbed.pretraining.objectives import OBJECTIVES
from seedbed.tasks.catalogue import TASKS
from seedbed.transfers.methods import METHODS, Context
from seedbed.trials.executors import EXECUTORS, Event
from seedbed.trials.planner import make_plan
from seedbed.trials.results import Results, collect
from seedbed.trials.run import run_study
from seedbed.trials.study import Study
from seedbed.trials.study_file import parse_study, write_study
from seedbed.verdicts.questions import QUESTIONS

_PX = 8


class ContractError(AssertionError):
    """A plug-in does not keep its contract."""


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise ContractError(message)


def _check_summary(registry: Registry[Any], call: str) -> Any:
    """The plug-in of a call; it must be registered, and its docstring must say what it does."""
    plugin = registry.make(call)
    name = call.partition("(")[0]
    summary = next(row["summary"] for row in registry.describe() if row["name"] == name)
    _require(summary, f"{call}: the class has no docstring, so that seedbed list shows nothing")
    return plugin


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="seedbed-testing-"))


@functools.cache
def _store(call: str) -> Store:
    """An embedded data set, packed at 8 px."""
    path = _folder() / f"{call.partition('(')[0]}.store"
    return pack(call, path, size_px=_PX).store


def _toy() -> Store:
    return _store("toy(per_class=6, test_per_class=2)")


def _digits() -> Store:
    return _store("digits()")


@functools.cache
def _backbone() -> Backbone:
    """A small network with random weights, for digits."""
    return BACKBONES.make("small(width=4)").build(_digits().classes, _PX, seed=0)


def check_format(call: str) -> None:
    """Check a format: `read() -> Source`.

    The same ids each time, sorted and unique; one leaf and one split for each; readable pixels.

    Args:
        call: a call with a path to data in the format, such as "my_format('tests/data')".
    """
    source, again = (_check_summary(FORMATS, call).read() for _ in range(2))
    _require(isinstance(source, Source), f"{call}: read() returns {type(source)}, not a Source")
    ids = source.ids.tolist()
    _require(ids == again.ids.tolist(), f"{call}: two reads list different ids")
    _require(ids == sorted(set(ids)), f"{call}: ids are not sorted and unique")
    _require(not any(Path(i).is_absolute() for i in ids), f"{call}: an id is an absolute path")
    _require(source.listing == again.listing, f"{call}: two reads have different listings")
    lengths = {len(source.ids), len(source.leaves), len(source.splits)}
    _require(len(lengths) == 1, f"{call}: ids, leaves and splits differ in length")
    _require(source.leaves.max() < len(source.classes), f"{call}: a leaf is not in classes")
    rows = np.arange(min(4, len(ids)))
    loaded = source.pixels.load(rows, _PX)
    _require(
        loaded.pixels.shape == (len(rows), _PX, _PX, 3) and loaded.pixels.dtype == np.uint8,
        f"{call}: pixels are {loaded.pixels.dtype} {loaded.pixels.shape}, not uint8 [n, px, px, 3]",
    )


def check_recipe(call: str, store: Store | None = None) -> None:
    """Check a recipe of classes, images or labels.

    The same seed gives the same result, in any order of leaves or rows; training rows alone; a
    recipe whose result changes with the seed says so (`draws`).

    Args:
        store: data that the recipe fits (default: a small toy()).
    """
    store, recipe = store or _toy(), _check_summary(RECIPES, call)
    views = [make_view(store, call, seed) for seed in (0, 0, 1, 2)]
    prints = [view.fingerprint for view in views]
    _require(prints[0] == prints[1], f"{call}: the same seed gives two different views")
    rows = views[0].rows
    _require((store.splits[rows] == TRAIN).all(), f"{call}: rows that are not training images")
    drawn = len(set(prints)) > 1
    message = f"{call}: results change with the seed: {drawn}, but draws = {recipe.draws}"
    _require(drawn == recipe.draws, message)
    draw = Draw(seed=3, purpose="sample/testing")
    if isinstance(recipe, ClassRecipe):
        answer = dict(recipe.relabel(store.classes, store.hierarchy, draw))
        _require(set(answer) == set(store.classes), f"{call}: relabel() leaves out some leaves")
        again = dict(recipe.relabel(store.classes[::-1], store.hierarchy, draw))
        _require(answer == again, f"{call}: relabel() depends on the order of the leaves")
    else:
        _check_rows(call, recipe, store, draw)


def _check_rows(call: str, recipe: Any, store: Store, draw: Draw) -> None:
    """Image and label recipes: one answer for each row, in any order of rows."""
    from seedbed.data.recipes import TrainingRows

    _require(isinstance(recipe, ImageRecipe | LabelRecipe), f"{call}: not a recipe of any kind")
    answer_of = recipe.select if isinstance(recipe, ImageRecipe) else recipe.assign
    rows = np.flatnonzero(store.splits == TRAIN)
    order = np.random.default_rng(0).permutation(len(rows))
    answers = [
        answer_of(
            TrainingRows(labels=store.leaves[r], hashes=store.hashes[r], classes=store.classes),
            draw,
        )
        for r in (rows, rows[order])
    ]
    _require(len(answers[0]) == len(rows), f"{call}: not one answer for each row")
    same = np.array_equal(answers[0][order], answers[1])
    _require(same, f"{call}: the answer depends on the order of the rows")


def check_backbone(call: str, size_px: int = 32) -> None:
    """Check a network: `build(classes, size_px, seed) -> Backbone`.

    The same seed gives the same weights; the layer table has the real shapes; saving and loading
    gives equal codes.
    """
    classes = ("a", "b", "c")
    architecture = _check_summary(BACKBONES, call)
    net, again = (architecture.build(classes, size_px, seed=1) for _ in range(2))
    states = [net.module.state_dict(), again.module.state_dict()]
    same = all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    _require(same, f"{call}: the same seed gives different weights")
    shapes: dict[str, tuple[int, ...]] = {}
    handles = [
        la.hook(net.module, lambda out, la=la: shapes.update({la.name: tuple(la.read(out).shape)}))
        for la in net.layers
    ]
    with torch.inference_mode():
        scores = net.module.eval()(torch.randn(2, 3, size_px, size_px))
    for handle in handles:
        handle.remove()
    _require(scores.shape == (2, 3), f"{call}: scores are {tuple(scores.shape)}, not [n, classes]")
    for layer in net.layers:
        shape = shapes.get(layer.name, ())[1:]
        _require(shape == layer.shape, f"{call}: layer {layer.name} is {shape}, not {layer.shape}")
    images = _random_images(8, size_px, net)
    with tempfile.TemporaryDirectory() as folder:
        save_backbone(net, Path(folder))
        loaded = load_backbone(folder)
        _require(
            torch.equal(codes(net, images), codes(loaded, images)),
            f"{call}: codes differ after saving and loading",
        )


def _random_images(num: int, size_px: int, net: Backbone) -> Resident:
    pixels = np.random.default_rng(0).integers(0, 256, (num, size_px, size_px, 3), np.uint8)
    labels = np.arange(num) % max(1, len(net.classes))
    return Resident(pixels, np.arange(num), labels, "cpu", net.preprocessing)


def check_objective(call: str) -> None:
    """Check an objective: `loss(model, batch) -> (scalar, number of hits)`.

    Deterministic at one seed; falls on a batch of easy images.
    """
    _check_summary(OBJECTIVES, call)
    first, again = (_train(call, 40) for _ in range(2))
    _require(first == again, f"{call}: two trainings with one seed have different losses")
    start, end = np.mean(first[:5]), np.mean(first[-5:])
    _require(end < 0.8 * start, f"{call}: the loss does not fall: {start:.3f} -> {end:.3f}")


def _train(objective: str, num_steps: int) -> list[float]:
    """Losses on 32 images whose brightness is their class."""
    net = BACKBONES.make("small(width=4)").build(tuple("abcd"), _PX, seed=0)
    labels = np.arange(32) % 4
    noise = np.random.default_rng(0).integers(0, 32, (32, _PX, _PX, 3))
    pixels = (noise + (labels * 50)[:, None, None, None]).astype(np.uint8)
    batches = Stream(Resident(pixels, np.arange(32), labels), 32, 0)
    schedule = Schedule(images_seen=32 * num_steps, batch_size=32, peak_learning_rate=0.1)
    progress: list[Progress] = []
    fit(
        net.module,
        batches,
        OBJECTIVES.make(objective).loss,
        schedule,
        on_progress=progress.append,
        report_every=1,
    )
    return [p.loss for p in progress]


def check_task(call: str, store: Store | None = None) -> None:
    """Check a task: `load(store, seed) -> Task`.

    Training, validation and test rows are disjoint, and fixed at one seed; the metrics are known;
    test labels cannot be read before scoring.

    Args:
        store: data that the task fits (default: digits()).
    """
    store, spec = store or _digits(), _check_summary(TASKS, call)
    task, again = (spec.load(store, 0) for _ in range(2))
    parts = [set(rows.tolist()) for rows in (task.train, task.validation, task.test)]
    _require(len(set().union(*parts)) == sum(map(len, parts)), f"{call}: splits overlap")
    _require(parts[2], f"{call}: there are no test images")
    _require(task.fingerprint == again.fingerprint, f"{call}: one seed gives two tasks")
    _require(task.metrics[0] == task.primary, f"{call}: the first metric is not the primary one")
    for name in task.metrics:
        _require(name in METRICS, f"{call}: metric {name!r} is not registered")
    try:
        task.check_known(task.test)
    except AssertionError:
        return
    raise ContractError(f"{call}: check_known() lets the labels of test images be read")


def check_method(call: str, task: str | None = None, store: Store | None = None) -> None:
    """Check a transfer method: `run(backbone, task, context) -> Measurement`.

    The same seed gives the same measurement; the backbone is not changed; each metric is that of
    the stored predictions.

    Args:
        task: the call of a task that the method takes (default: one with five training images of
            each class).
        store: its data (default: digits()).
    """
    method, store = _check_summary(METHODS, call), store or _digits()
    loaded = load_task(task or "classification(train_per_class=5)", store, method, 0)
    before = {n: t.clone() for n, t in _backbone().module.state_dict().items()}
    first, again = (method.run(_backbone(), loaded, Context(seed=3)) for _ in range(2))
    _require(dict(first.metrics) == dict(again.metrics), f"{call}: one seed gives two measurements")
    after = _backbone().module.state_dict()
    unchanged = all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    _require(unchanged, f"{call}: it changes the backbone that it was given")
    ids = store.hashes[loaded.test]
    _require(np.array_equal(first.predictions["ids"], ids), f"{call}: ids are not the test's")
    for name, value in first.metrics.items():
        check_metric(name, first.predictions, value)


def check_metric(
    name: str, predictions: Mapping[str, np.ndarray], value: float | None = None
) -> None:
    """Check a metric on stored predictions: its value lies in its range, and is the mean of the
    contributions of single images where it has such.

    Args:
        predictions: what a measurement stores (`Measurement.predictions`).
        value: the expected value.
    """
    metric = METRICS.get(name)
    computed = metric.value(predictions)
    _require(0 <= computed <= metric.highest, f"{name}: {computed} is outside of its range")
    if value is not None:
        _require(abs(computed - value) < 1e-4, f"{name}: {computed} is not {value}")
    contributions = metric.per_image(predictions)
    if contributions is not None:
        mean = float(np.mean(contributions))
        _require(abs(mean - computed) < 1e-6, f"{name}: images contribute {mean}, not {computed}")


def check_question(name: str) -> None:
    """Check a question: `study(...) -> Study`, `answer(results) -> [Answer]`.

    Its study can be written, read back and planned; without results it has no answers.
    """
    question, folder = QUESTIONS.get(name)(), _folder()
    study: Study = question.study(["toy(per_class=6, test_per_class=2)"], ["digits()"], [], folder)
    _require(study.question == name, f"{name}: its study asks {study.question!r}")
    again = parse_study(write_study(study), folder / f"{study.name}.toml")
    _require(again == study, f"{name}: the study file does not read back as the same study")
    plan = make_plan(study, Workspace(folder / f"work-{name}"))
    _require(plan.cells, f"{name}: its study has no cells")
    answers = question.answer(collect(plan, {}))
    _require(answers == [], f"{name}: it has answers without results: {answers[:1]}")


def check_executor(call: str) -> None:
    """Check an executor: `run(steps, workspace, device, on_event)`.

    It gives the numbers of `inline`; reports each step as begun and done; finishes the other steps
    when one fails; and a second run finds nothing to do.
    """
    _check_summary(EXECUTORS, call)
    with tempfile.TemporaryDirectory(prefix="seedbed-testing-") as name:
        folder = Path(name)
        study = _small_study(folder)
        expected = run_study(study, workspace=folder / "inline", executor="inline", device="cpu")
        events: list[Event] = []
        results = run_study(
            study,
            workspace=folder / "other",
            executor=call,
            device="cpu",
            on_event=events.append,
        )
        _require(_values(results) == _values(expected), f"{call}: other numbers than inline")
        keys = {step.key for step in results.plan.steps}
        for what in ("began", "done"):
            seen = {event.step.key for event in events if event.what == what}
            _require(seen == keys, f"{call}: not every step was reported as {what!r}")
        events.clear()
        run_study(
            study, workspace=folder / "other", executor=call, device="cpu", on_event=events.append
        )
        _require(not events, f"{call}: finished steps were run again")
        _check_failures(call, study, folder)


def _check_failures(call: str, study: Study, folder: Path) -> None:
    """A backbone whose store was removed fails; the error is recorded, and nothing hangs."""
    space, events = Workspace(folder / "failing"), list[Event]()
    plan = make_plan(study, space)
    (plan.stores["source"].path / "pixels.npy").unlink()
    EXECUTORS.make(call).run(plan.left(), space, "cpu", events.append)
    failed = {event.step.key for event in events if event.what == "failed"}
    trained = {step.key for step in plan.steps if getattr(step, "recipe", None) is not None}
    _require(trained <= failed, f"{call}: a step that failed was not reported")


def _small_study(folder: Path) -> Study:
    return Study(
        name="contract",
        source="toy(per_class=6, test_per_class=2)",
        size_px=_PX,
        arms={"all": "", "half": "images(fraction=0.5)"},
        reference="all",
        targets={"digits": "digits(train_per_class=5)"},
        methods=["probe(c=[1.0])"],
        seeds=1,
        backbone="small(width=2)",
        images_seen=64,
        folder=folder,
    )


def _values(results: Results) -> list[tuple[str, str, str, float]]:
    return [(o.key, o.arm, o.metric, o.value) for o in results.outcomes]
