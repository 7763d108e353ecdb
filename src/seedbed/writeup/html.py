"""The report of a study as one HTML page that needs nothing but itself.

In: results and answers. Out: a file. Puts together what the tables, the figures, the samples and
the conditions found; computes nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seedbed.base.artifacts import file_aside
from seedbed.base.registry import summary
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.findings import Finding
from seedbed.verdicts.questions import question
from seedbed.writeup import number_format, tables
from seedbed.writeup.charts import finding_svg
from seedbed.writeup.conditions import arm_conditions, study_facts
from seedbed.writeup.figures import place_svg
from seedbed.writeup.findings_summary import Entry, digest
from seedbed.writeup.sample_images import Strip, strips
from seedbed.writeup.summary import in_short
from seedbed.writeup.tables import FamilyTable
from seedbed.writeup.task_results import sections


@dataclass(frozen=True, kw_only=True)
class _Place:
    """One target and method on the page."""

    title: str
    tables: list[FamilyTable]
    drawing: Markup
    drawing_words: str


def write_report(
    results: Results, answers: Sequence[Answer], path: Path, found: Sequence[Finding] = ()
) -> Path:
    """Write the page; an older one at `path` is replaced whole.

    Args:
        results: of a study, finished or not.
        answers: of the same results.
        path: of the HTML file.
        found: the findings of the same results.

    Returns:
        The path.
    """
    path = Path(path)
    page = render(results, answers, found)
    with file_aside(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def render(results: Results, answers: Sequence[Answer], findings: Sequence[Finding] = ()) -> str:
    """The page as text: same results, same text."""
    environment = Environment(
        loader=PackageLoader("seedbed.writeup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"numbers": number_format, "symbols": tables.SYMBOLS}
    found = tables.family_tables(results, answers)
    return environment.get_template("report.html").render(
        study=results.study,
        results=results,
        question=_question_words(results),
        tally=_tally(answers),
        briefs=in_short(found, findings),
        places=[_place(i, of_place) for i, of_place in enumerate(tables.places(found).values())],
        findings=_findings(findings),
        found=sections(results),
        samples=_samples(results),
        arms=arm_conditions(results),
        facts=study_facts(results),
        state=tables.state_words(results) if results.num_left or results.num_failed else "",
        unplaced=_unplaced(results, found),
    )


_KINDS = {
    "negative_transfer": "Negative transfer",
    "retained_gain": "What is kept: target against source",
    "interaction": "What the effects depend on",
    "best_budgets": "Each arm at its own best training budget",
    "scaling": "Scaling",
    "influence": "Influence of classes",
    "variances": "Where the spread comes from",
    "overlap": "Overlap of source and target",
    "false_verdicts": "How many verdicts may be false",
}


def _findings(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings by kind, each with its drawing where it has one."""
    sections = []
    for kind, title in _KINDS.items():
        rows = [e for e in digest(found) if e.kind == kind]
        drawn = [
            {"sentence": e.sentence, "drawing": Markup(_drawing(e, f"{kind}{i}"))}
            for i, e in enumerate(rows)
        ]
        sections += [{"title": title, "rows": drawn}] if rows else []
    return sections


def _drawing(entry: Entry, name: str) -> str:
    # our own SVG; its texts are escaped there
    return finding_svg(entry.finding, name) if entry.finding else ""


def _question_words(results: Results) -> str:
    """The summary of the study's question."""
    return summary(type(question(results.study.question or "contrasts")))


def _tally(answers: Sequence[Answer]) -> list[tuple[str, int]]:
    """How many comparisons on targets came out which way; the source itself does not count."""
    verdicts = [a.verdict for a in answers if a.target not in ("source", "source_fine")]
    return [
        (word, verdicts.count(word))
        for word in ("better", "equivalent", "worse", "undecided")
        if word in verdicts
    ]


def _place(number: int, of_place: list[FamilyTable]) -> _Place:
    return _Place(
        title=of_place[0].title,
        tables=of_place,
        # our own SVG; its texts are escaped there
        drawing=Markup(place_svg(of_place, f"f{number}")),
        drawing_words=_drawing_words(of_place),
    )


def _drawing_words(of_place: list[FamilyTable]) -> str:
    """What the drawing shows, for who cannot see it."""
    parts = []
    for table in of_place:
        rows = [
            f"{r.arm} {number_format.plain(r.mean, table.decimals)} ({r.verdict})"
            for r in table.rows
            if r.values
        ]
        parts.append(f"{table.budget}: {', '.join(rows)}.")
    return f"Means over seeds of {of_place[0].title}. {' '.join(parts)}"


def _samples(results: Results) -> list[dict[str, Any]]:
    """A strip per arm that trains, as a data URL with what it shows in words."""
    study, views = results.study, results.plan.views
    trained = [name for name, arm in study.arms.items() if any(arm.budgets(study.pretraining))]
    views = {name: views[name, study.seeds[0]] for name in trained}
    found = strips(views) if views else {}
    return [{"arm": arm, "strip": strip, "url": _data_url(strip)} for arm, strip in found.items()]


def _data_url(strip: Strip) -> str:
    return f"data:image/png;base64,{base64.b64encode(strip.png).decode()}"


def _unplaced(results: Results, found: Sequence[FamilyTable]) -> list[str]:
    """Measured or planned, but in no table: cells whose place and budget have no outcome of the
    reference."""
    study = results.study
    shown = {
        (*t.place, r.arm, study.images_seen_of(r.arm, t.images_seen))
        for t in found
        if t.images_seen
        for r in t.rows
    }
    # else there is nothing on the source to compare with
    trains = study.arms[study.reference].trains
    left = [
        c
        for c in results.plan.cells
        if (c.target, c.method, c.arm, c.images_seen) not in shown
        and (trains or c.method != "pretraining")
    ]
    words = [
        f"{number_format.target_words(c.target)}, {c.method}, {c.images_seen:,} images seen"
        for c in left
        if c.images_seen
    ]
    return list(dict.fromkeys(words))
