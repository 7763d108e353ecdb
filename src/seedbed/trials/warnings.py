"""Warnings about the measurements of a study: solvers, grids, selected layers.

In: results. Out: sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from seedbed.trials.results import Outcome, Results

# facts of a measurement, and the hyperparameter that each is about
_EDGE_FACTS = {"c_at_edge": "C", "learning_rate_at_edge": "learning rate"}
# measurements that a sentence lists
_MAX_LISTED = 5


def measurement_warnings(results: Results) -> list[str]:
    """Sentences, the most serious first.

    Each measurement counts once, even if several cells share it or it has several metrics.
    """
    by_key = {o.key: o for o in reversed(results.outcomes) if o.primary and o.facts}
    measurements = list(by_key.values())[::-1]
    return [
        *_unconverged_solvers(measurements),
        *_optima_at_grid_ends(measurements),
        *_selected_layers(measurements),
    ]


def _unconverged_solvers(measurements: list[Outcome]) -> list[str]:
    readouts = [o for o in measurements if "solver_converged" in o.facts]
    final = [o for o in readouts if not o.facts["solver_converged"]]
    on_validation = [
        o for o in readouts if o.facts.get("unsolved_on_validation") and o not in final
    ]
    kinds = (
        (final, "the solver did not converge; do not trust them"),
        (on_validation, "the solver did not converge at some C while C was selected"),
    )
    return [
        f"{len(rows)} of {len(readouts)} readouts: {words}: {_list_measurements(rows)}"
        for rows, words in kinds
        if rows
    ]


def _list_measurements(rows: list[Outcome]) -> str:
    def seeds(o: Outcome) -> str:
        return f"seed {o.seed}" if o.init_seed == o.seed else f"seeds {o.seed} and {o.init_seed}"

    listed = [
        f"{o.arm}, {seeds(o)}, {o.images_seen:,} images seen, on {o.target} by {o.method}"
        for o in rows[:_MAX_LISTED]
    ]
    num_more = len(rows) - _MAX_LISTED
    more = f"; and {num_more} more, see facts in results.csv" if num_more > 0 else ""
    return "; ".join(listed) + more


def _optima_at_grid_ends(measurements: list[Outcome]) -> list[str]:
    warnings = []
    for fact, name in _EDGE_FACTS.items():
        for target, method, rows in _group(o for o in measurements if fact in o.facts):
            at_end = [o for o in rows if o.facts[fact]]
            if at_end:
                warnings.append(
                    f"{target}, {method}: the best {name} is at the end of its grid in "
                    f"{len(at_end)} of {len(rows)} measurements "
                    f"({_count_arms(o.arm for o in at_end)}): a wider grid may give better results"
                )
    return warnings


def _selected_layers(measurements: list[Outcome]) -> list[str]:
    """The layers that validation selected, for methods that select a layer."""
    selecting = (o for o in measurements if "validation_top1_by_layer" in o.facts)
    warnings = []
    for target, method, rows in _group(selecting):
        (usual, num_usual), *others = Counter(str(o.facts["layer"]) for o in rows).most_common()
        clauses = [
            f"{target}, {method}: validation selected layer {usual} in {num_usual} of "
            f"{len(rows)} measurements"
        ]
        for layer, num in others:
            arms = _count_arms(o.arm for o in rows if o.facts["layer"] == layer)
            clauses.append(f"{layer} in {num} ({arms})")
        warnings.append("; ".join(clauses))
    return warnings


def _group(rows: Iterable[Outcome]) -> list[tuple[str, str, list[Outcome]]]:
    """Target, method and their outcomes, in the order of the results."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for row in rows:
        groups.setdefault((row.target, row.method), []).append(row)
    return [(target, method, members) for (target, method), members in groups.items()]


def _count_arms(arms: Iterable[str]) -> str:
    """ "few 3, noise 1"."""
    return ", ".join(f"{arm} {num}" for arm, num in Counter(arms).most_common())
