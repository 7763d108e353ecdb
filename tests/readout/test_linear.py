"""Linear readouts against those of scikit-learn."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import digits_store

from seedbed.base.errors import UsageError
from seedbed.readout import losses
from seedbed.readout.linear import LinearClassifier, fit_linear, normalise_rows, objective
from seedbed.readout.linear_problem import LinearProblem, gram_matrix
from seedbed.readout.solver_iteration import SolverAtC

Data = tuple[torch.Tensor, torch.Tensor]
GRID = [1e-3, 1e-1, 1.0, 10.0, 1e3]


def _blobs(
    n: int = 240, d: int = 12, num_classes: int = 4, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, n)
    x = rng.normal(size=(n, d)) + 0.9 * rng.normal(size=(num_classes, d))[labels]
    return normalise_rows(torch.from_numpy(x)), torch.from_numpy(labels)


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    x = digits_store(8).pixels[:500, :, :, 0].reshape(500, 64).astype(np.float64)
    return normalise_rows(torch.from_numpy(x)), torch.from_numpy(
        digits_store(8).leaves[:500].astype(np.int64)
    )


def _sklearn(
    codes: torch.Tensor, labels: torch.Tensor, c: float, loss: str = "svm"
) -> LinearClassifier:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.svm import LinearSVC

    models = {
        "svm": LinearSVC(
            loss="squared_hinge", dual=False, tol=1e-8, intercept_scaling=1, C=c, max_iter=1_000_000
        ),
        "softmax": LogisticRegression(C=c, tol=1e-8, max_iter=100_000),
        "ridge": RidgeClassifier(alpha=1 / (2 * c)),
    }
    model = models[loss].fit(codes.numpy(), labels.numpy())
    weights, intercept = (
        torch.from_numpy(model.coef_.T.copy()),
        torch.from_numpy(model.intercept_.copy()),
    )
    return LinearClassifier(
        weights=weights, intercept=intercept, c=c, num_steps=0, suboptimality=0.0, converged=True
    )


@functools.cache
def _sklearn_solution(data: Callable[[], Data], c: float, loss: str) -> LinearClassifier:
    """Cached for the tests of both precisions."""
    return _sklearn(*data(), c, loss)


def _wide() -> tuple[torch.Tensor, torch.Tensor]:
    """More dimensions than images, as for a few hundred photographs."""
    return _blobs(n=150, d=400, num_classes=5)


@pytest.fixture(params=[torch.float64, torch.float32], ids=["double", "single"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """Both precisions on small problems: without a limit for float64, they are solved like large
    ones."""
    if request.param is torch.float32:
        monkeypatch.setattr("seedbed.readout.solver._FLOAT64_FLOPS", 0.0)
    return request.param


@pytest.mark.parametrize("loss", ["svm", "softmax", "ridge"])
@pytest.mark.parametrize("data", [_blobs, _digits, _wide], ids=["synthetic", "digits", "wide"])
def test_objective_and_predictions_are_those_of_scikit_learn(
    data, loss: str, precision: torch.dtype
) -> None:
    codes, labels = data()
    num_classes = int(labels.max()) + 1
    for solution, c in zip(fit_linear(codes, labels, num_classes, GRID, loss), GRID, strict=True):
        reference = _sklearn_solution(data, c, loss)
        a, b = objective(codes, labels, solution, loss), objective(codes, labels, reference, loss)
        assert solution.converged, f"C = {c}: {solution.suboptimality}"
        assert solution.c == c
        assert bool((a <= b * (1 + 1e-4) + 1e-9).all()), f"C = {c}: {a} {b}"
        top1 = [
            100 * float((m.scores(codes).argmax(1) == labels).double().mean())
            for m in (solution, reference)
        ]
        assert abs(top1[0] - top1[1]) <= 0.1 + 100 / len(labels), f"C = {c}: {top1}"
        assert (
            float(
                (solution.scores(codes).argmax(1) == reference.scores(codes).argmax(1))
                .double()
                .mean()
            )
            >= 0.99
        )


@pytest.mark.parametrize("newton_passes", [0, 1e9], ids=["quasi-Newton", "Newton"])
def test_both_kinds_of_steps_reach_the_same_minimum(
    newton_passes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, labels = _digits()
    expected = fit_linear(codes, labels, 10, GRID)
    monkeypatch.setattr("seedbed.readout.solver_iteration._NEWTON_PASSES", newton_passes)
    monkeypatch.setattr("seedbed.readout.solver_iteration._NEWTON_FLOPS", 0.0)
    for a, b in zip(fit_linear(codes, labels, 10, GRID), expected, strict=True):
        assert torch.allclose(objective(codes, labels, a), objective(codes, labels, b), rtol=1e-6)


def test_sparse_gradients_are_dense_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, labels = _digits()
    expected = fit_linear(codes, labels, 10, GRID)
    monkeypatch.setattr("seedbed.readout.linear_problem._SPARSE_BELOW", 2.0)
    for a, b in zip(fit_linear(codes, labels, 10, GRID), expected, strict=True):
        assert torch.allclose(a.weights, b.weights, atol=1e-6 * float(b.weights.abs().max()))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"loss": "hinge"}, "unknown readout 'hinge'"), ({"grid": [0.0]}, "positive")],
)
def test_wrong_settings_are_rejected(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_linear(
            **{
                "codes": torch.eye(4),
                "labels": torch.arange(4) % 2,
                "num_classes": 2,
                "grid": [1.0],
                **change,
            }
        )


def test_codes_that_are_not_finite_are_rejected() -> None:
    with pytest.raises(UsageError, match="not finite"):
        fit_linear(torch.full((4, 2), torch.nan), torch.arange(4) % 2, 2, [1.0])


def test_the_objective_equals_its_formula() -> None:
    codes, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    weights = torch.tensor([[2.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    classifier = LinearClassifier(
        weights=weights,
        intercept=torch.tensor([0.1, 0.0], dtype=torch.float64),
        c=3.0,
        num_steps=0,
        suboptimality=0.0,
        converged=True,
    )
    first = 0.5 * (4 + 0.01) + 3 * (0 + (1 + 0.1) ** 2)
    second = 0.5 * 0.25 + 3 * ((1 + 0.0) ** 2 + (1 - 0.5) ** 2)
    assert objective(codes, labels, classifier).tolist() == pytest.approx([first, second])


def test_a_warm_start_along_the_grid_equals_cold_starts() -> None:
    codes, labels = _digits()
    for warm in fit_linear(codes, labels, 10, GRID):
        cold = fit_linear(codes, labels, 10, [warm.c])[0]
        assert torch.allclose(
            objective(codes, labels, warm), objective(codes, labels, cold), rtol=1e-6
        ), warm.c


def test_a_class_without_images_is_never_predicted() -> None:
    codes, labels = _blobs()
    for classifier in fit_linear(codes, labels, 6, GRID):
        assert classifier.converged
        assert bool((classifier.scores(codes).argmax(1) < 4).all()) or classifier.c < 1
        assert bool((classifier.scores(codes)[:, 4:] < 0).all())


def test_duplicated_columns_share_their_weight() -> None:
    codes, labels = _blobs()
    twice = torch.cat([codes, codes], dim=1)
    for classifier in fit_linear(twice, labels, 4, GRID):
        assert classifier.converged
        assert torch.allclose(
            classifier.weights[:12],
            classifier.weights[12:],
            atol=1e-3 * float(classifier.weights.abs().max()),
        )
        assert torch.allclose(
            objective(twice, labels, classifier),
            objective(twice, labels, _sklearn(twice, labels, classifier.c)),
            rtol=1e-4,
        )


def test_more_dimensions_than_images() -> None:
    codes, labels = _blobs(n=40, d=120)
    for classifier in fit_linear(codes, labels, 4, GRID):
        assert classifier.converged
        assert torch.allclose(
            objective(codes, labels, classifier),
            objective(codes, labels, _sklearn(codes, labels, classifier.c)),
            rtol=1e-4,
        )


def test_constant_and_zero_codes() -> None:
    codes, labels = torch.zeros(20, 5), torch.arange(20) % 2
    assert torch.equal(normalise_rows(codes), codes)
    classifier = fit_linear(codes, labels, 2, [1.0])[0]
    assert classifier.converged
    assert bool(torch.isfinite(classifier.scores(codes)).all())


def test_the_result_says_whether_the_solver_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedbed.readout.solver_iteration._MAX_STEPS", 1)
    codes, labels = _digits()
    classifier = fit_linear(codes, labels, 10, [100.0])[0]
    assert not classifier.converged
    assert classifier.num_steps == 1


def test_rows_are_normalised() -> None:
    codes = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert normalise_rows(codes).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]


def test_the_same_codes_give_the_same_weights() -> None:
    codes, labels = _blobs()
    first, again = (fit_linear(codes, labels, 4, GRID) for _ in range(2))
    assert all(torch.equal(a.weights, b.weights) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
def test_a_class_without_images_does_not_delay_the_others(
    precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intercept of ridge is not penalised, so that the objective of such a class goes to 0."""
    if precision == torch.float32:
        monkeypatch.setattr("seedbed.readout.solver._FLOAT64_FLOPS", 0.0)
    codes, labels = _blobs(n=500, d=20)
    for classifier in fit_linear(codes, labels, 6, GRID, "ridge"):
        assert classifier.converged
        assert classifier.num_steps <= 5
        assert torch.allclose(
            classifier.intercept[4:], -torch.ones(2, dtype=torch.float64), atol=1e-3
        )


