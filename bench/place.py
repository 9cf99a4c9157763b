"""A Titan to measure: as `titan up` runs it, on servers and in a directory of its own."""

import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import yaml

from bench.meter import Meter
from runtime.clock import SystemClock
from runtime.settings import PREFIX, Settings
from runtime.topics import topic_map
from titan.edge import EDGE_PROCESSES
from titan.local_titan import LocalTitan
from titan.packing import pack, stages_of
from titan.servers.fleet import FOLDERS

Say = Callable[[str], None]

GENERATOR: Final = "generator"
"""The process that measures: it makes the load, and shares the machine with what it measures."""

# Screening works as ever, but refuses nobody: a refused payment would be a cheaper one.
_LIMITS: Final = {
    "tiers": {
        tier: {
            "payment_amount_minor_max": {"*": 10**12},
            "daily_amount_minor_max": {"*": 10**15},
            "velocity": {"payments_max": 10**9, "window_s": 60},
        }
        for tier in ("unverified", "verified", "business")
    },
    "unlimited": ["system"],
}


class Place:
    """Everything that runs: where it answers, what it costs, and how to hold its stages."""

    def __init__(self, titan: LocalTitan, settings: Settings, *, processes: int) -> None:
        self.titan = titan
        self.settings = settings
        """What every process of it was started with."""
        self.bootstrap = titan.addresses.kafka_bootstrap
        self.dsn = titan.addresses.postgres_dsn
        self.handles_url = titan.handles_url
        self.payments_url = titan.payments_url
        self.auth_url = titan.auth_url
        packs = pack(stages_of(topic_map()), processes)
        self.stages = {each.name: each.stages for each in packs}
        """The stages of each worker."""
        run = titan.directory / "run"
        self.pids = {name: _pid_in(run / f"{name}.pid") for name in (*self.stages, *EDGE_PROCESSES)}
        """The process ids of edges and workers."""
        servers = {name: _pid_in(titan.directory / name / "server.pid") for name in FOLDERS}
        self.beside = {**servers, GENERATOR: os.getpid()}
        """The process ids of what every payment needs beside edges and stages."""
        self.meter = Meter({**self.pids, **self.beside})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stop the workers in their tracks, for less than a consumer's session time-out.

        They stay connected and warm: what is measured afterwards is their work, not their start.
        """
        self._signal_workers(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_workers(signal.SIGCONT)

    def _signal_workers(self, number: signal.Signals) -> None:
        for name in self.stages:
            os.kill(self.pids[name], number)


@asynccontextmanager
async def open_place(*, processes: int, say: Say) -> AsyncIterator[Place]:
    """Start everything, and stop it at the end; nothing is left behind."""
    with tempfile.TemporaryDirectory(prefix="titan-bench-") as name:
        settings = _settings(Path(name))
        titan = LocalTitan(
            settings, processes=processes, clock=SystemClock(), say=say, progress=say
        )
        await titan.start()
        try:
            yield Place(titan, settings, processes=processes)
        finally:
            await titan.stop()


def _settings(directory: Path) -> Settings:
    """Defaults but for places; nothing of the shell's own settings gets in."""
    limits_path = directory / "limits.yaml"
    limits_path.write_text(yaml.safe_dump(_LIMITS), encoding="utf-8")
    own = {
        "data_directory": str(directory),
        "handles_port": "0",
        "payments_port": "0",
        "auth_port": "0",
        "users_port": "0",
        "webhooks_port": "0",
        "notifications_port": "0",
        "feed_port": "0",
        "inbound_port": "0",
        "limits_file": str(limits_path),
    }
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    # The processes inherit the environment, so this is how all of them get these settings.
    os.environ.update({f"{PREFIX}{name.upper()}": value for name, value in own.items()})
    return Settings()


def _pid_in(path: Path) -> int:
    return int(json.loads(path.read_text(encoding="utf-8"))["pid"])
