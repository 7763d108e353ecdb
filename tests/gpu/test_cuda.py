"""What is different on a GPU: autocast, compiling, copies to the device, and the same numbers all
the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import built, random_pixels

from seedbed.base.device import free_bytes
from seedbed.data import loader
from seedbed.data.augment import resized_crop
from seedbed.data.images import Resident
from seedbed.data.loader import Stream, open_images
from seedbed.data.pack import pack
from seedbed.data.preprocessing import Preprocessing
from seedbed.models import fit as fit_module
from seedbed.models.codes import codes
from seedbed.models.fit import fit
from seedbed.models.schedule import Schedule
from seedbed.pretraining.objectives.supervised import Supervised
from seedbed.readout.linear import fit_linear, normalise_rows, objective

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


IMAGENET = Preprocessing.from_unit_range(32, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _images(device: str, num: int = 500, preprocessing: Preprocessing | None = None) -> Resident:
    return Resident(
        random_pixels(num, 32), np.arange(num), np.arange(num) % 10, device, preprocessing
    )


@pytest.mark.parametrize("preprocessing", [None, IMAGENET])
def test_batches_are_those_of_the_cpu(preprocessing: Preprocessing | None) -> None:
    cpu, gpu = (Stream(_images(device, 500, preprocessing), 64, 3) for device in ("cpu", "cuda"))
    for step in range(10):
        (a, labels), (b, others) = cpu.batch(step), gpu.batch(step)
        assert b.device.type == "cuda"
        assert torch.allclose(a, b.cpu(), atol=1e-5)
        assert torch.equal(labels, others.cpu())


def test_resized_crops_are_those_of_the_cpu() -> None:
    pixels, rows, places = (
        torch.from_numpy(random_pixels(64, 40)),
        torch.arange(64),
        np.arange(64, dtype=np.uint64),
    )
    cpu = resized_crop(pixels, rows, places, 7, 32)
    gpu = resized_crop(pixels.cuda(), rows.cuda(), places, 7, 32).cpu()
    assert (cpu - gpu).abs().max() < 0.5  # of 255: tensor cores may round


@pytest.mark.parametrize("encoded", [False, True])
def test_streamed_and_decoded_batches_are_the_resident_ones(
    make_tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: bool
) -> None:
    root = make_tree({"a": 60, "b": 60})
    store = pack(str(root), tmp_path / "s.store", size_px=16).store
    rows, preprocessing = np.arange(100), Preprocessing(size_px=16)
    resident = Stream(open_images(store, rows, store.leaves[rows], preprocessing, "cuda"), 32, 1)
    if encoded:
        store = pack(str(root), tmp_path / "e.store", size_px=16, encoded=True).store
    monkeypatch.setattr(loader, "free_bytes", lambda _device: 1000)
    other = Stream(open_images(store, rows, store.leaves[rows], preprocessing, "cuda"), 32, 1)
    assert other.images.loading != resident.images.loading
    for step in range(12):
        assert torch.equal(resident.batch(step)[0], other.batch(step)[0])


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_ends_where_the_cpu_ends(
    optimiser: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autocast in bfloat16 rounds; the loss that is reached is the same within what that does."""
    if compiled:
        monkeypatch.setattr(fit_module, "_STEPS_WORTH_COMPILING", 1)
    schedule = Schedule(
        images_seen=6400,
        batch_size=64,
        peak_learning_rate=0.02 if optimiser == "sgd" else 0.002,
        optimiser=optimiser,
    )
    found = {}
    for device in ("cpu", "cuda"):
        net = built("small(width=8)", size_px=32).module.to(device)
        found[device] = fit(net, Stream(_images(device), 64, 0), Supervised().loss, schedule)
    assert found["cuda"].precision == "bfloat16 autocast"
    assert found["cuda"].compiled is compiled
    assert found["cuda"].loss == pytest.approx(found["cpu"].loss, rel=0.1)


def test_memory_that_runs_out_cuts_the_batch() -> None:
    net, images = built("small(width=8)", size_px=32).module.cuda(), _images("cuda")

    def greedy(module: torch.nn.Module, batch):
        if len(batch[0]) > 64:
            torch.empty(
                torch.cuda.get_device_properties(0).total_memory, dtype=torch.uint8, device="cuda"
            )
        return Supervised().loss(module, batch)

    fitted = fit(
        net,
        Stream(images, 256, 0),
        greedy,
        Schedule(images_seen=1024, batch_size=256, peak_learning_rate=0.01),
    )
    assert fitted.micro_batch_size == 64


def test_codes_are_those_of_the_cpu() -> None:
    net = built("small(width=8)", size_px=32)
    cpu = codes(net, _images("cpu"))
    net.module.cuda()
    # TF32 rounds
    assert torch.allclose(codes(net, _images("cuda")), cpu, atol=2e-2 * float(cpu.abs().max()))


@pytest.mark.parametrize("loss", ["svm", "softmax", "ridge"])
def test_readouts_reach_the_same_objective(loss: str) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3000) % 12
    x = normalise_rows(
        (
            torch.randn(12, 96, generator=generator)[labels]
            + torch.randn(3000, 96, generator=generator)
        ).clamp_min(0)
    )
    grid = [0.1, 10.0]
    for a, b in zip(
        fit_linear(x, labels, 12, grid, loss),
        fit_linear(x.cuda(), labels.cuda(), 12, grid, loss),
        strict=True,
    ):
        assert b.weights.device.type == "cuda"
        ours, theirs = (
            objective(x, labels, a, loss),
            objective(x.cuda(), labels.cuda(), b, loss).cpu(),
        )
        assert torch.allclose(ours, theirs, rtol=1e-4)
        assert b.converged


def test_memory_that_torch_keeps_for_itself_counts_as_free() -> None:
    before = free_bytes("cuda")
    held = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    del held
    assert free_bytes("cuda") == pytest.approx(before, abs=2**26)
