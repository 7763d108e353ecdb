"""Questions on results of a study that ran: whose answers they are, and what they call the arms."""

from __future__ import annotations

import pytest

from seedbed.trials.run import run_study
from seedbed.verdicts.questions import answer

ARMS = {
    "label-noise": 'half = "shuffle_labels(fraction=0.5)"',
    "compare-architectures": 'half = { backbone = "small(width=3)" }',
}


@pytest.mark.parametrize("name", ARMS)
def test_a_question_answers_for_each_arm_on_each_target(name: str, make_study, workspace) -> None:
    study = make_study(
        ('reference = "all"', f'question = "{name}"\nreference = "all"'),
        ('half = "images(fraction=0.5)"', ARMS[name]),
    )
    answers = answer(run_study(study, workspace=workspace.root, executor="inline", device="cpu"))
    assert {a.question for a in answers} == {name}
    assert {(a.arm, a.target) for a in answers} >= {
        ("half", "cells"),
        ("half", "source"),
        ("random", "cells"),
    }
    assert all(a.num_seeds == 2 and a.interval is not None for a in answers)
    if name == "compare-architectures":
        sentence = next(a.sentence for a in answers if a.arm == "half")
        assert "'half' (small(width=3))" in sentence
