"""advise: which network, layer and method to use.

In: parsed options. Out: (document, exit status).
"""

from __future__ import annotations

from argparse import Namespace

from seedbed.verbs.output import Bar, Result, say


def advise(options: Namespace) -> Result:
    import sys

    from seedbed.api import advice as api

    def tell(seconds: float, words: str) -> None:
        print(f"{seconds:6.1f} s  {words}", file=sys.stderr, flush=True)

    with Bar("packing") as bar:
        found = api.advise(
            options.data,
            options.backbone,
            minutes=options.minutes,
            download=options.download,
            out=options.out or _free_name("advice"),
            train_per_class=options.train_per_class,
            seed=options.seed,
            device=options.device,
            workspace=options.workspace,
            on_pack=bar,
            on_event=tell,
        )
    say(options, *found.lines())
    return found.to_dict(options.seed), 0


def _free_name(name: str) -> str:
    """A folder of this name that is not there yet: advice, advice-2, ..."""
    from pathlib import Path

    number = 1
    while Path(tried := name if number == 1 else f"{name}-{number}").exists():
        number += 1
    return tried
