"""Trainings that are interrupted, run out of memory, or stop early."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import built, random_pixels, same_weights, weights_of
from torch import nn

from seedbed.base.artifacts import _HOST
from seedbed.base.errors import DivergedError, TrainingError
from seedbed.data.images import Resident
from seedbed.data.loader import Stream
from seedbed.models.fit import FitResult, _split, fit
from seedbed.models.schedule import Schedule
from seedbed.models.training_state import Checkpoint, EarlyStopping
from seedbed.pretraining.objectives.supervised import Supervised

SCHEDULES = {
    "sgd": Schedule(images_seen=12 * 16, batch_size=16, peak_learning_rate=0.1),
    "adamw": Schedule(
        images_seen=12 * 16,
        batch_size=16,
        peak_learning_rate=0.01,
        optimiser="adamw",
        decay="cosine",
        weight_decay=0.05,
    ),
}


class Killed(Exception):
    """Stands for the end of the process."""


def _net(call: str) -> nn.Module:
    if call == "dropout":
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(192, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 10)
        )
    return built(call).module


def _stream() -> Stream:
    return Stream(Resident(random_pixels(40), np.arange(40), np.arange(40) % 10), 16, 3)


def _train(
    net: nn.Module,
    schedule: Schedule,
    checkpoint: Checkpoint | None = None,
    killed_at: int | None = None,
) -> FitResult:
    steps = 0

    def loss(module: nn.Module, batch):
        nonlocal steps
        steps += 1
        if killed_at is not None and steps > killed_at:
            raise Killed
        return Supervised().loss(module, batch)

    return fit(net, _stream(), loss, schedule, checkpoint=checkpoint, report_every=5)


@pytest.mark.parametrize("call", ["small(width=4)", "dropout"])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_an_interrupted_training_ends_with_the_same_weights(
    kind: str, call: str, tmp_path: Path
) -> None:
    whole = _net(call)
    report = _train(whole, SCHEDULES[kind])
    path = tmp_path / "net.unfinished"
    for killed_at in (4, 3):  # interrupted twice: at step 4 of the first run, 3 of the second
        with pytest.raises(Killed):
            _train(_net(call), SCHEDULES[kind], Checkpoint(path=path, every_s=0.0), killed_at)
        assert path.is_file()
    resumed = _net(call)
    again = _train(resumed, SCHEDULES[kind], Checkpoint(path=path, every_s=0.0))
    assert same_weights(weights_of(resumed), weights_of(whole))
    assert again.resumed_at == (4, 7)
    assert (again.num_steps, again.images_seen) == (report.num_steps, report.images_seen)
    assert again.loss == pytest.approx(report.loss, rel=1e-6)


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    one, two = _net("dropout"), _net("dropout")
    _train(one, SCHEDULES["sgd"])
    _train(two, SCHEDULES["sgd"], Checkpoint(path=tmp_path / "x", every_s=0.0))
    assert same_weights(weights_of(one), weights_of(two))


@pytest.fixture
def default_sigint():
    """Set Python's handler of Ctrl-C: shells make processes in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_sigint")
def test_ctrl_c_ends_the_step_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    path, whole, resumed = tmp_path / "x", _net("small(width=4)"), _net("small(width=4)")
    _train(whole, SCHEDULES["sgd"])
    steps = 0

    def loss(module: nn.Module, batch):
        nonlocal steps
        steps += 1
        if steps == 5:
            signal.raise_signal(signal.SIGINT)
        return Supervised().loss(module, batch)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(
            _net("small(width=4)"),
            _stream(),
            loss,
            SCHEDULES["sgd"],
            checkpoint=Checkpoint(path=path),
        )
    assert signal.getsignal(signal.SIGINT) is before
    assert _train(resumed, SCHEDULES["sgd"], Checkpoint(path=path)).resumed_at == (5,)
    assert same_weights(weights_of(whole), weights_of(resumed))


