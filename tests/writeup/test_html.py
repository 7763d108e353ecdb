"""The report of a study: a self-contained page that agrees with the results."""

from __future__ import annotations

import io
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.console import Console

from seedbed.trials.results import Failure, Results
from seedbed.trials.run import run_study, study_status
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.questions import answer
from seedbed.writeup import report
from seedbed.writeup.figures import differences_svg
from seedbed.writeup.html import render, write_report
from seedbed.writeup.summary import summarise
from seedbed.writeup.tables import FamilyTable, family_tables, group_by_target
from seedbed.writeup.terminal import terminal_summary

HOSTILE = "<b>digits</b> & $x_"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(
        name="mini",
        question="images-per-class",
        source="toy(per_class=4, test_per_class=2)",
        arms={
            "all": "",
            "half": "images(fraction=0.5)",
            "coarse": "bottom_up(depth=1)",
            "random": {"init": "random"},
        },
        reference="all",
        targets={HOSTILE: "toy(per_class=2, test_per_class=1, seed=1)"},
        methods={"probe": "probe(c=[1.0])"},
        backbone="small(width=4)",
        images_seen=[256, 384],
        seeds=2,
        folder=tmp_path_factory.mktemp("mini"),
    )


@pytest.fixture(scope="module")
def results(study: Study) -> Results:
    return run_study(study, executor="inline", device="cpu")


@pytest.fixture(scope="module")
def answers(results: Results) -> list[Answer]:
    return answer(results)


@pytest.fixture(scope="module")
def page(results: Results, answers: list[Answer]) -> str:
    return render(results, answers)


@pytest.fixture(scope="module")
def tables(results: Results, answers: list[Answer]) -> tuple[FamilyTable, ...]:
    return family_tables(results, answers)


