"""Devices, threads and memory of this machine.

In: a device name ("auto", "cpu", "cuda", "mps"). Out: an available device, its free memory and a
one-line description of the hardware. torch is imported inside the functions, since commands that
need no torch must start fast.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedbed.base.errors import UsageError

# Environment variable of worker processes: how many processes share the memory of this machine.
SHARERS = "SEEDBED_SHARERS"
_CHOICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str = "auto") -> str:
    """Resolve a device name: `auto` is CUDA if available, else the CPU.

    Raises UsageError if the device is unknown or not available.
    """
    import torch

    if name.split(":")[0] not in _CHOICES:
        raise UsageError(f"unknown device {name!r}", f"Valid: {', '.join(_CHOICES)}.")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"device {name!r} is not available on this machine",
            "Use --device cpu, or install a CUDA build of torch.",
        )
    return name


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero in this thread's CPU arithmetic, inside the block.

    Late in a training many values are denormal, and arithmetic with these is slow.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def one_thread(when: bool = True) -> Iterator[None]:
    """Run torch on one thread inside the block, if `when` is true.

    For work so small that threads wait for each other longer than they compute. On a busy machine
    such work takes a hundred times as long on several threads (docs/log.md).
    """
    import torch

    num_before = torch.get_num_threads()
    if when:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_before)


def num_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_bytes(device: str) -> int:
    """Memory that this process may allocate on the GPU, or on this machine.

    Pages of memory-mapped files are cache and count as free. Worker processes divide the free
    memory of the machine among them (SHARERS, which is set where they are started).
    """
    if device.startswith("cuda"):
        import torch

        # Memory that torch holds in its cache is free for new tensors.
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
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
    """Name of the processor or the GPU, in one line; stored with every result, never part of its
    key."""
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
