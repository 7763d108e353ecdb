"""list and disk: what is installed, and what the workspace holds.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace

from seedbed.base.errors import BadDataError, unknown
from seedbed.verbs.output import Result, say


def list_plugins(options: Namespace) -> Result:
    from seedbed.data.formats import FORMATS
    from seedbed.data.recipes import RECIPES
    from seedbed.metrics import METRICS
    from seedbed.models.zoo import BACKBONES
    from seedbed.pretraining.objectives import OBJECTIVES
    from seedbed.tasks.catalogue import TASKS
    from seedbed.transfers.methods import METHODS
    from seedbed.trials.executors import EXECUTORS
    from seedbed.verdicts.questions import QUESTIONS

    groups = {
        "formats": FORMATS,
        "recipes": RECIPES,
        "backbones": BACKBONES,
        "objectives": OBJECTIVES,
        "tasks": TASKS,
        "methods": METHODS,
        "questions": QUESTIONS,
        "metrics": METRICS,
        "executors": EXECUTORS,
    }
    if options.group is not None and options.group not in groups:
        raise unknown("group", options.group, groups)
    chosen = [options.group] if options.group else list(groups)
    document = {name: groups[name].describe() for name in chosen}
    for name, rows in document.items():
        say(options, f"{name}:")
        for row in rows:
            say(options, f"  {row['call']}", f"      {row['summary']}")
    return document, 0


def disk(options: Namespace) -> Result:

    from seedbed.base.artifacts import Workspace
    from seedbed.trials import disk as disk_of

    place = Workspace.at(options.workspace)
    if not place.root.is_dir():
        raise BadDataError(
            f"there is no workspace at {place.root}",
            "Name one: --workspace DIR. A study makes seedbed-work/ beside its file.",
        )
    items = disk_of.disk_usage(place)
    document = disk_of.to_document(items)
    total, unused = document["bytes"] / 1e6, document["unreferenced_bytes"] / 1e6
    say(options, f"{place.root}: {total:,.1f} MB; no study refers to {unused:,.1f} MB of them")
    document["missing_studies"] = disk_of.missing_studies(place)
    for missing in document["missing_studies"]:
        say(options, f"  this study was not found: {missing}")
    for item in items[:20]:
        studies = ", ".join(item.studies) or "(no study)"
        say(options, f"  {item.bytes / 1e6:10,.1f} MB  {item.kind}/{item.key}  {studies}")
    if options.clean:
        document["freed_bytes"] = disk_of.clean(place, items)
        say(options, f"removed {document['freed_bytes'] / 1e6:,.1f} MB")
    return document, 0
