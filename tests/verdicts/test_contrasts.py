"""Contrasts: agreement with a slow reference implementation, symmetries, and corner cases."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.verdicts.contrasts import ArmScores, Contrast, contrast_pairs
from seedbed.verdicts.quantiles import Joint


def contrast_family(reference: ArmScores, arms: Sequence[ArmScores], **settings) -> list[Contrast]:
    """Compare every arm with one reference."""
    return contrast_pairs([(arm, reference) for arm in arms], **settings)


def scored(arm: str, per_image: np.ndarray) -> ArmScores:
    return ArmScores(arm=arm, values=per_image.mean(1), per_image=per_image)


def random_family(
    seed: int, num_seeds: Sequence[int] = (3, 3, 3), num_images: int = 20
) -> list[ArmScores]:
    """The reference, then arms."""
    rng = np.random.default_rng(seed)
    return [
        scored(f"arm{i}", 100.0 * (rng.random((n, num_images)) < 0.5 + 0.1 * i))
        for i, n in enumerate(num_seeds)
    ]


def numbers(contrast: Contrast) -> list[float]:
    assert contrast.interval and contrast.interval_90 and contrast.interval_seeds
    assert contrast.p_value is not None
    return [
        contrast.difference,
        *contrast.interval,
        *contrast.interval_90,
        *contrast.interval_seeds,
        contrast.p_value,
    ]


def variance(numbers: Sequence[float]) -> float:
    mean = sum(numbers) / len(numbers)
    return sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1)


def slow_residual_variance(per_image: np.ndarray) -> float:
    num_seeds, num_images = per_image.shape
    total = 0.0
    for s in range(num_seeds):
        for i in range(num_images):
            fitted = per_image[s].mean() + per_image[:, i].mean() - per_image.mean()
            total += (per_image[s, i] - fitted) ** 2
    return total / ((num_seeds - 1) * (num_images - 1))


def slow_interval(
    family: list[ArmScores], which: int, level: float, over_images: bool
) -> tuple[float, float]:
    """Points 1 to 3 of the contract, written literally, for equal numbers of seeds."""
    S = family[0].num_seeds
    variances = [variance(list(a.values)) for a in family]
    mean_v = sum(variances) / len(variances)
    arm, reference = ((mean_v + (S - 1) * variances[i]) / S for i in (which, 0))
    v_seed = (arm + reference) / S
    df_seed = v_seed**2 / ((arm / S) ** 2 / S + (reference / S) ** 2 / S)
    k = len(family) - 1
    half = Joint(k).quantile(level, df_seed) * math.sqrt(v_seed)
    if over_images:
        a, r = family[which].per_image, family[0].per_image
        assert a is not None and r is not None
        n = a.shape[1]
        v_image = variance([a[:, i].mean() - r[:, i].mean() for i in range(n)]) / n
        v_both = (slow_residual_variance(a) + slow_residual_variance(r)) / (n * S)
        v = max(v_seed + v_image - v_both, v_seed, v_image)
        df = v**2 / (v_seed**2 / df_seed + v_image**2 / (n - 1))
        half = max(half, Joint(k).quantile(level, df) * math.sqrt(v))
    difference = family[which].values.mean() - family[0].values.mean()
    return difference - half, difference + half


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_the_slow_implementation(seed: int) -> None:
    family = random_family(seed, (3, 3, 3, 3))
    for i, contrast in enumerate(contrast_family(family[0], family[1:], margin=1.0), start=1):
        assert contrast.interval == pytest.approx(slow_interval(family, i, 0.95, True))
        assert contrast.interval_90 == pytest.approx(slow_interval(family, i, 0.90, True))
        assert contrast.interval_seeds == pytest.approx(slow_interval(family, i, 0.95, False))


def test_two_arms_by_hand() -> None:
    """v = 1 and 4, mean 2.5, v* = (2.5 + 2) / 3 = 1.5 and (2.5 + 8) / 3 = 3.5, V = 5 / 3, df = 25 /
    (14.5 / 3)."""
    reference = ArmScores(arm="all", values=np.array([50.0, 51, 52]))
    arm = ArmScores(arm="half", values=np.array([40.0, 42, 44]))
    [contrast] = contrast_family(reference, [arm], margin=1.0)
    half = Joint(1).quantile(0.95, 75 / 14.5) * math.sqrt(5 / 3)
    assert contrast.difference == -9
    assert contrast.interval == pytest.approx((-9 - half, -9 + half))
    assert contrast.interval == contrast.interval_seeds
    assert (contrast.verdict, contrast.significant, contrast.beyond_margin) == ("worse", True, True)


@given(seed=st.integers(0, 10_000), order=st.permutations(range(3)))
def test_the_order_of_arms_and_images_changes_nothing(seed: int, order: list[int]) -> None:
    reference, *arms = random_family(seed, (3, 3, 4, 2))
    images = np.random.default_rng(seed).permutation(20)
    shuffled = [
        scored(a.arm, a.per_image[:, images]) for a in (reference, *arms) if a.per_image is not None
    ]
    plain = contrast_family(reference, arms, margin=5.0)
    mixed = contrast_family(shuffled[0], [shuffled[1 + i] for i in order], margin=5.0)
    for i, contrast in zip(order, mixed, strict=True):
        assert contrast.arm == plain[i].arm
        assert numbers(contrast) == pytest.approx(numbers(plain[i]), abs=1e-8)
        assert contrast.verdict == plain[i].verdict
        assert contrast.seeds_needed == plain[i].seeds_needed


@given(seed=st.integers(0, 10_000), constant=st.integers(-40, 40))
def test_adding_a_constant_to_all_values_changes_nothing(seed: int, constant: int) -> None:
    family = random_family(seed)
    moved = [scored(a.arm, a.per_image + constant) for a in family if a.per_image is not None]
    for one, other in zip(
        contrast_family(family[0], family[1:], margin=5.0),
        contrast_family(moved[0], moved[1:], margin=5.0),
        strict=True,
    ):
        assert numbers(one) == pytest.approx(numbers(other), abs=1e-8)


@given(seed=st.integers(0, 10_000))
def test_errors_have_the_opposite_sign(seed: int) -> None:
    reference, *arms = random_family(seed)
    negated = {"worse": "better", "better": "worse"}
    for up, down in zip(
        contrast_family(reference, arms, margin=5.0),
        contrast_family(reference, arms, margin=5.0, higher_is_better=False),
        strict=True,
    ):
        assert up.interval and down.interval
        assert down.difference == -up.difference
        assert down.interval == pytest.approx((-up.interval[1], -up.interval[0]))
        assert down.p_value == up.p_value
        assert down.verdict == negated.get(up.verdict, up.verdict)


@given(seed=st.integers(0, 10_000), num_seeds=st.lists(st.integers(2, 6), min_size=2, max_size=5))
def test_intervals_are_nested_and_agree_with_the_p_value(seed: int, num_seeds: list[int]) -> None:
    reference, *arms = random_family(seed, num_seeds)
    for contrast in contrast_family(reference, arms, margin=5.0):
        low, high, low_90, high_90, low_seeds, high_seeds, p_value = numbers(contrast)[1:]
        assert low <= low_90 <= contrast.difference <= high_90 <= high
        assert low <= low_seeds and high_seeds <= high
        assert all(map(math.isfinite, numbers(contrast)))
        assert contrast.significant == (p_value < 0.05)
        assert contrast.significant == (low > 0 or high < 0)


def test_an_arm_with_one_seed_is_undecided_and_not_in_the_family() -> None:
    reference, first, second, lone = random_family(0, (3, 3, 3, 1))
    with_lone = contrast_family(reference, [first, lone, second], margin=1.0)
    assert [with_lone[0], with_lone[2]] == contrast_family(reference, [first, second], margin=1.0)
    contrast = with_lone[1]
    assert contrast.difference == pytest.approx(lone.values.mean() - reference.values.mean())
    assert (contrast.verdict, contrast.significant, contrast.num_seeds) == ("undecided", False, 1)
    assert (
        contrast.interval is None
        and contrast.interval_90 is None
        and contrast.interval_seeds is None
    )
    assert contrast.p_value is None and contrast.seeds_needed is None


def test_a_reference_with_one_seed_leaves_all_undecided() -> None:
    reference, *arms = random_family(0, (1, 3, 3))
    assert {c.verdict for c in contrast_family(reference, arms, margin=1.0)} == {"undecided"}


@pytest.mark.parametrize(
    "value, verdict, significant, seeds",
    [
        (0.1, "equivalent", False, None),
        (0.4, "equivalent", True, (2, 2)),
        (5.0, "better", True, (2, 2)),
    ],
)
def test_identical_values(
    value: float, verdict: str, significant: bool, seeds: tuple[int, int] | None
) -> None:
    reference = ArmScores(arm="all", values=np.full(3, 0.1))
    arm = ArmScores(arm="half", values=np.full(4, value))
    [contrast] = contrast_family(reference, [arm], margin=1.0)
    assert contrast.interval == (contrast.difference, contrast.difference)
    assert (contrast.verdict, contrast.significant) == (verdict, significant)
    assert contrast.p_value == (0.0 if significant else 1.0)
    assert contrast.seeds_needed == seeds


def test_identical_images_add_no_variance() -> None:
    values = np.array([50.0, 51, 53])
    family = [
        ArmScores(
            arm=name, values=values + shift, per_image=np.tile(values[:, None] + shift, (1, 10))
        )
        for name, shift in (("all", 0.0), ("half", 1.0))
    ]
    [contrast] = contrast_family(family[0], family[1:], margin=1.0)
    assert contrast.interval == pytest.approx(contrast.interval_seeds)


def test_a_checkpoint_is_not_in_the_mean_variance() -> None:
    reference, first, second = random_family(3)
    noisy = ArmScores(arm="noisy", values=np.array([10.0, 50, 90]), checkpoint=True)
    plain = [dataclasses.replace(arm, per_image=None) for arm in (reference, first, second)]
    [without, _] = contrast_family(plain[0], plain[1:], margin=1.0)
    [with_noisy, contrast] = contrast_family(plain[0], [plain[1], noisy], margin=1.0)
    assert without.interval_seeds and with_noisy.interval_seeds and contrast.interval
    unshrunk = 1600.0
    pooled = (plain[0].values.var(ddof=1) + plain[1].values.var(ddof=1)) / 2
    shrunk = (pooled + 2 * plain[0].values.var(ddof=1)) / 3
    v = (unshrunk + shrunk) / 3
    df = v**2 / ((unshrunk / 3) ** 2 / 2 + (shrunk / 3) ** 2 / 3)
    half = Joint(2).quantile(0.95, df) * math.sqrt(v)
    assert contrast.interval[1] - contrast.interval[0] == pytest.approx(2 * half)
    assert contrast.arm_is_checkpoint


def test_the_only_arm_among_checkpoints_is_not_shrunk() -> None:
    reference = ArmScores(arm="a", values=np.array([50.0, 51, 52]), checkpoint=True)
    arm = ArmScores(arm="b", values=np.array([50.0, 51, 52]))
    [contrast] = contrast_family(reference, [arm], margin=1.0)
    assert contrast.interval
    assert contrast.interval[1] == pytest.approx(Joint(1).quantile(0.95, 4) * math.sqrt(2 / 3))


def test_the_bootstrap_estimates_the_variance_of_a_mean() -> None:
    family = random_family(5, num_images=400)

    def bootstrapped(arm: ArmScores) -> ArmScores:
        shares = arm.per_image
        assert shares is not None
        return ArmScores(
            arm=arm.arm,
            values=arm.values,
            statistic=lambda rows: shares[:, rows].mean(1),
            num_images=400,
        )

    [direct, _] = contrast_family(family[0], family[1:], margin=1.0)
    [boot, _] = contrast_family(*_split([bootstrapped(arm) for arm in family]), margin=1.0)
    assert direct.interval and boot.interval and boot.interval_seeds
    width, boot_width = direct.interval[1] - direct.interval[0], boot.interval[1] - boot.interval[0]
    assert boot_width >= width * 0.9  # V_both is not taken off
    assert boot_width > boot.interval_seeds[1] - boot.interval_seeds[0]
    assert boot.covers_images
    assert contrast_family(*_split([bootstrapped(arm) for arm in family]), margin=1.0)[0] == boot


def _split(family: list[ArmScores]) -> tuple[ArmScores, list[ArmScores]]:
    return family[0], family[1:]


def test_seeds_needed_grow_as_the_difference_shrinks() -> None:
    def needed(difference: float) -> tuple[int, int] | None:
        reference = ArmScores(arm="all", values=np.array([50.0, 51, 52]))
        arm = ArmScores(arm="half", values=np.array([50.0, 51, 52]) + difference)
        [contrast] = contrast_family(reference, [arm], margin=1.0)
        assert contrast.limiting_images == 0
        return contrast.seeds_needed

    near, far = needed(1.0), needed(3.0)
    assert near and far
    assert 2 <= far[0] <= far[1] and far[0] < near[0] <= near[1] and far[1] < near[1]
    assert needed(0.0) is None


def test_more_seeds_do_not_help_with_few_test_images() -> None:
    rng = np.random.default_rng(1)
    arms = [
        scored(name, np.tile(100.0 * (rng.random(20) < 0.5), (3, 1))) for name in ("all", "half")
    ]
    [contrast] = contrast_family(arms[0], arms[1:], margin=1.0)
    assert contrast.difference and contrast.seeds_needed is None and contrast.limiting_images == 20


def test_invalid_arguments_are_errors() -> None:
    reference, arm, other = random_family(0)
    with pytest.raises(ValueError, match="margin must be .* got -1"):
        contrast_family(reference, [arm], margin=-1.0)
    with pytest.raises(ValueError, match="unit must be one of .* got 'points'"):
        contrast_family(reference, [arm], margin=1.0, unit="points")
    with pytest.raises(ValueError, match="distinct names"):
        contrast_family(reference, [arm, arm], margin=1.0)
    with pytest.raises(ValueError, match="same test images"):
        contrast_family(reference, [dataclasses.replace(other, per_image=None)], margin=1.0)
    with pytest.raises(ValueError, match="finite"):
        ArmScores(arm="a", values=np.array([1.0, math.nan]))
    with pytest.raises(ValueError, match="metric's unit"):
        ArmScores(arm="a", values=np.array([50.0]), per_image=np.array([[0.0, 1.0]]))
    with pytest.raises(ValueError, match="shape"):
        ArmScores(arm="a", values=np.array([50.0]), per_image=np.array([[50.0]]))
    with pytest.raises(ValueError, match="num_images"):
        ArmScores(arm="a", values=np.array([50.0]), statistic=lambda rows: np.zeros(1))


def test_agreement_on_all_images_does_not_prove_equivalence() -> None:
    """Ten images, all correct in both arms, do not suffice; ten thousand do."""
    for num_images, verdict in ((10, "undecided"), (10_000, "equivalent")):
        arm, reference = (
            scored(name, np.full((2, num_images), 100.0)) for name in ("arm", "reference")
        )
        [contrast] = contrast_pairs([(arm, reference)], margin=1.0)
        assert contrast.verdict == verdict and contrast.difference == 0
        assert contrast.interval is not None and contrast.interval[1] > 100 / num_images


def test_negating_an_error_negates_its_resamples() -> None:
    plain = scored("a", np.array([[0.0, 100.0], [100.0, 100.0]])).negated()
    assert plain.values.tolist() == [-50, -100]
    assert plain.per_image is not None
    assert plain.per_image.tolist() == [[0, -100], [-100, -100]]
    error = ArmScores(
        arm="a",
        values=np.array([3.0]),
        statistic=lambda drawn: np.array([drawn.sum()]),
        num_images=4,
    ).negated()
    assert error.statistic is not None
    assert error.statistic(np.array([1, 2])).tolist() == [-3]
    assert error.negated().values.tolist() == [3]
