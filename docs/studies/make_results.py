"""Write docs/studies/results.md and its pictures from studies that were run: python
docs/studies/make_results.py FOLDER WORKSPACE

FOLDER holds the study files, all of them run in WORKSPACE; the page has every table of targets,
what else was found, and what was run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from seedbed.trials.results import Results
from seedbed.trials.run import study_status
from seedbed.trials.study_file import load_study
from seedbed.trials.warnings import measurement_warnings
from seedbed.verdicts.families import SOURCES
from seedbed.verdicts.findings import findings
from seedbed.verdicts.questions import answer
from seedbed.writeup import number_format
from seedbed.writeup.conditions import study_facts
from seedbed.writeup.figures import differences_svg
from seedbed.writeup.findings_summary import summarise_findings
from seedbed.writeup.summary import summarise
from seedbed.writeup.tables import FamilyTable, family_tables, group_by_target

HERE = Path(__file__).parent
PICTURES = HERE.parent / "pictures"
STUDIES = (
    "fine-or-coarse",
    "fine-or-coarse-resnet",
    "num-classes",
    "classes-or-examples",
    "exclude-target",
    "unrelated-data",
    "granularity",
    "blind-addition",
    "negative-transfer",
    "class-influence",
    "class-influence-check-cifar10",
)
DRAWN = "cifar10"
INTRODUCTION = """# Results of the studies

Made by `make_results.py` from the studies of this folder. Their files run as they are, with the
data beside them. [What they say about the paper](paper.md) is a page of its own. Source: Tiny
ImageNet (in `blind-addition` with the drawn shapes of `toy()` added). Targets: CIFAR-10, blood
cells cut out of BCCD's photographs (`voc_crops.py`), or halves of the source itself. Means and
differences are in percent and points. Intervals are 95 % intervals, simultaneous for all
comparisons of a table, for new seeds and, where all arms were measured on the same images, new
test images.
"""


def main(folder: Path, workspace: Path) -> None:
    parts = [INTRODUCTION]
    for name in STUDIES:
        results = study_status(load_study(folder / f"{name}.toml"), workspace)
        if results.num_left or results.num_failed:
            sys.exit(
                f"{name}: {results.num_left} cells left, {results.num_failed} failed; run it first"
            )
        parts += _study(results, name)
    (HERE / "results.md").write_text("\n".join(parts), encoding="utf-8")


def _study(results: Results, name: str) -> list[str]:
    answers = answer(results)
    statements = findings(results, answers)
    tables = family_tables(results, answers)
    facts = dict(study_facts(results))
    seeds = number_format.count(len(results.study.seeds), "seed")
    lines = [
        f"## {name}",
        "",
        f"`{name}.toml`; {seeds}, {facts['Hardware']}, commit {facts['Commit of seedbed']}.",
        "",
    ]
    for entry in summarise(tables):
        lines += [
            f"In short, {entry.title}:",
            "",
            *(f"- {verdict}: {words}" for verdict, words in entry.verdicts),
            "",
        ]
    drawn = [of for (target, _), of in group_by_target(tables).items() if DRAWN in target]
    if drawn:
        picture = PICTURES / f"{name}-{DRAWN}.svg"
        picture.write_text(differences_svg(drawn[0], "f0"), encoding="utf-8")
        lines += [
            f"![{drawn[0][0].title}, at two training budgets](../pictures/{picture.name})",
            "",
        ]
    for table in tables:
        lines += _table(table) if table.answers or table.target in SOURCES else []
    lines += [
        "What else they say:",
        "",
        *(f"- {entry.sentence}" for entry in summarise_findings(statements)),
        *(f"- {r}." for r in measurement_warnings(results)),
        "",
    ]
    return lines


def _table(table: FamilyTable) -> list[str]:
    lines = [f"**{table.title}, {table.budget}.**" + (f" {table.note}" if table.note else ""), ""]
    lines += [
        "| arm | images | mean | sd | n | difference | 95 % interval | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table.rows:
        effect = (row.answer.difference, row.answer.interval) if row.answer else (None, None)
        cells = (
            number_format.number(row.num_images, 0),
            number_format.number(row.mean, 1),
            number_format.number(row.sd, 1),
            str(len(row.values)),
        )
        cells += _difference(*effect, table)
        lines.append(f"| {row.arm} | {' | '.join(cells)} | {row.verdict} |")
    for other in table.others:
        cells = ("", "", "", "", *_difference(other.difference, other.interval, table))
        lines.append(
            f"| {other.arm} against {other.reference} | {' | '.join(cells)} | {other.verdict} |"
        )
    return [*lines, ""]


def _difference(
    value: float | None, interval: tuple[float, float] | None, table: FamilyTable
) -> tuple[str, str]:
    if value is None:
        return "", ""
    return number_format.signed_number(value, table.decimals), number_format.interval(
        interval, table.decimals
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
