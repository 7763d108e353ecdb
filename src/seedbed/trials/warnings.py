"""What a reader must know of how the numbers of a study were measured: readouts not solved,
settings at the end of their grid, layers.

In: results. Out: sentences. Knows nothing of verdicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from seedbed.trials.results import Outcome, Results

_EDGES = {"c_at_edge": "C", "learning_rate_at_edge": "learning rate"}
_SHOWN = 5


def remarks(results: Results) -> list[str]:
    """Sentences, the gravest first; each measurement counts once, whatever the number of its
    metrics and of the cells that hold it."""
    measured = list(
        {o.key: o for o in reversed(results.outcomes) if o.primary and o.facts}.values()
    )[::-1]
    return [*_unsolved(measured), *_at_edges(measured), *_layers(measured)]


def _unsolved(measured: list[Outcome]) -> list[str]:
    readouts = [o for o in measured if "solver_converged" in o.facts]
    final = [o for o in readouts if not o.facts["solver_converged"]]
    tried = [o for o in readouts if o.facts.get("unsolved_on_validation") and o not in final]
    kinds = (
        (final, "were not solved to the end, do not trust them"),
        (tried, "were not solved to the end at some C while it was chosen"),
    )
    return [
        f"{len(rows)} of {len(readouts)} readouts {words}: {_named(rows)}"
        for rows, words in kinds
        if rows
    ]


def _named(rows: list[Outcome]) -> str:
    def seeds(o: Outcome) -> str:
        return f"seed {o.seed}" if o.init_seed == o.seed else f"seeds {o.seed} and {o.init_seed}"

    named = [
        f"{o.arm}, {seeds(o)}, {o.images_seen:,} images seen, on {o.target} by {o.method}"
        for o in rows[:_SHOWN]
    ]
    more = (
        f"; and {len(rows) - _SHOWN} more, see facts in results.csv" if len(rows) > _SHOWN else ""
    )
    return "; ".join(named) + more


def _at_edges(measured: list[Outcome]) -> list[str]:
    found = []
    for fact, name in _EDGES.items():
        for target, method, rows in _groups(o for o in measured if fact in o.facts):
            there = [o for o in rows if o.facts[fact]]
            if there:
                found.append(
                    f"{target}, {method}: the best {name} lies at the end of its grid in {len(there)} of {len(rows)} measurements "
                    f"({_counted(o.arm for o in there)}): a wider grid may do better"
                )
    return found


def _layers(measured: list[Outcome]) -> list[str]:
    """Which layers were chosen, where validation had the choice."""
    found = []
    for target, method, rows in _groups(
        o for o in measured if "validation_top1_by_layer" in o.facts
    ):
        layers = Counter(str(o.facts["layer"]) for o in rows)
        usual = layers.most_common(1)[0][0]
        others = [
            f"{layer} in {num} ({_counted(o.arm for o in rows if o.facts['layer'] == layer)})"
            for layer, num in layers.most_common()
            if layer != usual
        ]
        most = f"{target}, {method}: validation chose layer {usual} in {layers[usual]} of {len(rows)} measurements"
        found.append("; ".join([most, *others]))
    return found


def _groups(rows: Iterable[Outcome]) -> list[tuple[str, str, list[Outcome]]]:
    """Target, method and their rows, in the order of the results."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for row in rows:
        found.setdefault((row.target, row.method), []).append(row)
    return [(*place, members) for place, members in found.items()]


def _counted(names: Iterable[str]) -> str:
    """ "few 3, noise 1"."""
    return ", ".join(f"{name} {num}" for name, num in Counter(names).most_common())
