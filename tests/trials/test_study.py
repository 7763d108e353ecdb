"""Study files and what they may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seedbed.base.errors import BadDataError, SeedbedError, UsageError
from seedbed.engine.data_spec import DataSpec
from seedbed.trials.planner import make_plan
from seedbed.trials.study import Arm, Pretraining, Study
from seedbed.trials.study_file import load_study, parse_study
from seedbed.verbs.studies import _describe_arm
from seedbed.verdicts.findings.scaling import _is_sized
from seedbed.verdicts.pairs import reference_of

MISTAKES = {
    "unknown top key": (
        ("seeds = 2", "sedes = 2"),
        "sedes",
        "unknown key 'sedes'",
        "Did you mean 'seeds'?",
    ),
    "unknown table": (
        ("[methods]", "[method]"),
        "[method]",
        "unknown key 'method'",
        "Did you mean 'methods'?",
    ),
    "key of source": (
        ("size_px = 8", "sizepx = 8"),
        "sizepx",
        "unknown key 'sizepx' in [source]",
        "Did you mean 'size_px'?",
    ),
    "key of pretraining": (
        ("images_seen = 64", "image_seen = 64"),
        "image_seen",
        "unknown key 'image_seen' in [pretraining]",
        "Did you mean 'images_seen'?",
    ),
    "key of an arm": (
        ('{ init = "random" }', '{ inti = "random" }'),
        "inti",
        "unknown key 'inti' in [arms] random",
        "Did you mean 'init'?",
    ),
    "value of an arm": (('"random" }', '"rnadom" }'), "rnadom", "'rnadom'", "Valid"),
    "unknown recipe": (
        ("images(fr", "imags(fr"),
        "imags",
        "unknown recipe 'imags'",
        "Did you mean 'images'?",
    ),
    "key of a recipe": (
        ("fraction=0.5", "fractoin=0.5"),
        "fractoin",
        "unknown key 'fractoin'",
        "Did you mean 'fraction'?",
    ),
    "value of a recipe": (
        ("fraction=0.5", "fraction=1.5"),
        "half =",
        "fraction = 1.5",
        "Valid keys",
    ),
    "two in a recipe": (
        ("fraction=0.5", "fraction=0.5, total=3"),
        "half =",
        "exactly one",
        "Valid keys",
    ),
    "half a recipe": (
        ("(fraction=0.5)", "(fraction=0.5"),
        "half =",
        "cannot read the recipe",
        "images(per_class=250)",
    ),
    "unknown backbone": (
        ("small(width", "smal(width"),
        "smal(",
        "unknown backbone 'smal'",
        "Did you mean 'small'?",
    ),
    "unknown method": (
        ('"probe(c', '"prob(c'),
        '"prob(',
        "unknown method 'prob'",
        "Did you mean 'probe'?",
    ),
    "key of a method": (
        ("probe(c=", "probe(cc="),
        "cc=",
        "unknown key 'cc'",
        "Valid: c, flatten, k, layer",
    ),
    "reference is no arm": (
        ('reference = "all"', 'reference = "al"'),
        'reference = "al"',
        "unknown reference 'al'",
        "Did you mean 'all'?",
    ),
    "reserved target": (
        ('cells = "cells"', 'source = "cells"'),
        'source = "cells"',
        "may not be called 'source'",
        "the source itself",
    ),
    "reserved fine target": (
        ('cells = "cells"', 'source_fine = "cells"'),
        "source_fine",
        "may not be called 'source_fine'",
        "the source itself",
    ),
    "budget": (
        ("images_seen = 64", "images_seen = 0"),
        "images_seen = 0",
        "images_seen = [0]",
        "Valid keys",
    ),
    "margin": (("seeds = 2", "margin = -1.0"), "margin", "margin = -1.0", "1.0 is one point"),
    "margin of text": (("seeds = 2", 'margin = "1"'), "margin", "margin = '1'", ""),
    "threads of text": (("seeds = 2", 'threads = "two"'), "threads", "threads = 'two'", ""),
    "seeds twice": (
        ("seeds = 2", "seeds = [1, 1]"),
        "seeds",
        "seeds = [1, 1]",
        "seeds = 3 means 0, 1, 2.",
    ),
    "seeds in part": (
        ("seeds = 2", "seeds = 2.5"),
        "seeds",
        "seeds = 2.5",
        "seeds = 3 means 0, 1, 2.",
    ),
    "no seeds": (("seeds = 2", "seeds = 0"), "seeds", "seeds = 0", "seeds = 3 means 0, 1, 2."),
    "size of text": (("size_px = 8", 'size_px = "8"'), "size_px", "size_px", ""),
    "few labels": (
        ('cells = "cells"', "cells = \"folder('cells', train_per_class=1)\""),
        "train_per_class",
        "train_per_class = 1",
        "Valid",
    ),
    "arm of a number": (
        ('half = "images(fraction=0.5)"', "half = 3"),
        "half",
        "3 is neither a recipe nor a table",
        "images(fraction=0.5)",
    ),
    "random with recipe": (
        ('{ init = "random" }', '{ init = "random", recipe = "images(total=9)" }'),
        "random =",
        "is not trained",
        "Valid",
    ),
    "arm with a batch of one": (
        ('half = "images(fraction=0.5)"', "half = { batch_size = 1 }"),
        "half",
        "[arms] half: batch_size = 1",
        "Valid",
    ),
    "arm without images": (
        ('half = "images(fraction=0.5)"', "half = { images_seen = 0 }"),
        "half",
        "[arms] half: images_seen = [0]",
        "",
    ),
    "budget twice": (
        ("images_seen = 64", "images_seen = [64, 64]"),
        "images_seen",
        "contains a budget twice",
        "",
    ),
    "random with a budget": (
        ('{ init = "random" }', '{ init = "random", images_seen = 5 }'),
        "random",
        "'images_seen' would have no effect",
        "",
    ),
    "method of a number": (
        ('probe = "probe(c=[1.0])"', "probe = 3"),
        "probe",
        "[methods] probe = 3 is not a call",
        "list methods",
    ),
    "question of a number": (
        ("seeds = 2", "seeds = 2\nquestion = 3"),
        "question",
        "question = 3 is not a name",
        "list questions",
    ),
    "reference of a list": (
        ('reference = "all"', 'reference = ["all"]'),
        "reference",
        "is not the name of an arm",
        "all, half, random",
    ),
    "margin without end": (
        ("seeds = 2", "seeds = 2\nmargin = inf"),
        "margin",
        "margin = inf",
        "one point",
    ),
    "seeds of yes": (("seeds = 2", "seeds = true"), "seeds", "seeds = True", "seeds = 3 means"),
    "source of text": (
        ('[source]\ndata = "photos"\nsize_px = 8', 'source = "photos"'),
        "source",
        "source",
        "",
    ),
}


def _line(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_file_and_the_valid_choice(write_study, mistake: str) -> None:
    change, _, message, hint = MISTAKES[mistake]
    if mistake == "source of text":  # a lone key must stand above the tables
        path = write_study(
            ('[source]\ndata = "photos"\nsize_px = 8', ""),
            ("seeds = 2", 'seeds = 2\nsource = "photos"'),
        )
    else:
        path = write_study(change)
    with pytest.raises(UsageError) as caught:
        load_study(path)
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


LOCATED = [
    m
    for m in MISTAKES
    if MISTAKES[m][2].count("'") == 2 and m not in ("margin of text", "threads of text")
]


@pytest.mark.parametrize("mistake", LOCATED)
def test_a_mistake_is_named_with_its_line(write_study, mistake: str) -> None:
    change, part, _, _ = MISTAKES[mistake]
    path = write_study(change)
    with pytest.raises(UsageError) as caught:
        load_study(path)
    assert f"line {_line(path.read_text(), part)}:" in caught.value.message


@pytest.mark.parametrize(
    "recipe",
    [
        "images(per_class=__import__('pathlib').Path('{marker}').touch())",
        "[c for c in ().__class__.__base__.__subclasses__()]",
        "images(total=open('{marker}', 'w'))",
        "(lambda: open('{marker}', 'w'))()",
        "images(total=3) | exec('open(\\'{marker}\\', \\'w\\')')",
    ],
)
def test_a_recipe_that_would_run_code_is_refused_and_not_run(
    write_study, tmp_path: Path, recipe: str
) -> None:
    marker = tmp_path / "ran"
    text = recipe.format(marker=marker)
    path = write_study(
        (
            'half = "images(fraction=0.5)"',
            f'half = """{text}"""' if "\\" not in text else f"half = '''{text}'''",
        )
    )
    with pytest.raises(UsageError) as caught:
        load_study(path)
    assert str(path) in caught.value.message
    assert not marker.exists()


def test_what_is_no_toml_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("reference = \n")
    with pytest.raises(UsageError, match=r"x\.toml, line 3: this name was given before"):
        parse_study('[arms]\nhalf = ""\nhalf = ""\n', Path("x.toml"))
    with pytest.raises(UsageError, match=r"x\.toml, line 1: not valid TOML"):
        load_study(tmp_path / "x.toml")


def test_a_missing_study_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"cannot read the study .*nowhere\.toml") as caught:
        load_study(tmp_path / "nowhere.toml")
    assert "seedbed study new" in caught.value.hint


@pytest.mark.parametrize("bytes_", [b"\xff\xfe\x00", b"name = '\xe9'"])
def test_a_study_that_is_no_utf8_is_refused(tmp_path: Path, bytes_: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(bytes_)
    with pytest.raises(SeedbedError, match=r"x\.toml"):
        load_study(tmp_path / "x.toml")


@pytest.mark.parametrize("part", ["[source]", "[arms]", "[targets]", 'reference = "all"'])
def test_what_a_study_needs(write_study, toml: str, part: str) -> None:
    path = write_study()
    if part.startswith("["):
        start = toml.index(part)
        end = toml.find("\n[", start)
        path.write_text(toml[:start] + toml[end:])
    else:
        path.write_text(toml.replace(part, ""))
    with pytest.raises(UsageError, match="the study has no"):
        load_study(path)


def test_defaults(write_study) -> None:
    study = load_study(
        write_study(("seeds = 2", ""), ('[methods]\nprobe = "probe(c=[1.0])"\n', ""))
    )
    assert study.seeds == (0, 1, 2)
    assert (study.margin, study.threads, study.question) == (1.0, 1, None)
    assert study.methods == {"probe": "probe()"}
    assert study.name == "small"


@pytest.mark.parametrize(("given", "seeds"), [("3", (0, 1, 2)), ("1", (0,)), ("[4, 2]", (4, 2))])
def test_seeds(make_study, given: str, seeds: tuple[int, ...]) -> None:
    assert make_study(("seeds = 2", f"seeds = {given}")).seeds == seeds


def test_a_target_keeps_its_own_settings(make_study) -> None:
    study = make_study(
        ('cells = "cells"', "few = \"folder('cells', size_px=16, train_per_class=3)\"")
    )
    assert study.targets["few"] == DataSpec(data="folder('cells')", size_px=16, train_per_class=3)


def test_python_and_toml_say_the_same(make_study, workspace, tmp_path: Path) -> None:
    read = make_study()
    written = Study(
        name="small",
        folder=tmp_path,
        source="photos",
        size_px=8,
        pretraining=Pretraining(backbone="small(width=2)", images_seen=(64,), batch_size=16),
        arms={"all": "", "half": Arm(recipe="images(fraction=0.5)"), "random": {"init": "random"}},
        reference="all",
        targets={"cells": "cells"},
        methods=["probe(c=[1.0])"],
        seeds=2,
    )
    assert written == read
    assert make_plan(written, workspace).cells == make_plan(read, workspace).cells


def test_the_shorthands_of_python_mean_the_table(make_study, tmp_path: Path) -> None:
    study = Study(
        name="s",
        folder=tmp_path,
        source="photos",
        arms={"a": "", "b": "images(total=9)"},
        reference="a",
        targets={"t": "cells"},
        backbone="small(width=2)",
        images_seen=[64, 128],
        seeds=[5, 6],
    )
    assert study.pretraining.backbone == "small(width=2)"
    assert study.budgets == (64, 128)
    assert study.seeds == (5, 6)


def _with_short(settings: dict[str, object]) -> Study:
    arms = {"all": "", "short": settings}
    return Study(
        name="s",
        source="toy()",
        arms=arms,
        reference="all",
        targets={"digits": "digits()"},
        images_seen=[1000, 5000],
    )


def test_an_arm_takes_a_share_of_whatever_budgets_there_are() -> None:
    study = _with_short({"recipe": "images(fraction=0.5)", "budget_share": 0.4})
    assert study.arms["short"].budgets(study.pretraining) == (400, 2000)
    assert [study.images_seen_of("short", budget) for budget in study.budgets] == [400, 2000]


def test_arms_with_budgets_of_their_own_stand_for_no_size_and_for_no_reference(workspace) -> None:
    study = _with_short({"recipe": "images(fraction=0.5)", "budget_share": 0.4})
    assert _is_sized(study, "all") and not _is_sized(study, "short")
    assert "400 and 2,000 images seen" in _describe_arm(make_plan(study, workspace), "short")
    twice = replace(
        study,
        arms={"short": {"budget_share": 0.5}, "all": "", "other": "images(fraction=0.5)"},
        reference="all",
    )
    assert reference_of(twice, "other") == "all"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"budget_share": 0.0},
            r"budget_share = 0.0 must be a share of the study's images_seen, in \(0, 1\]",
        ),
        ({"budget_share": 1.5}, "budget_share = 1.5"),
        ({"budget_share": 0.5, "images_seen": 100}, "leave one out"),
        ({"budget_share": 0.5, "init": "random"}, "'budget_share' would have no effect"),
        ({"budget_share": 0.0001}, "contains a budget twice"),
    ],
)
def test_a_share_of_the_budgets_that_is_none_is_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _with_short(settings)


def test_an_arm_overrides_the_pretraining(make_study) -> None:
    study = make_study(
        (
            'half = "images(fraction=0.5)"',
            'half = { recipe = "images(fraction=0.5)", backbone = "small(width=3)", '
            "images_seen = 32 }",
        )
    )
    how = study.arms["half"].pretraining(study.pretraining)
    assert (how.backbone, how.images_seen, how.batch_size) == ("small(width=3)", (32,), 16)
    assert study.arms["random"].budgets(study.pretraining) == (0,)


@pytest.mark.parametrize("name", ["a/b", "", "..", ".a"])
def test_a_study_is_named_like_a_file(name: str) -> None:
    with pytest.raises(UsageError, match="is not a file name"):
        Study(name=name, source="x", arms={"a": "", "b": ""}, reference="a", targets={"t": "y"})
