"""Measure codes of a layer from a packed store against the bare forward pass of the same network on
random tensors in memory.

The bare pass runs the same module in inference mode on the same batch size; codes add reading the
store, normalising, pooling and writing. Rounds alternate in one process; the ratio is the median of
the rounds'. Target: 0.95.

Expected numbers: see docs/log.md. Command: python benchmarks/codes.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import measuring
import numpy as np
import torch

from seedbed.data.pack import pack
from seedbed.data.store import Store
from seedbed.models.backbone import Backbone
from seedbed.models.codes import batch_size_for, fill_codes
from seedbed.models.zoo import BACKBONES

# Call, input side px, images: a few seconds each on two cores.
CASES = (
    ("small(width=16)", 32, 20_000),
    ("resnet18(stem='small')", 32, 1_000),
    ("mobilenet_v3_small", 224, 800),
    ("alexnet", 224, 400),
)


def codes_of(net: Backbone, store: Store, num: int, names: list[str]) -> None:
    """Codes of these layers, into memory."""
    into = {name: np.empty((num, net.layer(name).dim), np.float32) for name in names}
    fill_codes(net, net.images(store, np.arange(num) % store.num_images), into)


def bare(net: Backbone, num: int) -> None:
    """As many images through the network, and nothing else."""
    batch_size = batch_size_for(net.size_px)
    images = torch.randn(batch_size, net.size_px, net.size_px, 3).permute(0, 3, 1, 2)
    with torch.inference_mode():
        for start in range(0, num, batch_size):
            net.module(images[: min(batch_size, num - start)])


def main() -> None:
    """A row for each network: the penultimate layer, and all rows of its table at once."""
    parser = measuring.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    record, cases, rows = measuring.identity(arguments), [], []
    measuring.confine(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        for call, size_px, num in CASES:
            net = BACKBONES.make(call).build([str(i) for i in range(100)], size_px)
            net.module.eval()
            packed_px = net.preprocessing.store_px
            store = pack(
                "toy(per_class=20, test_per_class=2)",
                Path(scratch, f"{packed_px}.store"),
                size_px=packed_px,
            ).store
            every = [la.name for la in net.layers]
            sides = {
                "bare": lambda net=net, num=num: bare(net, num),
                "penultimate": lambda net=net, store=store, num=num: codes_of(
                    net, store, num, [net.penultimate]
                ),
                "all layers": lambda net=net, store=store, num=num, every=every: codes_of(
                    net, store, num, every
                ),
            }
            sides["bare"]()
            times = measuring.alternate(sides, arguments.rounds)
            rates = {name: [num / seconds for seconds in times[name]] for name in sides}
            cases.append({"network": call, **rates})
            shares = {
                f"{name}, share of it": measuring.spread(
                    [r / b for r, b in zip(rates[name], rates["bare"], strict=True)]
                )
                for name in ("penultimate", "all layers")
            }
            rows.append(
                {
                    "network": f"{call}, {size_px} px",
                    "bare, images/s": measuring.spread(rates["bare"], ",.0f"),
                    **shares,
                }
            )
            print(rows[-1], flush=True)
    measuring.publish(arguments, record, rows, cases=cases)


if __name__ == "__main__":
    main()