class _Page(HTMLParser):
    """The text, and the tags with their attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> Iterator[str]:
        yield from (attributes[name] or "" for _, attributes in self.tags if name in attributes)


def test_the_answers_come_before_the_figure_and_targets_before_the_source(
    page: str, answers: list[Answer]
) -> None:
    text = unescape(page)
    figure = text.index('id="figure"')
    positions = [text.index(a.short_sentence) for a in answers]
    assert answers and all(0 < i < figure for i in positions)
    of_source = [i for i, a in zip(positions, answers, strict=True) if a.target == "source"]
    of_targets = [i for i, a in zip(positions, answers, strict=True) if a.target != "source"]
    assert max(of_targets) < min(of_source)


def test_the_page_is_self_contained(page: str) -> None:
    parsed = _Page(page)
    for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
        assert all(link.startswith(("data:", "#")) for link in parsed.attributes(name)), name
    assert not {"script", "iframe", "object", "embed"} & {tag for tag, _ in parsed.tags}
    assert "@import" not in page
    assert all(inside.startswith("#") for inside in re.findall(r"url\(['\"]?([^)]*)\)", page))
    assert len(page.encode()) < 3_000_000


def test_names_are_escaped(page: str) -> None:
    assert "<b>digits</b>" not in page
    assert HOSTILE in _Page(page).text


def test_every_arm_and_its_recipe_are_listed(page: str, study: Study) -> None:
    text = _Page(page).text
    for arm in study.arms.values():
        assert str(arm.recipe) in text
    assert "random initialisation" in text and "supervised()" in text and "small(width=4)" in text
    assert "results.csv" in text and "results.parquet" in text


def test_each_pretrained_arm_has_a_strip_with_a_text_alternative(page: str) -> None:
    images = [attributes for tag, attributes in _Page(page).tags if tag == "img"]
    assert [re.search(r"arm (\w+)", a["alt"] or "").group(1) for a in images] == [
        "all",
        "half",
        "coarse",
    ]  # pyright: ignore[reportOptionalMemberAccess]


def test_ids_are_unique_and_every_table_head_has_a_scope(page: str) -> None:
    parsed = _Page(page)
    ids = list(parsed.attributes("id"))
    assert len(ids) == len(set(ids))
    assert all(a["scope"] for tag, a in parsed.tags if tag == "th")


def test_a_finished_study_has_no_notice(page: str) -> None:
    assert "Incomplete" not in page and 'id="failures"' not in page


def test_missing_and_failed_cells_are_reported_at_the_top(
    results: Results, answers: list[Answer]
) -> None:
    failure = Failure(key="k1", label="half, seed 1", error="loss is not finite <nan>")
    broken = replace(results, failures=(failure,), num_failed=1, num_cells=results.num_cells + 3)
    page = render(broken, answers)
    assert "Incomplete: 2 cells left and 1 cell failed" in page
    assert page.index("Incomplete") < page.index('id="answers"')
    assert "loss is not finite &lt;nan&gt;" in page


def test_a_study_without_outcomes_has_a_page(study: Study, tmp_path: Path) -> None:
    empty = study_status(study, workspace=tmp_path / "empty")
    text = _Page(report(empty, tmp_path / "report.html").read_text()).text
    assert (
        "No answer yet" in text
        and "No figure yet" in text
        and f"{empty.num_cells} cells left" in text
    )


def test_missing_cells_are_marked_in_their_row(results: Results) -> None:
    outcomes = tuple(
        o for o in results.outcomes if o.arm != "coarse" and not (o.arm == "half" and o.seed == 1)
    )
    partial = replace(results, outcomes=outcomes)
    rows = {row.arm: row for row in family_tables(partial, answer(partial))[0].rows}
    assert rows["coarse"].verdict == "not measured" and rows["coarse"].mean is None
    assert (len(rows["half"].values), rows["half"].num_planned, rows["half"].sd) == (1, 2, None)
    assert "1 of 2" in render(partial, answer(partial))


def test_the_tables_have_the_values_of_the_results(
    tables: tuple[FamilyTable, ...], results: Results, answers: list[Answer]
) -> None:
    for table in tables:
        for row in table.rows if table.images_seen is not None else ():
            values = [
                o.value
                for o in results.outcomes
                if (o.arm, o.target, o.method, o.metric)
                == (row.arm, *table.target_and_method, table.metric)
                and o.images_seen in (table.images_seen, 0)
            ]
            assert sorted(row.values) == sorted(values)
            assert row.mean == pytest.approx(np.mean(values)) and row.sd == pytest.approx(
                np.std(values, ddof=1)
            )
    shown = [row.answer.sentence for table in tables for row in table.rows if row.answer]
    assert sorted(shown) == sorted(a.sentence for a in answers)


def test_drawings_are_valid_and_deterministic_xml(tables: tuple[FamilyTable, ...]) -> None:
    for group in group_by_target(tables).values():
        svg = differences_svg(group, "f")
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert svg == differences_svg(group, "f")
        assert "currentColor" in svg and "#010203" not in svg and len(svg) < 60_000


@pytest.mark.parametrize("num_arms", [1, 8])
def test_drawings_cope_with_long_names_and_missing_intervals(
    tables: tuple[FamilyTable, ...], num_arms: int
) -> None:
    base = tables[0]
    long = [
        replace(base.rows[0], arm=f"{'a very long name ' * 4}{i}", is_reference=i == 0)
        for i in range(num_arms)
    ]
    wide = [
        replace(r, answer=None, values=r.values if i % 2 == 0 else ()) for i, r in enumerate(long)
    ]
    many = [
        replace(base, rows=tuple(wide), images_seen=n, higher_is_better=n < 30)
        for n in (10, 20, 30)
    ]
    text = "".join(ElementTree.fromstring(differences_svg(many, "f")).itertext())
    assert text.count("a very long name…") == 3 * num_arms


def test_the_page_is_deterministic(
    results: Results, answers: list[Answer], page: str, tmp_path: Path
) -> None:
    path = write_report(results, answers, tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == page
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_the_terminal_summary_fits_80_columns_without_colour(
    results: Results, answers: list[Answer]
) -> None:
    console = Console(
        width=80, no_color=True, force_terminal=False, record=True, file=io.StringIO()
    )
    console.print(terminal_summary(results, answers))
    text = console.export_text()
    assert all(len(line) <= 80 for line in text.splitlines())
    flat = " ".join(text.split())
    assert all(" ".join(a.short_sentence.split()) in flat for a in answers)
    assert all(a.short_sentence in a.sentence for a in answers)
    assert not any(a.short_sentence.startswith("On ") for a in answers)
    warning = "The reference was still improving with longer training"
    assert flat.count(warning) == len(
        {(a.target, a.images_seen) for a in answers if a.converged is False}
    )
    assert sum(warning in a.sentence for a in answers) == sum(a.converged is False for a in answers)
    assert "…" not in text and "not compared" in text


def test_the_summary_has_each_comparison_at_the_largest_budget_once(
    results: Results, answers: list[Answer], tables: tuple[FamilyTable, ...], page: str
) -> None:
    [entry] = summarise(tables)
    last = [a for a in answers if a.target == HOSTILE and a.images_seen == 384]
    comparisons = {verdict: words.split("; ") for verdict, words in entry.verdicts}
    assert {verdict: len(words) for verdict, words in comparisons.items()} == Counter(
        a.verdict for a in last
    )
    for a in last:
        assert (
            sum(
                words.startswith(f"{a.arm} ") and f"{abs(a.difference):.1f}" in words
                for words in comparisons[a.verdict]
            )
            == 1
        )
    console = Console(
        width=200, no_color=True, force_terminal=False, record=True, file=io.StringIO()
    )
    console.print(terminal_summary(results, answers))
    in_terminal = console.export_text().split("Summary")[1]
    for verdict, words in entry.verdicts:
        assert f"{verdict}: {words}" in " ".join(in_terminal.split())
        assert words in _Page(page).text


def test_answers_on_targets_come_first(answers: list[Answer]) -> None:
    of_source = [a.target == "source" for a in answers]
    assert any(of_source) and of_source == sorted(of_source)


def test_the_summary_includes_fine_labels_but_not_the_sources_own(
    tables: tuple[FamilyTable, ...],
) -> None:
    [table] = [t for t in tables if t.target == HOSTILE and t.images_seen == 384]
    [entry] = summarise([replace(table, target="source_fine"), replace(table, target="source")])
    assert entry.title.startswith("all fine labels of the source, probe")


def test_references_that_had_not_converged_cause_a_warning(tables: tuple[FamilyTable, ...]) -> None:
    [table] = [t for t in tables if t.target == HOSTILE and t.images_seen == 384]

    def warning(**converged: bool) -> str:
        answers = tuple(
            replace(table.answers[0], reference=name, converged=state)
            for name, state in converged.items()
        )
        return replace(table, answers=answers).warning

    assert warning(all=True, half=True) == ""
    assert warning(all=False).startswith("The reference was still improving")
    assert warning(all=True, half=False).startswith(
        "'half' was still improving with longer training, so differences from it"
    )
    assert warning(all=False, half=False).startswith("All reference arms were still improving")


def test_comparisons_with_another_arm_are_rows_in_the_terminal(
    results: Results, answers: list[Answer]
) -> None:
    [one] = [a for a in answers if a.arm == "half" and a.target == HOSTILE and a.images_seen == 384]
    other = replace(one, arm="half", reference="coarse")
    console = Console(
        width=80, no_color=True, force_terminal=False, record=True, file=io.StringIO()
    )
    others = [a if a is not one else other for a in answers]
    console.print(terminal_summary(results, others))
    text = console.export_text()
    assert "half vs coarse" in text and "× vs coarse" in text and "× vs half" not in text
    drawn = [
        "".join(ElementTree.fromstring(differences_svg(of, "f")).itertext())
        for of in group_by_target(family_tables(results, others)).values()
    ]
    assert sum("vs coarse" in words for words in drawn) == 1


@pytest.mark.slow
def test_a_browser_shows_the_page_without_errors_or_overflow(page: str, tmp_path: Path) -> None:
    from shutil import which

    browser = which("chromium") or which("chromium-browser") or which("google-chrome")
    if not browser:
        pytest.skip("no chromium")
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    measure = (
        "<script>onload=()=>{const d=document.getElementById('f').contentDocument.documentElement;"
        "document.body.dataset.width=d.scrollWidth+' of '+d.clientWidth}</script>"
    )
    style = "width:420px;height:900px;border:0"
    frame = f'<body><iframe id="f" src="report.html" style="{style}"></iframe>{measure}</body>'
    (tmp_path / "frame.html").write_text(frame)
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
    ]
    flags += [
        "--window-size=1200,2000",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000",
    ]

    def browse(page: str, *more: str) -> subprocess.CompletedProcess[str]:
        command = [browser, *flags, *more, (tmp_path / page).as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)

    shot = tmp_path / "shot.png"
    shown = browse("report.html", f"--screenshot={shot}")
    assert shot.stat().st_size > 20_000
    done = browse("frame.html", "--dump-dom")
    widths = re.search(r'data-width="(\d+) of (\d+)"', done.stdout)
    assert widths and int(widths[1]) <= int(widths[2])
    assert "CONSOLE" not in shown.stderr + done.stderr
