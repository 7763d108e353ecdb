"""Where work runs: choice of device, and what the hardware is called.

In: a wish ("auto", "cpu", "cuda"). Out: a checked device name and a one-line description. Imports
torch only when asked.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedbed.base.errors import UsageError

SHARERS = "SEEDBED_SHARERS"  # how many processes share this machine's memory
_CHOICES = ("auto", "cpu", "cuda", "mps")


def choose_device(wish: str = "auto") -> str:
    """The device for a wish: `auto` is CUDA where there is one, else the CPU. Raises UsageError if
    the wish is not there."""
    import torch

    if wish.split(":")[0] not in _CHOICES:
        raise UsageError(f"unknown device {wish!r}", f"Valid: {', '.join(_CHOICES)}.")
    if wish == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wish.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"device {wish!r} is not available here",
            "Use --device cpu, or install a CUDA build of torch.",
        )
    return wish


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Tiny numbers count as zero in this thread's CPU arithmetic inside the block, which keeps late
    training fast."""
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def one_thread(when: bool = True) -> Iterator[None]:
    """torch's arithmetic on one thread inside the block: for work so small that threads wait for
    each other longer than they work, which on a machine that does something else beside is a
    hundred times as long (docs/log.md)."""
    import torch

    before = torch.get_num_threads()
    if when:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(device: str) -> int:
    """Memory that this process may take: of the GPU, or of this machine, where pages of memory maps
    are cache and count as free.

    Worker processes of one machine share what it has (SHARERS, set where they are started).
    """
    if device.startswith("cuda"):
        import torch

        # by torch, to be used again
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            available = (
                int(next(line for line in file if line.startswith("MemAvailable")).split()[1])
                * 1024
            )
    except (OSError, StopIteration, ValueError):
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return available // int(os.environ.get(SHARERS) or 1)


def describe_hardware(device: str = "cpu") -> str:
    """One line that names the processor, or the GPU: part of every result's identity card, never of
    its key."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {num_cores()} cores, {platform.system()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
