"""What a study will cost, before it is run.

In: a study (packed or not) and a workspace. Out: seconds and bytes, from rates measured once per
machine, network and size (at most 20 s, cached in the workspace). No step is run.
"""

from __future__ import annotations

import functools
import json
import os
import time
from dataclasses import dataclass

import torch

from seedbed.base.artifacts import Workspace, write_json
from seedbed.base.device import describe_hardware, num_cores
from seedbed.base.spec import fingerprint
from seedbed.data.store import Store
from seedbed.engine.steps import torch_threads
from seedbed.models.backbone import CUSTOM_MODULE
from seedbed.models.resolve import open_backbone
from seedbed.models.zoo import BACKBONES
from seedbed.transfers.methods import METHODS
from seedbed.trials.fine_labels import GALLERY_PER_LEAF, InductionStep
from seedbed.trials.plan import Plan
from seedbed.trials.steps import (
    BackboneStep,
    CheckpointStep,
    MeasureStep,
    PretrainStep,
    Step,
    TransferStep,
)

_BATCH = 128
_MEASURE_S = 3.0  # of each rate
_MAX_NETWORKS = 3
_STEP_S = 1.0  # opening stores, writing artifacts
# Seconds per image and class of a probe: five C and the refit; 5 s for 50,000 codes of 128
# dimensions, 10 classes.
_SVM_S_PER_CODE = 1e-5


@dataclass(frozen=True)
class Rates:
    """Images per second of one worker."""

    train: float
    forward: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is left to do, in all."""

    seconds: float
    disk_bytes: int
    workers: int


def estimate(plan: Plan, workers: int | None = None) -> Estimate:
    """Seconds and bytes of the steps that are not done, on the CPU, with this many workers
    (default: one per core)."""
    workers = workers or num_cores()
    left = plan.left()
    backbones = {s.key: s.backbone for s in plan.steps if isinstance(s, BackboneStep)}
    rates = _rates(plan, sorted({_backbone_of(s, backbones) for s in left}))
    seconds = [_seconds(plan, s, rates[_backbone_of(s, backbones)]) for s in left]
    longest = max(seconds, default=0.0)
    disk = sum(_disk(plan, s) for s in left)
    return Estimate(seconds=max(sum(seconds) / workers, longest), disk_bytes=disk, workers=workers)


def _backbone_of(step: Step, backbones: dict[str, str]) -> str:
    match step:
        case BackboneStep():
            return step.backbone
        case TransferStep():
            return backbones[step.backbone_key]
        case _:
            raise TypeError(f"the cost of a {type(step).__name__} is not known")


def _store_of(plan: Plan, step: Step) -> Store:
    """The packed store whose images a step reads."""
    assert isinstance(step, PretrainStep | TransferStep), step
    return next(s for s in plan.stores.values() if s.path == step.store)


def _seconds(plan: Plan, step: Step, rates: Rates) -> float:
    if isinstance(step, CheckpointStep):
        return _STEP_S
    store = _store_of(plan, step)
    effort = (
        METHODS.make(step.method).effort(plan.stores["source"].size_px)
        if isinstance(step, MeasureStep)
        else 1.0
    )
    seconds = _STEP_S + step.num_images * effort / rates.train
    if isinstance(step, InductionStep):
        num_codes = len(store.classes) * GALLERY_PER_LEAF + store.card["splits"]["test"]
        return seconds + min(store.num_images, num_codes) / rates.forward
    if isinstance(step, MeasureStep):
        seconds += store.num_images * effort / rates.forward
        is_solved = not step.num_images and "classification" in METHODS.make(step.method).takes
        if is_solved:
            seconds += store.num_images * len(store.classes) * _SVM_S_PER_CODE
        return seconds
    return seconds + store.card["splits"]["test"] / rates.forward


def _disk(plan: Plan, step: Step) -> int:
    if isinstance(step, CheckpointStep):
        return (
            4 * step.model.num_parameters
            if step.model
            else _weight(step.backbone, 1000, plan.stores["source"].size_px)[0] * 4
        )
    store = _store_of(plan, step)
    predictions = store.card["splits"]["test"] * (8 + 4 + 5 * 4)
    if not isinstance(step, PretrainStep):
        return predictions + 2_000
    num_parameters, dim = _weight(step.backbone, len(store.classes), store.size_px)
    return predictions + 4 * num_parameters + 2 * 2048 * dim + 50_000


@functools.cache
def _weight(backbone: str, num_classes: int, size_px: int) -> tuple[int, int]:
    """Parameters, and dimensions of a code."""
    if not _is_call(backbone):
        opened = open_backbone(backbone)
        return opened.num_parameters, opened.layer().dim
    architecture = BACKBONES.make(backbone)
    # On the meta device, a network has shapes but no values, and is built at once.
    with torch.device("meta"):
        built = architecture.build(
            [str(i) for i in range(num_classes)], architecture.size_px or size_px
        )
    return built.num_parameters, built.layer().dim


def _rates(plan: Plan, backbones: list[str]) -> dict[str, Rates]:
    """Measured for the first few networks, scaled from the slowest of them for the rest."""
    size_px = plan.stores["source"].size_px
    named = [name for name in backbones if _is_call(name)]
    measured = {
        name: _rate(plan.workspace, name, size_px, plan.study.threads)
        for name in named[:_MAX_NETWORKS]
    }
    slowest = min(measured.values(), key=lambda r: r.train, default=Rates(1.0, 1.0))
    return {name: measured.get(name, slowest) for name in backbones}


def _is_call(backbone: str) -> bool:
    """Whether it is a network that a call builds: not a folder, nor a module of the user's own."""
    return backbone != CUSTOM_MODULE and not os.path.exists(backbone)


def _rate(workspace: Workspace, backbone: str, size_px: int, threads: int) -> Rates:
    path = workspace.root / "calibration.json"
    cached = json.loads(path.read_text()) if path.is_file() else {}
    key = fingerprint([backbone, size_px, threads, describe_hardware()])
    if key not in cached:
        with torch_threads(threads):
            rates = measure_rates(backbone, size_px)
        workspace.root.mkdir(parents=True, exist_ok=True)
        write_json(
            path,
            cached | {key: {"backbone": backbone, "train": rates.train, "forward": rates.forward}},
        )
        return rates
    return Rates(cached[key]["train"], cached[key]["forward"])


def measure_rates(backbone: str, size_px: int) -> Rates:
    """Training and forward images per second on random images, with torch's current threads."""
    architecture = BACKBONES.make(backbone)
    size_px = architecture.size_px or size_px
    module = architecture.build([str(i) for i in range(100)], size_px).module
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    images = torch.randn(_BATCH, 3, size_px, size_px).to(memory_format=torch.channels_last)
    labels = torch.arange(_BATCH) % 100

    def train() -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(images), labels).backward()
        optimiser.step()

    def forward() -> None:
        with torch.inference_mode():
            module(images)

    module.train()
    train_rate = _images_per_s(train)
    module.eval()
    return Rates(train_rate, _images_per_s(forward))


def _images_per_s(work) -> float:  # noqa: ANN001  a function of no arguments
    work()
    started, num = time.perf_counter(), 0
    while time.perf_counter() - started < _MEASURE_S:
        work()
        num += 1
    return num * _BATCH / (time.perf_counter() - started)
