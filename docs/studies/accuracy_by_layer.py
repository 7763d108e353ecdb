"""Accuracy on a target against the layer that is probed, for several backbones: a linear SVM on
L2-normalised codes of every layer.

All layers are read in one pass; C is chosen on validation, then the SVM is fitted on training and
validation together, as `probe()` does. Prints a table, top-1 in percent, and draws a figure.

    python docs/studies/accuracy_by_layer.py cifar10.store small alexnet resnet18 --train-per-class
    1250 --figure layers.svg
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from seedbed.data.store import Store
from seedbed.metrics.accuracy import rank
from seedbed.models.backbone import Backbone
from seedbed.models.checkpoint import load_backbone
from seedbed.models.codes import fill_codes
from seedbed.readout.linear import fit_linear, normalise_rows
from seedbed.tasks.catalogue.classification import Classification
from seedbed.tasks.classification import ClassificationTask

GRID = (0.1, 1.0, 10.0, 100.0, 1000.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("target", type=Path, help="a store")
    parser.add_argument("backbones", nargs="+", help="folders that pretrain wrote")
    parser.add_argument("--train-per-class", type=int)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    task = Classification(train_per_class=options.train_per_class).load(
        Store.open(options.target), 0
    )
    results = {}
    for place in options.backbones:
        net, started = load_backbone(place), time.perf_counter()
        results[net.architecture] = by_layer(net, task)
        print(f"{net.architecture}: {time.perf_counter() - started:.0f} s", flush=True)
        for row in results[net.architecture]:
            shape = " x ".join(map(str, row["shape"]))
            chosen = f"C = {row['c']:<6g} {row['top1']:.2f}"
            print(f"  {row['layer']:>14}  {shape:>14}  {row['dim']:>5}-d  {chosen}", flush=True)
    if options.json:
        options.json.write_text(
            json.dumps({"num_test": len(task.test), "rows": results}, indent=2) + "\n"
        )
    if options.figure:
        draw(results, options.figure)


def by_layer(net: Backbone, task: ClassificationTask) -> list[dict]:
    """A row for each layer of the table, in order."""
    rows = np.concatenate([task.train, task.validation, task.test])
    into = {la.name: np.empty((len(rows), la.dim), np.float32) for la in net.layers}
    fill_codes(net, net.images(task.store, rows), into)
    return [
        {"layer": la.name, "shape": la.shape, "dim": la.dim, **probe(into[la.name], task, rows)}
        for la in net.layers
    ]


def probe(layer_codes: np.ndarray, task: ClassificationTask, rows: np.ndarray) -> dict:
    """Top-1 on the test images, percent, and the C that validation chose."""
    codes = normalise_rows(torch.from_numpy(layer_codes))
    num_train, num_known = len(task.train), len(task.train) + len(task.validation)
    labels = torch.from_numpy(task.labels(rows[:num_known]))
    tried = fit_linear(codes[:num_train], labels[:num_train], task.num_classes, GRID)
    right = [
        int((f.scores(codes[num_train:num_known]).argmax(1) == labels[num_train:]).sum())
        for f in tried
    ]
    (final,) = fit_linear(
        codes[:num_known], labels, task.num_classes, [GRID[right.index(max(right))]]
    )
    measured = task.score(rank(final.scores(codes[num_known:]).numpy()), {})
    return {"c": final.c, "top1": measured.metrics["top1"], "converged": final.converged}


def draw(results: dict[str, list[dict]], path: Path) -> None:
    """One line per backbone, over its layers from first to last."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "font.size": 9, "svg.hashsalt": "layers"}):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for name, rows in results.items():
            places = np.linspace(0, 1, len(rows))
            (line,) = axes.plot(places, [r["top1"] for r in rows], "o-", markersize=4, label=name)
            best = max(range(len(rows)), key=lambda i, rows=rows: rows[i]["top1"])
            for place in sorted({0, best, len(rows) - 1}):
                label, value, colour = rows[place]["layer"], rows[place]["top1"], line.get_color()
                how = {
                    "textcoords": "offset points",
                    "ha": "center",
                    "fontsize": 7,
                    "color": colour,
                }
                axes.annotate(
                    label,
                    (places[place], value),
                    (0, 6 if 0 < place < len(rows) - 1 else -11),
                    **how,
                )
        axes.set(
            xlabel="layer, from the first to the one that the head reads",
            ylabel="top-1, %",
            xticks=[],
            xlim=(-0.06, 1.06),
        )
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
