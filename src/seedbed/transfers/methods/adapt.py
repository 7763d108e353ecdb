"""adapt(): domain adaptation with labels of one domain and unlabelled images of another with the
same classes, such as day and night, or photographs and drawings.

- `source_only` trains on the labelled domain only, as the baseline.
- `coral` aligns the covariance of its codes to that of the target, and fits a linear readout (Sun,
  Feng and Saenko 2016).
- `deep_coral` fine-tunes with the distance of the two covariances as a second loss (Sun and Saenko
  2016; here on the penultimate codes, in the paper on the class scores).
- `dann` fine-tunes against a domain classifier on the penultimate codes, with gradient reversal.
Its
  weight grows as 2 / (1 + exp(-10 p)) - 1 with the share p of the training (Ganin et al. 2016,
  section 5.2.2).

Settings are fixed, or chosen on held-out images of the labelled domain: labels of the target are
never read.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seedbed.base.errors import UsageError
from seedbed.base.randomness import stream
from seedbed.data.images import Batch
from seedbed.data.loader import Stream
from seedbed.models.backbone import Backbone
from seedbed.models.fit import Loss
from seedbed.models.layers import Layer
from seedbed.readout.alignment import coral, coral_loss
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.heads import LinearHead, prepare_codes
from seedbed.readout.model import Model, layer_codes
from seedbed.tasks.classification import ClassificationTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.fine_tuning import Trainer, Tuning, measure_tuned, tune
from seedbed.transfers.gradient_reversal import (
    GradientReversal,
    InterleavedBatches,
    initialise_critic,
    reversal_weight,
)
from seedbed.transfers.methods import Context, Method
from seedbed.transfers.readout_selection import HeadShape, make_readout

_C_GRID = (0.1, 1.0, 10.0, 100.0, 1000.0)
_WEIGHTS = {"deep_coral": 1.0, "dann": 0.1}
_HIDDEN = 128  # units of the hidden layer of the domain classifier


@dataclass(frozen=True)
class Adapt(Method):
    """Adapt to an unlabelled domain with the same classes: 'source_only', 'coral', 'deep_coral' or
    'dann'; its labels are not used.

    `weight`: of the second loss, by default 1 for deep_coral and 0.1 for dann (with 1, the reversed
    gradient also destroyed the accuracy on the labelled domain). `learning_rates`: chosen on
    held-out images of the labelled domain.
    """

    kind: Literal["source_only", "coral", "deep_coral", "dann"] = "coral"
    layer: str = "penultimate"
    images_seen: int | Literal["by_size"] = 100_000
    learning_rates: tuple[float, ...] = (0.03, 0.1, 0.3)
    batch_size: int = 128
    weight: float | None = None
    revision: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("adaptation",)

    def __post_init__(self) -> None:
        self.tuning()
        if self.weight is not None and self.weight < 0:
            raise ValueError(f"weight = {self.weight} must not be negative")

    @property
    def strength(self) -> float:
        """The weight of the second loss."""
        return _WEIGHTS.get(self.kind, 0.0) if self.weight is None else self.weight

    def tuning(self) -> Tuning:
        return Tuning(
            images_seen=self.images_seen,
            learning_rates=self.learning_rates,
            batch_size=self.batch_size,
        )

    def check(self, backbone: Backbone) -> None:
        backbone.layer(self.layer)

    def identity(self) -> object:
        """Settings without those that the kind does not use."""
        unused = {
            "coral": ("images_seen", "learning_rates", "batch_size", "weight"),
            "source_only": ("weight", "layer"),
        }.get(self.kind, ())
        settings = asdict(self) | {"weight": self.strength}
        return {
            "is": "Adapt",
            **{name: value for name, value in settings.items() if name not in unused},
        }

    def num_images_trained(self) -> int:
        return 0 if self.kind == "coral" else self.tuning().num_images(0) * len(self.learning_rates)

    def run(self, backbone: Backbone, task: ClassificationTask, context: Context) -> Measurement:
        unlabelled = task.unlabelled
        if unlabelled is None:
            raise UsageError(
                "adapt() needs labels of one domain and images of another, but this task has one "
                "data set",
                "Name the labelled data set: folder('night/', labelled='day/').",
            )
        if self.kind == "coral":
            return self._run_coral(backbone, task, unlabelled, context)

        def make() -> Backbone:
            return backbone.with_new_head(task.classes, context.seed)

        trainer = Trainer(
            make, task, self.tuning(), context.seed, context.device, context.on_progress
        )
        two_domains = _TwoDomainTrainer(trainer=trainer, unlabelled=unlabelled, method=self)
        tuned = tune(trainer, None if self.kind == "source_only" else two_domains.train)
        return measure_tuned(tuned, task, {**self._facts(unlabelled), **tuned.facts(self.tuning())})

    def _facts(self, unlabelled: np.ndarray) -> dict[str, Any]:
        weight = {"weight": self.strength} if self.kind in _WEIGHTS else {}
        return {"kind": self.kind, "num_unlabelled": len(unlabelled), **weight}

    def _run_coral(
        self, backbone: Backbone, task: ClassificationTask, unlabelled: np.ndarray, context: Context
    ) -> Measurement:
        layer, known = backbone.layer(self.layer), task.known
        labels = torch.from_numpy(task.labels(known)).to(context.device)
        source, _ = _standardise(_normalised_codes(backbone, task, known, layer, context))
        target, scale = _standardise(_normalised_codes(backbone, task, unlabelled, layer, context))
        # Divided by sqrt(d), codes have about unit length, so that the same values of C apply.
        aligned = coral(source, target)[:, None] / layer.dim**0.5
        readout = make_readout("svm", _C_GRID, ())
        choice = readout.choose(aligned, labels, task.folds(), task)
        shape = HeadShape(
            dims=(layer.dim,), normalise=True, power=False, num_classes=task.num_classes
        )
        fitted, facts = readout.fit(aligned, labels, choice.best, choice.tried, shape)
        assert isinstance(fitted, LinearHead)
        head = scale.fold_into(fitted, 1 / layer.dim**0.5)
        temperature = fit_temperature(choice.held_out.scores, choice.held_out.labels)
        model = Model(
            backbone=backbone,
            classes=task.classes,
            head=head,
            layers=(layer.name,),
            temperature=temperature,
        )
        model.num_calibrated = len(choice.held_out.labels)
        scores = model.scores(backbone.images(task.store, task.test))
        facts = {
            **self._facts(unlabelled),
            "layer": layer.name,
            **facts,
            **choice.facts(),
            "num_train": len(known),
        }
        return task.score(scores.numpy(), facts, model)


def _normalised_codes(
    backbone: Backbone, task: ClassificationTask, rows: np.ndarray, layer: Layer, context: Context
) -> torch.Tensor:
    codes = layer_codes(backbone, backbone.images(task.store, rows), [layer]).to(context.device)
    return prepare_codes(codes[:, None], [layer.dim], normalise=True, power=False)[:, 0]


@dataclass(frozen=True)
class _Scale:
    """Mean and standard deviation of each dimension of the codes of a domain: float [d]."""

    mean: torch.Tensor
    std: torch.Tensor

    def fold_into(self, head: LinearHead, factor: float) -> LinearHead:
        """Convert a head for standardised codes times a factor into a head for the codes."""
        folded = copy.deepcopy(head)
        folded.weight = head.weight * (factor / self.std.to(head.weight))[:, None]
        folded.bias = head.bias - self.mean.to(head.weight) @ folded.weight
        return folded


def _standardise(codes: torch.Tensor) -> tuple[torch.Tensor, _Scale]:
    """Scale each dimension to mean 0 and variance 1; constant dimensions become 0."""
    mean, std = codes.mean(0), codes.std(0)
    scale = _Scale(mean, std.clamp_min(1e-6 * float(std.max().clamp_min(1e-12))))
    return (codes - scale.mean) / scale.std, scale


@dataclass(kw_only=True)
class _TwoDomainTrainer:
    """Trains on batches that hold equally many labelled images and images of the target."""

    trainer: Trainer
    unlabelled: np.ndarray
    method: Adapt

    def train(self, rows: np.ndarray, rate: float) -> Backbone:
        trainer, task = self.trainer, self.trainer.task
        network = trainer.make()
        network.module.to(trainer.device)
        labelled = network.images(task.store, rows, task.labels(rows))
        other = network.images(task.store, self.unlabelled, np.full(len(self.unlabelled), -1))
        size = trainer.tuning.batch_size
        batches = _TwoDomainBatches(
            labelled=Stream(labelled, size, stream(trainer.seed, "finetune")),
            unlabelled=Stream(other, size, stream(trainer.seed, "unlabelled")),
        )
        layer = network.layer(self.method.layer)
        if self.method.kind == "deep_coral":
            loss = _two_domain_loss(network, layer, self._coral_loss)
            trainer.fit(network, batches, loss, rate)
        else:
            adversarial = _Adversarial(network.module, layer.dim, trainer.seed).to(trainer.device)
            num_steps = trainer.tuning.schedule(trainer.images_seen, rate).num_steps
            domain_loss = self._domain_loss(adversarial, batches, num_steps)
            loss = _two_domain_loss(network, layer, domain_loss)
            trainer.fit(network, batches, loss, rate, adversarial)
        return network

    def _coral_loss(self, codes: torch.Tensor, num_labelled: int) -> torch.Tensor:
        return self.method.strength * coral_loss(codes[:num_labelled], codes[num_labelled:])

    def _domain_loss(
        self, adversarial: _Adversarial, batches: _TwoDomainBatches, num_steps: int
    ) -> Callable[[torch.Tensor, int], torch.Tensor]:
        """The loss of the domain classifier, with gradient reversal."""

        def loss(codes: torch.Tensor, num_labelled: int) -> torch.Tensor:
            weight = self.method.strength * reversal_weight(batches.step / num_steps)
            domain = (torch.arange(len(codes), device=codes.device) >= num_labelled).float()
            scores = adversarial.critic(GradientReversal.apply(codes, weight))[:, 0]
            return functional.binary_cross_entropy_with_logits(scores, domain)

        return loss


class _TwoDomainBatches(InterleavedBatches):
    """Batches of both domains; labels of unlabelled images are -1."""

    def interleave(self, labelled: Batch, unlabelled: Batch) -> Batch:
        images, labels = (
            torch.stack(pair, dim=1).flatten(0, 1)
            for pair in zip(labelled, unlabelled, strict=True)
        )
        return images, labels


def _two_domain_loss(
    network: Backbone, layer: Layer, domain_loss: Callable[[torch.Tensor, int], torch.Tensor]
) -> Loss:
    """Cross-entropy of the labelled images plus `domain_loss(codes [b, d], number of labelled)`."""

    def loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = batch
        order = torch.argsort((labels < 0).int(), stable=True)
        images, labels = images[order], labels[order]
        codes: list[torch.Tensor] = []
        handle = layer.hook(network.module, lambda output: codes.append(layer.pooled(output)))
        try:
            scores = model(images)
        finally:
            handle.remove()
        num = int((labels >= 0).sum())
        value = functional.cross_entropy(scores[:num], labels[:num]) if num else scores.sum() * 0
        # A covariance needs two images of each domain.
        if min(num, len(labels) - num) > 1:
            value = value + domain_loss(codes[0], num)
        return value, (scores.detach()[:num].argmax(1) == labels[:num]).sum()

    return loss


class _Adversarial(nn.Module):
    """A network and a domain classifier, trained together."""

    def __init__(self, network: nn.Module, dim: int, seed: int) -> None:
        super().__init__()
        self.network = network
        self.critic = initialise_critic(
            nn.Sequential(nn.Linear(dim, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1)), seed
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)
