"""advise: which network, layer and method to use.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace

from seedbed.verbs.output import Bar, Result, say

_DEFAULT_OUT = "advice"


def advise(options: Namespace) -> Result:
    import sys

    from seedbed.api import advice as api

    def print_event(seconds: float, message: str) -> None:
        print(f"{seconds:6.1f} s  {message}", file=sys.stderr, flush=True)

    out = options.out or _free_name(_DEFAULT_OUT)
    with Bar("packing") as bar:
        advice = api.advise(
            options.data,
            options.backbone,
            minutes=options.minutes,
            download=options.download,
            out=out,
            train_per_class=options.train_per_class,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_event=print_event,
        )
    say(options, *advice.lines())
    if options.out is None and out != _DEFAULT_OUT:
        say(
            options,
            f"{_DEFAULT_OUT}/ holds an earlier advice, which was not changed. The new model is in "
            f"{out}/model: seedbed predict {out}/model PHOTO",
        )
    return advice.to_dict(options.seed), 0


def _free_name(name: str) -> str:
    """The first free name: advice, advice-2, ..."""
    from pathlib import Path

    number = 1
    while Path(path := name if number == 1 else f"{name}-{number}").exists():
        number += 1
    return path
