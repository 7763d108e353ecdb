"""probe(): a readout on the codes of a frozen network (Razavian et al. 2014, section 3).

Codes are the activations of a layer after its ReLU, pooled (mean over space) and L2-normalised.
Several layers are normalised separately and concatenated; `layer='best'` chooses the layer on
held-out images. C, or the number of neighbours, is also chosen on held-out images: on the
validation split, or with few labels by cross-validation. The readout is then fitted on all labelled
images. We differ from the paper: C is chosen for each task, and multi-class SVMs are always one
against the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.codes import code_dim, pooling
from seedbed.models.layers import Layer
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.heads import Head, prepare_codes
from seedbed.readout.model import Model, layer_codes
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method
from seedbed.transfers.readout_selection import Choice, HeadShape, make_readout

BEST = "best"
C_GRID = (0.1, 1.0, 10.0, 100.0, 1000.0)
K_GRID = (1, 5, 20)


@dataclass(frozen=True)
class Probe(Method):
    """SVM, softmax, logistic, ridge or nearest neighbours on the codes of one layer, several
    layers, or the best one; C or k chosen on held-out images."""

    layer: str | tuple[str, ...] = "penultimate"
    readout: Literal["svm", "softmax", "logistic", "ridge", "knn"] = "svm"
    c: tuple[float, ...] = C_GRID
    k: tuple[int, ...] = K_GRID
    normalise: bool = True
    flatten: bool = False
    revision: ClassVar[int] = 4
    takes: ClassVar[tuple[str, ...]] = ("classification", "adaptation", "multilabel")

    def __post_init__(self) -> None:
        if not self.layer:
            raise ValueError("layer = [] must name at least one layer")
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"c = {list(self.c)} must be positive")
        if not self.k or min(self.k) < 1:
            raise ValueError(f"k = {list(self.k)} must be positive numbers of neighbours")

    def check(self, backbone: Backbone) -> None:
        self._candidates(backbone)

    def _candidates(self, backbone: Backbone) -> list[list[Layer]]:
        """The candidates for the layer; a candidate may be several layers."""
        if self.layer == BEST and BEST not in {la.name for la in backbone.layers}:
            return [[layer] for layer in backbone.layers]
        names = [self.layer] if isinstance(self.layer, str) else list(dict.fromkeys(self.layer))
        try:
            return [[backbone.layer(name) for name in names]]
        except UsageError as error:
            raise UsageError(
                error.message, f"{error.hint} Or {BEST!r}: the best on held-out images."
            ) from None

    def identity(self) -> object:
        unused = "c" if self.readout == "knn" else "k"
        return {
            "is": "Probe",
            **{name: value for name, value in asdict(self).items() if name != unused},
        }

    def run(self, backbone: Backbone, task: ClassScoresTask, context: Context) -> Measurement:
        candidates = {_joined_name(layers): layers for layers in self._candidates(backbone)}
        labels = torch.from_numpy(task.labels(task.known)).to(context.device)
        if task.several_labels and self.readout in ("softmax", "knn"):
            raise UsageError(
                f"readout={self.readout!r} predicts one class per image, but images of "
                f"{task.store.name} have several",
                "Use readout='svm', 'logistic' or 'ridge'.",
            )
        readout, folds = make_readout(self.readout, self.c, self.k), task.folds()
        codes = self._codes(backbone, task, candidates, context)
        choices = {
            name: readout.choose(values, labels, folds, task) for name, values in codes.items()
        }
        # Ties go to the later layer.
        best = max(reversed(candidates), key=lambda name: choices[name].accuracy)
        choice, layers = choices[best], candidates[best]
        shape = HeadShape(
            dims=self._dims(layers),
            normalise=self.normalise,
            power=False,
            num_classes=task.num_classes,
        )
        head, facts = readout.fit(codes[best], labels, choice.best, choice.tried, shape)
        model = self._model(backbone, task, head, layers, choice)
        facts = {
            "layer": best,
            "pooling": ", ".join(dict.fromkeys(pooling(la, self.flatten) for la in layers)),
            "dim": codes[best].shape[-1],
            **facts,
            **choice.facts(),
            "num_train": len(task.known),
            **_facts_by_layer(choices),
        }
        scores = model.scores(backbone.images(task.store, task.test))
        return task.score(scores.numpy(), facts, model)

    def _codes(
        self,
        backbone: Backbone,
        task: ClassScoresTask,
        candidates: Mapping[str, list[Layer]],
        context: Context,
    ) -> dict[str, torch.Tensor]:
        """Prepared codes [n, 1, d] of each candidate for all labelled images, from one pass."""
        layers = list({la.name: la for group in candidates.values() for la in group}.values())
        images = backbone.images(task.store, task.known)
        joined = layer_codes(backbone, images, layers, flatten=self.flatten)
        parts = joined.split(self._dims(layers), dim=1)
        by_name = {layer.name: part for layer, part in zip(layers, parts, strict=True)}
        codes = {}
        for name, group in candidates.items():
            values = torch.cat([by_name[layer.name] for layer in group], dim=1)[:, None]
            codes[name] = prepare_codes(
                values.to(context.device),
                self._dims(group),
                normalise=self.normalise,
                power=False,
            )
        return codes

    def _model(
        self,
        backbone: Backbone,
        task: ClassScoresTask,
        head: Head,
        layers: Sequence[Layer],
        choice: Choice,
    ) -> Model:
        """The model with a head, calibrated on out-of-fold scores."""
        held_out = choice.held_out
        return Model(
            backbone=backbone,
            classes=task.classes,
            head=head,
            layers=tuple(layer.name for layer in layers),
            flatten=self.flatten,
            temperature=fit_temperature(held_out.scores, held_out.labels),
            num_calibrated=len(held_out.labels),
            several=task.several_labels,
        )

    def _dims(self, layers: Sequence[Layer]) -> tuple[int, ...]:
        return tuple(code_dim(layer, self.flatten) for layer in layers)


def _joined_name(layers: Sequence[Layer]) -> str:
    return " + ".join(layer.name for layer in layers)


def _facts_by_layer(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """The metric of each candidate on held-out images, if there are several."""
    if len(choices) < 2:
        return {}
    metric = next(iter(choices.values())).metric
    by_layer = {name: choice.accuracy for name, choice in choices.items()}
    return {f"validation_{metric}_by_layer": by_layer}
