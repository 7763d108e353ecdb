"""Influence of classes: planted influences are recovered, and reliability is estimated."""

from __future__ import annotations

import numpy as np
import pytest

from seedbed.verdicts.influence import influence


def planted(
    num_nets: int, num_classes: int, noise: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, the classes of each network, and the networks' values.

    The first two classes help by 2, the last two harm by 2.
    """
    rng = np.random.default_rng(seed)
    weights = np.zeros(num_classes)
    weights[:2], weights[-2:] = 2.0, -2.0
    seen = np.zeros((num_nets, num_classes), bool)
    for row in seen:
        row[rng.permutation(num_classes)[: num_classes // 2]] = True
    return weights, seen, 50 + seen @ weights + rng.normal(0, noise, num_nets)


@pytest.mark.parametrize("num_nets", [40, 120])  # differences of means; regression
def test_planted_influences_are_recovered(num_nets: int) -> None:
    weights, seen, values = planted(num_nets, 20, 0.5)
    estimated = influence(seen, values)
    assert estimated.by_regression == (num_nets == 120)
    assert set(np.argsort(-estimated.values)[:2]) == {0, 1} and set(
        np.argsort(estimated.values)[:2]
    ) == {
        18,
        19,
    }
    assert estimated.reliability > 0.6
    assert np.all(estimated.half_widths_joint > estimated.half_widths)
    missed = (
        np.abs(estimated.values - weights * (1 if estimated.by_regression else 20 / 19))
        > estimated.half_widths_joint
    )
    assert not missed.any()


def test_noise_has_a_low_reliability() -> None:
    rng = np.random.default_rng(3)
    _, seen, _ = planted(60, 30, 1.0)
    estimated = influence(seen, rng.normal(0, 1, 60))
    assert estimated.reliability < 0.5
    assert not (np.abs(estimated.values) > estimated.half_widths_joint).any()
    assert estimated.nets_needed is None or estimated.nets_needed > 200


def test_more_networks_give_a_more_reliable_ranking() -> None:
    few, many = (influence(*planted(n, 30, 3.0, seed=5)[1:]) for n in (40, 400))
    assert many.split_half > few.split_half
    assert [n for n, _ in many.curve] == [50, 100, 200]
    assert many.curve[-1][1] > many.curve[0][1]


def test_too_few_networks_are_refused() -> None:
    _, seen, values = planted(6, 10, 1.0)
    with pytest.raises(ValueError, match="6 networks are too few"):
        influence(seen, values)
    _, seen, values = planted(20, 10, 1.0)
    seen[:, 0] = True
    with pytest.raises(ValueError, match="at least two networks that were trained on it"):
        influence(seen, values)
