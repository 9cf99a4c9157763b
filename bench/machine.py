"""What the figures were measured on: they mean nothing without it."""

import os
import platform
from datetime import datetime
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict


class Machine(BaseModel):
    """The machine and the moment."""

    model_config = ConfigDict(frozen=True)

    measured_at: datetime
    cpu: str
    cores: int
    memory_gb: int
    system: str
    python: str
    load_before: float
    """Runnable processes, mean over the minute before: above 0.5 somebody else was at work."""

    @property
    def line(self) -> str:
        """All of it in one line."""
        return (
            f"{self.measured_at:%Y-%m-%d}, {self.cpu}, {self.cores} cores, {self.memory_gb} GB, "
            f"{self.system}, Python {self.python}, load before {self.load_before:.1f}"
        )


def this_machine(now: datetime) -> Machine:
    """The machine that this runs on."""
    return Machine(
        measured_at=now,
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 1e9),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        load_before=os.getloadavg()[0],
    )


def _cpu() -> str:
    """The model as Linux names it, else what the platform says."""
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
