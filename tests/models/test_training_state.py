"""Trainings that are cut off, run out of memory, or end early."""

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
from seedbed.models.fit import FitResult, _parts, fit
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


class Cut(Exception):
    """Stands for a kill."""


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
    cut_at: int | None = None,
) -> FitResult:
    steps = 0

    def loss(module: nn.Module, batch):
        nonlocal steps
        steps += 1
        if cut_at is not None and steps > cut_at:
            raise Cut
        return Supervised().loss(module, batch)

    return fit(net, _stream(), loss, schedule, checkpoint=checkpoint, report_every=5)


@pytest.mark.parametrize("call", ["small(width=4)", "dropout"])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_training_that_was_cut_off_ends_with_the_same_weights(
    kind: str, call: str, tmp_path: Path
) -> None:
    whole = _net(call)
    report = _train(whole, SCHEDULES[kind])
    place = tmp_path / "net.unfinished"
    for cut_at in (4, 3):  # cut off twice: at step 4 of the first run, 3 of the second
        with pytest.raises(Cut):
            _train(_net(call), SCHEDULES[kind], Checkpoint(path=place, every_s=0.0), cut_at)
        assert place.is_file()
    resumed = _net(call)
    again = _train(resumed, SCHEDULES[kind], Checkpoint(path=place, every_s=0.0))
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
def listening():
    """Python's own handler of Ctrl-C, also where the tests run in the background, which shells make
    deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_ctrl_c_ends_the_step_and_leaves_a_checkpoint(tmp_path: Path) -> None:
    place, whole, resumed = tmp_path / "x", _net("small(width=4)"), _net("small(width=4)")
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
            checkpoint=Checkpoint(path=place),
        )
    assert signal.getsignal(signal.SIGINT) is before
    assert _train(resumed, SCHEDULES["sgd"], Checkpoint(path=place)).resumed_at == (5,)
    assert same_weights(weights_of(whole), weights_of(resumed))


@pytest.mark.usefixtures("listening")
def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def loss(module: nn.Module, batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it waited")

    with pytest.raises(KeyboardInterrupt):
        fit(
            _net("small(width=4)"),
            _stream(),
            loss,
            SCHEDULES["sgd"],
            checkpoint=Checkpoint(path=tmp_path / "x"),
        )


def test_weights_that_end_beyond_all_numbers_are_an_error() -> None:
    """The loss of the last step is of the weights before it."""
    schedule = Schedule(
        images_seen=2 * 16, batch_size=16, peak_learning_rate=1e30, warmup_share=0.0
    )
    with pytest.raises(DivergedError, match="not finite"):
        _train(_net("small(width=4)"), schedule)


def test_a_damaged_checkpoint_begins_anew(tmp_path: Path) -> None:
    place = tmp_path / "net.unfinished"
    with pytest.raises(Cut):
        _train(_net("dropout"), SCHEDULES["sgd"], Checkpoint(path=place, every_s=0.0), 4)
    place.write_bytes(place.read_bytes()[:100])
    resumed, whole = _net("dropout"), _net("dropout")
    assert _train(resumed, SCHEDULES["sgd"], Checkpoint(path=place, every_s=0.0)).resumed_at == ()
    _train(whole, SCHEDULES["sgd"])
    assert same_weights(weights_of(resumed), weights_of(whole))


def test_dropout_draws_from_the_stream_and_leaves_the_callers_generator_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    one = _net_at(5)
    assert torch.equal(torch.rand(3), wanted)
    two = _net_at(6)
    assert same_weights(one, two)  # whatever the caller's generator holds


def _net_at(seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        net = _net("dropout")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _train(net, SCHEDULES["sgd"])
    return weights_of(net)


def _starved(limit: int) -> Callable:
    """A loss that runs out of memory above so many images."""

    def loss(module: nn.Module, batch):
        if len(batch[0]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return Supervised().loss(module, batch)

    return loss


def test_batches_are_cut_where_memory_runs_out_and_it_is_said() -> None:
    """Without batch norm and dropout, gradients summed over parts are the whole batch's."""
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(192, 10)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    whole = fit(nets[0], _stream(), Supervised().loss, SCHEDULES["sgd"])
    cut = fit(nets[1], _stream(), _starved(5), SCHEDULES["sgd"])
    assert (whole.micro_batch_size, cut.micro_batch_size) == (16, 4)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert cut.loss == pytest.approx(whole.loss, rel=1e-5)


def test_memory_for_no_two_images_is_an_error() -> None:
    with pytest.raises(TrainingError, match="not enough memory on cpu"):
        fit(_net("dropout"), _stream(), _starved(1), SCHEDULES["sgd"])


