"""probe(): CNN codes and a readout that is cheap to train (Razavian et al. 2014, section 3).

The codes are a layer's, after its ReLU, pooled (mean over space), L2-normalised; several layers are
normalised each and joined; `layer='best'` takes, of the rows of the backbone's layer table, the one
that held-out images choose. C, or the number of neighbours, is chosen on held-out images too: the
validation split, or folds where few labels are known; the readout is then fitted again on all of
them. We differ from the paper in choosing C per task, and in one-against-the-rest voting
throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Literal

import torch

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.models.codes import code_dim, pooling
from seedbed.models.layers import Layer
from seedbed.readout.calibration import fit_temperature
from seedbed.readout.heads import prepare_codes
from seedbed.readout.model import Model, layer_codes
from seedbed.tasks.class_scores import ClassScoresTask
from seedbed.tasks.task import Measurement
from seedbed.transfers.methods import Context, Method
from seedbed.transfers.readout_selection import HeadShape, make_readout

BEST = "best"
C_GRID = (0.1, 1.0, 10.0, 100.0, 1000.0)
K_GRID = (1, 5, 20)


@dataclass(frozen=True)
class Probe(Method):
    """SVM, softmax, ridge or nearest neighbours on codes of a layer, several joined, or the best; C
    or k chosen on held-out images."""

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
            raise ValueError("layer = [] names no layer")
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"c = {list(self.c)} must be positive values")
        if not self.k or min(self.k) < 1:
            raise ValueError(f"k = {list(self.k)} must be numbers of neighbours")

    def check(self, backbone: Backbone) -> None:
        self._candidates(backbone)

    def _candidates(self, backbone: Backbone) -> list[list[Layer]]:
        """The layers to choose from, each perhaps several joined."""
        if self.layer == BEST and BEST not in {la.name for la in backbone.layers}:
            return [[layer] for layer in backbone.layers]
        names = [self.layer] if isinstance(self.layer, str) else list(dict.fromkeys(self.layer))
        try:
            return [[backbone.layer(name) for name in names]]
        except UsageError as error:
            raise UsageError(
                error.message, f"{error.hint} Or {BEST!r}: the one that validation chooses."
            ) from None

    def identity(self) -> object:
        unused = "c" if self.readout == "knn" else "k"
        return {
            "is": "Probe",
            **{name: value for name, value in asdict(self).items() if name != unused},
        }

    def run(self, backbone: Backbone, task: ClassScoresTask, context: Context) -> Measurement:
        candidates, known = self._candidates(backbone), task.known
        labels = torch.from_numpy(task.labels(known)).to(context.device)
        if task.several_labels and self.readout in ("softmax", "knn"):
            raise UsageError(
                f"readout={self.readout!r} gives each image one class, and those of {task.store.name} have several",
                "Take readout='svm', 'logistic' or 'ridge'.",
            )
        readout, folds = make_readout(self.readout, self.c, self.k), task.folds()
        each = list({la.name: la for layers in candidates for la in layers}.values())
        found = layer_codes(
            backbone, backbone.images(task.store, known), each, flatten=self.flatten
        )
        found = found.split([code_dim(la, self.flatten) for la in each], dim=1)
        codes = {
            _named(layers): self._prepared(found, each, layers, context) for layers in candidates
        }
        chosen = {
            name: readout.choose(values, labels, folds, task) for name, values in codes.items()
        }
        # ties go to the later layer
        best = max(reversed(candidates), key=lambda layers: chosen[_named(layers)].accuracy)
        choice, of_best = chosen[_named(best)], codes[_named(best)]
        shape = HeadShape(
            dims=self._dims(best),
            normalise=self.normalise,
            power=False,
            num_classes=task.num_classes,
        )
        head, facts = readout.fit(of_best, labels, choice.best, choice.tried, shape)
        model = Model(
            backbone=backbone,
            classes=task.classes,
            head=head,
            layers=tuple(la.name for la in best),
            flatten=self.flatten,
            temperature=fit_temperature(choice.held_out.scores, choice.held_out.labels),
            num_calibrated=len(choice.held_out.labels),
            several=task.several_labels,
        )
        facts = {
            "layer": _named(best),
            "pooling": ", ".join(dict.fromkeys(pooling(la, self.flatten) for la in best)),
            "dim": of_best.shape[-1],
            **facts,
            **choice.facts(),
            "num_train": len(known),
            **(
                {f"validation_{choice.metric}_by_layer": {n: c.accuracy for n, c in chosen.items()}}
                if len(candidates) > 1
                else {}
            ),
        }
        scores = model.scores(backbone.images(task.store, task.test))
        return task.score(scores.numpy(), facts, model)

    def _dims(self, layers: Sequence[Layer]) -> tuple[int, ...]:
        return tuple(code_dim(la, self.flatten) for la in layers)

    def _prepared(
        self,
        found: Sequence[torch.Tensor],
        each: Sequence[Layer],
        layers: Sequence[Layer],
        context: Context,
    ) -> torch.Tensor:
        """[n, 1, d] of the layers of one candidate."""
        names = [la.name for la in each]
        joined = torch.cat([found[names.index(la.name)] for la in layers], dim=1)[:, None]
        return prepare_codes(
            joined.to(context.device), self._dims(layers), normalise=self.normalise, power=False
        )


def _named(layers: Sequence[Layer]) -> str:
    return " + ".join(la.name for la in layers)
