"""probe(): CNN codes and a readout that is cheap to train (Razavian et al. 2014, section 3).

The codes are a layer's, after its ReLU, pooled (mean over space), L2-normalised; `layer='best'` takes, of the rows of the backbone's
layer table, the one that validation chooses. C, or the number of neighbours, is chosen on the validation split; the readout is then
fitted again on training and validation images together. We differ from the paper in choosing C per task, and in one-against-the-rest
voting throughout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from seedbed.base.errors import UsageError
from seedbed.metrics.accuracy import rank
from seedbed.models.backbone import Backbone
from seedbed.models.codes import dim_of, fill_codes, pooling
from seedbed.models.layers import Layer
from seedbed.readout.linear import LinearClassifier, fit_linear, normalise_rows
from seedbed.readout.neighbours import nearest, vote
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.methods import Context, Method

Scorer = Callable[[torch.Tensor], torch.Tensor]
BEST = "best"


@dataclass(frozen=True)
class Probe(Method):
    """SVM, softmax, ridge or nearest neighbours on codes of one layer, or of the best; C or k chosen on validation, then refitted."""

    layer: str = "penultimate"
    readout: Literal["svm", "softmax", "ridge", "knn"] = "svm"
    c: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0, 1000.0)
    k: tuple[int, ...] = (1, 5, 20)
    normalise: bool = True
    flatten: bool = False
    revision: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if not self.c or min(self.c) <= 0:
            raise ValueError(f"c = {list(self.c)} must be positive values")
        if not self.k or min(self.k) < 1:
            raise ValueError(f"k = {list(self.k)} must be numbers of neighbours")

    def check(self, backbone: Backbone) -> None:
        self._layers(backbone)

    def _layers(self, backbone: Backbone) -> list[Layer]:
        """The layers to choose from."""
        if self.layer == BEST and BEST not in {la.name for la in backbone.layers}:
            return list(backbone.layers)
        try:
            return [backbone.layer(self.layer)]
        except UsageError as error:
            raise UsageError(error.message, f"{error.hint} Or {BEST!r}: the one that validation chooses.") from None

    def identity(self) -> object:
        unused = "c" if self.readout == "knn" else "k"
        return {"is": "Probe", **{name: value for name, value in asdict(self).items() if name != unused}}

    def run(self, backbone: Backbone, task: Task, context: Context) -> Measurement:
        rows = np.concatenate([task.train, task.validation, task.test])
        layers = self._layers(backbone)
        num_train, num_known = len(task.train), len(task.train) + len(task.validation)
        labels = torch.from_numpy(task.labels(rows[:num_known])).to(context.device)
        readout = _Neighbours(self.k) if self.readout == "knn" else _Linear(self.c, self.readout)
        found = self._codes(backbone, task, rows, layers)
        codes = {la.name: found.pop(la.name).to(context.device) for la in layers}
        chosen = {name: readout.choose(values[:num_known], labels, num_train, task.num_classes) for name, values in codes.items()}
        scores = {name: choice.tried[f"{choice.best:g}"] for name, choice in chosen.items()}
        unsolved = sorted({value for choice in chosen.values() for value in choice.unsolved})
        layer = max(reversed(layers), key=lambda la: scores[la.name])  # ties go to the later layer
        best, tried = chosen[layer.name].best, chosen[layer.name].tried
        final, facts = readout.fit(codes[layer.name][:num_known], labels, task.num_classes, best, tried)
        facts = {
            "layer": layer.name,
            "pooling": pooling(layer, self.flatten),
            "dim": codes[layer.name].shape[1],
            **facts,
            "validation_top1": tried,
            "num_train": num_known,
            **({"unsolved_on_validation": unsolved} if unsolved else {}),
            **({"validation_top1_by_layer": scores} if len(layers) > 1 else {}),
        }
        return task.score(rank(final(codes[layer.name][num_known:]).cpu().numpy()), facts)

    def _codes(self, backbone: Backbone, task: Task, rows: np.ndarray, layers: Sequence[Layer]) -> dict[str, torch.Tensor]:
        """Codes of several layers in one pass."""
        found = {la.name: np.empty((len(rows), dim_of(la, self.flatten)), np.float32) for la in layers}
        fill_codes(backbone, backbone.images(task.store, rows), found, flatten=self.flatten)
        codes = {name: torch.from_numpy(values) for name, values in found.items()}
        return {name: normalise_rows(values) for name, values in codes.items()} if self.normalise else codes


@dataclass(frozen=True)
class _Choice:
    """A setting that validation chose, the accuracy of each that was tried in percent, and which of them were not solved to the end."""

    best: float
    tried: dict[str, float]
    unsolved: list[float]


class _Readout(ABC):
    """Something with one setting, chosen on validation."""

    @abstractmethod
    def validated(
        self, codes: torch.Tensor, labels: torch.Tensor, num_train: int, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        """Scores of the validation images for each value of the setting, ascending; and the values that were not solved to the end."""

    @abstractmethod
    def fit(
        self, codes: torch.Tensor, labels: torch.Tensor, num_classes: int, value: float, tried: Mapping[str, float]
    ) -> tuple[Scorer, dict[str, Any]]:
        """Fitted on all that is known, at one value of those that were tried: what scores codes, and facts."""

    def choose(self, codes: torch.Tensor, labels: torch.Tensor, num_train: int, num_classes: int) -> _Choice:
        """The value with the best validation top-1, ties to the smaller."""
        truth = labels[num_train:]
        scored, unsolved = self.validated(codes, labels, num_train, num_classes)
        right = {value: (scores.argmax(1) == truth).double().mean().item() * 100 for value, scores in scored.items()}
        best = max(right, key=lambda v: (right[v], -v))
        return _Choice(best, {f"{v:g}": accuracy for v, accuracy in right.items()}, unsolved)


@dataclass(frozen=True)
class _Linear(_Readout):
    grid: tuple[float, ...]
    loss: str

    def validated(
        self, codes: torch.Tensor, labels: torch.Tensor, num_train: int, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        found = fit_linear(codes[:num_train], labels[:num_train], num_classes, sorted(self.grid), self.loss)
        return {f.c: f.scores(codes[num_train:]) for f in found}, [f.c for f in found if not f.converged]

    def fit(
        self, codes: torch.Tensor, labels: torch.Tensor, num_classes: int, value: float, tried: Mapping[str, float]
    ) -> tuple[Scorer, dict[str, Any]]:
        final: LinearClassifier = fit_linear(codes, labels, num_classes, [value], self.loss)[0]
        facts = {"c": value, "c_at_edge": self._at_edge(value, tried), "solver_converged": final.converged}
        return final.scores, facts | ({"solved_in_parts": final.num_parts} if final.num_parts > 1 else {})

    def _at_edge(self, value: float, tried: Mapping[str, float]) -> bool:
        """Whether a wider grid might do better: the best lies at an end, and above its neighbour."""
        grid = sorted(set(self.grid))
        if len(grid) == 1 or value not in (grid[0], grid[-1]):
            return False
        beside = grid[1] if value == grid[0] else grid[-2]
        return tried[f"{value:g}"] > tried[f"{beside:g}"]


@dataclass(frozen=True)
class _Neighbours(_Readout):
    numbers: tuple[int, ...]

    def validated(
        self, codes: torch.Tensor, labels: torch.Tensor, num_train: int, num_classes: int
    ) -> tuple[dict[float, torch.Tensor], list[float]]:
        numbers = sorted({min(k, num_train) for k in self.numbers})
        similarities, rows = nearest(codes[:num_train], codes[num_train:], numbers[-1])
        return {k: vote(similarities, labels[rows], num_classes, k) for k in numbers}, []

    def fit(
        self, codes: torch.Tensor, labels: torch.Tensor, num_classes: int, value: float, tried: Mapping[str, float]
    ) -> tuple[Scorer, dict[str, Any]]:
        def score(queries: torch.Tensor) -> torch.Tensor:
            similarities, rows = nearest(codes, queries, int(value))
            return vote(similarities, labels[rows], num_classes, int(value))

        return score, {"k": int(value)}
