"""Networks with weights that lie on this machine already.

In: nothing. Out: what to call them: the network that comes with seedbed, folders that `pretrain` or
`transfer` wrote in SEEDBED_WEIGHTS, published weights in torch's and the Hugging Face caches.
Nothing is downloaded, and timm is imported only where a cache holds something.
"""

from __future__ import annotations

import os
from pathlib import Path

from seedbed.base.paths import expand_user
from seedbed.models.checkpoint import CARD
from seedbed.models.resolve import SHIPPED
from seedbed.models.weights import SUFFIXES, find_cached
from seedbed.models.zoo import BACKBONES

_BRIDGES = ("small", "timm", "torchvision")
_HUB_PREFIX = "models--timm--"


def local_networks() -> list[str]:
    """Names or paths of the networks on this machine, in the order in which they are found."""
    found = [name for name, folder in SHIPPED.items() if (folder / CARD).is_file()]
    own = _own_folder()
    if own is not None:
        found += sorted(str(path) for path in own.iterdir() if (path / CARD).is_file())
    caches = [folder for folder in (own, _torch_cache()) if folder is not None]
    hub = _hub_names()
    if any(path.suffix in SUFFIXES for folder in caches for path in folder.iterdir()) or hub:
        found += _published(hub, caches)
    return list(dict.fromkeys(found))


def _own_folder() -> Path | None:
    folder = (
        expand_user(os.environ["SEEDBED_WEIGHTS"]) if os.environ.get("SEEDBED_WEIGHTS") else None
    )
    return folder if folder is not None and folder.is_dir() else None


def _torch_cache() -> Path | None:
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    return folder if folder.is_dir() else None


def _hub_names() -> list[str]:
    """Names of timm's networks in the Hugging Face cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    if not folder.is_dir():
        return []
    return sorted(
        p.name.removeprefix(_HUB_PREFIX) for p in folder.iterdir() if p.name.startswith(_HUB_PREFIX)
    )


def _published(hub: list[str], caches: list[Path]) -> list[str]:
    """Plain names whose weights are here, and others by the name that their library gives them."""
    from seedbed.models.zoo.bridges import TIMM, TORCHVISION

    found, known = [], set()
    for name in BACKBONES.names():
        if name in _BRIDGES:
            continue
        published = BACKBONES.make(name).published()
        path = find_cached(published) if published else None
        if path is not None:
            found.append(name)
            known.add(path)
    stems = {
        path.stem: path
        for folder in caches
        for path in folder.iterdir()
        if path.suffix in SUFFIXES and path not in known
    }
    for bridge, name in ((TORCHVISION, "torchvision"), (TIMM, "timm")):
        found += [f"{name}({network!r})" for network in bridge.names_of_files(set(stems))]
    plain = {BACKBONES.make(n).published().hub for n in found if "(" not in n}  # pyright: ignore[reportOptionalMemberAccess]
    return found + [f"timm({name!r})" for name in hub if f"timm/{name}" not in plain]
