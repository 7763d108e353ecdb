"""retrieve(): search by codes with L2 norm, PCA whitening, L2 norm and signed power (Razavian et
al. 2014, section 4).

Only the whitening is fitted: on the training images of the data set, or on another data set
(`learn_on`). Without such images, `whiten=False` compares the codes as they are. We differ from the
paper: there is no search over patches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from seedbed.base.errors import UsageError
from seedbed.models.backbone import Backbone
from seedbed.readout.model import layer_codes
from seedbed.readout.search_index import FaissIndex, Whitening, rank_exact, to_search_codes
from seedbed.tasks.retrieval import RetrievalTask
from seedbed.tasks.task import Measurement, Task
from seedbed.transfers.methods import Context, Method

# Images per dimension; with fewer, the last dimensions are noise that whitening amplifies.
_IMAGES_PER_DIM = 3


def _num_searched(task: RetrievalTask) -> int:
    """How many of the images for the whitening are also in the gallery, byte for byte."""
    return int(np.isin(task.store.checksums[task.train], task.store.checksums[task.gallery]).sum())


@dataclass(frozen=True)
class Retrieve(Method):
    """Rank a gallery by codes of a layer: L2 norm, PCA whitening to `dim` dimensions, L2 norm,
    signed `power`; `whiten=False` leaves the whitening out.

    `search='faiss'` is approximate, for large galleries: images after the first `depth` count as
    not retrieved.
    """

    layer: str = "penultimate"
    whiten: bool = True
    dim: int = 500
    power: float = 2.0
    search: Literal["exact", "faiss"] = "exact"
    depth: int = 10_000
    revision: ClassVar[int] = 1
    takes: ClassVar[tuple[str, ...]] = ("retrieval",)

    def __post_init__(self) -> None:
        if self.dim < 1 or self.depth < 1 or self.power <= 0:
            raise ValueError(
                f"dim = {self.dim}, depth = {self.depth}, power = {self.power} must be positive"
            )

    def check(self, backbone: Backbone) -> None:
        backbone.layer(self.layer)

    def _fitted_on(self, task: RetrievalTask, whitening: Whitening) -> str:
        """A description of the images that the whitening was fitted on, with warnings."""
        num, dim = len(task.train), min(self.dim, len(whitening.mean))
        words = f"{num:,} {'training images' if task.protocol == 'classes' else 'images'}"
        if num_shared := _num_searched(task):
            words += f", {num_shared:,} of which are searched too"
        if num < _IMAGES_PER_DIM * dim:
            words += (
                f"; too few for {dim} dimensions: {_IMAGES_PER_DIM * dim:,} images would be "
                "enough, or a smaller dim, or whiten=False"
            )
        return words

    def needs_training_images(self) -> bool:
        return self.whiten

    def identity(self) -> object:
        if self.search == "faiss":
            return {"is": "Retrieve", **asdict(self), "rest": "not found"}
        return {"is": "Retrieve", **{k: v for k, v in asdict(self).items() if k != "depth"}}

    def check_target(self, task: Task) -> None:
        if not self.whiten:
            return
        if not len(task.train):
            raise UsageError(
                f"whitening needs training images, but {task.store.name} has none",
                "Name other images: learn_on='other-photos/' of the target (--learn-on), or leave "
                "the whitening out: retrieve(whiten=False).",
            )
        assert isinstance(task, RetrievalTask)
        if (num := _num_searched(task)) > len(task.train) / 2:
            raise UsageError(
                f"{num:,} of the {len(task.train):,} images for the whitening are searched too",
                "Name other images: learn_on='other-photos/' (--learn-on), or leave the whitening "
                "out: retrieve(whiten=False).",
            )

    def run(self, backbone: Backbone, task: RetrievalTask, context: Context) -> Measurement:
        def codes(rows: np.ndarray) -> torch.Tensor:
            return layer_codes(
                backbone, backbone.images(task.store, rows), [backbone.layer(self.layer)]
            ).to(context.device)

        self.check_target(task)
        whitening, facts = None, dict[str, Any]()
        if self.whiten:
            whitening = Whitening.fit(to_search_codes(codes(task.train), None, 1.0), self.dim)
            facts = {
                "fitted_on": self._fitted_on(task, whitening),
                "explained_variance": whitening.explained,
            }
        gallery = to_search_codes(codes(task.gallery), whitening, self.power)
        same = np.array_equal(task.gallery, task.test)
        queries = gallery if same else to_search_codes(codes(task.test), whitening, self.power)
        facts |= {
            "layer": backbone.layer(self.layer).name,
            "dim": gallery.shape[1],
            "search": self.search,
            "num_gallery": len(gallery),
        }
        if self.search == "faiss":
            index = FaissIndex(gallery, self.depth)
            facts |= {
                "depth": index.depth,
                "num_cells": index.num_cells,
                "num_probed": index.num_probed,
            }
            return task.score(lambda which: index.rank(queries[which]), facts)
        return task.score(lambda which: rank_exact(queries[which], gallery), facts)
