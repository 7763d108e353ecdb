"""Retrieval: whitening and search against plain NumPy, protocols against the slow twins, and no
peeking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import retrieval as reference
from tiny import digits_store, holidays_tree, trained

import seedbed as sb
from seedbed.base.errors import BadDataError, UsageError
from seedbed.data.source import TEST, TRAIN
from seedbed.readout.search_index import FaissIndex, Whitening, rank_exact, to_search_codes
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
    # a direction has no sign of its own
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-4)
    assert whitening.explained == pytest.approx(spread[::-1][:5].sum() / spread.sum())


def test_directions_without_variance_are_left_out() -> None:
    codes = torch.zeros(50, 6)
    codes[:, :2] = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    assert Whitening.fit(codes, 6).projection.shape == (6, 2)
    with pytest.raises(UsageError, match="all equal"):
        Whitening.fit(torch.ones(10, 3), 2)
    with pytest.raises(UsageError, match="fitted on 1 images"):
        Whitening.fit(torch.ones(1, 3), 2)


def test_signed_power_keeps_signs() -> None:
    found = to_search_codes(torch.tensor([[3.0, -4.0]]), None, 2.0)
    assert torch.allclose(found, torch.tensor([[9.0, -16.0]]) / (81 + 256) ** 0.5)
    assert torch.allclose(
        to_search_codes(torch.tensor([[3.0, -4.0]]), None, 1.0), torch.tensor([[0.6, -0.8]])
    )


def test_exact_search_puts_ties_in_order() -> None:
    gallery = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert rank_exact(torch.tensor([[1.0, 0.0]]), gallery).tolist() == [[0, 2, 1]]


def test_approximate_search_finds_what_exact_search_finds_where_it_looks() -> None:
    gallery = to_search_codes(
        torch.randn(300, 8, generator=torch.Generator().manual_seed(0)), None, 1.0
    )
    exact, near = rank_exact(gallery[:20], gallery), FaissIndex(gallery, 50).rank(gallery[:20])
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
        assert found["unit.map_retrieval"][q] == pytest.approx(
            reference.oxford_ap(ranking, right, set()), abs=1e-9
        )
        assert found["unit.recall_at_1"][q] == 100 * (ranking[0] in right)
    assert measured.metrics["map_retrieval"] == pytest.approx(found["unit.map_retrieval"].mean())


def test_a_set_with_queries_of_its_own_names_what_it_was_fitted_on(tmp_path: Path) -> None:
    root = holidays_tree(tmp_path / "holidays")
    net = trained().backbone
    with pytest.raises(UsageError, match="whitening needs training images") as caught:
        sb.transfer(net, str(root), "retrieve()", workspace=tmp_path / "ws")
    assert "learn_on=" in caught.value.hint
    plain = sb.transfer(net, str(root), "retrieve(whiten=False)", workspace=tmp_path / "ws")
    assert plain.primary == "map_holidays"
    assert plain.num_test == 6
    fitted = sb.transfer(
        net,
        str(root),
        "retrieve(dim=8)",
        learn_on="digits()",
        workspace=tmp_path / "ws",
        out=tmp_path / "out",
    )
    assert fitted.facts["fitted_on"] == "1,797 images"
    assert fitted.facts["num_gallery"] == 18  # what was learnt on is not searched
    again = sb.transfer(
        net,
        f"holidays({str(root)!r}, learn_on='digits()')",
        "retrieve(dim=8)",
        workspace=tmp_path / "ws",
    )
    assert again.metrics == fitted.metrics
    # What was written, scored by itself, says the same.
    score = scoring.holidays(tmp_path / "out" / "results" / "ranking.dat", root / "jpg")
    assert score.value == pytest.approx(fitted.metrics["map_holidays"], abs=1e-9)


def test_learn_on_goes_with_queries(tmp_path: Path, make_tree) -> None:
    photos = make_tree({"cats": 3, "dogs": 3})
    with pytest.raises(UsageError, match="no set of queries"):
        sb.transfer(
            trained().backbone,
            str(photos),
            "retrieve()",
            learn_on="digits()",
            workspace=tmp_path / "ws",
        )


def test_a_query_whose_answers_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    root = holidays_tree(tmp_path / "holidays")
    for i in (1, 2):
        (root / "jpg" / f"10030{i}.jpg").write_bytes(b"no image")
    store = sb.pack(str(root), tmp_path / "h.store", size_px=8, allow_unreadable=0.5)
    with pytest.raises(BadDataError, match="no relevant image left, jpg/100300.jpg"):
        Retrieval().load(store, 0)


@pytest.mark.parametrize("settings", ["dim=0", "power=0", "depth=0", "search='slow'"])
def test_settings_out_of_range_are_refused(settings: str) -> None:
    from seedbed.transfers.methods import METHODS

    with pytest.raises(UsageError):
        METHODS.make(f"retrieve({settings})")


def test_any_images_do_for_a_whitening(tmp_path: Path) -> None:
    """A folder without folders of classes; labels are not looked at."""
    from PIL import Image

    root, others = holidays_tree(tmp_path / "holidays"), tmp_path / "others"
    (others / "deep" / "er").mkdir(parents=True)
    store = digits_store()
    for i in range(30):
        Image.fromarray(store.pixels[500 + i]).save(
            (others if i % 2 else others / "deep" / "er") / f"{i}.png"
        )
    measured = sb.transfer(
        trained().backbone,
        str(root),
        "retrieve(dim=8)",
        learn_on=str(others),
        workspace=tmp_path / "ws",
        out=tmp_path / "out",
    )
    assert measured.facts["fitted_on"] == "30 images"
    assert measured.facts["num_gallery"] == 18
    noisy = sb.transfer(
        trained().backbone,
        str(root),
        "retrieve(dim=16)",
        learn_on=str(others),
        workspace=tmp_path / "ws",
    )
    assert "too few for 16 dimensions: 48 images would be enough" in str(noisy.facts["fitted_on"])
    many = sb.transfer(
        trained().backbone, str(root), "retrieve()", learn_on=str(others), workspace=tmp_path / "ws"
    )
    num = 3 * trained().backbone.layer().dim
    assert f"{num} images would be enough" in str(many.facts["fitted_on"])


def test_the_images_that_are_searched_are_not_fitted_on(tmp_path: Path) -> None:
    root = holidays_tree(tmp_path / "holidays")
    with pytest.raises(UsageError, match="18 of the 18 images .* are searched too"):
        sb.transfer(
            trained().backbone,
            str(root),
            "retrieve(dim=8)",
            learn_on=str(root),
            workspace=tmp_path / "ws",
        )


def test_a_labelled_domain_and_images_for_a_whitening_do_not_go_together(tmp_path: Path) -> None:
    root = holidays_tree(tmp_path / "holidays")
    with pytest.raises(UsageError, match="cannot be combined"):
        sb.transfer(
            trained().backbone,
            str(root),
            "retrieve()",
            learn_on="digits()",
            labelled="digits()",
            workspace=tmp_path / "ws",
        )


def test_what_an_approximate_search_does_not_find_counts_as_not_found(tmp_path: Path) -> None:
    task = Retrieval().load(digits_store(), 0)
    whole = task.score(lambda which: np.tile(np.arange(len(task.gallery)), (len(which), 1)), {})
    none = task.score(lambda which: np.full((len(which), 7), -1), {})
    assert whole.metrics["map_retrieval"] > 0
    assert none.metrics["map_retrieval"] == none.metrics["recall_at_1"] == 0
    first = task.score(lambda which: np.tile(np.append(np.arange(20), [-1]), (len(which), 1)), {})
    assert 0 < first.metrics["map_retrieval"] < whole.metrics["map_retrieval"]


def test_oxford_leaves_junk_out_and_ukbench_counts_the_query(tmp_path: Path) -> None:
    """Small trees of both, measured with codes of a tiny net, against the twins from the rankings
    that were written."""
    from PIL import Image

    store = digits_store()

    def save(path: Path, digit: int, i: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(store.pixels[np.flatnonzero(store.leaves == digit)[i]]).resize(
            (24, 24)
        ).save(path, quality=95)

    net = trained().backbone
    bench = tmp_path / "ukbench"
    for group in range(5):
        for i in range(4):
            save(bench / f"ukbench{4 * group + i:05d}.jpg", group, i)
    measured = sb.transfer(
        net,
        f"ukbench({str(bench)!r})",
        "retrieve(whiten=False)",
        workspace=tmp_path / "ws",
        out=tmp_path / "uk",
    )
    assert measured.primary == "ns_score"
    found = measured.predictions
    for q in range(20):
        assert found["unit.ns_score"][q] == sum(
            int(i) // 4 == q // 4 for i in found["ranked"][q][:4]
        )
    assert scoring.ukbench(tmp_path / "uk" / "results").value == pytest.approx(
        measured.metrics["ns_score"]
    )
    assert measured.metrics["ns_score"] > 1.5  # of 4; each query finds itself

    oxford = tmp_path / "oxford"
    for digit in range(3):
        for i in range(5):
            save(oxford / "images" / f"d{digit}_{i:06d}.jpg", digit, i)
        for kind, names in (
            ("query", [f"oxc1_d{digit}_000000 0 0 24 24"]),
            ("good", ["1", "2"]),
            ("ok", ["3"]),
            ("junk", ["4"]),
        ):
            lines = names if kind == "query" else [f"d{digit}_{int(n):06d}" for n in names]
            path = oxford / "gt" / f"d{digit}_1_{kind}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines))
    measured = sb.transfer(
        net,
        f"oxford({str(oxford)!r})",
        "retrieve(whiten=False)",
        workspace=tmp_path / "ws",
        out=tmp_path / "ox",
    )
    lines = {
        line.split()[0]: line.split()[2::2]
        for line in (tmp_path / "ox" / "results" / "ranking.dat").read_text().splitlines()
    }
    for q, query in enumerate(sorted(lines)):
        digit = query[:2]
        right, junk = {f"{digit}_{i:06d}" for i in (1, 2, 3)}, {f"{digit}_000004"}
        assert measured.predictions["unit.map_oxford"][q] == pytest.approx(
            reference.oxford_ap(lines[query], right, junk), abs=1e-9
        )
    assert scoring.oxford(oxford / "gt", tmp_path / "ox" / "results").value == pytest.approx(
        measured.metrics["map_oxford"]
    )
    each = tmp_path / "ox" / "results" / "rankings"
    assert (each / "d0_1.txt").read_text().split() == lines["d0_1"]
    assert scoring.oxford(oxford / "gt", each).value == pytest.approx(
        measured.metrics["map_oxford"]
    )


def test_a_search_for_fewer_than_four_is_scored_on_ukbench_too(tmp_path: Path) -> None:
    from PIL import Image

    for i in range(8):
        Image.fromarray(digits_store().pixels[i]).resize((24, 24)).save(
            tmp_path / f"ukbench{i:05d}.jpg"
        )
    call = f"ukbench({str(tmp_path)!r})"
    method = "retrieve(whiten=False, search='faiss', depth=1)"
    measured = sb.transfer(
        trained().backbone, call, method, workspace=tmp_path / "ws", out=tmp_path / "out"
    )
    assert measured.metrics["ns_score"] == 1  # itself alone
    assert [p.name for p in (tmp_path / "out" / "results").iterdir()] == ["ranking_first_4.dat"]
    assert scoring.ukbench(tmp_path / "out" / "results").value == 1


def test_what_an_approximate_search_means_is_in_its_key() -> None:
    assert Retrieve(search="faiss").identity() != {
        **Retrieve().identity(),
        "search": "faiss",
        "depth": 10_000,
    }  # pyright: ignore
    assert "depth" not in Retrieve(depth=5).identity()  # pyright: ignore


def test_a_ranking_among_classes_is_kept_by_paths(tmp_path: Path, make_tree) -> None:
    photos = make_tree({"cats": 20, "dogs": 20})
    measured = sb.transfer(
        trained().backbone,
        str(photos),
        "retrieve(whiten=False)",
        workspace=tmp_path / "ws",
        out=tmp_path / "out",
    )
    lines = [
        line.split()
        for line in (tmp_path / "out" / "results" / "ranking.dat").read_text().splitlines()
    ]
    assert len(lines) == measured.num_test
    for q, (query, *rest) in enumerate(lines):
        found = [name for name in rest[1::2] if name != query]
        hits = [name.split("/")[0] == query.split("/")[0] for name in found]
        assert measured.predictions["unit.recall_at_1"][q] == 100 * hits[0]
