"""List the networks whose weights are on this machine.

Out: names and paths of the network that comes with seedbed, of networks whose package is installed,
of folders by `pretrain` or `transfer` in SEEDBED_WEIGHTS, and of published weights in the caches of
torch and Hugging Face. Nothing is downloaded. timm is imported only if a cache holds weights.
"""

from __future__ import annotations

import os
from pathlib import Path

from seedbed.base.paths import expand_user
from seedbed.models.checkpoint import CARD
from seedbed.models.packaged_weights import PACKAGED
from seedbed.models.resolve import SHIPPED
from seedbed.models.weights import SUFFIXES, find_cached
from seedbed.models.zoo import BACKBONES

_BRIDGES = ("open_clip", "small", "timm", "torchvision")
_HUB_PREFIX = "models--timm--"


def local_networks() -> list[str]:
    """Names or paths of the networks on this machine: that of seedbed, those of SEEDBED_WEIGHTS,
    then published ones."""
    networks = [name for name, folder in SHIPPED.items() if (folder / CARD).is_file()]
    networks += [name for name, weights in PACKAGED.items() if weights.find() is not None]
    folder = _weights_folder()
    if folder is not None:
        networks += sorted(str(path) for path in folder.iterdir() if (path / CARD).is_file())
    caches = [cache for cache in (folder, _torch_cache()) if cache is not None]
    hub_names = _hub_names()
    has_files = any(path.suffix in SUFFIXES for cache in caches for path in cache.iterdir())
    if has_files or hub_names:
        networks += _published_networks(hub_names, caches)
    return list(dict.fromkeys(networks))


def _weights_folder() -> Path | None:
    """The folder SEEDBED_WEIGHTS, if it exists."""
    name = os.environ.get("SEEDBED_WEIGHTS")
    folder = expand_user(name) if name else None
    return folder if folder is not None and folder.is_dir() else None


def _torch_cache() -> Path | None:
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    return folder if folder.is_dir() else None


def _hub_names() -> list[str]:
    """Names of the timm networks in the Hugging Face cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    if not folder.is_dir():
        return []
    return sorted(
        p.name.removeprefix(_HUB_PREFIX) for p in folder.iterdir() if p.name.startswith(_HUB_PREFIX)
    )


def _published_networks(hub_names: list[str], caches: list[Path]) -> list[str]:
    """Networks with published weights on this machine: by their seedbed names, others by calls such
    as timm('NAME')."""
    from seedbed.models.zoo.bridges import TIMM, TORCHVISION

    networks, known = [], set()
    for name in BACKBONES.names():
        if name in _BRIDGES:
            continue
        published = BACKBONES.make(name).published()
        path = find_cached(published) if published else None
        if path is not None:
            networks.append(name)
            known.add(path)
    stems = {
        path.stem: path
        for cache in caches
        for path in cache.iterdir()
        if path.suffix in SUFFIXES and path not in known
    }
    for bridge, name in ((TORCHVISION, "torchvision"), (TIMM, "timm")):
        networks += [f"{name}({network!r})" for network in bridge.networks_with_files(set(stems))]
    published = [BACKBONES.make(name).published() for name in networks if "(" not in name]
    listed = {one.hub for one in published if one is not None}
    return networks + [f"timm({name!r})" for name in hub_names if f"timm/{name}" not in listed]
