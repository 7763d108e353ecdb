"""The report of a study as one self-contained HTML page.

In: results, answers and findings. Out: a file with all tables, figures, samples and conditions.
Computes nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seedbed.base.artifacts import atomic_file
from seedbed.base.registry import summary
from seedbed.trials.results import Results
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.findings import Finding
from seedbed.verdicts.questions import question
from seedbed.writeup import number_format, tables
from seedbed.writeup.charts import finding_svg
from seedbed.writeup.conditions import arm_conditions, study_facts
from seedbed.writeup.figures import differences_svg
from seedbed.writeup.findings_summary import Entry, summarise_findings
from seedbed.writeup.sample_images import Strip, sample_strips
from seedbed.writeup.summary import summarise
from seedbed.writeup.tables import FamilyTable
from seedbed.writeup.task_results import task_sections


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """One target and method on the page, over all training budgets."""

    title: str
    tables: list[FamilyTable]
    drawing: Markup
    # text alternative of the drawing
    alt: str


def write_report(
    results: Results, answers: Sequence[Answer], path: Path, findings: Sequence[Finding] = ()
) -> Path:
    """Write the page atomically; an existing file at `path` is replaced.

    Args:
        results: of a study, finished or not.
        answers: of these results.
        path: of the HTML file.
        findings: of these results.

    Returns:
        The path.
    """
    path = Path(path)
    page = render(results, answers, findings)
    with atomic_file(path) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def render(results: Results, answers: Sequence[Answer], findings: Sequence[Finding] = ()) -> str:
    """Render the page; deterministic for the same results."""
    environment = Environment(
        loader=PackageLoader("seedbed.writeup"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"numbers": number_format, "symbols": tables.SYMBOLS}
    all_tables = tables.family_tables(results, answers)
    by_target = tables.group_by_target(all_tables)
    return environment.get_template("report.html").render(
        study=results.study,
        results=results,
        question=_question_sentence(results),
        verdict_counts=_verdict_counts(answers),
        summary=summarise(all_tables, findings),
        comparisons=[_comparison(i, group) for i, group in enumerate(by_target.values())],
        findings=_finding_sections(findings),
        task_sections=task_sections(results),
        samples=_sample_rows(results),
        arms=arm_conditions(results),
        facts=study_facts(results),
        state=tables.progress_sentence(results),
        without_reference=_cells_without_reference(results, all_tables),
    )


_KINDS = {
    "negative_transfer": "Negative transfer",
    "retained_gain": "Retained gain: target against source",
    "interaction": "What the effects depend on",
    "best_budgets": "Best training budget of each arm",
    "scaling": "Scaling laws",
    "influence": "Influence of classes",
    "variances": "Variance components",
    "overlap": "Overlap of source and target",
    "false_verdicts": "Expected number of false verdicts",
}


def _finding_sections(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings by kind, each with its drawing if it has one."""
    entries = summarise_findings(findings)
    sections = []
    for kind, title in _KINDS.items():
        rows = [
            {"sentence": entry.sentence, "drawing": _drawing(entry, f"{kind}{i}")}
            for i, entry in enumerate(e for e in entries if e.kind == kind)
        ]
        sections += [{"title": title, "rows": rows}] if rows else []
    return sections


def _drawing(entry: Entry, name: str) -> Markup:
    # The SVG is our own; its texts are escaped there.
    return Markup(finding_svg(entry.finding, name) if entry.finding else "")


def _question_sentence(results: Results) -> str:
    """The summary of the study's question."""
    return summary(type(question(results.study.question or "contrasts")))


def _verdict_counts(answers: Sequence[Answer]) -> list[tuple[str, int]]:
    """Each verdict with its number of comparisons on targets; the source does not count."""
    verdicts = [a.verdict for a in answers if a.target not in SOURCES]
    return [
        (verdict, verdicts.count(verdict))
        for verdict in ("better", "equivalent", "worse", "undecided")
        if verdict in verdicts
    ]


def _comparison(number: int, group: list[FamilyTable]) -> _Comparison:
    return _Comparison(
        title=group[0].title,
        tables=group,
        # The SVG is our own; its texts are escaped there.
        drawing=Markup(differences_svg(group, f"f{number}")),
        alt=_alt_text(group),
    )


def _alt_text(group: list[FamilyTable]) -> str:
    """The text alternative of a drawing."""
    parts = []
    for table in group:
        rows = [
            f"{r.arm} {number_format.number(r.mean, table.decimals)} ({r.verdict})"
            for r in table.rows
            if r.values
        ]
        parts.append(f"{table.budget}: {', '.join(rows)}.")
    return f"Means over seeds of {group[0].title}. {' '.join(parts)}"


def _sample_rows(results: Results) -> list[dict[str, Any]]:
    """A strip of sample images per pre-trained arm, as a data URL with its labels."""
    study, views = results.study, results.plan.views
    trained = [name for name, arm in study.arms.items() if any(arm.budgets(study.pretraining))]
    if not trained:
        return []
    strips = sample_strips({name: views[name, study.seeds[0]] for name in trained})
    return [{"arm": arm, "strip": strip, "url": _data_url(strip)} for arm, strip in strips.items()]


def _data_url(strip: Strip) -> str:
    return f"data:image/png;base64,{base64.b64encode(strip.png).decode()}"


def _cells_without_reference(results: Results, all_tables: Sequence[FamilyTable]) -> list[str]:
    """Targets, methods and budgets in no table, because the reference has no outcome there."""
    study = results.study
    in_tables = {
        (*t.target_and_method, r.arm, study.images_seen_of(r.arm, t.images_seen))
        for t in all_tables
        if t.images_seen
        for r in t.rows
    }
    # A reference without pre-training has no accuracy on the source.
    has_source_accuracy = study.arms[study.reference].trains
    remaining = [
        c
        for c in results.plan.cells
        if (c.target, c.method, c.arm, c.images_seen) not in in_tables
        and (has_source_accuracy or c.method != "pretraining")
    ]
    texts = [
        f"{number_format.target_in_words(c.target)}, {c.method}, {c.images_seen:,} images seen"
        for c in remaining
        if c.images_seen
    ]
    return list(dict.fromkeys(texts))
