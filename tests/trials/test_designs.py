"""What a study may say of its design: nested seeds, several sources, parts of the source as
targets, fine labels, a target's metric."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from seedbed.base.artifacts import Workspace
from seedbed.base.errors import UsageError
from seedbed.metrics import METRICS
from seedbed.trials.planner import make_plan
from seedbed.trials.run import run_study, study_status
from seedbed.trials.study_file import load_study
from seedbed.verdicts.families import answer_families, families
from seedbed.verdicts.findings import findings
from seedbed.verdicts.pairs import Pair, with_controls


def _run(study, workspace):
    return run_study(study, workspace=workspace.root, executor="inline", device="cpu")


@pytest.fixture
def workspace(shared_workspace: Path) -> Workspace:
    """The studies of this module have most of their trainings in common."""
    return Workspace(shared_workspace)


NESTED = ("seeds = 2", "sample_seeds = 3\ninit_seeds = 2")


def test_a_nested_design_trains_each_sample_from_each_initialisation(make_study, workspace) -> None:
    results = _run(make_study(NESTED), workspace)
    half = [o for o in results.outcomes if (o.arm, o.target, o.metric) == ("half", "cells", "top1")]
    assert {(o.seed, o.init_seed) for o in half} == {(s, i) for s in range(3) for i in range(2)}
    assert len({o.backbone_key for o in half}) == 6
    whole = {o.backbone_key for o in results.outcomes if o.arm == "all"}
    assert len(whole) == 2  # the arm that draws nothing is one training an initialisation
    assert results.num_left == 0


def test_its_independent_units_are_the_samples_or_where_none_is_drawn_the_trainings(
    make_study, workspace
) -> None:
    results = _run(make_study(NESTED), workspace)
    [answer] = [
        a for a in answer_families(results, "contrasts") if (a.arm, a.target) == ("half", "cells")
    ]
    assert answer.num_seeds == 2  # of the reference, whose samples are all the same
    values = {
        (o.seed, o.init_seed): o.value
        for o in results.outcomes
        if (o.arm, o.target, o.metric) == ("half", "cells", "top1")
    }
    reference = [
        o.value for o in results.outcomes if (o.arm, o.target, o.metric) == ("all", "cells", "top1")
    ]
    assert answer.difference == pytest.approx(np.mean(list(values.values())) - np.mean(reference))


def test_its_variances_are_told(make_study, workspace) -> None:
    results = _run(make_study(NESTED), workspace)
    found = [
        f for f in findings(results, answer_families(results, "contrasts")) if f.kind == "variances"
    ]
    assert {f.target for f in found} >= {"cells"}
    [on_cells] = [f for f in found if f.target == "cells"]
    table = np.zeros((3, 2))
    for o in results.outcomes:
        if (o.arm, o.target, o.metric) == ("half", "cells", "top1"):
            table[o.seed, o.init_seed] = o.value
    assert on_cells.details["training_variance"] == pytest.approx(table.var(1, ddof=1).mean())
    assert on_cells.details["arms"] == ["half"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("sample_seeds = 2", "both 'sample_seeds' and 'init_seeds'"),
        ("seeds = 2\nsample_seeds = 2\ninit_seeds = 2", "does not go together"),
    ],
)
def test_half_a_nested_design_is_an_error(make_study, said: str, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        make_study(("seeds = 2", said))


FINE = (
    ("size_px = 8", 'size_px = 8\nfine_labels = true\nhierarchy = "tree.csv"'),
    (
        'half = "images(fraction=0.5)"',
        'coarse = "bottom_up(depth=1)"\nlike = "like(recipe=\'bottom_up(depth=1)\')"',
    ),
)


@pytest.fixture
def fine(make_study, tmp_path: Path):
    (tmp_path / "tree.csv").write_text("a,letter\nb,letter\nc,other\n")
    return make_study(*FINE)


@pytest.mark.slow
def test_fine_labels_are_asked_of_every_arm(fine, workspace) -> None:
    results = _run(fine, workspace)
    assert not results.failures
    rows = [o for o in results.outcomes if o.target == "source_fine" and o.primary]
    by_method = Counter((o.method, o.arm) for o in rows)
    assert by_method == {
        **{("probe", arm): 2 for arm in ("all", "coarse", "like", "random")},
        **{("induction(coarse)", arm): 2 for arm in ("all", "coarse", "random")},
        **{("induction(like)", arm): 2 for arm in ("all", "like", "random")},
    }
    induced = [o for o in results.outcomes if o.method == "induction(coarse)"]
    assert {o.metric for o in induced} == {
        "induction_top1",
        "induction_top5",
        "induction_within_top1",
    }
    assert all(
        o.facts["num_fine_labels"] == 2 and o.facts["coarse_guess_top1"] == 50.0 for o in induced
    )
    for o in induced:  # the per-image record gives the number again
        predictions = results.predictions(o)
        assert METRICS.get(o.metric).value(predictions) == pytest.approx(o.value)
        assert o.num_test == len(predictions["ids"])
    answers = answer_families(results, "contrasts", pairing=with_controls)
    assert {(a.arm, a.reference) for a in answers if a.method == "induction(coarse)"} == {
        ("coarse", "all"),
        ("random", "all"),
    }
    told = [a for a in answers if (a.arm, a.reference, a.target) == ("coarse", "all", "cells")]
    assert told and all(
        "On all fine labels of the source the difference was" in a.sentence for a in told
    )


def test_a_part_of_the_source_is_a_target(make_study, workspace) -> None:
    study = make_study(
        (
            'cells = "cells"',
            "own = \"source(recipe=\\\"classes(names=['a', 'b'])\\\")\"\nfew ="
            ' "cells(train_per_class=3)"'.replace("cells(", "folder('cells', "),
        ),
    )
    results = _run(study, workspace)
    own = [o for o in results.outcomes if o.target == "own" and o.primary]
    store = results.plan.stores["source"]
    held_out = int(np.isin(store.leaves[store.splits == 2], [0, 1]).sum())
    assert own and all(o.num_test == held_out for o in own)
    assert set(results.predictions(own[0])["labels"].tolist()) == {0, 1}
    assert study_status(study, workspace.root).num_left == 0  # read again from the record


def test_a_target_says_its_metric(make_study, workspace) -> None:
    study = make_study(
        ('cells = "cells"', "cells = \"folder('cells', metric='mean_class_accuracy')\"")
    )
    results = _run(study, workspace)
    assert {f.metric for f in families(results) if f.target == "cells"} == {"mean_class_accuracy"}


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("source(size_px=16)", "unknown key 'size_px'"),
        ("source(recipe='nothing()')", "nothing"),
        ("folder('cells', metric='auc')", "metric"),
        ("source(recipe='shuffle_labels(fraction=0.5)')", "changes labels"),
    ],
)
def test_a_target_that_makes_no_sense_is_an_error_before_anything_runs(
    make_study, target: str, error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        make_study(('cells = "cells"', f'cells = "{target}"'))


def test_a_table_of_sources(write_study, make_tree, workspace, tmp_path: Path) -> None:
    path = write_study(
        ('data = "photos"', 'data = { first = "photos", second = "more" }'),
        ("images(fraction=0.5)", "only(source='first')"),
    )
    make_tree({"a": 6, "d": 6}, root="more")
    study = load_study(path)
    plan = make_plan(study, workspace)
    assert plan.stores["source"].classes == (
        "first/a",
        "first/b",
        "first/c",
        "second/a",
        "second/d",
    )
    assert plan.views["half", 0].classes == ("first/a", "first/b", "first/c")
    results = _run(study, workspace)
    assert not results.failures and study_status(study, workspace.root).num_left == 0
    for wrong, error in (
        ('{ first = "photos" }', "holds 1"),
        ('{ first = "photos", "b/c" = "more" }', "source name 'b/c'"),
    ):
        path.write_text(path.read_text().replace('{ first = "photos", second = "more" }', wrong))
        with pytest.raises(UsageError, match=error):
            load_study(path)
        path.write_text(path.read_text().replace(wrong, '{ first = "photos", second = "more" }'))


def test_arms_are_paired_with_the_reference_of_their_own_network_and_with_their_control(
    make_study,
) -> None:
    study = make_study(
        (
            'half = "images(fraction=0.5)"',
            (
                'half = "classes(num=2) | images(fraction=0.5)"\nlike ='
                " \"like(recipe='classes(num=2)') | images(fraction=0.5)\"\nall-wide = { backbone ="
                ' "small(width=3)" }\nhalf-wide = { recipe = "classes(num=2)|images(fraction=0.5)",'
                ' backbone = "small(width=3)" }'
            ),
        )
    )
    assert with_controls(study) == [
        Pair("half", "all"),
        Pair("half-wide", "all-wide"),
        Pair("random", "all"),
        Pair("half", "like"),
    ]


def test_effects_are_compared_over_budgets_networks_and_targets(make_study, workspace) -> None:
    study = make_study(
        ("images_seen = 64", "images_seen = [64, 128]"),
        ("seeds = 2", "seeds = 3"),
        (
            'half = "images(fraction=0.5)"',
            (
                'half = "images(fraction=0.5)"\nall-wide = { backbone = "small(width=3)" }\n'
                'half-wide = { recipe = "images(fraction=0.5)", backbone = "small(width=3)" }'
            ),
        ),
        ('cells = "cells"', 'cells = "cells"\nsame = "source()"'),
    )
    results = _run(study, workspace)
    answers = answer_families(results, "contrasts", pairing=with_controls)
    found = [f for f in findings(results, answers) if f.kind == "interaction"]
    over = Counter(f.details["over"] for f in found)
    assert over["training budget"] == 4  # two targets, two pairs trained at both budgets
    assert over["network"] == 2
    assert over["target"] >= 3
    effect = {(a.arm, a.reference, a.target, a.images_seen): a.difference for a in answers}
    for f in found:
        if f.details["over"] == "training budget":
            small, large = (effect[f.arm, f.reference, f.target, n] for n in (64, 128))
            assert f.value == pytest.approx(large - small)
            assert f.details["effects"] == pytest.approx([small, large])
        if f.details["over"] == "network":
            narrow, wide = (
                effect["half", "all", f.target, 128],
                effect["half-wide", "all-wide", f.target, 128],
            )
            assert f.value == pytest.approx(wide - narrow)
        if f.details["over"] == "target":
            assert f.value == pytest.approx(
                effect[f.arm, f.reference, "same", 128] - effect[f.arm, f.reference, "cells", 128]
            )
        assert f.interval is not None and f.interval[0] <= f.value <= f.interval[1]


def test_a_control_that_nothing_is_the_match_of_is_an_arm_like_others(make_study) -> None:
    study = make_study(
        ('half = "images(fraction=0.5)"', "like = \"like(recipe='images(fraction=0.5)')\"")
    )
    assert with_controls(study) == [Pair("like", "all"), Pair("random", "all")]


def test_a_reference_that_is_a_control_is_compared_once(make_study) -> None:
    study = make_study(
        ('reference = "all"', 'reference = "like"'),
        (
            'half = "images(fraction=0.5)"',
            'half = "images(fraction=0.5)"\nlike = "like(recipe=\'images(fraction=0.5)\')"',
        ),
    )
    pairs = with_controls(study)
    assert len(set(pairs)) == len(pairs) and Pair("half", "like") in pairs


def test_another_learning_rate_is_not_another_network(make_study, workspace) -> None:
    study = make_study(
        ("seeds = 2", "seeds = 3"),
        (
            'half = "images(fraction=0.5)"',
            (
                'half = "images(fraction=0.5)"\nall-slow = { learning_rate = 0.05 }\n'
                'half-slow = { recipe = "images(fraction=0.5)", learning_rate = 0.05 }'
            ),
        ),
    )
    results = _run(study, workspace)
    found = findings(results, answer_families(results, "contrasts", pairing=with_controls))
    assert not [f for f in found if f.kind == "interaction" and f.details["over"] == "network"]


def test_whether_a_reference_had_converged_is_its_own_matter(make_study, workspace) -> None:
    """Outcomes made by hand: 'all' still gains ten points with longer training, its mate of another
    network none."""
    from dataclasses import replace

    study = make_study(
        ("images_seen = 64", "images_seen = [64, 128]"),
        (
            'half = "images(fraction=0.5)"',
            (
                'half = "images(fraction=0.5)"\nall-wide = { backbone = "small(width=3)" }\n'
                'half-wide = { recipe = "images(fraction=0.5)", backbone = "small(width=3)" }'
            ),
        ),
    )
    results = _run(study, workspace)
    on_source = {
        (o.arm, o.seed, o.images_seen): o
        for o in results.outcomes
        if o.target == "source" and o.metric == "top1"
    }
    value = {("all", 64): 50.0, ("all", 128): 60.0, ("all-wide", 64): 70.0, ("all-wide", 128): 70.0}
    made = tuple(
        replace(o, value=value[arm, n]) for (arm, _, n), o in on_source.items() if (arm, n) in value
    )
    assert len(made) == 8
    from seedbed.verdicts.families import _has_converged

    assert _has_converged(replace(results, outcomes=made)) == {
        ("source", "pretraining", "all"): False,
        ("source", "pretraining", "all-wide"): True,
    }


def test_a_module_of_ones_own_is_asked_about_fine_labels_too(fine, workspace) -> None:
    from dataclasses import replace

    from torch import nn

    from seedbed.models.backbone import Backbone

    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    mine = Backbone.wrap(net, size_px=8, classes=["a", "b", "c"])
    results = _run(replace(fine, arms={**fine.arms, "mine": mine}), workspace)
    assert not results.failures
    assert {o.method for o in results.outcomes if (o.arm, o.target) == ("mine", "source_fine")} >= {
        "probe",
        "induction(coarse)",
    }