@pytest.mark.parametrize("loss", ["svm", "ridge"])
def test_classes_are_solved_in_groups_if_memory_is_short(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, labels = _digits()
    whole = fit_linear(codes, labels, 10, GRID, loss)
    monkeypatch.setattr(
        "seedbed.readout.solver.free_bytes", lambda _device: 3.5 * 7 * 500 * 8 / 0.7
    )
    parts = fit_linear(codes, labels, 10, GRID, loss)
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(
            objective(codes, labels, a, loss), objective(codes, labels, b, loss), rtol=1e-6
        )
        assert torch.equal(a.scores(codes).argmax(1), b.scores(codes).argmax(1))
        assert b.converged
        assert (a.num_parts, b.num_parts) == (1, 4)
    with pytest.raises(UsageError, match="a readout of 10 classes on 500 codes needs"):
        fit_linear(codes, labels, 10, GRID, "softmax")


@given(
    lines=st.lists(
        st.tuples(
            st.floats(1e-2, 1e6),
            st.lists(
                st.tuples(st.floats(1e-4, 10), st.floats(1e-3, 1e6), st.floats(1e-3, 1e3)),
                min_size=1,
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_a_line_search_decreases_the_function(
    lines: list[tuple[float, list[tuple[float, float, float]]]],
) -> None:
    """Convex functions with kinks: a slope of -descent, a little curvature, and smoothed kinks;
    several at once."""
    descents = torch.tensor([descent for descent, _ in lines], dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)

    def parts(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Value, derivative and second derivative of each line at its own t."""
        values = []
        for x, (descent, kinks) in zip(t, lines, strict=True):
            value, slope, curve = (
                -descent * x + 5e-4 * x**2,
                -descent + 1e-3 * x,
                torch.full_like(x, 1e-3),
            )
            for place, height, steepness in kinks:
                bend, at_zero = (
                    torch.sigmoid((x - place) * steepness),
                    torch.sigmoid((zero - place) * steepness),
                )
                softened = [
                    torch.nn.functional.softplus((u - place) * steepness, threshold=200) / steepness
                    for u in (x, zero)
                ]
                value = value + height * (softened[0] - softened[1] - at_zero * x)
                slope = slope + height * (bend - at_zero)
                curve = curve + height * steepness * bend * (1 - bend)
            values.append((value, slope, curve))
        return tuple(torch.stack(column) for column in zip(*values, strict=True))

    minimum = losses._root(
        lambda t: tuple(part[:, 0] for part in parts(t[:, None])[1:]),
        descents,
        torch.ones_like(descents),
    )
    value, slope, _ = (part[:, 0] for part in parts(minimum[:, None]))
    assert bool((minimum > 0).all())
    # Not higher than at 0, up to the tolerance, and the rounding of `parts`: a difference of values
    # of up to log(2) / steepness.
    scales = [sum(height * (1 + 1 / steep) for _, height, steep in kinks) for _, kinks in lines]
    rounding = 1e-15 * torch.tensor(scales, dtype=torch.float64)
    assert bool((value <= 0.02 * descents * minimum + rounding).all())
    assert bool((slope <= 0.5 * descents).all())


def test_an_increasing_function_gives_a_step_of_zero() -> None:
    rising = losses._root(
        lambda t: (t + 1, torch.ones_like(t)), torch.tensor([-1.0, 0.0]), torch.ones(2)
    )
    assert rising.tolist() == [0.0, 0.0]


def test_the_line_search_decreases_a_saturated_softmax() -> None:
    """At step 1 the slope is small again, but the objective is forty times as high."""
    scores, along = (
        torch.tensor([[-100.0, 0.0], [100.0, 0.0]]),
        torch.tensor([[1e4, 0.0], [-4500.0, 0.0]]),
    )
    loss, none, both = (
        losses.Softmax(torch.zeros(2, dtype=torch.int64), 2, scores.dtype),
        torch.zeros(2),
        torch.arange(2),
    )
    _, residual, _ = loss.at(scores, both)
    step = loss.step(scores, along, none, none, 1.0, both, (residual * along).sum(0))
    before, after = (float(loss.at(s, both)[0].sum()) for s in (scores, scores + step * along))
    assert before == pytest.approx(100) and after < 70


def test_softmax_converges_from_distant_saturated_weights() -> None:
    codes, labels = _blobs(n=600, d=16, num_classes=12)
    problem = LinearProblem(
        codes, gram_matrix(codes), losses.LOSSES["softmax"](labels, 12, codes.dtype)
    )
    far = 3000 * torch.randn(17, 12, generator=torch.Generator().manual_seed(3), dtype=codes.dtype)
    solution = SolverAtC(problem, 10.0, far).solve()
    [near] = fit_linear(codes, labels, 12, [10.0], "softmax")
    assert solution.converged and near.converged
    assert torch.allclose(
        solution.weights[:-1], near.weights, atol=0.05 * near.weights.abs().max().item()
    )
