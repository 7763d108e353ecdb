"""Measure seedbed's training loop, with augmentation from a packed store, against a bare loop on
random images in memory.

Same net, batch, optimiser and threads; the bare loop draws nothing, augments nothing and counts
nothing: it cycles through 4,096 random float images. Rounds alternate in one process; the ratio is
    the median of the rounds' (target: at least 0.95). Cases: width
16 and 32, one thread and all threads. The store is of toy(), so no data is needed.

Expected numbers: see docs/log.md. Command: python benchmarks/training_loop.py
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import measuring
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.data.pack import pack
from seedbed.data.toy_drawing import TREE
from seedbed.data.view import View, make_view
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.models.zoo.small import Small
from seedbed.pretraining.objectives.supervised import Supervised

SIZE_PX, TARGET, NUM_RESIDENT = 32, 0.95, 4096


def net(width: int) -> nn.Module:
    return Small(width=width).build(list(TREE), SIZE_PX).module


def seedbed_loop(view: View, width: int, schedule: Schedule) -> Callable[[], object]:
    """One round: `fit` on a fresh stream of the store, drawing the order included."""
    module, images = net(width), Resident(view.store.pixels, view.rows, view.labels)
    return lambda: fit(module, Stream(images, schedule.batch_size, 0), Supervised().loss, schedule)


def bare_loop(width: int, schedule: Schedule) -> Callable[[], object]:
    """One round of the least that a training must do."""
    module, generator, size = (
        net(width).train(),
        torch.Generator().manual_seed(0),
        schedule.batch_size,
    )
    images = torch.randn(NUM_RESIDENT, SIZE_PX, SIZE_PX, 3, generator=generator).permute(0, 3, 1, 2)
    labels = torch.randint(len(TREE), (NUM_RESIDENT,), generator=generator)
    optimiser = torch.optim.SGD(
        module.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )

    def run() -> None:
        for step in range(schedule.num_steps):
            start = step * size % (NUM_RESIDENT - size + 1)
            loss = functional.cross_entropy(
                module(images[start : start + size]), labels[start : start + size]
            )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    return run


def measure(view: View, width: int, schedule: Schedule, num_rounds: int) -> dict[str, list[float]]:
    """Images per second of both loops in each round, and their ratio; a short round of each goes
    first, unmeasured."""
    sides = {"seedbed": seedbed_loop(view, width, schedule), "bare": bare_loop(width, schedule)}
    for run in sides.values():
        run()
    images, times = schedule.num_steps * schedule.batch_size, measuring.alternate(sides, num_rounds)
    results = {name: [images / seconds for seconds in times[name]] for name in sides}
    return results | {"ratio": (np.array(results["seedbed"]) / np.array(results["bare"])).tolist()}


def main() -> None:
    """Print a line per case."""
    parser = measuring.parser(__doc__)
    parser.add_argument(
        "--images-seen", type=int, default=19_200, help="by each loop in each round"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--images-per-class",
        type=int,
        default=500,
        help="training images of each of toy()'s classes in the store",
    )
    arguments = parser.parse_args()
    record = measuring.identity(arguments)
    measuring.confine(arguments.threads)
    schedule, cases, rows = (
        Schedule(images_seen=arguments.images_seen, peak_learning_rate=0.01),
        [],
        [],
    )
    with tempfile.TemporaryDirectory() as folder:
        source = f"toy(per_class={arguments.images_per_class}, test_per_class=2)"
        view = make_view(pack(source, Path(folder, "toy"), size_px=SIZE_PX).store)
        for num_threads in sorted({1, arguments.threads}):
            torch.set_num_threads(num_threads)
            for width in (16, 32):
                results = measure(view, width, schedule, arguments.rounds)
                cases.append({"threads": num_threads, "width": width, **results})
                met = "met" if statistics.median(results["ratio"]) >= TARGET else "missed"
                rates = {
                    f"{side}, images/s": measuring.spread(results[side], ",.0f")
                    for side in ("seedbed", "bare")
                }
                case = {"threads": str(num_threads), "width": str(width)}
                rows.append(
                    {
                        **case,
                        **rates,
                        "ratio": measuring.spread(results["ratio"]),
                        f"target {TARGET}": met,
                    }
                )
                print(rows[-1], flush=True)
    measuring.publish(arguments, record, rows, cases=cases)


if __name__ == "__main__":
    main()
