"""Warnings about the measurements of a study."""

from __future__ import annotations

from dataclasses import replace

from seedbed.trials.run import run_study
from seedbed.trials.warnings import measurement_warnings


def test_solvers_grid_ends_and_layers_cause_warnings(make_study, workspace) -> None:
    results = run_study(make_study(), workspace=workspace.root, executor="inline", device="cpu")
    measured = [o for o in results.outcomes if o.primary and "solver_converged" in o.facts]
    assert len(measured) > 3 and all(o.facts["solver_converged"] for o in measured)
    plain = replace(
        results,
        outcomes=tuple(
            replace(o, facts={**o.facts, "c_at_edge": False}) if o in measured else o
            for o in results.outcomes
        ),
    )
    assert measurement_warnings(plain) == []
    bad, rest = measured[0], measured[1:]
    layers = {"validation_top1_by_layer": {"a": 1.0}, "layer": "a"}
    changed = [
        replace(
            bad,
            facts={
                **bad.facts,
                "solver_converged": False,
                "c_at_edge": True,
                **layers,
                "layer": "b",
            },
        )
    ]
    changed += [replace(o, facts={**o.facts, "c_at_edge": False, **layers}) for o in rest]
    same = [o for o in rest if (o.target, o.method) == (bad.target, bad.method)]
    unsolved, edge, layer = measurement_warnings(replace(results, outcomes=tuple(changed)))[:3]
    assert (
        unsolved.startswith(f"1 of {len(measured)} readouts: the solver did not converge")
        and f"{bad.arm}, seed {bad.seed}" in unsolved
    )
    assert (
        f"the best C is at the end of its grid in 1 of {len(same) + 1} measurements ({bad.arm} 1)"
        in edge
    )
    assert (
        f"validation selected layer a in {len(same)} of {len(same) + 1} measurements; "
        f"b in 1 ({bad.arm} 1)" in layer
    )
