"""What processes cost: CPU time and resident memory, by the part of Titan they are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Reading:
    """CPU seconds since a process was born, its ended children included, and bytes now held."""

    cpu_s: float
    resident_bytes: int


class Meter:
    """Reads the same processes again and again: each part is a process and all below it.

    This process, the parent of all, counts for itself alone.
    """

    def __init__(self, parts: Mapping[str, int]) -> None:
        self._parts = {name: psutil.Process(pid) for name, pid in parts.items()}

    def read(self) -> dict[str, Reading]:
        """A reading of each part. An error if one has died: its figures would be worth nothing."""
        return {name: _reading(process) for name, process in self._parts.items()}


def cpu_s_between(before: Mapping[str, Reading], after: Mapping[str, Reading]) -> dict[str, float]:
    """CPU seconds that each part spent between two readings."""
    return {name: after[name].cpu_s - reading.cpu_s for name, reading in before.items()}


def _reading(process: psutil.Process) -> Reading:
    own = process.cpu_times()
    cpu_s = own.user + own.system
    resident_bytes = process.memory_info().rss
    if process.pid == os.getpid():
        return Reading(cpu_s, resident_bytes)
    cpu_s += own.children_user + own.children_system
    for child in process.children(recursive=True):
        try:
            times = child.cpu_times()
            resident_bytes += _unshared_bytes(child)
        except psutil.NoSuchProcess:
            # It ended just now, and its parent has its time.
            continue
        cpu_s += times.user + times.system
    return Reading(cpu_s, resident_bytes)


def _unshared_bytes(process: psutil.Process) -> int:
    """Each backend of a database would count the buffers that all of them share."""
    memory = process.memory_info()
    return int(memory.rss) - int(getattr(memory, "shared", 0))