def test_a_batch_of_large_images_is_cut_to_one() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    assert fit(net, _stream(), _starved(1), SCHEDULES["sgd"], plain=True).micro_batch_size == 1
    with pytest.raises(TrainingError, match="one image at a time"):
        fit(net, _stream(), _starved(0), SCHEDULES["sgd"], plain=True)


def test_parts_of_lists_are_parts_of_their_order() -> None:
    for num in (1, 2, 3, 7):
        parts = _parts(list(range(7)), num)
        assert [value for part in parts for value in part] == list(range(7))
        assert len(parts) == num
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    def broken(module: nn.Module, batch):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        fit(_net("dropout"), _stream(), broken, SCHEDULES["sgd"])


def _stopping(scores: list[float], patience: int = 2) -> EarlyStopping:
    left = iter(scores)
    return EarlyStopping(
        score=lambda _module: next(left), num_held_out=10, every=2, patience=patience
    )


def test_early_stopping_ends_after_its_patience_and_keeps_the_best_weights() -> None:
    net, stopping = _net("small(width=4)"), _stopping([10, 30, 30, 20, 90])
    report = fit(net, _stream(), Supervised().loss, SCHEDULES["sgd"], stopping=stopping)
    assert report.num_steps == 8
    assert report.early_stopping is not None
    assert report.early_stopping["best_at_step"] == 4
    assert report.early_stopping["looks"] == [(2, 10), (4, 30), (6, 30), (8, 20)]
    shorter = _net("small(width=4)")
    with pytest.raises(Cut):
        _train(shorter, SCHEDULES["sgd"], None, 4)
    assert same_weights(weights_of(net), weights_of(shorter))


def test_early_stopping_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    scores = [10, 30, 30, 20, 90]
    place, whole, resumed = tmp_path / "x", _net("dropout"), _net("dropout")
    report = fit(whole, _stream(), Supervised().loss, SCHEDULES["sgd"], stopping=_stopping(scores))
    left = iter(range(5))

    def loss(module: nn.Module, batch):
        if next(left, None) is None:
            raise Cut
        return Supervised().loss(module, batch)

    with pytest.raises(Cut):
        first = Checkpoint(path=place, every_s=0.0)
        fit(
            _net("dropout"),
            _stream(),
            loss,
            SCHEDULES["sgd"],
            stopping=_stopping(scores),
            checkpoint=first,
        )
    second = Checkpoint(path=place, every_s=0.0)
    again = fit(
        resumed,
        _stream(),
        Supervised().loss,
        SCHEDULES["sgd"],
        stopping=_stopping(scores[2:]),
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


def test_adamw_spares_biases_and_norms_from_decay() -> None:
    optimiser = SCHEDULES["adamw"].make_optimiser(_net("small(width=4)"))
    by_decay = {
        group["weight_decay"]: {p.ndim for p in group["params"]} for group in optimiser.param_groups
    }
    assert by_decay == {0.05: {2, 4}, 0.0: {1}}


def test_an_attempt_for_which_memory_did_not_suffice_leaves_no_trace_in_batch_norm() -> None:
    """It has run the network forward: only then there is no memory for what follows."""

    def late(module: nn.Module, batch):
        found = Supervised().loss(module, batch)
        if len(batch[0]) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return found

    def counts(loss: Callable) -> dict[str, torch.Tensor]:
        net = _net("small(width=4)")
        fit(net, _stream(), loss, SCHEDULES["sgd"])
        return weights_of(net)

    starved, early = counts(late), counts(_starved(8))
    assert {int(t) for n, t in starved.items() if n.endswith("num_batches_tracked")} == {2 * 12}
    assert same_weights(starved, early)


def test_memory_that_runs_out_where_nothing_can_be_cut_is_an_error() -> None:
    class Greedy(Stream):
        def batch(self, step: int):
            raise MemoryError

    stream = _stream()
    greedy = Greedy(stream.images, stream.batch_size, stream.seed)
    with pytest.raises(TrainingError, match="not enough memory on cpu for a batch"):
        fit(_net("dropout"), greedy, Supervised().loss, SCHEDULES["sgd"])


def test_half_written_checkpoints_of_killed_processes_go(tmp_path: Path) -> None:
    left = tmp_path / f"x.writing-{_HOST}-999999999-0f"
    left.write_bytes(b"half")
    Checkpoint(path=tmp_path / "y").write({"a": torch.zeros(1)}, {"step": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["y"]