@pytest.mark.usefixtures("default_sigint")
def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def loss(module: nn.Module, batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it did not stop at once")

    with pytest.raises(KeyboardInterrupt):
        fit(
            _net("small(width=4)"),
            _stream(),
            loss,
            SCHEDULES["sgd"],
            checkpoint=Checkpoint(path=tmp_path / "x"),
        )


def test_weights_that_are_not_finite_at_the_end_are_an_error() -> None:
    """The loss of the last step does not see its update."""
    schedule = Schedule(
        images_seen=2 * 16, batch_size=16, peak_learning_rate=1e30, warmup_share=0.0
    )
    with pytest.raises(DivergedError, match="not finite"):
        _train(_net("small(width=4)"), schedule)


def test_a_training_with_a_damaged_checkpoint_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "net.unfinished"
    with pytest.raises(Killed):
        _train(_net("dropout"), SCHEDULES["sgd"], Checkpoint(path=path, every_s=0.0), 4)
    path.write_bytes(path.read_bytes()[:100])
    resumed, whole = _net("dropout"), _net("dropout")
    assert _train(resumed, SCHEDULES["sgd"], Checkpoint(path=path, every_s=0.0)).resumed_at == ()
    _train(whole, SCHEDULES["sgd"])
    assert same_weights(weights_of(resumed), weights_of(whole))


def test_dropout_uses_the_stream_and_restores_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = _net_at(5)
    assert torch.equal(torch.rand(3), expected)
    two = _net_at(6)
    assert same_weights(one, two)  # the state of the global generator does not matter


def _net_at(seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        net = _net("dropout")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _train(net, SCHEDULES["sgd"])
    return weights_of(net)


def _memory_limited(limit: int) -> Callable:
    """A loss that runs out of memory for more than `limit` images."""

    def loss(module: nn.Module, batch):
        if len(batch[0]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Supervised().loss(module, batch)

    return loss


def test_batches_are_split_if_memory_runs_out_and_the_report_says_so() -> None:
    """Without batch norm and dropout, the summed gradients are those of the whole batch."""
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(192, 10)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    whole = fit(nets[0], _stream(), Supervised().loss, SCHEDULES["sgd"])
    cut = fit(nets[1], _stream(), _memory_limited(5), SCHEDULES["sgd"])
    assert (whole.micro_batch_size, cut.micro_batch_size) == (16, 4)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert cut.loss == pytest.approx(whole.loss, rel=1e-5)


def test_too_little_memory_for_two_images_is_an_error() -> None:
    with pytest.raises(TrainingError, match="not enough memory on cpu"):
        fit(_net("dropout"), _stream(), _memory_limited(1), SCHEDULES["sgd"])


def test_a_batch_of_large_images_is_split_into_single_images() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    assert (
        fit(
            net, _stream(), _memory_limited(1), SCHEDULES["sgd"], eager_float32=True
        ).micro_batch_size
        == 1
    )
    with pytest.raises(TrainingError, match="one image at a time"):
        fit(net, _stream(), _memory_limited(0), SCHEDULES["sgd"], eager_float32=True)


def test_lists_are_split_in_order() -> None:
    for num in (1, 2, 3, 7):
        parts = _split(list(range(7)), num)
        assert [value for part in parts for value in part] == list(range(7))
        assert len(parts) == num
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_other_errors_are_raised() -> None:
    def broken(module: nn.Module, batch):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        fit(_net("dropout"), _stream(), broken, SCHEDULES["sgd"])


def _early_stopping(scores: list[float], patience: int = 2) -> EarlyStopping:
    remaining = iter(scores)
    return EarlyStopping(
        score=lambda _module: next(remaining), num_held_out=10, every=2, patience=patience
    )


def test_early_stopping_ends_after_its_patience_and_keeps_the_best_weights() -> None:
    net, stopping = _net("small(width=4)"), _early_stopping([10, 30, 30, 20, 90])
    report = fit(net, _stream(), Supervised().loss, SCHEDULES["sgd"], early_stopping=stopping)
    assert report.num_steps == 8
    assert report.early_stopping is not None
    assert report.early_stopping["best_at_step"] == 4
    assert report.early_stopping["looks"] == [(2, 10), (4, 30), (6, 30), (8, 20)]
    shorter = _net("small(width=4)")
    with pytest.raises(Killed):
        _train(shorter, SCHEDULES["sgd"], None, 4)
    assert same_weights(weights_of(net), weights_of(shorter))


def test_early_stopping_resumes_from_a_checkpoint(tmp_path: Path) -> None:
    scores = [10, 30, 30, 20, 90]
    path, whole, resumed = tmp_path / "x", _net("dropout"), _net("dropout")
    report = fit(
        whole,
        _stream(),
        Supervised().loss,
        SCHEDULES["sgd"],
        early_stopping=_early_stopping(scores),
    )
    remaining = iter(range(5))

    def loss(module: nn.Module, batch):
        if next(remaining, None) is None:
            raise Killed
        return Supervised().loss(module, batch)

    with pytest.raises(Killed):
        first = Checkpoint(path=path, every_s=0.0)
        fit(
            _net("dropout"),
            _stream(),
            loss,
            SCHEDULES["sgd"],
            early_stopping=_early_stopping(scores),
            checkpoint=first,
        )
    second = Checkpoint(path=path, every_s=0.0)
    again = fit(
        resumed,
        _stream(),
        Supervised().loss,
        SCHEDULES["sgd"],
        early_stopping=_early_stopping(scores[2:]),
        checkpoint=second,
    )
    assert again.early_stopping == report.early_stopping
    assert same_weights(weights_of(whole), weights_of(resumed))


def test_cosine_falls_from_the_peak_to_zero() -> None:
    schedule = SCHEDULES["adamw"]
    rates = [schedule.learning_rate(step) for step in range(12)]
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert rates[-1] < 0.0002
    assert rates[6] == pytest.approx(0.01 * 0.5 * (1 + np.cos(np.pi * (6.5 / 12 - 0.2) / 0.8)))


def test_no_warm_up_begins_at_the_peak() -> None:
    assert Schedule(images_seen=1000, batch_size=10, warmup_share=0.0).learning_rate(
        0
    ) == pytest.approx(0.2 * 0.995)


def test_adamw_does_not_decay_biases_and_norms() -> None:
    optimiser = SCHEDULES["adamw"].make_optimiser(_net("small(width=4)"))
    by_decay = {
        group["weight_decay"]: {p.ndim for p in group["params"]} for group in optimiser.param_groups
    }
    assert by_decay == {0.05: {2, 4}, 0.0: {1}}


def test_a_step_that_ran_out_of_memory_does_not_change_batch_norm() -> None:
    """Here the memory runs out after the forward pass."""

    def late(module: nn.Module, batch):
        value = Supervised().loss(module, batch)
        if len(batch[0]) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return value

    def counts(loss: Callable) -> dict[str, torch.Tensor]:
        net = _net("small(width=4)")
        fit(net, _stream(), loss, SCHEDULES["sgd"])
        return weights_of(net)

    starved, early = counts(late), counts(_memory_limited(8))
    assert {int(t) for n, t in starved.items() if n.endswith("num_batches_tracked")} == {2 * 12}
    assert same_weights(starved, early)


def test_too_little_memory_for_a_batch_is_an_error() -> None:
    class Greedy(Stream):
        def batch(self, step: int):
            raise MemoryError

    stream = _stream()
    greedy = Greedy(stream.images, stream.batch_size, stream.seed)
    with pytest.raises(TrainingError, match="not enough memory on cpu for a batch"):
        fit(_net("dropout"), greedy, Supervised().loss, SCHEDULES["sgd"])


def test_temporary_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    left = tmp_path / f"x.writing-{_HOST}-999999999-0f"
    left.write_bytes(b"half")
    Checkpoint(path=tmp_path / "y").write({"a": torch.zeros(1)}, {"step": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["y"]
