"""Fine labels: what a backbone knows of the source's leaf labels that its own training did not tell
apart.

In: a finished backbone, the source's store, and the label set to ask about. Out: an artifact with
the induction metrics and the prediction for each query. Gallery, queries, layer and similarity are
the same for every arm; only the label set differs (`seedbed.readout.induction`). The linear probe
on all fine labels is an ordinary measurement with the source as its target; here stands how many
images it gets.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.base.randomness import Draw
from seedbed.base.spec import fingerprint
from seedbed.data.sampling import lowest_ranked
from seedbed.data.source import TEST, TRAIN
from seedbed.data.store import Store
from seedbed.data.view import View, make_view
from seedbed.engine.steps import PREDICTIONS, OnProgress, Provenance, save_arrays
from seedbed.metrics import METRICS
from seedbed.models.codes import codes
from seedbed.readout.induction import baselines, merged_leaves, rank_fine
from seedbed.trials.steps import TransferStep

REVISION = 1  # raised by hand when the meaning of the numbers changes
TARGET = "source_fine"
# The first is the primary one.
_METRICS = ("induction_top1", "induction_top5", "induction_within_top1")
GALLERY_PER_LEAF = 100  # training images of each fine label
PROBE_PER_LEAF = 100


def induction_method(arm: str) -> str:
    """What rows call the induction on the fine labels that an arm does not tell apart."""
    return f"induction({arm})"


def probe_task(store: Store) -> str:
    """The call of the task of all fine labels: as many training images of each as the smallest has,
    at most PROBE_PER_LEAF."""
    sizes = np.bincount(store.leaves[store.splits == TRAIN], minlength=len(store.classes))
    if sizes.min() < 2:
        raise UsageError(
            f"fine_labels: class {store.classes[int(sizes.argmin())]!r} of {store.name} has "
            f"{sizes.min()} training images",
            "A probe on the fine labels needs two of each: leave fine_labels out, or remove the "
            "class.",
        )
    return f"classification(train_per_class={min(PROBE_PER_LEAF, int(sizes.min()))})"


def asks_induction(view: View) -> bool:
    """Whether a label set merges fine labels, of which held-out images are there."""
    return num_queries(view) > 0


def num_queries(view: View) -> int:
    return len(_rows(view.store, merged_leaves(view.class_of_leaf), TEST))


def induction_key(backbone_key: str, view: View) -> str:
    """The key of asking a backbone about a label set."""
    question = [REVISION, view.store.digest, GALLERY_PER_LEAF, view.class_of_leaf.tolist()]
    return fingerprint({"step": "induction", "backbone": backbone_key, "question": question})


@dataclass(frozen=True, kw_only=True)
class InductionStep(TransferStep):
    """Ask one backbone which fine labels it tells apart, of those that a recipe merges."""

    recipe: str
    sample_seed: int

    def settings(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone_key,
            "recipe": self.recipe,
            "sample_seed": self.sample_seed,
            "layer": "penultimate",
        }

    def run(self, workspace: Workspace, device: str, on_progress: OnProgress | None = None) -> None:
        started = time.perf_counter()
        view = make_view(self.open_store(), self.recipe, self.sample_seed)
        store, leaves = view.store, merged_leaves(view.class_of_leaf)
        gallery, queries = gallery_rows(store, leaves), _rows(store, leaves, TEST)
        backbone = self.open_backbone(workspace, device)
        images = backbone.images(store, np.concatenate([gallery, queries]))
        all_codes = codes(backbone, images).to(device)
        labels = store.leaves[queries]
        with torch.inference_mode():
            ranked = rank_fine(
                all_codes[: len(gallery)],
                store.leaves[gallery],
                all_codes[len(gallery) :],
                labels,
                view.class_of_leaf,
            )
        predictions = {
            "ids": store.hashes[queries],
            "labels": labels,
            "ranked": ranked.among_all,
            "within": ranked.within,
        }
        provenance = Provenance(
            label=self.label, settings=self.settings(), threads=self.threads, device=device
        )
        manifest = provenance.manifest(
            self.key,
            started,
            metrics={name: METRICS.get(name).value(predictions) for name in _METRICS},
            primary=_METRICS[0],
            facts={
                "num_fine_labels": len(leaves),
                "num_gallery": len(gallery),
                **baselines(view.class_of_leaf),
            },
        )
        with workspace.adding(self.kind, self.key, manifest) as folder:
            save_arrays(folder / PREDICTIONS, predictions)


def _rows(store: Store, leaves: np.ndarray, split: int) -> np.ndarray:
    return np.flatnonzero((store.splits == split) & np.isin(store.leaves, leaves))


def gallery_rows(store: Store, leaves: np.ndarray) -> np.ndarray:
    """The lowest-ranked training images of each of these leaves, the same for every arm and seed:
    int64 [n]."""
    rows = _rows(store, leaves, TRAIN)
    labels = store.leaves[rows]
    most = np.full(len(store.classes), GALLERY_PER_LEAF)
    return rows[
        lowest_ranked(labels, Draw(seed=0, purpose="gallery").ranks(store.hashes[rows]), most)
    ]
