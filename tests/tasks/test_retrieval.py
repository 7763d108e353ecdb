"""Retrieval: whitening and search against plain NumPy, protocols against the slow twins, and no peeking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import retrieval as reference
from tiny import digits_store, trained

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.source import TEST, TRAIN
from seedbed.readout.searching import Approximate, Whitening, rank_exactly, searchable
from seedbed.tasks import scoring
from seedbed.tasks.catalogue.retrieval import Retrieval
from seedbed.transfers.methods import Context
from seedbed.transfers.methods.retrieve import Retrieve


def test_whitened_codes_have_no_correlation_and_one_variance() -> None:
    codes = torch.randn(400, 12, generator=torch.Generator().manual_seed(0)) @ torch.randn(
        12, 12, generator=torch.Generator().manual_seed(1)
    )
    whitening = Whitening.fit(codes, 5)
    found = whitening(codes).double().numpy()
    assert np.allclose(np.cov(found.T), np.eye(5), atol=1e-5)
    values = codes.double().numpy()
    spread, turn = np.linalg.eigh(np.cov(values.T))
    expected = (values - values.mean(0)) @ turn[:, ::-1][:, :5] / np.sqrt(spread[::-1][:5])
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-4)  # a direction has no sign of its own
    assert whitening.explained == pytest.approx(spread[::-1][:5].sum() / spread.sum())


def test_directions_without_variance_are_left_out() -> None:
    codes = torch.zeros(50, 6)
    codes[:, :2] = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    assert Whitening.fit(codes, 6).turn.shape == (6, 2)
    with pytest.raises(UsageError, match="all alike"):
        Whitening.fit(torch.ones(10, 3), 2)
    with pytest.raises(UsageError, match="fitted on 1 images"):
        Whitening.fit(torch.ones(1, 3), 2)


def test_signed_power_keeps_signs() -> None:
    found = searchable(torch.tensor([[3.0, -4.0]]), None, 2.0)
    assert torch.allclose(found, torch.tensor([[9.0, -16.0]]) / (81 + 256) ** 0.5)
    assert torch.allclose(searchable(torch.tensor([[3.0, -4.0]]), None, 1.0), torch.tensor([[0.6, -0.8]]))


def test_exact_search_puts_ties_in_order() -> None:
    gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert rank_exactly(torch.tensor([[1.0, 0.0]]), gallery).tolist() == [[0, 2, 1]]


def test_approximate_search_finds_what_exact_search_finds_where_it_looks() -> None:
    gallery = searchable(torch.randn(300, 8, generator=torch.Generator().manual_seed(0)), None, 1.0)
    exact, near = rank_exactly(gallery[:20], gallery), Approximate(gallery, 50).rank(gallery[:20])
    assert (near[:, 0] == exact[:, 0]).all()  # each is nearest to itself
    assert near.shape == (20, 50)
    assert all(len({i for i in row if i >= 0}) == sum(i >= 0 for i in row) for row in near.tolist())
    assert np.mean([len(set(a[:10]) & set(b[:10])) for a, b in zip(exact, near, strict=True)]) > 7


def test_classes_are_asked_of_other_test_images() -> None:
    store = digits_store()
    task = Retrieval().load(store, 0)
    assert (store.splits[task.test] == TEST).all()
    assert (store.splits[task.train] == TRAIN).all()
    assert np.array_equal(task.test, task.gallery)
    measured = Retrieve(dim=16).run(trained().backbone, task, Context())
    assert set(measured.metrics) == {"map_retrieval", "recall_at_1"}
    found = measured.predictions
    # Against the twin, from the rankings that are kept: the query is in none.
    labels = store.leaves[task.test]
    for q in range(0, len(task.test), 97):
        ranking = [int(i) for i in found["ranked"][q] if i != q]
        right = {int(i) for i in np.flatnonzero(labels == labels[q]) if i != q}
        assert found["unit.map_retrieval"][q] == pytest.approx(reference.oxford_ap(ranking, right, set()), abs=1e-9)
        assert found["unit.recall_at_1"][q] == 100 * (ranking[0] in right)
    assert measured.metrics["map_retrieval"] == pytest.approx(found["unit.map_retrieval"].mean())


def holidays_tree(root: Path, num: int = 6) -> Path:
    """Groups of three images of one digit each, the first the query."""
    from PIL import Image

    store = digits_store()
    folder = root / "jpg"
    folder.mkdir(parents=True)
    for group in range(num):
        rows = np.flatnonzero(store.leaves == group)[:3]
        for i, row in enumerate(rows):
            Image.fromarray(store.pixels[row]).resize((24, 24)).save(folder / f"{100000 + 100 * group + i}.jpg", quality=95)
    return root


def test_a_set_with_queries_of_its_own_names_what_it_was_fitted_on(tmp_path: Path) -> None:
    root = holidays_tree(tmp_path / "holidays")
    net = trained().backbone
    with pytest.raises(UsageError, match="needs images to be fitted on") as caught:
        sb.transfer(net, str(root), "retrieve()", workspace=tmp_path / "ws")
    assert "learn_on=" in caught.value.hint
    plain = sb.transfer(net, str(root), "retrieve(whiten=False)", workspace=tmp_path / "ws")
    assert plain.primary == "map_holidays"
    assert plain.num_test == 6
    fitted = sb.transfer(net, str(root), "retrieve(dim=8)", learn_on="digits()", workspace=tmp_path / "ws", out=tmp_path / "out")
    assert fitted.facts["fitted_on"] == "1,797 training images"
    assert fitted.facts["num_gallery"] == 18  # what was learnt on is not searched
    again = sb.transfer(net, f"holidays({str(root)!r}, learn_on='digits()')", "retrieve(dim=8)", workspace=tmp_path / "ws")
    assert again.metrics == fitted.metrics
    # What was written, scored by itself, says the same.
    score = scoring.holidays(tmp_path / "out" / "results" / "ranking.dat", root / "jpg")
    assert score.value == pytest.approx(fitted.metrics["map_holidays"], abs=1e-9)


def test_learn_on_goes_with_queries(tmp_path: Path, make_tree) -> None:
    photos = make_tree({"cats": 3, "dogs": 3})
    with pytest.raises(UsageError, match="no set of queries"):
        sb.transfer(trained().backbone, str(photos), "retrieve()", learn_on="digits()", workspace=tmp_path / "ws")


def test_a_query_whose_answers_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    root = holidays_tree(tmp_path / "holidays")
    for i in (1, 2):
        (root / "jpg" / f"10030{i}.jpg").write_bytes(b"no image")
    store = sb.pack(str(root), tmp_path / "h.store", size_px=8, allow_unreadable=0.5)
    with pytest.raises(BadDataError, match="no answer left, jpg/100300.jpg"):
        Retrieval().load(store, 0)


@pytest.mark.parametrize("settings", ["dim=0", "power=0", "depth=0", "search='slow'"])
def test_settings_out_of_range_are_refused(settings: str) -> None:
    from seedbed.transfers.methods import METHODS

    with pytest.raises(UsageError):
        METHODS.make(f"retrieve({settings})")


def test_where_there_is_nothing_to_keep_it_is_said_before_anything_is_done(tmp_path: Path, make_tree) -> None:
    photos = make_tree({"cats": 10, "dogs": 10})
    with pytest.raises(UsageError, match="nothing to keep"):
        sb.transfer(trained().backbone, str(photos), "retrieve(whiten=False)", out=tmp_path / "out", workspace=tmp_path / "ws")
    assert not (tmp_path / "out").exists()
